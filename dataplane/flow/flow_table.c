// SPDX-License-Identifier: BSD-3-Clause
// See flow_table.h. What never is true here: a record in the index that is on the free list; a
// record in two timer lists; a key whose entry is in a bucket that is neither its first nor its
// second.
#include "flow_index.h"

#include <errno.h>
#include <rte_malloc.h>

static const char *const state_names[FLOW_STATE_COUNT] = {
	[FLOW_FREE] = "free",
	[FLOW_TCP_SYN] = "syn",
	[FLOW_TCP_ESTABLISHED] = "established",
	[FLOW_TCP_FIN] = "fin",
	[FLOW_TCP_CLOSED] = "closed",
	[FLOW_TCP_RESET] = "reset",
	[FLOW_UDP_NEW] = "udp-new",
	[FLOW_UDP] = "udp",
	[FLOW_AFFINITY] = "affinity",
};

const char *flow_state_name(enum flow_state state)
{
	return state < FLOW_STATE_COUNT ? state_names[state] : "unknown";
}

static uint32_t ticks(uint32_t seconds)
{
	return (uint32_t)((uint64_t)seconds * 1000000 / FLOW_TICK_US);
}

struct flow_table *flow_table_new(
	uint32_t capacity, uint64_t seed, const struct timeouts_settings *timeouts)
{
	// house: here and below once, when the worker starts
	struct flow_table *table = rte_zmalloc("flow table", sizeof(*table), RTE_CACHE_LINE_SIZE);

	if (!table)
		return NULL;
	table->capacity = capacity;
	// Two keys a record, three quarters of the places in use when all records are.
	table->bucket_count = capacity / 3 + 2;
	table->records = // house: at start
		rte_zmalloc("flows", (size_t)capacity * sizeof(struct flow), RTE_CACHE_LINE_SIZE);
	table->buckets = rte_zmalloc("flow index", // house: at start
		(size_t)table->bucket_count * sizeof(struct flow_bucket), RTE_CACHE_LINE_SIZE);
	if (!table->records || !table->buckets) {
		flow_table_free(table);
		return NULL;
	}
	table->bytes = (size_t)capacity * sizeof(struct flow) +
		       (size_t)table->bucket_count * sizeof(struct flow_bucket);
	table->seed[0] = flow_mix(seed, 0x9e3779b97f4a7c15) | 1;
	table->seed[1] = flow_mix(seed ^ 0xd1b54a32d192ed03, 0xbf58476d1ce4e5b9) | 1;
	table->free = FLOW_NONE;
	for (unsigned i = 0; i < FLOW_LISTS; i++)
		table->lists[i] = (struct flow_list){FLOW_NONE, FLOW_NONE};
	table->timeout[FLOW_TCP_SYN] = ticks(timeouts->tcp_syn);
	table->timeout[FLOW_TCP_ESTABLISHED] = ticks(timeouts->tcp_established);
	table->timeout[FLOW_TCP_FIN] = ticks(timeouts->tcp_fin);
	table->timeout[FLOW_TCP_CLOSED] = ticks(timeouts->tcp_closed);
	table->timeout[FLOW_TCP_RESET] = ticks(timeouts->tcp_fin);
	table->timeout[FLOW_UDP_NEW] = ticks(timeouts->udp_unreplied);
	table->timeout[FLOW_UDP] = ticks(timeouts->udp);
	return table;
}

void flow_table_free(struct flow_table *table)
{
	if (!table)
		return;
	rte_free(table->buckets);
	rte_free(table->records);
	rte_free(table);
}

static uint32_t index_of(const struct flow_table *table, const struct flow *flow)
{
	return (uint32_t)(flow - table->records);
}

// Timer lists.

static void list_append(struct flow_table *table, struct flow_list *list, uint32_t index)
{
	struct flow *flow = &table->records[index];

	flow->next = FLOW_NONE;
	flow->prev = list->last;
	if (list->last == FLOW_NONE)
		list->first = index;
	else
		table->records[list->last].next = index;
	list->last = index;
}

