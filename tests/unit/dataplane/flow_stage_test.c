// SPDX-License-Identifier: BSD-3-Clause
// A burst finds its flows, from either side; a connection's state follows what passes.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <rte_random.h>
#include <rte_tcp.h>
#include <stdlib.h>
#include <string.h>

#include "flow_stage.h"
#include "frame_fixture.h"

static const struct timeouts_settings timeouts = {30, 7800, 60, 2, 60, 30};

struct sample { // the tuple of flow number i, as frames hold it
	uint8_t l3[40];
	struct packet packet;
};

static struct sample sample_of(uint32_t i, bool v6, unsigned direction)
{
	struct sample sample = {
		.packet = {.family = v6 ? 6 : 4, .protocol = IPPROTO_UDP, .next = PACKET_FLOW}};
	uint8_t *src = sample.l3 + (v6 ? 8 : 12), *dst = src + (v6 ? 16 : 4);

	memcpy(direction ? dst : src, &i, 4);
	memset(direction ? src : dst, direction ? 9 : 5, 4);
	sample.packet.ports = direction ? i << 16 | 0x901f : 0x5000u << 16 | (i & 0xffff);
	return sample;
}

static struct flow_key key_of(struct sample *sample)
{
	sample->packet.l3 = sample->l3;
	return flow_packet_key(&sample->packet);
}

static struct flow *insert(struct flow_table *table, uint32_t i, bool v6)
{
	struct sample there = sample_of(i, v6, 0), back = sample_of(i, v6, 1);
	struct flow_key key = key_of(&there), reply = key_of(&back);
	struct flow *flow = flow_new(table);

	flow_set_key(flow, 0, &key);
	flow_set_key(flow, 1, &reply);
	flow->state = FLOW_UDP;
	flow->packets = i;
	assert_true(flow_insert(table, flow));
	return flow;
}

static void test_bursts(void **state)
{
	const uint32_t count = 60000;
	struct flow_table *table = flow_table_new(count, 1, &timeouts);
	struct sample *samples = calloc(PACKET_BURST, sizeof(*samples));
	struct packet packets[PACKET_BURST];

	for (uint32_t i = 0; i < count; i++)
		insert(table, i, i & 1);
	for (unsigned round = 0; round < 3000; round++) {
		uint32_t numbers[PACKET_BURST];
		unsigned n = 1 + (unsigned)(rte_rand() % PACKET_BURST);

		for (unsigned i = 0; i < n; i++) {
			numbers[i] = (uint32_t)(rte_rand() % (count * 5 / 4)); // some are not there
			samples[i] = sample_of(numbers[i], numbers[i] & 1, rte_rand() & 1);
			samples[i].packet.l3 = samples[i].l3;
			packets[i] = samples[i].packet;
			if (numbers[i] % 17 == 0)
				packets[i].next = PACKET_HOST; // another's: not to be touched
		}
		flow_lookup(table, packets, n);
		for (unsigned i = 0; i < n; i++) {
			bool from_pod = samples[i].l3[numbers[i] & 1 ? 8 : 12] == 9 &&
					(samples[i].packet.ports & 0xffff) == 0x901f;

			if (numbers[i] % 17 == 0) {
				assert_int_equal(packets[i].next, PACKET_HOST);
			} else if (numbers[i] >= count) {
				assert_int_equal(packets[i].next, PACKET_FLOW);
				assert_null(packets[i].flow);
			} else {
				assert_int_equal(packets[i].next, PACKET_REWRITE);
				assert_int_equal(packets[i].flow->packets, numbers[i]);
				assert_int_equal(packets[i].direction, from_pod);
			}
		}
	}
	free(samples);
	flow_table_free(table);
}

#define S RTE_TCP_SYN_FLAG
#define A RTE_TCP_ACK_FLAG
#define F RTE_TCP_FIN_FLAG
#define R RTE_TCP_RST_FLAG
#define C(x)                                                                                       \
	{                                                                                          \
		0, x                                                                               \
	}
#define P(x)                                                                                       \
	{                                                                                          \
		1, x                                                                               \
	}
#define END                                                                                        \
	{                                                                                          \
		2, 0                                                                               \
	}

