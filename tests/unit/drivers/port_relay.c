// SPDX-License-Identifier: BSD-3-Clause
// A program for tests of whole ports: opens one or two through port.h and passes frames.
//
//   port_relay [-h] [-m MTU] [-q QUEUES] [-s FOLDER] KIND DEVICE OPTIONS [KIND DEVICE OPTIONS]
//
// Two ports: what one receives the other sends, unchanged. One port: every frame goes back with its
// MAC addresses swapped. Each frame received is looked at: its length, and whether its IPv4, TCP
// and UDP checksums are right. On standard output one JSON object a line: once when ready, and
// after each line on standard input, with what has been counted. The end of standard input ends it,
// and so does a line that begins with "q". -h: with hugepages. -s: folder of EAL's own files.
#include <errno.h>
#include <poll.h>
#include <rte_eal.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "port.h"

#define BURST    32
#define QUIET_MS 1

struct seen {
	uint64_t frames, vlan, stripped, bad_sums, many_segments, unsent;
	uint64_t queue[SLUICE_WORKERS_MAX];
	uint32_t longest;
};

struct relay {
	struct port port[2];
	struct seen seen[2];
	struct port_settings settings[2];
	unsigned count;
	uint16_t queues;
};

// The sum over a segment with its pseudo-header and its checksum is all ones when that is right.
static bool segment_ok(const void *l4, uint32_t length, uint16_t pseudo, uint8_t protocol)
{
	uint32_t sum;

	if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP)
		return true;
	sum = (uint32_t)rte_raw_cksum(l4, length) + pseudo;
	return (uint16_t)((sum & 0xffff) + (sum >> 16)) == 0xffff;
}

static bool sums_ok(const uint8_t *l3, uint32_t length, uint16_t type)
{
	const struct rte_ipv4_hdr *v4 = (const void *)l3;
	const struct rte_ipv6_hdr *v6 = (const void *)l3;

	if (type == htons(RTE_ETHER_TYPE_IPV4) && length >= sizeof(*v4)) {
		uint32_t header = rte_ipv4_hdr_len(v4), total = rte_be_to_cpu_16(v4->total_length);

		if (header > total || total > length || rte_raw_cksum(v4, header) != 0xffff)
			return false;
		if (v4->fragment_offset & htons(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK))
			return true;
		return segment_ok(
			l3 + header, total - header, rte_ipv4_phdr_cksum(v4, 0), v4->next_proto_id);
	}
	if (type == htons(RTE_ETHER_TYPE_IPV6) && length >= sizeof(*v6)) {
		uint32_t payload = rte_be_to_cpu_16(v6->payload_len);

		return payload <= length - sizeof(*v6) &&
		       segment_ok(v6 + 1, payload, rte_ipv6_phdr_cksum(v6, 0), v6->proto);
	}
	return true;
}

// Looks at what was received, and gives the tag back its place.
static bool look(struct seen *seen, struct rte_mbuf **mbuf, uint16_t queue)
{
	const struct rte_ether_hdr *ether;
	uint32_t l3 = sizeof(*ether);
	uint16_t type;

	seen->frames++;
	seen->queue[queue]++;
	if ((*mbuf)->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) {
		seen->stripped++;
		(*mbuf)->ol_flags |= RTE_MBUF_F_TX_VLAN;
		if (rte_vlan_insert(mbuf))
			return false;
		(*mbuf)->ol_flags &= ~(RTE_MBUF_F_RX_VLAN_STRIPPED | RTE_MBUF_F_TX_VLAN);
	}
	if ((*mbuf)->nb_segs > 1)
		seen->many_segments++;
	if ((*mbuf)->pkt_len > seen->longest)
		seen->longest = (*mbuf)->pkt_len;
	ether = rte_pktmbuf_mtod(*mbuf, const struct rte_ether_hdr *);
	type = ether->ether_type;
	if (type == htons(RTE_ETHER_TYPE_VLAN)) {
		seen->vlan++;
		type = *rte_pktmbuf_mtod_offset(*mbuf, uint16_t *, l3 + 2);
		l3 += 4;
	}
	if (!sums_ok((const uint8_t *)ether + l3, (*mbuf)->data_len - l3, type))
		seen->bad_sums++;
	return true;
}

