// SPDX-License-Identifier: BSD-3-Clause
// What the tables are made of, and a change of them while it is being built. tables*.c only.
//
// A change is built beside the current tables and never touches them: struct build has the next
// snapshot, which begins as a copy of the current one and shares all it does not replace. Mistakes
// are gathered in the reason; with any of them, or without memory, all that was made is freed and
// the numbers given out are taken back. Only when nothing can fail any more is the rest of the
// store (links, numbers) changed and the snapshot published.
#pragma once

#include <stdio.h>

#include "fib.h"
#include "plan_change.h"
#include "tables.h"
#include "tables_edit.h"
#include "tables_http.h"
#include "tables_map.h"
#include "tables_slots.h"

#define MISTAKES_MAX 100

struct tables {
	uint64_t generation;
	struct map listener_map, dnat_map, vip_map, pool_map;
	struct map site_map, host_map, server_name_map, certificate_map;
	struct slots endpoints, listeners, vips, pools;
	struct slots sites, hosts, rules, server_names, certificates;
	uint32_t endpoint_end, listener_end, pool_end, vip_end;
	uint32_t host_end, rule_end, certificate_end;
	uint32_t passthrough_names; // how many server names are passed through
	uint32_t route_count;
	const struct fib_route *routes; // by prefix
};

// An endpoint that sees client addresses, by (address, protocol, port).
struct dnat {
	struct addr address;
	in_port_t port;
	uint8_t protocol, flags;                               // of enum listener_flag
	uint32_t references, listeners[TABLES_DNAT_LISTENERS]; // those it is behind, by slot
	bool many; // they were more than have room: which they are is not known
};

struct address_key { // of listeners and dnats
	const struct addr *address;
	in_port_t port;
	uint8_t protocol;
};

// Inlined where workers look up: once a new flow.
static inline uint64_t address_key_hash(const struct address_key *key)
{
	return map_hash(key->address->byte, (uint64_t)key->protocol << 16 | key->port);
}

static inline bool listener_equal(const void *value, const void *key)
{
	const struct listener *listener = value;
	const struct address_key *wanted = key;

	return listener->port == wanted->port && listener->protocol == wanted->protocol &&
	       addr_compare(&listener->vip, wanted->address) == 0;
}

static inline bool dnat_equal(const void *value, const void *key)
{
	const struct dnat *dnat = value;
	const struct address_key *wanted = key;

	return dnat->port == wanted->port && dnat->protocol == wanted->protocol &&
	       addr_compare(&dnat->address, wanted->address) == 0;
}

// Which listeners a pool has: a list through the listeners' slots, for the writer alone.
struct links {
	uint32_t *first;           // by pool slot
	uint32_t *next, *previous; // by listener slot
	uint32_t pool_capacity, listener_capacity;
};

struct tables_store {
	const struct tables *current; // workers read this
	uint64_t change_number;
	struct slot_numbers vips, listeners, pools, endpoints;
	struct slot_numbers sites, hosts, rules, server_names, certificates;
	struct links links;
	struct block_list retired; // freed by tables_reclaim()
	bool passing;
};

// Objects with a slot that are found by a key.
struct rows {
	struct map_edit map;
	struct slots_edit slots;
	struct slot_numbers *numbers;
};

struct pool_step {
	const struct pool *before, *after; // `after` NULL: removed
};

struct listener_step {
	const struct listener *before, *after; // either may be NULL
};

struct build {
	struct tables_store *store;
	const struct plan_change *change;
	struct reason *reason;
	unsigned mistakes_before;
	struct edit edit;
	struct tables *tables; // the next
	struct rows vips, listeners, pools;
	struct rows sites, hosts, server_names, certificates;
	struct slots_edit rules;
	struct map_edit dnat_map;
	struct slots_edit endpoints;
	struct pool_step *pool_steps; // room for all there can be
	struct listener_step *listener_steps;
	uint32_t pool_step_count, listener_step_count, listener_step_capacity;
	bool vips_removed;
};

// False when there are too many already.
bool build_may_tell(struct build *build);
#define build_mistake(build, ...)                                                                  \
	do {                                                                                       \
		if (build_may_tell(build))                                                         \
			reason_add((build)->reason, __VA_ARGS__);                                  \
	} while (0)

// `before` NULL inserts, `after` NULL removes and gives the slot back. The row is marked as seen.
void rows_put(struct build *build, struct rows *rows, uint64_t hash, uint32_t slot,
	const void *before, const void *after);
// Was this row named by this change already?
bool rows_seen(const struct build *build, const struct rows *rows, uint32_t slot);
void rows_see(const struct build *build, const struct rows *rows, uint32_t slot);
// A slot of the numbers, or SLOT_NONE after telling why: "<object>: ...".
uint32_t build_slot(struct build *build, struct slot_numbers *numbers, const char *what);

// tables_pool.c
uint64_t name_hash(const char *name);
const struct pool *pool_find(const struct tables *tables, const char *name);
void pools_build(struct build *build); // fills pool_steps
// Endpoints of `from` that are not in `without` (NULL: none is), by address and port.
void pool_difference(const struct pool *from, const struct pool *without,
	void (*visit)(void *arg, const struct endpoint *endpoint), void *arg);

// tables_listener.c
const struct vip *vip_find(const struct tables *tables, const struct addr *address);
void listeners_build(struct build *build); // fills listener_steps; after pools_build()
bool links_reserve(struct links *links, uint32_t listeners, uint32_t pools);
void links_change(struct links *links, const struct build *build);
void links_close(struct links *links);

// tables_dnat.c
void dnats_build(struct build *build); // after listeners_build()

// tables_http.c
struct http_name { // of a host or a server name
	uint32_t site;
	const char *text;
	size_t length;
};

uint64_t http_name_hash(uint32_t site, const char *name, size_t length);
bool http_host_equal(const void *value, const void *key);
bool http_server_name_equal(const void *value, const void *key);
const void *http_find(const struct map *map, map_equal *equal, const struct http_name *name);

// tables_site.c
const struct http_site *site_find(const struct tables *tables, const char *name);
void sites_build(struct build *build);
bool http_listener_same(const struct http_listener *a, const struct http_listener *b);
struct http_listener http_listener_of(const struct plan_listener *plan, uint32_t site);
size_t http_listener_bytes(const struct http_listener *from);
const struct http_listener *http_listener_copy(void *to, const struct http_listener *from);
// tables_certificate.c: after sites_build()
void certificates_build(struct build *build);
void server_names_build(struct build *build); // after pools_build()
// SLOT_NONE after telling why. "" is none, without a word.
struct certificate_reference certificate_refer(
	struct build *build, const char *what, const char *name);
void certificate_free(const void *certificate);

// tables_host.c: after sites_build(), pools_build()
void hosts_build(struct build *build);
void host_free(const void *host);
bool backends_build(struct build *build, const char *what, const struct plan_backend *plan,
	struct rule_backend *backends, uint32_t count);

// tables_upstream.c
const struct upstream_policy *upstream_make(
	struct build *build, const struct plan_pool *plan, const struct upstream_policy *before);
void upstream_replace(struct build *build, const struct upstream_policy *upstream);
void upstream_free(const struct upstream_policy *upstream);

// tables_routes.c
void routes_build(struct build *build);
