// SPDX-License-Identifier: BSD-3-Clause
// The proxy between clients and servers that live in this process: our own TCP plays both, frames
// are lost by a seed, time is moved by hand. Every byte is checked, and at the end nothing may be
// left of any connection. proxy_network_test [CONNECTIONS]
// house: 500 lines and a few: one network, of which the parts are seen together
#include "frame_fixture.h"
#include "proxy_parts.h"
#include "world_network.h"

#include <errno.h>
#include <netinet/in.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define AT_ONCE   64
#define PENDING   65536
#define BODY_MOST 40000
#define POST_BODY 9000
#define LENT      255 // now and then there are not enough

struct peer { // a client, or a server's end
	bool used, client, headed, finished;
	bool post, last; // of the request at hand
	uint32_t size;   // of the response's body
	uint32_t got;    // of it, or of the request's body
	uint32_t head_length, requests_left;
	char head[512];
	struct tcp_connection *tcp;
};

struct network {
	struct rte_mempool *frames, *pool, *lent;
	bool runs; // the ports cut them
	uint64_t runs_seen;
	struct world *world;
	struct proxy *proxy;
	struct tcp *outside;
	usec_t now;
	uint64_t random;
	unsigned loss; // of 1000
	struct peer clients[AT_ONCE], servers[4096];
	uint32_t port;
	uint64_t started, done, forgotten;
	struct rte_mbuf *pending[PENDING];
	uint32_t pending_count;
};

static char body[BODY_MOST];

static uint32_t draw(struct network *net, uint32_t below)
{
	net->random = net->random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((net->random >> 33) % below);
}

static void out_of_outside(void *io, const struct tcp_output *out)
{
	struct network *net = io;
	struct rte_mbuf *mbuf;
	struct rte_ipv4_hdr *ip;
	uint8_t header[TCP_HEADER_MAX], *at;
	uint32_t length = tcp_write_header(out, header);
	uint16_t sum;

	if (draw(net, 1000) < net->loss || net->pending_count == PENDING)
		return;
	mbuf = rte_pktmbuf_alloc(net->frames);
	if (!mbuf)
		return;
	ip = (struct rte_ipv4_hdr *)rte_pktmbuf_append(
		mbuf, (uint16_t)(sizeof(*ip) + length + out->length));
	*ip = (struct rte_ipv4_hdr){.version_ihl = RTE_IPV4_VHL_DEF,
		.total_length = htons((uint16_t)(sizeof(*ip) + length + out->length)),
		.time_to_live = 64,
		.next_proto_id = IPPROTO_TCP};
	memcpy(&ip->src_addr, out->tuple->local.byte + 12, 4);
	memcpy(&ip->dst_addr, out->tuple->remote.byte + 12, 4);
	at = (uint8_t *)(ip + 1);
	memcpy(at, header, length);
	for (uint32_t i = 0, to = length; i < out->piece_count; to += out->pieces[i++].length)
		memcpy(at + to, out->pieces[i].data, out->pieces[i].length);
	sum = rte_ipv4_udptcp_cksum(ip, at);
	memcpy(at + 16, &sum, 2);
	net->pending[net->pending_count++] = mbuf;
}

static enum tcp_verdict listens(void *io, const struct tcp_tuple *tuple, struct tcp_open *open)
{
	return tuple->local_port == 8080 ? TCP_ACCEPT : TCP_REFUSE;
}

static void say(struct peer *peer, const char *bytes, uint32_t length)
{
	const struct tcp_piece piece = {bytes, length, NULL};

	assert_int_equal(tcp_send(peer->tcp, &piece, 1), 1);
}

// Texts that are sent must live until they are acknowledged: there are few different ones.
static const char *kept(const char *text)
{
	static char *texts[4096];
	static unsigned count;

	for (unsigned i = 0; i < count; i++)
		if (strcmp(texts[i], text) == 0)
			return texts[i];
	return texts[count++] = strdup(text);
}

