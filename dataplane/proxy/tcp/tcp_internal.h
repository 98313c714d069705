// SPDX-License-Identifier: BSD-3-Clause
// What the files of this folder share. Who does what: tcp.c memory and index; verbs.c the caller's;
// open.c handshakes and cookies; input.c a segment's way; ack.c what it acknowledges; recovery.c
// what was lost and its timers; congestion.h how much may be under way; receive.c order and window;
// output.c segments out; timer.c and wheel.c time; wait.c TIME_WAIT; wire.c bytes.
#pragma once

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "tcp.h"

enum tcp_state { // the diagram is in input.c
	STATE_CLOSED,
	STATE_SYN_SENT,
	STATE_SYN_RECEIVED,
	STATE_ESTABLISHED,
	STATE_FIN_WAIT_1,
	STATE_FIN_WAIT_2,
	STATE_CLOSING,
	STATE_CLOSE_WAIT,
	STATE_LAST_ACK,
	STATES
};

enum { // of what is under way
	PHASE_OPEN,
	PHASE_RECOVERY,
	PHASE_LOSS, // after a timeout
};

enum {
	TIMER_SEND,
	TIMER_ACK,
	TIMER_IDLE,
	TIMER_PACE,
	TIMERS
};

enum { // what TIMER_SEND waits for
	SEND_TIMEOUT,
	SEND_REORDER,
	SEND_TAIL,
	SEND_PERSIST,
	SEND_QUIET, // nothing is under way: for the control's memory to go back
	SEND_SYN
};

enum { // marks of a sent segment
	MARK_SACKED = 1,
	MARK_LOST = 2,        // and not sent again yet
	MARK_RESENT = 4,      // sent more than once
	MARK_APP_LIMITED = 8, // when it was sent there was no more to send
};

struct block { // 32 bytes
	struct block *next;
	uint32_t seq, end;
	union {
		struct { // queued to send, or held out of order
			const uint8_t *data;
			void *owner;
		};
		struct { // a segment under way
			uint32_t sent_us;
			uint32_t marks : 8, span_us : 24;
			uint32_t delivered, delivered_us; // the rest: rate.c
		};
	};
};

struct block_list {
	struct block *head, *tail;
};

struct tcp_connection {
	struct tcp_tuple tuple;
	uint8_t state, phase;
	uint8_t options; // agreed
	uint8_t armed;   // timers, a bit each
	struct tcp_connection *chain;
	struct tcp *tcp;
	void *user;

	// Receiving
	uint32_t rcv_nxt, rcv_edge;       // edge: of the window as the remote knows it
	uint32_t unconsumed, rcv_limit;   // bytes
	uint32_t consumed, consumed_us;   // in the round trip since then
	uint32_t ts_recent, ts_recent_ms; // RFC 7323
	uint32_t ack_sent, ack_bytes;     // last acknowledged; bytes since
	uint32_t recent[3], recent_end;   // starts of the latest blocks out of order; its end
	uint32_t held_count, irs, fin_at;
	struct tcp_range duplicate; // to be told of (D-SACK); empty: none
	struct block_list held;

	// Sending
	uint32_t iss, snd_una, snd_nxt;
	uint32_t snd_wnd, snd_wl1, snd_wl2, wnd_max;
	uint32_t queue_end; // the sequence number after what is queued
	uint32_t queued_count, sent_count;
	struct block_list queue; // pieces, from the one snd_una is in
	struct block *cursor;    // the piece that holds snd_nxt; NULL: behind the last
	struct block_list sent;  // segments under way, in order
	uint32_t sacked_bytes, lost_bytes;
	uint32_t ts_offset;
	uint32_t mss;     // most payload and options of a segment
	uint32_t sent_us; // last data sent

	// Round trip, microseconds
	uint32_t srtt, rttvar, rto, min_rtt, min_rtt_ms;
	uint32_t timeout_start_ms, tail_start_ms; // when the timers began to run
	uint32_t progress_ms, heard_ms;
	// RACK
	uint32_t rack_us, rack_end, rack_rtt, rack_high, reorder_ms;
	// Congestion, bytes
	struct congestion *congestion; // NULL: nothing was sent for a while
	uint32_t cwnd, ssthresh, recover;
	uint32_t tail_end; // snd_nxt at the tail probe

	// Time, ms
	uint32_t deadline[TIMERS], wheel_ms;
	struct tcp_connection *wheel_next, **wheel_link;
	struct tcp_connection *pending_next;
	uint32_t challenge_ms;
	uint8_t challenges;
	uint8_t send_kind, backoff, keep_sent;
	uint8_t snd_scale, rcv_scale;
	uint8_t quick_acks; // segments yet that are acknowledged at once
	uint8_t duplicate_acks, reorder_steps, reorder_keep;
	bool pending : 1, ack_now : 1, listed : 1; // listed: in the index
	bool passive : 1, nagle : 1, left : 1;
	bool fin_queued : 1, fin_received : 1, syn_resent : 1, syn_due : 1;
	bool rack_known : 1, reordering : 1, reorder_armed : 1;
	bool tail_probed : 1, tail_resent : 1,
		force : 1; // force: one segment, whatever the windows say
	bool limited : 1, fin_known : 1;
	uint16_t mtu;
};

struct wait { // a connection in TIME_WAIT
	struct tcp_tuple tuple;
	uint32_t rcv_nxt, snd_nxt, window;
	uint32_t ts_recent, ts_offset, expires_ms, since_ms;
	uint8_t options;
	uint32_t chain, older, newer; // indices; UINT32_MAX: none
};

#define CWND_MOST (1U << 30)

#define WHEEL_LEVELS 4
#define WHEEL_BITS   6
#define WHEEL_SLOTS  (1U << WHEEL_BITS)

struct wheel {
	uint64_t now_ms;
	uint64_t used[WHEEL_LEVELS]; // a bit a slot
	struct tcp_connection *slots[WHEEL_LEVELS][WHEEL_SLOTS];
};

// Segments that follow one another, not sent yet.
struct run {
	struct tcp_piece pieces[TCP_RUN_PIECES];
	uint32_t count, length, segments;
	uint32_t seq, cut, last; // bytes of the first segment, of the last
	bool fin;
};

struct tcp {
	const struct tcp_ops *ops;
	void *io;
	usec_t now_us;
	uint32_t now_ms;
	uint32_t bucket_mask, wait_mask;
	struct tcp_connection **buckets;
	struct tcp_connection *connections, *free_connections;
	struct block *blocks, *free_blocks;
	const struct congestion_kind *control;
	struct congestion *congestions, *free_congestions;
	struct tcp_connection *paced; // wait for less than a millisecond
	usec_t paced_us;              // until then
	struct wait *waits;
	uint32_t *wait_buckets;
	uint32_t wait_free, wait_oldest, wait_newest;
	uint32_t used_connections, used_waits, used_blocks, half_open;
	// ever used; the rest takes no memory
	uint32_t made_connections, made_waits, made_blocks, made_congestions;
	uint32_t resets_ms, resets; // sent in the second that began then
	uint32_t cookie_ms;
	bool cookies; // some were sent, the last at cookie_ms
	bool scarce;  // memory that holds payload is
	struct tcp_connection *pending_head, *pending_tail;
	uint64_t key[2];
	struct run run;
	struct wheel wheel;
	struct tcp_config config;
	uint64_t counters[TCP_COUNTERS];
};
