// SPDX-License-Identifier: BSD-3-Clause
// The last step of the object's way: the plan, told to the dataplane and to the disk.
//
// One connection to the dataplane's socket, made again for ever (20 to 200 ms apart). What it gets
// is the difference between the plan it has and the newest one, as one transaction, or the whole
// plan when nobody knows what it has: after each connect, and after a difference it refused. A
// whole plan that it refuses is not offered again until the plan changes or the dataplane restarts.
// One transaction is under way at a time; what changes meanwhile goes together in the next.
//
// The plan that the dataplane has taken is also written to the plan file, from which a dataplane
// that starts alone fills itself; while there is no dataplane, the newest plan is. Generations only
// ever grow, over restarts of either side.
//
//     DOWN --connect, Hello--> IDLE --plan differs--> SENT --applied--> IDLE
//       ^                                              | refused difference: SENT, whole
//       +---- end of stream, timeout, any state        | refused whole: IDLE, plan marked refused
//
// All on the loop's thread. Needs nothing of the caller but plans that are not changed any more.
#pragma once

#include "arena.h"
#include "channel.pb-c.h"
#include "plan.h"
#include "reason.h"
#include "sealed_file.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct publish;

struct publish_options {
	const char *socket_path;
	struct sealed_file plan_file; // its seal outlives us
	void *arg;
	void (*changed)(void *arg);         // the state below has changed; may be NULL
	void (*release)(struct plan *plan); // a plan that is not needed any more: plan_free()
};

struct publish_state {
	bool connected;
	const char *down_reason;    // why it is not connected; "" when it is
	const char *refused_reason; // why the dataplane does not want the newest plan; "" = it does
	const char *file_reason;    // why the plan file could not be written; "" = it was
	const char *build;          // the dataplane's version; "" before the first Hello
	uint64_t started_us;        // the dataplane's start, CLOCK_REALTIME
	uint64_t generation;        // in force, as far as the dataplane has said
	bool current;               // the dataplane has the newest plan
	bool kept;                  // the plan file has what it is to have
	uint64_t transactions;      // taken, since we started
	uint64_t refusals;
};

int publish_open(struct publish **publish, uv_loop_t *loop, const struct publish_options *options,
	struct reason *reason);
// Writes the plan file if it is behind; fails what is still asked for. The memory goes when the
// loop has closed the handles.
void publish_close(struct publish *publish);

// Takes the plan over. It stays readable until the next call that returns 0. -ENOMEM gives it back
// to release(), and the one before stays the newest.
int publish_plan(struct publish *publish, struct plan *plan);

// Valid until the loop runs again.
struct publish_state publish_state(const struct publish *publish);

// Exactly one call for each request that returned 0, never from within the request. The answer is
// NULL when none came; `why` then says why. It is valid during the call only.
typedef void (*publish_stats_fn)(void *arg, const Sluice__Stats *stats, const char *why);
typedef void (*publish_explain_fn)(void *arg, const Sluice__Explained *explained, const char *why);
typedef void (*publish_capture_fn)(void *arg, const Sluice__Captured *captured, const char *why);
typedef void (*publish_log_fn)(void *arg, const Sluice__LogLines *lines, const char *why);
typedef void (*publish_flows_fn)(void *arg, const Sluice__Flows *flows, const char *why);

enum publish_detail { // which of the long lists
	PUBLISH_TOTALS,
	PUBLISH_LISTENERS,
	PUBLISH_ENDPOINTS, // pools, with the numbers of their endpoints
	PUBLISH_RULES,
	PUBLISH_SUMS, // listeners, pools and rules
};

// -ENOTCONN when the dataplane is not there, or -ENOMEM.
int publish_stats(
	struct publish *publish, enum publish_detail detail, publish_stats_fn done, void *arg);
// The answer as it came, for publish_stats_read(), which may be elsewhere: with the long lists it
// takes its time. NULL: it is none.
typedef void (*publish_packed_fn)(void *arg, const uint8_t *bytes, size_t length, const char *why);
int publish_stats_packed(
	struct publish *publish, enum publish_detail detail, publish_packed_fn done, void *arg);
// All of it is in the arena.
Sluice__Stats *publish_stats_read(const uint8_t *bytes, size_t length, struct arena *arena);
int publish_explain(struct publish *publish, const Sluice__ExplainRequest *question,
	publish_explain_fn done, void *arg);
int publish_capture(struct publish *publish, const Sluice__CaptureRequest *question,
	publish_capture_fn done, void *arg);
int publish_log(struct publish *publish, const Sluice__LogRequest *question, publish_log_fn done,
	void *arg);
int publish_flows(struct publish *publish, const Sluice__FlowsRequest *filter,
	publish_flows_fn done, void *arg);

// A transaction and the memory that it is made of.
struct difference;

// What turns `from` into `to`; with `from` NULL, the whole of `to` and base must be 0. Pure. The
// result refers to both plans: it must go before they do. NULL only when out of memory.
struct difference *publish_diff(
	const struct plan *from, const struct plan *to, uint64_t base, uint64_t generation);
const Sluice__Transaction *difference_transaction(const struct difference *difference);
bool difference_empty(const struct difference *difference);
void difference_free(struct difference *difference);
