// SPDX-License-Identifier: BSD-3-Clause
// The table of fragments by itself: what is held and released, what is refused, that bounds hold
// and time frees. Whole datagrams of either family are in tests/packet.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <rte_ip.h>
#include <string.h>

#include "classify.h"
#include "fragment.h"
#include "frame_fixture.h"

struct fixture {
	struct rte_mempool *pool;
	struct fragment_table *table;
	struct fragment_release release;
};

static int setup(void **state)
{
	struct fixture *fixture = test_malloc(sizeof(*fixture));

	*fixture = (struct fixture){.pool = frames_pool("fragments", 2047)};
	fixture->table = fragment_table_new(1, 4, 99);
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	fragment_table_free(fixture->table);
	assert_int_equal(rte_mempool_in_use_count(fixture->pool), 0);
	frames_pool_free(fixture->pool);
	test_free(fixture);
	return 0;
}

// A fragment of datagram `id`: 16 bytes at 8 * offset.
static struct packet feed(
	struct fixture *fixture, uint16_t id, uint16_t offset, bool more, uint32_t now)
{
	struct frame frame = frame_of(&(struct frame_spec){"198.51.100.7", "192.0.2.10", 4000, 80,
		.protocol = IPPROTO_UDP, .payload = 8,
		.fragment = (uint16_t)(offset | (more ? 0x2000 : 0))});
	uint16_t checksum;
	struct packet packet;

	frame.bytes[18] = (uint8_t)(id >> 8);
	frame.bytes[19] = (uint8_t)id;
	memset(frame.bytes + 24, 0, 2);
	checksum = (uint16_t)~rte_raw_cksum(frame.bytes + 14, 20);
	memcpy(frame.bytes + 24, &checksum, 2);
	classify_frame(&packet, frame_mbuf(fixture->pool, frame.bytes, frame.length), 3);
	assert_int_equal(packet.next, PACKET_FRAGMENT);
	fragment_process(fixture->table, &packet, now, &fixture->release);
	return packet;
}

static void end(struct packet packet)
{
	assert_int_not_equal(packet.next, PACKET_TAKEN);
	rte_pktmbuf_free(packet.mbuf);
}

static void test_in_order(void **state)
{
	struct packet first = feed(*state, 1, 0, true, 0), last = feed(*state, 1, 2, false, 0);

	assert_int_equal(first.next, PACKET_FLOW);
	assert_int_equal(last.next, PACKET_FLOW);
	assert_int_equal(last.ports, first.ports);
	assert_int_equal(last.ip_id, first.ip_id);
	assert_true(first.flags & last.flags & PACKET_NEW_ID);
	end(first);
	end(last);
	// The identification is free again: another datagram, another new one.
	first = feed(*state, 1, 0, true, 0);
	assert_int_not_equal(first.ip_id, last.ip_id);
	end(first);
	end(feed(*state, 1, 2, false, 0));
}

static void test_held(void **state)
{
	struct fixture *fixture = *state;
	struct packet first;

	for (uint16_t offset = 20; offset > 0; offset -= 2) {
		assert_int_equal(feed(fixture, 2, offset, offset != 20, 0).next, PACKET_TAKEN);
		assert_int_equal(fixture->release.count, 0);
	}
	first = feed(fixture, 2, 0, true, 0);
	assert_int_equal(first.next, PACKET_FLOW);
	assert_int_equal(fixture->release.count, 10);
	for (unsigned i = 0; i < fixture->release.count; i++) {
		struct rte_mbuf *mbuf = fixture->release.mbufs[i];
		const struct note *note = packet_note(mbuf);
		struct packet packet;

		assert_int_equal(note->kind, NOTE_PROCESS);
		assert_int_equal(note->iface, 3);
		assert_true(note->flags & PACKET_NEW_ID);
		classify_frame(&packet, mbuf, note->iface);
		fragment_resume(&packet, note);
		assert_int_equal(packet.next, PACKET_FLOW);
		assert_int_equal(packet.ports, first.ports);
		assert_int_equal(packet.ip_id, first.ip_id);
		end(packet);
	}
	end(first);
}

