// SPDX-License-Identifier: BSD-3-Clause
// plan_next(): after any sequence of changes it gives what plan_make() makes of nothing, byte for
// byte; older plans stay what they were for as long as they are held. What it costs:
// plan_cost_test.c.
#include "plan.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "clock.h"
#include "model.h"
#include "planning.h"
#include "pools_settings.h"
#include "random_http.h"

#define HELD 5 // plans at a time

static unsigned next_random(unsigned *seed)
{
	*seed = *seed * 1103515245 + 12345;
	return *seed >> 16;
}

static unsigned one_of(unsigned *seed, unsigned count)
{
	return next_random(seed) % count;
}

// In one next to everything collides, in one few things do, and in one there is too little for all.
struct mix {
	unsigned names;      // of Services
	unsigned odd;        // one in so many asks for something
	const char *said[4]; // what a status may say; NULL: nothing
};

static const struct mix crowded = {6, 1, {NULL}};
static const struct mix quiet = {
	40, 8, {"192.0.2.100", "192.0.2.113", "192.0.2.117", "2001:db8::4"}};
static const struct mix scarce = {
	12, 5, {"192.0.2.100", "192.0.2.101", "192.0.2.104", "2001:db8::1"}};

static void annotate(struct object *object, const char *key, const char *value)
{
	struct label *list = arena_grow(&object->arena, (void *)(uintptr_t)object->annotations,
		object->annotation_count, sizeof(*list));

	list[object->annotation_count++] = (struct label){key, value};
	object->annotations = list;
}

static struct object *random_service(
	const char *cluster, const char *name, const struct mix *mix, unsigned *seed)
{
	const bool odd = one_of(seed, mix->odd) == 0;
	static const char *const modes[] = {"full-nat", "dnat", "dnat", "dsr", "odd"};
	static const char *const requests[] = {
		"192.0.2.100", "192.0.2.101", "2001:db8::1", "203.0.113.1", "nonsense"};
	struct service *s = (struct service *)object_new(OBJECT_SERVICE, cluster, "default", name);
	struct service_port *ports = arena_take_array(&s->object.arena, 2, sizeof(*ports));

	s->type = one_of(seed, 8) ? SERVICE_LOAD_BALANCER : SERVICE_CLUSTER_IP;
	s->class = one_of(seed, 10) ? "" : "of-others";
	s->requested = !odd || one_of(seed, 4) ? "" : requests[one_of(seed, 5)];
	s->port_count = 1 + one_of(seed, 2);
	for (unsigned i = 0; i < s->port_count; i++)
		ports[i] = (struct service_port){
			.name = s->port_count > 1 ? (i ? "b" : "a") : "",
			.protocol_text = "TCP",
			.protocol = one_of(seed, 4) ? IPPROTO_TCP : IPPROTO_UDP,
			.port = (uint16_t)(80 + 10 * i + one_of(seed, 3)),
			.node_port = one_of(seed, 3) ? 30000 : 0,
			.target_name = "",
		};
	s->ports = ports;
	s->client_ip_affinity = one_of(seed, 2);
	s->affinity_s = 10800;
	s->local_only = one_of(seed, 2);
	s->publish_not_ready = one_of(seed, 6) == 0;
	s->family_policy = (enum family_policy)one_of(seed, 4);
	s->object.created = (int64_t)one_of(seed, 3);
	s->object.line = one_of(seed, 2);
	annotate(&s->object, "sluice.dev/mode", modes[one_of(seed, 5)]);
	if (odd && mix->said[0]) {
		struct addr said;

		addr_parse(&said, mix->said[one_of(seed, 4)]);
		s->object.status.said[!addr_is_v4(&said)] = said;
	}
	if (odd && one_of(seed, 3) == 0)
		annotate(&s->object, "metallb.io/allow-shared-ip", one_of(seed, 2) ? "k1" : "k2");
	if (one_of(seed, 8) == 0)
		annotate(&s->object, "sluice.dev/weights", "n1=7, nonsense");
	return &s->object;
}

