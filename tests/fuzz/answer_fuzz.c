// SPDX-License-Identifier: BSD-3-Clause
// host_answer() on any frame: it reads nothing beyond it, and what it answers is an answer.
//
// The first byte says how the rest is given: bit 0 mends the ICMPv6 checksum, which no fuzzer would
// guess; bits 1 to 4 are the room left behind the frame. The block is exactly as large as that, so
// that the sanitizer sees every byte too many.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "change_fixture.h"
#include "host.h"

#define ETHER 14

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool right)
{
	if (!right)
		abort();
}

static uint16_t icmp6_sum(const uint8_t *ip)
{
	size_t length = (size_t)ip[4] << 8 | ip[5];
	uint32_t sum = 58 + (uint32_t)length;

	for (size_t i = 8; i < 40 + length; i++)
		sum += (i & 1) ? ip[i] : (uint32_t)ip[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void mend(uint8_t *frame, size_t size)
{
	uint8_t *ip = frame + ETHER;
	uint16_t sum;

	if (size < ETHER + 64 || 40u + ((size_t)ip[4] << 8 | ip[5]) > size - ETHER ||
		((size_t)ip[4] << 8 | ip[5]) < 4)
		return;
	ip[42] = ip[43] = 0;
	sum = icmp6_sum(ip);
	ip[42] = (uint8_t)(sum >> 8);
	ip[43] = (uint8_t)sum;
}

static struct tables_store *make_tables(void)
{
	struct plan_change *change = change_new(0, 1);
	struct tables_store *store = tables_store_new();
	struct reason reason = {0};

	change_vip(change, "192.0.2.10");
	change_vip(change, "2001:db8::10");
	require(tables_apply(store, change, &reason) == 0);
	change_free(change);
	return store;
}

static void check_answer(
	const struct iface *iface, const struct rte_mbuf *mbuf, const uint8_t *frame)
{
	require(memcmp(frame + 6, &iface->mac, 6) == 0);
	require(mbuf->data_len == mbuf->pkt_len);
	if (frame[12] == 0x08) {
		require(mbuf->pkt_len == 42 && frame[21] == 2);
		require(memcmp(frame + 28, "\xc0\0\x02\x0a", 4) == 0);
	} else {
		require(mbuf->pkt_len == ETHER + 72 && frame[ETHER + 40] == 136);
		require(icmp6_sum(frame + ETHER) == 0);
		require(memcmp(frame + ETHER + 8, frame + ETHER + 48, 16) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct tables_store *store; // made once: that is slower than all the rest
	struct iface iface = {.index = 3, .mac = {{2, 0, 0, 0, 0, 1}}};
	struct rte_mbuf mbuf = {.nb_segs = 1};
	size_t length, room;
	uint8_t *frame;

	if (size < 1 || size > 2048)
		return 0;
	if (!store)
		store = make_tables();
	length = size - 1;
	room = length + (data[0] >> 1 & 15);
	frame = malloc(room ? room : 1);
	require(frame != NULL);
	memcpy(frame, data + 1, length);
	if (data[0] & 1)
		mend(frame, length);
	mbuf.buf_addr = frame;
	mbuf.buf_len = (uint16_t)room;
	mbuf.data_len = (uint16_t)length;
	mbuf.pkt_len = (uint32_t)length;
	if (host_answer(tables_current(store), &iface, &mbuf, ETHER))
		check_answer(&iface, &mbuf, frame);
	free(frame);
	return 0;
}
