// SPDX-License-Identifier: BSD-3-Clause
// Frames of any kind through two whole workers that have flows of every mode: classify, fragments,
// flows, ICMP, answers, hand-over, transmit.
//
// The input is a row of frames, each behind three bytes: options, and its length (little endian,
// without the Ethernet addresses, which are put before it). Whatever comes, every buffer must be
// home at the end or held by somebody who knows, flows and loads must add up, and what leaves must
// be a frame whose IP header is right. Under AddressSanitizer nothing behind a frame may be read.
#include <netinet/in.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checksum.h"
#include "frame_fixture.h"
#include "world_network.h"

#define BUFFERS      1023
#define FRAMES_INPUT 24

enum option {
	OPTION_PORT = 1 << 0,
	OPTION_QUEUE = 1 << 1,
	OPTION_AS_IS = 1 << 2,   // checksums are not mended
	OPTION_ADDRESS = 1 << 3, // not for us
	OPTION_TIME = 7 << 4,    // so many seconds pass
};

struct fuzz {
	struct rte_mempool *frames, *pool;
	struct world *world;
	bool fragments; // there may be some of the input at hand
};

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// house: libFuzzer hands nothing from Initialize to TestOneInput
static struct fuzz fuzz;

static void must(bool true_always, const char *what)
{
	if (!true_always) {
		fprintf(stderr, "broken: %s\n", what);
		abort();
	}
}

static void begin(void)
{
	struct world_settings settings = world_defaults;

	settings.workers = 2;
	settings.flows = 128;
	settings.port_last = (uint16_t)(settings.port_first + 7);
	fuzz.world = world_new(&settings, fuzz.frames, fuzz.pool);
	world_network(fuzz.world);
	world_plan(fuzz.world);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	frames_start((*argv)[0]);
	fuzz.frames = frames_pool("frames", BUFFERS);
	fuzz.pool = frames_pool("answers", BUFFERS);
	begin();
	return 0;
}

static void check_sent(const struct rte_mbuf *mbuf, unsigned port)
{
	const uint8_t *frame = rte_pktmbuf_mtod(mbuf, const uint8_t *);
	unsigned l3 = RTE_ETHER_HDR_LEN;

	must(mbuf->nb_segs == 1 && mbuf->pkt_len == mbuf->data_len, "a frame is one segment");
	must(mbuf->data_len >= RTE_ETHER_HDR_LEN, "a frame has an Ethernet header");
	must(memcmp(frame + 6, fuzz.world->ports[port].port.mac.addr_bytes, 6) == 0,
		"a frame says who sent it");
	if (frame[12] == 0x81 && frame[13] == 0)
		l3 += 4;
	if (frame[l3 - 2] == 0x08 && frame[l3 - 1] == 0) {
		unsigned header = (frame[l3] & 15u) * 4;

		must(mbuf->data_len == l3 + ((unsigned)frame[l3 + 2] << 8 | frame[l3 + 3]),
			"an IPv4 packet has the length it says");
		must(checksum_fold(checksum_words(frame + l3, header)) == 0xffff,
			"an IPv4 header has its checksum");
	} else if (frame[l3 - 2] == 0x86 && frame[l3 - 1] == 0xdd) {
		must(mbuf->data_len == l3 + 40 + ((unsigned)frame[l3 + 4] << 8 | frame[l3 + 5]),
			"an IPv6 packet has the length it says");
	}
}

static void drain(void)
{
	struct world *world = fuzz.world;
	struct rte_mbuf *mbuf;

	while (world_round(world))
		;
	for (unsigned port = 0; port < WORLD_PORTS; port++)
		for (unsigned queue = 0; queue < world->settings.queues; queue++)
			while ((mbuf = world_sent(world, port, queue))) {
				check_sent(mbuf, port);
				rte_pktmbuf_free(mbuf);
			}
	while (rte_ring_dequeue(world->host, (void **)&mbuf) == 0)
		rte_pktmbuf_free(mbuf);
	rte_ring_reset(world->resolve);
}

