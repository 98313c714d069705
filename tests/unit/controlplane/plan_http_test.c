// SPDX-License-Identifier: BSD-3-Clause
// What one change of an Ingress, a Secret or an endpoint costs on the channel: that row and no
// other.
#include "publish.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "clock.h"
#include "ingress.h"
#include "model.h"
#include "secret.h"

struct stage {
	struct settings *settings;
	struct model *model;
	struct planning *planning;
	struct plan *last;
};

static void put(struct stage *s, struct object *object)
{
	char origin[80];

	snprintf(origin, sizeof(origin), "%d-%s", (int)object->kind, object->name);
	assert_int_equal(model_replace(s->model, object->cluster, origin, &object, 1, NULL, 0), 0);
}

static void put_service(struct stage *s, const char *name, unsigned last_byte)
{
	struct service *service =
		(struct service *)object_new(OBJECT_SERVICE, "c", "default", name);
	struct endpoint_slice *slice =
		(struct endpoint_slice *)object_new(OBJECT_ENDPOINT_SLICE, "c", "default", name);
	struct service_port *port = arena_take(&service->object.arena, sizeof(*port));
	struct slice_port *slice_port = arena_take(&slice->object.arena, sizeof(*slice_port));
	struct slice_endpoint *endpoint = arena_take(&slice->object.arena, sizeof(*endpoint));

	*port = (struct service_port){
		.name = "", .target_name = "", .protocol = IPPROTO_TCP, .port = 80};
	service->class = service->requested = "";
	service->ports = port;
	service->port_count = 1;
	*slice_port = (struct slice_port){"", IPPROTO_TCP, 8080};
	*endpoint = (struct slice_endpoint){.address = addr_from_v4(htonl(0x0a000000 + last_byte)),
		.conditions = ENDPOINT_IS_READY | ENDPOINT_IS_SERVING,
		.node = "",
		.name = ""};
	slice->service = arena_copy(&slice->object.arena, name);
	slice->family = FAMILY_V4;
	slice->ports = slice_port;
	slice->endpoints = endpoint;
	slice->port_count = slice->endpoint_count = 1;
	put(s, &service->object);
	put(s, &slice->object);
}

static void put_ingress(struct stage *s, const char *name, const char *path, unsigned paths)
{
	struct ingress *ingress =
		(struct ingress *)object_new(OBJECT_INGRESS, "c", "default", name);
	struct arena *arena = &ingress->object.arena;
	struct ingress_rule *rule = arena_take(arena, sizeof(*rule));
	struct ingress_path *list = arena_take_array(arena, paths, sizeof(*list));
	struct ingress_tls *tls = arena_take(arena, sizeof(*tls));
	const char **host = arena_take(arena, sizeof(*host));

	*host = arena_format(arena, "%s.example", name);
	for (unsigned i = 0; i < paths; i++)
		list[i] = (struct ingress_path){.type = PATH_PREFIX,
			.path = arena_format(arena, "%s%u", path, i),
			.backend = {
				.service = arena_copy(arena, name), .port_name = "", .port = 80}};
	*rule = (struct ingress_rule){.host = *host, .path_count = paths, .paths = list};
	*tls = (struct ingress_tls){.hosts = host, .host_count = 1, .secret = "x"};
	ingress->class = "";
	ingress->default_backend = (struct ingress_backend){.service = "", .port_name = ""};
	ingress->rules = rule;
	ingress->tls = tls;
	ingress->rule_count = ingress->tls_count = 1;
	put(s, &ingress->object);
}

static void put_secret(struct stage *s, const char *key)
{
	struct secret *secret = (struct secret *)object_new(OBJECT_SECRET, "c", "default", "x");
	static const char *const names[] = {"*.example"};

	secret->type = "kubernetes.io/tls";
	secret->chain_pem = (struct secret_bytes){(const uint8_t *)"chain", 5};
	secret->key_pem.data = (const uint8_t *)arena_copy(&secret->object.arena, key);
	secret->key_pem.length = strlen(key);
	secret->facts = (struct secret_facts){.key = KEY_ECDSA,
		.names = names,
		.name_count = 1,
		.issuer = "",
		.subject = "",
		.fingerprint = "f"};
	put(s, &secret->object);
}

