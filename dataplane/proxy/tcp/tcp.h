// SPDX-License-Identifier: BSD-3-Clause
// TCP endpoints without input or output of their own: segments, time and a key come in as
// arguments; segments and events go out through callbacks. One instance a worker; no locks, any one
// thread.
//
// A caller's turn: tcp_input() for each segment of a burst, then tcp_run() once. tcp_run() fires
// what is due and sends what the burst, and the caller's answers to it, made ready; so an answer
// carries the acknowledgement, and a burst costs one. tcp_next_us() says when to call again at the
// latest. Callbacks may call everything but tcp_input(), tcp_run() and tcp_free(); output may call
// nothing.
//
// Payload is never copied. What is sent stays the caller's memory until release() names its owner;
// what arrives is lent with the segment and, if kept, ends in one receive() or one release(). Data
// received closes the window until tcp_consume() opens it: that is the backpressure.
//
// Memory: all reserved at tcp_new(), and touched when it is first needed. An idle connection is one
// struct; blocks of 32 bytes, shared by all and bounded for each, hold queued pieces, sent segments
// and what arrived out of order. Integers in host order. Sequence numbers wrap. 0 or -errno where a
// call can fail.
//
// RFC 9293, 7323 (scale, timestamps, PAWS), 2018 and 2883 (SACK), 8985 (RACK-TLP), 6582 (NewReno
// without SACK), 6937 (proportional rate reduction), 9438 (CUBIC), draft-ietf-ccwg-bbr, 6928
// (IW10), 6298 (RTO; its floor is 200 ms, not 1 s), 6528 (ISN), 4987 (SYN cookies), 5961 (blind
// attacks), 5927 (ICMP), 6191, 1337.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "addr.h"
#include "clock.h"
#include "tcp_config.h"

struct tcp;
struct tcp_connection; // from its first event, or tcp_connect(), until TCP_EVENT_CLOSED or an abort

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_PSH 0x08
#define TCP_ACK 0x10

#define TCP_OPTION_SCALE 0x01
#define TCP_OPTION_SACK  0x02 // permitted
#define TCP_OPTION_TIME  0x04

#define TCP_HEADER_MIN 20
#define TCP_HEADER_MAX 60 // bytes, options included
#define TCP_PIECES_MAX 16 // of one segment out
#define TCP_RUN_PIECES 64 // of a run of them
#define TCP_SACK_MAX   4

struct tcp_tuple { // no padding: compared as bytes
	struct addr local, remote;
	uint16_t local_port, remote_port;
};

struct tcp_piece {
	const void *data;
	uint32_t length;
	void *owner; // the caller's; what release() is told
};

struct tcp_range {
	uint32_t start, end; // [start, end) of sequence numbers
};

struct tcp_segment { // in; tcp_parse() fills all but the addresses and the payload's owner
	struct tcp_tuple tuple;
	uint32_t seq, ack;
	uint16_t window; // as on the wire
	uint16_t mss;    // 0: no such option
	uint8_t flags, options, scale, sack_count;
	uint32_t ts_value, ts_echo; // with TCP_OPTION_TIME
	struct tcp_range sack[TCP_SACK_MAX];
	struct tcp_piece payload;
};

struct tcp_output { // out; nothing in it outlives the callback, but the data it names
	const struct tcp_tuple *tuple;
	uint32_t seq, ack;
	uint16_t window; // as on the wire
	uint8_t flags, options_length;
	uint8_t options[40]; // as on the wire, padded to words
	const struct tcp_piece *pieces;
	uint32_t piece_count, length; // length: of the payload
	uint32_t cut; // a run: bytes of each segment but the last, which has FIN and PSH; 0: one
};

struct tcp_open { // how a new connection is to be
	void *user;
	uint16_t mtu;           // IP bytes towards the remote; 0: 1500
	bool nagle;             // hold small segments back while any is under way
	uint32_t receive_bytes; // most unconsumed bytes; 0: the configuration's, never more than it
};

enum tcp_verdict {
	TCP_ACCEPT,
	TCP_REFUSE, // answer with a reset
	TCP_IGNORE,
};

enum tcp_event {
	TCP_EVENT_CONNECTED, // either side
	TCP_EVENT_SENT,      // value: bytes newly acknowledged
	TCP_EVENT_FINISHED,  // the remote sends no more; all it sent was delivered
	// The last one. value: 0, -ECONNRESET, -ETIMEDOUT, -ECONNREFUSED, -EHOSTUNREACH
	TCP_EVENT_CLOSED,
};

struct tcp_ops {
	void (*output)(void *io, const struct tcp_output *out);
	// A SYN, or the cookie of one, without a connection: fills *open, which is zero.
	enum tcp_verdict (*listen)(void *io, const struct tcp_tuple *tuple, struct tcp_open *open);
	// The next bytes in order; the owner is the callee's from here on.
	void (*receive)(struct tcp_connection *connection, void *user, const struct tcp_piece *);
	void (*event)(struct tcp_connection *connection, void *user, enum tcp_event, int value);
	void (*release)(void *io, void *owner);
};

