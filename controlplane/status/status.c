// SPDX-License-Identifier: BSD-3-Clause
// Rows of (object, what its status shall be), sorted by object. A new plan makes new rows; those
// that are as they were keep what was told, and the others are told, a few at a time.
#include "status.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ip_mode.h"
#include "log.h"
#include "told.h"

#define AT_A_TIME 16 // requests, all clusters together
#define RETRY_MS  2000
#define KEY_BYTES 512
// Rows are compared with what objects say, so that what somebody else has written over is told
// again; not at once, for what we told comes back to us a moment later.
#define LOOK_MS     1000
#define LOOK_ROWS   500
#define LOOK_DOUBTS 5

struct row {
	char *key;     // "services/cluster/namespace/name"
	char *body;    // the patch
	uint64_t says; // the digest of what it shall say; see told.h
	bool told, asking, cleared;
	bool with_mode; // it says an ipMode
	unsigned doubts;
};

struct status {
	struct status_options options;
	const struct model *model;
	const struct plan *plan;
	uv_timer_t timer, look;
	size_t looked; // the row where the next look begins
	unsigned handles;
	struct row **rows;
	size_t count, capacity;
	unsigned asking;
	bool closing;
	// Of the plan that the rows are of: arrays at the same place are the same.
	struct plan_vip *const *vips;
	struct plan_listener *const *listeners;
	struct plan_ingress *const *ingresses;
	unsigned vip_count, ingress_count;
};

struct asking {
	struct status *status;
	char *key, *body;
};

static void row_free(struct row *row)
{
	free(row->key);
	free(row->body);
	free(row);
}

static int compare_rows(const void *left, const void *right)
{
	const struct row *a = *(struct row *const *)left, *b = *(struct row *const *)right;

	return strcmp(a->key, b->key);
}

static struct row *find(const struct status *s, const char *key)
{
	const struct row wanted = {.key = (char *)(uintptr_t)key}, *at = &wanted;
	struct row *const *found =
		s->count ? bsearch(&at, s->rows, s->count, sizeof(at), compare_rows) : NULL;

	return found ? *found : NULL;
}

static bool push(struct status *s, struct row *row)
{
	if (s->count == s->capacity) {
		size_t capacity = s->capacity ? s->capacity * 2 : 64;
		struct row **bigger = realloc(s->rows, capacity * sizeof(*bigger));

		if (!bigger)
			return false;
		s->rows = bigger;
		s->capacity = capacity;
	}
	s->rows[s->count++] = row;
	return true;
}

// What a row shall say.
struct saying {
	const struct addr *addresses;
	unsigned count;
	const char *ip_mode; // "" = nothing of it
};

static char *patch_of(const struct saying *saying)
{
	char text[ADDR_TEXT], *body = NULL;
	size_t size;
	FILE *stream = open_memstream(&body, &size);

	if (!stream)
		return NULL;
	fputs("{\"status\":{\"loadBalancer\":{\"ingress\":", stream);
	for (unsigned i = 0; i < saying->count; i++) {
		fprintf(stream, "%s{\"ip\":\"%s\"", i ? "," : "[",
			addr_format(&saying->addresses[i], text));
		if (*saying->ip_mode)
			fprintf(stream, ",\"ipMode\":\"%s\"", saying->ip_mode);
		fputc('}', stream);
	}
	fputs(saying->count ? "]}}}" : "null}}}", stream);
	fclose(stream);
	return body;
}

static uint64_t says(const struct saying *saying)
{
	uint64_t told = TOLD_NOTHING;
	char text[ADDR_TEXT];

	for (unsigned i = 0; i < saying->count; i++)
		told = told_add(told, addr_format(&saying->addresses[i], text), saying->ip_mode);
	return told;
}

struct parts { // of a key "services/cluster/namespace/name"
	char key[KEY_BYTES];
	const char *kind, *cluster, *namespace, *name;
	bool service;
};

// False when it has not four.
static bool split(const char *key, struct parts *parts)
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

// The object of the key, if it is there.
static const struct object *object_of(const struct model *model, const char *key)
{
	struct parts parts;

	return split(key, &parts)
		       ? model_find(model, parts.service ? OBJECT_SERVICE : OBJECT_INGRESS,
				 parts.cluster, parts.namespace, parts.name)
		       : NULL;
}

// Does the object say so already, as it does after a restart of ours?
static bool is_said(const struct status *s, const struct row *row)
{
	const struct object *object = object_of(s->model, row->key);

	return object && object->digest && object->told == row->says;
}

// `old` are the rows before; what is as it was keeps its state.
static void want(
	struct status *s, const struct status *old, const char *key, const struct saying *saying)
{
	struct row *row = calloc(1, sizeof(*row)), *before = find(old, key);

