// SPDX-License-Identifier: BSD-3-Clause
// Fragments get their ports from the first of their datagram, so that all of them take its flow
// (virtual reassembly: nothing is copied, and what goes out is as it came in).
//
// All fragments of a datagram are brought to one worker (owner_of_fragment). Those that come before
// the first are held, within bounds, and released when it comes. A fragment that overlaps what was
// seen is dropped, so that an endpoint can never be shown two versions (RFC 5722, RFC 1858).
// The datagram also gets one new identification: many clients share an address behind full NAT, and
// several endpoints share a VIP. One table a worker; one thread.
#pragma once

#include <stdint.h>

#include "packet.h"

#define FRAGMENT_HELD_MAX 48 // mbufs held for one datagram

struct fragment_table;

struct fragment_release {
	struct rte_mbuf *mbufs[FRAGMENT_HELD_MAX]; // their notes are set: to be processed again
	unsigned count;
};

// `worker` of `workers`: each gives out identifications of its own.
struct fragment_table *fragment_table_new(uint16_t worker, uint16_t workers, uint64_t seed);
void fragment_table_free(struct fragment_table *table);

// For a packet that is PACKET_FRAGMENT. Afterwards it is PACKET_FLOW, PACKET_ECHO or PACKET_HOST
// with ports and ip_id set, PACKET_TAKEN (held) or PACKET_DROP. `now` in flow ticks.
void fragment_process(struct fragment_table *table, struct packet *packet, uint32_t now,
	struct fragment_release *release);
// What a released or handed-over fragment goes on as, when its note says PACKET_NEW_ID.
void fragment_resume(struct packet *packet, const struct note *note);
// Gives up what waited too long. Looks at up to *looks more datagrams, until one has held some:
// then true, and they are the caller's, to be counted as DROP_FRAGMENT_TIMEOUT and freed.
bool fragment_expire(struct fragment_table *table, uint32_t now, unsigned *looks,
	struct fragment_release *release);
