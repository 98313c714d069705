// SPDX-License-Identifier: BSD-3-Clause
// The socket to the dataplane: frames, Hello, requests and their replies, reconnecting for ever.
// What is asked and what an answer means is publish.c's. Loop thread only.
#pragma once

#include "channel.pb-c.h"

#include <stdint.h>
#include <uv.h>

struct connection;

struct connection_handlers {
	void *arg;
	void (*up)(void *arg, const Sluice__Hello *hello);
	// Also called for each attempt that failed. Every request under way has been answered
	// with NULL before.
	void (*down)(void *arg, const char *why);
};

// NULL when out of memory or when the path is too long for a socket's name. The first attempt is
// made when the loop runs.
struct connection *connection_open(
	uv_loop_t *loop, const char *path, const struct connection_handlers *handlers);
// Answers what is under way with NULL, calls neither up() nor down(). The loop frees the memory.
void connection_close(struct connection *connection);

// `reply` is NULL when none came, and then `why` says why.
typedef void (*connection_reply_fn)(void *arg, const Sluice__Reply *reply, const char *why);
// The same, of a reply that is left as it came, for who reads it elsewhere.
typedef void (*connection_packed_fn)(
	void *arg, const uint8_t *bytes, size_t length, const char *why);

struct reply_to {
	connection_reply_fn done;
	connection_packed_fn packed; // instead
	void *arg;
};

// How long to wait, and what a silence means.
enum patience {
	PATIENCE_ASK,    // 3 s; the answer is done without
	PATIENCE_CHANGE, // 30 s; then nobody knows what the dataplane has: connect anew
};

// Sets the request's id. 0, -ENOTCONN, -EMSGSIZE or -ENOMEM.
int connection_request(struct connection *connection, Sluice__Request *request,
	enum patience patience, const struct reply_to *to);

// What publish.c does for publish_ask.c.
struct publish;
int publish_request(struct publish *publish, Sluice__Request *request, const struct reply_to *to);