	if (!row)
		return;
	row->key = strdup(key);
	row->body = patch_of(saying);
	row->says = says(saying);
	row->cleared = saying->count == 0;
	row->with_mode = *saying->ip_mode;
	if (!row->key || !row->body || !push(s, row)) {
		row_free(row);
		return;
	}
	if (before && strcmp(before->body, row->body) == 0) {
		row->told = before->told;
		row->asking = before->asking;
	} else if (!before) {
		row->told = is_said(s, row);
	}
}

struct pair {
	const char *service;
	struct addr address;
};

static int compare_pairs(const void *left, const void *right)
{
	const struct pair *a = left, *b = right;
	int order = strcmp(a->service, b->service);

	return order ? order : addr_compare(&a->address, &b->address);
}

static bool knows_ip_mode(const struct status *s, const char *cluster)
{
	return ip_mode_known(s->options.cluster(s->options.arg, cluster));
}

static const char *mode_of(
	const struct status *s, const struct ip_modes *modes, const char *service)
{
	char cluster[KEY_BYTES];

	snprintf(cluster, sizeof(cluster), "%.*s", (int)strcspn(service, "/"), service);
	return knows_ip_mode(s, cluster) ? ip_modes_of(modes, service) : "";
}

static void want_services(struct status *s, const struct status *old, const struct plan *plan)
{
	size_t count = 0, n = 0;
	struct pair *pairs;
	struct addr addresses[16];
	char key[KEY_BYTES];
	struct ip_modes modes;

	for (unsigned i = 0; i < plan->vip_count; i++)
		count += plan->vips[i]->service_count;
	pairs = calloc(count + 1, sizeof(*pairs));
	if (!pairs)
		return;
	ip_modes_read(&modes, plan);
	for (unsigned i = 0; i < plan->vip_count; i++)
		for (unsigned j = 0; j < plan->vips[i]->service_count; j++)
			pairs[n++] =
				(struct pair){plan->vips[i]->services[j], plan->vips[i]->address};
	qsort(pairs, n, sizeof(*pairs), compare_pairs);
	for (size_t i = 0; i < n;) {
		const char *service = pairs[i].service;
		struct saying saying = {
			.addresses = addresses, .ip_mode = mode_of(s, &modes, service)};
		unsigned found = 0;

		for (; i < n && strcmp(pairs[i].service, service) == 0; i++)
			if (found < 16)
				addresses[found++] = pairs[i].address;
		saying.count = found;
		if ((size_t)snprintf(key, sizeof(key), "services/%s", service) < sizeof(key))
			want(s, old, key, &saying);
	}
	ip_modes_clear(&modes);
	free(pairs);
}

static void want_ingresses(struct status *s, const struct status *old, const struct plan *plan)
{
	char key[KEY_BYTES];

	for (unsigned i = 0; i < plan->ingress_count; i++) {
		const struct plan_ingress *ingress = plan->ingresses[i];
		const struct saying saying = {ingress->addresses, ingress->address_count, ""};

		if (ingress->ours && ingress->address_count &&
			(size_t)snprintf(key, sizeof(key), "ingresses/%s", ingress->name) <
				sizeof(key))
			want(s, old, key, &saying);
	}
}