static void list_remove(struct flow_table *table, struct flow_list *list, uint32_t index)
{
	struct flow *flow = &table->records[index];

	if (flow->prev == FLOW_NONE)
		list->first = flow->next;
	else
		table->records[flow->prev].next = flow->next;
	if (flow->next == FLOW_NONE)
		list->last = flow->prev;
	else
		table->records[flow->next].prev = flow->prev;
}

static uint32_t timeout_of(const struct flow_table *table, const struct flow *flow)
{
	// An affinity record keeps its own time where a connection keeps what the client
	// acknowledged.
	if (flow->state == FLOW_AFFINITY)
		return flow->ack;
	return table->timeout[flow->list == FLOW_LIST_RESET ? FLOW_TCP_FIN : flow->state];
}

// The wheel turns at most FLOW_WHEEL_SLOTS - 2 slots ahead; what is due later is put off again.
static void timer_add(struct flow_table *table, struct flow *flow)
{
	uint32_t horizon = (FLOW_WHEEL_SLOTS - 2) * FLOW_WHEEL_TICKS;
	uint32_t ahead;

	flow->list = 0;
	ahead = flow->seen + timeout_of(table, flow) - table->wheel_tick;
	if ((int32_t)ahead < FLOW_WHEEL_TICKS)
		ahead = FLOW_WHEEL_TICKS;
	if (ahead > horizon)
		ahead = horizon;
	if (flow->state != FLOW_TCP_CLOSED)
		flow->list = (table->wheel_tick + ahead) / FLOW_WHEEL_TICKS % FLOW_WHEEL_SLOTS;
	else
		flow->list = flow->flags & (FLOW_RST_0 | FLOW_RST_1) ? FLOW_LIST_RESET
								     : FLOW_LIST_CLOSED;
	list_append(table, &table->lists[flow->list], index_of(table, flow));
}

static void timer_remove(struct flow_table *table, struct flow *flow)
{
	list_remove(table, &table->lists[flow->list], index_of(table, flow));
}

void flow_rearm(struct flow_table *table, struct flow *flow)
{
	timer_remove(table, flow);
	timer_add(table, flow);
}

uint32_t flow_expires_ticks(const struct flow_table *table, const struct flow *flow)
{
	uint32_t left = flow->seen + timeout_of(table, flow) - table->now;

	return (int32_t)left < 0 ? 0 : left;
}

struct flow *flow_oldest_closed(struct flow_table *table)
{
	uint32_t first = table->lists[FLOW_LIST_CLOSED].first;

	if (first == FLOW_NONE)
		first = table->lists[FLOW_LIST_RESET].first;
	return first == FLOW_NONE ? NULL : &table->records[first];
}

// The first of a list whose time is over.
static struct flow *list_expired(struct flow_table *table, unsigned list)
{
	uint32_t first = table->lists[list].first;

	if (first == FLOW_NONE || flow_expires_ticks(table, &table->records[first]) != 0)
		return NULL;
	return &table->records[first];
}

struct flow *flow_expired(struct flow_table *table, unsigned *budget)
{
	struct flow *closed = list_expired(table, FLOW_LIST_CLOSED);

	if (!closed)
		closed = list_expired(table, FLOW_LIST_RESET);
	if (closed)
		return closed;
	while (*budget) {
		uint32_t slot = table->wheel_tick / FLOW_WHEEL_TICKS % FLOW_WHEEL_SLOTS;
		uint32_t first = table->lists[slot].first;
		struct flow *flow;

		if ((int32_t)(table->now - table->wheel_tick) < FLOW_WHEEL_TICKS)
			return NULL;
		(*budget)--;
		if (first == FLOW_NONE) {
			table->wheel_tick += FLOW_WHEEL_TICKS;
			continue;
		}
		flow = &table->records[first];
		if (flow->next != FLOW_NONE)
			rte_prefetch0(&table->records[flow->next]);
		if (flow_expires_ticks(table, flow) == 0)
			return flow;
		flow_rearm(table, flow);
	}
	return NULL;
}

// The index.

static uint64_t key_hash(const struct flow_table *table, const struct flow_key *key)
{
	uint64_t words[4];

	if (key->family == 4) {
		memcpy(words, key->src, 4);
		memcpy((uint8_t *)words + 4, key->dst, 4);
		return flow_hash4(table, words[0], key->ports, key->protocol);
	}
	memcpy(words, key->src, 16);
	memcpy(words + 2, key->dst, 16);
	return flow_hash6(table, words, key->ports, key->protocol);
}

