// SPDX-License-Identifier: BSD-3-Clause
// The control plane's whole state and the parts of its program. main.c holds the order of things;
// conf.c and source.c are its parts for the configuration and for where objects come from.
// Loop thread only.
#pragma once

#include "api.h"
#include "cluster.h"
#include "events.h"
#include "drains.h"
#include "firmware.h"
#include "health.h"
#include "logs.h"
#include "model.h"
#include "plan.h"
#include "publish.h"
#include "reason.h"
#include "registry.h"
#include "revisions.h"
#include "settings.h"
#include "status.h"
#include "store.h"
#include "vip.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct control;

struct source {
	char *chosen; // namespaces, with commas between // one place where objects come from
	struct control *control;
	struct source_settings settings; // a copy: it outlives a change of the configuration
	struct cluster *cluster;         // NULL: it could not be opened
	char *reason;                    // why; NULL when it was
};

struct control {
	uv_loop_t loop;
	uint64_t started_us; // CLOCK_REALTIME
	const char *config_file;
	struct settings *settings;
	struct revisions *revisions; // NULL: they cannot be kept
	struct model *model;
	struct planning *planning;
	struct store *store;
	struct publish *publish;
	struct vip *vip;
	struct status *status;
	struct events *events;
	struct health *health;
	struct drains *drains;
	struct api *api;
	struct logs *logs;
	uv_timer_t fetch; // of the dataplane's lines
	bool fetching;
	struct registry *registry;
	unsigned source_count, source_wanted;
	struct source **sources;

	const struct plan *plan;   // the newest; publish/ owns it
	struct plan_lease *leases; // those of the disk, until there is a plan
	unsigned lease_count;
	Sluice__Transaction *recalled; // the plan of the disk, until there is one
	bool leases_behind;            // the disk does not have the plan's

	uv_timer_t change; // lets changes come together
	uint64_t planned_ms;
	bool behind;      // who follows the plans has not had the last one
	uv_timer_t retry; // of the leases
	uv_timer_t patience;
	bool gives_later, impatient; // see giving.c
	uv_signal_t signals[3];
	uv_timer_t alive; // for the service manager
	uv_fs_event_t config_watch;
	uv_timer_t config_settle;
	bool config_watched, config_written;
	bool again; // the loop ends for a new start

	// handover.c
	struct firmware *firmware;
	uv_timer_t leave;
	enum firmware_leave leave_how;
	bool leaving, returning;

	// What is wrong with ourselves, for show problems. A line each; "" = nothing.
	struct reason config_mistakes, config_notes, store_mistakes, vip_mistakes,
		revision_mistakes, drain_notes;
	struct api_source *told_sources; // what api/ was told last, until it asks again
	struct plan_problem *told_problems;
};

// Something that the plan depends on has changed: soon there is a new one.
void control_changed(struct control *control);
// The same, without waiting for more: VIPs change hands.
void control_now(struct control *control);

// conf.c: sluice.conf, read at the start and again when it changes. A file with mistakes changes
// nothing but `config_mistakes`.
int conf_start(struct control *control, struct reason *reason);
int conf_watch(struct control *control, struct reason *reason);
void conf_unwatch(struct control *control);
void conf_stop(struct control *control);
void conf_reload(struct control *control);
// Its revisions and the candidate for the next.
int conf_keep(struct control *control, struct reason *reason);
void conf_keep_end(struct control *control);

// restored.c: what a backup has left to be done, with the state locked and not read yet. Where it
// has brought another sluice.conf that is read.
int restored_start(struct control *control, struct reason *reason);

// secrets.c: what must not leave the box, for who takes it out of texts.
bool secrets_tell(void *control, struct redact *redact);

// certificate.c: the one for names that no Secret serves, made once, put into the model.
int certificate_start(struct control *control, struct reason *reason);

// recall.c: what Secrets were that are bad now.
int recall_start(struct control *control, struct reason *reason);
void recall_end(struct control *control);

// clusters.c: registry/ among the steps.
int clusters_start(struct control *control, struct reason *reason);
void clusters_stop(struct control *control);

// source.c: opens, keeps or closes sources until they are those of the settings.
int sources_follow(struct control *control, struct reason *reason);
void sources_stop(struct control *control);
// The running source of that name, or NULL.
struct cluster *sources_find(void *control, const char *name);
// Every source has been read once: absence means something.
bool sources_synced(const struct control *control);

// announce.c: vip/ among the steps. Its start and end, and what it is told after each plan and
// each change of what the dataplane has.
int announce_start(struct control *control, struct reason *reason);
void announce_stop(struct control *control);
void announce_plan(struct control *control, struct plan *plan);
void announce_serving(void *control);

// giving.c: the box of a pair that gives addresses, and the one that waits for them. What it is
// told when VIPs change hands, and after each plan: whether it moved leases.
int giving_start(struct control *control, struct reason *reason);
void giving_stop(struct control *control);
bool giving_has_others(void *control);
void giving_changed(struct control *control);
void giving_planned(struct control *control, bool moved);

// handover.c: a restart of the machine that others know of before; and the return from it, once the
// dataplane serves.
int handover_start(struct control *control, struct reason *reason);
void handover_stop(struct control *control);
bool handover_leave(void *control, enum firmware_leave how, struct reason *reason);
void handover_serving(struct control *control);

// checks.c: health/ among the steps, before plan/.
int checks_start(struct control *control, struct reason *reason);
void checks_stop(struct control *control);
void checks_drained(void *control); // the endpoints that are have changed

// https.c: the API on the network, as the settings say; what cannot be is told in `reason`.
void https_follow(struct control *control, struct reason *reason);

// fetch.c: the dataplane's lines of log, once a second.
int fetch_start(struct control *control, struct reason *reason);
void fetch_stop(struct control *control);

// report.c: what api/ tells about us.
void report(void *arg, struct api_state *state);
void report_free(struct control *control);
