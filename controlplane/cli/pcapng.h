// SPDX-License-Identifier: BSD-3-Clause
// A file of frames that tcpdump and Wireshark read: pcapng, as draft-ietf-opsawg-pcapng has it. A
// port is an interface, by its name; why a frame was dropped is its comment.
#pragma once

#include <stdint.h>
#include <stdio.h>

#define PCAPNG_PORTS 32
#define PCAPNG_NAME  32

enum pcapng_way {
	PCAPNG_UNKNOWN,
	PCAPNG_INBOUND,
	PCAPNG_OUTBOUND
};

struct pcapng_frame {
	const char *port;
	uint64_t time_ns; // CLOCK_REALTIME
	enum pcapng_way way;
	const char *comment; // NULL: none
	uint32_t length;     // on the wire
	uint32_t kept;
	const uint8_t *bytes;
};

struct pcapng {
	FILE *out;
	unsigned port_count;
	char ports[PCAPNG_PORTS][PCAPNG_NAME];
};

// 0, or -errno: what was written to `out` so far is a whole file, as far as it went.
int pcapng_begin(struct pcapng *file, FILE *out);
int pcapng_write(struct pcapng *file, const struct pcapng_frame *frame);
