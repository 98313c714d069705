// SPDX-License-Identifier: BSD-3-Clause
// Handshakes, ends, resets and blind attacks: segment in, segment out.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tcp_fixture.h"

#define ALL (TCP_OPTION_SACK | TCP_OPTION_SCALE | TCP_OPTION_TIME)

static void begin(struct fixture *f)
{
	fixture_new(f);
	fixture_start(f);
}

static void expect_empty(struct fixture *f, uint32_t waits)
{
	uint32_t connections, waiting, blocks;

	fixture_run(f);
	tcp_usage(f->tcp, &connections, &waiting, &blocks);
	assert_int_equal(connections, 0);
	assert_int_equal(waiting, waits);
	assert_int_equal(blocks, 0);
}

static void remote_closes_first(void **state)
{
	struct fixture f;

	begin(&f);
	fixture_established(&f, 0);
	assert_true(fixture_in(&f, TCP_ACK, 1, 1, 100));
	assert_false(fixture_in(&f, TCP_ACK | TCP_FIN, 101, 1, 0));
	fixture_run(&f);
	fixture_expect(&f, TCP_ACK, 1, 102, 0);
	assert_int_equal(f.received, 100);
	assert_int_equal(f.finished, 1);
	assert_string_equal(tcp_state_name(f.connection), "close-wait");
	fixture_send(&f, 500); // half-closed: our side still speaks
	fixture_expect(&f, TCP_ACK, 1, 102, 500);
	tcp_finish(f.connection);
	fixture_run(&f);
	fixture_expect(&f, TCP_ACK | TCP_FIN, 501, 102, 0);
	fixture_in(&f, TCP_ACK, 102, 502, 0);
	assert_int_equal(f.closed, 1);
	assert_int_equal(f.why, 0);
	assert_int_equal(f.sent, 500);
	assert_int_equal(f.released, 1);
	fixture_quiet(&f);
	expect_empty(&f, 0);
	fixture_free(&f);
}

static void we_close_first(void **state)
{
	struct fixture f;

	begin(&f);
	fixture_established(&f, 0);
	tcp_finish(f.connection);
	fixture_run(&f);
	fixture_expect(&f, TCP_ACK | TCP_FIN, 1, 1, 0);
	fixture_in(&f, TCP_ACK, 1, 2, 0);
	assert_string_equal(tcp_state_name(f.connection), "fin-wait-2");
	assert_true(fixture_in(&f, TCP_ACK | TCP_FIN, 1, 2, 10));
	fixture_expect(&f, TCP_ACK, 2, 12, 0);
	assert_int_equal(f.closed, 1);
	expect_empty(&f, 1);
	// TIME_WAIT: its FIN again is answered, a reset does nothing, an old SYN is told.
	fixture_in(&f, TCP_ACK | TCP_FIN, 11, 2, 0);
	fixture_expect(&f, TCP_ACK, 2, 12, 0);
	fixture_in(&f, TCP_RST, 12, 0, 0);
	fixture_quiet(&f);
	fixture_in(&f, TCP_SYN, 5, 0, 0);
	fixture_expect(&f, TCP_ACK, 2, 12, 0);
	fixture_wait(&f, f.config.wait_ms - 1000);
	expect_empty(&f, 1);
	fixture_wait(&f, 1001);
	expect_empty(&f, 0);
	fixture_free(&f);
}

static void time_wait_gives_way(void **state)
{
	struct fixture f;
	uint32_t old;

	begin(&f);
	fixture_established(&f, 0);
	tcp_finish(f.connection);
	fixture_run(&f);
	fixture_expect(&f, TCP_ACK | TCP_FIN, 1, 1, 0);
	fixture_in(&f, TCP_ACK | TCP_FIN, 1, 2, 0);
	fixture_expect(&f, TCP_ACK, 2, 2, 0);
	expect_empty(&f, 1);
	old = f.iss + 2;
	fixture_in(&f, TCP_SYN, 100000, 0, 0);
	fixture_run(&f);
	fixture_expect(&f, TCP_SYN | TCP_ACK, 0, 100001, 0);
	assert_true((int32_t)(f.iss - old) > 65535); // beyond all of the old one
	fixture_free(&f);
}

static void time_wait_is_bounded(void **state)
{
	struct fixture f;

	begin(&f);
	for (unsigned i = 0; i < 20; i++) {
		f.connected = 0;
		f.port = (uint16_t)(41000 + i);
		fixture_established(&f, 0);
		tcp_finish(f.connection);
		fixture_run(&f);
		fixture_in(&f, TCP_ACK | TCP_FIN, 1, 2, 0);
		fixture_run(&f);
		f.outs = f.taken = 0;
	}
	expect_empty(&f, f.config.waits);
	assert_int_equal(tcp_count(f.tcp, TCP_COUNT_WAIT_EVICTED), 20 - f.config.waits);
	fixture_free(&f);
}

