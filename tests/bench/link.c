// SPDX-License-Identifier: BSD-3-Clause
// The cable's end; see link.h.
#include "link.h"

#include <errno.h>

#include "neighbour.h"

int link_open(struct link *link, uint16_t port, struct rte_mempool *pool)
{
	struct rte_eth_conf conf = {0};
	int rc;

	*link = (struct link){.port = port, .pool = pool};
	link->nets[0].family = 4;
	link->nets[1].family = 6;
	for (unsigned i = 0; i < 2; i++) {
		rc = rte_eth_macaddr_get(port, &link->nets[i].ours);
		if (rc)
			return rc;
	}
	if ((rc = rte_eth_dev_configure(port, 1, 1, &conf)) != 0 ||
		(rc = rte_eth_rx_queue_setup(port, 0, 1024, SOCKET_ID_ANY, NULL, pool)) != 0 ||
		(rc = rte_eth_tx_queue_setup(port, 0, 1024, SOCKET_ID_ANY, NULL)) != 0)
		return rc;
	return rte_eth_dev_start(port);
}

unsigned link_send(struct link *link, struct burst *burst)
{
	uint64_t deadline = 0;
	uint16_t sent = 0;

	while (sent < burst->count) {
		uint16_t n = rte_eth_tx_burst(
			link->port, 0, burst->mbufs + sent, (uint16_t)(burst->count - sent));

		sent += n;
		if (n) {
			deadline = 0;
		} else if (deadline == 0) {
			deadline = rte_rdtsc() + rte_get_tsc_hz();
		} else if (rte_rdtsc() > deadline) {
			break;
		}
	}
	unsigned refused = burst->count - sent;
	rte_pktmbuf_free_bulk(burst->mbufs + sent, refused);
	burst->count = 0;
	return refused;
}

void link_other(struct link *link, struct net *net, struct rte_mbuf *mbuf)
{
	uint8_t *frame = rte_pktmbuf_mtod(mbuf, uint8_t *);
	struct burst burst = {.mbufs = {mbuf}, .count = 1};
	uint16_t length;

	length = rte_pktmbuf_tailroom(mbuf) < 128
			 ? 0
			 : frame_answer_neighbour(frame, mbuf->data_len, net);
	if (length == 0) {
		rte_pktmbuf_free(mbuf);
		return;
	}
	mbuf->data_len = length;
	mbuf->pkt_len = length;
	link_send(link, &burst);
}

void link_serve(struct link *link)
{
	struct rte_mbuf *mbufs[BURST];
	uint16_t n = rte_eth_rx_burst(link->port, 0, mbufs, BURST);

	for (uint16_t i = 0; i < n; i++) {
		const uint8_t *frame = rte_pktmbuf_mtod(mbufs[i], const uint8_t *);

		link_other(link,
			&link->nets[frame_load16(frame + 12) == RTE_BE16(RTE_ETHER_TYPE_IPV6)],
			mbufs[i]);
	}
}

struct rte_mbuf *link_buffer(struct link *link)
{
	return rte_pktmbuf_alloc(link->pool);
}

static void ask(struct link *link, struct net *net)
{
	struct rte_mbuf *mbuf = link_buffer(link);
	struct burst burst = {.mbufs = {mbuf}, .count = 1};

	if (mbuf == NULL)
		return;
	mbuf->data_len = frame_ask_neighbour(rte_pktmbuf_mtod(mbuf, uint8_t *), net);
	mbuf->pkt_len = mbuf->data_len;
	link_send(link, &burst);
}

int link_resolve(struct link *link, struct net *net, double seconds)
{
	const uint64_t hz = rte_get_tsc_hz(), end = rte_rdtsc() + (uint64_t)(seconds * (double)hz);
	uint64_t next_ask = 0;
	struct rte_mbuf *mbufs[BURST];

	while (rte_rdtsc() < end) {
		if (rte_rdtsc() > next_ask) {
			struct rte_eth_link state;

			if (rte_eth_link_get_nowait(link->port, &state) == 0 && state.link_status)
				ask(link, net);
			next_ask = rte_rdtsc() + hz / 20;
		}
		uint16_t n = rte_eth_rx_burst(link->port, 0, mbufs, BURST);
		bool learnt = false;

		for (uint16_t i = 0; i < n; i++) {
			const uint8_t *frame = rte_pktmbuf_mtod(mbufs[i], const uint8_t *);

			learnt |= frame_learn_neighbour(frame, mbufs[i]->data_len, net);
			link_other(link, net, mbufs[i]);
		}
		if (learnt)
			return 0;
	}
	return -ETIMEDOUT;
}
