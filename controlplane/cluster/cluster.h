// SPDX-License-Identifier: BSD-3-Clause
// Where objects come from: one contract, several kinds of source, one row each in cluster.c.
//
// A source fills the model and says when it changed. It never empties the model because it cannot
// see: what it gave stays until it is told otherwise. Mistakes in objects are the model's problems,
// not errors of the source. Loop thread only.
#pragma once

#include <stdbool.h>
#include <uv.h>

#include "model.h"
#include "reason.h"
#include "settings.h"

struct cluster;

struct cluster_handlers {
	void *arg;
	// The model is not what it was. Called from the loop, once for changes that came together;
	// also when the source became synced. Never from inside cluster_open() or cluster_close().
	void (*changed)(void *arg);
};

// Starts the source `settings` describes; objects get the identity "settings->name/...". A source
// that is not there yet (no such directory) is no error: it is waited for. What is pointed to must
// outlive the cluster. 0, or -errno with the reason: the settings make no sense.
int cluster_open(struct cluster **cluster, uv_loop_t *loop, const struct source_settings *settings,
	struct model *model, const struct cluster_handlers *handlers, struct reason *reason);
// Has everything the source holds been seen once? Before that, absence means nothing, and a plan
// that replaces the last good one should wait. A directory of manifests is synced when
// cluster_open() returns, unless it does not exist yet; a live cluster that was seen before is
// when it has answered, or soon without it, as its objects are found on the disk.
bool cluster_synced(const struct cluster *cluster);
const char *cluster_name(const struct cluster *cluster);
// Stops watching; what it gave stays in the model (model_forget() takes it out). The memory goes
// when the loop has next run; `settings`, `model` and `handlers` are not touched any more.
void cluster_close(struct cluster *cluster);

enum cluster_health {
	CLUSTER_LIVE, // what we have is what there is
	CLUSTER_CONNECTING,
	CLUSTER_LAST_KNOWN, // what we have is what there was; `problem` says why
};

struct cluster_state { // borrowed until the loop runs on
	enum cluster_health health;
	const char *server, *version, *problem; // "" = not known, none
	const char *protocol;                   // "HTTP/2"
	unsigned connections, requests;         // of ours with it, open
	int64_t skew_s;                         // of its clock against ours
	uint64_t since_us;                      // CLOCK_REALTIME; of the health
	size_t objects[OBJECT_KINDS];
};
void cluster_state(const struct cluster *cluster, struct cluster_state *state);

// Something written to the cluster an object came from. Kinds that take nothing give -ENOTSUP.
struct cluster_write {
	const char *method, *path, *body, *content_type;
	void *arg;
	// Once for each that returned 0: the answer's status, 0 = none, what is wrong in one line,
	// NULL = nothing, and the answer's body. From within cluster_close(), too.
	void (*done)(void *arg, long status, const char *error, const char *body);
};
int cluster_write(struct cluster *cluster, const struct cluster_write *write);

// A registered cluster is asked with this token from now on.
void cluster_take_token(struct cluster *cluster, const char *token);
