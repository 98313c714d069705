// SPDX-License-Identifier: BSD-3-Clause
// One row a problem, by its hash; a new plan makes new rows, and those that stay keep what became
// of them.
#include "events.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "event_text.h"
#include "lane.h"
#include "log.h"

#define ROWS_MOST  5000 // of one plan; the rest is in show problems alone
#define AT_A_TIME  4    // of each cluster
#define BURST      50
#define TURN_MS    100
#define TURNS_EACH 1 // Events a turn after the burst: ten a second
#define RETRY_MS   5000
#define GRACE_MS   10000 // a warning is told when it stays: a Service may come before its endpoints

struct row {
	uint64_t hash;
	struct event_object object;
	char *body;
	bool told, asking;
	uint64_t not_before_ms;
};

struct events {
	struct status_options options;
	uv_loop_t *loop;
	uv_timer_t timer;
	struct row *rows; // sorted by hash, each once
	size_t count, next;
	struct lanes *lanes;
	unsigned allowance;
	bool closing, refused_told;
	const struct model *model;
	struct plan_problem *const *problems; // those that the rows are of, or are about to be
	unsigned problem_count;
	bool stale; // the rows are of other problems
};

struct asking {
	struct events *events;
	struct lane *lane;
	uint64_t hash;
};

static int compare_rows(const void *left, const void *right)
{
	const struct row *a = left, *b = right;

	return a->hash < b->hash ? -1 : a->hash > b->hash;
}

static struct row *find(struct row *rows, size_t count, uint64_t hash)
{
	const struct row wanted = {.hash = hash};

	return count ? bsearch(&wanted, rows, count, sizeof(*rows), compare_rows) : NULL;
}

static void free_rows(struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(rows[i].body);
	free(rows);
}

static void done(void *arg, long status, const char *error, const char *body)
{
	struct asking *asking = arg;
	struct events *e = asking->events;
	struct row *row = e->closing ? NULL : find(e->rows, e->count, asking->hash);

	// 409: it was told before a restart. 4xx: it will not be taken another time either.
	bool heard = status >= 200 && status < 500 && status != 401 && status != 429;

	(void)body;
	if (!e->closing)
		lane_answered(asking->lane, heard, uv_now(e->loop));
	free(asking);
	if (!row)
		return;
	row->asking = false;
	row->told = heard;
	row->not_before_ms = uv_now(e->loop) + RETRY_MS;
	if (status == 403 && !e->refused_told) {
		e->refused_told = true;
		log_warning("status", "Events of %s: %s", row->object.cluster,
			error ? error : "refused");
	}
}

static void tell(struct events *e, struct lane *lane, struct row *row)
{
	struct cluster *cluster = e->options.cluster(e->options.arg, row->object.cluster);
	struct asking *asking = cluster ? calloc(1, sizeof(*asking)) : NULL;
	char *path = asking ? event_path(&row->object) : NULL;
	struct cluster_write write = {.method = "POST",
		.path = path,
		.body = row->body,
		.content_type = "application/json",
		.arg = asking,
		.done = done};
	int error = path ? -ENOMEM : -EAGAIN;

	if (path) {
		*asking = (struct asking){e, lane, row->hash};
		error = cluster_write(cluster, &write);
	}
	free(path);
	if (!error) {
		row->asking = true;
		lane_asked(lane);
		e->allowance--;
		return;
	}
	free(asking);
	row->told = !cluster || error == -ENOTSUP; // nobody there listens
	row->not_before_ms = uv_now(e->loop) + RETRY_MS;
}

