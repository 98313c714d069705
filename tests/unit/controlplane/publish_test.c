// SPDX-License-Identifier: BSD-3-Clause
// publish/ against a dataplane that connects, refuses, dies and comes back, over a real socket and
// with a real plan file, all on one loop. Each wait is for an event; a test that waits for what
// never comes fails after ten seconds.
// house: longer than 500 lines, for all of it is played on one stage
#include "clock.h"
#include "fake_dataplane.h"
#include "plan_sample.h"
#include "publish.h"

#include <errno.h>
#include <libgen.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct stage {
	uv_loop_t loop;
	char directory[64], socket[80], file[80];
	struct seal *seal;
	struct fake_dataplane fake;
	struct publish *publish;
	unsigned changes, released;
	unsigned answers, refusals; // of stats and flows
	char why[200];
	uint64_t number;
};

static void on_changed(void *arg)
{
	((struct stage *)arg)->changes++;
}

static void publish_start(struct stage *s)
{
	const struct publish_options options = {
		s->socket, {s->file, s->seal, SLUICE_PLAN_FILE}, s, on_changed, plan_sample_free};
	struct reason reason = {0};

	assert_int_equal(publish_open(&s->publish, &s->loop, &options, &reason), 0);
	assert_int_equal(reason.count, 0);
}

static int setup(void **state)
{
	struct stage *s = calloc(1, sizeof(*s));
	struct reason none = {0};

	uv_loop_init(&s->loop);
	strcpy(s->directory, "/tmp/sluice-publish-XXXXXX");
	assert_non_null(mkdtemp(s->directory));
	snprintf(s->socket, sizeof(s->socket), "%s/dataplane.sock", s->directory);
	snprintf(s->file, sizeof(s->file), "%s/plan", s->directory);
	assert_int_equal(seal_open(&s->seal, s->directory, &none), 0);
	publish_start(s);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct stage *s = *state;

	publish_close(s->publish);
	if (s->fake.loop)
		fake_stop(&s->fake);
	uv_run(&s->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&s->loop), 0);
	shadow_clear(&s->fake.shadow);
	unlink(s->socket);
	unlink(s->file);
	seal_close(s->seal);
	unlink(strcat(s->directory, "/" SEAL_KEY_FILE));
	assert_int_equal(rmdir(dirname(s->directory)), 0);
	free(s);
	return 0;
}

static void too_late(uv_timer_t *timer)
{
	(void)timer;
	fail_msg("what was waited for did not come");
}

// Runs the loop until `condition` holds.
static void wait_for(struct stage *s, bool (*condition)(struct stage *s))
{
	uv_timer_t limit;

	uv_timer_init(&s->loop, &limit);
	uv_timer_start(&limit, too_late, 10000, 0);
	while (!condition(s))
		uv_run(&s->loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&limit, NULL);
	uv_run(&s->loop, UV_RUN_NOWAIT);
}

static bool is_current(struct stage *s)
{
	return publish_state(s->publish).current;
}

static bool is_down(struct stage *s)
{
	return !publish_state(s->publish).connected;
}

static bool is_refused(struct stage *s)
{
	return publish_state(s->publish).refused_reason[0];
}

static bool was_asked(struct stage *s)
{
	return s->answers + s->refusals > 0;
}

// The plan file holds the generation that was waited for.
static bool is_on_disk(struct stage *s)
{
	uint64_t generation;

	return plan_file_look(s->file, &generation), generation >= s->number;
}

static bool file_is_told(struct stage *s)
{
	return publish_state(s->publish).file_reason[0];
}

static bool file_is_not_told(struct stage *s)
{
	return !file_is_told(s);
}

static unsigned file_endpoints(const char *path)
{
	return plan_file_look(path, &(uint64_t){0});
}

static void holds(struct stage *s, unsigned endpoints)
{
	struct plan *plan = plan_sample_web(endpoints);
	struct difference *whole = publish_diff(NULL, plan, 0, s->fake.shadow.generation);
	struct shadow expected = {0};
	char *a, *b;

	shadow_apply(&expected, difference_transaction(whole));
	a = shadow_text(&expected);
	b = shadow_text(&s->fake.shadow);
	assert_string_equal(a, b);
	free(a);
	free(b);
	shadow_clear(&expected);
	difference_free(whole);
	plan_sample_free(plan);
}

