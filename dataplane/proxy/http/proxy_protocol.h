// SPDX-License-Identifier: BSD-3-Clause
// The PROXY protocol: who the client is, told by a proxy ahead of a connection's first bytes.
// Version 1 is a line of text, version 2 is binary; both are read strictly, version 2 is written.
// Pure functions over bytes; any thread.
#pragma once

#include "addr.h"

#include <stdbool.h>
#include <stdint.h>

#define PROXY_PROTOCOL_MAX  2048 // longest that is taken
#define PROXY_PROTOCOL_ROOM 600  // for one written

struct proxy_protocol {
	bool local; // it speaks for itself, or of no address: the connection's own addresses hold
	uint8_t version;
	struct addr source, destination;
	uint16_t source_port, destination_port;
	// Of version 2, within the bytes given; NULL: none.
	const char *authority, *alpn; // the server's name the client asked for; its protocol
	uint8_t authority_length, alpn_length;
};

// Length of the header; 0: more bytes are needed; -EBADMSG: none, or malformed.
int proxy_protocol_parse(struct proxy_protocol *header, const char *bytes, uint32_t length);
// Version 2, for TCP; bytes written. IPv4 when both addresses are.
uint32_t proxy_protocol_write(
	const struct proxy_protocol *header, char out[static PROXY_PROTOCOL_ROOM]);
