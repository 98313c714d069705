// SPDX-License-Identifier: BSD-3-Clause
// What the files of this folder ask of each other, a section a file; tcp_internal.h says who does
// what.
#pragma once

#include "tcp_internal.h"

static inline bool seq_before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

static inline uint32_t min_u32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static inline uint32_t max_u32(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

static inline uint32_t now_us32(const struct tcp *tcp)
{
	return (uint32_t)tcp->now_us;
}

// Bytes under way that may still be in the network.
static inline uint32_t pipe_bytes(const struct tcp_connection *c)
{
	uint32_t gone = c->sacked_bytes + c->lost_bytes, out = c->snd_nxt - c->snd_una;

	return out > gone ? out - gone : 0;
}

static inline bool blocks_left(const struct tcp *tcp)
{
	return tcp->used_blocks < tcp->config.blocks;
}

// Whether a connection may have more than its usual share.
static inline bool plenty(const struct tcp *tcp)
{
	return !tcp->scarce && tcp->used_blocks < tcp->config.blocks / 2;
}

static inline uint32_t bytes_most(const struct tcp *tcp, uint32_t usual)
{
	return usual < tcp->config.most_bytes / 8 ? 8 * usual
						  : max_u32(usual, tcp->config.most_bytes);
}

static inline uint32_t blocks_most(const struct tcp *tcp)
{
	return tcp->config.connection_blocks / (plenty(tcp) ? 1 : 2);
}

// tcp.c
void tcp_set_now(struct tcp *tcp, usec_t now);
uint32_t tuple_hash(const struct tcp *tcp, const struct tcp_tuple *tuple);
struct tcp_connection *connection_find(struct tcp *tcp, const struct tcp_tuple *tuple);
struct tcp_connection *connection_new(
	struct tcp *tcp, const struct tcp_tuple *tuple, const struct tcp_open *open);
// Unlinks it from everything; the struct lives until the next tcp_run().
void connection_end(struct tcp_connection *c);
void connection_close(struct tcp_connection *c, int why); // end, and tell
void connection_event(struct tcp_connection *c, enum tcp_event event, int value);
void connection_pending(struct tcp_connection *c);
struct block *block_new(struct tcp *tcp);
void block_free(struct tcp *tcp, struct block *block);
void release_list(struct tcp *tcp, struct block_list *list);

// open.c
uint32_t tuple_secret(const struct tcp *tcp, const struct tcp_tuple *tuple, uint32_t purpose);
uint32_t isn_new(const struct tcp *tcp, const struct tcp_tuple *tuple);
void open_stranger(struct tcp *tcp, const struct tcp_segment *segment, uint32_t isn_floor);
struct tcp_connection *open_cookie(
	struct tcp *tcp, const struct tcp_segment *segment, bool *silent);
void open_syn_sent(struct tcp_connection *c, const struct tcp_segment *segment);
void open_established(struct tcp_connection *c);
void open_send(struct tcp_connection *c);

// input.c
void reset_reply(struct tcp *tcp, const struct tcp_segment *segment);

// ack.c: false when the segment is not to be looked at further
bool ack_input(struct tcp_connection *c, const struct tcp_segment *segment);

// recovery.c
struct delivered; // congestion.h
void recovery_sent_acked(struct tcp_connection *c, struct block *sent, struct delivered *delivered);
void recovery_sack(
	struct tcp_connection *c, const struct tcp_segment *segment, struct delivered *delivered);
void recovery_after_ack(struct tcp_connection *c, struct delivered *delivered);
void recovery_mark_lost(struct tcp_connection *c, struct block *sent);
void recovery_arm(struct tcp_connection *c); // TIMER_SEND, from scratch
void recovery_timer(struct tcp_connection *c);
void recovery_rtt(struct tcp_connection *c, uint32_t rtt_us);
uint32_t recovery_rto_ms(const struct tcp_connection *c);

// receive.c
bool receive_input(struct tcp_connection *c, const struct tcp_segment *segment);
uint32_t receive_offer(const struct tcp_connection *c);          // the edge that could be offered
uint32_t receive_window(struct tcp_connection *c);               // bytes to offer now
void receive_consumed(struct tcp_connection *c, uint32_t bytes); // sizes the window
unsigned receive_sack(const struct tcp_connection *c, struct tcp_range ranges[TCP_SACK_MAX]);

// output.c
void output_run(struct tcp_connection *c);
void output_ack(struct tcp_connection *c);
void output_probe(struct tcp_connection *c); // an old sequence number: asks for an ACK
void output_syn(struct tcp_connection *c);
void output_reset(struct tcp_connection *c);
void output_challenge(struct tcp_connection *c);
void output_bare(struct tcp *tcp, struct tcp_output *out);
uint32_t output_timestamp(const struct tcp_connection *c);
uint8_t option_time(uint8_t *to, uint32_t value, uint32_t echo);
uint8_t option_syn(uint8_t *to, uint16_t mss, uint8_t options, uint8_t scale);
uint16_t mss_of(const struct tcp_tuple *tuple, uint16_t mtu);

// timer.c
void timer_set(struct tcp_connection *c, unsigned timer, uint32_t after_ms);
void timer_clear(struct tcp_connection *c, unsigned timer);
void timer_idle(struct tcp_connection *c);
void timer_fire(struct tcp_connection *c);

// wheel.c
void wheel_add(struct wheel *wheel, struct tcp_connection *c, uint32_t deadline_ms);
void wheel_remove(struct wheel *wheel, struct tcp_connection *c);
uint64_t wheel_next_ms(const struct wheel *wheel); // UINT64_MAX: empty
// One connection that is due by then, removed; NULL when there is none (more).
struct tcp_connection *wheel_due(struct wheel *wheel, uint64_t now_ms);

// wait.c
bool wait_init(struct tcp *tcp);
bool wait_has(const struct tcp *tcp, const struct tcp_tuple *tuple);
void wait_add(struct tcp_connection *c);
// True when the tuple is in TIME_WAIT and the segment was dealt with. *isn_floor is set (not zero)
// when a new connection may follow the old one.
bool wait_input(struct tcp *tcp, const struct tcp_segment *segment, uint32_t *isn_floor);
int wait_reuse(struct tcp *tcp, const struct tcp_tuple *tuple, uint32_t *isn_floor);
void wait_expire(struct tcp *tcp);