static void tell_some(struct events *e)
{
	uint64_t now_ms = uv_now(e->loop);
	bool left = false;

	if (e->allowance < BURST)
		e->allowance += TURNS_EACH;
	for (size_t i = 0; i < e->count; i++) {
		struct row *row = &e->rows[(e->next + i) % e->count];
		struct lane *lane;

		if (row->told)
			continue;
		left = true;
		lane = row->asking || row->not_before_ms > now_ms
			       ? NULL
			       : lane_of(e->lanes, row->object.cluster);
		if (!lane || !lane_is_open(lane, now_ms))
			continue;
		if (!e->allowance) {
			e->next = (e->next + i) % e->count;
			break;
		}
		tell(e, lane, row);
	}
	if (!left && e->allowance == BURST)
		uv_timer_stop(&e->timer);
}

static const char *uid_of(const struct model *model, const struct event_object *object)
{
	const struct object *found =
		model_find(model, object->kind, object->cluster, object->namespace, object->name);

	return found && found->uid ? found->uid : "";
}

// One row: what was told of the same problem before goes on.
static bool fill_row(struct events *e, struct row *row, const struct plan_problem *problem)
{
	struct row *before;

	if (!event_object_of(problem->object, &row->object))
		return false;
	row->hash = event_hash(problem);
	before = find(e->rows, e->count, row->hash);
	if (before && before->body) {
		*row = *before;
		before->body = NULL; // it is the new row's
		return true;
	}
	if (problem->level == PROBLEM_WARNING)
		row->not_before_ms = uv_now(e->loop) + GRACE_MS;
	row->body = event_body(
		&row->object, problem, uid_of(e->model, &row->object), (int64_t)time(NULL));
	return row->body;
}

static size_t fill(struct events *e, struct row *rows)
{
	size_t count = 0, left = 0;

	for (unsigned i = 0; i < e->problem_count && count < ROWS_MOST; i++)
		count += fill_row(e, &rows[count], e->problems[i]);
	if (count)
		qsort(rows, count, sizeof(*rows), compare_rows);
	for (size_t i = 0; i < count; i++) {
		if (left && rows[left - 1].hash == rows[i].hash) {
			rows[left - 1].told |= rows[i].told;
			rows[left - 1].asking |= rows[i].asking;
			free(rows[i].body);
		} else {
			rows[left++] = rows[i];
		}
	}
	return left;
}

static void make_rows(struct events *e)
{
	unsigned most = e->problem_count < ROWS_MOST ? e->problem_count : ROWS_MOST;
	struct row *rows = calloc(most + 1u, sizeof(*rows));
	size_t count;

	if (!rows)
		return;
	count = fill(e, rows);
	free_rows(e->rows, e->count);
	e->rows = rows;
	e->count = count;
	e->next = 0;
	e->stale = false;
}

static void on_turn(uv_timer_t *timer)
{
	struct events *e = timer->data;

	if (e->stale)
		make_rows(e);
	tell_some(e);
}

// Rows are made by the timer: of many plans that follow each other at once, and not while a change
// is on its way.
void events_follow(struct events *e, const struct plan *plan, const struct model *model)
{
	e->model = model;
	if (e->problems == plan->problems && e->problem_count == plan->problem_count)
		return;
	e->problems = plan->problems;
	e->problem_count = plan->problem_count;
	e->stale = true;
	if (!uv_is_active((uv_handle_t *)&e->timer))
		uv_timer_start(&e->timer, on_turn, TURN_MS, TURN_MS);
}

struct events *events_open(uv_loop_t *loop, const struct status_options *options)
{
	struct events *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->lanes = lanes_new(AT_A_TIME);
	if (!e->lanes) {
		free(e);
		return NULL;
	}
	e->options = *options;
	e->loop = loop;
	e->allowance = BURST;
	uv_timer_init(loop, &e->timer);
	e->timer.data = e;
	return e;
}

static void on_closed(uv_handle_t *handle)
{
	struct events *e = handle->data;

	free_rows(e->rows, e->count);
	lanes_free(e->lanes);
	free(e);
}

void events_close(struct events *e)
{
	if (!e)
		return;
	e->closing = true;
	uv_close((uv_handle_t *)&e->timer, on_closed);
}
