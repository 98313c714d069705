// SPDX-License-Identifier: BSD-3-Clause
// TLS of a check: a client that believes any certificate, as what is asked is whether the endpoint
// answers and not who it is. Nothing here blocks. Loop thread only.
#pragma once

#include <stddef.h>

struct health_tls;    // of all checks
struct health_secure; // of one connection

// NULL: out of memory, or no TLS here.
struct health_tls *health_tls_open(void);
void health_tls_close(struct health_tls *tls);
// `host` is told (SNI) unless it is "" or an address. The socket stays the caller's. NULL: no.
struct health_secure *health_secure_open(struct health_tls *tls, int fd, const char *host);
void health_secure_close(struct health_secure *secure);

enum health_step {
	STEP_DONE,
	STEP_READ,  // again when the socket can be read
	STEP_WRITE, // again when it can be written
	STEP_FAILED,
};

enum health_step health_secure_handshake(struct health_secure *secure);
enum health_step health_secure_write(
	struct health_secure *secure, const void *bytes, size_t length);
// With STEP_DONE *got bytes, at least one.
enum health_step health_secure_read(
	struct health_secure *secure, void *bytes, size_t room, size_t *got);