// Endpoints of a few addresses, so that Services share them, VIPs among them.
static struct object *random_slice(
	const char *cluster, const char *service, const char *name, unsigned *seed)
{
	struct endpoint_slice *slice = (struct endpoint_slice *)object_new(
		OBJECT_ENDPOINT_SLICE, cluster, "default", name);
	struct slice_endpoint *list = arena_take_array(&slice->object.arena, 4, sizeof(*list));
	struct slice_port *ports = arena_take_array(&slice->object.arena, 2, sizeof(*ports));
	bool v6 = one_of(seed, 4) == 0;

	slice->service = arena_copy(&slice->object.arena, service);
	slice->family = v6 ? FAMILY_V6 : FAMILY_V4;
	ports[0] = (struct slice_port){one_of(seed, 2) ? "" : "a", IPPROTO_TCP, 8080};
	ports[1] = (struct slice_port){"b", IPPROTO_UDP, 53};
	slice->ports = ports;
	slice->port_count = 2;
	slice->endpoint_count = one_of(seed, 4);
	for (unsigned i = 0; i < slice->endpoint_count; i++) {
		uint32_t address = one_of(seed, 6) ? 0x0a000001 + one_of(seed, 6)
						   : 0xc0000264 + one_of(seed, 3);
		list[i] = (struct slice_endpoint){
			.address = addr_from_v4(htonl(address)),
			.conditions = (uint8_t)one_of(seed, 8),
			.node = one_of(seed, 2) ? "n1" : "n2",
			.name = "pod",
		};
		if (v6)
			addr_parse(&list[i].address, one_of(seed, 2) ? "fd00::5" : "2001:db8::1");
	}
	slice->endpoints = list;
	return &slice->object;
}

static struct object *random_node(const char *cluster, const char *name, unsigned *seed)
{
	static const char *const prefixes[] = {"10.1.0.0/24", "10.1.1.0/24", "fd01::/64"};
	struct node *node = (struct node *)object_new(OBJECT_NODE, cluster, "", name);
	struct prefix *prefix = arena_take(&node->object.arena, sizeof(*prefix));
	struct addr *address = arena_take(&node->object.arena, sizeof(*address));

	prefix_parse(prefix, prefixes[one_of(seed, 3)]);
	addr_parse(address, one_of(seed, 2) ? "192.0.2.10" : "192.0.2.11");
	node->pod_prefixes = prefix;
	node->addresses = address;
	node->pod_prefix_count = one_of(seed, 2);
	node->address_count = one_of(seed, 4) ? 1 : 0;
	node->not_ready = one_of(seed, 3) == 0;
	node->unschedulable = one_of(seed, 3) == 0;
	node->excluded = one_of(seed, 4) == 0;
	node->object.created = (int64_t)one_of(seed, 3);
	if (one_of(seed, 2))
		annotate(&node->object, "sluice.dev/weight", one_of(seed, 3) ? "3" : "none");
	return &node->object;
}

// One object comes, goes or changes, in one of two files.
static void change(struct model *model, const struct mix *mix, unsigned *seed)
{
	static const struct model_problem problem = {
		"Service c0/default/x", "f:1", "broken", false};
	const char *cluster = one_of(seed, 2) ? "c0" : "c1";
	const char *file = one_of(seed, 8) ? "f" : "g";
	unsigned kind = one_of(seed, 12), number = one_of(seed, mix->names);
	char origin[64], name[32], service[32];
	struct object *object;

	snprintf(service, sizeof(service), "s%u", number);
	snprintf(name, sizeof(name), "s%u-%u", number, one_of(seed, 2));
	if (kind < 3)
		object = random_service(cluster, service, mix, seed);
	else if (kind < 7)
		object = random_slice(cluster, one_of(seed, 12) ? service : "", name, seed);
	else if (kind < 8)
		object = random_node(cluster, one_of(seed, 2) ? "n1" : "n2", seed);
	else if (kind < 10)
		object = random_ingress(cluster, seed);
	else if (kind < 11)
		object = random_class(cluster, seed);
	else
		object = random_secret(one_of(seed, 4) ? cluster : "sluice", seed);
	snprintf(origin, sizeof(origin), "%s-%d-%s", file, (int)object->kind, object->name);
	if (one_of(seed, 4) == 0) {
		object_free(object);
		model_replace(model, cluster, origin, NULL, 0, &problem, one_of(seed, 6) == 0);
		return;
	}
	assert_int_equal(
		model_replace(model, cluster, origin, &object, 1, &problem, one_of(seed, 6) == 0),
		0);
}

