// SPDX-License-Identifier: BSD-3-Clause
// REST over a unix socket and, where configured, HTTPS: what the console and every other tool asks.
// JSON, GET; POST for what changes something; /v1/<noun>.
//
// Each noun is one row {path, help, arguments, handler} in its own file; command.c lists the rows,
// web.c does the HTTP. A handler is a function
// of the state and of what the dataplane answered, and gives JSON. A question to the dataplane
// suspends the HTTP request and nothing else.
//
//     GET /v1/services        200 {"services": [...]}
//     GET /v1/flows?vip=web   400 {"error": "vip: found \"web\", expected an address"}
//     GET /v1/workers         503 {"error": "..."} while there is no dataplane
//
// Where the plan alone says something, the answer comes without a dataplane too, its counters are
// null and "warning" says why. On the
// socket root and the group may do all, over HTTPS a token what its role may; each change is told
// to the log. Loop thread only.
#pragma once

#include "drains.h"
#include "firmware.h"
#include "health.h"
#include "logs.h"
#include "plan.h"
#include "publish.h"
#include "reason.h"
#include "redact.h"
#include "registry.h"
#include "revisions.h"
#include "seal.h"
#include "settings.h"
#include "vip.h"

#include <stdbool.h>
#include <uv.h>

struct api;

struct api_source {
	const char *name, *kind, *path;
	bool synced;
	const char *health; // "live", "connecting", "last known"; "" = the source has none
	const char *server, *version, *problem; // "" = none, not known
	const char *protocol;                   // "HTTP/2"; "" = not known, none
	unsigned connections, requests;         // of ours with it, open
	int64_t skew_s;                         // of its clock against ours
	uint64_t since_us;                      // CLOCK_REALTIME; of the health
	size_t services, ingresses, nodes;
	const char *const *namespaces; // that are served; none = all
	unsigned namespace_count;
	struct cluster *cluster;             // NULL: it could not be opened
	const struct registered *registered; // NULL: it is a row of sluice.conf
	bool drained;
};

// What there is to tell. Everything is borrowed for one answer.
struct api_state {
	const struct settings *settings;
	const struct plan *plan;   // NULL before the first
	struct publish *dataplane; // to ask; NULL = there is none
	struct publish_state publish;
	struct vip *vip;           // NULL: there is none
	struct registry *registry; // NULL: not yet
	const struct model *model;
	struct revisions *revisions; // NULL: they cannot be kept
	const struct health *health;
	struct drains *drains;      // NULL: there are none
	void *arg;                  // of:
	void (*drained)(void *arg); // they have changed; may be NULL
	struct logs *logs;          // NULL: none are kept
	const struct seal *seal;    // of the state; NULL: nothing is kept
	struct firmware *firmware;
	uint64_t started_us; // CLOCK_REALTIME
	unsigned source_count, problem_count;
	const struct api_source *sources;
	const struct plan_problem *problems; // the control plane's own, beside the plan's
};

struct api_options {
	const char *socket_path; // replaced when it is there; 0660, root and `group`
	const char *group;
	const char *tokens_path;
	void *arg;
	void (*state)(void *arg, struct api_state *state);
	void (*again)(void *arg); // the control plane is to start anew
	// Tells each secret that the box knows. False: some could not be told.
	bool (*secrets)(void *arg, struct redact *redact);
	// The machine is to restart, and others are to take its VIPs before. False with the reason.
	bool (*leave)(void *arg, enum firmware_leave how, struct reason *reason);
};

int api_open(struct api **api, uv_loop_t *loop, const struct api_options *options,
	struct reason *reason);
// Listens on the network as the settings say from now on; `pair` is the certificate with its chain,
// and the key, as PEM. What cannot be is told, and is not there.
int api_follow(struct api *api, const struct api_settings *settings, const char *pair,
	size_t pair_length, struct reason *reason);
// Only after publish_close(): what waits for an answer of the dataplane must have got one. The
// memory goes when the loop has closed the handles.
void api_close(struct api *api);
