// SPDX-License-Identifier: BSD-3-Clause
// See sim_net.h. Segments are written to bytes and parsed again, so that the wire is in the test.
#include "sim_net.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t net_random(struct net *net)
{
	uint64_t z = net->random += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

uint32_t net_below(struct net *net, uint32_t bound)
{
	return bound ? (uint32_t)(net_random(net) % bound) : 0;
}

bool net_chance(struct net *net, uint32_t parts)
{
	return net_below(net, 1000000) < parts;
}

struct memory *memory_new(struct net *net, uint32_t length)
{
	struct memory *memory = malloc(sizeof(*memory) + length);

	if (!memory)
		abort();
	memory->net = net;
	memory->length = length;
	net->live++;
	return memory;
}

void memory_free(struct memory *memory)
{
	memory->net->live--;
	free(memory);
}

static bool earlier(const struct flying *a, const struct flying *b)
{
	return a->due_us != b->due_us ? a->due_us < b->due_us : a->order < b->order;
}

static void push(struct net *net, const struct flying *flying)
{
	unsigned i = net->flying++;

	if (net->flying > net->room) {
		net->room = net->room ? net->room * 2 : 256;
		net->heap = realloc(net->heap, net->room * sizeof(*net->heap));
		if (!net->heap)
			abort();
	}
	for (; i && earlier(flying, &net->heap[(i - 1) / 2]); i = (i - 1) / 2)
		net->heap[i] = net->heap[(i - 1) / 2];
	net->heap[i] = *flying;
}

static struct flying pop(struct net *net)
{
	struct flying first = net->heap[0], last = net->heap[--net->flying];
	unsigned i = 0, child;

	for (; (child = 2 * i + 1) < net->flying; i = child) {
		child += child + 1 < net->flying &&
			 earlier(&net->heap[child + 1], &net->heap[child]);
		if (!earlier(&net->heap[child], &last))
			break;
		net->heap[i] = net->heap[child];
	}
	net->heap[i] = last;
	return first;
}

static void show(const struct net *net, unsigned from, const struct tcp_output *out)
{
	printf("%10.3f ms  %c:%u seq %u ack %u win %u %s%s%s%slen %u opt %u\n",
		(double)net->now_us / 1000, "AB"[from],
		from ? out->tuple->remote_port : out->tuple->local_port, out->seq, out->ack,
		out->window, out->flags & TCP_SYN ? "S" : "", out->flags & TCP_FIN ? "F" : "",
		out->flags & TCP_RST ? "R" : "", out->flags & TCP_ACK ? ". " : " ", out->length,
		out->options_length);
}

static void fly(struct net *net, unsigned to, const struct memory *bytes, uint64_t due_us)
{
	struct memory *copy = memory_new(net, bytes->length);
	struct flying flying = {due_us + net_below(net, net->jitter_us), net->orders++, to, copy};

	memcpy(copy->data, bytes->data, bytes->length);
	if (net_chance(net, net->corrupt))
		copy->data[net_below(net, copy->length)] ^= (uint8_t)(1U << net_below(net, 8));
	push(net, &flying);
}

void net_send(struct net *net, unsigned from, const struct tcp_output *out)
{
	uint8_t header[TCP_HEADER_MAX];
	uint32_t length = tcp_write_header(out, header), at = length;
	uint16_t sum = tcp_checksum(out, header, length);
	uint32_t ip = addr_is_v4(&out->tuple->remote) ? 20 : 40;
	struct memory *bytes;
	uint64_t due = net->now_us + net->delay_us;

	if (net->verbose)
		show(net, from, out);
	if (net->now_us >= net->mtu_us && net->mtu_later < net->mtu)
		net->mtu = net->mtu_later;
	if (length + out->length + ip > net->mtu) {
		// Output may not call back: the news is a flight of its own, four bytes long.
		bytes = memory_new(net, 4);
		memcpy(bytes->data, &out->seq, 4);
		bytes->length = 0x80000000U | out->tuple->local_port << 8 | from;
		push(net, &(struct flying){due, net->orders++, from, bytes});
		return;
	}
	if (net->bits_per_second) {
		uint64_t begin =
			net->free_us[from] > net->now_us ? net->free_us[from] : net->now_us;

		if ((begin - net->now_us) * net->bits_per_second / 8000000 > net->queue_bytes) {
			net->overflowed++;
			return;
		}
		net->carried++;
		net->free_us[from] =
			begin + (length + out->length + ip) * 8000000ULL / net->bits_per_second;
		due = net->free_us[from] + net->delay_us;
	}
	if (net_chance(net, net->loss))
		return;
	bytes = memory_new(net, length + out->length);
	header[16] = (uint8_t)(sum >> 8);
	header[17] = (uint8_t)sum;
	memcpy(bytes->data, header, length);
	for (unsigned i = 0; i < out->piece_count; i++) {
		memcpy(bytes->data + at, out->pieces[i].data, out->pieces[i].length);
		at += out->pieces[i].length;
	}
	fly(net, !from, bytes, due);
	if (net_chance(net, net->twice))
		fly(net, !from, bytes, due + net_below(net, 2 * net->delay_us));
	memory_free(bytes);
}

uint64_t net_next_us(const struct net *net)
{
	return net->flying ? net->heap[0].due_us : UINT64_MAX;
}

static struct addr side_address(unsigned side, bool v6)
{
	struct addr addr = addr_from_v4(0x010aU << 16 | side << 8 | 10);

	if (v6)
		addr = (struct addr){{0x20, 1, 0xd, 0xb8, [15] = (uint8_t)(1 + side)}};
	return addr;
}

struct tcp_tuple net_tuple(unsigned side, uint16_t client_port)
{
	return (struct tcp_tuple){
		.local = side_address(side, client_port & 1),
		.remote = side_address(!side, client_port & 1),
		.local_port = side ? 80 : client_port,
		.remote_port = side ? client_port : 80,
	};
}

void net_deliver(struct net *net)
{
	struct flying next = pop(net);
	struct memory *bytes = next.segment;
	struct tcp_segment segment = {0};
	struct tcp *to = net->sides[next.to];
	struct tcp_tuple tuple;
	uint16_t port;

	net->now_us = next.due_us;
	if (bytes->length & 0x80000000U) {
		uint32_t seq;

		memcpy(&seq, bytes->data, 4);
		port = (uint16_t)(bytes->length >> 8);
		// B's own port is 80: it hears of the first connection that has this number.
		for (uint16_t client = 10000; client < 10008; client++) {
			tuple = net_tuple(next.to, port == 80 ? client : port);
			tcp_too_big(net->sides[next.to], &tuple, seq, (uint16_t)net->mtu);
		}
		memory_free(bytes);
		return;
	}
	if (!tcp_parse(&segment, bytes->data, bytes->length)) {
		port = next.to ? segment.tuple.remote_port : segment.tuple.local_port;
		tuple = net_tuple(next.to, port);
		if (!next.to && net->twin && port >= net->twin_port)
			to = net->twin;
		if (tcp_checks(&tuple, bytes->data, bytes->length)) {
			segment.tuple = tuple;
			segment.payload.owner = bytes;
			net->delivered += segment.payload.length;
			net->trace = (net->trace ^ segment.seq ^ net->now_us) * 0x9e3779b97f4a7c15;
			if (tcp_input(to, &segment, net->now_us))
				return;
		}
	}
	memory_free(bytes);
}

void net_clear(struct net *net)
{
	while (net->flying)
		// NOLINTNEXTLINE(clang-analyzer-unix.Malloc): each is in the heap once
		memory_free(pop(net).segment);
	free(net->heap);
	net->heap = NULL;
	net->room = 0;
}
