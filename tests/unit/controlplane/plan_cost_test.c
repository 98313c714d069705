// SPDX-License-Identifier: BSD-3-Clause
// plan_next(): a plan shares with the one before what did not change, costs by what did, and what
// nobody holds any more is gone, also while an older plan is held.
#include "plan.h"

#include <arpa/inet.h>
#include <malloc.h>
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

static void put_service(struct model *model, unsigned number, unsigned endpoints)
{
	static const struct slice_port port = {"", IPPROTO_TCP, 8080};
	char name[32], origin[48];
	struct object *objects[2];
	struct service *s;
	struct endpoint_slice *slice;
	struct service_port *ports;
	struct slice_endpoint *list;

	snprintf(name, sizeof(name), "service-%u", number);
	objects[0] = object_new(OBJECT_SERVICE, "c", "default", name);
	s = (struct service *)objects[0];
	s->type = SERVICE_LOAD_BALANCER;
	s->class = s->requested = "";
	s->port_count = 1;
	ports = arena_take_array(&s->object.arena, 1, sizeof(*ports));
	*ports = (struct service_port){.name = "",
		.protocol_text = "TCP",
		.protocol = IPPROTO_TCP,
		.port = 80,
		.target_name = ""};
	s->ports = ports;
	objects[1] = object_new(OBJECT_ENDPOINT_SLICE, "c", "default", name);
	slice = (struct endpoint_slice *)objects[1];
	slice->service = arena_copy(&slice->object.arena, name);
	slice->family = FAMILY_V4;
	slice->ports = &port;
	slice->port_count = 1;
	list = arena_take_array(&slice->object.arena, endpoints, sizeof(*list));
	for (unsigned i = 0; i < endpoints; i++)
		list[i] = (struct slice_endpoint){
			.address = addr_from_v4(htonl(0x0a000001 + number * 16 + i)),
			.conditions = ENDPOINT_IS_READY,
			.node = "",
			.name = "pod",
		};
	slice->endpoints = list;
	slice->endpoint_count = endpoints;
	for (unsigned i = 0; i < 2; i++) {
		snprintf(origin, sizeof(origin), "%u/%s", i, name);
		model_replace(model, "c", origin, &objects[i], 1, NULL, 0);
	}
}

// A changed endpoint costs the same among a hundred Services and among ten thousand, but for the
// copy of a table of addresses.
static void test_shares(void **state)
{
	static const unsigned sizes[] = {100, 1000, 10000};
	struct settings *settings = pools_settings("\"10.128.0.0/16\"", "");

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct planning *planning = planning_new();
		struct model *model = model_new();
		struct plan *last, *next;
		usec_t started;
		unsigned differ = 0;

		for (unsigned j = 0; j < sizes[i]; j++)
			put_service(model, j, 10);
		last = plan_next(planning, model, settings, NULL, 0);
		next = plan_next(planning, model, settings, last->leases, last->lease_count);
		plan_free(last);
		last = next;
		started = clock_now_us();
		for (unsigned j = 0; j < 100; j++) {
			put_service(model, j, 9 + j % 2);
			next = plan_next(
				planning, model, settings, last->leases, last->lease_count);
			assert_non_null(next);
			if (j == 0) {
				assert_ptr_equal(next->vips, last->vips);
				assert_ptr_equal(next->leases, last->leases);
				for (unsigned k = 0; k < next->pool_count; k++)
					differ += next->pools[k] != last->pools[k];
				assert_int_equal(differ, 1);
			}
			plan_free(last);
			last = next;
		}
		print_message("%u Services: %.3f ms a change\n", sizes[i],
			(double)(clock_now_us() - started) / 100e3);
		planning_free(planning);
		plan_free(last);
		model_free(model);
	}
	settings_free(settings);
}

// A reader that takes its time: it keeps the plan that it reads, and not those made meanwhile.
static void test_held(void **state)
{
	static const unsigned services = 2000, changes = 400;
	struct settings *settings = pools_settings("\"10.128.0.0/16\"", "");
	struct planning *planning = planning_new();
	struct model *model = model_new();
	struct plan *held, *last = NULL;
	size_t before = 0, after;

	(void)state;
	for (unsigned i = 0; i < services; i++)
		put_service(model, i, 2);
	held = plan_next(planning, model, settings, NULL, 0);
	for (unsigned i = 0; i < changes; i++) {
		const struct plan *from = last ? last : held;
		struct plan *next;

		if (i == changes / 10) // buffers have their size
			before = mallinfo2().uordblks;
		put_service(model, i % 8, 2 + i / 8 % 2);
		next = plan_next(planning, model, settings, from->leases, from->lease_count);
		assert_non_null(next);
		plan_free(last);
		last = next;
	}
	after = mallinfo2().uordblks;
	print_message("%zd bytes more in use after %u changes\n", (ssize_t)(after - before),
		changes - changes / 10);
	assert_true(after < before + 1000000);
	assert_int_equal(held->pool_count, services);
	assert_int_equal(held->pools[0]->endpoint_count, 2);
	planning_free(planning);
	plan_free(held);
	plan_free(last);
	model_free(model);
	settings_free(settings);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shares),
		cmocka_unit_test(test_held),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
