// SPDX-License-Identifier: BSD-3-Clause
// One side of a TLS connection outside the worker, of OpenSSL's: what it hears and what it says are
// bytes in memory.
#pragma once

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

struct tls_ends {
	SSL_CTX *client, *server;
	char *chain, *key; // the servers', as PEM; the worker may show it, too
};

void tls_ends_start(struct tls_ends *ends);
// From here on, randomness is the same each time.
void tls_ends_reset(void);

SSL *tls_end_new(const struct tls_ends *ends, bool server, bool old); // old: TLS 1.2 at most
void tls_end_hear(SSL *end, const uint8_t *bytes, uint32_t length);
void tls_end_say(SSL *end, const uint8_t *bytes, uint32_t length); // nothing before it is ready
uint32_t tls_end_wire(SSL *end, uint8_t *bytes, uint32_t most);    // what it has to send
