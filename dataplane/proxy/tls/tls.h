// SPDX-License-Identifier: BSD-3-Clause
// TLS without input or output of its own: bytes come in as arguments and go out into memory that
// callbacks lend. Server side (1.2, 1.3) and client side towards backends. OpenSSL is nowhere else.
//
// One struct tls a worker; it and its connections are used by that worker only. A caller's turn:
// tls_read() with what TCP delivered, tls_write() with what is to go out, and tls_poll() once.
// Handshakes advance in tls_poll() alone: so many steps a call, first come first served, or on the
// crypto threads, if there are any; a worker never waits for one. Callbacks may call everything but
// tls_poll() and tls_free(); lend, sent and choose may call nothing.
//
// No memory given to a call is kept beyond it. Backpressure inwards: ciphertext is taken only while
// there is room for its plaintext. Outwards: `room` bounds what tls_write() makes; what cannot be
// lent room for waits in the connection until tls_flush().
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "identity.h"
#include "tls_refusal.h"

struct tls;
struct tls_connection;
struct tls_tickets; // keys that all workers share
struct tls_crypto;  // threads that run handshakes
struct tls_backend; // how to speak TLS to a kind of backend

#define TLS_RECORD_OVERHEAD 64    // a record is at most so much longer than its plaintext
#define TLS_READ_ROOM       16384 // a buffer of this size takes any record's plaintext

// Once, first of all in main(): no OpenSSL memory in core files. 0 or -errno.
int tls_start(void);

struct tls_piece {
	const void *data;
	uint32_t length;
};

// Ciphertext in order. tls_read() moves it forward: pieces used up are skipped, offset is into the
// first that is left.
struct tls_input {
	const struct tls_piece *pieces;
	uint32_t count, offset;
};

enum tls_event {
	TLS_EVENT_READY,  // the handshake is over: read (there may be data already), write
	TLS_EVENT_FAILED, // in the handshake: tls_refusal_of(); its alert is sent. tls_close() it
	TLS_EVENT_MORE,   // the handshake takes ciphertext again that tls_read() left
};

struct tls_ops {
	// Where the next ciphertext goes: memory and its size in *room; NULL: not now.
	void *(*lend)(void *io, void *user, uint32_t *room);
	// So much of what was lent last is to be sent; 0: it was not needed.
	void (*sent)(void *io, void *user, uint32_t length);
	void (*event)(void *io, void *user, enum tls_event event);
	// The identities for a server name in lower case ("": none was asked for), at most one of
	// each kind, at their kind's place; they are held by TLS. False: refuse (no_certificate).
	bool (*choose)(
		void *io, void *user, const char *name, struct tls_identity *found[TLS_KEY_KINDS]);
	// From a crypto thread: the worker's tls_poll() has something to do. May be NULL.
	void (*wake)(void *io);
};

struct tls_config {
	const char *const *alpn;     // ours, best first, NULL-terminated; NULL: none
	struct tls_tickets *tickets; // NULL: no resumption
	struct tls_crypto *crypto;   // NULL: handshakes in tls_poll()
	uint32_t handshakes;         // most under way; 0: 16384. Above: overloaded
	unsigned worker;             // its number, from 0; below SLUICE_WORKERS_MAX
};

struct tls *tls_new(const struct tls_config *config, const struct tls_ops *ops, void *io);
void tls_free(struct tls *tls); // with all its connections, without events
// Runs handshake steps, at most `steps`; events. Returns how many are still waiting.
unsigned tls_poll(struct tls *tls, unsigned steps);

// NULL when memory is short.
struct tls_connection *tls_accept(struct tls *tls, void *user);
// Whom a connection is to, and as whom.
struct tls_target {
	struct tls_backend *backend;
	uint32_t endpoint; // any number that stays with the address; sessions are kept for each
	const char *name;  // where the backend has none: SNI, and what the certificate must cover
	struct tls_identity *identity; // ours, if the remote asks; NULL: none
};