static char *text_of(const struct plan *plan)
{
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	plan_print(plan, stream);
	fclose(stream);
	return text;
}

static void check_same(const char *expected, const char *found, unsigned seed, unsigned step)
{
	const char *line = expected, *other = found;

	for (; *expected && *expected == *found; expected++, found++)
		if (*expected == '\n') {
			line = expected + 1;
			other = found + 1;
		}
	if (*expected != *found)
		fail_msg("seed %u step %u:\nexpected %.*s\nfound    %.*s", seed, step,
			(int)strcspn(line, "\n"), line, (int)strcspn(other, "\n"), other);
}

struct held { // the newest plans, and what they said
	struct plan *plan;
	char *text;
};

static void let_go(struct held *held, unsigned seed, unsigned step)
{
	char *text;

	if (!held->plan)
		return;
	text = text_of(held->plan);
	check_same(held->text, text, seed, step); // nobody has changed it
	plan_free(held->plan);
	free(held->text);
	free(text);
	*held = (struct held){0};
}

static struct plan_rows rows_of(const struct plan *plan, enum row_kind kind)
{
	switch (kind) {
	case ROW_VIP:
		return (struct plan_rows){plan->vip_count, (void **)plan->vips};
	case ROW_LISTENER:
		return (struct plan_rows){plan->listener_count, (void **)plan->listeners};
	case ROW_POOL:
		return (struct plan_rows){plan->pool_count, (void **)plan->pools};
	case ROW_ROUTE:
		return (struct plan_rows){plan->route_count, (void **)plan->routes};
	case ROW_PROBLEM:
		return (struct plan_rows){plan->problem_count, (void **)plan->problems};
	case ROW_CLUSTER:
		return (struct plan_rows){plan->cluster_count, (void **)plan->clusters};
	case ROW_SITE:
		return (struct plan_rows){plan->site_count, (void **)plan->sites};
	case ROW_HOST:
		return (struct plan_rows){plan->host_count, (void **)plan->hosts};
	case ROW_SERVER_NAME:
		return (struct plan_rows){plan->server_name_count, (void **)plan->server_names};
	case ROW_CERTIFICATE:
		return (struct plan_rows){plan->certificate_count, (void **)plan->certificates};
	case ROW_INGRESS:
		return (struct plan_rows){plan->ingress_count, (void **)plan->ingresses};
	}
	return (struct plan_rows){0};
}

static bool has_row(const struct plan_rows *rows, const void *row)
{
	for (unsigned i = 0; i < rows->count; i++)
		if (rows->list[i] == row)
			return true;
	return false;
}

// The rows of the plan before, without those that went, and those that came, are the plan's.
static void check_delta(
	const struct plan_delta *delta, const struct plan *last, const struct plan *next)
{
	for (unsigned kind = 0; kind < ROW_KINDS; kind++) {
		const struct plan_rows *gone = &delta->gone[kind], *added = &delta->added[kind];
		struct plan_rows old = rows_of(last, (enum row_kind)kind);
		struct plan_rows new = rows_of(next, (enum row_kind)kind);

		assert_int_equal(old.count - gone->count + added->count, new.count);
		for (unsigned i = 0; i < gone->count; i++)
			assert_true(has_row(&old, gone->list[i]));
		for (unsigned i = 0; i < added->count; i++)
			assert_true(has_row(&new, added->list[i]));
		for (unsigned i = 0; i < old.count; i++)
			assert_int_not_equal(
				has_row(gone, old.list[i]), has_row(&new, old.list[i]));
	}
}