static void whole_first_then_differences(void **state)
{
	struct stage *s = *state;

	publish_plan(s->publish, plan_sample_web(2));
	fake_start(&s->fake, &s->loop, s->socket);
	wait_for(s, is_current);
	holds(s, 2);
	assert_int_equal(s->fake.whole, 1);
	assert_int_equal(s->fake.transactions, 1);
	publish_plan(s->publish, plan_sample_web(5));
	assert_false(is_current(s));
	wait_for(s, is_current);
	holds(s, 5);
	assert_int_equal(s->fake.whole, 1);
	assert_int_equal(s->fake.transactions, 2);
	// The same again is no transaction.
	publish_plan(s->publish, plan_sample_web(5));
	assert_true(is_current(s));
	assert_int_equal(publish_state(s->publish).transactions, 2);
	assert_int_equal(publish_state(s->publish).generation, s->fake.shadow.generation);
	assert_int_equal(publish_state(s->publish).started_us, 1000000);
	assert_string_equal(publish_state(s->publish).build, "fake");
}

static void changes_under_way_go_together(void **state)
{
	struct stage *s = *state;

	fake_start(&s->fake, &s->loop, s->socket);
	publish_plan(s->publish, plan_sample_web(1));
	wait_for(s, is_current);
	for (unsigned i = 2; i < 50; i++)
		publish_plan(s->publish, plan_sample_web(i));
	wait_for(s, is_current);
	holds(s, 49);
	assert_int_equal(s->fake.transactions, 3); // the first, the one under way, all the others
}

static void last_good_is_on_disk(void **state)
{
	struct stage *s = *state;
	usec_t start;

	fake_start(&s->fake, &s->loop, s->socket);
	publish_plan(s->publish, plan_sample_web(3));
	wait_for(s, is_current);
	s->number = s->fake.shadow.generation;
	wait_for(s, is_on_disk);
	assert_int_equal(file_endpoints(s->file), 3);
	// Soon after the last write: a little later.
	publish_plan(s->publish, plan_sample_web(4));
	wait_for(s, is_current);
	start = clock_now_us();
	s->number = s->fake.shadow.generation;
	wait_for(s, is_on_disk);
	assert_true(clock_now_us() - start < 500000);
	assert_int_equal(file_endpoints(s->file), 4);
}

static void without_a_dataplane_the_newest_is_on_disk(void **state)
{
	struct stage *s = *state;

	publish_plan(s->publish, plan_sample_web(3));
	s->number = 1;
	wait_for(s, is_on_disk);
	assert_int_equal(file_endpoints(s->file), 3);
	assert_non_null(strstr(publish_state(s->publish).down_reason, "not running"));
}

static void the_end_writes_what_is_left(void **state)
{
	struct stage *s = *state;

	publish_plan(s->publish, plan_sample_web(7));
	publish_close(s->publish);
	uv_run(&s->loop, UV_RUN_DEFAULT);
	assert_int_equal(file_endpoints(s->file), 7);
	publish_start(s);
}

static void reconnects_at_once_with_the_whole(void **state)
{
	struct stage *s = *state;
	usec_t start;

	fake_start(&s->fake, &s->loop, s->socket);
	publish_plan(s->publish, plan_sample_web(3));
	wait_for(s, is_current);
	for (unsigned i = 0; i < 3; i++) {
		fake_stop(&s->fake);
		wait_for(s, is_down);
		assert_false(is_current(s));
		shadow_clear(&s->fake.shadow);
		start = clock_now_us();
		fake_start(&s->fake, &s->loop, s->socket);
		wait_for(s, is_current);
		assert_true(clock_now_us() - start < 400000);
		holds(s, 3);
		assert_int_equal(s->fake.whole, i + 2);
	}
}

