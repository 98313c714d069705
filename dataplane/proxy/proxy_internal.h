// SPDX-License-Identifier: BSD-3-Clause
// What the proxy is made of; what its files do for one another is in proxy_parts.h.
//
// Rule: a session is run only from proxy_run(): what happens to its connections only marks it.
#pragma once

#include "h1.h"
#include "h1_write.h"
#include "proxy.h"
#include "proxy_pieces.h"

#define HEAD_MAX  SLUICE_HEAD_BYTES // and in a chunk what we add to it
#define TRIED_MAX 4

#define PASSTHROUGH_CONNECT_MS 5000
#define PASSTHROUGH_IDLE_MS    600000
#define PASSTHROUGH_TRIES      3

struct deadline {
	struct deadline *next, **link; // NULL: not in the wheel
	usec_t due;
	uint8_t kind; // enum deadline_kind
};

enum deadline_kind {
	DEADLINE_SESSION,
	DEADLINE_UPSTREAM,
};

struct session;

// One TCP connection as a stream of bytes.
struct link {
	struct tcp_connection *tcp; // NULL: there is none (any more)
	bool client;                // else an upstream's
	bool connected;
	bool ending;            // the remote's TCP sends no more; what TLS has to open may be left
	bool finished;          // the remote sends no more
	bool ended;             // we send no more
	bool broken;            // its TLS failed, or bytes were lost
	bool full;              // ciphertext may be left for want of room
	bool bulk;              // much is being sent
	int error;              // why it closed
	uint32_t sealed_length; // of what is written there
	struct slices in;

	struct tls_connection *tls; // NULL: none
	struct slices raw;          // ciphertext that waits
	struct chunk *sealed;       // where ciphertext is written; NULL: nowhere yet
};

struct upstream {
	struct link link;                       // first
	struct session *session;                // NULL: idle
	struct upstream *next, **previous_next; // among the endpoint's idle ones
	struct upstream *older, *newer;         // among all idle ones
	uint32_t endpoint;                      // slot
	struct addr address;
	uint16_t port;
	bool reused; // since its last request
	bool keep;   // after this response
	uint32_t idle_timeout_ms, idle_limit;
	bool tls;
	bool announce; // a PROXY header is to be sent ahead
	uint32_t pool; // slot, and the hash of its name: who says how TLS is spoken
	uint64_t pool_hash;
	struct deadline deadline;
};

enum session_state {
	SESSION_ANNOUNCED, // for a PROXY header
	SESSION_HELLO,     // for a ClientHello, to see whom it is for
	SESSION_HEAD,      // for a request's head
	SESSION_WAIT,      // for the connection to the endpoint
	SESSION_STREAM,    // request on its way, response on its way
	SESSION_TUNNEL,    // bytes both ways (upgrade)
	SESSION_LINGER,    // our last word is said; for the client to have it
};

struct session {
	struct link link; // first: the client's
	struct session *dirty_next;
	bool dirty;
	bool passthrough; // TLS goes on as it is
	bool ended;       // to be freed by whoever runs it
	bool timed_out;   // its timer fired
	bool waiting;     // for the first byte of a head
	bool head_begun;  // some of a head is there
	uint8_t state;    // enum session_state
	bool tls;
	uint32_t site, listener; // slots
	uint16_t vip_port;
	uint8_t client_length;
	char client[ADDR_TEXT];
	struct addr peer;    // who connected, or whom its PROXY header names
	struct addr address; // the client's: of a trusted peer, whom it has the request from
	uint16_t peer_port, port;
	bool trusted; // the peer is: it may say what it likes of this request
	uint32_t requests;
	struct h1_scan scan; // of the head that is being read: the request's, then its answer's
	struct deadline deadline;

	// The request at hand
	struct upstream *upstream;
	struct h1_body request, response;
	struct chunk *head;             // to be sent upstream, kept until the response has begun
	struct chunk *kept, *kept_last; // what has gone of the body, for another endpoint
	uint32_t kept_length, kept_sent;
	uint32_t head_length;
	uint32_t rule; // slot, UINT32_MAX = none
	uint32_t pool; // slot
	uint32_t connect_ms, send_ms, read_ms;
	uint32_t retry_on;
	uint32_t tries_left;
	uint64_t pool_hash;
	uint64_t body_limit;
	usec_t started;
	union {
		usec_t retry_until;
		usec_t linger_until; // after the last request
	};
	uint32_t tried[TRIED_MAX];
	uint8_t tried_count;
	bool idempotent, to_head, keep_alive, upgrade, expect;
	bool request_sent;   // all of the request's body has gone to this upstream
	bool body_consumed;  // some of the body is not kept: the request cannot be sent again
	bool response_begun; // some of a final response has gone to the client
	bool stalled;        // the response waits for the client to take what it was sent
	bool unchunk;
	bool client_old; // HTTP/1.0
	uint16_t status;
	uint64_t hash; // for pools that hash
	uint64_t bytes_in, bytes_out;
	// For the log
	struct chunk *words; // of the request's head; NULL: none
	enum http_refusal refusal;
	uint16_t upstream_status;
	uint8_t upstream_tls; // enum tls_refusal: why TLS with the endpoint asked last failed
	usec_t connected_at, answered_at; // 0: not yet
};

struct endpoint_links { // by endpoint slot
	struct upstream *idle;
	uint32_t idle_count;
	usec_t failed_until;
};

#define WHEEL_SLOTS 4096
#define WHEEL_TICK  16384 // microseconds

struct proxy {
	struct proxy_config config;
	const struct tables *tables;
	const struct fib *fib;
	struct tcp *tcp;
	struct tls *tls;
	usec_t now;
	struct session *dirty, **dirty_last;
	uint64_t turn_cycles; // most of a round's for them
	struct pieces sessions, upstreams, slices, small, large, kept;
	struct upstream *idle_oldest, *idle_newest;
	struct endpoint_links *endpoints; // SLUICE_ENDPOINTS_MAX
	uint32_t *load;                   // requests under way, by endpoint slot
	uint32_t *latency;                // moving average, microseconds, likewise
	uint32_t fade_cursor;             // the next of them to be lessened
	bool scarce;                      // packets' buffers are
	enum drop refused;              // why the segment at hand is dropped; DROP_NONE: it is not
	usec_t counted;                 // when they were looked at
	struct pick_state *pick_states; // by pool slot
	uint32_t port_cursor;
	uint64_t random[2], wheel_tick;
	struct deadline *wheel[WHEEL_SLOTS];
	int64_t realtime_offset_us; // CLOCK_REALTIME less `now`
	int64_t date_second;
	char date[29];
	uint16_t ip_id;
	uint32_t log_cursor;
	uint64_t log_credit; // lines, in millionths
	usec_t log_counted;
	struct proxy_stats stats;
	struct h1_head request_head, response_head; // scratch
};
