// SPDX-License-Identifier: BSD-3-Clause
// The list of registered clusters, on disk and here; the renewal of their tokens. See registry.h.
#include "registry_internal.h"

#include "drained.h"
#include "log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TURN_MS   1000
#define RETRY_S   30
#define NAME_MOST 40
#define JOBS_MOST 8
#define FILE_NAME "registered" // also what it is sealed for

struct entry {
	struct registered said;
	struct record record;
	int64_t retry_s;
	bool asking;
};

struct registry {
	struct registry_options options;
	char *path;
	struct seal *seal;
	unsigned count;
	struct entry **entries; // sorted by name
	struct job *jobs[JOBS_MOST];
	uint64_t generation;
	uv_timer_t timer;
	unsigned asking; // renewals that the sources have not answered
	bool closing, timer_closed;
	struct drained *drained;
};

struct renewal {
	struct registry *registry;
	char *name;
};

static bool name_ok(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return n && n <= NAME_MOST && !name[n] && *name != '-';
}

static struct entry *find(const struct registry *r, const char *name)
{
	for (unsigned i = 0; i < r->count; i++)
		if (strcmp(r->entries[i]->said.name, name) == 0)
			return r->entries[i];
	return NULL;
}

static void entry_free(struct entry *entry)
{
	if (!entry)
		return;
	record_clear(&entry->record);
	free(entry->said.name);
	if (entry->said.kubeconfig)
		explicit_bzero(entry->said.kubeconfig, strlen(entry->said.kubeconfig));
	free(entry->said.kubeconfig);
	free(entry->said.account);
	free(entry->said.problem);
	free(entry);
}

static struct entry *entry_new(const char *name)
{
	struct entry *entry = calloc(1, sizeof(*entry));

	if (!entry)
		return NULL;
	entry->said.name = strdup(name);
	entry->said.account = strdup("");
	entry->said.problem = strdup("");
	entry->said.kubeconfig = strdup("");
	if (entry->said.name && entry->said.account && entry->said.problem &&
		entry->said.kubeconfig)
		return entry;
	entry_free(entry);
	return NULL;
}

static int compare_entries(const void *left, const void *right)
{
	const struct entry *const *a = left, *const *b = right;

	return strcmp((*a)->said.name, (*b)->said.name);
}

static bool add(struct registry *r, struct entry *entry)
{
	struct entry **bigger = realloc(r->entries, (r->count + 1) * sizeof(struct entry *));

	if (!bigger)
		return false;
	r->entries = bigger;
	r->entries[r->count++] = entry;
	qsort(r->entries, r->count, sizeof(struct entry *), compare_entries);
	return true;
}

static void set_problem(struct entry *entry, const char *text)
{
	char *mine = strdup(text);

	if (!mine)
		return;
	free(entry->said.problem);
	entry->said.problem = mine;
}

// What the record says, said; it is taken over. False: out of memory, and nothing is changed.
static bool take_record(struct entry *entry, struct record *record)
{
	char *account = strdup(record->account), *text = record_text(record);

	if (!account || !text) {
		free(account);
		free(text);
		record_clear(record);
		return false;
	}
	record_clear(&entry->record);
	entry->record = *record;
	*record = (struct record){0};
	free(entry->said.account);
	entry->said.account = account;
	explicit_bzero(entry->said.kubeconfig, strlen(entry->said.kubeconfig));
	free(entry->said.kubeconfig);
	entry->said.kubeconfig = text;
	entry->said.scope = (struct scope){entry->record.namespaces, entry->record.secrets_in};
	entry->said.made_s = entry->record.made_s;
	entry->said.ends_s = entry->record.ends_s;
	set_problem(entry, "");
	return true;
}

static int write_all(const struct registry *r, struct reason *reason)
{
	const struct sealed_file file = {r->path, r->seal, FILE_NAME};
	json_t *all = json_object();
	char *text;
	int error;

	for (unsigned i = 0; i < r->count; i++)
		json_object_set_new(
			all, r->entries[i]->said.name, json_string(r->entries[i]->said.kubeconfig));
	text = json_dumps(all, JSON_COMPACT);
	json_decref(all);
	error = text ? sealed_file_write(&file, text, strlen(text), reason) : -ENOMEM;
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
	return error;
}

int registry_keep(
	struct registry *r, const char *name, struct record *record, struct reason *reason)
{
	struct entry *entry = find(r, name);
	int error;

	if (!entry) {
		entry = entry_new(name);
		if (!entry || !add(r, entry)) {
			entry_free(entry);
			return -ENOMEM;
		}
	}
	if (!take_record(entry, record))
		return -ENOMEM;
	entry->said.generation = ++r->generation;
	error = write_all(r, reason);
	log_notice("registry", "%s: registered: %s, account %s", name, entry->record.server,
		*entry->said.account ? entry->said.account : "not known");
	r->options.changed(r->options.arg);
	return error;
}

