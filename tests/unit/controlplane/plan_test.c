// SPDX-License-Identifier: BSD-3-Clause
// plan_make() by properties, over random objects and a large model; tests/plan has the single
// rules.
#include "plan.h"

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
#include "pools_settings.h"

static struct service *add_service(const char *name, unsigned port_count)
{
	struct service *s = (struct service *)object_new(OBJECT_SERVICE, "c", "default", name);
	struct service_port *ports = arena_take_array(&s->object.arena, port_count, sizeof(*ports));

	s->type = SERVICE_LOAD_BALANCER;
	s->class = s->requested = "";
	for (unsigned i = 0; i < port_count; i++)
		ports[i] = (struct service_port){
			.name = port_count > 1 ? arena_format(&s->object.arena, "p%u", i) : "",
			.protocol_text = "TCP",
			.protocol = IPPROTO_TCP,
			.port = (uint16_t)(80 + i),
			.target_name = "",
		};
	s->ports = ports;
	s->port_count = port_count;
	return s;
}

static struct endpoint_slice *add_slice(const char *service, unsigned first, unsigned count)
{
	char name[96];
	struct endpoint_slice *slice;
	struct slice_endpoint *endpoints;
	struct slice_port *ports;

	snprintf(name, sizeof(name), "%s-s", service);
	slice = (struct endpoint_slice *)object_new(OBJECT_ENDPOINT_SLICE, "c", "default", name);
	slice->service = arena_copy(&slice->object.arena, service);
	slice->family = FAMILY_V4;
	ports = arena_take_array(&slice->object.arena, 1, sizeof(*ports));
	ports[0] = (struct slice_port){"", IPPROTO_TCP, 8080};
	slice->ports = ports;
	slice->port_count = 1;
	endpoints = arena_take_array(&slice->object.arena, count, sizeof(*endpoints));
	for (unsigned i = 0; i < count; i++)
		endpoints[i] = (struct slice_endpoint){
			.address = addr_from_v4(htonl(0x0a000001 + first + i)),
			.conditions = ENDPOINT_IS_READY | ENDPOINT_IS_SERVING,
			.node = "",
			.name = arena_format(&slice->object.arena, "pod-%u", first + i),
		};
	slice->endpoints = endpoints;
	slice->endpoint_count = count;
	return slice;
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

// What must be true of any plan.
static void check_plan(const struct plan *plan)
{
	for (unsigned i = 1; i < plan->vip_count; i++)
		assert_true(addr_compare(&plan->vips[i - 1]->address, &plan->vips[i]->address) < 0);
	for (unsigned i = 0; i < plan->listener_count; i++) {
		const struct plan_listener *it = plan->listeners[i];
		bool vip = false, pool = false;

		if (i) { // no protocol and port of an address twice
			const struct plan_listener *last = plan->listeners[i - 1];
			int order = addr_compare(&last->vip, &it->vip);

			assert_true(order < 0 ||
				    (order == 0 && (last->protocol < it->protocol ||
							   (last->protocol == it->protocol &&
								   last->port < it->port))));
		}
		for (unsigned j = 0; j < plan->vip_count; j++)
			vip |= addr_compare(&plan->vips[j]->address, &it->vip) == 0;
		for (unsigned j = 0; j < plan->pool_count; j++)
			pool |= strcmp(plan->pools[j]->name, it->pool) == 0;
		assert_true(vip && pool);
	}
	for (unsigned i = 1; i < plan->pool_count; i++)
		assert_true(strcmp(plan->pools[i - 1]->name, plan->pools[i]->name) < 0);
}

// Told by the first line that differs: a plan is longer than cmocka prints.
static void check_same(const char *a, const char *b, unsigned seed, unsigned step)
{
	const char *line = a, *other = b;

	for (; *a && *a == *b; a++, b++)
		if (*a == '\n') {
			line = a + 1;
			other = b + 1;
		}
	if (*a != *b)
		fail_msg("seed %u step %u: not the same again:\n%.*s\n%.*s", seed, step,
			(int)strcspn(line, "\n"), line, (int)strcspn(other, "\n"), other);
}

static unsigned next_random(unsigned *seed)
{
	*seed = *seed * 1103515245 + 12345;
	return *seed >> 16;
}

static void randomize(struct service *s, unsigned *seed)
{
	static const struct label keys[] = {
		{"metallb.io/allow-shared-ip", "k1"}, {"metallb.io/allow-shared-ip", "k2"}};
	static const char *const requests[] = {"192.0.2.100", "192.0.2.101", "192.0.2.103",
		"2001:db8::1", "203.0.113.1", "nonsense"};
	struct service_port *port = (struct service_port *)&s->ports[0];
	unsigned kind = next_random(seed) % 4;

	port->port = (uint16_t)(80 + next_random(seed) % 3);
	port->protocol = next_random(seed) % 4 ? IPPROTO_TCP : IPPROTO_UDP;
	if (kind < 2) {
		s->object.annotations = &keys[kind];
		s->object.annotation_count = 1;
	}
	if (next_random(seed) % 3 == 0)
		s->requested = requests[next_random(seed) % 6];
	s->object.created = (int64_t)(next_random(seed) % 3);
	s->family_policy = (enum family_policy)(next_random(seed) % 4);
	if (next_random(seed) % 5 == 0)
		s->class = "of-others";
}

static const struct plan_lease *lease_of(
	const struct plan *plan, const char *service, const struct addr *address)
{
	for (unsigned i = 0; i < plan->lease_count; i++)
		if (strcmp(plan->leases[i].service, service) == 0 &&
			addr_compare(&plan->leases[i].address, address) == 0)
			return &plan->leases[i];
	return NULL;
}

// Random Services come and go: every plan is sound, the same from any order of leases, the same
// again from its own leases, and no Service that did not change loses an address it may keep.
static void test_random(void **state)
{
	struct settings *settings =
		pools_settings("\"192.0.2.100-192.0.2.103\", \"2001:db8::/126\"", "");

	(void)state;
	for (unsigned seed = 1; seed <= 200; seed++) {
		struct model *model = model_new();
		struct plan *last = plan_make(model, settings, NULL, 0);
		unsigned random = seed;

		for (unsigned step = 0; step < 30; step++) {
			char name[32];
			struct object *object;
			struct plan *plan, *again;
			char *text, *text_again;
			bool gone = next_random(&random) % 3 == 0;

			snprintf(name, sizeof(name), "s%u", next_random(&random) % 8);
			object = &add_service(name, 1)->object;
			randomize((struct service *)object, &random);
			model_replace(model, "c", name, NULL, 0, NULL, 0);
			if (gone)
				object_free(object);
			else
				model_replace(model, "c", name, &object, 1, NULL, 0);
			plan = plan_make(model, settings, last->leases, last->lease_count);
			assert_non_null(plan);
			check_plan(plan);
			again = plan_make(model, settings, plan->leases, plan->lease_count);
			text = text_of(plan);
			text_again = text_of(again);
			check_same(text, text_again, seed, step);
			free(text);
			free(text_again);
			plan_free(again);
			plan_free(last);
			last = plan;
		}
		plan_free(last);
		model_free(model);
	}
	settings_free(settings);
}

// A Service's address outlives it, and other Services coming before it by name or age.
static void test_sticky(void **state)
{
	struct settings *settings = pools_settings("\"192.0.2.100-192.0.2.110\"", "");
	struct model *model = model_new();
	struct object *m = &add_service("m", 1)->object, *a = &add_service("a", 1)->object;
	struct plan *first, *second, *third;
	struct addr address;

	(void)state;
	addr_parse(&address, "192.0.2.100");
	model_replace(model, "c", "f", &m, 1, NULL, 0);
	first = plan_make(model, settings, NULL, 0);
	assert_non_null(lease_of(first, "c/default/m", &address));
	model_replace(model, "c", "f", &a, 1, NULL, 0); // m goes, a comes
	second = plan_make(model, settings, first->leases, first->lease_count);
	assert_non_null(lease_of(second, "c/default/m", &address));
	assert_null(lease_of(second, "c/default/a", &address));
	assert_int_equal(second->vip_count, 1);
	m = &add_service("m", 1)->object;
	model_replace(model, "c", "g", &m, 1, NULL, 0);
	third = plan_make(model, settings, second->leases, second->lease_count);
	assert_int_equal(third->vip_count, 2);
	assert_string_equal(third->vips[0]->services[0], "c/default/m");
	plan_free(first);
	plan_free(second);
	plan_free(third);
	model_free(model);
	settings_free(settings);
}

// 10,000 Services with 100,000 endpoints.
static void test_large(void **state)
{
	enum {
		SERVICES = 10000,
		ENDPOINTS = 10
	};
	struct settings *settings = pools_settings("\"10.128.0.0/16\"", "");
	struct model *model = model_new();
	struct plan *plan, *again;
	usec_t start;
	char name[32];

	(void)state;
	for (unsigned i = 0; i < SERVICES; i++) {
		struct object *objects[2];

		snprintf(name, sizeof(name), "service-%u", i);
		objects[0] = &add_service(name, 1)->object;
		objects[1] = &add_slice(name, i * ENDPOINTS, ENDPOINTS)->object;
		assert_int_equal(model_replace(model, "c", name, objects, 2, NULL, 0), 0);
	}
	start = clock_now_us();
	plan = plan_make(model, settings, NULL, 0);
	print_message("%u Services, %u endpoints: %u ms\n", SERVICES, SERVICES * ENDPOINTS,
		(unsigned)((clock_now_us() - start) / 1000));
	assert_non_null(plan);
	assert_int_equal(plan->vip_count, SERVICES);
	assert_int_equal(plan->pool_count, SERVICES);
	assert_int_equal(plan->pools[7]->endpoint_count, ENDPOINTS);
	assert_int_equal(plan->problem_count, 0);
	start = clock_now_us();
	again = plan_make(model, settings, plan->leases, plan->lease_count);
	print_message("with leases: %u ms\n", (unsigned)((clock_now_us() - start) / 1000));
	assert_true(clock_now_us() - start < 20 * 1000000); // sanitizers and a busy machine
	assert_int_equal(again->vip_count, SERVICES);
	plan_free(again);
	plan_free(plan);
	model_free(model);
	settings_free(settings);
}

// More than the dataplane takes is cut off and told, not sent to be refused as a whole.
static void test_limits(void **state)
{
	struct settings *settings = pools_settings("\"10.128.0.0/16\"", "");
	struct model *model = model_new();
	struct object *objects[] = {&add_service("web", 1)->object,
		&add_slice("web", 0, SLUICE_POOL_ENDPOINTS_MAX + 1)->object};
	struct plan *plan;

	(void)state;
	model_replace(model, "c", "f", objects, 2, NULL, 0);
	plan = plan_make(model, settings, NULL, 0);
	assert_int_equal(plan->pools[0]->endpoint_count, SLUICE_POOL_ENDPOINTS_MAX);
	assert_int_equal(plan->problem_count, 1);
	plan_free(plan);
	model_free(model);
	settings_free(settings);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sticky),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
