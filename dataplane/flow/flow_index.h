// SPDX-License-Identifier: BSD-3-Clause
// The flow table on the packet's way: hash, buckets, the record that a packet most likely belongs
// to. For flow/ itself, and for whoever mixes hashes of his own. See flow_table.h.
#pragma once

#include <emmintrin.h>
#include <rte_branch_prediction.h>
#include <rte_prefetch.h>
#include <stdint.h>
#include <string.h>

#include "flow_table.h"

static inline uint64_t flow_mix(uint64_t a, uint64_t b)
{
	__uint128_t product = (__uint128_t)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

// Addresses as two words of eight bytes, in the order source, destination.
static inline uint64_t flow_hash4(
	const struct flow_table *table, uint64_t addresses, uint32_t ports, uint8_t protocol)
{
	return flow_mix(
		addresses ^ table->seed[0], ((uint64_t)ports << 8 | protocol) ^ table->seed[1]);
}

static inline uint64_t flow_hash6(const struct flow_table *table, const uint64_t addresses[4],
	uint32_t ports, uint8_t protocol)
{
	uint64_t a = flow_mix(addresses[0] ^ table->seed[0], addresses[1] ^ table->seed[1]);
	uint64_t b = flow_mix(addresses[2] ^ table->seed[1], addresses[3] ^ table->seed[0]);

	return flow_mix(a ^ b ^ table->seed[0], ((uint64_t)ports << 8 | protocol) ^ table->seed[1]);
}

static inline uint16_t flow_signature(uint64_t hash)
{
	return (uint16_t)(hash >> 48) | 1;
}

static inline uint32_t flow_first_bucket(const struct flow_table *table, uint64_t hash)
{
	return (uint32_t)(((uint64_t)(uint32_t)hash * table->bucket_count) >> 32);
}

static inline uint32_t flow_second_bucket(const struct flow_table *table, uint64_t hash)
{
	return (uint32_t)(((uint64_t)(uint32_t)(hash >> 16) * table->bucket_count) >> 32);
}

// Bits 2i and 2i+1 are set where key i has this signature.
static inline uint32_t flow_bucket_match(const struct flow_bucket *bucket, uint16_t signature)
{
	__m128i keys = _mm_load_si128((const __m128i *)bucket->signature);

	return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi16(keys, _mm_set1_epi16((short)signature)));
}

static inline void flow_prefetch_bucket(const struct flow_table *table, uint64_t hash)
{
	rte_prefetch0(&table->buckets[flow_first_bucket(table, hash)]);
}

static inline void flow_prefetch_second_bucket(const struct flow_table *table, uint64_t hash)
{
	rte_prefetch0(&table->buckets[flow_second_bucket(table, hash)]);
}

static inline struct flow *flow_bucket_candidate(const struct flow_table *table,
	const struct flow_bucket *bucket, uint64_t hash, uint8_t *direction)
{
	uint32_t match = flow_bucket_match(bucket, flow_signature(hash));
	uint32_t entry;

	if (match == 0)
		return NULL;
	entry = bucket->entry[__builtin_ctz(match) / 2];
	*direction = entry & 1;
	return &table->records[entry >> 1];
}

// The record that most likely has this key, for prefetching; NULL when the first bucket has none.
static inline struct flow *flow_candidate(
	const struct flow_table *table, uint64_t hash, uint8_t *direction)
{
	return flow_bucket_candidate(
		table, &table->buckets[flow_first_bucket(table, hash)], hash, direction);
}

static inline struct flow *flow_second_candidate(
	const struct flow_table *table, uint64_t hash, uint8_t *direction)
{
	return flow_bucket_candidate(
		table, &table->buckets[flow_second_bucket(table, hash)], hash, direction);
}

static inline bool flow_matches4(const struct flow *flow, unsigned direction, uint64_t addresses,
	uint32_t ports, uint8_t protocol)
{
	uint64_t own;

	memcpy(&own, &flow->v4[direction], sizeof(own));
	return own == addresses && flow->l4[direction].both == ports &&
	       flow->protocol == protocol && !(flow->flags & FLOW_V6);
}

static inline bool flow_matches6(const struct flow *flow, unsigned direction, const void *addresses,
	uint32_t ports, uint8_t protocol)
{
	return flow->l4[direction].both == ports && flow->protocol == protocol &&
	       (flow->flags & FLOW_V6) && memcmp(&flow->v6[direction], addresses, 32) == 0;
}