struct flow_key flow_record_key(const struct flow *flow, unsigned direction)
{
	struct flow_key key = {
		.ports = flow->l4[direction].both,
		.protocol = flow->protocol,
		.family = flow->flags & FLOW_V6 ? 6 : 4,
	};

	if (key.family == 6) {
		key.src = flow->v6[direction].src;
		key.dst = flow->v6[direction].dst;
	} else {
		key.src = (const uint8_t *)&flow->v4[direction].src;
		key.dst = (const uint8_t *)&flow->v4[direction].dst;
	}
	return key;
}

void flow_set_key(struct flow *flow, unsigned direction, const struct flow_key *key)
{
	flow->l4[direction].both = key->ports;
	flow->protocol = key->protocol;
	if (key->family == 6) {
		flow->flags |= FLOW_V6;
		memcpy(flow->v6[direction].src, key->src, 16);
		memcpy(flow->v6[direction].dst, key->dst, 16);
	} else {
		memcpy(&flow->v4[direction].src, key->src, 4);
		memcpy(&flow->v4[direction].dst, key->dst, 4);
	}
}

static bool record_matches(const struct flow *flow, unsigned direction, const struct flow_key *key)
{
	struct flow_key own = flow_record_key(flow, direction);
	size_t length = key->family == 6 ? 16 : 4;

	return own.ports == key->ports && own.protocol == key->protocol &&
	       own.family == key->family && memcmp(own.src, key->src, length) == 0 &&
	       memcmp(own.dst, key->dst, length) == 0;
}

static struct flow *find_in(const struct flow_table *table, const struct flow_bucket *bucket,
	uint16_t signature, const struct flow_key *key, uint8_t *direction)
{
	for (uint32_t match = flow_bucket_match(bucket, signature); match; match &= match - 1) {
		uint32_t entry = bucket->entry[__builtin_ctz(match) / 2];
		struct flow *flow = &table->records[entry >> 1];

		match &= match - 1; // two bits a key
		if (record_matches(flow, entry & 1, key)) {
			*direction = entry & 1;
			return flow;
		}
	}
	return NULL;
}

struct flow *flow_find(
	const struct flow_table *table, const struct flow_key *key, uint8_t *direction)
{
	uint64_t hash = key_hash(table, key);
	const struct flow_bucket *first = &table->buckets[flow_first_bucket(table, hash)];
	struct flow *flow = find_in(table, first, flow_signature(hash), key, direction);

	if (!flow && first->spilled)
		flow = find_in(table, &table->buckets[flow_second_bucket(table, hash)],
			flow_signature(hash), key, direction);
	return flow;
}

static bool bucket_put(struct flow_bucket *bucket, uint16_t signature, uint32_t entry)
{
	uint32_t empty = flow_bucket_match(bucket, 0);
	unsigned place;

	if (!empty)
		return false;
	place = (unsigned)__builtin_ctz(empty) / 2;
	bucket->signature[place] = signature;
	bucket->entry[place] = entry;
	bucket->used++;
	return true;
}

static bool bucket_take(struct flow_bucket *bucket, uint16_t signature, uint32_t entry)
{
	for (uint32_t match = flow_bucket_match(bucket, signature); match; match &= match - 1) {
		unsigned place = (unsigned)__builtin_ctz(match) / 2;

		match &= match - 1;
		if (bucket->entry[place] == entry) {
			bucket->signature[place] = 0;
			bucket->used--;
			return true;
		}
	}
	return false;
}

// The other bucket of the key at a place of a bucket; the same one when it has no other.
static uint32_t other_bucket(const struct flow_table *table, uint32_t number, unsigned place)
{
	uint32_t entry = table->buckets[number].entry[place];
	struct flow_key key = flow_record_key(&table->records[entry >> 1], entry & 1);
	uint64_t hash = key_hash(table, &key);
	uint32_t first = flow_first_bucket(table, hash);

	return first == number ? flow_second_bucket(table, hash) : first;
}

