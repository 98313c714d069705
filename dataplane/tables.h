// SPDX-License-Identifier: BSD-3-Clause
// What the control plane said, in the shape workers read it: VIPs, listeners, pools, endpoints.
//
// A snapshot is immutable once published: tables_apply() builds the next one, sharing with the last
// whatever did not change, so a change costs by its own size and not by the size of the plan.
// Workers read it through one pointer; rte_rcu_qsbr tells when the old one's own parts may be
// freed. Writers: main lcore only.
//
// Slots: an endpoint (pool, address, port) has a slot, a small number that stays its own for as
// long as it exists, through any change of the pool; so do listeners. Counters and flows refer to
// slots. A freed slot is not given again before every worker has passed over its flows
// (tables_release_slots). Slots of endpoints are below SLUICE_ENDPOINTS_MAX, those of listeners and
// pools below SLUICE_LISTENERS_MAX and SLUICE_POOLS_MAX (limits.h).
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "addr.h"
#include "reason.h"
#include "settings.h"

#define SLOT_NONE             UINT32_MAX
#define TABLES_CHUNK          256 // slots a chunk
#define TABLES_DNAT_LISTENERS 8

enum endpoint_state {
	ENDPOINT_GONE,
	ENDPOINT_READY,
	ENDPOINT_DRAINING
};

struct endpoint {
	struct addr address;
	in_port_t port;  // network order
	uint8_t state;   // enum endpoint_state
	uint16_t weight; // 1..256
	uint32_t slot;
	uint32_t pool_slot;
	uint64_t identity; // hash of address and port: the same on any box, for Maglev
	char name[64];
};

// What least connections looks at, side by side so that a scan is quick.
struct pool_share {
	uint32_t slot;
	uint32_t weight;
};

enum pool_family {
	POOL_IPV4 = 1 << 0,
	POOL_IPV6 = 1 << 1
};

// Immutable; shared by snapshots.
struct pool {
	uint32_t slot;
	uint8_t algorithm; // enum algorithm
	uint8_t families;  // enum pool_family, of all members
	uint32_t member_count;
	uint32_t ready_count;
	const struct endpoint *const
		*members; // ready ones first, then draining, each by address, port
	const struct maglev
		*maglev; // for MAGLEV and SOURCE_HASH, over the ready ones; pick/maglev.h
	// For WEIGHTED and LEAST_CONNECTIONS, over the ready ones: member i has the numbers from
	// weight_ends[i - 1] to below weight_ends[i], in shares of weight_total; pick/stride.h.
	uint32_t weight_total;
	uint32_t weight_stride;
	const uint32_t *weight_ends;
	const struct pool_share *shares;        // for LEAST_CONNECTIONS
	const struct upstream_policy *upstream; // tables_http.h; NULL: not the proxy's
	uint64_t name_hash;
	char name[256];
};

enum listener_flag {
	LISTENER_OWNER_CLIENT = 1 << 0,    // owner by client address and port (MODE_DNAT)
	LISTENER_OWNER_CLIENT_IP = 1 << 1, // owner by client address alone (ClientIP affinity)
};

struct listener {
	struct addr vip;
	in_port_t port; // network order
	uint8_t protocol;
	uint8_t mode;  // enum mode
	uint8_t flags; // enum listener_flag
	uint32_t slot;
	uint32_t affinity_s;
	const struct pool *pool;
	uint32_t source_count; // 0 = everybody
	const struct prefix *sources;
	const struct http_listener *http; // tables_http.h; NULL: layer 4. With it there is no pool
	char service[256];
};

struct vip {
	struct addr address;
	bool owned;
	uint64_t ifaces; // bit i: ARP/ND answered on interface i
	uint32_t slot;
};

#define LISTENER_TEXT (ADDR_TEXT + 10)

// "192.0.2.10 tcp/80"; writes and returns buf.
const char *listener_format(
	const struct addr *vip, uint8_t protocol, in_port_t port, char buf[static LISTENER_TEXT]);

struct tables; // opaque: readers use the functions below

// Readers: any worker, between two quiescent states.
const struct listener *tables_listener(
	const struct tables *tables, const struct addr *vip, uint8_t protocol, in_port_t port);
const struct vip *tables_vip(const struct tables *tables, const struct addr *address);
// The endpoint in this slot, or NULL when it is gone.
const struct endpoint *tables_endpoint(const struct tables *tables, uint32_t slot);
const struct listener *tables_listener_slot(const struct tables *tables, uint32_t slot);
// Is this the address of an endpoint behind a MODE_DNAT listener? Then its owner rule (flags).
// One endpoint may be behind several; LISTENER_OWNER_CLIENT_IP then wins over
// LISTENER_OWNER_CLIENT: tables_apply() refuses a plan in which they differ for one (address,
// protocol, port).
bool tables_dnat_endpoint(const struct tables *tables, const struct addr *address, uint8_t protocol,
	in_port_t port, uint8_t *flags);
// The slots of those listeners, into a place that stays as long as the snapshot. 0 also when there
// are, or have been at one time, more than TABLES_DNAT_LISTENERS.
uint32_t tables_dnat_listeners(const struct tables *tables, const struct addr *address,
	uint8_t protocol, in_port_t port, const uint32_t **slots);
uint64_t tables_generation(const struct tables *tables);
uint32_t tables_listener_slots(const struct tables *tables); // one past the highest ever used
uint32_t tables_endpoint_slots(const struct tables *tables);
uint32_t tables_pool_slots(const struct tables *tables);
// Visits every vip / listener / pool; main lcore only.
void tables_each_vip(
	const struct tables *tables, void (*visit)(const struct vip *, void *), void *arg);
void tables_each_listener(
	const struct tables *tables, void (*visit)(const struct listener *, void *), void *arg);
void tables_each_pool(
	const struct tables *tables, void (*visit)(const struct pool *, void *), void *arg);

// Writer: main lcore.
struct plan_change;  // a decoded transaction; channel.h makes it
struct tables_store; // holds the current snapshot, the slots in use and what waits to be freed

struct tables_store *tables_store_new(void);
void tables_store_free(struct tables_store *store);
const struct tables *tables_current(const struct tables_store *store);
// The pointer workers read, for handing to them: `__atomic_load_n(p, __ATOMIC_ACQUIRE)`.
const struct tables *const *tables_pointer(const struct tables_store *store);
// After every worker has passed a quiescent state since the last apply: frees what was replaced.
void tables_reclaim(struct tables_store *store);
// True when endpoints or listeners were removed since the last call: a pass begins. Every worker
// must then pass over its flows, looking for slots for which tables_endpoint() or
// tables_listener_slot() is NULL; when all have, tables_release_slots() lets the slots be used
// again. What is removed meanwhile waits for the next pass; until the release this returns false.
bool tables_has_removed(struct tables_store *store);
// The slots of the pass under way, between its end and the release, so that their counters can be
// set to zero. `endpoint` is called for those of endpoints, `listener` for those of listeners;
// either may be NULL.
void tables_each_removed(const struct tables_store *store, void (*endpoint)(uint32_t slot, void *),
	void (*listener)(uint32_t slot, void *), void *arg);
void tables_release_slots(struct tables_store *store);
