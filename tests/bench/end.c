// SPDX-License-Identifier: BSD-3-Clause
// Our TCP as a server of its own, without a proxy or pods behind it: tests/e2e/transfer.py's
// "serve" for one port. For tcp-loss, where the two TCPs alone are compared.
//
//     sluice-bench-end KIND DEVICE ADDRESS PATTERN CPU bbr|cubic
//
// PATTERN is a file with the bytes that are sent, twice. It says "ready" and runs until it is
// killed.
#include <arpa/inet.h>
#include <rte_arp.h>
#include <rte_eal.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "port.h"
#include "tcp.h"

#define PATTERN   1000003u
#define BURST     64
#define QUEUE     128
#define PIECE     16384u
#define RUN_BYTES (65535 - 40 - 60)
#define NAP_US    20
#define IDLE      5000 // rounds, after which naps are longer: others are measured meanwhile
#define IDLE_US   1000

struct end {
	struct port port;
	struct rte_mempool *pool, *lent;
	struct tcp *tcp;
	struct rte_ether_addr peer;
	uint32_t address; // network order
	char *pattern;
	struct rte_mbuf *queue[QUEUE];
	unsigned queued;
	struct rte_mbuf_ext_shared_info shared; // of the pattern, which is never freed
};

struct transfer {
	struct tcp_connection *tcp;
	uint64_t size, at;
	bool put, headed, answered;
	char head[1024], answer[256];
	uint32_t head_length;
};

static void flush(struct end *end)
{
	uint16_t sent = port_tx(&end->port, 0, end->queue, (uint16_t)end->queued);

	if (sent < end->queued) // lost, as on a wire
		rte_pktmbuf_free_bulk(end->queue + sent, end->queued - sent);
	end->queued = 0;
}

static void enqueue(struct end *end, struct rte_mbuf *mbuf)
{
	end->queue[end->queued++] = mbuf;
	if (end->queued == QUEUE)
		flush(end);
}

static struct rte_tcp_hdr *put_headers(
	struct end *end, const struct tcp_output *out, struct rte_mbuf *mbuf)
{
	uint8_t header[TCP_HEADER_MAX];
	uint32_t length = tcp_write_header(out, header);
	struct rte_ether_hdr *ethernet = (struct rte_ether_hdr *)rte_pktmbuf_append(
		mbuf, (uint16_t)(sizeof(*ethernet) + sizeof(struct rte_ipv4_hdr) + length));
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(ethernet + 1);

	*ethernet = (struct rte_ether_hdr){end->peer, end->port.mac, RTE_BE16(RTE_ETHER_TYPE_IPV4)};
	*ip = (struct rte_ipv4_hdr){.version_ihl = RTE_IPV4_VHL_DEF,
		.total_length = htons((uint16_t)(sizeof(*ip) + length + out->length)),
		.fragment_offset = RTE_BE16(RTE_IPV4_HDR_DF_FLAG),
		.time_to_live = 64,
		.next_proto_id = IPPROTO_TCP};
	memcpy(&ip->src_addr, out->tuple->local.byte + 12, 4);
	memcpy(&ip->dst_addr, out->tuple->remote.byte + 12, 4);
	memcpy(ip + 1, header, length);
	mbuf->l2_len = sizeof(*ethernet);
	mbuf->l3_len = sizeof(*ip);
	mbuf->l4_len = length;
	return (struct rte_tcp_hdr *)(ip + 1);
}

static void output_one(struct end *end, const struct tcp_output *out)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(end->pool);
	struct rte_tcp_hdr *tcp;
	struct rte_ipv4_hdr *ip;
	char *to;

	if (!mbuf)
		return;
	tcp = put_headers(end, out, mbuf);
	ip = (struct rte_ipv4_hdr *)tcp - 1;
	to = rte_pktmbuf_append(mbuf, (uint16_t)out->length);
	for (uint32_t i = 0; i < out->piece_count; i++) {
		memcpy(to, out->pieces[i].data, out->pieces[i].length);
		to += out->pieces[i].length;
	}
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	tcp->cksum = rte_ipv4_udptcp_cksum(ip, tcp);
	enqueue(end, mbuf);
}

