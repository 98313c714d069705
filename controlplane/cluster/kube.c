// SPDX-License-Identifier: BSD-3-Clause
// The source `kube`: a live cluster, by its API server.
//
//     journals on disk -> model       at the start: what the cluster said last
//     API server -> model, journals   each resource by itself (kube_follow.h)
//
// What the API server does not answer, or refuses, changes nothing in the model: it becomes a
// problem of the cluster. Only a complete list takes objects away. A cluster that was never seen
// has nothing in force: it is waited for a moment, and then held up by it is nobody else.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "json_tree.h"
#include "kube_internal.h"
#include "log.h"

#define GATHER_MS    2
#define SLOW_MS      1000
#define PING_TURNS   5 // of the slow timer
#define PING_STALL_S 4
#define PATIENCE_MS  10000
#define HEARING_MS   1500
#define SKEW_MOST_S  60
#define PROBLEMS     16

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

// The cluster's own problems.

struct lines {
	struct model_problem rows[PROBLEMS];
	char texts[PROBLEMS][1200];
	size_t count;
};

static void add_line(struct lines *lines, const char *text, bool warning)
{
	if (!*text || lines->count == PROBLEMS)
		return;
	for (size_t i = 0; i < lines->count; i++)
		if (strncmp(lines->texts[i], text, strlen(text)) == 0)
			return;
	snprintf(lines->texts[lines->count], sizeof(lines->texts[0]), "%s%s", text,
		warning ? "" : "; what it said last stays in force");
	lines->rows[lines->count] = (struct model_problem){.object = "cluster",
		.where = "",
		.text = lines->texts[lines->count],
		.warning = warning};
	lines->count++;
}

static void collect(const struct kube *k, struct lines *lines)
{
	char text[200];

	add_line(lines, kube_auth_problem(k->auth), false);
	add_line(lines, k->ping_problem, false);
	for (unsigned i = 0; i < k->resource_count; i++)
		add_line(lines, follow_problem(k->resources[i].follow), false);
	for (unsigned i = 0; i < k->secret_count; i++)
		if (k->secrets[i]->follow)
			add_line(lines, follow_problem(k->secrets[i]->follow), true); // it alone
	if (llabs((long long)k->skew_s) > SKEW_MOST_S) {
		snprintf(text, sizeof(text),
			"its clock is %lld s %s ours: tokens and certificates may be refused; "
			"set both by NTP",
			llabs((long long)k->skew_s), k->skew_s > 0 ? "ahead of" : "behind");
		add_line(lines, text, true);
	}
}

static bool all_tried(const struct kube *k)
{
	for (unsigned i = 0; i < k->resource_count; i++)
		if (!k->resources[i].tried && !k->resources[i].loaded)
			return false;
	return true;
}

static bool all_listed(const struct kube *k)
{
	for (unsigned i = 0; i < k->resource_count; i++) {
		enum follow_state state = follow_state(k->resources[i].follow);

		if (state != FOLLOW_LISTED && state != FOLLOW_MISSING)
			return false;
	}
	return true;
}

static void set_health(struct kube *k, enum cluster_health health)
{
	if (k->since_us && k->health == health)
		return;
	k->health = health;
	k->since_us = now_us();
	if (health != CLUSTER_CONNECTING)
		log_notice("kube", "%s: %s", k->cluster->name,
			health == CLUSTER_LIVE ? "live"
					       : "not live: the last known stays in force");
}

static void tell_problems(struct kube *k)
{
	struct lines *lines = calloc(1, sizeof(*lines));
	char *object;

	k->problems_changed = false;
	if (!lines)
		return;
	collect(k, lines);
	if (asprintf(&object, "cluster %s", k->cluster->name) < 0)
		object = NULL;
	for (size_t i = 0; i < lines->count; i++) {
		lines->rows[i].object = object ? object : "cluster";
		lines->rows[i].where = k->config.server;
	}
	if (lines->count && !lines->rows[0].warning)
		set_health(k, CLUSTER_LAST_KNOWN);
	else if (all_listed(k))
		set_health(k, CLUSTER_LIVE);
	model_set_problems(
		k->cluster->model, k->cluster->name, " cluster", lines->rows, lines->count);
	free(object);
	free(lines);
}

static void become_synced(struct kube *k)
{
	if (k->cluster->synced)
		return;
	k->cluster->synced = true;
	uv_timer_stop(&k->patience);
}

static void on_gather(uv_timer_t *timer)
{
	struct kube *k = timer->data;

	if (k->secrets_changed)
		kube_secrets_update(k);
	if (k->problems_changed)
		tell_problems(k);
	if (all_tried(k))
		become_synced(k);
	k->cluster->handlers.changed(k->cluster->handlers.arg);
}

void kube_changed(struct kube *k)
{
	if (!k->closing && !uv_is_active((uv_handle_t *)&k->gather))
		uv_timer_start(&k->gather, on_gather, GATHER_MS, 0);
}

