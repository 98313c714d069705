// SPDX-License-Identifier: BSD-3-Clause
// Which frames somebody wants to see. Pure; the frame is hostile input.
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "addr.h"

enum capture_stage {
	CAPTURE_IN,   // as a port gave it
	CAPTURE_OUT,  // as a port gets it
	CAPTURE_DROP, // as it was when it was dropped
	CAPTURE_STAGE_COUNT,
};

const char *capture_stage_name(enum capture_stage stage); // "in"

struct capture_filter {
	unsigned stages; // a bit each
	unsigned ports;  // a bit each, by the port's index
	bool by_host;    // source or destination; of ARP, too
	struct addr host;
	uint8_t protocol;  // 0 = any; IPPROTO_ICMP is ICMPv6, too
	in_port_t l4_port; // network order; source or destination; 0 = any
	bool by_vip;       // traces alone: the VIP of the packet's flow
	struct addr vip;
};

// Does what is in the frame fit? In a tunnel what is inside may, too. Stages and ports are the
// caller's.
bool capture_match(const struct capture_filter *filter, const uint8_t *frame, uint32_t length);