const struct registry_options *registry_options(const struct registry *r)
{
	return &r->options;
}

// Renewal.

static void freed_if_over(struct registry *r)
{
	if (!r->closing || !r->timer_closed || r->asking)
		return;
	for (unsigned i = 0; i < r->count; i++)
		entry_free(r->entries[i]);
	drained_close(r->drained);
	free(r->entries);
	free(r->path);
	seal_close(r->seal);
	free(r);
}

static void renew_failed(struct entry *entry, const char *error)
{
	char text[1200];

	snprintf(text, sizeof(text),
		"its token cannot be renewed: %s; it is tried again until the token ends", error);
	if (!*entry->said.problem)
		log_warning("registry", "%s: %s", entry->said.name, text);
	set_problem(entry, text);
	entry->retry_s = (int64_t)time(NULL) + RETRY_S;
}

static void take_token(struct registry *r, struct entry *entry, const char *body)
{
	struct cluster *cluster = r->options.cluster(r->options.arg, entry->said.name);
	struct reason reason = {0};
	struct record record;

	if (record_again(&record, &entry->record)) {
		renew_failed(entry, "out of memory");
		return;
	}
	if (!token_answer(&record, body)) {
		record_clear(&record);
		renew_failed(entry, "the answer holds no token");
		return;
	}
	if (!take_record(entry, &record)) {
		renew_failed(entry, "out of memory");
		return;
	}
	if (cluster)
		cluster_take_token(cluster, entry->record.token);
	if (write_all(r, &reason))
		renew_failed(entry, reason.count ? reason_text(&reason) : "out of memory");
	else
		log_info("registry", "%s: the token was renewed", entry->said.name);
	reason_clear(&reason);
}

static void renewed(void *arg, long status, const char *error, const char *body)
{
	struct renewal *renewal = arg;
	struct registry *r = renewal->registry;
	struct entry *entry = r->closing ? NULL : find(r, renewal->name);

	r->asking--;
	if (entry) {
		entry->asking = false;
		if (error || status < 200 || status > 299)
			renew_failed(entry, error ? error : "no answer");
		else
			take_token(r, entry, body);
	}
	free(renewal->name);
	free(renewal);
	freed_if_over(r);
}

static bool is_due(const struct entry *entry, int64_t now_s)
{
	const struct registered *said = &entry->said;

	return *said->account && said->ends_s && !entry->asking && entry->retry_s <= now_s &&
	       now_s >= said->made_s + (said->ends_s - said->made_s) / 3 * 2;
}

static void renew(struct registry *r, struct entry *entry)
{
	struct cluster *cluster = r->options.cluster(r->options.arg, entry->said.name);
	struct renewal *renewal = calloc(1, sizeof(*renewal));
	char *path = token_path(entry->said.account);
	struct cluster_write write = {.method = "POST",
		.path = path,
		.body = TOKEN_REQUEST,
		.content_type = "application/json",
		.arg = renewal,
		.done = renewed};

	if (renewal)
		*renewal = (struct renewal){r, strdup(entry->said.name)};
	if (cluster && path && renewal && renewal->name && cluster_write(cluster, &write) == 0) {
		entry->asking = true;
		r->asking++;
	} else {
		entry->retry_s = (int64_t)time(NULL) + RETRY_S;
		if (renewal)
			free(renewal->name);
		free(renewal);
	}
	free(path);
}

static void on_turn(uv_timer_t *timer)
{
	struct registry *r = timer->data;
	int64_t now_s = (int64_t)time(NULL);

	for (unsigned i = 0; i < r->count; i++)
		if (is_due(r->entries[i], now_s))
			renew(r, r->entries[i]);
}

// Registering and its opposite.

void registry_job_ended(struct registry *r, struct job *job)
{
	for (unsigned i = 0; i < JOBS_MOST; i++)
		if (r->jobs[i] == job)
			r->jobs[i] = NULL;
}

int registry_register(
	struct registry *r, const struct registration *registration, struct reason *reason)
{
	unsigned slot = 0;

	if (!name_ok(registration->name)) {
		reason_add(reason,
			"name: found \"%.60s\", expected 1 to %d of a-z, 0-9 and -, the first no -",
			registration->name, NAME_MOST);
		return -EINVAL;
	}
	if (!r->seal) {
		reason_add(reason,
			"credentials cannot be kept without the state key: see `show problems`");
		return -EIO;
	}
	while (slot < JOBS_MOST && r->jobs[slot])
		slot++;
	if (slot == JOBS_MOST) {
		reason_add(reason, "%d clusters are being registered: wait a moment", JOBS_MOST);
		return -EBUSY;
	}
	r->jobs[slot] = job_start(r, registration, reason);
	if (r->jobs[slot])
		return 0;
	if (!reason->count)
		reason_add(reason, "out of memory");
	return -EINVAL;
}