static void both_close_at_once(void **state)
{
	struct fixture f;

	begin(&f);
	fixture_established(&f, 0);
	tcp_finish(f.connection);
	fixture_run(&f);
	fixture_expect(&f, TCP_ACK | TCP_FIN, 1, 1, 0);
	fixture_in(&f, TCP_ACK | TCP_FIN, 1, 1, 0);
	fixture_run(&f);
	fixture_expect(&f, TCP_ACK, 2, 2, 0);
	assert_string_equal(tcp_state_name(f.connection), "closing");
	fixture_in(&f, TCP_ACK, 2, 2, 0);
	assert_int_equal(f.closed, 1);
	expect_empty(&f, 1);
	fixture_free(&f);
}

static void connect_and_refusal(void **state)
{
	struct fixture f;
	struct tcp_segment s;

	begin(&f);
	fixture_connect(&f);
	fixture_in(&f, TCP_SYN | TCP_ACK, 0, 9, 0); // of something else
	fixture_expect(&f, TCP_RST, 9, 0, 0);
	fixture_in(&f, TCP_RST | TCP_ACK, 0, 9, 0);
	assert_int_equal(f.closed, 0);
	s = fixture_segment(&f, TCP_SYN | TCP_ACK, 0, 1, 0);
	s.mss = 700;
	tcp_input(f.tcp, &s, f.now);
	fixture_run(&f);
	fixture_expect(&f, TCP_ACK, 1, 1, 0);
	assert_int_equal(f.connected, 1);
	fixture_send(&f, 1000);
	fixture_expect(&f, TCP_ACK, 1, 1, 700); // its MSS
	tcp_abort(f.connection);
	fixture_free(&f);

	begin(&f);
	fixture_connect(&f);
	fixture_in(&f, TCP_RST | TCP_ACK, 0, 1, 0);
	assert_int_equal(f.closed, 1);
	assert_int_equal(f.why, -ECONNREFUSED);
	expect_empty(&f, 0);
	fixture_free(&f);
}

static void both_open_at_once(void **state)
{
	struct fixture f;

	begin(&f);
	fixture_connect(&f);
	fixture_in(&f, TCP_SYN, 0, 0, 0);
	fixture_run(&f);
	fixture_expect(&f, TCP_SYN | TCP_ACK, 0, 1, 0);
	fixture_in(&f, TCP_SYN | TCP_ACK, 0, 1, 0);
	fixture_run(&f);
	assert_int_equal(f.connected, 1);
	fixture_expect(&f, TCP_ACK, 1, 1, 0);
	fixture_free(&f);
}

static void nobody_answers(void **state)
{
	struct fixture f;
	usec_t begun;

	begin(&f);
	begun = f.now;
	fixture_connect(&f);
	fixture_wait(&f, 999);
	fixture_quiet(&f);
	for (unsigned ms = 1000; ms < 16000; ms *= 2) { // 1, 2, 4, 8 s
		fixture_wait(&f, ms == 1000 ? 2 : ms);
		fixture_expect(&f, TCP_SYN, 0, 0, 0);
		fixture_quiet(&f);
	}
	fixture_wait(&f, 60000);
	assert_int_equal(f.closed, 1);
	assert_int_equal(f.why, -ETIMEDOUT);
	assert_true(f.now > begun);
	expect_empty(&f, 0);
	fixture_free(&f);
}

static void strangers(void **state)
{
	struct fixture f;

	begin(&f);
	fixture_in(&f, TCP_ACK, 1, 77, 0);
	fixture_expect(&f, TCP_RST, 77, 0, 0);
	fixture_in(&f, TCP_FIN, 1, 0, 5);
	fixture_expect(&f, TCP_RST | TCP_ACK, 0, 7, 0);
	fixture_in(&f, TCP_RST, 1, 0, 0);
	fixture_quiet(&f);
	f.verdict = TCP_REFUSE;
	fixture_in(&f, TCP_SYN, 0, 0, 0);
	fixture_expect(&f, TCP_RST | TCP_ACK, 0, 1, 0);
	f.verdict = TCP_IGNORE;
	fixture_in(&f, TCP_SYN, 0, 0, 0);
	fixture_quiet(&f);
	for (unsigned i = 0; i < 5000; i++)
		fixture_in(&f, TCP_ACK, 1, i, 0);
	assert_in_range(f.flood_outs, 1, f.config.resets_per_second);
	assert_true(tcp_count(f.tcp, TCP_COUNT_RESETS_UNSENT) > 3000);
	expect_empty(&f, 0);
	fixture_free(&f);
}