// Moves the key at a place of a bucket to its other bucket, which has room.
static void move_key(struct flow_table *table, uint32_t from, unsigned place, uint32_t to)
{
	struct flow_bucket *bucket = &table->buckets[from];
	uint32_t entry = bucket->entry[place];
	struct flow_key key = flow_record_key(&table->records[entry >> 1], entry & 1);

	bucket_put(&table->buckets[to], bucket->signature[place], entry);
	if (flow_first_bucket(table, key_hash(table, &key)) == from)
		bucket->spilled++;
	else
		table->buckets[to].spilled--;
	bucket->signature[place] = 0;
	bucket->used--;
}

// Moves keys of a full bucket to their other buckets until a place in it is free: one key, or with
// `deep` one more, which makes room for the first. A bucket that is full has a key in each place.
static bool bucket_make_room(struct flow_table *table, uint32_t full, bool deep)
{
	for (unsigned i = 0; i < FLOW_BUCKET_KEYS; i++) {
		uint32_t other = other_bucket(table, full, i);

		if (other == full || (table->buckets[other].used == FLOW_BUCKET_KEYS &&
					     !(deep && bucket_make_room(table, other, false))))
			continue;
		move_key(table, full, i, other);
		return true;
	}
	return false;
}

static bool index_add(struct flow_table *table, const struct flow *flow, unsigned direction)
{
	struct flow_key key = flow_record_key(flow, direction);
	uint64_t hash = key_hash(table, &key);
	uint32_t entry = index_of(table, flow) << 1 | direction;
	uint32_t number = flow_first_bucket(table, hash);
	struct flow_bucket *first = &table->buckets[number];
	struct flow_bucket *second = &table->buckets[flow_second_bucket(table, hash)];
	bool to_second = first->used >= FLOW_BUCKET_KEYS - 1 && second->used < first->used;

	if (!to_second && bucket_put(first, flow_signature(hash), entry))
		return true;
	if (first != second && bucket_put(second, flow_signature(hash), entry)) {
		first->spilled++;
		return true;
	}
	return (bucket_make_room(table, number, false) || bucket_make_room(table, number, true)) &&
	       bucket_put(first, flow_signature(hash), entry);
}

static void index_remove(struct flow_table *table, const struct flow *flow, unsigned direction)
{
	struct flow_key key = flow_record_key(flow, direction);
	uint64_t hash = key_hash(table, &key);
	uint32_t entry = index_of(table, flow) << 1 | direction;
	struct flow_bucket *first = &table->buckets[flow_first_bucket(table, hash)];

	if (bucket_take(first, flow_signature(hash), entry))
		return;
	if (bucket_take(
		    &table->buckets[flow_second_bucket(table, hash)], flow_signature(hash), entry))
		first->spilled--;
}

// Records.

struct flow *flow_new(struct flow_table *table)
{
	struct flow *flow;

	if (table->free != FLOW_NONE) {
		flow = &table->records[table->free];
		table->free = flow->next;
	} else if (table->untouched < table->capacity) {
		flow = &table->records[table->untouched++];
	} else {
		return NULL;
	}
	memset(flow, 0, RTE_CACHE_LINE_SIZE);
	table->used++;
	return flow;
}

static void record_free(struct flow_table *table, struct flow *flow)
{
	flow->state = FLOW_FREE;
	flow->protocol = 0;
	flow->next = table->free;
	table->free = index_of(table, flow);
	table->used--;
}

bool flow_insert(struct flow_table *table, struct flow *flow)
{
	if (!index_add(table, flow, 0)) {
		record_free(table, flow);
		return false;
	}
	if (!(flow->flags & FLOW_ONE_WAY) && !index_add(table, flow, 1)) {
		index_remove(table, flow, 0);
		record_free(table, flow);
		return false;
	}
	timer_add(table, flow);
	return true;
}

void flow_delete(struct flow_table *table, struct flow *flow)
{
	index_remove(table, flow, 0);
	if (!(flow->flags & FLOW_ONE_WAY))
		index_remove(table, flow, 1);
	timer_remove(table, flow);
	record_free(table, flow);
}

struct flow *flow_at(struct flow_table *table, uint32_t index)
{
	if (index >= table->untouched || table->records[index].state == FLOW_FREE)
		return NULL;
	return &table->records[index];
}
