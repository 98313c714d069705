// SPDX-License-Identifier: BSD-3-Clause
// The dataplane's end of the channel, on the test's own loop: speaks channel.proto over a real
// socket, holds a shadow instead of tables, and misbehaves on demand. For tests only.
#pragma once

#include "channel.pb-c.h"
#include "shadow.h"

#include <stdbool.h>
#include <uv.h>

struct fake_dataplane {
	// What the test sets.
	uint32_t version;   // of Hello; 0 = the current one
	const char *refuse; // the reason why transactions are refused; NULL = they are applied
	bool refuse_differences;
	bool silent;  // does not answer any request
	bool dies;    // closes the connection when it gets a transaction
	bool garbage; // answers with bytes that are no message
	const Sluice__Stats *stats;
	const Sluice__Flows *flows;
	// What the test reads.
	struct shadow shadow;
	unsigned connects, transactions, whole, refused;
	Sluice__FlowsRequest *asked; // the last filter
	// Its own.
	uv_loop_t *loop;
	uv_pipe_t listener;
	struct fake_client *client;
	const char *path;
};

// Removes what is at `path` and listens there. The shadow stays what it is: a restart from disk.
void fake_start(struct fake_dataplane *fake, uv_loop_t *loop, const char *path);
// As if it was killed: the connection and the socket go at once.
void fake_stop(struct fake_dataplane *fake);
