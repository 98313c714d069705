// SPDX-License-Identifier: BSD-3-Clause
// Rows that are to be told: each when its turn comes, by a patch, until its cluster has taken it.
#include "status_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

struct asking {
	struct status *status;
	struct lane *lane;
	char *key, *body;
};

static void asking_free(struct asking *asking)
{
	if (!asking)
		return;
	free(asking->key);
	free(asking->body);
	free(asking);
}

bool status_split(const char *key, struct status_parts *parts)
{
	char *rest = parts->key;

	snprintf(parts->key, sizeof(parts->key), "%s", key);
	parts->kind = strsep(&rest, "/");
	parts->cluster = strsep(&rest, "/");
	parts->namespace = strsep(&rest, "/");
	parts->name = strsep(&rest, "/");
	parts->service = strcmp(parts->kind, "services") == 0;
	return parts->name && !rest;
}

const struct object *status_object(const struct model *model, const char *key)
{
	struct status_parts parts;

	return status_split(key, &parts)
		       ? model_find(model, parts.service ? OBJECT_SERVICE : OBJECT_INGRESS,
				 parts.cluster, parts.namespace, parts.name)
		       : NULL;
}

static struct lane *lane_of_key(const struct status *s, const char *key)
{
	struct status_parts parts;

	return status_split(key, &parts) ? lane_of(s->lanes, parts.cluster) : NULL;
}

void status_settle(struct status *s, struct row *row)
{
	struct lane *lane;

	if (row->asking)
		return; // until the answer
	if (row->told) {
		lane_leave(&row->waiter);
		if (row->cleared)
			row_remove(&s->table, row);
		return;
	}
	lane = row->waiter.lane ? NULL : lane_of_key(s, row->key);
	if (lane)
		lane_wait(lane, &row->waiter);
}

// The path of the object's status, and its cluster; NULL: it is in nobody's cluster.
static char *path_of(const struct status *s, const char *key, struct cluster **cluster)
{
	struct status_parts parts;
	char *path = NULL;

	*cluster = NULL;
	if (!status_split(key, &parts) || !*parts.namespace)
		return NULL;
	*cluster = s->options.cluster(s->options.arg, parts.cluster);
	if (!*cluster || asprintf(&path, "/%s/namespaces/%s/%s/%s/status",
				 parts.service ? "api/v1" : "apis/networking.k8s.io/v1",
				 parts.namespace, parts.kind, parts.name) < 0)
		return NULL;
	return path;
}

static void pump(struct status *s);

static void on_timer(uv_timer_t *timer)
{
	pump(timer->data);
}

void status_pump(struct status *s)
{
	uint64_t now_ms = uv_now(s->loop), due_ms = lanes_due_ms(s->lanes, now_ms);

	if (due_ms == LANE_NEVER)
		uv_timer_stop(&s->timer);
	else
		uv_timer_start(&s->timer, on_timer, due_ms - now_ms, 0);
}

static void answered(struct status *s, struct lane *lane, const char *key, const char *error)
{
	struct status_parts parts;

	if (!lane_answered(lane, !error, uv_now(s->loop)) || !status_split(key, &parts))
		return;
	if (error)
		log_warning("status", "cluster %s cannot be told of its addresses: %s",
			parts.cluster, error);
	else
		log_info("status", "cluster %s is told of its addresses again", parts.cluster);
}

static bool is_heard(long status)
{
	return status && status != 401 && status != 429 && status < 500;
}

static void refused(
	struct status *s, struct lane *lane, struct row *row, long status, const char *error)
{
	if (status == 409) { // what it says now is on its way to us
		lane_wait_soon(lane, &row->waiter, uv_now(s->loop));
		return;
	}
	log_warning("status", "%s: %s", row->key, error ? error : "refused");
	lane_wait_again(lane, &row->waiter, uv_now(s->loop));
}

static void done(void *arg, long status, const char *error, const char *body)
{
	struct asking *asking = arg;
	struct status *s = asking->status;
	struct row *row = s->closing ? NULL : row_find(&s->table, asking->key);
	bool taken = status >= 200 && status < 300;

	(void)body;
	if (!s->closing)
		answered(s, asking->lane, asking->key,
			is_heard(status) ? NULL
			: error          ? error
					 : "no answer");
	if (row) {
		bool same = strcmp(row->body, asking->body) == 0;

		row->asking = false;
		// 404: it is gone, and so is what was to be said.
		row->told |= (taken || status == 404) && same;
		if (row->told || taken || !is_heard(status) || !same)
			status_settle(s, row);
		else
			refused(s, asking->lane, row, status, error);
	}
	asking_free(asking);
	if (!s->closing)
		status_pump(s);
}

// Where other boxes write too, a Service's only as it was when last seen: who comes first wins, and
// nobody takes an address back that another box has found there.
static char *body_of(const struct status *s, const struct row *row)
{
	const struct object *object = status_object(s->model, row->key);

	if (object && object->kind == OBJECT_SERVICE && *object->status.version &&
		s->options.has_others(s->options.arg))
		return row_body_of(row, object->status.version);
	return strdup(row->body);
}

static struct asking *asking_new(struct status *s, const struct row *row)
{
	struct asking *asking = calloc(1, sizeof(*asking));

	if (!asking)
		return NULL;
	*asking = (struct asking){s, lane_of_key(s, row->key), strdup(row->key), strdup(row->body)};
	if (asking->lane && asking->key && asking->body)
		return asking;
	asking_free(asking);
	return NULL;
}

// 0: it is asked, and done() comes.
static int ask(struct status *s, struct cluster *cluster, const char *path, const struct row *row)
{
	struct asking *asking = asking_new(s, row);
	char *body = asking ? body_of(s, row) : NULL;
	struct cluster_write write = {.method = "PATCH",
		.path = path,
		.body = body,
		.content_type = "application/merge-patch+json",
		.arg = asking,
		.done = done};
	int rc = body ? cluster_write(cluster, &write) : -ENOMEM;

	free(body);
	if (rc)
		asking_free(asking);
	return rc;
}

static void tell(struct status *s, struct row *row)
{
	struct lane *lane = lane_of_key(s, row->key);
	struct cluster *cluster;
	char *path = path_of(s, row->key, &cluster);
	int rc = path && lane ? ask(s, cluster, path, row) : -ENOTSUP;

	free(path);
	if (rc != -ENOTSUP)
		lane_asked(lane);
	if (rc == 0) {
		row->asking = true;
		return;
	}
	row->told = rc == -ENOTSUP; // nobody there listens
	if (!row->told)
		answered(s, lane, row->key, strerror(-rc));
	status_settle(s, row);
}

static void pump(struct status *s)
{
	struct waiter *waiter;

	while ((waiter = lanes_next(s->lanes, uv_now(s->loop))))
		tell(s, (struct row *)((char *)waiter - offsetof(struct row, waiter)));
	status_pump(s);
}
