// SPDX-License-Identifier: BSD-3-Clause
// The mirror of the kernel's routes and neighbours that workers look into: see fib.h.
//
// Routes: one open-addressing hash for each prefix length that occurs, tried longest first. A real
// appliance has a handful of lengths, so a lookup is a handful of probes, and it costs the same for
// ten routes and for a hundred thousand. Hops: one hash by (interface, address) that gives the
// index in `hops`. The next hop of a route through a gateway is looked up once, when the fib is
// built. fib_build() runs on the main lcore; all else is for any worker. Nothing here is changed
// after fib_build() returned.
#include "fib.h"

#include <stdlib.h>
#include <string.h>

#define MAPPED_BITS 96 // an IPv4 prefix of length n has length 96 + n in the common form

struct route_slot {
	struct addr to;
	struct addr via;
	uint16_t iface;
	uint16_t hop; // of `via`; HOP_NONE when it is on the link or not known yet
	uint8_t result;
	bool used;
	bool on_link;
};

struct length_table {
	uint8_t bits;  // in the common form
	uint32_t mask; // slots - 1
	struct route_slot *slots;
};

struct fib_tables {
	unsigned length_count[2]; // [0] IPv6, [1] IPv4
	struct length_table lengths[2][129];
	uint32_t hop_mask;
	uint16_t *hop_slots; // index in hops, HOP_NONE = free
	unsigned route_count, source_count;
	struct fib_route *routes; // sorted, one a prefix: what the next build compares with
	struct fib_source *sources;
};

struct route_order { // a route and its place in what the caller gave
	struct fib_route route;
	unsigned place;
};

static uint32_t hash_address(const struct addr *address, uint32_t salt)
{
	uint64_t high, low;

	memcpy(&high, address->byte, sizeof(high));
	memcpy(&low, address->byte + 8, sizeof(low));
	high = (high ^ salt ^ 0x6a09e667f3bcc909) * 0x9e3779b97f4a7c15;
	low = (low ^ (high >> 29)) * 0xbf58476d1ce4e5b9;
	low ^= high ^ (low >> 32);
	low *= 0x94d049bb133111eb;
	return (uint32_t)(low >> 32);
}

static struct addr mask_address(const struct addr *address, unsigned bits)
{
	struct addr masked = *address;
	unsigned byte = bits / 8;

	if (bits % 8) {
		masked.byte[byte] &= (uint8_t)(0xff00 >> (bits % 8));
		byte++;
	}
	if (byte < sizeof(masked.byte))
		memset(masked.byte + byte, 0, sizeof(masked.byte) - byte);
	return masked;
}

static unsigned common_bits(const struct prefix *prefix)
{
	return addr_is_v4(&prefix->addr) ? MAPPED_BITS + prefix->length : prefix->length;
}

// Slots for `count` entries: at most half of them in use, so that a probe always ends.
static uint32_t slots_for(unsigned count)
{
	uint32_t slots = 4;

	while (slots < 2 * (uint32_t)count)
		slots *= 2;
	return slots;
}

uint16_t fib_hop(const struct fib *fib, uint16_t iface, const struct addr *address)
{
	const struct fib_tables *tables = fib->tables;
	uint32_t slot = hash_address(address, iface) & tables->hop_mask;

	for (; tables->hop_slots[slot]; slot = (slot + 1) & tables->hop_mask) {
		const struct hop *hop = &fib->hops[tables->hop_slots[slot]];

		if (hop->iface == iface && addr_compare(&hop->address, address) == 0)
			return tables->hop_slots[slot];
	}
	return HOP_NONE;
}

static void put_hop(struct fib *fib, uint16_t index)
{
	struct fib_tables *tables = fib->tables;
	const struct hop *hop = &fib->hops[index];
	uint32_t slot = hash_address(&hop->address, hop->iface) & tables->hop_mask;

	while (tables->hop_slots[slot])
		slot = (slot + 1) & tables->hop_mask;
	tables->hop_slots[slot] = index;
}

static void set_hop(struct fib *fib, uint16_t index, const struct fib_neighbour *neighbour)
{
	fib->hops[index] = (struct hop){
		.mac = neighbour->mac,
		.iface = neighbour->iface,
		.state = neighbour->state,
		.address = neighbour->address,
	};
	put_hop(fib, index);
}

