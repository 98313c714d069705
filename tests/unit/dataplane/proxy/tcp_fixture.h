// SPDX-License-Identifier: BSD-3-Clause
// One TCP instance against segments made by hand. Numbers are relative: the remote's to 1000, which
// its SYN has; ours to our SYN's, learnt from it. What goes out is written to bytes and parsed
// again.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tcp.h"

#define FIXTURE_OUT 64

struct fixture {
	struct tcp_config config;
	struct tcp *tcp;
	struct tcp_connection *connection; // of the latest TCP_EVENT_CONNECTED or fixture_connect()
	usec_t now;
	uint32_t iss;
	enum tcp_verdict verdict;
	struct tcp_segment out[FIXTURE_OUT]; // since the last fixture_expect() of all
	unsigned outs, taken;
	uint16_t port; // the remote's
	bool stamped;  // segments in carry ts_value
	uint32_t ts_value;
	struct tcp_range sack; // segments in carry it when not empty
	uint16_t window;       // segments in carry it
	unsigned connected, finished, closed, released;
	int why;
	uint64_t received, sent;
	uint32_t flood_outs;
	bool consume; // at once
};

// Options agreed on by the handshake that fixture_established() plays.
void fixture_new(struct fixture *f);
void fixture_start(struct fixture *f); // with f->config as it is by then
void fixture_free(struct fixture *f);
struct tcp_segment fixture_segment(
	const struct fixture *f, uint8_t flags, uint32_t seq, uint32_t ack, uint32_t length);
// seq and ack relative; true when the payload was kept
bool fixture_in(struct fixture *f, uint8_t flags, uint32_t seq, uint32_t ack, uint32_t length);
void fixture_run(struct fixture *f);
void fixture_wait(struct fixture *f, uint32_t ms); // to the end, each timer at its time
// The next segment out is this one (PSH aside); returns it.
const struct tcp_segment *fixture_expect(
	struct fixture *f, uint8_t flags, uint32_t seq, uint32_t ack, uint32_t length);
void fixture_quiet(struct fixture *f); // nothing else went out
void fixture_established(struct fixture *f, uint8_t options);
void fixture_connect(struct fixture *f);
void fixture_send(struct fixture *f, uint32_t length);