static void ask(struct network *net, struct peer *peer)
{
	char text[256];

	peer->size = draw(net, 8) ? draw(net, 16) * 100 : draw(net, 40) * 1000;
	peer->post = draw(net, 4) == 0;
	peer->last = --peer->requests_left == 0;
	peer->headed = false;
	peer->got = peer->head_length = 0;
	snprintf(text, sizeof(text), "%s /%u HTTP/1.1\r\nHost: a.example\r\n%s%s\r\n",
		peer->post ? "POST" : "GET", peer->size, peer->last ? "Connection: close\r\n" : "",
		peer->post ? "Content-Length: 9000\r\n" : "");
	say(peer, kept(text), (uint32_t)strlen(text));
	if (peer->post)
		say(peer, body, POST_BODY);
}

static void answer(struct network *net, struct peer *peer)
{
	char text[256];
	bool close = draw(net, 16) == 0;

	snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\nContent-Length: %u\r\n%s\r\n", peer->size,
		close ? "Connection: close\r\n" : "");
	say(peer, kept(text), (uint32_t)strlen(text));
	if (peer->size)
		say(peer, body, peer->size);
	peer->headed = false;
	peer->got = peer->head_length = 0;
	if (close)
		tcp_finish(peer->tcp);
	peer->finished = close;
}

// Bytes of heads until they are whole; how many were taken.
static uint32_t take_head(struct peer *peer, const char *data, uint32_t length)
{
	uint32_t n = 0;

	while (n < length && !peer->headed) {
		assert_true(peer->head_length < sizeof(peer->head) - 1);
		peer->head[peer->head_length++] = data[n++];
		peer->head[peer->head_length] = 0;
		peer->headed = peer->head_length >= 4 &&
			       memcmp(peer->head + peer->head_length - 4, "\r\n\r\n", 4) == 0;
	}
	return n;
}

static void client_takes(struct network *net, struct peer *peer, const char *data, uint32_t length)
{
	while (length) {
		uint32_t n = take_head(peer, data, length);

		data += n;
		length -= n;
		if (!peer->headed)
			return;
		assert_memory_equal(peer->head, "HTTP/1.1 200 ", 13);
		assert_true(peer->got + length <= peer->size);
		assert_memory_equal(data, body + peer->got, length);
		peer->got += length;
		length = 0;
		if (peer->got < peer->size)
			return;
		if (!peer->last)
			ask(net, peer);
	}
}

static void server_takes(struct network *net, struct peer *peer, const char *data, uint32_t length)
{
	while (length) {
		uint32_t n = take_head(peer, data, length), most;

		data += n;
		length -= n;
		if (!peer->headed)
			return;
		peer->post = *peer->head == 'P';
		peer->size = (uint32_t)strtoul(strchr(peer->head, '/') + 1, NULL, 10);
		most = peer->post ? POST_BODY - peer->got : 0;
		n = length < most ? length : most;
		assert_memory_equal(data, body + peer->got, n);
		peer->got += n;
		data += n;
		length -= n;
		if (peer->post && peer->got < POST_BODY)
			return;
		answer(net, peer);
	}
}

static void takes(struct tcp_connection *connection, void *user, const struct tcp_piece *piece)
{
	struct network *net = tcp_io(connection);
	struct peer *peer = user;

	tcp_consume(connection, piece->length);
	if (peer->client)
		client_takes(net, peer, piece->data, piece->length);
	else if (!peer->finished)
		server_takes(net, peer, piece->data, piece->length);
	rte_pktmbuf_free(piece->owner);
}

static void happens(struct tcp_connection *connection, void *user, enum tcp_event what, int value)
{
	struct network *net = tcp_io(connection);
	struct peer *peer = user;

	if (what == TCP_EVENT_CONNECTED && !peer) {
		for (peer = net->servers; peer->used; peer++)
			assert_true(peer < net->servers + 4095);
		*peer = (struct peer){.used = true, .tcp = connection};
		tcp_set_user(connection, peer);
	} else if (what == TCP_EVENT_CONNECTED) {
		ask(net, peer);
	} else if (what == TCP_EVENT_FINISHED) {
		peer->finished = true;
		tcp_finish(connection);
	} else if (what == TCP_EVENT_CLOSED && peer) {
		if (peer->client) {
			// A FIN that was lost for so long that TIME_WAIT had to make room.
			net->forgotten += value == -ECONNRESET && peer->finished;
			assert_true(value == 0 || (value == -ECONNRESET && peer->finished));
			assert_true(peer->last && peer->headed && peer->got == peer->size);
			net->done++;
		}
		peer->used = false;
	}
}