// IPv4's and ICMP's checksums made right, which no fuzzer guesses.
static void mend(uint8_t *l3, unsigned length)
{
	unsigned header = (l3[0] & 15u) * 4;
	uint16_t checksum;

	if (length < sizeof(struct rte_ipv4_hdr) || l3[0] >> 4 != 4 || header > length ||
		header < sizeof(struct rte_ipv4_hdr))
		return;
	if (l3[9] == IPPROTO_ICMP && length >= header + 8) {
		memset(l3 + header + 2, 0, 2);
		checksum = (uint16_t)~rte_raw_cksum(l3 + header, length - header);
		memcpy(l3 + header + 2, &checksum, 2);
	}
	memset(l3 + 10, 0, 2);
	checksum = (uint16_t)~rte_raw_cksum(l3, header);
	memcpy(l3 + 10, &checksum, 2);
}

static void mend_ipv6(uint8_t *l3, unsigned length)
{
	uint16_t checksum;

	if (length < sizeof(struct rte_ipv6_hdr) + 8 || l3[0] >> 4 != 6 ||
		l3[6] != IPPROTO_ICMPV6 ||
		length != sizeof(struct rte_ipv6_hdr) + ((unsigned)l3[4] << 8 | l3[5]))
		return;
	memset(l3 + 42, 0, 2);
	checksum = rte_ipv6_udptcp_cksum((const struct rte_ipv6_hdr *)l3, l3 + 40);
	memcpy(l3 + 42, &checksum, 2);
}

static bool fragment_perhaps(const uint8_t *l3)
{
	if (l3[0] >> 4 == 4)
		return (l3[6] & 0x3f) || l3[7];
	return l3[6] != IPPROTO_TCP && l3[6] != IPPROTO_UDP && l3[6] != IPPROTO_ICMPV6;
}

static void receive(uint8_t options, const uint8_t *data, unsigned length)
{
	unsigned port = !!(options & OPTION_PORT);
	uint8_t frame[2048] = {0};
	unsigned l3 = 2;

	memcpy(frame, fuzz.world->ports[port].port.mac.addr_bytes, 6);
	frame[0] ^= (options & OPTION_ADDRESS) ? 4 : 0;
	frame[6] = 2;
	memcpy(frame + 12, data, length);
	if (length >= 6 && data[0] == 0x81 && data[1] == 0)
		l3 = 6;
	if (!(options & OPTION_AS_IS) && length > l3) {
		mend(frame + 12 + l3, length - l3);
		mend_ipv6(frame + 12 + l3, length - l3);
	}
	fuzz.fragments |= fragment_perhaps(frame + 12 + l3);
	world_receive(fuzz.world, port, !!(options & OPTION_QUEUE), frame, 12 + length);
}

// Of each worker: records in use, and the load they make.
static void check_flows(void)
{
	for (unsigned i = 0; i < fuzz.world->settings.workers; i++) {
		struct worker *worker = fuzz.world->workers[i];
		struct flow_table *flows = worker->flows;
		unsigned used = 0, counted = 0, load = 0;

		for (uint32_t index = 0; index < flows->capacity; index++) {
			struct flow *flow = flow_at(flows, index);

			used += flow != NULL;
			counted += flow && (flow->flags & FLOW_COUNTED);
		}
		for (unsigned slot = 0; slot < 256; slot++)
			load += worker->opener.load[slot];
		must(used == flows->used, "records in use are counted");
		must(load == counted, "loads are the flows that count");
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t at = 0;

	fuzz.fragments = false;
	for (unsigned i = 0; i < FRAMES_INPUT && at + 3 <= size; i++) {
		unsigned length = data[at + 1] | (unsigned)data[at + 2] << 8;
		uint8_t options = data[at];

		at += 3;
		if (length > size - at)
			length = (unsigned)(size - at);
		if (length > 1600)
			length = 1600;
		if (options & OPTION_TIME) {
			drain();
			world_pass(fuzz.world, 1000ull * ((options & OPTION_TIME) >> 4));
		}
		receive(options, data + at, length);
		at += length;
	}
	drain();
	check_flows();
	world_forget(fuzz.world, fuzz.fragments || rte_mempool_in_use_count(fuzz.frames));
	must(rte_mempool_in_use_count(fuzz.frames) == 0, "all that came in has ended");
	must(rte_mempool_in_use_count(fuzz.pool) == 0, "all that was made has ended");
	return 0;
}