enum tcp_counter {
	TCP_COUNT_IN,
	TCP_COUNT_OUT,
	TCP_COUNT_ACCEPTED,
	TCP_COUNT_RETRANSMITTED,
	TCP_COUNT_TIMEOUTS,
	TCP_COUNT_PROBES,
	TCP_COUNT_COOKIES_SENT,
	TCP_COUNT_COOKIES_ACCEPTED,
	TCP_COUNT_COOKIES_REFUSED,
	TCP_COUNT_CHALLENGES,
	TCP_COUNT_PAWS,
	TCP_COUNT_OUT_OF_WINDOW,
	TCP_COUNT_DUPLICATE,
	TCP_COUNT_HELD,
	TCP_COUNT_RESETS_SENT,
	TCP_COUNT_RESETS_UNSENT,
	TCP_COUNT_NO_CONNECTION, // SYNs refused: table full
	TCP_COUNT_NO_BLOCK,
	TCP_COUNT_WAIT_EVICTED,
	TCP_COUNTERS
};

// NULL when memory is short. ops and io outlive the instance.
struct tcp *tcp_new(const struct tcp_config *config, const struct tcp_ops *ops, void *io);
// Forgets all connections without a word to anyone; releases every owner.
void tcp_free(struct tcp *tcp);
void tcp_run(struct tcp *tcp, usec_t now);
// No connection has more than the usual until told that it may again.
void tcp_scarce(struct tcp *tcp, bool scarce);
usec_t tcp_next_us(const struct tcp *tcp); // never later than what is due; UINT64_MAX: nothing is
// True when the payload was kept (delivered or held), false when it is still the caller's.
bool tcp_input(struct tcp *tcp, const struct tcp_segment *segment, usec_t now);

// -EADDRINUSE, -ENOBUFS. The SYN goes out with the next tcp_run().
int tcp_connect(struct tcp *tcp, const struct tcp_tuple *tuple, const struct tcp_open *open,
	struct tcp_connection **connection);
// Queues pieces; the number taken (0 when there is no room), or -EPIPE after tcp_finish().
// Each owner taken is released once, in order.
int tcp_send(struct tcp_connection *connection, const struct tcp_piece *pieces, int count);
uint32_t tcp_send_room(const struct tcp_connection *connection); // bytes
void tcp_consume(struct tcp_connection *connection, uint32_t bytes);
void tcp_finish(struct tcp_connection *connection); // FIN behind what is queued
void tcp_leave(struct tcp_connection *connection);  // finish, and want no more events
void tcp_abort(struct tcp_connection *connection);  // reset; gone
void *tcp_user(const struct tcp_connection *connection);
void *tcp_io(const struct tcp_connection *connection); // what tcp_new() was given
// Is there a connection, or one in TIME_WAIT, of this tuple?
bool tcp_has(const struct tcp *tcp, const struct tcp_tuple *tuple);
void tcp_set_user(struct tcp_connection *connection, void *user);
const struct tcp_tuple *tcp_tuple_of(const struct tcp_connection *connection);
// News by ICMP about a segment of ours with this sequence number.
void tcp_too_big(struct tcp *tcp, const struct tcp_tuple *tuple, uint32_t seq, uint16_t mtu);
void tcp_unreachable(struct tcp *tcp, const struct tcp_tuple *tuple, uint32_t seq);

uint64_t tcp_count(const struct tcp *tcp, enum tcp_counter counter);
const char *tcp_counter_name(enum tcp_counter counter);
const char *tcp_state_name(const struct tcp_connection *connection);
void tcp_usage(const struct tcp *tcp, uint32_t *connections, uint32_t *waits, uint32_t *blocks);
uint32_t tcp_connection_bytes(void);

// The segments of an output, one after another: the next one into *one, whose pieces live in *cut.
// False: that were all.
struct tcp_cut {
	const struct tcp_output *run;
	uint32_t done, at, skip; // bytes of payload; the piece they end in, bytes of that
	bool begun;
	struct tcp_piece pieces[TCP_RUN_PIECES];
};
void tcp_cut_begin(struct tcp_cut *cut, const struct tcp_output *run);
bool tcp_cut_next(struct tcp_cut *cut, struct tcp_output *one);

// The wire. parse: 0 or -EBADMSG; header: bytes written, checksum zero; sum: for the header's
// field, over header and pieces; checks: whether bytes of a whole segment agree with their
// checksum.
int tcp_parse(struct tcp_segment *segment, const uint8_t *bytes, uint32_t length);
uint32_t tcp_write_header(const struct tcp_output *out, uint8_t bytes[static TCP_HEADER_MAX]);
uint16_t tcp_checksum(const struct tcp_output *out, const uint8_t *header, uint32_t length);
bool tcp_checks(const struct tcp_tuple *tuple, const uint8_t *bytes, uint32_t length);
