// SPDX-License-Identifier: BSD-3-Clause
// The loop of a UDP measurement; see udp_run.h. Everything that is done for each packet is in
// receive_burst(), compiled once a family.
#include "udp_run.h"

#include <netinet/in.h>
#include <rte_prefetch.h>
#include <stdlib.h>
#include <time.h>

#include "walk.h"

#define TOKENS       32768u
#define SAMPLE_EVERY 64u

// A sample on its way.
struct sample {
	uint64_t sent; // cycles
	uint32_t flow;
	uint8_t expected; // enum frame_kind it may arrive as, one bit each
};

struct udp {
	struct link *link;
	struct net *net;
	const struct udp_order *order;
	struct udp_result *result;
	struct frame_template template;
	struct walk walk;
	uint64_t sent, returned, forwarded; // datagrams of clients, their returns, passes
	uint64_t now;                       // cycles, when the burst was received
	uint32_t next_token, until_sample;
	uint32_t still; // flows of the sweep not yet sent
	uint8_t *done;  // flows of the sweep that came back, one bit each
	uint8_t pods_seen[8192];
	bool timed, stopping, counting;
	struct sample samples[TOKENS];
};

static void wrong(struct udp *udp, const char *what)
{
	if (udp->result->wrong++ == 0)
		udp->result->wrong_what = what;
}

// A received sample: checked, timed, and told what it may arrive as next.
static void take_sample(struct udp *udp, const struct rte_mbuf *mbuf, enum frame_kind kind)
{
	const uint8_t *frame = rte_pktmbuf_mtod(mbuf, const uint8_t *);
	const unsigned family = udp->net->family;
	const uint16_t token = frame_load16(frame + FRAME_L4(family) + 8);
	struct sample *sample = &udp->samples[token % TOKENS];
	const char *what;

	udp->result->checked++;
	if (token >= TOKENS || !(sample->expected & 1u << kind)) {
		wrong(udp, "token: doubled, or of another sample");
		return;
	}
	what = frame_check(frame, mbuf->data_len, udp->net, kind, sample->flow);
	if (what)
		wrong(udp, what);
	if (udp->timed && udp->counting)
		histogram_add(&udp->result->latency,
			(udp->now - sample->sent) * 1000000000u / rte_get_tsc_hz());
	if (kind == FRAME_TO_POD) {
		const uint8_t *low = frame + (family == 4 ? 30 : 50);
		uint32_t pod =
			rte_be_to_cpu_32(frame_load32(low)) -
			rte_be_to_cpu_32(frame_load32(udp->net->pod + (family == 4 ? 0 : 12)));

		udp->pods_seen[pod / 8 % sizeof udp->pods_seen] |= (uint8_t)(1u << pod % 8);
		sample->expected = 1u << FRAME_TO_CLIENT;
		sample->sent = udp->now;
		return;
	}
	sample->expected = 0;
	if (udp->done)
		udp->done[sample->flow / 8] |= (uint8_t)(1u << sample->flow % 8);
}

// The next flow of the sweep that has not come back yet, or UINT32_MAX.
static uint32_t next_of_sweep(struct udp *udp)
{
	while (udp->still) {
		uint32_t flow = walk_next(&udp->walk);

		udp->still--;
		if (!(udp->done[flow / 8] & 1u << flow % 8))
			return flow;
	}
	return UINT32_MAX;
}

static inline __attribute__((always_inline)) bool next_datagram(
	struct udp *udp, struct rte_mbuf *mbuf, unsigned family)
{
	uint8_t *frame = rte_pktmbuf_mtod(mbuf, uint8_t *);
	uint16_t token = 0;
	uint32_t flow;

	flow = udp->done ? next_of_sweep(udp) : walk_next(&udp->walk);
	if (unlikely(flow == UINT32_MAX))
		return false;
	if (unlikely(--udp->until_sample == 0)) {
		udp->until_sample = udp->done ? 1 : SAMPLE_EVERY;
		udp->next_token = udp->next_token + 1 < TOKENS ? udp->next_token + 1 : 1;
		token = (uint16_t)udp->next_token;
		udp->samples[token] = (struct sample){
			.sent = udp->now,
			.flow = flow,
			.expected = 1u << FRAME_TO_POD | 1u << FRAME_MIRRORED,
		};
	}
	frame_udp(frame, &udp->template, udp->net, family, flow, token);
	mbuf->data_len = FRAME_BYTES;
	mbuf->pkt_len = FRAME_BYTES;
	udp->sent++;
	return true;
}

static inline __attribute__((always_inline)) void receive_burst(struct udp *udp, unsigned family)
{
	struct rte_mbuf *mbufs[BURST];
	struct burst out = {.count = 0};
	const bool closed = udp->order->mode != UDP_PACED;
	uint16_t n = rte_eth_rx_burst(udp->link->port, 0, mbufs, BURST);

	udp->result->polls++;
	if (n == 0) {
		udp->result->empty_polls++;
		return;
	}
	udp->now = rte_rdtsc();
	for (uint16_t i = 0; i < n; i++) {
		uint8_t *frame = rte_pktmbuf_mtod(mbufs[i], uint8_t *);
		enum frame_kind kind = frame_classify(frame, udp->net, family, IPPROTO_UDP);

		if (unlikely(kind == FRAME_OTHER)) {
			link_other(udp->link, udp->net, mbufs[i]);
			continue;
		}
		udp->forwarded++;
		if (unlikely(frame_load16(frame + FRAME_L4(family) + 8) != 0))
			take_sample(udp, mbufs[i], kind);
		if (kind == FRAME_TO_POD) {
			frame_swap(frame, family);
			out.mbufs[out.count++] = mbufs[i];
			continue;
		}
		udp->returned++;
		udp->result->mirrored += kind == FRAME_MIRRORED;
		if (closed && !udp->stopping && next_datagram(udp, mbufs[i], family))
			out.mbufs[out.count++] = mbufs[i];
		else
			rte_pktmbuf_free(mbufs[i]);
	}
	if (out.count)
		udp->result->refused += link_send(udp->link, &out);
}