// As it lies, to a port that cuts it.
static bool output_run(struct end *end, const struct tcp_output *out)
{
	struct rte_mbuf *lent[TCP_RUN_PIECES], *mbuf = rte_pktmbuf_alloc(end->pool);

	if (!mbuf || rte_pktmbuf_alloc_bulk(end->lent, lent, out->piece_count)) {
		rte_pktmbuf_free(mbuf);
		return false;
	}
	put_headers(end, out, mbuf);
	mbuf->ol_flags |= RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_TCP_CKSUM |
			  RTE_MBUF_F_TX_TCP_SEG;
	mbuf->tso_segsz = (uint16_t)out->cut;
	mbuf->nb_segs = (uint16_t)(1 + out->piece_count);
	mbuf->pkt_len += out->length;
	mbuf->next = lent[0];
	for (uint32_t i = 0; i < out->piece_count; i++) {
		const struct tcp_piece *piece = &out->pieces[i];

		rte_mbuf_ext_refcnt_update(&end->shared, 1);
		rte_pktmbuf_attach_extbuf(lent[i], (void *)(uintptr_t)piece->data, RTE_BAD_IOVA,
			(uint16_t)piece->length, &end->shared);
		lent[i]->data_off = 0;
		lent[i]->data_len = (uint16_t)piece->length;
		lent[i]->next = i + 1 < out->piece_count ? lent[i + 1] : NULL;
	}
	enqueue(end, mbuf);
	return true;
}

static void output(void *io, const struct tcp_output *out)
{
	struct end *end = io;
	struct tcp_output one;
	struct tcp_cut cut;

	if (out->cut && end->port.caps & PORT_TX_RUN && output_run(end, out))
		return;
	tcp_cut_begin(&cut, out);
	while (tcp_cut_next(&cut, &one))
		output_one(end, &one);
}

static enum tcp_verdict listens(void *io, const struct tcp_tuple *tuple, struct tcp_open *open)
{
	return TCP_ACCEPT;
}

static void say(struct transfer *transfer, const char *body, uint64_t length)
{
	int n = snprintf(transfer->answer, sizeof(transfer->answer),
		"HTTP/1.1 200 OK\r\nContent-Length: %llu\r\n\r\n%s", (unsigned long long)length,
		body);
	const struct tcp_piece piece = {transfer->answer, (uint32_t)n, NULL};

	tcp_send(transfer->tcp, &piece, 1);
}

static void go_on(struct end *end, struct transfer *transfer)
{
	char count[32];
	uint32_t room;

	if (!transfer->headed || transfer->answered)
		return;
	while (!transfer->put && transfer->at < transfer->size &&
		(room = tcp_send_room(transfer->tcp)) > 0) {
		uint32_t most = room < PIECE ? room : PIECE;
		uint64_t left = transfer->size - transfer->at;
		const struct tcp_piece piece = {end->pattern + transfer->at % PATTERN,
			left < most ? (uint32_t)left : most, NULL};

		if (tcp_send(transfer->tcp, &piece, 1) != 1)
			break;
		transfer->at += piece.length;
	}
	if (transfer->at < transfer->size)
		return;
	if (transfer->put)
		say(transfer, count,
			(uint64_t)snprintf(
				count, sizeof(count), "%llu", (unsigned long long)transfer->size));
	transfer->answered = true;
	tcp_finish(transfer->tcp);
}

