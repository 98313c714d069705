// SPDX-License-Identifier: BSD-3-Clause
// What the files of this folder share: an instance, a connection and their parts.
//
//                 whole ClientHello           a step wants more
//   accept -> HELLO --------------> QUEUED <----------------- + <-----------+
//                |                    |  tls_poll(): step ->  |             | ciphertext
//   connect -----|--------------------+  or AWAY and back --> + -> WAITING -+
//                |                                            |
//                +---------> FAILED <-------------------------+---> READY
//
// In AWAY the connection is a crypto thread's, but for inbox, closed and starved. A connection that
// is closed while QUEUED or AWAY is freed when it comes out.
#pragma once

#include <openssl/ssl.h>

#include "hello.h"
#include "identity_internal.h"
#include "limits.h"
#include "tls.h"

#define HANDSHAKE_BYTES_MAX (256u * 1024) // of one handshake, inwards
#define HANDSHAKE_KEPT_MAX  (32u * 1024)  // at a time
#define RECORD_PLAIN_MAX    16384u
#define RECORDS_IDLE_MAX    32 // without data between them
#define BACKEND_SESSIONS    16 // a worker and backend

enum state {
	STATE_HELLO,
	STATE_WAITING,
	STATE_QUEUED,
	STATE_AWAY,
	STATE_READY,
	STATE_FAILED,
};

enum step_result {
	STEP_RESULT_MORE,
	STEP_RESULT_DONE,
	STEP_RESULT_FAILED,
};

struct buffer {
	uint8_t *bytes;
	uint32_t start, end, size;
};

// Many push, one takes; nobody waits for anyone.
struct queue {
	struct tls_connection *head; // atomic: last pushed
	struct tls_connection *tail; // the taker's
	struct tls_connection *sentinel;
};

struct tls_connection {
	struct tls *tls;
	void *user;
	SSL *ssl;
	struct tls_connection *next;                 // in a queue; atomic
	struct tls_connection *all_next, **all_link; // among the instance's
	struct buffer in, inbox, out;
	struct tls_input *reading;
	struct hello *hello; // until READY, server side
	struct tls_identity *found[TLS_KEY_KINDS];
	struct tls_backend *backend;     // client side
	struct tls_identity *identity;   // client side: ours
	SSL_SESSION *session;            // client side: to resume
	const SSL_SESSION *session_seen; // to know it again
	char *name;                      // asked for; NULL: none
	const char *alpn;                // OPENSSL_malloc()ed
	uint32_t endpoint, handshake_bytes, written, records_idle;
	uint8_t state, result, refusal;
	bool closed, starved, ended, finished, resumed, counted;
	bool no_more; // ciphertext
};

struct tls {
	struct tls_ops ops;
	void *io;
	struct tls_config config;
	SSL_CTX *server;
	BIO_METHOD *method;
	uint8_t *alpn; // ours, as on the wire
	unsigned alpn_length;
	struct tls_connection *all;
	struct tls_connection *first, **last; // QUEUED, without crypto threads
	struct queue *done;                   // back from crypto threads
	unsigned waiting, handshakes;
	unsigned away; // atomic: crypto threads have so many in hand
	uint8_t *scratch;
	uint64_t counts[TLS_COUNTERS], refused[TLS_REFUSAL_COUNT];
};

struct backend_session {
	SSL_SESSION *session;
	char *name;                    // it was made for
	struct tls_identity *identity; // and what we showed; held
};

struct tls_backend {
	unsigned holders; // atomic
	SSL_CTX *context;
	char *name;
	struct backend_session *sessions[SLUICE_WORKERS_MAX]; // each row one worker's
};

// buffer.c
bool buffer_append(struct buffer *buffer, const void *bytes, uint32_t length);
void buffer_drop(struct buffer *buffer, uint32_t length); // from its start; empty: frees
void buffer_free(struct buffer *buffer);
int queue_init(struct queue **queue);
void queue_free(struct queue *queue);
void queue_push(struct queue *queue, struct tls_connection *connection);
struct tls_connection *queue_pop(struct queue *queue); // NULL: none, or one is just being pushed

// stream.c
BIO_METHOD *stream_method_new(void);
BIO *stream_new(struct tls_connection *connection);
bool stream_flush(struct tls_connection *connection);
uint32_t stream_keep(struct tls_connection *connection, struct tls_input *in);

// handshake.c
void handshake_step(struct tls_connection *connection); // any thread
struct tls_connection *connection_of(const SSL *ssl);
bool server_setup(struct tls *tls);
bool context_setup(SSL_CTX *context);

// connection.c
void connection_free(struct tls_connection *connection);
void connection_queue(struct tls_connection *connection);
void connection_stepped(struct tls_connection *connection); // on the worker, after a step
void connection_fail(struct tls_connection *connection, enum tls_refusal refusal);

// alert.c
enum tls_refusal refusal_of_errors(const SSL *ssl, bool handshake);
uint8_t alert_of_refusal(enum tls_refusal refusal); // 0: none is sent

// tickets.c
int tickets_setup(SSL_CTX *context, struct tls_tickets *tickets);

// crypto.c
void crypto_submit(struct tls_crypto *crypto, struct tls_connection *connection);

// backend.c
bool backend_begin(struct tls_connection *connection); // its SSL; any thread
void backend_take_session(struct tls_connection *connection);
void backend_keep_session(struct tls_connection *connection);
