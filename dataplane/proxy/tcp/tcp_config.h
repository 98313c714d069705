// SPDX-License-Identifier: BSD-3-Clause
// What an instance of TCP (tcp.h) is made with: capacities, bounds of a connection, times.
#pragma once

#include <stdint.h>

enum tcp_congestion { // congestion control
	TCP_CONGESTION_BBR,
	TCP_CONGESTION_CUBIC,
};

struct tcp_config {
	uint32_t connections, waits, blocks; // capacities: connections, TIME_WAIT, blocks of all
	// Most for each of: queued, sent, held out of order. A half when memory is not plenty.
	uint32_t connection_blocks;
	uint32_t half_open;                 // SYNs answered from memory; above: cookies
	uint32_t receive_bytes, send_bytes; // most of one connection
	uint32_t most_bytes;                // of one that makes use of more, while memory is plenty
	uint32_t run_bytes; // most payload of one output (tcp_output.cut); 0: no more than a
			    // segment's
	uint32_t rto_min_ms, rto_max_ms, ack_delay_ms;
	uint32_t connect_ms, user_ms;            // give up: a handshake, data unacknowledged
	uint32_t finish_ms, wait_ms;             // FIN_WAIT_2 of a connection left; TIME_WAIT
	uint32_t keep_idle_ms, keep_interval_ms; // keepalive; idle 0: none
	uint32_t keep_probes, resets_per_second; // resets to segments of no connection
	uint8_t options;                         // TCP_OPTION_*: offered and accepted
	enum tcp_congestion congestion;
	uint8_t key[16]; // random; of ISN, cookies, timestamps and the index
};

// What a proxy of 100,000 connections wants, without the key.
void tcp_config_default(struct tcp_config *config);