// How many bytes of its head were taken.
static uint32_t take_head(struct transfer *transfer, const char *data, uint32_t length)
{
	static const char ends[] = "\r\n\r\n", field[] = "Content-Length: ";
	uint32_t n = 0;

	while (n < length && !transfer->headed &&
		transfer->head_length + 1 < sizeof(transfer->head)) {
		transfer->head[transfer->head_length++] = data[n++];
		transfer->head[transfer->head_length] = 0;
		transfer->headed = transfer->head_length >= 4 &&
				   strcmp(transfer->head + transfer->head_length - 4, ends) == 0;
	}
	if (transfer->headed && n) {
		const char *size = strchr(transfer->head, '/');

		transfer->put = *transfer->head == 'P';
		size = transfer->put ? strstr(transfer->head, field) : size;
		if (size)
			transfer->size =
				strtoull(size + (transfer->put ? strlen(field) : 1), NULL, 10);
		if (!transfer->put)
			say(transfer, "", transfer->size);
	}
	return n;
}

static void receive(struct tcp_connection *connection, void *user, const struct tcp_piece *piece)
{
	struct end *end = tcp_io(connection);
	struct transfer *transfer = user;
	uint32_t n = transfer->headed ? 0 : take_head(transfer, piece->data, piece->length);
	const char *data = (const char *)piece->data + n;

	tcp_consume(connection, piece->length);
	if (transfer->put &&
		memcmp(end->pattern + transfer->at % PATTERN, data, piece->length - n) != 0) {
		fprintf(stderr, "other bytes than were sent, after %llu\n",
			(unsigned long long)transfer->at);
		exit(1);
	}
	transfer->at += transfer->put ? piece->length - n : 0;
	rte_pktmbuf_free(piece->owner);
	go_on(end, transfer);
}

static void event(struct tcp_connection *connection, void *user, enum tcp_event what, int value)
{
	struct transfer *transfer = user;

	if (what == TCP_EVENT_CONNECTED) {
		transfer = calloc(1, sizeof(*transfer));
		if (!transfer)
			abort();
		transfer->tcp = connection;
		tcp_set_user(connection, transfer);
	} else if (what == TCP_EVENT_SENT) {
		go_on(tcp_io(connection), transfer);
	} else if (what == TCP_EVENT_CLOSED) {
		free(transfer);
	}
}

static void release(void *io, void *owner)
{
	rte_pktmbuf_free(owner);
}

// Asked for our address, it answers.
static bool take_arp(struct end *end, struct rte_mbuf *mbuf)
{
	struct rte_ether_hdr *ethernet = rte_pktmbuf_mtod(mbuf, struct rte_ether_hdr *);
	struct rte_arp_hdr *arp = (struct rte_arp_hdr *)(ethernet + 1);

	if (arp->arp_opcode != RTE_BE16(RTE_ARP_OP_REQUEST) ||
		arp->arp_data.arp_tip != end->address)
		return false;
	ethernet->dst_addr = ethernet->src_addr;
	ethernet->src_addr = end->port.mac;
	arp->arp_opcode = RTE_BE16(RTE_ARP_OP_REPLY);
	arp->arp_data.arp_tha = arp->arp_data.arp_sha;
	arp->arp_data.arp_tip = arp->arp_data.arp_sip;
	arp->arp_data.arp_sha = end->port.mac;
	arp->arp_data.arp_sip = end->address;
	enqueue(end, mbuf);
	return true;
}

// True when the mbuf is kept.
static bool take_segment(struct end *end, struct rte_mbuf *mbuf, usec_t now)
{
	const struct rte_ether_hdr *ethernet = rte_pktmbuf_mtod(mbuf, const struct rte_ether_hdr *);
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)(ethernet + 1);
	const uint8_t *l4 = (const uint8_t *)(ip + 1);
	struct tcp_segment segment = {.tuple = {.remote = addr_from_v4(ip->src_addr),
					      .local = addr_from_v4(ip->dst_addr)},
		.payload.owner = mbuf};

	if (ip->next_proto_id != IPPROTO_TCP || ip->dst_addr != end->address ||
		rte_ipv4_udptcp_cksum(ip, l4) != 0)
		return false;
	segment.tuple.remote_port = (uint16_t)(l4[0] << 8 | l4[1]);
	segment.tuple.local_port = (uint16_t)(l4[2] << 8 | l4[3]);
	end->peer = ethernet->src_addr;
	return tcp_parse(&segment, l4, ntohs(ip->total_length) - (uint32_t)sizeof(*ip)) == 0 &&
	       tcp_input(end->tcp, &segment, now);
}