void kube_was_away(struct kube *k)
{
	for (unsigned i = 0; i < k->resource_count; i++)
		follow_relist(k->resources[i].follow);
}

static void retry(struct kube *k)
{
	for (unsigned i = 0; i < k->resource_count; i++)
		follow_retry(k->resources[i].follow);
	for (unsigned i = 0; i < k->secret_count; i++)
		if (k->secrets[i]->follow)
			follow_retry(k->secrets[i]->follow);
}

static void on_patience(uv_timer_t *timer)
{
	struct kube *k = timer->data;

	become_synced(k);
	kube_changed(k);
}

// Is it there, what is it, and what time has it?

static int take_version(void *arg, const struct kube_call *call, const char *bytes, size_t length)
{
	static const char key[] = "\"gitVersion\":";
	struct kube *k = arg;
	char text[2048];
	char *at;

	(void)call;
	if (length >= sizeof(text))
		return 0;
	memcpy(text, bytes, length);
	text[length] = '\0';
	at = strstr(text, key);
	at = at ? strchr(at + sizeof(key) - 1, '"') : NULL;
	if (!at)
		return 0;
	at++;
	at[strcspn(at, "\"")] = '\0';
	snprintf(k->version, sizeof(k->version), "%.60s", at);
	return 0;
}

static void ping_done(void *arg, const struct kube_answer *answer)
{
	struct kube *k = arg;
	// A server that answers at all is there; what it refuses, the resources tell.
	const char *problem = answer->status ? "" : answer->error;
	int64_t skew_s = k->skew_s;

	k->ping = NULL;
	if (answer->unreachable) {
		kube_was_away(k);
		kube_http_doubt(k->http);
	}
	if (*k->ping_problem && !*problem)
		retry(k); // it is back: what waits longer each time need not
	if (answer->server_time)
		skew_s = answer->server_time - (int64_t)time(NULL);
	if (strcmp(k->ping_problem, problem) != 0 ||
		(llabs((long long)skew_s) > SKEW_MOST_S) !=
			(llabs((long long)k->skew_s) > SKEW_MOST_S)) {
		k->problems_changed = true;
		kube_changed(k);
	}
	k->skew_s = skew_s;
	snprintf(k->ping_problem, sizeof(k->ping_problem), "%s", problem);
}

static void ping(struct kube *k)
{
	const struct kube_question question = {.path = "/version",
		.stall_s = PING_STALL_S,
		.arg = k,
		.data = take_version,
		.done = ping_done};

	if (!k->ping && kube_auth_ready(k->auth))
		k->ping = kube_http_ask(k->http, &question);
}

static void on_slow(uv_timer_t *timer)
{
	struct kube *k = timer->data;

	for (unsigned i = 0; i < k->resource_count; i++)
		if (k->resources[i].journal)
			journal_flush(k->resources[i].journal);
	for (unsigned i = 0; i < k->secret_count; i++)
		if (k->secrets[i]->journal)
			journal_flush(k->secrets[i]->journal);
	if (k->slow_turns++ % PING_TURNS == 0)
		ping(k);
}

static void on_credentials(void *arg)
{
	struct kube *k = arg;

	retry(k);
	k->problems_changed = true;
	kube_changed(k);
}

// Begin and end.

static void kube_free(struct kube *k)
{
	kubeconfig_clear(&k->config);
	free(k->folder);
	seal_close(k->seal);
	free(k->resources);
	free(k);
}

static int make_resources(struct kube *k)
{
	const struct source_settings *s = k->settings;
	unsigned namespaces = s->namespace_count ? s->namespace_count : 1;

	k->resources = calloc((size_t)kube_kind_count * namespaces, sizeof(*k->resources));
	if (!k->resources)
		return -ENOMEM;
	for (unsigned i = 0; i < kube_kind_count; i++) {
		bool each = kube_kinds[i].namespaced && s->namespace_count;

		for (unsigned j = 0; j < (each ? namespaces : 1); j++) {
			struct resource *r = &k->resources[k->resource_count++];

			r->kube = k;
			r->kind = &kube_kinds[i];
			r->namespace = strdup(each ? s->namespaces[j] : "");
			r->secret = strdup("");
			if (!r->namespace || !r->secret || resource_start(r))
				return -ENOMEM;
		}
	}
	return 0;
}

static void on_http_closed(void *arg)
{
	struct kube *k = arg;

	if (--k->open_handles)
		return;
	cluster_freed(k->cluster);
	kube_free(k);
}

static void on_timer_closed(uv_handle_t *handle)
{
	on_http_closed(handle->data);
}