// What passes, and the state afterwards.
static const struct {
	struct {
		uint8_t direction, flags;
	} segments[12];
	enum flow_state state;
	bool again; // the last is a SYN that begins another connection
} tracks[] = {
	{{C(S), END}, FLOW_TCP_SYN, false},
	{{C(S), C(S), END}, FLOW_TCP_SYN, false},
	{{C(S), C(A), END}, FLOW_TCP_SYN, false}, // nobody has answered
	{{C(S), P(S | A), END}, FLOW_TCP_SYN, false},
	{{C(S), P(S | A), C(A), END}, FLOW_TCP_ESTABLISHED, false},
	{{C(S), P(S | A), C(A), C(S), END}, FLOW_TCP_ESTABLISHED, false},
	{{C(S), P(S | A), C(A), C(F | A), END}, FLOW_TCP_FIN, false},
	{{C(S), P(S | A), C(A), C(F | A), P(A), END}, FLOW_TCP_FIN, false},
	{{C(S), P(S | A), C(A), C(F | A), P(F | A), END}, FLOW_TCP_FIN, false},
	{{C(S), P(S | A), C(A), C(F | A), P(F | A), C(A), END}, FLOW_TCP_CLOSED, false},
	{{C(S), P(S | A), C(A), P(F | A), C(F | A), P(A), END}, FLOW_TCP_CLOSED, false},
	{{C(S), P(S | A), C(A), C(F | A), P(F | A), C(A), P(F | A), C(A), END}, FLOW_TCP_CLOSED,
		false},
	{{C(S), P(S | A), C(A), C(F | A), P(F | A), C(A), C(S), END}, FLOW_TCP_CLOSED, true},
	{{C(S), P(R | A), END}, FLOW_TCP_CLOSED, false},
	{{C(S), P(R | A), C(S), END}, FLOW_TCP_CLOSED, true},
	{{C(S), P(S | A), C(A), C(R), END}, FLOW_TCP_CLOSED, false},
	{{C(S), P(S | A), C(A), C(R), P(A), P(A), END}, FLOW_TCP_CLOSED, false},
	{{C(S), P(S | A), C(A), C(R), C(A), END}, FLOW_TCP_ESTABLISHED, false},
	{{C(S), P(S | A), C(A), P(R), P(A), END}, FLOW_TCP_ESTABLISHED, false},
	{{C(S), P(S | A), C(A), C(F | A), C(R), C(A), END}, FLOW_TCP_FIN, false},
	{{C(S), P(S | A), C(A), C(R), C(S), END}, FLOW_TCP_CLOSED, true},
};

static void test_states(void **state)
{
	struct flow_table *table = flow_table_new(64, 1, &timeouts);

	for (unsigned i = 0; i < sizeof(tracks) / sizeof(tracks[0]); i++) {
		struct flow *flow = insert(table, i, false);
		bool again = false;

		flow->state = FLOW_TCP_SYN;
		flow_rearm(table, flow);
		for (unsigned k = 0; tracks[i].segments[k].direction != 2; k++) {
			struct packet packet = {.protocol = IPPROTO_TCP,
				.direction = tracks[i].segments[k].direction,
				.tcp_flags = tracks[i].segments[k].flags};

			assert_false(again);
			again = flow_track_tcp(table, flow, &packet);
		}
		if (flow->state != tracks[i].state || again != tracks[i].again)
			fail_msg("row %u: %s%s", i, flow_state_name(flow->state),
				again ? ", again" : "");
		flow_delete(table, flow);
	}
	flow_table_free(table);
}

// A connection whose client is being told of its end changes by a SYN alone.
static void test_reset_stays(void **state)
{
	struct flow_table *table = flow_table_new(64, 1, &timeouts);
	struct flow *flow = insert(table, 1, false);
	static const uint8_t flags[] = {A, F | A, R, R | A};

	flow->state = FLOW_TCP_RESET;
	flow_rearm(table, flow);
	for (unsigned i = 0; i < 8; i++) {
		struct packet packet = {
			.protocol = IPPROTO_TCP, .direction = i & 1, .tcp_flags = flags[i / 2]};

		assert_false(flow_track_tcp(table, flow, &packet));
		assert_int_equal(flow->state, FLOW_TCP_RESET);
	}
	assert_true(flow_track_tcp(table, flow, &(struct packet){.tcp_flags = S}));
	flow_table_free(table);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bursts),
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_reset_stays),
	};

	frames_start(argv[0]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
