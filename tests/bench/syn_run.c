// SPDX-License-Identifier: BSD-3-Clause
// The loop of a flood; see syn_run.h.
#include "syn_run.h"

#include <netinet/in.h>

static void take_answers(struct link *link, struct net *net, struct syn_result *result)
{
	struct rte_mbuf *mbufs[BURST];
	uint16_t n = rte_eth_rx_burst(link->port, 0, mbufs, BURST);

	for (uint16_t i = 0; i < n; i++) {
		const uint8_t *frame = rte_pktmbuf_mtod(mbufs[i], const uint8_t *);
		uint8_t flags;

		if (frame_classify(frame, net, net->family, IPPROTO_TCP) != FRAME_TO_CLIENT) {
			link_other(link, net, mbufs[i]);
			continue;
		}
		flags = frame_segment(frame, net).flags;
		result->answered += flags == (TCP_SYN | TCP_ACK);
		result->reset += (flags & TCP_RST) != 0;
		rte_pktmbuf_free(mbufs[i]);
	}
}

// A burst of SYNs; what there is no room for is not sent.
static void flood(struct link *link, struct net *net, const struct frame_template *template,
	struct syn_result *result)
{
	struct rte_mbuf *mbufs[BURST];
	uint16_t count = 0, sent;

	while (count < BURST && (mbufs[count] = link_buffer(link)) != NULL) {
		struct frame_segment segment = {
			.seq = result->next * 2654435761u, .flags = TCP_SYN};
		uint16_t length = frame_tcp(rte_pktmbuf_mtod(mbufs[count], uint8_t *), template,
			net, result->next++, &segment);

		mbufs[count]->data_len = length;
		mbufs[count++]->pkt_len = length;
	}
	sent = rte_eth_tx_burst(link->port, 0, mbufs, count);
	rte_pktmbuf_free_bulk(mbufs + sent, (unsigned)(count - sent));
	result->sent += sent;
}

void syn_run(struct link *link, struct net *net, const struct syn_order *order,
	struct syn_result *result)
{
	const double hz = (double)rte_get_tsc_hz();
	const uint64_t start = rte_rdtsc(), end = start + (uint64_t)(order->seconds * hz);
	const struct rte_ether_addr box = net->box, nobody = {{2, 0, 0, 0, 0, 0xfe}};
	struct frame_template template;
	uint64_t now = start;

	*result = (struct syn_result){.next = order->first};
	if (order->away)
		net->box = nobody;
	frame_tcp_template(&template, net);
	while (now < end) {
		take_answers(link, net, result);
		now = rte_rdtsc();
		if (order->rate <= 0 ||
			(double)result->sent < (double)(now - start) * order->rate / hz)
			flood(link, net, &template, result);
	}
	result->seconds = (double)(now - start) / hz;
	net->box = box;
}
