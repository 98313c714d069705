// SPDX-License-Identifier: BSD-3-Clause
// Segments of clients and endpoints, right ones and wrong ones, through a whole worker that has an
// Ingress plan: classify, TCP, PROXY headers, HTTP, routes, upstreams, and back. Whatever comes,
// what leaves are right packets; and once all is over and time has passed, nothing is left of any
// connection, and every buffer is home.
//
// The input is a byte of habits and a row of deeds, each a byte that says what is done and by whom,
// with what it needs behind it. See enum deed. Each end knows where its connection is, from what
// the worker sends to it; so that most of what it does is what a remote would do. Those that speak
// TLS do so by OpenSSL: what they say is sealed, or sealed and then spoiled, or no record at all.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <sanitizer/lsan_interface.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frame_fixture.h"
#include "proxy_parts.h"
#include "proxy_world.h"
#include "tls_end.h"

#define BUFFERS   2047
#define CLIENTS   4
#define SERVERS   8
#define DEEDS     200
#define ROUNDS    200000 // more, and it goes in a circle
#define END_STEPS 2000   // of as many seconds, until nothing may be left
#define END_STEP  10
#define PAYLOAD   1460u

#define SAY_BARE    0x8000u // as it is, though it speaks TLS
#define SAY_SPOILED 0x4000u

enum habit {
	HABIT_REFUSE = 1, // endpoints answer a SYN with a reset,
	HABIT_SILENT = 2, // or not at all
	HABIT_ACK = 4,    // what the worker sends is acknowledged at once
	HABIT_CLOSE = 8,  // a FIN is answered with one
	HABIT_OLD = 16,   // TLS 1.2
	HABIT_BYE = 32,   // close_notify ahead of a FIN
	HABIT_PLAIN = 64, // endpoints do not speak TLS
};

enum deed {
	DEED_OPEN, // a client's SYN, from a port of its own
	DEED_DATA, // the next bytes
	DEED_RAW,  // flags, numbers, options and payload as they come
	DEED_FIN,
	DEED_RESET,
	DEED_TIME,
	DEED_ACK,  // with another window
	DEED_TEXT, // one that makes sense
};

static const char *const texts[] = {
	"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n",
	"GET /a/b?c HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n",
	"GET /old/x%20y HTTP/1.1\r\nHost: a.example\r\n\r\n",
	"GET /away/x HTTP/1.1\r\nHost: a.example\r\n\r\n",
	"POST /a HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\nhello",
	"POST /a HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
	"POST /a HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
	"GET /a HTTP/1.1\r\nHost: a.example\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
	"HEAD /a HTTP/1.0\r\n\r\n",
	"GET /sealed HTTP/1.1\r\nHost: a.example\r\n\r\n",
	"GET /nobody HTTP/1.1\r\nHost: b.example\r\n\r\n",
	"PROXY TCP4 192.0.2.77 192.0.2.10 4000 81\r\n",
	"PROXY UNKNOWN\r\n",
	"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n\r\n",
	"HTTP/1.1 200 OK\r\n\r\nuntil the end",
	"HTTP/1.1 100 Continue\r\n\r\n",
	"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
	"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n",
	"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n",
	"hello",
	"0\r\n\r\n",
	"PUT /a HTTP/1.1\r\nHost: a.example\r\nContent-Length: 9\r\n\r\nhell",
	"PUT /a HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
};

struct end { // of a connection, outside
	bool used;
	bool server;
	bool stamps;            // it sends timestamps
	uint32_t address, peer; // in network order: its own, the worker's
	uint16_t port, peer_port;
	uint32_t seq, ack; // what it sends next, what it has
	SSL *tls;          // NULL: it speaks none
};

struct input {
	const uint8_t *at, *end;
};

struct fuzz {
	struct rte_mempool *frames, *pool;
	struct world *world;
	struct proxy *proxy;
	struct tls_ends tls;
	struct end ends[CLIENTS + SERVERS];
	unsigned next_server;
	uint32_t port; // of the next client
	uint8_t habits;
};

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// house: libFuzzer hands nothing from Initialize to TestOneInput
static struct fuzz fuzz;

static void must(bool holds, const char *what)
{
	if (!holds) {
		fprintf(stderr, "broken: %s\n", what);
		abort();
	}
}

static uint8_t get8(struct input *input)
{
	return input->at < input->end ? *input->at++ : 0;
}

static uint16_t get16(struct input *input)
{
	uint8_t low = get8(input);

	return (uint16_t)(low | get8(input) << 8);
}

