// SPDX-License-Identifier: BSD-3-Clause
// The instance: memory, the index of connections, and the caller's verbs. See tcp.h.
// Never true here: a connection in the index that is closed; a block on two lists.
#include "congestion.h"
#include "tcp_parts.h"

#include <stdlib.h>

static uint32_t power_of_two(uint32_t least)
{
	uint32_t value = 16;

	while (value < least)
		value *= 2;
	return value;
}

void tcp_set_now(struct tcp *tcp, usec_t now)
{
	if (now <= tcp->now_us)
		return;
	tcp->now_us = now;
	tcp->now_ms = (uint32_t)(now / 1000);
}

uint32_t tuple_hash(const struct tcp *tcp, const struct tcp_tuple *tuple)
{
	uint64_t words[5] = {0};
	uint64_t hash = tcp->key[0];

	memcpy(words, tuple, sizeof(*tuple));
	for (unsigned i = 0; i < 5; i++) {
		__uint128_t product = (__uint128_t)(hash ^ words[i]) * (tcp->key[1] | 1);

		hash = (uint64_t)product ^ (uint64_t)(product >> 64) ^ (uint64_t)i << 60;
	}
	return (uint32_t)(hash ^ hash >> 32);
}

struct tcp_connection *connection_find(struct tcp *tcp, const struct tcp_tuple *tuple)
{
	struct tcp_connection *c = tcp->buckets[tuple_hash(tcp, tuple) & tcp->bucket_mask];

	while (c && memcmp(&c->tuple, tuple, sizeof(*tuple)) != 0)
		c = c->chain;
	return c;
}

struct tcp *tcp_new(const struct tcp_config *config, const struct tcp_ops *ops, void *io)
{
	struct tcp *tcp = calloc(1, sizeof(*tcp));

	if (!tcp)
		return NULL;
	tcp->config = *config;
	tcp->ops = ops;
	tcp->io = io;
	memcpy(tcp->key, config->key, sizeof(tcp->key));
	tcp->bucket_mask = power_of_two(config->connections) - 1;
	tcp->buckets = calloc((size_t)tcp->bucket_mask + 1, sizeof(void *));
	tcp->connections = calloc(config->connections, sizeof(*tcp->connections));
	tcp->blocks = calloc(config->blocks, sizeof(*tcp->blocks));
	tcp->congestions = calloc(config->connections, sizeof(*tcp->congestions));
	tcp->control = congestion_kind_of(config->congestion);
	if (!tcp->buckets || !tcp->connections || !tcp->blocks || !tcp->congestions ||
		!wait_init(tcp)) {
		tcp_free(tcp);
		return NULL;
	}
	return tcp;
}

void tcp_free(struct tcp *tcp)
{
	if (!tcp)
		return;
	for (uint32_t i = 0; i < tcp->made_connections; i++) {
		release_list(tcp, &tcp->connections[i].queue);
		release_list(tcp, &tcp->connections[i].held);
	}
	free(tcp->wait_buckets);
	free(tcp->waits);
	free(tcp->congestions);
	free(tcp->blocks);
	free(tcp->connections);
	free(tcp->buckets);
	free(tcp);
}

struct block *block_new(struct tcp *tcp)
{
	struct block *block = tcp->free_blocks;

	if (!blocks_left(tcp)) {
		tcp->counters[TCP_COUNT_NO_BLOCK]++;
		return NULL;
	}
	if (block) {
		tcp->free_blocks = block->next;
		__builtin_prefetch(block->next, 1); // the next one's turn comes soon
	} else {
		block = &tcp->blocks[tcp->made_blocks++];
	}
	block->next = NULL;
	tcp->used_blocks++;
	return block;
}

void block_free(struct tcp *tcp, struct block *block)
{
	block->next = tcp->free_blocks;
	tcp->free_blocks = block;
	tcp->used_blocks--;
}

void release_list(struct tcp *tcp, struct block_list *list)
{
	struct block *block;

	while ((block = list->head)) {
		list->head = block->next;
		tcp->ops->release(tcp->io, block->owner);
		block_free(tcp, block);
	}
	list->tail = NULL;
}

struct tcp_connection *connection_new(
	struct tcp *tcp, const struct tcp_tuple *tuple, const struct tcp_open *open)
{
	struct tcp_connection *c = tcp->free_connections, **bucket;
	uint32_t most;

