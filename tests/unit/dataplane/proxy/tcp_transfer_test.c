// SPDX-License-Identifier: BSD-3-Clause
// Data under way: acknowledgements, order, windows, losses, timers, memory. Segment in, segment
// out.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tcp_fixture.h"

#define MSS 1460

static void begin(struct fixture *f, uint8_t options)
{
	fixture_new(f);
	fixture_start(f);
	fixture_established(f, options);
}

static void acknowledgements_wait(void **state)
{
	struct fixture f;

	begin(&f, 0);
	fixture_in(&f, TCP_ACK, 1, 1, 100);
	fixture_run(&f);
	fixture_quiet(&f);
	fixture_wait(&f, f.config.ack_delay_ms + 1);
	fixture_expect(&f, TCP_ACK, 1, 101, 0);
	fixture_in(&f, TCP_ACK, 101, 1, MSS);
	fixture_in(&f, TCP_ACK, 101 + MSS, 1, MSS);
	fixture_quiet(&f); // not before the burst is over
	fixture_run(&f);
	fixture_expect(&f, TCP_ACK, 1, 101 + 2 * MSS, 0); // two segments
	fixture_in(&f, TCP_ACK, 101 + 2 * MSS, 1, 10);
	fixture_send(&f, 50); // the answer carries it
	fixture_expect(&f, TCP_ACK, 1, 111 + 2 * MSS, 50);
	fixture_quiet(&f);
	assert_int_equal(f.received, 110 + 2 * MSS);
	fixture_free(&f);
}

static void acknowledgements_of_full_segments(void **state)
{
	const uint32_t full = MSS - 12; // beside timestamps
	struct fixture f;

	begin(&f, TCP_OPTION_TIME);
	fixture_in(&f, TCP_ACK, 1, 1, full);
	fixture_run(&f);
	fixture_quiet(&f);
	fixture_in(&f, TCP_ACK, 1 + full, 1, full);
	fixture_run(&f);
	fixture_expect(&f, TCP_ACK, 1, 1 + 2 * full, 0);
	fixture_quiet(&f);
	fixture_free(&f);
}

static void acknowledgements_hurry_after_losses(void **state)
{
	struct fixture f;

	begin(&f, TCP_OPTION_SACK);
	fixture_in(&f, TCP_ACK, 101, 1, 100);
	fixture_expect(&f, TCP_ACK, 1, 1, 0);
	fixture_in(&f, TCP_ACK, 1, 1, 100);
	fixture_run(&f);
	fixture_expect(&f, TCP_ACK, 1, 201, 0);
	for (uint32_t i = 0; i < 16; i++) {
		fixture_in(&f, TCP_ACK, 201 + i * 100, 1, 100);
		fixture_run(&f);
		fixture_expect(&f, TCP_ACK, 1, 301 + i * 100, 0);
	}
	fixture_in(&f, TCP_ACK, 1801, 1, 100);
	fixture_run(&f);
	fixture_quiet(&f);
	fixture_free(&f);
}

static void expect_sack(struct fixture *f, unsigned count, const struct tcp_range *ranges)
{
	const struct tcp_segment *s = fixture_expect(f, TCP_ACK, 1, 1, 0);

	assert_int_equal(s->sack_count, count);
	for (unsigned i = 0; i < count; i++) {
		assert_int_equal(s->sack[i].start - 1000, ranges[i].start);
		assert_int_equal(s->sack[i].end - 1000, ranges[i].end);
	}
}