// So many bytes, or what is left; how many.
static uint32_t get(struct input *input, uint32_t wanted, const uint8_t **bytes)
{
	uint32_t left = (uint32_t)(input->end - input->at), n = wanted < left ? wanted : left;

	*bytes = input->at;
	input->at += n;
	return n;
}

struct outgoing {
	uint32_t seq, ack;
	uint16_t window;
	uint8_t flags, options_length; // in whole words
	const uint8_t *options, *payload;
	uint32_t length;
};

static void send_out(const struct end *end, const struct outgoing *out)
{
	unsigned port = end->server;
	uint8_t frame[RTE_ETHER_HDR_LEN + 20 + 60 + PAYLOAD] = {0};
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(frame + RTE_ETHER_HDR_LEN);
	struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)(ip + 1);
	uint32_t header = (uint32_t)sizeof(*tcp) + out->options_length;

	memcpy(frame, fuzz.world->ports[port].port.mac.addr_bytes, 6);
	frame[6] = 2;
	frame[12] = 8;
	*ip = (struct rte_ipv4_hdr){
		.version_ihl = RTE_IPV4_VHL_DEF,
		.total_length = htons((uint16_t)(sizeof(*ip) + header + out->length)),
		.time_to_live = 64,
		.next_proto_id = IPPROTO_TCP,
		.src_addr = end->address,
		.dst_addr = end->peer,
	};
	*tcp = (struct rte_tcp_hdr){
		.src_port = htons(end->port),
		.dst_port = htons(end->peer_port),
		.sent_seq = htonl(out->seq),
		.recv_ack = htonl(out->ack),
		.data_off = (uint8_t)(header / 4 << 4),
		.tcp_flags = out->flags,
		.rx_win = htons(out->window),
	};
	if (out->options_length)
		memcpy(tcp + 1, out->options, out->options_length);
	if (out->length)
		memcpy((uint8_t *)tcp + header, out->payload, out->length);
	tcp->cksum = rte_ipv4_udptcp_cksum(ip, tcp);
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	world_receive(fuzz.world, port, 0, frame,
		RTE_ETHER_HDR_LEN + (unsigned)sizeof(*ip) + header + out->length);
}

static void send_flags(struct end *end, uint8_t flags, const uint8_t *payload, uint32_t length)
{
	static const uint8_t stamp[] = {1, 1, 8, 10, 0, 0, 0, 2, 0, 0, 0, 0};
	struct outgoing out = {.seq = end->seq,
		.ack = end->ack,
		.window = 60000,
		.flags = flags,
		.payload = payload,
		.length = length,
		.options = stamp,
		.options_length = end->stamps ? sizeof(stamp) : 0};

	send_out(end, &out);
	end->seq += length + !!(flags & (TCP_FIN | TCP_SYN));
}

static struct end *end_of(const struct rte_ipv4_hdr *ip, const struct rte_tcp_hdr *tcp)
{
	for (unsigned i = 0; i < CLIENTS + SERVERS; i++) {
		struct end *end = &fuzz.ends[i];

		if (end->used && end->address == ip->dst_addr && end->peer == ip->src_addr &&
			end->port == ntohs(tcp->dst_port) && end->peer_port == ntohs(tcp->src_port))
			return end;
	}
	return NULL;
}

// What its TLS has to send goes, with one byte of it spoiled if it is to be.
static void send_wire(struct end *end, bool spoiled)
{
	uint8_t bytes[PAYLOAD];
	uint32_t n;

	while (end->tls && (n = tls_end_wire(end->tls, bytes, sizeof(bytes)))) {
		bytes[n / 2] ^= spoiled;
		send_flags(end, TCP_PSH | TCP_ACK, bytes, n);
	}
}

// A connection of the worker's to an endpoint.
static struct end *server_new(const struct rte_ipv4_hdr *ip, const struct rte_tcp_hdr *tcp)
{
	struct end *end = &fuzz.ends[CLIENTS + fuzz.next_server++ % SERVERS];

	SSL_free(end->tls);
	*end = (struct end){.used = true,
		.server = true,
		.tls = tcp->dst_port == htons(8443) && !(fuzz.habits & HABIT_PLAIN)
			       ? tls_end_new(&fuzz.tls, true, fuzz.habits & HABIT_OLD)
			       : NULL,
		.address = ip->dst_addr,
		.peer = ip->src_addr,
		.port = ntohs(tcp->dst_port),
		.peer_port = ntohs(tcp->src_port),
		.seq = 1000};
	return end;
}

static void heard_tls(
	struct end *end, const struct rte_tcp_hdr *tcp, uint32_t from, uint32_t payload)
{
	const uint8_t *bytes = (const uint8_t *)tcp + (tcp->data_off >> 4) * 4;
	uint32_t known = tcp->tcp_flags & TCP_SYN ? 0 : end->ack - from;