static struct plan *plan(struct stage *s)
{
	struct plan *next = plan_next(s->planning, s->model, s->settings,
		s->last ? s->last->leases : NULL, s->last ? s->last->lease_count : 0);

	assert_non_null(next);
	return next;
}

struct size { // of a transaction
	size_t sites, hosts, names, certificates, pools, listeners, removed;
};

// Plans anew; what that is on the channel.
static struct size step(struct stage *s)
{
	struct plan *next = plan(s);
	struct difference *d = publish_diff(s->last, next, 1, 2);
	const Sluice__Transaction *t = difference_transaction(d);
	struct size size = {t->n_sites, t->n_hosts, t->n_server_names, t->n_certificates,
		t->n_pools, t->n_listeners,
		t->n_sites_removed + t->n_hosts_removed + t->n_server_names_removed +
			t->n_certificates_removed + t->n_pools_removed + t->n_listeners_removed};

	difference_free(d);
	plan_free(s->last);
	s->last = next;
	return size;
}

static void check(struct size found, struct size expected)
{
	assert_memory_equal(&found, &expected, sizeof(found));
}

static int setup(void **state)
{
	struct stage *s = calloc(1, sizeof(*s));
	struct reason reason = {0};

	s->settings = settings_parse(
		"ports = ( { name = \"wan\"; kind = \"tap\"; device = \"x\"; addresses = [ "
		"\"192.0.2.2/24\" ]; } );\n"
		"pools = ( { name = \"p\"; addresses = [ \"192.0.2.100\" ]; } );\n",
		"t.conf", &reason);
	assert_non_null(s->settings);
	s->model = model_new();
	s->planning = planning_new();
	s->last = plan(s);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct stage *s = *state;

	plan_free(s->last);
	planning_free(s->planning);
	model_free(s->model);
	settings_free(s->settings);
	free(s);
	return 0;
}

static void only_what_changed(void **state)
{
	struct stage *s = *state;

	put_service(s, "a", 1);
	put_service(s, "b", 2);
	put_secret(s, "key");
	put_ingress(s, "a", "/", 1);
	check(step(s), (struct size){.sites = 1,
			       .hosts = 1,
			       .names = 1,
			       .certificates = 1,
			       .pools = 1,
			       .listeners = 2});
	put_ingress(s, "b", "/", 1);
	check(step(s), (struct size){.hosts = 1, .names = 1, .pools = 1});
	put_service(s, "a", 3);
	check(step(s), (struct size){.pools = 1});
	put_secret(s, "other key");
	check(step(s), (struct size){.certificates = 1});
	put_ingress(s, "b", "/changed", 1);
	check(step(s), (struct size){.hosts = 1});
	put_ingress(s, "b", "/changed", 1);
	check(step(s), (struct size){0});
	model_replace(s->model, "c", "3-b", NULL, 0, NULL, 0);
	check(step(s), (struct size){.removed = 3}); // host, name, pool
	model_replace(s->model, "c", "3-a", NULL, 0, NULL, 0);
	check(step(s), (struct size){.removed = 7}); // with site, certificate and two listeners
}

static void cost_of_a_change(void **state)
{
	struct stage *s = *state;
	usec_t started;
	char name[16];

	put_secret(s, "key");
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "s%u", i);
		put_service(s, name, i);
		put_ingress(s, name, "/", 20);
	}
	step(s);
	started = clock_now_us();
	for (unsigned i = 0; i < 10; i++) {
		put_ingress(s, "s7", i % 2 ? "/a" : "/b", 20);
		check(step(s), (struct size){.hosts = 1});
	}
	print_message("1000 hosts of 20 paths: %.1f ms a change of one\n",
		(double)(clock_now_us() - started) / 10e3);
	started = clock_now_us();
	for (unsigned i = 0; i < 10; i++) {
		put_service(s, "s7", 100000 + i % 2);
		check(step(s), (struct size){.pools = 1});
	}
	print_message(
		"%.1f ms a change of an endpoint\n", (double)(clock_now_us() - started) / 10e3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(only_what_changed, setup, teardown),
		cmocka_unit_test_setup_teardown(cost_of_a_change, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