	if (tcp->used_connections == tcp->config.connections) {
		tcp->counters[TCP_COUNT_NO_CONNECTION]++;
		return NULL;
	}
	if (c)
		tcp->free_connections = c->chain;
	else
		c = &tcp->connections[tcp->made_connections++];
	tcp->used_connections++;
	memset(c, 0, sizeof(*c));
	bucket = &tcp->buckets[tuple_hash(tcp, tuple) & tcp->bucket_mask];
	c->tuple = *tuple;
	c->chain = *bucket;
	*bucket = c;
	c->listed = true;
	c->tcp = tcp;
	c->user = open->user;
	c->nagle = open->nagle;
	c->mtu = open->mtu ? open->mtu : 1500;
	c->rcv_limit = open->receive_bytes ? min_u32(open->receive_bytes, tcp->config.receive_bytes)
					   : tcp->config.receive_bytes;
	most = open->receive_bytes ? c->rcv_limit : bytes_most(tcp, c->rcv_limit);
	while (tcp->config.options & TCP_OPTION_SCALE && c->rcv_scale < 14 &&
		most >> c->rcv_scale > 65535)
		c->rcv_scale++;
	c->mss = mss_of(tuple, c->mtu);
	c->rto = 1000000;
	c->min_rtt = UINT32_MAX;
	c->progress_ms = c->heard_ms = tcp->now_ms;
	c->ts_offset = tuple_secret(tcp, tuple, 1);
	return c;
}

void connection_pending(struct tcp_connection *c)
{
	struct tcp *tcp = c->tcp;

	if (c->pending)
		return;
	c->pending = true;
	c->pending_next = NULL;
	if (tcp->pending_tail)
		tcp->pending_tail->pending_next = c;
	else
		tcp->pending_head = c;
	tcp->pending_tail = c;
}

void connection_end(struct tcp_connection *c)
{
	struct tcp *tcp = c->tcp;
	struct tcp_connection **at = &tcp->buckets[tuple_hash(tcp, &c->tuple) & tcp->bucket_mask];
	struct block *block;

	if (c->state == STATE_SYN_RECEIVED && c->passive)
		tcp->half_open--;
	while (*at != c)
		at = &(*at)->chain;
	*at = c->chain;
	c->listed = false;
	c->state = STATE_CLOSED;
	c->armed = 0;
	wheel_remove(&tcp->wheel, c);
	release_list(tcp, &c->queue);
	release_list(tcp, &c->held);
	while ((block = c->sent.head)) {
		c->sent.head = block->next;
		block_free(tcp, block);
	}
	c->sent.tail = c->cursor = NULL;
	congestion_close(c);
	connection_pending(c);
}

void connection_event(struct tcp_connection *c, enum tcp_event event, int value)
{
	if (!c->left)
		c->tcp->ops->event(c, c->user, event, value);
}

void connection_close(struct tcp_connection *c, int why)
{
	// Who never heard of the connection is not told of its end.
	bool told = !(c->passive && c->state == STATE_SYN_RECEIVED);

	connection_end(c);
	if (told)
		connection_event(c, TCP_EVENT_CLOSED, why);
}

void tcp_run(struct tcp *tcp, usec_t now)
{
	struct tcp_connection *c;

	tcp_set_now(tcp, now);
	while ((c = wheel_due(&tcp->wheel, tcp->now_us / 1000)))
		timer_fire(c);
	wait_expire(tcp);
	congestion_unpace(tcp);
	while ((c = tcp->pending_head)) {
		tcp->pending_head = c->pending_next;
		if (!tcp->pending_head)
			tcp->pending_tail = NULL;
		c->pending = false;
		if (c->state == STATE_CLOSED) {
			c->chain = tcp->free_connections;
			tcp->free_connections = c;
			tcp->used_connections--;
		} else {
			output_run(c);
		}
	}
}

void tcp_scarce(struct tcp *tcp, bool scarce)
{
	tcp->scarce = scarce;
}

usec_t tcp_next_us(const struct tcp *tcp)
{
	uint64_t next;

	if (tcp->pending_head)
		return tcp->now_us;
	next = wheel_next_ms(&tcp->wheel);
	if (tcp->wait_oldest != UINT32_MAX) {
		uint32_t ahead = tcp->waits[tcp->wait_oldest].expires_ms - tcp->now_ms;
		uint64_t expires = tcp->now_us / 1000 + ((int32_t)ahead > 0 ? ahead : 0);

		if (expires < next)
			next = expires;
	}
	next = next == UINT64_MAX ? next : next * 1000;
	return tcp->paced && tcp->paced_us < next ? tcp->paced_us : next;
}
