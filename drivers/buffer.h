// SPDX-License-Identifier: BSD-3-Clause
// A packet buffer to be written to. One that was not used for a while is in no cache: those of some
// packets ahead are asked of memory now.
#pragma once

#include <rte_mbuf.h>
#include <rte_mempool.h>

#define BUFFERS_AHEAD 3

// NULL: none is left. `lines`: of its data, that will be written first.
static inline struct rte_mbuf *buffer_new(struct rte_mempool *pool, unsigned lines)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(pool);
	const struct rte_mempool_cache *cache = rte_mempool_default_cache(pool, rte_lcore_id());

	if (cache && cache->len >= BUFFERS_AHEAD) {
		uint8_t *next = cache->objs[cache->len - BUFFERS_AHEAD];

		__builtin_prefetch(next, 1);
		__builtin_prefetch(next + RTE_CACHE_LINE_SIZE, 1);
		next += sizeof(*mbuf) + rte_pktmbuf_priv_size(pool) + RTE_PKTMBUF_HEADROOM;
		for (unsigned i = 0; i < lines; i++)
			__builtin_prefetch(next + i * RTE_CACHE_LINE_SIZE, 1);
	}
	return mbuf;
}