static void swap_addresses(struct rte_mbuf *mbuf)
{
	struct rte_ether_hdr *ether = rte_pktmbuf_mtod(mbuf, struct rte_ether_hdr *);
	struct rte_ether_addr source = ether->src_addr;

	ether->src_addr = ether->dst_addr;
	ether->dst_addr = source;
}

static unsigned pass(struct relay *relay, unsigned from, uint16_t queue)
{
	struct port *out = &relay->port[relay->count - 1 - from];
	struct seen *seen = &relay->seen[from];
	struct rte_mbuf *mbufs[BURST];
	uint16_t n = port_rx(&relay->port[from], queue, mbufs, BURST), keep = 0, sent;

	for (uint16_t i = 0; i < n; i++) {
		if (!look(seen, &mbufs[i], queue)) {
			rte_pktmbuf_free(mbufs[i]);
			continue;
		}
		if (relay->count == 1)
			swap_addresses(mbufs[i]);
		mbufs[keep++] = mbufs[i];
	}
	sent = port_tx(out, queue % out->queues, mbufs, keep);
	seen->unsent += keep - sent;
	rte_pktmbuf_free_bulk(mbufs + sent, keep - sent);
	return n;
}

static void tell(struct relay *relay)
{
	printf("{\"ports\": [");
	for (unsigned i = 0; i < relay->count; i++) {
		struct port *port = &relay->port[i];
		const struct seen *seen = &relay->seen[i];
		struct rte_eth_stats stats = {0};
		struct port_link link = port_link(port);
		char mac[RTE_ETHER_ADDR_FMT_SIZE];
		int rc = port_counters(port, &stats);

		rte_ether_format_addr(mac, sizeof(mac), &port->mac);
		printf("%s{\"name\": \"%s\", \"mac\": \"%s\", \"queues\": %u, \"caps\": %u, "
		       "\"mtu\": %u, "
		       "\"up\": %s, \"speed\": %u, \"frames\": %lu, \"vlan\": %lu, \"stripped\": "
		       "%lu, "
		       "\"bad_sums\": %lu, \"longest\": %u, \"many_segments\": %lu, \"unsent\": "
		       "%lu, "
		       "\"counters\": %d, \"rx\": %lu, \"tx\": %lu, \"missed\": %lu, "
		       "\"rx_errors\": %lu, "
		       "\"tx_errors\": %lu, \"no_buffer\": %lu, \"buckets\": %u, \"by_queue\": [",
			i ? ", " : "", port->name, mac, port->queues, port->caps, port->mtu,
			link.up ? "true" : "false", link.speed_mbps, seen->frames, seen->vlan,
			seen->stripped, seen->bad_sums, seen->longest, seen->many_segments,
			seen->unsent, rc, stats.ipackets, stats.opackets, stats.imissed,
			stats.ierrors, stats.oerrors, stats.rx_nombuf, port->rss_buckets);
		for (uint16_t q = 0; q < port->queues; q++)
			printf("%s%lu", q ? ", " : "", seen->queue[q]);
		printf("]}");
	}
	printf("]}\n");
	fflush(stdout);
}

// Waits for frames where a port can tell, else a moment. False at the end of standard input.
static bool rest(struct relay *relay, int timeout_ms)
{
	struct pollfd fds[1 + 2 * SLUICE_WORKERS_MAX] = {{.fd = STDIN_FILENO, .events = POLLIN}};
	unsigned n = 1;
	char line[64];

	for (unsigned i = 0; i < relay->count && timeout_ms; i++)
		for (uint16_t q = 0; q < relay->port[i].queues; q++)
			fds[n++] = (struct pollfd){
				.fd = port_rx_fd(&relay->port[i], q), .events = POLLIN};
	if (poll(fds, n, timeout_ms) <= 0 || !fds[0].revents)
		return true;
	if (read(STDIN_FILENO, line, sizeof(line)) <= 0 || line[0] == 'q')
		return false;
	tell(relay);
	return true;
}

