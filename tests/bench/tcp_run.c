// SPDX-License-Identifier: BSD-3-Clause
// The loop of a TCP measurement; see tcp_run.h.
//
//   client                        pod
//     | 0 SYN           ----------> |
//     | <---------- 1 SYN,ACK       |
//     | 2 ACK           ----------> |
//     | 3 PSH request   ----------> |
//     | <---------- 4 PSH response  |
//     | 5 FIN           ----------> |
//     | <---------- 6 FIN,ACK       |
//     | 7 ACK           ----------> |   counted
//
// Connection k uses slot k % window, a power of two; the client's initial sequence number is k << 8
// and the pod's ISN_DISTANCE more, so any segment tells its connection and its stage is a matter of
// comparing.
#include "tcp_run.h"

#include <netinet/in.h>
#include <stdlib.h>

#define ISN_DISTANCE  0x51000000u
#define CHECK_EVERY   8u
#define STALL_DIVISOR 5 // a connection that takes longer than a fifth of a second is lost

struct stage {
	bool to_pod;
	uint8_t flags;
	uint8_t seq, ack; // from the initial sequence numbers
	uint8_t payload;
};

#define X FRAME_TCP_EXCHANGE
static const struct stage stages[] = {
	{true, TCP_SYN, 0, 0, 0},
	{false, TCP_SYN | TCP_ACK, 0, 1, 0},
	{true, TCP_ACK, 1, 1, 0},
	{true, TCP_PSH | TCP_ACK, 1, 1, X},
	{false, TCP_PSH | TCP_ACK, 1, 1 + X, X},
	{true, TCP_FIN | TCP_ACK, 1 + X, 1 + X, 0},
	{false, TCP_FIN | TCP_ACK, 1 + X, 2 + X, 0},
	{true, TCP_ACK, 2 + X, 2 + X, 0},
};
#define STAGES 8
#undef X

struct connection {
	uint64_t begun; // cycles
	uint32_t number;
	uint8_t stage; // that has to arrive next
};

struct tcp {
	struct link *link;
	struct net *net;
	const struct tcp_order *order;
	struct tcp_result *result;
	struct frame_template template;
	struct connection *connections; // window of them
	uint64_t completed, forwarded;
	uint64_t now; // cycles
	bool counting, stopping;
};

static void wrong(struct tcp *tcp, const char *what)
{
	if (tcp->result->wrong++ == 0)
		tcp->result->wrong_what = what;
}

static struct frame_segment segment_of(uint32_t number, unsigned stage)
{
	const struct stage *s = &stages[stage];
	const uint32_t client = number << 8, pod = client + ISN_DISTANCE;

	return (struct frame_segment){
		.seq = (s->to_pod ? client : pod) + s->seq,
		.ack = stage == 0 ? 0 : (s->to_pod ? pod : client) + s->ack,
		.flags = s->flags,
		.payload = s->payload,
	};
}

static void set_length(struct rte_mbuf *mbuf, uint16_t length)
{
	mbuf->data_len = length;
	mbuf->pkt_len = length;
}

static void client_sends(
	struct tcp *tcp, struct burst *out, struct rte_mbuf *mbuf, uint32_t number, unsigned stage)
{
	struct frame_segment segment = segment_of(number, stage);

	set_length(mbuf, frame_tcp(rte_pktmbuf_mtod(mbuf, uint8_t *), &tcp->template, tcp->net,
				 number, &segment));
	out->mbufs[out->count++] = mbuf;
}

static void begin(
	struct tcp *tcp, struct burst *out, struct rte_mbuf *mbuf, struct connection *connection)
{
	connection->number += tcp->order->window;
	connection->stage = 0;
	connection->begun = tcp->now;
	tcp->result->begun++;
	client_sends(tcp, out, mbuf, connection->number, 0);
}

static bool same(const struct frame_segment *a, const struct frame_segment *b)
{
	return a->seq == b->seq && a->ack == b->ack && a->flags == b->flags &&
	       a->payload == b->payload;
}

// What connection and stage this is; false (and counted) when it is not what had to come.
static struct connection *arrived(
	struct tcp *tcp, const struct rte_mbuf *mbuf, enum frame_kind kind)
{
	const uint8_t *frame = rte_pktmbuf_mtod(mbuf, const uint8_t *);
	struct frame_segment got = frame_segment(frame, tcp->net), expected;
	const uint32_t low = (kind == FRAME_TO_POD ? got.seq : got.ack) >> 8;
	struct connection *connection = &tcp->connections[low & (tcp->order->window - 1)];
	const char *what;

	if ((connection->number & 0xffffff) != low || connection->stage >= STAGES) {
		wrong(tcp, "segment of no open connection");
		return NULL;
	}
	expected = segment_of(connection->number, connection->stage);
	if (!same(&got, &expected) || stages[connection->stage].to_pod != (kind == FRAME_TO_POD)) {
		wrong(tcp, got.flags & TCP_RST ? "reset" : "segment out of turn");
		return NULL;
	}
	if (connection->number % CHECK_EVERY == 0) {
		tcp->result->checked++;
		what = frame_check(frame, mbuf->data_len, tcp->net, kind, connection->number);
		if (what)
			wrong(tcp, what);
	}
	return connection;
}

static void complete(struct tcp *tcp, struct connection *connection)
{
	connection->stage = STAGES;
	tcp->completed++;
	if (tcp->counting)
		histogram_add(&tcp->result->duration,
			(tcp->now - connection->begun) * 1000000000u / rte_get_tsc_hz());
}

