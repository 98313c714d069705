// SPDX-License-Identifier: BSD-3-Clause
// What the channel's two files share: channel.c listens and accepts, channel_client.c speaks with
// each client. Main lcore only.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "channel.h"

#define CLIENTS_MAX 8
#define HEAD_BYTES  4 // the length in front of each message

enum client_state {
	CLIENT_FREE,
	CLIENT_READING,
	CLIENT_WORKING,
	CLIENT_WRITING
};

struct client {
	enum client_state state;
	int fd;
	uint64_t serial; // of the connection: later ones are higher
	bool wrote;      // it has sent a transaction
	uint8_t head[HEAD_BYTES];
	size_t head_have;
	uint8_t *in; // the message being read
	size_t in_length, in_have, in_capacity;
	uint8_t *out; // the frame being written
	size_t out_length, out_done;
	uint64_t work; // the number handlers know the request by
	uint64_t request_id;
	struct plan_change *change; // that is being prepared
};

struct channel {
	int epoll, listener;
	char *path;
	bool bound; // the socket at `path` is ours
	gid_t group;
	bool has_group;
	struct channel_handlers handlers;
	uint64_t serials, works;
	struct client clients[CLIENTS_MAX];
};

// Takes the connection over; the hello is its first message.
void client_open(struct channel *channel, struct client *client, int fd);
void client_close(struct channel *channel, struct client *client);
// One step of the transaction that is being prepared. False: there is none, or it is done.
bool client_step(struct channel *channel, struct client *client);
void client_event(struct channel *channel, struct client *client, uint32_t events);
// The answer to the request the client waits for, or the hello.
void client_answer(struct channel *channel, struct client *client, const Sluice__Reply *reply);
void client_result(
	struct channel *channel, struct client *client, bool applied, const char *reason);