static void order_is_made(void **state)
{
	struct fixture f;

	begin(&f, TCP_OPTION_SACK);
	assert_true(fixture_in(&f, TCP_ACK, 201, 1, 100));
	expect_sack(&f, 1, (struct tcp_range[]){{201, 301}});
	assert_true(fixture_in(&f, TCP_ACK, 401, 1, 100));
	expect_sack(&f, 2, (struct tcp_range[]){{401, 501}, {201, 301}});
	assert_true(fixture_in(&f, TCP_ACK, 601, 1, 100));
	expect_sack(&f, 3, (struct tcp_range[]){{601, 701}, {401, 501}, {201, 301}});
	assert_true(fixture_in(&f, TCP_ACK, 301, 1, 100)); // joins two
	expect_sack(&f, 2, (struct tcp_range[]){{201, 501}, {601, 701}});
	assert_false(fixture_in(&f, TCP_ACK, 250, 1, 100)); // nothing new (RFC 2883)
	expect_sack(&f, 3, (struct tcp_range[]){{250, 350}, {201, 501}, {601, 701}});
	assert_true(fixture_in(&f, TCP_ACK | TCP_FIN, 550, 1, 200)); // around what is held
	assert_int_equal(f.released, 1);
	expect_sack(&f, 2, (struct tcp_range[]){{550, 751}, {201, 501}}); // and the end
	assert_int_equal(f.received, 0);
	assert_true(fixture_in(&f, TCP_ACK, 1, 1, 220)); // overlaps
	assert_int_equal(f.received, 500);
	assert_true(fixture_in(&f, TCP_ACK, 501, 1, 49));
	fixture_run(&f);
	fixture_expect(&f, TCP_ACK, 1, 751, 0);
	assert_int_equal(f.received, 749);
	assert_int_equal(f.finished, 1);
	fixture_free(&f);
}

static void what_is_held_is_bounded(void **state)
{
	struct fixture f;
	uint32_t used[3], kept = 0;

	fixture_new(&f);
	f.config.connection_blocks = 16;
	fixture_start(&f);
	fixture_established(&f, TCP_OPTION_SACK);
	for (uint32_t i = 0; i < 100; i++)
		kept += fixture_in(&f, TCP_ACK, 100 + 2 * i, 1, 1);
	assert_int_equal(kept, 16);
	tcp_usage(f.tcp, &used[0], &used[1], &used[2]);
	assert_int_equal(used[2], 16);
	assert_false(fixture_in(&f, TCP_ACK, 300000, 1, 10)); // beyond the window
	tcp_abort(f.connection);
	assert_int_equal(f.released, 16);
	fixture_free(&f);
}

static void readers_close_the_window(void **state)
{
	struct fixture f;

	fixture_new(&f);
	f.config.receive_bytes = 4000;
	f.consume = false;
	fixture_start(&f);
	fixture_established(&f, 0);
	fixture_in(&f, TCP_ACK, 1, 1, MSS);
	fixture_in(&f, TCP_ACK, 1 + MSS, 1, MSS);
	fixture_run(&f);
	assert_int_equal(fixture_expect(&f, TCP_ACK, 1, 1 + 2 * MSS, 0)->window, 4000 - 2 * MSS);
	assert_true(fixture_in(&f, TCP_ACK, 1 + 2 * MSS, 1, MSS)); // cut at the edge
	fixture_run(&f);
	assert_int_equal(fixture_expect(&f, TCP_ACK, 1, 4001, 0)->window, 0);
	assert_int_equal(f.received, 4000);
	fixture_in(&f, TCP_ACK, 4000, 1, 0); // a probe
	assert_int_equal(fixture_expect(&f, TCP_ACK, 1, 4001, 0)->window, 0);
	tcp_consume(f.connection, 1000);
	fixture_run(&f);
	fixture_quiet(&f); // no silly window
	tcp_consume(f.connection, 1000);
	fixture_run(&f);
	assert_int_equal(fixture_expect(&f, TCP_ACK, 1, 4001, 0)->window, 2000);
	fixture_free(&f);
}

static void closed_windows_are_probed(void **state)
{
	struct fixture f;

	begin(&f, 0);
	f.window = 0;
	fixture_in(&f, TCP_ACK, 1, 1, 0);
	fixture_send(&f, 3000);
	fixture_quiet(&f);
	for (unsigned ms = 200; ms <= 3200; ms *= 2) {
		fixture_wait(&f, ms);
		fixture_expect(&f, TCP_ACK, 0, 1, 0); // an old number: it must be answered
		fixture_quiet(&f);
		fixture_in(&f, TCP_ACK, 1, 1, 0);
		fixture_run(&f);
	}
	f.window = 65535;
	fixture_in(&f, TCP_ACK, 1, 1, 0);
	fixture_run(&f);
	fixture_expect(&f, TCP_ACK, 1, 1, MSS);
	fixture_expect(&f, TCP_ACK, 1 + MSS, 1, MSS);
	fixture_expect(&f, TCP_ACK, 1 + 2 * MSS, 1, 3000 - 2 * MSS);
	assert_int_equal(f.closed, 0);
	fixture_free(&f);
}

