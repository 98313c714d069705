// SPDX-License-Identifier: BSD-3-Clause
// The peek at a ClientHello: which server name and which protocols (ALPN) a client asks for, from
// the first bytes of its TCP stream, however they are cut into segments and records. Nothing is
// decrypted and no OpenSSL is used. For passthrough by SNI, and to choose a certificate before
// anything costly is done.
//
// A stream's state is a zeroed struct hello; each byte is looked at once, none is kept but the
// name's and the protocols'. Strict: what OpenSSL would refuse for its form is refused here. Any
// thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tls_refusal.h"

#define HELLO_NAME_MAX    253   // bytes of a server name: what DNS allows
#define HELLO_ALPN_MAX    255   // bytes of the list of protocols, as on the wire
#define HELLO_MESSAGE_MAX 16384 // bytes of a ClientHello

enum hello_verdict {
	HELLO_MORE, // not whole yet
	HELLO_WHOLE,
	HELLO_REFUSED, // see refusal
};

struct hello {
	char name[HELLO_NAME_MAX + 1]; // lower case, no final dot; "" when none is asked for
	uint8_t alpn[HELLO_ALPN_MAX];  // each protocol behind its length
	uint8_t name_length, alpn_length;
	bool tls13; // offers TLS 1.3
	enum tls_refusal refusal;
	// The rest is hello.c's.
	uint8_t step, seen, header_length, field_length, header[5], field[4];
	uint16_t record_left, extension_left, skip_left;
	uint32_t message_left;
};

// The next bytes of the stream. Those behind a whole ClientHello are not looked at; once it is
// HELLO_WHOLE or HELLO_REFUSED it stays so.
enum hello_verdict hello_feed(struct hello *hello, const void *bytes, size_t length);
// The next of the protocols: *at begins with 0. False at the end.
bool hello_alpn_next(
	const struct hello *hello, unsigned *at, const char **protocol, uint8_t *length);
