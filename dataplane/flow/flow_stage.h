// SPDX-License-Identifier: BSD-3-Clause
// The second stage: find the flow of each TCP and UDP packet, and follow the connection's state.
#pragma once

#include "flow_table.h"
#include "packet.h"

// For every packet that is PACKET_FLOW: on a hit sets flow, direction and PACKET_REWRITE, on a miss
// leaves it as it is, with `hash` set. How many missed.
unsigned flow_lookup(struct flow_table *table, struct packet *packets, unsigned n);
// The tuple of a packet as it arrived, pointing into its header.
struct flow_key flow_packet_key(const struct packet *packet);

// TCP state by what passes (RFC 9293 section 3.3.2, seen from the middle). Called for each packet
// of a TCP flow that carries SYN, FIN or RST or whose flow is not just established. Returns true
// when the connection has ended and this is a SYN that begins another with the same tuple: the flow
// must then be deleted and opened anew.
bool flow_track_tcp(struct flow_table *table, struct flow *flow, const struct packet *packet);
