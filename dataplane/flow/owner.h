// SPDX-License-Identifier: BSD-3-Clause
// The ownership rule: a flow, both directions of it, belongs to one worker, and any worker can tell
// from a packet alone which.
//
// - client to VIP: the Toeplitz hash of the 4-tuple with the key the ports have (port_rss_key), so
//   that a port with RSS delivers to the owner by itself. Where the client's address is kept
//   (MODE_DNAT), the hash of client address and port; with ClientIP affinity, of the address.
// - endpoint to us, full NAT: the source port we chose names the worker.
// - endpoint to client (MODE_DNAT): the same hash of the client, who is now the destination.
// Pure. Any thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "flow_table.h"

// The table NICs are given: hash bits -> queue. Entry i of a larger one is entry i % OWNER_TABLE.
#define OWNER_TABLE 128

struct owner_rule {
	uint16_t workers;
	uint16_t port_first, port_last; // source ports of ours, host order
	// From here on they are the proxy's, below full NAT's. Begins a row of one port a worker.
	// 0: there is no proxy.
	uint16_t proxy_first;
	_Alignas(uint32_t) uint8_t rss_key[40]; // rte_softrss() reads words
};

// `flags`: enum listener_flag. `nic_hash`: the port's own RSS hash of the tuple, or NULL.
uint16_t owner_of_client(const struct owner_rule *rule, const struct flow_key *key, uint8_t flags,
	const uint32_t *nic_hash);
// For an answer in MODE_DNAT: the client is the destination.
uint16_t owner_of_reply(const struct owner_rule *rule, const struct flow_key *key, uint8_t flags);
static inline bool owner_port_in_range(const struct owner_rule *rule, uint16_t port)
{
	return port >= rule->port_first && port <= rule->port_last;
}
static inline uint16_t owner_of_port(const struct owner_rule *rule, uint16_t port)
{
	return (uint16_t)((port - rule->port_first) % rule->workers);
}
static inline uint16_t owner_nat_last(const struct owner_rule *rule)
{
	return rule->proxy_first ? (uint16_t)(rule->proxy_first - 1) : rule->port_last;
}
static inline bool owner_port_of_proxy(const struct owner_rule *rule, uint16_t port)
{
	return rule->proxy_first && port >= rule->proxy_first && port <= rule->port_last;
}
// The first of the worker's own ports for the proxy; the others follow `workers` apart.
static inline uint16_t owner_proxy_first(const struct owner_rule *rule, uint16_t worker)
{
	return (uint16_t)(rule->proxy_first + worker);
}
// Where the proxy's part begins: the last quarter of the ports.
uint16_t owner_proxy_part(const struct owner_rule *rule);
// Fragments of one datagram meet at one worker.
uint16_t owner_of_fragment(const struct owner_rule *rule, const struct flow_key *key);