static void blind_resets(void **state)
{
	struct fixture f;

	begin(&f);
	fixture_established(&f, 0);
	fixture_in(&f, TCP_RST, 500, 0, 0); // within the window, not at its start
	fixture_expect(&f, TCP_ACK, 1, 1, 0);
	fixture_in(&f, TCP_RST, 1000000000, 0, 0);
	fixture_in(&f, TCP_RST, 0, 0, 0);
	fixture_quiet(&f);
	fixture_in(&f, TCP_SYN, 1, 0, 0);
	fixture_expect(&f, TCP_ACK, 1, 1, 0);
	fixture_in(&f, TCP_SYN, 5000000, 0, 0);
	fixture_expect(&f, TCP_ACK, 1, 1, 0);
	assert_false(fixture_in(&f, TCP_ACK, 1, 100, 10)); // of what was never sent
	fixture_expect(&f, TCP_ACK, 1, 1, 0);
	assert_false(fixture_in(&f, TCP_ACK, 1, 1 - 70000, 10)); // older than any window
	fixture_expect(&f, TCP_ACK, 1, 1, 0);
	for (unsigned i = 0; i < 100; i++)
		fixture_in(&f, TCP_RST, 500, 0, 0);
	assert_int_equal(f.closed, 0);
	assert_int_equal(tcp_count(f.tcp, TCP_COUNT_CHALLENGES), 5); // a second
	fixture_in(&f, TCP_RST, 1, 0, 0);
	assert_int_equal(f.closed, 1);
	assert_int_equal(f.why, -ECONNRESET);
	expect_empty(&f, 0);
	fixture_free(&f);
}

static void reset_of_a_handshake(void **state)
{
	struct fixture f;

	begin(&f);
	fixture_in(&f, TCP_SYN, 0, 0, 0);
	fixture_run(&f);
	fixture_expect(&f, TCP_SYN | TCP_ACK, 0, 1, 0);
	fixture_in(&f, TCP_SYN, 0, 0, 0); // again
	fixture_run(&f);
	fixture_expect(&f, TCP_SYN | TCP_ACK, 0, 1, 0);
	fixture_in(&f, TCP_ACK, 1, 50, 0);
	fixture_expect(&f, TCP_RST, 50, 0, 0);
	fixture_in(&f, TCP_RST, 1, 0, 0);
	assert_int_equal(f.closed + f.connected, 0);
	expect_empty(&f, 0);
	fixture_free(&f);
}

static void timestamps_tell_old_from_new(void **state)
{
	struct fixture f;

	begin(&f);
	fixture_established(&f, TCP_OPTION_TIME);
	f.ts_value = 5010;
	assert_true(fixture_in(&f, TCP_ACK, 1, 1, 10));
	f.ts_value = 5009;
	assert_false(fixture_in(&f, TCP_ACK, 11, 1, 10));
	assert_int_equal(fixture_expect(&f, TCP_ACK, 1, 11, 0)->ts_echo, 5010);
	assert_int_equal(tcp_count(f.tcp, TCP_COUNT_PAWS), 1);
	f.stamped = false;
	assert_false(fixture_in(&f, TCP_ACK, 11, 1, 10)); // all must have one
	fixture_quiet(&f);
	fixture_in(&f, TCP_RST, 11, 0, 0); // but a reset
	assert_int_equal(f.closed, 1);
	fixture_free(&f);
}

static void handshake(struct fixture *f, struct tcp_segment *syn, struct tcp_segment *answer)
{
	tcp_input(f->tcp, syn, f->now);
	fixture_run(f);
	*answer = *fixture_expect(f, TCP_SYN | TCP_ACK, 0, 1, 0);
}

static void cookies(void **state)
{
	struct fixture f;
	struct tcp_segment s, answer;

	fixture_new(&f);
	f.config.half_open = 0;
	fixture_start(&f);
	s = fixture_segment(&f, TCP_SYN, 0, 0, 0);
	s.options = ALL;
	s.scale = 7;
	s.mss = 1460;
	s.ts_value = 5000;
	handshake(&f, &s, &answer);
	expect_empty(&f, 0); // nothing is kept
	assert_int_equal(answer.options, ALL);
	assert_false((int32_t)(answer.ts_value - (answer.ts_value & ~31U) - 23) != 0); // SACK, 7
	f.stamped = true;
	f.ts_value = 5001;
	for (uint32_t forged = 2; forged < 2000; forged++) {
		s = fixture_segment(&f, TCP_ACK, 1, forged, 0);
		tcp_input(f.tcp, &s, f.now);
	}
	assert_int_equal(f.connected, 0);
	f.outs = f.taken = 0;
	s = fixture_segment(&f, TCP_ACK, 1001, 1, 100); // overtook the first
	tcp_input(f.tcp, &s, f.now);
	fixture_quiet(&f);
	f.now += 30 * 1000000;
	s = fixture_segment(&f, TCP_ACK, 1, 1, 100);
	s.ts_echo = answer.ts_value;
	s.window = 512;
	assert_true(tcp_input(f.tcp, &s, f.now));
	assert_int_equal(f.connected, 1);
	assert_int_equal(f.received, 100);
	fixture_send(&f, 60000); // a scaled window: ten segments at once
	for (unsigned i = 0; i < 10; i++)
		fixture_expect(&f, TCP_ACK, 1 + i * 1448, 101, 1448);
	fixture_quiet(&f);
	fixture_free(&f);
}