	if (known <= payload)
		tls_end_hear(end->tls, bytes + known, payload - known);
}

static void heard(struct end *end, const struct rte_tcp_hdr *tcp, uint32_t payload)
{
	uint32_t from = ntohl(tcp->sent_seq);
	uint32_t to = from + payload + !!(tcp->tcp_flags & (TCP_SYN | TCP_FIN));
	bool syn = tcp->tcp_flags & TCP_SYN;

	if (tcp->tcp_flags & TCP_RST)
		return;
	if (end->tls)
		heard_tls(end, tcp, from, payload);
	if (syn || (int32_t)(to - end->ack) > 0)
		end->ack = to;
	if (syn && end->server) {
		if (fuzz.habits & HABIT_REFUSE)
			send_flags(end, TCP_RST | TCP_ACK, NULL, 0);
		else if (!(fuzz.habits & HABIT_SILENT))
			send_flags(end, TCP_SYN | TCP_ACK, NULL, 0);
	} else if (syn || (to != from && fuzz.habits & HABIT_ACK)) {
		send_flags(end, TCP_ACK, NULL, 0);
	}
	send_wire(end, false);
	if (tcp->tcp_flags & TCP_FIN && fuzz.habits & HABIT_CLOSE)
		send_flags(end, TCP_FIN | TCP_ACK, NULL, 0);
}

// What leaves is a packet with right lengths and checksums, and whoever it is for hears it.
static void take(struct rte_mbuf *mbuf)
{
	const uint8_t *frame = rte_pktmbuf_mtod(mbuf, const uint8_t *);
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)(frame + RTE_ETHER_HDR_LEN);
	const struct rte_tcp_hdr *tcp = (const struct rte_tcp_hdr *)(ip + 1);
	struct end *end;
	uint32_t header;

	must(mbuf->nb_segs == 1 && mbuf->pkt_len == mbuf->data_len, "a frame is one segment");
	if (frame[12] != 8 || frame[13] != 0 || ip->next_proto_id != IPPROTO_TCP)
		return;
	must(mbuf->data_len == RTE_ETHER_HDR_LEN + ntohs(ip->total_length),
		"a packet has the length it says");
	must(frame_checksums_right(frame, mbuf->data_len), "checksums are right");
	header = (uint32_t)(tcp->data_off >> 4) * 4;
	must(header >= sizeof(*tcp) && sizeof(*ip) + header <= ntohs(ip->total_length),
		"a segment has its header");
	end = end_of(ip, tcp);
	if (!end && (tcp->dst_port == htons(8080) || tcp->dst_port == htons(8443)) &&
		tcp->tcp_flags == TCP_SYN)
		end = server_new(ip, tcp);
	if (end)
		heard(end, tcp, ntohs(ip->total_length) - (uint32_t)sizeof(*ip) - header);
}

static void drain(void)
{
	struct world *world = fuzz.world;
	struct rte_mbuf *mbuf;
	unsigned rounds = 0;
	bool more = true;

	while (more) {
		more = world_round(world) != 0;
		must(rounds++ < ROUNDS, "it comes to an end");
		for (unsigned port = 0; port < WORLD_PORTS; port++)
			while ((mbuf = world_sent(world, port, 0))) {
				take(mbuf);
				rte_pktmbuf_free(mbuf);
				more = true;
			}
		while (rte_ring_dequeue(world->host, (void **)&mbuf) == 0)
			rte_pktmbuf_free(mbuf);
		rte_ring_reset(world->resolve);
	}
}

static void open_client(struct end *end, struct input *input)
{
	static const uint8_t options[] = {
		2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7};
	uint8_t how = get8(input);
	struct outgoing out = {.seq = (uint32_t)how << 24 | 77,
		.window = 60000,
		.flags = TCP_SYN,
		.options = options,
		.options_length = how & 1   ? sizeof(options)
				  : how & 2 ? 4
					    : 0};

	SSL_free(end->tls);
	*end = (struct end){.used = true,
		.port = (uint16_t)(2000 + fuzz.port++ % 60000),
		.peer_port = how & 24  ? 443
			     : how & 4 ? 81
				       : 80,
		.tls = how & 8 ? tls_end_new(&fuzz.tls, false, fuzz.habits & HABIT_OLD) : NULL,
		.stamps = how & 1,
		.seq = out.seq};
	inet_pton(AF_INET, network_ipv4.client, &end->address);
	inet_pton(AF_INET, network_ipv4.vip, &end->peer);
	send_out(end, &out);
	end->seq++;
}