// Takes a segment and does what the end that got it does next.
static void take(struct tcp *tcp, struct burst *out, struct rte_mbuf *mbuf, enum frame_kind kind)
{
	struct connection *connection = arrived(tcp, mbuf, kind);
	struct frame_segment answer;
	struct rte_mbuf *second;

	if (connection == NULL) {
		rte_pktmbuf_free(mbuf);
		return;
	}
	switch (connection->stage++) {
	case 0:
	case 3:
	case 5:
		answer = segment_of(connection->number, connection->stage);
		set_length(mbuf,
			frame_tcp_answer(rte_pktmbuf_mtod(mbuf, uint8_t *), tcp->net, &answer));
		out->mbufs[out->count++] = mbuf;
		return;
	case 1:
		client_sends(tcp, out, mbuf, connection->number, 2);
		second = link_buffer(tcp->link);
		if (second)
			client_sends(tcp, out, second, connection->number, 3);
		return;
	case 4:
	case 6:
		client_sends(tcp, out, mbuf, connection->number, connection->stage);
		return;
	case 2:
		rte_pktmbuf_free(mbuf); // the request is right behind it
		return;
	default:
		complete(tcp, connection);
		if (!tcp->stopping)
			begin(tcp, out, mbuf, connection);
		else
			rte_pktmbuf_free(mbuf);
	}
}

static void poll_once(struct tcp *tcp)
{
	struct rte_mbuf *mbufs[BURST];
	struct burst out = {.count = 0};
	uint16_t n = rte_eth_rx_burst(tcp->link->port, 0, mbufs, BURST);

	tcp->result->polls++;
	tcp->result->empty_polls += n == 0;
	tcp->now = rte_rdtsc();
	for (uint16_t i = 0; i < n; i++) {
		enum frame_kind kind = frame_classify(rte_pktmbuf_mtod(mbufs[i], const uint8_t *),
			tcp->net, tcp->net->family, IPPROTO_TCP);

		if (kind == FRAME_TO_POD || kind == FRAME_TO_CLIENT) {
			tcp->forwarded++;
			take(tcp, &out, mbufs[i], kind);
		} else {
			link_other(tcp->link, tcp->net, mbufs[i]);
		}
	}
	if (out.count)
		tcp->result->refused += link_send(tcp->link, &out);
}

// Begins anew what has not moved for too long, and at first everything.
static void revive(struct tcp *tcp, bool first)
{
	const uint64_t limit = rte_get_tsc_hz() / STALL_DIVISOR;

	for (uint32_t i = 0; i < tcp->order->window; i++) {
		struct connection *connection = &tcp->connections[i];
		struct burst out = {.count = 0};
		struct rte_mbuf *mbuf;

		if (!first && (connection->stage == STAGES || tcp->now - connection->begun < limit))
			continue;
		tcp->result->lost += !first;
		mbuf = link_buffer(tcp->link);
		if (mbuf == NULL)
			return;
		begin(tcp, &out, mbuf, connection);
		tcp->result->refused += link_send(tcp->link, &out);
	}
}

static void loop(struct tcp *tcp)
{
	const double hz = (double)rte_get_tsc_hz();
	const uint64_t start = rte_rdtsc(), step = (uint64_t)(hz / 100);
	uint64_t from = start + (uint64_t)(tcp->order->warm_seconds * hz);
	const uint64_t end = from + (uint64_t)(tcp->order->seconds * hz);
	uint64_t completed = 0, forwarded = 0, check = start + step;

	tcp->now = start;
	revive(tcp, true);
	while (tcp->now < end) {
		poll_once(tcp);
		if (tcp->now >= check) {
			revive(tcp, false);
			check = tcp->now + step;
		}
		if (!tcp->counting && tcp->now >= from) {
			tcp->counting = true;
			from = tcp->now;
			completed = tcp->completed;
			forwarded = tcp->forwarded;
		}
	}
	tcp->counting = false;
	tcp->stopping = true;
	tcp->result->completed = tcp->completed - completed;
	tcp->result->forwarded = tcp->forwarded - forwarded;
	tcp->result->seconds = (double)(tcp->now - from) / hz;
	while (tcp->now < end + (uint64_t)hz / STALL_DIVISOR &&
		tcp->completed + tcp->result->lost < tcp->result->begun)
		poll_once(tcp);
	tcp->result->lost = tcp->result->begun - tcp->completed;
}

void tcp_run(struct link *link, struct net *net, const struct tcp_order *order,
	struct tcp_result *result)
{
	struct tcp *tcp = calloc(1, sizeof *tcp);
	const uint32_t window = order->window;
	const uint32_t base = (order->first + window - 1) & ~(window - 1);

	memset(result, 0, sizeof *result);
	if (tcp == NULL)
		return;
	tcp->connections = calloc(window, sizeof *tcp->connections);
	if (tcp->connections) {
		tcp->link = link;
		tcp->net = net;
		tcp->order = order;
		tcp->result = result;
		frame_tcp_template(&tcp->template, net);
		// begin() adds one window to the number.
		for (uint32_t i = 0; i < window; i++)
			tcp->connections[i].number = base + i - window;
		loop(tcp);
		for (uint32_t i = 0; i < window; i++)
			result->next = RTE_MAX(result->next, tcp->connections[i].number + 1);
	}
	free(tcp->connections);
	free(tcp);
}