static void cookies_age(void **state)
{
	struct fixture f;
	struct tcp_segment s, answer;

	fixture_new(&f);
	f.config.half_open = 0;
	fixture_start(&f);
	s = fixture_segment(&f, TCP_SYN, 0, 0, 0);
	handshake(&f, &s, &answer);
	assert_int_equal(answer.options, 0);
	f.now += 140 * 1000000ULL;
	fixture_in(&f, TCP_ACK, 1, 1, 0);
	assert_int_equal(f.connected, 0);
	fixture_expect(&f, TCP_RST, 1, 0, 0);
	fixture_free(&f);
}

static void flood(void **state)
{
	struct fixture f;
	struct tcp_segment s;
	uint32_t connections, waits, blocks, iss;

	begin(&f);
	fixture_established(&f, ALL);
	iss = f.iss;
	for (uint32_t i = 0; i < 100000; i++) {
		s = fixture_segment(&f, TCP_SYN, i, 0, 0);
		s.tuple.remote = addr_from_v4(0x0b000000 + i);
		tcp_input(f.tcp, &s, f.now);
		if (i % 32 == 0)
			fixture_run(&f);
	}
	fixture_run(&f);
	tcp_usage(f.tcp, &connections, &waits, &blocks);
	assert_int_equal(connections, 1 + f.config.half_open);
	assert_int_equal(blocks, 0);
	assert_int_equal(tcp_count(f.tcp, TCP_COUNT_COOKIES_SENT), 100000 - f.config.half_open);
	f.iss = iss;
	f.outs = f.taken = 0;
	assert_true(fixture_in(&f, TCP_ACK, 1, 1, 100));
	fixture_send(&f, 100);
	fixture_expect(&f, TCP_ACK, 1, 101, 100);
	fixture_wait(&f, 60000); // the half-open ones go
	tcp_usage(f.tcp, &connections, &waits, &blocks);
	assert_int_equal(connections, 1);
	fixture_free(&f);
}

static void left_and_aborted(void **state)
{
	struct fixture f;

	begin(&f);
	fixture_established(&f, 0);
	tcp_leave(f.connection);
	fixture_run(&f);
	fixture_expect(&f, TCP_ACK | TCP_FIN, 1, 1, 0);
	fixture_in(&f, TCP_ACK, 1, 2, 0);
	assert_false(fixture_in(&f, TCP_ACK, 1, 2, 10)); // nobody reads it
	fixture_expect(&f, TCP_ACK | TCP_RST, 2, 1, 0);
	assert_int_equal(f.closed, 0); // nor hears of it
	expect_empty(&f, 0);
	fixture_free(&f);

	begin(&f);
	fixture_established(&f, 0);
	fixture_send(&f, 100);
	fixture_expect(&f, TCP_ACK, 1, 1, 100);
	tcp_abort(f.connection);
	fixture_expect(&f, TCP_ACK | TCP_RST, 101, 1, 0);
	assert_int_equal(f.released, 1);
	assert_int_equal(f.closed, 0);
	expect_empty(&f, 0);
	fixture_free(&f);

	begin(&f); // a remote that never finishes
	fixture_established(&f, 0);
	tcp_leave(f.connection);
	fixture_run(&f);
	fixture_in(&f, TCP_ACK, 1, 2, 0);
	fixture_wait(&f, f.config.finish_ms + 2);
	expect_empty(&f, 0);
	fixture_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(remote_closes_first),
		cmocka_unit_test(we_close_first),
		cmocka_unit_test(time_wait_gives_way),
		cmocka_unit_test(time_wait_is_bounded),
		cmocka_unit_test(both_close_at_once),
		cmocka_unit_test(connect_and_refusal),
		cmocka_unit_test(both_open_at_once),
		cmocka_unit_test(nobody_answers),
		cmocka_unit_test(strangers),
		cmocka_unit_test(blind_resets),
		cmocka_unit_test(reset_of_a_handshake),
		cmocka_unit_test(timestamps_tell_old_from_new),
		cmocka_unit_test(cookies),
		cmocka_unit_test(cookies_age),
		cmocka_unit_test(flood),
		cmocka_unit_test(left_and_aborted),
	};

	return cmocka_run_group_tests_name("tcp_state", tests, NULL, NULL);
}