static void send_raw(struct end *end, struct input *input)
{
	struct outgoing out = {.flags = get8(input)};
	uint32_t options;

	out.seq = end->seq + (uint32_t)(int16_t)get16(input);
	out.ack = end->ack + (uint32_t)(int16_t)get16(input);
	out.window = get16(input);
	options = get(input, get8(input) % 41 & ~3u, &out.options);
	out.options_length = (uint8_t)(options & ~3u);
	out.length = get(input, get16(input) % (PAYLOAD + 1), &out.payload);
	send_out(end, &out);
}

static void say(struct end *end, const uint8_t *bytes, uint32_t length, unsigned how)
{
	if (!end->tls || how & SAY_BARE) {
		send_flags(end, TCP_PSH | TCP_ACK, bytes, length);
		return;
	}
	tls_end_say(end->tls, bytes, length);
	send_wire(end, how & SAY_SPOILED);
}

static void finish(struct end *end)
{
	if (end->tls && fuzz.habits & HABIT_BYE) {
		SSL_shutdown(end->tls);
		send_wire(end, false);
	}
	send_flags(end, TCP_FIN | TCP_ACK, NULL, 0);
}

static void pass(uint64_t milliseconds)
{
	drain();
	world_pass(fuzz.world, milliseconds);
	drain();
}

static void act(struct input *input)
{
	static const uint16_t times[] = {1, 50, 250, 1000, 3000, 10000, 30000, 65000};
	uint8_t byte = get8(input);
	struct end *end = &fuzz.ends[(byte >> 3) % (CLIENTS + SERVERS)];
	const uint8_t *bytes;
	const char *text;
	uint32_t n, how;

	if ((byte & 7) == DEED_TIME) {
		pass(times[get8(input) & 7]);
		return;
	}
	if ((byte & 7) == DEED_OPEN) {
		open_client(&fuzz.ends[(byte >> 3) % CLIENTS], input);
		return;
	}
	if (!end->used)
		return;
	switch ((enum deed)(byte & 7)) {
	case DEED_DATA:
		how = get16(input);
		n = get(input, (how & 0x3fff) % (PAYLOAD + 1), &bytes);
		say(end, bytes, n, how);
		break;
	case DEED_TEXT:
		text = texts[get8(input) % (sizeof(texts) / sizeof(texts[0]))];
		say(end, (const uint8_t *)text, (uint32_t)strlen(text), 0);
		break;
	case DEED_RAW:
		send_raw(end, input);
		break;
	case DEED_FIN:
		finish(end);
		break;
	case DEED_RESET:
		send_flags(end, TCP_RST | TCP_ACK, NULL, 0);
		break;
	case DEED_ACK:
		send_out(end, &(struct outgoing){.seq = end->seq,
				      .ack = end->ack,
				      .window = get16(input),
				      .flags = TCP_ACK});
		break;
	case DEED_OPEN:
	case DEED_TIME:
		break;
	}
}

static void nothing_is_left(void)
{
	const char *left = proxy_world_left(fuzz.world);

	must(!left, left);
	must(world_flows(fuzz.world) == 0, "no flow was made");
	must(rte_mempool_in_use_count(fuzz.frames) == 0, "all that came in has ended");
	must(rte_mempool_in_use_count(fuzz.pool) == 0, "all that was made has ended");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = {data, data + size};
	unsigned steps = 0;

	tls_ends_reset();
	fuzz.next_server = 0;
	fuzz.habits = get8(&input);
	for (unsigned i = 0; i < DEEDS && input.at < input.end; i++) {
		act(&input);
		drain();
	}
	for (unsigned i = 0; i < CLIENTS + SERVERS; i++) // nobody says anything any more
		SSL_free(fuzz.ends[i].tls);
	memset(fuzz.ends, 0, sizeof(fuzz.ends));
	fuzz.habits = HABIT_SILENT;
	while (!proxy_world_idle(fuzz.world)) {
		must(steps++ < END_STEPS, "connections end with time");
		pass(END_STEP * 1000);
	}
	nothing_is_left();
	return 0;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	frames_start((*argv)[0]);
	fuzz.frames = frames_pool("frames", BUFFERS);
	fuzz.pool = frames_pool("answers", BUFFERS);
	must(tls_start() == 0, "OpenSSL is there");
	tls_ends_start(&fuzz.tls);
	fuzz.world = proxy_world(fuzz.frames, fuzz.pool, fuzz.tls.chain, fuzz.tls.key);
	fuzz.proxy = fuzz.world->workers[0]->proxy;
	// DPDK's memory, in which LeakSanitizer does not look for what is pointed to.
	__lsan_register_root_region(fuzz.proxy, sizeof(*fuzz.proxy));
	return 0;
}
