// SPDX-License-Identifier: BSD-3-Clause
// publish_diff(): whatever two plans, the difference applied to the first gives the second, and
// names nothing that is the same in both.
#include "plan_sample.h"
#include "publish.h"
#include "shadow.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// By way of the wire's bytes, as the dataplane reads it.
static void apply(struct shadow *shadow, const struct difference *difference)
{
	const Sluice__Transaction *t = difference_transaction(difference);
	size_t length = sluice__transaction__get_packed_size(t);
	uint8_t *bytes = malloc(length + 1);
	Sluice__Transaction *read;

	assert_non_null(bytes);
	sluice__transaction__pack(t, bytes);
	read = sluice__transaction__unpack(NULL, length, bytes);
	assert_non_null(read);
	shadow_apply(shadow, read);
	sluice__transaction__free_unpacked(read, NULL);
	free(bytes);
}

static void holds(const struct shadow *shadow, const struct plan *plan)
{
	struct difference *whole = publish_diff(NULL, plan, 0, 1);
	struct shadow expected = {0};
	char *a, *b;

	assert_non_null(whole);
	apply(&expected, whole);
	assert_int_equal(expected.count,
		plan->vip_count + plan->listener_count + plan->pool_count + plan->route_count);
	a = shadow_text(shadow);
	b = shadow_text(&expected);
	assert_string_equal(a, b);
	free(a);
	free(b);
	shadow_clear(&expected);
	difference_free(whole);
}

static void any_plan_to_any_other(void **state)
{
	struct plan *plans[40];
	struct shadow shadow = {0};
	struct difference *d;
	unsigned n = sizeof(plans) / sizeof(plans[0]);

	(void)state;
	for (unsigned i = 0; i < n; i++)
		plans[i] = plan_sample_random(1000 + i, i % 10 == 9 ? 0 : 1 + i);
	d = publish_diff(NULL, plans[0], 0, 1);
	apply(&shadow, d);
	difference_free(d);
	for (unsigned i = 1; i < n; i++) {
		d = publish_diff(plans[i - 1], plans[i], i, i + 1);
		assert_non_null(d);
		assert_int_equal(difference_transaction(d)->since, i);
		assert_int_equal(difference_transaction(d)->generation, i + 1);
		apply(&shadow, d);
		holds(&shadow, plans[i]);
		difference_free(d);
	}
	shadow_clear(&shadow);
	for (unsigned i = 0; i < n; i++)
		plan_sample_free(plans[i]);
}

static void same_plans_differ_in_nothing(void **state)
{
	struct plan *a = plan_sample_random(7, 30), *b = plan_sample_random(7, 30);
	struct difference *d = publish_diff(a, b, 1, 2);

	(void)state;
	assert_true(difference_empty(d));
	difference_free(d);
	plan_sample_free(a);
	plan_sample_free(b);
}

// One field of one row: that row is sent and no other.
static void every_field_counts(void **state)
{
	struct plan *a = plan_sample_web(3), *b = plan_sample_web(3);
	struct plan_listener *listener = b->listeners[0];
	struct plan_endpoint *endpoint = &b->pools[0]->endpoints[1];
	struct prefix allowed = {a->vips[0]->address, 32};
	char *none[] = {(char *)"wan"};
	struct difference *d;

	(void)state;
#define CHANGES(change, back, rows)                                                                \
	do {                                                                                       \
		change;                                                                            \
		d = publish_diff(a, b, 1, 2);                                                      \
		assert_int_equal(difference_transaction(d)->rows, 1);                              \
		assert_int_equal(difference_transaction(d)->n_vips +                               \
					 difference_transaction(d)->n_listeners +                  \
					 difference_transaction(d)->n_pools,                       \
			1);                                                                        \
		difference_free(d);                                                                \
		back;                                                                              \
		d = publish_diff(a, b, 1, 2);                                                      \
		assert_true(difference_empty(d));                                                  \
		difference_free(d);                                                                \
	} while (0)
	CHANGES(listener->mode = MODE_DSR, listener->mode = MODE_FULL_NAT, n_listeners);
	CHANGES(listener->affinity_s = 5, listener->affinity_s = 0, n_listeners);
	CHANGES((listener->sources = &allowed, listener->source_count = 1),
		(listener->sources = NULL, listener->source_count = 0), n_listeners);
	CHANGES(b->pools[0]->algorithm = ALGORITHM_WEIGHTED,
		b->pools[0]->algorithm = ALGORITHM_MAGLEV, n_pools);
	CHANGES(endpoint->weight = 7, endpoint->weight = 1, n_pools);
	CHANGES(endpoint->port = 9090, endpoint->port = 8080, n_pools);
	CHANGES(endpoint->state = ENDPOINT_DRAINING, endpoint->state = ENDPOINT_READY, n_pools);
	CHANGES(endpoint->name[0] = 'x', endpoint->name[0] = 'w', n_pools);
	CHANGES(b->pools[0]->endpoint_count = 2, b->pools[0]->endpoint_count = 3, n_pools);
	CHANGES((b->vips[0]->interfaces = none, b->vips[0]->interface_count = 1),
		(b->vips[0]->interfaces = NULL, b->vips[0]->interface_count = 0), n_vips);
#undef CHANGES
	// What is only told to people does not go to the dataplane.
	b->vips[0]->shared = true;
	d = publish_diff(a, b, 1, 2);
	assert_true(difference_empty(d));
	difference_free(d);
	plan_sample_free(a);
	plan_sample_free(b);
}

static void nothing_removes_all(void **state)
{
	struct plan *a = plan_sample_web(2);
	struct plan none = {0};
	struct shadow shadow = {0};
	struct difference *d = publish_diff(NULL, a, 0, 4);

	(void)state;
	apply(&shadow, d);
	assert_int_equal(shadow.count, 3);
	difference_free(d);
	d = publish_diff(a, &none, 4, 5);
	assert_int_equal(difference_transaction(d)->n_pools_removed, 1);
	apply(&shadow, d);
	assert_int_equal(shadow.count, 0);
	difference_free(d);
	shadow_clear(&shadow);
	plan_sample_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_plan_to_any_other),
		cmocka_unit_test(same_plans_differ_in_nothing),
		cmocka_unit_test(every_field_counts),
		cmocka_unit_test(nothing_removes_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