struct tls_connection *tls_connect(struct tls *tls, const struct tls_target *target, void *user);
// The connection is what a new one to the target would be.
bool tls_fits(const struct tls_connection *connection, const struct tls_target *target);
// Forgets it, at any time; no callback follows.
void tls_close(struct tls_connection *connection);

// Plaintext into `buffer`: as many records as there are and fit. Above 0: bytes. 0: the remote's
// close_notify. -EAGAIN: all ciphertext is taken, more is needed. -EPROTO: failed, see
// tls_refusal_of(); the alert, if any, was sent. Before TLS_EVENT_READY ciphertext is kept, up to a
// bound (what is left of `in` is for after MORE or READY), choose() may be called, and the answer
// is -EAGAIN or -EPROTO.
int tls_read(struct tls_connection *connection, struct tls_input *in, void *buffer, uint32_t size);
// After all ciphertext was read: no more will come. 0: so it is. -EAGAIN: the handshake goes on
// with what is there; READY or FAILED follows. -EPROTO: it ended within the handshake (truncated).
int tls_end(struct tls_connection *connection);
// Plaintext out: gathered into records, as many as fit in `room` bytes of ciphertext. Bytes taken;
// 0 when room is too small (2 KB are enough) or ciphertext waits, -EAGAIN before READY, -EPIPE
// after tls_finish(), -EPROTO.
int tls_write(struct tls_connection *connection, const struct tls_piece *pieces, uint32_t count,
	uint32_t room);
// Sends what waits for room. True when nothing waits.
bool tls_flush(struct tls_connection *connection);
void tls_finish(struct tls_connection *connection); // our close_notify; reading goes on

enum tls_refusal tls_refusal_of(const struct tls_connection *connection);
bool tls_ended(const struct tls_connection *connection); // close_notify came: nothing is cut off
bool tls_is_ready(const struct tls_connection *connection);
bool tls_is_resumed(const struct tls_connection *connection);
const char *tls_server_name(const struct tls_connection *connection); // asked for; "": none
const char *tls_version(const struct tls_connection *connection);     // "TLSv1.3"
const char *tls_cipher(const struct tls_connection *connection);      // "TLS_AES_128_GCM_SHA256"
const char *tls_alpn(const struct tls_connection *connection);        // "http/1.1"; "": none

enum tls_counter {
	TLS_COUNT_FULL, // handshakes done
	TLS_COUNT_RESUMED,
	TLS_COUNT_BACKEND_FULL,
	TLS_COUNT_BACKEND_RESUMED,
	TLS_COUNT_TLS12, // of all of these
	TLS_COUNT_STEPS,
	TLS_COUNTERS
};
uint64_t tls_count(const struct tls *tls, enum tls_counter counter);
const char *tls_counter_name(enum tls_counter counter);
uint64_t tls_refused(const struct tls *tls, enum tls_refusal refusal);

// Ticket keys. The main lcore rotates: current -> previous, a new one becomes current; tickets of
// both are taken. Lifetime of a ticket: up to twice the interval.
struct tls_tickets *tls_tickets_new(uint32_t lifetime_s);
void tls_tickets_free(struct tls_tickets *tickets); // after every struct tls
void tls_tickets_rotate(struct tls_tickets *tickets);

// One thread a CPU. NULL with a reason. Freed after every struct tls.
struct tls_crypto *tls_crypto_new(const unsigned *cpus, unsigned count, struct reason *reason);
void tls_crypto_free(struct tls_crypto *crypto);

struct tls_backend_config {
	const char *name; // SNI, and what the certificate must cover; NULL: neither
	const void *ca;   // PEM; NULL: not verified
	size_t ca_length;
	const char *const *alpn; // NULL-terminated; NULL: none
};

// Immutable, counted; main lcore. NULL with every mistake in `reason`.
struct tls_backend *tls_backend_new(const struct tls_backend_config *config, struct reason *reason);
struct tls_backend *tls_backend_hold(struct tls_backend *backend);
void tls_backend_release(struct tls_backend *backend);