// The path of the object's status, and its cluster; NULL: it is in nobody's cluster.
static char *path_of(const struct status *s, const char *key, struct cluster **cluster)
{
	struct parts parts;
	char *path = NULL;

	*cluster = NULL;
	if (!split(key, &parts) || !*parts.namespace)
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

static void done(void *arg, long status, const char *error, const char *body)
{
	struct asking *asking = arg;
	struct status *s = asking->status;
	struct row *row = s->closing ? NULL : find(s, asking->key);

	(void)body;
	s->asking--;
	if (row) {
		row->asking = false;
		// 404: it is gone, and so is what was to be said.
		if ((status >= 200 && status < 300) || status == 404)
			row->told = row->told || strcmp(row->body, asking->body) == 0;
		else if (status)
			log_warning("status", "%s: %s", asking->key, error ? error : "refused");
	}
	free(asking->key);
	free(asking->body);
	free(asking);
	if (!s->closing)
		uv_timer_start(
			&s->timer, on_timer, status >= 200 && status < 300 ? 0 : RETRY_MS, 0);
}

static void tell(struct status *s, struct row *row)
{
	struct asking *asking = calloc(1, sizeof(*asking));
	struct cluster_write write = {.method = "PATCH",
		.body = row->body,
		.content_type = "application/merge-patch+json",
		.arg = asking,
		.done = done};
	struct cluster *cluster;
	char *path = path_of(s, row->key, &cluster);
	int rc = -ENOMEM;

	if (!path) {
		row->told = true; // of nobody who listens
		free(asking);
		return;
	}
	write.path = path;
	if (asking) {
		*asking = (struct asking){s, strdup(row->key), strdup(row->body)};
		rc = asking->key && asking->body ? cluster_write(cluster, &write) : -ENOMEM;
	}
	free(path);
	if (rc == 0) {
		row->asking = true;
		s->asking++;
		return;
	}
	if (asking) {
		free(asking->key);
		free(asking->body);
	}
	free(asking);
	if (rc == -ENOTSUP)
		row->told = true;
	else
		uv_timer_start(&s->timer, on_timer, RETRY_MS, 0);
}

static void pump(struct status *s)
{
	for (size_t i = 0; i < s->count && s->asking < AT_A_TIME; i++)
		if (!s->rows[i]->told && !s->rows[i]->asking)
			tell(s, s->rows[i]);
}

// What was told, and is not wanted any more, is taken back where the object is still there.
static void clear_others(struct status *s, const struct status *old, const struct model *model)
{
	size_t wanted = s->count;
	struct status rows = {.rows = s->rows, .count = wanted};
	const struct saying nothing = {NULL, 0, ""};

	for (size_t i = 0; i < old->count; i++) {
		const struct row *row = old->rows[i];

		rows.rows = s->rows;
		if ((row->cleared && row->told) || find(&rows, row->key))
			continue;
		if (object_of(model, row->key))
			want(s, old, row->key, &nothing);
	}
	if (s->count)
		qsort(s->rows, s->count, sizeof(*s->rows), compare_rows);
}

static void make_rows(struct status *s, const struct plan *plan, const struct model *model)
{
	struct status old = {.rows = s->rows, .count = s->count};

	s->vips = plan->vips;
	s->listeners = plan->listeners;
	s->vip_count = plan->vip_count;
	s->ingresses = plan->ingresses;
	s->ingress_count = plan->ingress_count;
	s->model = model;
	s->rows = NULL;
	s->count = s->capacity = 0;
	want_services(s, &old, plan);
	want_ingresses(s, &old, plan);
	if (s->count)
		qsort(s->rows, s->count, sizeof(*s->rows), compare_rows);
	clear_others(s, &old, model);
	for (size_t i = 0; i < old.count; i++)
		row_free(old.rows[i]);
	free(old.rows);
	uv_timer_start(&s->timer, on_timer, 0, 0);
}

void status_follow(struct status *s, const struct plan *plan, const struct model *model)
{
	bool same = s->vips == plan->vips && s->vip_count == plan->vip_count &&
		    s->listeners == plan->listeners && s->ingresses == plan->ingresses &&
		    s->ingress_count == plan->ingress_count;

	s->plan = plan;
	if (!same)
		make_rows(s, plan, model);
}

// Has its server told its version, or another one, since the row was made?
static bool is_of_another_server(const struct status *s, const struct row *row)
{
	struct parts parts;

	return !row->cleared && split(row->key, &parts) && parts.service &&
	       knows_ip_mode(s, parts.cluster) != row->with_mode;
}

static void on_look(uv_timer_t *timer)
{
	struct status *s = timer->data;
	bool again = false, another = false;

	for (size_t i = 0; s->model && i < LOOK_ROWS && i < s->count; i++) {
		struct row *row = s->rows[s->looked++ % s->count];
		const struct object *object = object_of(s->model, row->key);

		another |= is_of_another_server(s, row);
		if (!row->told || row->asking || !object || !object->digest ||
			object->told == row->says) {
			row->doubts = 0;
		} else if (++row->doubts >= LOOK_DOUBTS) {
			row->told = false;
			row->doubts = 0;
			again = true;
		}
	}
	if (another && s->plan)
		make_rows(s, s->plan, s->model); // which tells
	else if (again)
		pump(s);
}

struct status *status_open(uv_loop_t *loop, const struct status_options *options)
{
	struct status *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->options = *options;
	uv_timer_init(loop, &s->timer);
	uv_timer_init(loop, &s->look);
	s->timer.data = s->look.data = s;
	uv_timer_start(&s->look, on_look, LOOK_MS, LOOK_MS);
	s->handles = 2;
	return s;
}

static void on_closed(uv_handle_t *handle)
{
	struct status *s = handle->data;

	if (--s->handles)
		return;
	for (size_t i = 0; i < s->count; i++)
		row_free(s->rows[i]);
	free(s->rows);
	free(s);
}

void status_close(struct status *s)
{
	if (!s)
		return;
	s->closing = true;
	uv_close((uv_handle_t *)&s->timer, on_closed);
	uv_close((uv_handle_t *)&s->look, on_closed);
}