static void generations_outlive_the_control_plane(void **state)
{
	struct stage *s = *state;
	uint64_t before;

	fake_start(&s->fake, &s->loop, s->socket);
	publish_plan(s->publish, plan_sample_web(3));
	wait_for(s, is_current);
	before = s->fake.shadow.generation;
	publish_close(s->publish);
	uv_run(&s->loop, UV_RUN_NOWAIT);
	publish_start(s);
	publish_plan(s->publish, plan_sample_web(3));
	wait_for(s, is_current);
	assert_true(s->fake.shadow.generation > before);
	holds(s, 3);
	assert_int_equal(s->fake.whole, 2);
	// The file alone says it too, when the dataplane has forgotten.
	before = s->fake.shadow.generation;
	publish_close(s->publish);
	uv_run(&s->loop, UV_RUN_NOWAIT);
	shadow_clear(&s->fake.shadow);
	publish_start(s);
	publish_plan(s->publish, plan_sample_web(3));
	wait_for(s, is_current);
	assert_true(s->fake.shadow.generation > before);
}

static void refused_difference_is_sent_whole(void **state)
{
	struct stage *s = *state;

	fake_start(&s->fake, &s->loop, s->socket);
	publish_plan(s->publish, plan_sample_web(3));
	wait_for(s, is_current);
	s->fake.refuse_differences = true;
	publish_plan(s->publish, plan_sample_web(4));
	wait_for(s, is_current);
	holds(s, 4);
	assert_int_equal(s->fake.refused, 1);
	assert_int_equal(s->fake.whole, 2);
	assert_false(is_refused(s));
}

static void refused_plan_is_told_and_not_repeated(void **state)
{
	struct stage *s = *state;

	fake_start(&s->fake, &s->loop, s->socket);
	publish_plan(s->publish, plan_sample_web(3));
	wait_for(s, is_current);
	s->number = s->fake.shadow.generation;
	wait_for(s, is_on_disk);
	s->fake.refuse = "listener 192.0.2.100 tcp/80: no such pool";
	publish_plan(s->publish, plan_sample_web(4));
	wait_for(s, is_refused);
	assert_string_equal(publish_state(s->publish).refused_reason, s->fake.refuse);
	assert_int_equal(s->fake.transactions, 3); // the difference, then the whole, then no more
	assert_false(is_current(s));
	holds(s, 3);
	assert_int_equal(file_endpoints(s->file), 3);
	// What a dataplane refused must not be what it starts with either.
	fake_stop(&s->fake);
	wait_for(s, is_down);
	publish_close(s->publish);
	uv_run(&s->loop, UV_RUN_DEFAULT);
	assert_int_equal(file_endpoints(s->file), 3);
	publish_start(s);
	publish_plan(s->publish, plan_sample_web(4));
	fake_start(&s->fake, &s->loop, s->socket);
	wait_for(s, is_refused);
	// The next change is tried.
	s->fake.refuse = NULL;
	publish_plan(s->publish, plan_sample_web(5));
	wait_for(s, is_current);
	holds(s, 5);
	assert_false(is_refused(s));
}

static void a_plan_it_dies_of_is_not_on_disk(void **state)
{
	struct stage *s = *state;

	fake_start(&s->fake, &s->loop, s->socket);
	publish_plan(s->publish, plan_sample_web(3));
	wait_for(s, is_current);
	s->number = s->fake.shadow.generation;
	wait_for(s, is_on_disk);
	s->fake.dies = true;
	publish_plan(s->publish, plan_sample_web(4));
	wait_for(s, is_down);
	publish_close(s->publish);
	uv_run(&s->loop, UV_RUN_DEFAULT);
	assert_int_equal(file_endpoints(s->file), 3);
	publish_start(s);
}

static void another_version_is_not_spoken_to(void **state)
{
	struct stage *s = *state;
	struct publish_state now;

	s->fake.version = 99;
	fake_start(&s->fake, &s->loop, s->socket);
	publish_plan(s->publish, plan_sample_web(3));
	while (s->fake.connects < 3)
		uv_run(&s->loop, UV_RUN_ONCE);
	now = publish_state(s->publish);
	assert_false(now.connected);
	assert_non_null(strstr(now.down_reason, "version 99"));
	assert_int_equal(s->fake.transactions, 0);
}

static void garbage_ends_the_connection(void **state)
{
	struct stage *s = *state;

	fake_start(&s->fake, &s->loop, s->socket);
	s->fake.garbage = true;
	publish_plan(s->publish, plan_sample_web(3));
	while (s->fake.connects < 3)
		uv_run(&s->loop, UV_RUN_ONCE);
	s->fake.garbage = false;
	wait_for(s, is_current);
	holds(s, 3);
}

