// SPDX-License-Identifier: BSD-3-Clause
// What the proxy lives in: pools of fixed pieces, all made at the start. One that is empty refuses
// the newest.
#include "proxy_parts.h"

#include <errno.h>
#include <rte_random.h>
#include <stdio.h>
#include <sys/mman.h>

// Pieces are whole cache lines; one more of these is 6 MB with 100,000 idle connections.
_Static_assert(sizeof(struct session) <= 512, "an idle connection's share");

// Zeroed memory that costs nothing until it is touched.
static void *reserve(size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

static void give_back(void *memory, size_t bytes)
{
	if (memory)
		munmap(memory, bytes);
}

static bool pieces_open(struct pieces *pieces, uint32_t count, size_t bytes)
{
	bytes = RTE_ALIGN(bytes, RTE_CACHE_LINE_SIZE);
	*pieces = (struct pieces){.base = reserve(count * bytes), .bytes = bytes, .count = count};
	return pieces->base != NULL;
}

static void pieces_close(struct pieces *pieces)
{
	give_back(pieces->base, pieces->count * pieces->bytes);
}

void *pieces_take(struct pieces *pieces)
{
	void *piece = pieces->free;

	if (piece)
		pieces->free = *(void **)piece;
	else if (pieces->used < pieces->count)
		piece = pieces->base + pieces->used++ * pieces->bytes;
	return piece;
}

void pieces_give(struct pieces *pieces, void *piece)
{
	*(void **)piece = pieces->free;
	pieces->free = piece;
}

int proxy_memory_open(struct proxy *proxy)
{
	const struct proxy_config *config = &proxy->config;

	if (!pieces_open(&proxy->sessions, config->sessions, sizeof(struct session)) ||
		!pieces_open(&proxy->upstreams, config->connections, sizeof(struct upstream)) ||
		!pieces_open(&proxy->slices, config->slices, sizeof(struct slice)) ||
		!pieces_open(
			&proxy->small, config->small_chunks, sizeof(struct chunk) + CHUNK_SMALL) ||
		!pieces_open(
			&proxy->large, config->large_chunks, sizeof(struct chunk) + CHUNK_LARGE) ||
		!pieces_open(&proxy->kept, config->kept_chunks, sizeof(struct chunk) + CHUNK_LARGE))
		return -ENOMEM;
	proxy->endpoints = reserve(SLUICE_ENDPOINTS_MAX * sizeof(struct endpoint_links));
	proxy->load = reserve(SLUICE_ENDPOINTS_MAX * sizeof(uint32_t));
	proxy->latency = reserve(SLUICE_ENDPOINTS_MAX * sizeof(uint32_t));
	proxy->pick_states = reserve(SLUICE_POOLS_MAX * sizeof(struct pick_state));
	proxy->stats.listeners = reserve(SLUICE_LISTENERS_MAX * sizeof(struct http_counters));
	proxy->stats.rules = reserve(SLUICE_RULES_MAX * sizeof(struct http_counters));
	proxy->stats.endpoints = reserve(SLUICE_ENDPOINTS_MAX * sizeof(struct http_counters));
	proxy->random[0] = rte_rand();
	proxy->random[1] = rte_rand() | 1;
	if (!proxy->endpoints || !proxy->load || !proxy->latency || !proxy->pick_states ||
		!proxy->stats.listeners || !proxy->stats.rules || !proxy->stats.endpoints)
		return -ENOMEM;
	return 0;
}

void proxy_memory_close(struct proxy *proxy)
{
	pieces_close(&proxy->sessions);
	pieces_close(&proxy->upstreams);
	pieces_close(&proxy->slices);
	pieces_close(&proxy->small);
	pieces_close(&proxy->large);
	pieces_close(&proxy->kept);
	give_back(proxy->endpoints, SLUICE_ENDPOINTS_MAX * sizeof(struct endpoint_links));
	give_back(proxy->load, SLUICE_ENDPOINTS_MAX * sizeof(uint32_t));
	give_back(proxy->latency, SLUICE_ENDPOINTS_MAX * sizeof(uint32_t));
	give_back(proxy->pick_states, SLUICE_POOLS_MAX * sizeof(struct pick_state));
	give_back(proxy->stats.listeners, SLUICE_LISTENERS_MAX * sizeof(struct http_counters));
	give_back(proxy->stats.rules, SLUICE_RULES_MAX * sizeof(struct http_counters));
	give_back(proxy->stats.endpoints, SLUICE_ENDPOINTS_MAX * sizeof(struct http_counters));
}

struct chunk *chunk_new(struct proxy *proxy, uint32_t room)
{
	struct pieces *home = room <= CHUNK_SMALL ? &proxy->small : &proxy->large;
	struct chunk *chunk = room <= CHUNK_LARGE ? pieces_take(home) : NULL;

	if (!chunk)
		return NULL;
	chunk->home = home;
	chunk->lent.refcnt = 0;
	chunk->references = 1;
	chunk->room = home == &proxy->small ? CHUNK_SMALL : CHUNK_LARGE;
	return chunk;
}

void *chunk_owner(struct chunk *chunk)
{
	return (void *)((uintptr_t)chunk | 1);
}

static struct chunk *chunk_of(void *owner)
{
	return (uintptr_t)owner & 1 ? (struct chunk *)((uintptr_t)owner & ~(uintptr_t)1) : NULL;
}

void owner_hold(void *owner)
{
	struct chunk *chunk = chunk_of(owner);

	if (chunk)
		chunk->references++;
	else if (owner)
		rte_mbuf_refcnt_update(owner, 1);
}

void owner_release(void *owner)
{
	struct chunk *chunk = chunk_of(owner);

	if (chunk) {
		if (--chunk->references == 0)
			pieces_give(chunk->home, chunk);
	} else if (owner) {
		rte_pktmbuf_free(owner);
	}
}

static void give_up(void *bytes, void *owner)
{
	owner_release(owner);
}

void owner_lend(const struct tcp_piece *piece, struct rte_mbuf *mbuf)
{
	struct chunk *chunk = chunk_of(piece->owner);

	if (chunk) {
		if (chunk->lent.refcnt == 0) {
			chunk->references++;
			chunk->lent = (struct rte_mbuf_ext_shared_info){give_up, piece->owner, 0};
		}
		chunk->lent.refcnt++;
		rte_pktmbuf_attach_extbuf(mbuf, (void *)(uintptr_t)piece->data, RTE_BAD_IOVA,
			(uint16_t)piece->length, &chunk->lent);
		mbuf->data_off = 0;
	} else {
		rte_pktmbuf_attach(mbuf, piece->owner);
		mbuf->data_off =
			(uint16_t)((const char *)piece->data - (const char *)mbuf->buf_addr);
	}
	mbuf->data_len = (uint16_t)piece->length;
	mbuf->pkt_len = piece->length;
}

// xoroshiro128+: who may guess it wins nothing.
uint64_t proxy_random(struct proxy *proxy)
{
	uint64_t a = proxy->random[0], b = proxy->random[1], sum = a + b;

	b ^= a;
	proxy->random[0] = (a << 24 | a >> 40) ^ b ^ b << 16;
	proxy->random[1] = b << 37 | b >> 27;
	return sum;
}