static void kube_close(struct cluster *cluster)
{
	struct kube *k = cluster->state;

	k->closing = true;
	kube_http_cancel(k->ping);
	for (unsigned i = 0; i < k->resource_count; i++)
		resource_end(&k->resources[i]);
	kube_secrets_end(k);
	k->resource_count = k->secret_count = 0;
	kube_auth_close(k->auth);
	kube_http_close(k->http, on_http_closed, k);
	uv_close((uv_handle_t *)&k->gather, on_timer_closed);
	uv_close((uv_handle_t *)&k->slow, on_timer_closed);
	uv_close((uv_handle_t *)&k->patience, on_timer_closed);
}

static int read_config(struct kube *k, struct reason *reason)
{
	const char *text = k->settings->kubeconfig;
	int rc =
		text ? kubeconfig_parse(&k->config, text, strlen(text),
			       "its registration (sluice cluster register)", "", reason)
		     : kubeconfig_load(&k->config, k->settings->path, k->settings->context, reason);

	if (rc == 0 && k->config.insecure && !k->settings->insecure) {
		reason_add(reason,
			"source \"%s\": %s says insecure-skip-tls-verify: name the cluster's CA "
			"instead, or say insecure = true in sluice.conf",
			k->settings->name, k->settings->path);
		return -EINVAL;
	}
	return rc;
}

static void make_folder(struct kube *k)
{
	struct reason reason = {0};
	char *clusters;

	if (!*k->settings->state_dir)
		return;
	if (asprintf(&clusters, "%s/clusters", k->settings->state_dir) < 0)
		return;
	mkdir(clusters, 0700);
	if (seal_open(&k->seal, k->settings->state_dir, &reason))
		log_warning("kube", "%s", reason_text(&reason));
	else if (asprintf(&k->folder, "%s/%s", clusters, k->settings->name) < 0)
		k->folder = NULL;
	reason_clear(&reason);
	free(clusters);
}

static int kube_open(struct cluster *cluster, uv_loop_t *loop,
	const struct source_settings *settings, struct reason *reason)
{
	struct kube *k = calloc(1, sizeof(*k));
	struct kube_auth_options auth = {.loop = loop, .arg = k, .changed = on_credentials};
	bool loaded = true;
	int rc;

	if (!k)
		return -ENOMEM;
	*k = (struct kube){.cluster = cluster,
		.loop = loop,
		.settings = settings,
		.health = CLUSTER_CONNECTING};
	rc = read_config(k, reason);
	if (rc) {
		kube_free(k);
		return rc;
	}
	make_folder(k);
	k->http = kube_http_open(loop, &k->config);
	auth.http = k->http;
	auth.config = &k->config;
	k->auth = k->http ? kube_auth_open(&auth) : NULL;
	if (!k->auth) {
		if (k->http)
			kube_http_close(k->http, NULL, NULL);
		kube_free(k);
		return -ENOMEM;
	}
	uv_timer_init(loop, &k->gather);
	uv_timer_init(loop, &k->slow);
	uv_timer_init(loop, &k->patience);
	k->gather.data = k->slow.data = k->patience.data = k;
	k->open_handles = 4;
	cluster->state = k;
	rc = make_resources(k);
	if (rc)
		log_error("kube", "%s: out of memory", settings->name);
	kube_secrets_begin(k);
	for (unsigned i = 0; i < k->resource_count; i++)
		loaded &= k->resources[i].loaded ||
			  k->resources[i].kind->kind == OBJECT_INGRESS_CLASS;
	set_health(k, CLUSTER_CONNECTING);
	// What the disk has may be a change behind what is in force: the cluster is heard first, if
	// it speaks soon.
	uv_timer_start(&k->patience, on_patience, loaded ? HEARING_MS : PATIENCE_MS, 0);
	uv_timer_start(&k->slow, on_slow, 0, SLOW_MS);
	return 0;
}

static void kube_state(const struct cluster *cluster, struct cluster_state *state)
{
	struct kube *k = cluster->state;
	struct kube_http_state http;

	state->health = k->health;
	state->server = k->config.server;
	state->version = k->version;
	kube_http_state(k->http, &http);
	state->protocol = http.protocol;
	state->connections = http.connections;
	state->requests = http.requests;
	state->skew_s = k->skew_s;
	state->since_us = k->since_us;
	state->problem = *kube_auth_problem(k->auth) ? kube_auth_problem(k->auth) : k->ping_problem;
	for (unsigned i = 0; i < k->resource_count; i++) {
		const struct resource *r = &k->resources[i];

		state->objects[r->kind->kind] += r->names.count;
		if (!*state->problem)
			state->problem = follow_problem(r->follow);
	}
	for (unsigned i = 0; i < k->secret_count; i++)
		state->objects[OBJECT_SECRET] += k->secrets[i]->names.count;
}

static void kube_take_token(struct cluster *cluster, const char *token)
{
	struct kube *k = cluster->state;

	kube_http_credentials(k->http, token, "", "");
	on_credentials(k);
}

const struct cluster_kind cluster_kube = {
	"kube",
	kube_open,
	kube_close,
	kube_state,
	kube_write,
	kube_take_token,
};