static unsigned run_sequence(
	unsigned seed, const struct mix *mix, struct settings *const settings[2])
{
	struct planning *planning = planning_new();
	struct model *model = model_new();
	struct held held[HELD] = {0};
	const struct plan *last = NULL;
	unsigned random = seed, alls = 0, few = 0;

	for (unsigned step = 0; step < 60; step++) {
		const struct settings *used = settings[step / 25 % 2];
		struct held *place = &held[one_of(&random, HELD)];
		struct plan *fresh, *next;
		char *text;

		for (unsigned i = one_of(&random, 3) + 1; i > 0; i--)
			change(model, mix, &random);
		fresh = plan_make(
			model, used, last ? last->leases : NULL, last ? last->lease_count : 0);
		next = plan_next(planning, model, used, last ? last->leases : NULL,
			last ? last->lease_count : 0);
		assert_non_null(fresh);
		assert_non_null(next);
		if (!planning_delta(planning)->all)
			check_delta(planning_delta(planning), last, next);
		else
			alls++;
		few += planning->few_count != 0;
		text = text_of(fresh);
		while (place->plan == last && last)
			place = &held[one_of(&random, HELD)];
		let_go(place, seed, step);
		*place = (struct held){next, text_of(next)};
		check_same(text, place->text, seed, step);
		last = next;
		free(text);
		plan_free(fresh);
	}
	assert_int_equal(alls, 3); // the first, and those with other settings
	if (seed & 1)              // either may go first
		planning_free(planning);
	for (unsigned i = 0; i < HELD; i++)
		let_go(&held[i], seed, 1000);
	if (!(seed & 1))
		planning_free(planning);
	model_free(model);
	return few;
}

static unsigned run_sequences(const struct mix *mix, const char *const pools[2], const char *more)
{
	struct settings *settings[] = {
		pools_settings(pools[0], more), pools_settings(pools[1], more)};
	unsigned few = 0;

	for (unsigned seed = 1; seed <= 400; seed++)
		few += run_sequence(seed, mix, settings);
	settings_free(settings[0]);
	settings_free(settings[1]);
	return few;
}

static void test_any_sequence(void **state)
{
	static const char *const pools[] = {
		"\"192.0.2.100-192.0.2.103\", \"2001:db8::/126\"", "\"192.0.2.102-192.0.2.109\""};

	(void)state;
	run_sequences(&crowded, pools,
		"shares = ( { service = \"default/s0\"; clusters = ( { name = \"c1\"; weight = 3; "
		"},"
		" { name = \"c0\"; } ); }, { service = \"default/s1\"; clusters = ( { name = "
		"\"c0\"; },"
		" { name = \"c1\"; weight = 0; } ); } );");
}

// Where few collide, few are placed: that is what ipam_few.c is for, and how often it was asked.
static void test_quiet_sequence(void **state)
{
	static const char *const pools[] = {
		"\"192.0.2.100-192.0.2.199\", \"2001:db8::/120\"", "\"192.0.2.110-192.0.2.249\""};
	static const char *const few[] = {
		"\"192.0.2.100-192.0.2.107\", \"2001:db8::/126\"", "\"192.0.2.101-192.0.2.106\""};
	unsigned alone, with_others, in_want;

	(void)state;
	alone = run_sequences(&quiet, pools, "");
	with_others = run_sequences(
		&quiet, pools, "pair = { interface = \"wan\"; gateways = [ \"192.0.2.4\" ]; };");
	in_want = run_sequences(&scarce, few, "");
	printf("few placed in %u, %u and %u of 24000 plans\n", alone, with_others, in_want);
	assert_true(alone > 4000 && with_others > 4000 && in_want > 2000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_sequence),
		cmocka_unit_test(test_quiet_sequence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