static void on_stats(void *arg, const Sluice__Stats *stats, const char *why)
{
	struct stage *s = arg;

	if (stats) {
		s->answers++;
		assert_string_equal(stats->memory, "some pages");
		assert_string_equal(why, "");
	} else {
		s->refusals++;
		snprintf(s->why, sizeof(s->why), "%s", why);
	}
}

static void on_flows(void *arg, const Sluice__Flows *flows, const char *why)
{
	struct stage *s = arg;

	(void)why;
	assert_non_null(flows);
	assert_int_equal(flows->total, 123);
	s->answers++;
}

static void questions_are_answered(void **state)
{
	struct stage *s = *state;
	Sluice__FlowsRequest filter = SLUICE__FLOWS_REQUEST__INIT;
	Sluice__Stats stats = SLUICE__STATS__INIT;
	Sluice__Hello hello = SLUICE__HELLO__INIT;
	Sluice__Flows flows = SLUICE__FLOWS__INIT;

	assert_int_equal(publish_stats(s->publish, PUBLISH_ENDPOINTS, on_stats, s), -ENOTCONN);
	stats.memory = (char *)(uintptr_t) "some pages";
	stats.hello = &hello;
	flows.total = 123;
	s->fake.stats = &stats;
	s->fake.flows = &flows;
	fake_start(&s->fake, &s->loop, s->socket);
	publish_plan(s->publish, plan_sample_web(3));
	wait_for(s, is_current);
	assert_int_equal(publish_stats(s->publish, PUBLISH_ENDPOINTS, on_stats, s), 0);
	assert_int_equal(s->answers, 0);
	wait_for(s, was_asked);
	assert_int_equal(s->answers, 1);
	s->answers = 0;
	filter.limit = 17;
	assert_int_equal(publish_flows(s->publish, &filter, on_flows, s), 0);
	wait_for(s, was_asked);
	assert_int_equal(s->fake.asked->limit, 17);
	// Lost with the connection.
	s->answers = 0;
	assert_int_equal(publish_stats(s->publish, PUBLISH_ENDPOINTS, on_stats, s), 0);
	fake_stop(&s->fake);
	wait_for(s, was_asked);
	assert_int_equal(s->refusals, 1);
	assert_non_null(strstr(s->why, "closed"));
}

static void silence_is_no_answer(void **state)
{
	struct stage *s = *state;

	fake_start(&s->fake, &s->loop, s->socket);
	publish_plan(s->publish, plan_sample_web(3));
	wait_for(s, is_current);
	s->fake.silent = true;
	assert_int_equal(publish_stats(s->publish, PUBLISH_TOTALS, on_stats, s), 0);
	wait_for(s, was_asked);
	assert_int_equal(s->refusals, 1);
	assert_non_null(strstr(s->why, "in time"));
	// It is only slow to answer: the connection stays.
	assert_true(publish_state(s->publish).connected);
}

static void unwritable_file_is_told(void **state)
{
	struct stage *s = *state;

	assert_int_equal(mkdir(s->file, 0700), 0); // a directory where the file should be
	fake_start(&s->fake, &s->loop, s->socket);
	publish_plan(s->publish, plan_sample_web(3));
	wait_for(s, is_current);
	wait_for(s, file_is_told);
	assert_non_null(strstr(publish_state(s->publish).file_reason, s->file));
	holds(s, 3);
	assert_int_equal(rmdir(s->file), 0);
	s->number = 1;
	wait_for(s, is_on_disk); // it is tried again
	wait_for(s, file_is_not_told);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(whole_first_then_differences),
		TEST(changes_under_way_go_together),
		TEST(last_good_is_on_disk),
		TEST(without_a_dataplane_the_newest_is_on_disk),
		TEST(the_end_writes_what_is_left),
		TEST(reconnects_at_once_with_the_whole),
		TEST(generations_outlive_the_control_plane),
		TEST(refused_difference_is_sent_whole),
		TEST(refused_plan_is_told_and_not_repeated),
		TEST(a_plan_it_dies_of_is_not_on_disk),
		TEST(another_version_is_not_spoken_to),
		TEST(garbage_ends_the_connection),
		TEST(questions_are_answered),
		TEST(silence_is_no_answer),
		TEST(unwritable_file_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