static void poll_once(struct udp *udp)
{
	if (udp->net->family == 4)
		receive_burst(udp, 4);
	else
		receive_burst(udp, 6);
}

// Puts `count` new datagrams on their way.
static void inject(struct udp *udp, uint32_t count)
{
	while (count) {
		struct burst out = {.count = 0};

		udp->now = rte_rdtsc();
		while (count && out.count < BURST) {
			struct rte_mbuf *mbuf = link_buffer(udp->link);

			count--;
			if (mbuf == NULL || !next_datagram(udp, mbuf, udp->net->family)) {
				rte_pktmbuf_free(mbuf);
				count = 0;
				break;
			}
			out.mbufs[out.count++] = mbuf;
		}
		udp->result->refused += link_send(udp->link, &out);
	}
}

// Receives until nothing has come for `seconds`.
static void drain(struct udp *udp, double seconds)
{
	const uint64_t wait = (uint64_t)(seconds * (double)rte_get_tsc_hz());
	uint64_t last = rte_rdtsc(), seen = udp->forwarded;

	while (rte_rdtsc() - last < wait && udp->returned != udp->sent) {
		poll_once(udp);
		if (udp->forwarded != seen) {
			seen = udp->forwarded;
			last = rte_rdtsc();
		}
	}
}

// A round of the sweep: every flow not yet come back, once.
static void sweep(struct udp *udp)
{
	const uint64_t hz = rte_get_tsc_hz();
	uint64_t last = rte_rdtsc(), seen = udp->forwarded;

	udp->still = udp->order->flows;
	inject(udp, udp->order->window);
	while (udp->still && rte_rdtsc() - last < hz / 10) {
		poll_once(udp);
		if (udp->forwarded != seen) {
			seen = udp->forwarded;
			last = rte_rdtsc();
		}
	}
	udp->still = 0;
	drain(udp, 0.05);
}

static uint64_t missing(const struct udp *udp)
{
	uint64_t count = 0;

	for (uint32_t flow = 0; flow < udp->order->flows; flow++)
		count += !(udp->done[flow / 8] & 1u << flow % 8);
	return count;
}

static void run_sweeps(struct udp *udp)
{
	const uint64_t start = rte_rdtsc();

	// The first datagrams may have to wait for neighbours to be found, so there are more
	// rounds.
	for (unsigned round = 0; round < 5; round++) {
		sweep(udp);
		udp->result->missing = missing(udp);
		if (udp->result->missing == 0)
			break;
	}
	udp->result->seconds = (double)(rte_rdtsc() - start) / (double)rte_get_tsc_hz();
	udp->result->forwarded = udp->forwarded;
}

static void run_timed(struct udp *udp)
{
	const double hz = (double)rte_get_tsc_hz();
	const struct udp_order *order = udp->order;
	uint64_t start = rte_rdtsc(), from = start + (uint64_t)(order->warm_seconds * hz), end;
	uint64_t last = start, seen = 0, first = 0, now = start, due, empty = 0;
	const struct timespec nap = {0, order->nap_us * 1000L};

	end = from + (uint64_t)(order->seconds * hz);
	udp->timed = order->mode == UDP_PACED;
	if (!udp->timed)
		inject(udp, order->window);
	for (unsigned turn = 0; now < end; turn++) {
		poll_once(udp);
		if (udp->timed) {
			now = rte_rdtsc();
			due = (uint64_t)((double)(now - start) * order->rate / hz);
			if (due > udp->sent)
				inject(udp, (uint32_t)RTE_MIN(due - udp->sent, (uint64_t)BURST));
			else if (nap.tv_nsec && udp->result->empty_polls != empty)
				nanosleep(&nap, NULL);
			empty = udp->result->empty_polls;
		} else if (turn % 64 == 0) {
			now = rte_rdtsc();
			if (udp->forwarded != seen) {
				seen = udp->forwarded;
				last = now;
			} else if (now - last > (uint64_t)(hz / 50)) {
				inject(udp, order->window); // all of them were lost
				last = now;
			}
		}
		if (!udp->counting && now >= from) {
			udp->counting = true;
			from = now;
			first = udp->forwarded;
		}
	}
	udp->result->forwarded = udp->forwarded - first;
	udp->result->seconds = (double)(now - from) / hz;
	udp->counting = false;
	udp->stopping = true;
	drain(udp, 0.05);
}

void udp_run(struct link *link, struct net *net, const struct udp_order *order,
	struct udp_result *result)
{
	struct udp *udp = calloc(1, sizeof *udp);

	memset(result, 0, sizeof *result);
	if (udp == NULL)
		return;
	udp->link = link;
	udp->net = net;
	udp->order = order;
	udp->result = result;
	udp->until_sample = 1;
	frame_udp_template(&udp->template, net);
	walk_start(&udp->walk, order->flows);
	if (order->mode == UDP_SWEEP) {
		udp->done = calloc(order->flows / 8 + 1, 1);
		if (udp->done)
			run_sweeps(udp);
	} else {
		run_timed(udp);
	}
	result->sent = udp->sent;
	result->lost = udp->sent - udp->returned;
	for (unsigned i = 0; i < sizeof udp->pods_seen; i++)
		result->pods_seen += (unsigned)__builtin_popcount(udp->pods_seen[i]);
	free(udp->done);
	free(udp);
}