static void released(void *io, void *owner)
{
	rte_pktmbuf_free(owner);
}

static const struct tcp_ops outside_ops = {.output = out_of_outside,
	.listen = listens,
	.receive = takes,
	.event = happens,
	.release = released};

static void plan(struct world *world)
{
	static struct http_site site = {.name = "main",
		.head_timeout_ms = 60000,
		.idle_timeout_ms = 60000,
		.body_timeout_ms = 60000,
		.head_bytes = 16384};
	static struct plan_backend backend = {(char *)"p", 1};
	static struct plan_upstream upstream = {.policy = {.tls_name = "",
							.hash_name = "",
							.idle_connections = 32,
							.idle_timeout_ms = 1000},
		.certificate = (char *)""};
	static struct plan_rule rule = {.kind = ROUTE_PREFIX,
		.path = (char *)"/",
		.object = (char *)"local/default/web",
		.backend_count = 1,
		.backends = &backend,
		.policy = {.connect_timeout_ms = 60000,
			.send_timeout_ms = 60000,
			.read_timeout_ms = 60000,
			.retry_on = RETRY_ERROR | RETRY_TIMEOUT | RETRY_NON_IDEMPOTENT,
			.retry_tries = 3}};
	static struct plan_host host = {(char *)"main", (char *)"a.example", 1, &rule};
	struct plan_change *change = change_new(0, 1);

	change->sites = &site;
	change->hosts = &host;
	change->site_count = change->host_count = 1;
	change_vip(change, network_ipv4.vip);
	change_pool(change, "p", ALGORITHM_ROUND_ROBIN)->upstream = &upstream;
	for (unsigned i = 0; i < 3; i++)
		change_endpoint(change, network_ipv4.pods[i], 8080, ENDPOINT_READY, 1);
	change_listener(change, network_ipv4.vip, IPPROTO_TCP, 80, "")->site = (char *)"main";
	assert_int_equal(world_apply(world, change), 0);
	change_free(change);
}

static void begin(struct network *net)
{
	struct tcp_config tcp;
	struct proxy_config config = {.connections = 4096,
		.sessions = 1024,
		.slices = 65536,
		.small_chunks = 4096,
		.large_chunks = 1024,
		.idle_upstreams = 256};

	net->world = world_new(&world_defaults, net->frames, net->pool);
	world_network(net->world);
	plan(net->world);
	net->world->rule.proxy_first = owner_proxy_part(&net->world->rule);
	config.rule = &net->world->rule;
	config.sources = &net->world->snat;
	config.transmitter = &net->world->workers[0]->transmitter;
	config.transmitter->fib = net->world->fib;
	config.pool = net->pool;
	config.lent = net->lent;
	for (unsigned i = 0; i < 2 && net->runs; i++)
		net->world->port_copies[i].caps |= PORT_TX_RUN;
	config.kept_chunks = 64;
	config.drops = net->world->workers[0]->counters.drops;
	net->proxy = proxy_new(&config);
	assert_non_null(net->proxy);
	tcp_config_default(&tcp);
	tcp.connections = tcp.waits = 8192;
	tcp.blocks = 32768;
	net->outside = tcp_new(&tcp, &outside_ops, net);
	net->now = 1000000;
}

static void connect_one(struct network *net, struct peer *peer)
{
	struct tcp_tuple tuple = {.local = address_of("198.51.100.7"),
		.remote = address_of(network_ipv4.vip),
		.remote_port = 80};
	struct tcp_open open = {.user = peer};

	*peer = (struct peer){.used = true, .client = true, .requests_left = 1 + draw(net, 3)};
	do {
		net->port++;
		tuple.local.byte[15] = (uint8_t)(1 + net->port / 60000 % 250);
		tuple.local_port = (uint16_t)(2000 + net->port % 60000);
	} while (tcp_connect(net->outside, &tuple, &open, &peer->tcp));
	net->started++;
}