static void take(struct end *end, struct rte_mbuf *mbuf, usec_t now)
{
	rte_be16_t type = rte_pktmbuf_mtod(mbuf, struct rte_ether_hdr *)->ether_type;
	bool kept = type == RTE_BE16(RTE_ETHER_TYPE_ARP)    ? take_arp(end, mbuf)
		    : type == RTE_BE16(RTE_ETHER_TYPE_IPV4) ? take_segment(end, mbuf, now)
							    : false;

	if (!kept)
		rte_pktmbuf_free(mbuf);
}

static void serve(struct end *end)
{
	struct rte_mbuf *mbufs[BURST];
	uint32_t idle = 0;

	for (;;) {
		uint16_t n = port_rx(&end->port, 0, mbufs, BURST);
		struct timespec time;
		usec_t now;

		clock_gettime(CLOCK_MONOTONIC, &time);
		now = (usec_t)time.tv_sec * 1000000 + (usec_t)time.tv_nsec / 1000;
		for (uint16_t i = 0; i < n; i++)
			take(end, mbufs[i], now);
		tcp_run(end->tcp, now);
		flush(end);
		idle = n ? 0 : idle + 1;
		if (idle)
			usleep(idle < IDLE ? NAP_US : IDLE_US);
	}
}

static bool read_pattern(struct end *end, const char *path)
{
	FILE *file = fopen(path, "re");
	bool whole;

	end->pattern = malloc(2 * PATTERN);
	whole = file && end->pattern && fread(end->pattern, 1, 2 * PATTERN, file) == 2 * PATTERN;
	if (file)
		fclose(file);
	return whole;
}

static bool start_eal(const char *cpu)
{
	char lcores[32];
	const char *arguments[] = {"end", "--lcores", lcores, "--no-huge", "-m", "512",
		"--no-shconf", "--no-telemetry", "--no-pci", "--log-level", "error"};

	snprintf(lcores, sizeof(lcores), "0@%s", cpu);
	return rte_eal_init(RTE_DIM(arguments), (char **)(uintptr_t)arguments) >= 0;
}

int main(int argc, char **argv)
{
	static const struct tcp_ops ops = {output, listens, receive, event, release};
	static struct end end = {.shared = {.refcnt = 1}};
	struct port_settings settings = {.name = (char *)"end", .options = (char *)"", .mtu = 1500};
	struct reason reason = {0};
	struct tcp_config config;

	if (argc != 7 || !read_pattern(&end, argv[4]) || !start_eal(argv[5])) {
		fprintf(stderr,
			"usage: sluice-bench-end KIND DEVICE ADDRESS PATTERN CPU bbr|cubic\n");
		return 2;
	}
	settings.kind = argv[1];
	settings.device = argv[2];
	end.address = inet_addr(argv[3]);
	end.pool = rte_pktmbuf_pool_create("packets", 32767, 256, 64,
		(uint16_t)(port_buffer_bytes(&settings, 1) + RTE_PKTMBUF_HEADROOM), SOCKET_ID_ANY);
	end.lent = rte_pktmbuf_pool_create("lent", 4095, 256, 0, 0, SOCKET_ID_ANY);
	if (!end.pool || !end.lent || port_open(&end.port, &settings, 1, end.pool, &reason)) {
		fprintf(stderr, "%s\n", reason_text(&reason));
		return 1;
	}
	tcp_config_default(&config);
	config.run_bytes = RUN_BYTES;
	config.connections = 64;
	config.congestion =
		strcmp(argv[6], "cubic") == 0 ? TCP_CONGESTION_CUBIC : TCP_CONGESTION_BBR;
	end.tcp = tcp_new(&config, &ops, &end);
	if (!end.tcp)
		return 1;
	puts("ready");
	fflush(stdout);
	serve(&end);
}