static void relay_run(struct relay *relay)
{
	unsigned turn = 0;
	bool on = true;

	while (on) {
		unsigned n = 0;

		for (unsigned i = 0; i < relay->count; i++)
			for (uint16_t q = 0; q < relay->port[i].queues; q++)
				n += pass(relay, i, q);
		// The links are looked at as the dataplane would, now and then.
		if (++turn % 1024 == 0 || !n)
			on = rest(relay, n ? 0 : QUIET_MS);
		if (turn % 512 == 0)
			for (unsigned i = 0; i < relay->count; i++)
				port_link(&relay->port[i]);
	}
}

static int start_eal(const char *folder, bool huge, const struct relay *relay)
{
	const char *arguments[32 + PORT_EAL_ARGUMENTS] = {"port_relay", "-l", "0", "--no-telemetry",
		"--log-level", "warning", "--file-prefix", folder};
	int n = 8;

	if (huge) {
		arguments[n++] = "--in-memory";
		arguments[n++] = "--single-file-segments";
	} else {
		arguments[n++] = "--no-huge";
		arguments[n++] = "--no-shconf";
		arguments[n++] = "-m";
		arguments[n++] = "192";
	}
	n += port_eal_arguments(relay->settings, relay->count, arguments + n);
	return rte_eal_init(n, (char **)arguments) < 0 ? -rte_errno : 0;
}

static int relay_open(struct relay *relay, struct rte_mempool *pool)
{
	struct reason reason = {0};

	for (unsigned i = 0; i < relay->count; i++) {
		relay->port[i].index = (uint16_t)i;
		if (port_open(&relay->port[i], &relay->settings[i], relay->queues, pool, &reason)) {
			fprintf(stderr, "%s\n", reason_text(&reason));
			reason_clear(&reason);
			while (i--)
				port_close(&relay->port[i]);
			return -1;
		}
	}
	return 0;
}

static int usage(void)
{
	fprintf(stderr, "port_relay [-h] [-m MTU] [-q QUEUES] [-s PREFIX] KIND DEVICE OPTIONS "
			"[KIND DEVICE OPTIONS]\n");
	return 2;
}

int main(int argc, char **argv)
{
	static struct relay relay = {.queues = 1};
	const char *prefix = "port_relay";
	uint16_t mtu = 1500;
	struct rte_mempool *pool;
	bool huge = false;
	int option;

	while ((option = getopt(argc, argv, "hm:q:s:")) != -1) {
		if (option == 'h')
			huge = true;
		else if (option == 'm')
			mtu = (uint16_t)atoi(optarg);
		else if (option == 'q')
			relay.queues = (uint16_t)atoi(optarg);
		else if (option == 's')
			prefix = optarg;
		else
			return usage();
	}
	if (argc - optind != 3 && argc - optind != 6)
		return usage();
	for (int i = optind; i < argc; i += 3)
		relay.settings[relay.count++] = (struct port_settings){
			.name = i == optind ? "left" : "right",
			.kind = argv[i],
			.device = argv[i + 1],
			.options = argv[i + 2],
			.mtu = mtu,
		};
	if (start_eal(prefix, huge, &relay))
		return 1;
	pool = rte_pktmbuf_pool_create("frames", 8191, 256, 0,
		(uint16_t)(port_buffer_bytes(relay.settings, relay.count) + RTE_PKTMBUF_HEADROOM),
		SOCKET_ID_ANY);
	if (!pool || relay_open(&relay, pool))
		return 1;
	tell(&relay);
	relay_run(&relay);
	for (unsigned i = 0; i < relay.count; i++)
		port_close(&relay.port[i]);
	// All buffers must have come home by now, or somebody has lost one.
	printf("{\"in_use\": %u}\n", rte_mempool_in_use_count(pool));
	fflush(stdout);
	// Not rte_eal_cleanup(): it unmaps memory that EAL's interrupt thread, just woken by a port
	// that closed, still reads.
	return 0;
}