// The remote answers each probe and never takes anything.
static void nobody_waits_for_a_closed_window(void **state)
{
	for (unsigned left = 0; left < 2; left++) {
		struct fixture f;

		begin(&f, 0);
		f.window = 0;
		fixture_in(&f, TCP_ACK, 1, 1, 0);
		fixture_send(&f, 3000);
		if (left)
			tcp_leave(f.connection);
		for (unsigned i = 0; i < 3 * f.config.user_ms / 1000 && !f.released; i++) {
			fixture_wait(&f, 1000);
			fixture_in(&f, TCP_ACK, 1, 1, 0);
			fixture_run(&f);
			f.taken = f.outs = 0;
		}
		assert_int_equal(f.released, left);
		fixture_free(&f);
	}
}

static void silly_windows_are_not_used(void **state)
{
	struct fixture f;

	begin(&f, 0);
	f.window = 100;
	fixture_in(&f, TCP_ACK, 1, 1, 0);
	fixture_send(&f, 3000);
	fixture_quiet(&f);
	fixture_wait(&f, 210); // for ever would be too long
	fixture_expect(&f, TCP_ACK, 1, 1, 100);
	fixture_free(&f);
}

static void timeouts_back_off(void **state)
{
	struct fixture f;

	begin(&f, 0);
	fixture_send(&f, 100);
	fixture_expect(&f, TCP_ACK, 1, 1, 100);
	for (unsigned ms = 200; ms <= 6400; ms *= 2) {
		fixture_wait(&f, ms - 3);
		fixture_quiet(&f);
		fixture_wait(&f, 3);
		fixture_expect(&f, TCP_ACK, 1, 1, 100);
	}
	fixture_wait(&f, f.config.user_ms);
	assert_int_equal(f.closed, 1);
	assert_int_equal(f.why, -ETIMEDOUT);
	assert_int_equal(f.released, 1);
	fixture_free(&f);
}

static void tails_are_probed(void **state)
{
	struct fixture f;

	begin(&f, TCP_OPTION_SACK);
	fixture_send(&f, 2000);
	fixture_expect(&f, TCP_ACK, 1, 1, MSS);
	fixture_expect(&f, TCP_ACK, 1 + MSS, 1, 540);
	fixture_wait(&f, 40); // two round trips of 10 ms, well before 200
	fixture_expect(&f, TCP_ACK, 1 + MSS, 1, 540);
	fixture_quiet(&f);
	f.sack = (struct tcp_range){1 + MSS, 2001}; // so the first is missing
	f.now += 10000;
	fixture_in(&f, TCP_ACK, 1, 1, 0);
	fixture_run(&f);
	fixture_wait(&f, 10);
	fixture_expect(&f, TCP_ACK, 1, 1, MSS);
	f.sack = (struct tcp_range){0, 0};
	fixture_in(&f, TCP_ACK, 1, 2001, 0);
	assert_int_equal(f.sent, 2000);
	assert_int_equal(tcp_count(f.tcp, TCP_COUNT_TIMEOUTS), 0);
	fixture_free(&f);
}

