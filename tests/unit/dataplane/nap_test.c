// SPDX-License-Identifier: BSD-3-Clause
// A clock of one cycle a nanosecond; a worker that sleeps as it is told.
#include "nap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define SECOND UINT64_C(1000000000)

struct run {
	struct nap nap;
	struct nap_facts facts;
	double owed; // packets that have not come yet
	uint64_t sleeps, slept;
};

static int setup(void **state)
{
	struct run *run = calloc(1, sizeof(*run));

	assert_non_null(run);
	run->facts.cycles = 12345;
	nap_begin(&run->nap, SECOND, &run->facts);
	*state = run;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

// So many packets a second, of which a share is the proxy's; the mean nap.
static uint64_t mean(struct run *run, double rate, double share, double seconds)
{
	uint64_t end = run->facts.cycles + (uint64_t)(seconds * (double)SECOND);

	run->sleeps = run->slept = 0;
	while (run->facts.cycles < end) {
		uint64_t came, ns = nap_after(&run->nap, &run->facts);

		run->sleeps += ns != 0;
		run->slept += ns;
		ns += 2000; // the round
		run->facts.cycles += ns;
		run->owed += rate * (double)ns / (double)SECOND;
		came = (uint64_t)run->owed;
		run->owed -= (double)came;
		run->facts.packets += came;
		run->facts.segments = (uint64_t)((double)run->facts.packets * share);
		run->facts.empty_rounds = came ? 0 : run->facts.empty_rounds + 1;
	}
	return run->sleeps ? run->slept / run->sleeps : 0;
}

static void little_comes_short_naps(void **state)
{
	struct run *run = *state;

	run->facts.packets++; // it is not quiet
	assert_in_range(mean(run, 1000, 1, 0.05), 20000, 30000);
}

static void longer_the_more_segments_come(void **state)
{
	struct run *run = *state;
	uint64_t some = mean(run, 15000, 1, 0.2), many = mean(run, 60000, 1, 0.2);

	assert_in_range(some, 50000, 110000);
	assert_in_range(many, 150000, 210000);
}

static void a_pause_is_no_sign_of_less(void **state)
{
	struct run *run = *state;

	mean(run, 60000, 1, 0.1);
	mean(run, 0, 1, 0.002);
	assert_in_range(mean(run, 60000, 1, 0.002), 140000, 210000);
	mean(run, 2000, 1, 0.1);
	assert_in_range(mean(run, 2000, 1, 0.05), 20000, 35000);
}

static void layer_four_does_not_wait_longer(void **state)
{
	struct run *run = *state;

	mean(run, 100000, 1, 0.1);
	mean(run, 100000, 0, 0.1);
	run->facts.segments = 0;
	assert_in_range(mean(run, 100000, 0.5, 0.1), 20000, 60000);
	assert_in_range(mean(run, 100000, 0, 0.1), 20000, 60000);
}

static void many_at_once_bring_more(void **state)
{
	struct run *run = *state;

	run->facts.empty_rounds = 2;
	run->facts.packets = 15;
	assert_int_equal(nap_after(&run->nap, &run->facts), 20000);
	run->facts.packets += 16;
	assert_int_equal(nap_after(&run->nap, &run->facts), 60000);
	run->facts.packets += 15;
	assert_int_equal(nap_after(&run->nap, &run->facts), 20000);
}

static void quiet_grows_to_its_bound(void **state)
{
	struct run *run = *state;

	mean(run, 60000, 1, 0.1);
	mean(run, 0, 1, 2);
	assert_int_equal(nap_after(&run->nap, &run->facts), 400000);
	run->facts.empty_rounds = UINT32_MAX;
	assert_int_equal(nap_after(&run->nap, &run->facts), 400000);
	run->facts.empty_rounds = 1;
	assert_int_equal(nap_after(&run->nap, &run->facts), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(little_comes_short_naps, setup, teardown),
		cmocka_unit_test_setup_teardown(longer_the_more_segments_come, setup, teardown),
		cmocka_unit_test_setup_teardown(a_pause_is_no_sign_of_less, setup, teardown),
		cmocka_unit_test_setup_teardown(layer_four_does_not_wait_longer, setup, teardown),
		cmocka_unit_test_setup_teardown(many_at_once_bring_more, setup, teardown),
		cmocka_unit_test_setup_teardown(quiet_grows_to_its_bound, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