// Gives each neighbour its hop: first those that had one keep their index, then the new ones take
// the indices that are free. A neighbour named twice is taken once, as first said.
static int build_hops(struct fib *fib, const struct fib *previous,
	const struct fib_neighbour *neighbours, unsigned count)
{
	uint32_t room = previous ? previous->hop_count : 1;
	uint32_t used = 1, next = 1;

	room = room + count > HOP_MAX + 1 ? HOP_MAX + 1 : room + count;
	fib->hops = calloc(room, sizeof(*fib->hops));
	fib->tables->hop_mask = slots_for(room) - 1;
	fib->tables->hop_slots =
		calloc((size_t)fib->tables->hop_mask + 1, sizeof(*fib->tables->hop_slots));
	if (!fib->hops || !fib->tables->hop_slots)
		return -1;
	for (unsigned i = 0; previous && i < count; i++) {
		uint16_t index = fib_hop(previous, neighbours[i].iface, &neighbours[i].address);

		if (index == HOP_NONE || !addr_is_zero(&fib->hops[index].address))
			continue;
		set_hop(fib, index, &neighbours[i]);
		used = index + 1u > used ? index + 1u : used;
	}
	for (unsigned i = 0; i < count; i++) {
		if (addr_is_zero(&neighbours[i].address) ||
			fib_hop(fib, neighbours[i].iface, &neighbours[i].address) != HOP_NONE)
			continue;
		while (next < room && !addr_is_zero(&fib->hops[next].address))
			next++;
		if (next == room)
			break; // HOP_MAX of them: the rest stay FIB_NEIGHBOUR
		set_hop(fib, (uint16_t)next, &neighbours[i]);
		used = next + 1 > used ? next + 1 : used;
	}
	fib->hop_count = used;
	return 0;
}

// By prefix, longest first within a family; equal prefixes in the order they were given.
static int compare_routes(const void *a, const void *b)
{
	const struct route_order *x = a, *y = b;
	unsigned x_bits = common_bits(&x->route.to), y_bits = common_bits(&y->route.to);
	int order = (int)addr_is_v4(&x->route.to.addr) - (int)addr_is_v4(&y->route.to.addr);

	if (order == 0)
		order = (int)y_bits - (int)x_bits;
	if (order == 0)
		order = addr_compare(&x->route.to.addr, &y->route.to.addr);
	return order ? order : (x->place < y->place ? -1 : 1);
}

// Leaves in tables->routes the routes that count, in the order of compare_routes(): the first said
// of each prefix.
static int sort_routes(struct fib_tables *tables, const struct fib_route *routes, unsigned count)
{
	struct route_order *order = calloc(count + 1, sizeof(*order));
	unsigned kept = 0;

	tables->routes = calloc(count + 1, sizeof(*tables->routes));
	if (!order || !tables->routes) {
		free(order);
		return -1;
	}
	for (unsigned i = 0; i < count; i++) {
		order[i] = (struct route_order){.route = routes[i], .place = i};
		prefix_mask(&order[i].route.to);
	}
	qsort(order, count, sizeof(*order), compare_routes);
	for (unsigned i = 0; i < count; i++) {
		const struct fib_route *last = kept ? &tables->routes[kept - 1] : NULL;
		const struct prefix *to = &order[i].route.to;

		if (last && common_bits(&last->to) == common_bits(to) &&
			addr_is_v4(&last->to.addr) == addr_is_v4(&to->addr) &&
			addr_compare(&last->to.addr, &to->addr) == 0)
			continue;
		tables->routes[kept++] = order[i].route;
	}
	tables->route_count = kept;
	free(order);
	return 0;
}

static void put_route(
	const struct fib *fib, struct length_table *table, const struct fib_route *route)
{
	uint32_t slot = hash_address(&route->to.addr, table->bits) & table->mask;

	while (table->slots[slot].used)
		slot = (slot + 1) & table->mask;
	table->slots[slot] = (struct route_slot){
		.to = route->to.addr,
		.via = route->via,
		.iface = route->iface,
		.result = route->result,
		.used = true,
		.on_link = addr_is_zero(&route->via),
	};
	if (route->result == FIB_HOP && !table->slots[slot].on_link)
		table->slots[slot].hop = fib_hop(fib, route->iface, &route->via);
}

// tables->routes is in runs of equal length: each run becomes one table.
static int build_lengths(struct fib *fib)
{
	struct fib_tables *tables = fib->tables;
	unsigned end;

	for (unsigned start = 0; start < tables->route_count; start = end) {
		bool v4 = addr_is_v4(&tables->routes[start].to.addr);
		unsigned bits = common_bits(&tables->routes[start].to);
		struct length_table *table = &tables->lengths[v4][tables->length_count[v4]];

		for (end = start; end < tables->route_count; end++)
			if (common_bits(&tables->routes[end].to) != bits ||
				addr_is_v4(&tables->routes[end].to.addr) != v4)
				break;
		table->bits = (uint8_t)bits;
		table->mask = slots_for(end - start) - 1;
		table->slots = calloc((size_t)table->mask + 1, sizeof(*table->slots));
		if (!table->slots)
			return -1;
		tables->length_count[v4]++;
		for (unsigned i = start; i < end; i++)
			put_route(fib, table, &tables->routes[i]);
	}
	return 0;
}

static bool same_route(const struct fib_route *a, const struct fib_route *b)
{
	return a->to.length == b->to.length && addr_compare(&a->to.addr, &b->to.addr) == 0 &&
	       a->result == b->result && a->iface == b->iface &&
	       addr_compare(&a->via, &b->via) == 0;
}