static void three_reports_mend_at_once(void **state)
{
	for (unsigned sack = 0; sack < 2; sack++) {
		struct fixture f;

		begin(&f, sack ? TCP_OPTION_SACK : 0);
		fixture_send(&f, 10 * MSS);
		for (unsigned i = 0; i < 10; i++)
			fixture_expect(&f, TCP_ACK, 1 + i * MSS, 1, MSS);
		f.now += 10000;
		for (unsigned i = 1; i <= 3; i++) {
			fixture_quiet(&f);
			if (sack)
				f.sack = (struct tcp_range){1 + MSS, 1 + (i + 1) * MSS};
			fixture_in(&f, TCP_ACK, 1, 1, 0);
			fixture_run(&f);
		}
		fixture_expect(&f, TCP_ACK, 1, 1, MSS);
		fixture_quiet(&f);
		f.sack = (struct tcp_range){0, 0};
		f.now += 10000;
		fixture_in(&f, TCP_ACK, 1, 1 + 10 * MSS, 0);
		assert_int_equal(f.sent, 10 * MSS);
		assert_int_equal(tcp_count(f.tcp, TCP_COUNT_RETRANSMITTED), 1);
		fixture_free(&f);
	}
}

static void smaller_mtu(void **state)
{
	struct fixture f;
	struct tcp_segment s;

	begin(&f, TCP_OPTION_SACK);
	fixture_send(&f, 2 * MSS);
	fixture_expect(&f, TCP_ACK, 1, 1, MSS);
	fixture_expect(&f, TCP_ACK, 1 + MSS, 1, MSS);
	s = fixture_segment(&f, 0, 0, 0, 0);
	tcp_too_big(f.tcp, &s.tuple, f.iss + 1 + 2 * MSS, 1000); // not under way: a forgery
	tcp_too_big(f.tcp, &s.tuple, f.iss, 1000);
	fixture_run(&f);
	fixture_quiet(&f);
	tcp_too_big(f.tcp, &s.tuple, f.iss + 1, 1000);
	fixture_run(&f);
	fixture_expect(&f, TCP_ACK, 1, 1, 960);
	fixture_expect(&f, TCP_ACK, 961, 1, 500);
	fixture_expect(&f, TCP_ACK, 1461, 1, 960);
	fixture_expect(&f, TCP_ACK, 2421, 1, 500);
	fixture_quiet(&f);
	fixture_in(&f, TCP_ACK, 1, 1 + 2 * MSS, 0);
	assert_int_equal(f.sent, 2 * MSS);
	fixture_free(&f);
}

static void idle_remotes_are_asked(void **state)
{
	struct fixture f;

	fixture_new(&f);
	f.config.keep_idle_ms = 10000;
	f.config.keep_interval_ms = 1000;
	f.config.keep_probes = 3;
	fixture_start(&f);
	fixture_established(&f, 0);
	fixture_wait(&f, 10001);
	fixture_expect(&f, TCP_ACK, 0, 1, 0);
	fixture_in(&f, TCP_ACK, 1, 1, 0);
	fixture_wait(&f, 9998);
	fixture_quiet(&f);
	fixture_wait(&f, 4);
	fixture_expect(&f, TCP_ACK, 0, 1, 0);
	fixture_wait(&f, 3001);
	fixture_expect(&f, TCP_ACK, 0, 1, 0);
	fixture_expect(&f, TCP_ACK, 0, 1, 0);
	fixture_expect(&f, TCP_ACK | TCP_RST, 1, 1, 0);
	assert_int_equal(f.why, -ETIMEDOUT);
	fixture_free(&f);
}

static void memory_runs_out(void **state)
{
	struct fixture f;
	struct tcp_piece piece = {"x", 1, NULL};
	uint32_t used[3];

	fixture_new(&f);
	f.config.blocks = 8;
	fixture_start(&f);
	fixture_established(&f, 0);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(tcp_send(f.connection, &piece, 1), 1);
	assert_int_equal(tcp_send(f.connection, &piece, 1), 0);
	assert_int_equal(tcp_send_room(f.connection), 0);
	fixture_run(&f);
	fixture_quiet(&f); // no memory to remember a segment in
	assert_false(fixture_in(&f, TCP_ACK, 100, 1, 1));
	tcp_abort(f.connection);
	fixture_run(&f);
	assert_int_equal(f.released, 8);
	tcp_usage(f.tcp, &used[0], &used[1], &used[2]);
	assert_int_equal(used[2], 0);
	fixture_free(&f);
}

