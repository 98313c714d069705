// SPDX-License-Identifier: BSD-3-Clause
// A channel's server with handlers that remember, and clients of it, in one thread: whoever waits
// for an answer lets the server work meanwhile.
#pragma once

#include "channel.h"

#define BIG_WORKERS 40000 // in an answer that no socket buffer holds

struct server {
	char directory[64], path[96];
	struct channel *channel;
	uint64_t generation;
	unsigned applied;
	int refuse; // what apply returns
	uint64_t flows_id;
	struct flow_filter filter;
	unsigned to_prepare; // steps that prepare() still takes
	bool big, keep_flows;
};

int server_open(struct server *f, const char *group, struct reason *reason);
int server_set_up(void **state);
int server_tear_down(void **state);
// Lets the server work until it has nothing to do at once.
void server_serve(struct server *f);

// A connection, and one that has had its hello.
int client_connect(const struct server *f);
int client_new(struct server *f);
// Closes it; true when the server had done so before.
bool client_closed(struct server *f, int fd);
// The next reply, or NULL at the end of the stream.
Sluice__Reply *client_reply(struct server *f, int fd);
void reply_free(Sluice__Reply *message);

// The frame of a request; its length.
size_t request_frame(const Sluice__Request *request, uint8_t *to);
void send_bytes(int fd, const void *bytes, size_t length);
void send_transaction(int fd, uint64_t id, uint64_t generation);
void send_stats(int fd, uint64_t id);
void send_flows(int fd, uint64_t id, Sluice__FlowsRequest *flows);
void expect_result(struct server *f, int fd, uint64_t id, bool applied, const char *reason);
void expect_stats(struct server *f, int fd, uint64_t id, size_t workers);
