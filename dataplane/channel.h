// SPDX-License-Identifier: BSD-3-Clause
// The dataplane's end of the channel (config/channel.proto). Main lcore only.
//
// channel.c does the socket, the framing and the peer's credentials; plan_change.c turns a
// Transaction into a struct plan_change, checked field by field; tables.c applies that. protobuf-c
// appears in these and in stats.c only.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "channel.pb-c.h"
#include "flow.h"
#include "plan_change.h"
#include "reason.h"
#include "tables.h"

struct channel;

struct channel_handlers {
	void *arg;
	const struct iface *ifaces; // whose names VIPs may refer to
	unsigned iface_count;
	// Does some milliseconds of what can be done ahead of apply(), which takes what was made;
	// false: there is more. What is left when the change is given up, undo() takes back.
	// NULL, both: nothing is done ahead.
	bool (*prepare)(void *arg, struct plan_change *change);
	void (*undo)(struct plan_change *change);
	// Applies or refuses (-errno and reason). Nothing has changed when it refuses.
	int (*apply)(void *arg, const struct plan_change *change, struct reason *reason);
	void (*hello)(void *arg, Sluice__Hello *hello);
	// Calls channel_send_stats() before it returns.
	void (*stats)(void *arg, struct channel *channel, uint64_t id,
		const Sluice__StatsRequest *request);
	// Calls channel_send_explained() before it returns.
	void (*explain)(void *arg, struct channel *channel, uint64_t id,
		const Sluice__ExplainRequest *request);
	// Calls channel_send_captured() before it returns.
	void (*capture)(void *arg, struct channel *channel, uint64_t id,
		const Sluice__CaptureRequest *request);
	// Calls channel_send_log() before it returns.
	void (*log)(
		void *arg, struct channel *channel, uint64_t id, const Sluice__LogRequest *request);
	// Calls channel_send_flows(), now or later, once. The id is the channel's own, not the
	// client's; when the client is gone by then, the answer is dropped.
	void (*flows)(
		void *arg, struct channel *channel, uint64_t id, const struct flow_filter *filter);
};

// Listens on `path` (created 0660, root and `group`; a stale socket is replaced) and accepts root
// and members of the group alone (SO_PEERCRED); an unknown group leaves root. Up to 8 clients may
// be connected. A client's transactions are refused while one that connected after it and has sent
// some is there: an old control plane cannot undo what its successor does.
int channel_open(struct channel **channel, const char *path, const char *group,
	const struct channel_handlers *handlers, struct reason *reason);
void channel_close(struct channel *channel);
int channel_fd(const struct channel *channel); // an epoll descriptor; readable: channel_poll()
void channel_poll(struct channel *channel);
// Goes on with transactions that take longer; true: they are not done, call again soon.
bool channel_step(struct channel *channel);

void channel_send_stats(struct channel *channel, uint64_t id, const Sluice__Stats *stats);
void channel_send_explained(
	struct channel *channel, uint64_t id, const Sluice__Explained *explained);
void channel_send_captured(struct channel *channel, uint64_t id, const Sluice__Captured *captured);
void channel_send_log(struct channel *channel, uint64_t id, const Sluice__LogLines *lines);
void channel_send_flows(struct channel *channel, uint64_t id, const struct flow_view *views,
	uint32_t count, uint64_t total);