static void idle_connections_are_cheap(void **state)
{
	struct fixture f;
	struct tcp_segment s;
	uint32_t used[3];
	usec_t end;
	unsigned turns = 0;

	assert_in_range(tcp_connection_bytes(), 1, 600);
	fixture_new(&f);
	f.config.connections = 100000;
	f.config.half_open = 100000;
	fixture_start(&f);
	for (uint32_t i = 0; i < 100000; i++) {
		s = fixture_segment(&f, TCP_SYN, 0, 0, 0);
		s.tuple.remote = addr_from_v4(0x0b000000 + i);
		tcp_input(f.tcp, &s, f.now);
		fixture_run(&f);
		s = fixture_segment(&f, TCP_ACK, 1, 1, 0);
		s.tuple.remote = addr_from_v4(0x0b000000 + i);
		f.outs = f.taken = 0;
		tcp_input(f.tcp, &s, f.now);
		f.now += 10;
	}
	assert_int_equal(f.connected, 100000);
	tcp_usage(f.tcp, &used[0], &used[1], &used[2]);
	assert_int_equal(used[0], 100000);
	assert_int_equal(used[2], 0);
	// A minute of silence: the timers of the handshakes, of 1,000 ms in all, are found to be
	// stale.
	for (end = f.now + 60000000; tcp_next_us(f.tcp) < end; turns++) {
		f.now = tcp_next_us(f.tcp);
		fixture_run(&f);
	}
	assert_in_range(turns, 0, 1100);
	fixture_free(&f);
}

static void the_wire_is_hostile(void **state)
{
	static const uint8_t whole[] = {0, 80, 0, 81, 1, 2, 3, 4, 5, 6, 7, 8, 0xf0, 0x12, 1, 0, 0,
		0, 0, 0, 2, 4, 5, 180, 1, 3, 3, 20, 4, 2, 8, 10, 0, 0, 0, 9, 0, 0, 0, 8, 5, 18, 0,
		0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 'x'};
	struct tcp_segment s = {0};

	assert_int_equal(tcp_parse(&s, whole, sizeof(whole)), 0);
	assert_int_equal(s.mss, 1460);
	assert_int_equal(s.scale, 14); // at most
	assert_int_equal(s.options, TCP_OPTION_SACK | TCP_OPTION_SCALE | TCP_OPTION_TIME);
	assert_int_equal(s.ts_value, 9);
	assert_int_equal(s.sack_count, 2);
	assert_int_equal(s.sack[1].end, 4);
	assert_int_equal(s.payload.length, 1);
	for (uint32_t length = 0; length < 60; length++) {
		uint8_t *cut = malloc(length + 1); // to its last byte, for the sanitizer

		memcpy(cut, whole, length);
		assert_int_equal(tcp_parse(&s, cut, length), -EBADMSG);
		free(cut);
	}
	for (unsigned at = 20; at < 60; at++) { // each option byte spoilt
		uint8_t spoilt[sizeof(whole)];

		memcpy(spoilt, whole, sizeof(whole));
		spoilt[at] = 0xff;
		assert_int_equal(tcp_parse(&s, spoilt, 60), 0);
		spoilt[at] = 1;
		assert_int_equal(tcp_parse(&s, spoilt, 60), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(acknowledgements_wait),
		cmocka_unit_test(acknowledgements_of_full_segments),
		cmocka_unit_test(acknowledgements_hurry_after_losses),
		cmocka_unit_test(order_is_made),
		cmocka_unit_test(what_is_held_is_bounded),
		cmocka_unit_test(readers_close_the_window),
		cmocka_unit_test(closed_windows_are_probed),
		cmocka_unit_test(nobody_waits_for_a_closed_window),
		cmocka_unit_test(silly_windows_are_not_used),
		cmocka_unit_test(timeouts_back_off),
		cmocka_unit_test(tails_are_probed),
		cmocka_unit_test(three_reports_mend_at_once),
		cmocka_unit_test(smaller_mtu),
		cmocka_unit_test(idle_remotes_are_asked),
		cmocka_unit_test(memory_runs_out),
		cmocka_unit_test(idle_connections_are_cheap),
		cmocka_unit_test(the_wire_is_hostile),
	};

	return cmocka_run_group_tests_name("tcp_transfer", tests, NULL, NULL);
}
