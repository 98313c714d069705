// SPDX-License-Identifier: BSD-3-Clause
// The proxy of one worker: ends clients' TCP connections at listeners with `http`, reads requests,
// and speaks for them to endpoints. One thread, the worker's; no lock. All memory is taken at
// proxy_new(); the round's snapshots (tables, fib) are set by the worker before each call.
//
// A round: proxy_input() for the packets of each burst, then proxy_run() once.
#pragma once

#include "clock.h"
#include "flow.h"
#include "log_ring.h"
#include "owner.h"
#include "packet.h"
#include "pick.h"
#include "open.h"
#include "proxy_stats.h"
#include "tables_http.h"
#include "tcp.h"
#include "tls.h"
#include "transmit.h"

struct proxy;

struct proxy_config {
	uint16_t worker;
	uint32_t connections; // of TCP, both sides together
	uint32_t sessions;    // clients' connections
	uint32_t slices, small_chunks, large_chunks;
	uint32_t kept_chunks;    // for bodies that may have to be sent again
	uint32_t idle_upstreams; // kept for a next request, all endpoints together
	enum tcp_congestion congestion;
	const struct owner_rule *rule;
	const struct open_sources *sources;
	struct transmitter *transmitter;
	struct rte_mempool *pool;    // of packets to be sent
	struct rte_mempool *lent;    // of mbufs without memory of their own, for runs
	uint64_t *drops;             // counters by enum drop
	struct tls_tickets *tickets; // of all workers
	struct tls_crypto *crypto;   // NULL: handshakes are the worker\'s own
	struct log_ring *log;        // NULL: no requests are logged
	uint32_t log_rate;           // lines a second; 0 = any number
};

// NULL when memory is short.
struct proxy *proxy_new(const struct proxy_config *config);
void proxy_free(struct proxy *proxy);

// What the worker sets before each round.
void proxy_begin(
	struct proxy *proxy, const struct tables *tables, const struct fib *fib, usec_t now);
// CLOCK_REALTIME less the proxy's time; again every now and then, as either clock strays.
void proxy_realtime(struct proxy *proxy, int64_t offset_us);
// Takes the packets that are PACKET_PROXY; they become PACKET_TAKEN or PACKET_DROP.
void proxy_input(struct proxy *proxy, struct packet *packets, unsigned n);
bool proxy_run(struct proxy *proxy); // true when it had something to do
// Is this the tuple of a connection of the proxy's, client's or endpoint's? As it arrives: remote
// is the source.
bool proxy_has(const struct proxy *proxy, const struct tcp_tuple *tuple);
// An ICMP error, checked, that is about no flow: is it about a segment of ours? Then the packet is
// taken.
bool proxy_icmp(struct proxy *proxy, struct packet *packet);
// Endpoints that are gone: closes what is kept for them. A part of them a call; true when done.
bool proxy_sweep(struct proxy *proxy, uint32_t *cursor);
// Shows clients' connections, a part of them a call; true when that were all. Those that `ends`
// says true of are reset, with what is under way for them.
bool proxy_flows(struct proxy *proxy, uint32_t *cursor,
	bool (*ends)(void *arg, const struct flow_view *view), void *arg);
// The worker's own turn for this pool as it is now; any thread, for people.
void proxy_preview(const struct proxy *proxy, const struct pool *pool, struct pick_state *state);
// What pools that hash go by, of the text their policy names: the same on any box.
uint64_t proxy_hash(const char *bytes, size_t length);
const struct proxy_stats *proxy_stats(const struct proxy *proxy);
const struct tls *proxy_tls(const struct proxy *proxy); // for its counters
uint64_t proxy_tcp_count(const struct proxy *proxy, enum tcp_counter counter);