static void test_overlap(void **state)
{
	struct packet packet;

	end(feed(*state, 3, 0, true, 0)); // bytes 0 to 16
	packet = feed(*state, 3, 1, true, 0);
	assert_int_equal(packet.next, PACKET_DROP);
	assert_int_equal(packet.drop, DROP_FRAGMENT_OVERLAP);
	end(packet);
	packet = feed(*state, 3, 0, true, 0);
	assert_int_equal(packet.drop, DROP_FRAGMENT_OVERLAP);
	end(packet);
	packet = feed(*state, 3, 2, false, 0);
	assert_int_equal(packet.next, PACKET_FLOW);
	end(packet);
}

// So many rounds of looking; how many mbufs were given up.
static unsigned expire(struct fixture *fixture, uint32_t now, unsigned rounds)
{
	struct fragment_release release;
	unsigned freed = 0;

	for (unsigned i = 0; i < rounds; i++) {
		unsigned looks = 8;

		while (fragment_expire(fixture->table, now, &looks, &release)) {
			assert_int_equal(packet_note(release.mbufs[0])->iface, 3);
			rte_pktmbuf_free_bulk(release.mbufs, release.count);
			freed += release.count;
		}
		assert_int_equal(looks, 0);
	}
	return freed;
}

static void test_time(void **state)
{
	struct fixture *fixture = *state;

	for (uint16_t id = 100; id < 110; id++)
		assert_int_equal(feed(fixture, id, 4, true, 5000).next, PACKET_TAKEN);
	assert_int_equal(expire(fixture, 6000, 200), 0);
	assert_int_equal(expire(fixture, 7100, 200), 10);
	assert_int_equal(rte_mempool_in_use_count(fixture->pool), 0);
}

// However many come: 48 a datagram, 512 in all, and each refused one is handed back.
static void test_bounds(void **state)
{
	struct fixture *fixture = *state;
	unsigned held = 0, refused = 0;

	for (uint16_t offset = 2; offset <= 2 * 60; offset += 2) {
		struct packet packet = feed(fixture, 7, offset, true, 0);

		if (packet.next == PACKET_TAKEN) {
			held++;
		} else {
			assert_int_equal(packet.drop, DROP_FRAGMENT_TABLE_FULL);
			end(packet);
		}
	}
	assert_int_equal(held, FRAGMENT_HELD_MAX);
	for (uint16_t id = 1000; id < 4000; id++) {
		struct packet packet = feed(fixture, id, 2, true, 0);

		if (packet.next == PACKET_TAKEN) {
			held++;
			continue;
		}
		assert_int_equal(packet.drop, DROP_FRAGMENT_TABLE_FULL);
		refused++;
		end(packet);
	}
	assert_int_equal(held, 512);
	assert_int_equal(held + refused, FRAGMENT_HELD_MAX + 3000);
	assert_int_equal(rte_mempool_in_use_count(fixture->pool), 512);
	assert_int_equal(expire(fixture, 30000, 200), 512);
	assert_int_equal(rte_mempool_in_use_count(fixture->pool), 0);
}

// Workers give out identifications of their own.
static void test_identifications(void **state)
{
	struct fixture *fixture = *state;
	struct fragment_table *mine = fixture->table, *other = fragment_table_new(2, 4, 99);
	uint32_t modulus[2] = {0};

	for (unsigned k = 0; k < 2; k++) {
		fixture->table = k ? other : mine;
		for (uint16_t id = 5000; id < 5100; id++) {
			struct packet packet = feed(fixture, id, 0, true, 0);
			uint32_t given = ntohs((uint16_t)packet.ip_id) % 4;

			if (id == 5000)
				modulus[k] = given;
			assert_int_equal(given, modulus[k]);
			end(packet);
			end(feed(fixture, id, 2, false, 0));
		}
	}
	assert_int_not_equal(modulus[0], modulus[1]);
	fixture->table = mine;
	fragment_table_free(other);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_order),
		cmocka_unit_test(test_held),
		cmocka_unit_test(test_overlap),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_identifications),
	};

	frames_start(argv[0]);
	return cmocka_run_group_tests(tests, setup, teardown);
}