static void into_proxy(struct network *net)
{
	uint32_t count = net->pending_count;

	net->pending_count = 0;
	for (uint32_t i = 0; i < count; i++) {
		struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod(net->pending[i], struct rte_ipv4_hdr *);
		struct packet packet = {.mbuf = net->pending[i],
			.l3 = (uint8_t *)ip,
			.l4 = (uint8_t *)(ip + 1),
			.length = ntohs(ip->total_length),
			.family = 4,
			.protocol = IPPROTO_TCP,
			.next = PACKET_PROXY};

		memcpy(&packet.ports, packet.l4, 4);
		proxy_input(net->proxy, &packet, 1);
		assert_int_equal(packet.next, PACKET_TAKEN);
	}
}

static void out_of_port(struct network *net, struct rte_mbuf *mbuf)
{
	const struct rte_ipv4_hdr *ip =
		rte_pktmbuf_mtod_offset(mbuf, const struct rte_ipv4_hdr *, RTE_ETHER_HDR_LEN);
	struct tcp_segment segment = {.tuple = {.remote = addr_from_v4(ip->src_addr),
					      .local = addr_from_v4(ip->dst_addr)}};
	const uint8_t *l4 = (const uint8_t *)(ip + 1);
	uint32_t length = ntohs(ip->total_length) - (uint32_t)sizeof(*ip);

	segment.tuple.remote_port = (uint16_t)(l4[0] << 8 | l4[1]);
	segment.tuple.local_port = (uint16_t)(l4[2] << 8 | l4[3]);
	segment.payload.owner = mbuf;
	if (draw(net, 1000) < net->loss) {
		rte_pktmbuf_free(mbuf);
		return;
	}
	assert_true(tcp_checks(&segment.tuple, l4, length));
	assert_int_equal(tcp_parse(&segment, l4, length), 0);
	if (!tcp_input(net->outside, &segment, net->now))
		rte_pktmbuf_free(mbuf);
}

// What a port makes of a run: frames with headers of their own, whose checksums are right.
static void cut(struct network *net, struct rte_mbuf *run)
{
	uint32_t headers = (uint32_t)(run->l2_len + run->l3_len + run->l4_len);
	uint32_t segment = run->tso_segsz;

	net->runs_seen++;
	assert_int_equal(run->data_len, headers);
	assert_int_equal(run->pkt_len - run->l2_len,
		ntohs(rte_pktmbuf_mtod_offset(run, struct rte_ipv4_hdr *, run->l2_len)
				->total_length));
	for (uint32_t at = headers; at < run->pkt_len; at += segment) {
		uint32_t length = RTE_MIN(run->pkt_len - at, segment);
		struct rte_mbuf *mbuf = rte_pktmbuf_alloc(net->frames);
		uint8_t *frame = (uint8_t *)rte_pktmbuf_append(mbuf, (uint16_t)(headers + length));
		struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(frame + run->l2_len);
		struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)(ip + 1);
		const void *payload = rte_pktmbuf_read(run, at, length, frame + headers);

		assert_non_null(payload);
		memmove(frame + headers, payload, length);
		memcpy(frame, rte_pktmbuf_mtod(run, void *), headers);
		ip->total_length = htons((uint16_t)(headers - run->l2_len + length));
		tcp->sent_seq = htonl(ntohl(tcp->sent_seq) + at - headers);
		if (at + length < run->pkt_len)
			tcp->tcp_flags &= (uint8_t) ~(RTE_TCP_FIN_FLAG | RTE_TCP_PSH_FLAG);
		tcp->cksum = 0;
		tcp->cksum = rte_ipv4_udptcp_cksum(ip, tcp);
		out_of_port(net, mbuf);
	}
	rte_pktmbuf_free(run);
}

static void out_of_proxy(struct network *net, unsigned port)
{
	struct rte_mbuf *mbuf;

	while ((mbuf = world_sent(net->world, port, 0))) {
		if (mbuf->ol_flags & RTE_MBUF_F_TX_TCP_SEG)
			cut(net, mbuf);
		else
			out_of_port(net, mbuf);
	}
}

