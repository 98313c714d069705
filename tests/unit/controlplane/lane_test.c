// SPDX-License-Identifier: BSD-3-Clause
// Lanes beside each other: one whose cluster is silent, one that refuses, one that is well.
#include "lane.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define AT_A_TIME 4
#define MANY      1000

static int setup(void **state)
{
	*state = lanes_new(AT_A_TIME);
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	lanes_free(*state);
	return 0;
}

static struct waiter *next_asked(struct lanes *lanes, struct lane *lane, uint64_t now_ms)
{
	struct waiter *waiter = lanes_next(lanes, now_ms);

	if (waiter) {
		assert_null(waiter->lane);
		lane_asked(lane);
	}
	return waiter;
}

static void test_in_turn(void **state)
{
	struct lane *lane = lane_of(*state, "prod");
	struct waiter waiters[3] = {0};

	for (unsigned i = 0; i < 3; i++)
		lane_wait(lane, &waiters[i]);
	lane_leave(&waiters[1]);
	lane_leave(&waiters[1]);
	assert_ptr_equal(lanes_next(*state, 0), &waiters[0]);
	lane_wait(lane, &waiters[0]);
	assert_ptr_equal(lanes_next(*state, 0), &waiters[2]);
	assert_ptr_equal(lanes_next(*state, 0), &waiters[0]);
	assert_null(lanes_next(*state, 0));
	assert_int_equal(lanes_due_ms(*state, 0), LANE_NEVER);
}

static void test_a_few_at_a_time(void **state)
{
	struct waiter waiters[AT_A_TIME + 1] = {0};
	struct lane *lane = lane_of(*state, "prod");

	for (unsigned i = 0; i <= AT_A_TIME; i++)
		lane_wait(lane, &waiters[i]);
	for (unsigned i = 0; i < AT_A_TIME; i++)
		assert_non_null(next_asked(*state, lane, 0));
	assert_null(lanes_next(*state, 0));
	assert_int_equal(lanes_due_ms(*state, 0), LANE_NEVER); // an answer, that is
	assert_false(lane_answered(lane, true, 0));
	assert_int_equal(lanes_due_ms(*state, 0), 0);
	assert_ptr_equal(lanes_next(*state, 0), &waiters[AT_A_TIME]);
}

// Its lane asks once in a while, whatever waits; the other is asked meanwhile as if it were alone.
static void test_the_silent_hold_up_nobody(void **state)
{
	static struct waiter silent[MANY], well[MANY];
	struct lane *one = lane_of(*state, "silent"), *other = lane_of(*state, "well");
	unsigned asked = 0, told = 0;
	uint64_t now_ms = 0;

	memset(silent, 0, sizeof(silent));
	memset(well, 0, sizeof(well));
	for (unsigned i = 0; i < MANY; i++) {
		lane_wait(one, &silent[i]);
		lane_wait(other, &well[i]);
	}
	while (told < MANY) {
		struct waiter *waiter = lanes_next(*state, now_ms);

		assert_non_null(waiter);
		if (waiter >= silent && waiter < silent + MANY) {
			lane_asked(one);
			assert_int_equal(lane_answered(one, false, now_ms), asked == 0);
			lane_wait(one, waiter);
			asked++;
		} else {
			lane_asked(other);
			assert_false(lane_answered(other, true, now_ms));
			told++;
		}
		now_ms += 10;
	}
	assert_in_range(asked, 2, 1 + now_ms / LANE_AGAIN_MS);
	// Nothing else is due, and not before its time.
	assert_null(lanes_next(*state, now_ms));
	assert_in_range(lanes_due_ms(*state, now_ms), now_ms + 1, now_ms + LANE_AGAIN_MS);
	// Heard once, all of it goes on.
	now_ms = lanes_due_ms(*state, now_ms);
	assert_non_null(next_asked(*state, one, now_ms));
	assert_null(lanes_next(*state, now_ms));
	assert_int_equal(lanes_due_ms(*state, now_ms), LANE_NEVER);
	assert_true(lane_answered(one, true, now_ms));
	for (unsigned i = 0; i < AT_A_TIME; i++)
		assert_non_null(next_asked(*state, one, now_ms));
	for (unsigned i = 0; i < AT_A_TIME; i++)
		assert_false(lane_answered(one, true, now_ms));
}

// Those refused come again as many in LANE_AGAIN_MS as there is room for, and others pass them by.
static void test_the_refused_are_not_hammered(void **state)
{
	static struct waiter waiters[MANY];
	struct lane *lane = lane_of(*state, "prod");
	struct waiter another = {0};
	unsigned asked = 0;

	memset(waiters, 0, sizeof(waiters));
	for (unsigned i = 0; i < MANY; i++)
		lane_wait_again(lane, &waiters[i], 0);
	assert_null(lanes_next(*state, LANE_AGAIN_MS - 1));
	assert_int_equal(lanes_due_ms(*state, 0), LANE_AGAIN_MS);
	lane_wait(lane, &another);
	assert_ptr_equal(lanes_next(*state, 1), &another);
	for (uint64_t now_ms = 0; now_ms < LANE_AGAIN_MS * 10; now_ms += 7)
		for (struct waiter *w; (w = lanes_next(*state, now_ms)); asked++)
			lane_wait_again(lane, w, now_ms);
	assert_in_range(asked, AT_A_TIME * 8, AT_A_TIME * 9 + 1);
}

static void test_soon_is_before_later(void **state)
{
	struct lane *lane = lane_of(*state, "prod");
	struct waiter soon = {0}, later = {0};

	lane_wait_again(lane, &later, 50);
	lane_wait_soon(lane, &soon, 50);
	assert_int_equal(lanes_due_ms(*state, 50), 50 + LANE_SOON_MS);
	assert_null(lanes_next(*state, 49 + LANE_SOON_MS));
	assert_ptr_equal(lanes_next(*state, 50 + LANE_SOON_MS), &soon);
	assert_int_equal(lanes_due_ms(*state, 200), 50 + LANE_AGAIN_MS);
	lane_wait(lane, &later); // it changed
	assert_ptr_equal(lanes_next(*state, 200), &later);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_in_turn, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_few_at_a_time, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_silent_hold_up_nobody, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_refused_are_not_hammered, setup, teardown),
		cmocka_unit_test_setup_teardown(test_soon_is_before_later, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