// Would every cached answer of `previous` still be right? What a hop says (MAC, state) is not part
// of an answer.
static bool same_answers(const struct fib *previous, const struct fib *fib)
{
	const struct fib_tables *a = previous->tables, *b = fib->tables;

	if (a->route_count != b->route_count || a->source_count != b->source_count ||
		previous->hop_count != fib->hop_count)
		return false;
	for (unsigned i = 0; i < a->route_count; i++)
		if (!same_route(&a->routes[i], &b->routes[i]))
			return false;
	for (unsigned i = 0; i < a->source_count; i++)
		if (a->sources[i].iface != b->sources[i].iface ||
			addr_compare(&a->sources[i].address, &b->sources[i].address))
			return false;
	for (uint32_t i = 0; i < fib->hop_count; i++)
		if (previous->hops[i].iface != fib->hops[i].iface ||
			addr_compare(&previous->hops[i].address, &fib->hops[i].address))
			return false;
	return true;
}

// house: seven parameters, three arrays with their lengths, and what was before.
struct fib *fib_build(const struct fib *previous, const struct fib_route *routes,
	unsigned route_count, const struct fib_neighbour *neighbours, unsigned neighbour_count,
	const struct fib_source *sources, unsigned source_count)
{
	struct fib *fib = calloc(1, sizeof(*fib));

	if (!fib)
		return NULL;
	fib->tables = calloc(1, sizeof(*fib->tables));
	if (!fib->tables)
		goto fail;
	fib->tables->sources = calloc(source_count + 1, sizeof(*sources));
	if (!fib->tables->sources)
		goto fail;
	if (source_count)
		memcpy(fib->tables->sources, sources, source_count * sizeof(*sources));
	fib->tables->source_count = source_count;
	if (build_hops(fib, previous, neighbours, neighbour_count) < 0 ||
		sort_routes(fib->tables, routes, route_count) < 0 || build_lengths(fib) < 0)
		goto fail;
	fib->generation = 1;
	fib->edition = previous ? previous->edition + 1 : 1;
	if (previous)
		fib->generation = previous->generation + !same_answers(previous, fib);
	return fib;
fail:
	fib_free(fib);
	return NULL;
}

void fib_free(struct fib *fib)
{
	if (!fib)
		return;
	if (fib->tables) {
		for (unsigned v4 = 0; v4 < 2; v4++)
			for (unsigned i = 0; i < fib->tables->length_count[v4]; i++)
				free(fib->tables->lengths[v4][i].slots);
		free(fib->tables->hop_slots);
		free(fib->tables->routes);
		free(fib->tables->sources);
		free(fib->tables);
	}
	free(fib->hops);
	free(fib);
}

static const struct route_slot *find_route(const struct fib *fib, const struct addr *to)
{
	const struct fib_tables *tables = fib->tables;
	bool v4 = addr_is_v4(to);

	for (unsigned i = 0; i < tables->length_count[v4]; i++) {
		const struct length_table *table = &tables->lengths[v4][i];
		struct addr key = mask_address(to, table->bits);
		uint32_t slot = hash_address(&key, table->bits) & table->mask;

		for (; table->slots[slot].used; slot = (slot + 1) & table->mask)
			if (addr_compare(&table->slots[slot].to, &key) == 0)
				return &table->slots[slot];
	}
	return NULL;
}

struct fib_answer fib_lookup(const struct fib *fib, const struct addr *to)
{
	const struct route_slot *route = find_route(fib, to);
	struct fib_answer answer = {.result = FIB_NONE};

	if (!route)
		return answer;
	answer.result = route->result;
	answer.iface = route->iface;
	if (route->result != FIB_HOP)
		return answer;
	answer.via = route->on_link ? *to : route->via;
	answer.hop = route->on_link ? fib_hop(fib, route->iface, to) : route->hop;
	if (answer.hop == HOP_NONE)
		answer.result = FIB_NEIGHBOUR;
	return answer;
}

bool fib_is_local(const struct fib *fib, const struct addr *address)
{
	const struct route_slot *route = find_route(fib, address);

	return route && route->result == FIB_LOCAL;
}

static bool is_link_local(const struct addr *address)
{
	return address->byte[0] == 0xfe && (address->byte[1] & 0xc0) == 0x80;
}

static unsigned bits_in_common(const struct addr *a, const struct addr *b)
{
	for (unsigned i = 0; i < sizeof(a->byte); i++) {
		unsigned different = a->byte[i] ^ b->byte[i];

		if (different)
			return i * 8 + (unsigned)__builtin_clz(different) - 24;
	}
	return 128;
}

// The one that has most bits in common with `to` (RFC 6724 rule 8), which is the one of its subnet
// when there is such a one. A link-local address does not leave its link, so it is a source for
// link-local destinations only, and the other way round.
bool fib_source(const struct fib *fib, uint16_t iface, const struct addr *to, struct addr *source)
{
	const struct fib_source *best = NULL;
	unsigned most = 0;

	for (unsigned i = 0; i < fib->tables->source_count; i++) {
		const struct fib_source *own = &fib->tables->sources[i];
		unsigned bits;

		if (own->iface != iface || addr_is_v4(&own->address) != addr_is_v4(to) ||
			is_link_local(&own->address) != is_link_local(to))
			continue;
		bits = bits_in_common(&own->address, to);
		if (!best || bits > most) {
			best = own;
			most = bits;
		}
	}
	if (!best)
		return false;
	*source = best->address;
	return true;
}