int registry_unregister(struct registry *r, const char *name, struct reason *reason)
{
	for (unsigned i = 0; i < r->count; i++) {
		struct entry *entry = r->entries[i];

		if (strcmp(entry->said.name, name) != 0)
			continue;
		memmove(&r->entries[i], &r->entries[i + 1],
			(r->count - i - 1) * sizeof(struct entry *));
		r->count--;
		log_notice("registry", "%s: unregistered", entry->said.name);
		r->options.changed(r->options.arg);
		entry_free(entry);
		return write_all(r, reason);
	}
	reason_add(reason, "name: found \"%.60s\", expected a registered cluster of `cluster list`",
		name);
	return -ENOENT;
}

unsigned registry_count(const struct registry *r)
{
	return r->count;
}

const struct registered *registry_at(const struct registry *r, unsigned i)
{
	return &r->entries[i]->said;
}

const struct registered *registry_find(const struct registry *r, const char *name)
{
	struct entry *entry = find(r, name);

	return entry ? &entry->said : NULL;
}

bool registry_drained(const void *registry, const char *name)
{
	const struct registry *r = registry;

	return drained_has(r->drained, name);
}

int registry_drain(struct registry *r, const char *name, bool on, struct reason *reason)
{
	int error = drained_set(r->drained, name, on, reason);

	r->options.changed(r->options.arg);
	return error;
}

// Begin and end.

static void read_entry(struct registry *r, const char *name, const char *text)
{
	struct entry *entry = name_ok(name) && text ? entry_new(name) : NULL;
	struct reason reason = {0};
	struct record record;
	int error;

	if (!entry)
		return;
	error = record_parse(&record, text, strlen(text), name, &reason);
	if (!error && !take_record(entry, &record))
		error = -ENOMEM;
	if (error)
		log_error("registry", "%s: %s: register it again", name,
			reason.count ? reason_text(&reason) : strerror(-error));
	reason_clear(&reason);
	entry->said.generation = ++r->generation;
	if (error || !add(r, entry))
		entry_free(entry);
}

// What cannot be opened is moved aside: it may be of another key, which may come back.
static void read_all(struct registry *r)
{
	const struct sealed_file file = {r->path, r->seal, FILE_NAME};
	struct reason reason = {0};
	uint8_t *bytes = NULL;
	size_t length = 0;
	json_t *all, *value;
	const char *name;
	char *aside;
	int error = sealed_file_read(&file, &bytes, &length, &reason);

	all = error ? NULL : json_loadb((const char *)bytes, length, 0, NULL);
	json_object_foreach(all, name, value) read_entry(r, name, json_string_value(value));
	json_decref(all);
	if (bytes)
		explicit_bzero(bytes, length);
	free(bytes);
	if (error == -EBADMSG && asprintf(&aside, "%s.unread", r->path) > 0) {
		log_error("registry", "%s: it is %s now; register the clusters again",
			reason_text(&reason), aside);
		rename(r->path, aside);
		free(aside);
	} else if (error && error != -ENOENT) {
		log_error("registry", "%s", reason.count ? reason_text(&reason) : strerror(-error));
	}
	reason_clear(&reason);
}

int registry_open(
	struct registry **registry, const struct registry_options *options, struct reason *reason)
{
	struct registry *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->options = *options;
	if (asprintf(&r->path, "%s/" FILE_NAME, options->state_dir) < 0)
		r->path = NULL;
	r->drained = drained_open(options->state_dir);
	if (!r->path || !r->drained) {
		free(r->path);
		drained_close(r->drained);
		free(r);
		return -ENOMEM;
	}
	if (seal_open(&r->seal, options->state_dir, reason))
		r->seal = NULL;
	else
		read_all(r);
	uv_timer_init(options->loop, &r->timer);
	r->timer.data = r;
	uv_timer_start(&r->timer, on_turn, TURN_MS, TURN_MS);
	*registry = r;
	return 0;
}

static void on_timer_closed(uv_handle_t *handle)
{
	struct registry *r = handle->data;

	r->timer_closed = true;
	freed_if_over(r);
}

void registry_close(struct registry *r)
{
	if (!r)
		return;
	r->closing = true;
	for (unsigned i = 0; i < JOBS_MOST; i++)
		if (r->jobs[i])
			job_give_up(r->jobs[i]);
	uv_close((uv_handle_t *)&r->timer, on_timer_closed);
}