static void step(struct network *net)
{
	net->now += 300;
	proxy_begin(net->proxy, tables_current(net->world->tables), net->world->fib, net->now);
	into_proxy(net);
	proxy_run(net->proxy);
	transmit_flush(&net->world->workers[0]->transmitter);
	out_of_proxy(net, 0);
	out_of_proxy(net, 1);
	tcp_run(net->outside, net->now);
}

static uint32_t in_use(const struct pieces *pieces)
{
	uint32_t free_ones = 0;

	for (void *piece = pieces->free; piece; piece = *(void **)piece)
		free_ones++;
	return pieces->used - free_ones;
}

static void nothing_is_left(struct network *net)
{
	struct proxy *proxy = net->proxy;
	uint32_t connections, waits, blocks;

	assert_int_equal(proxy->stats.connections, 0);
	assert_int_equal(proxy->stats.upstreams, 0);
	assert_int_equal(in_use(&proxy->sessions), 0);
	assert_int_equal(in_use(&proxy->upstreams), 0);
	assert_int_equal(in_use(&proxy->slices), 0);
	assert_int_equal(in_use(&proxy->small), 0);
	assert_int_equal(in_use(&proxy->large), 0);
	tcp_usage(proxy->tcp, &connections, &waits, &blocks);
	assert_int_equal(connections, 0);
	assert_int_equal(blocks, 0);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(proxy->load[i], 0);
	assert_int_equal(rte_mempool_in_use_count(net->frames), 0);
}

static void play(struct network *net, uint64_t connections, unsigned loss, uint64_t seed)
{
	net->random = seed;
	net->loss = loss;
	net->started = net->done = net->forgotten = 0;
	while (net->done < connections) {
		uint64_t before = net->done;

		for (unsigned i = 0; i < AT_ONCE && net->started < connections; i++)
			if (!net->clients[i].used)
				connect_one(net, &net->clients[i]);
		for (unsigned i = 0; i < 400000 && net->done == before; i++)
			step(net);
		assert_true(net->done > before); // else it stands still
	}
	assert_true(net->forgotten <= (loss ? connections / 10000 : 0));
	net->loss = 0;
	for (unsigned i = 0; i < 500000; i++) // 150 seconds
		step(net);
	nothing_is_left(net);
}

static uint64_t connections = 5000;

static void no_byte_and_no_memory_is_lost(void **state)
{
	struct network *net = *state;

	for (uint32_t i = 0; i < BODY_MOST; i++)
		body[i] = (char)(i * 2654435761u >> 13);
	begin(net);
	proxy_realtime(net->proxy, 784111777000000);
	assert_string_equal(proxy_date(net->proxy), "Sun, 06 Nov 1994 08:49:37 GMT");
	play(net, connections, 0, 1);
	play(net, connections / 10, 30, 2);
	tcp_free(net->outside);
	proxy_free(net->proxy);
	world_free(net->world);
	assert_true(rte_mempool_full(net->frames) && rte_mempool_full(net->pool) &&
		    rte_mempool_full(net->lent));
	assert_true(net->runs ? net->runs_seen > connections / 100 : net->runs_seen == 0);
}

static void nor_where_ports_cut_runs(void **state)
{
	((struct network *)*state)->runs = true;
	no_byte_and_no_memory_is_lost(state);
}

static int setup(void **state)
{
	struct network *net = calloc(1, sizeof(*net));

	net->frames = frames_pool("frames", 4095);
	net->pool = frames_pool("answers", 4095);
	net->lent = rte_pktmbuf_pool_create("lent", LENT, 0, 0, 0, SOCKET_ID_ANY);
	*state = net;
	return !net || !net->lent;
}

static int teardown(void **state)
{
	struct network *net = *state;

	frames_pool_free(net->frames);
	frames_pool_free(net->pool);
	rte_mempool_free(net->lent);
	free(net);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(no_byte_and_no_memory_is_lost, setup, teardown),
		cmocka_unit_test_setup_teardown(nor_where_ports_cut_runs, setup, teardown),
	};

	connections = argc > 1 ? strtoull(argv[1], NULL, 10) : connections;
	frames_start(argv[0]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
