// SPDX-License-Identifier: BSD-3-Clause
// A simulated network between two TCP instances: time, loss, delay and all else under one seed.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tcp.h"

struct memory { // an owner, of payload queued or of a segment that arrived
	struct net *net;
	uint32_t length;
	uint8_t data[];
};

struct flying {
	uint64_t due_us, order;
	unsigned to; // side
	struct memory *segment;
};

struct net {
	uint64_t random; // state
	uint64_t now_us, orders;
	// In parts of a million, each way alike.
	uint32_t loss, twice, corrupt;
	uint32_t delay_us, jitter_us;
	uint64_t bits_per_second; // 0: as fast as it comes
	uint32_t queue_bytes;
	uint32_t mtu;       // now
	uint32_t mtu_later; // from mtu_us on
	uint64_t mtu_us;
	uint64_t free_us[2]; // when the line is idle again
	struct flying *heap;
	unsigned flying, room;
	int64_t live; // memories
	uint64_t delivered, trace;
	struct tcp *sides[2];
	struct tcp *twin; // at side 0, too: of client ports from twin_port on; NULL: none
	uint16_t twin_port;
	uint64_t carried, overflowed; // segments by the line, by a full queue of it not
	bool verbose;
};

uint64_t net_random(struct net *net);
uint32_t net_below(struct net *net, uint32_t bound);
bool net_chance(struct net *net, uint32_t parts_of_a_million);
struct memory *memory_new(struct net *net, uint32_t length);
void memory_free(struct memory *memory);
// From this side; calls tcp_too_big() later by way of the network when it does not fit.
void net_send(struct net *net, unsigned from, const struct tcp_output *out);
// Even client ports are IPv4, odd ones IPv6; the port of side 1, the server, is 80.
struct tcp_tuple net_tuple(unsigned side, uint16_t client_port);
uint64_t net_next_us(const struct net *net); // UINT64_MAX: nothing flies
// Delivers the next one, at its time.
void net_deliver(struct net *net);
void net_clear(struct net *net);
