// SPDX-License-Identifier: BSD-3-Clause
// house: 500 lines and a few: one state machine, drawn in kube_follow.h, read at a piece
#include "kube_follow.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "json_tree.h"

#define WAIT_FIRST_MS 250
#define WAIT_MOST_MS  15000
#define MISSING_MS    15000
#define RETRY_S_MOST  120
#define PAGE_BYTES    (256u << 20)
#define LINE_BYTES    (16u << 20)
#define PAGES_MOST    20000
#define STALL_S       10   // longer than the server said that it would send
#define SHORT_MS      1000 // a watch that ends sooner is not opened again at once
#define TRIES_MOST    3    // of a watch that gives nothing, before listing
#define PROBE_STALL_S 5
#define ABSENT_MS     10000 // for so long, and so many times, the first path is not there
#define ABSENT_TRIES  3

struct follow {
	struct follow_options options;
	uv_timer_t timer;
	struct kube_call *call, *probe;
	enum follow_state state;
	bool listing, again, unpaged, waiting, closing;
	bool first_served;              // the last list was of the first path
	bool progress, expired, broken; // of the watch that runs
	char heard[256];                // why it is broken
	unsigned path, pages, failures, broken_lists, absences;
	char *version;      // where the watch goes on; NULL = list
	char *list_version; // of the list that runs
	char *cursor;       // "continue" of the next page
	char *before;       // and of the one before
	char *bytes;
	size_t length, capacity;
	uint64_t started_ms, probe_ms; // when the first path is asked for again
	uint64_t absent_ms;            // since when it is not there
	char problem[1024];
	char first_problem[1024]; // of the first path, while the second is tried; "" = it is not
				  // there
};

static void go(struct follow *f);

static void probe_first(struct follow *f);

static void on_timer(uv_timer_t *timer)
{
	struct follow *f = timer->data;

	if (f->call && f->path && !f->listing && !f->probe)
		probe_first(f);
	else
		go(f);
}

static uint32_t random_number(void)
{
	uint32_t value = 0;

	(void)!getrandom(&value, sizeof(value), 0);
	return value;
}

// Between half and all of it, so that many of us do not come together.
static uint64_t jitter(uint64_t ms)
{
	return ms / 2 + random_number() % (ms / 2 + 1);
}

static void set_text(char **text, const char *value)
{
	char *copy = value ? strdup(value) : NULL;

	free(*text);
	*text = copy;
}

static void set_state(struct follow *f, enum follow_state state, const char *problem)
{
	bool same = f->state == state && strcmp(f->problem, problem) == 0;

	f->state = state;
	snprintf(f->problem, sizeof(f->problem), "%s", problem);
	if (!same)
		f->options.state(f->options.arg);
}

static void list_anew(struct follow *f)
{
	set_text(&f->version, NULL);
	set_text(&f->cursor, NULL);
	set_text(&f->before, NULL);
	f->pages = 0;
	f->path = 0;
}

static void wait_ms(struct follow *f, uint64_t ms)
{
	if (!f->closing)
		uv_timer_start(&f->timer, on_timer, ms, 0);
}

// The first path is asked for again then.
static void probe_later(struct follow *f)
{
	f->probe_ms = uv_now(f->options.loop) + jitter(MISSING_MS);
}

// Longer with each failure.
static uint64_t back_off_ms(const struct follow *f)
{
	uint64_t ms = (uint64_t)WAIT_FIRST_MS << (f->failures < 8 ? f->failures : 8);

	return jitter(ms < WAIT_MOST_MS ? ms : WAIT_MOST_MS);
}

static void fail(struct follow *f, const char *problem, uint32_t retry_s)
{
	uint64_t ms = back_off_ms(f);

	f->failures++;
	if (retry_s)
		ms = (uint64_t)(retry_s < RETRY_S_MOST ? retry_s : RETRY_S_MOST) * 1000 +
		     random_number() % 500;
	set_state(f, FOLLOW_FAILING, problem);
	wait_ms(f, ms);
}

static const char *member_text(const struct tree *map, const char *key)
{
	const struct tree *tree = tree_get(map, key);

	return tree && tree->kind == TREE_TEXT ? tree->text : "";
}

static int keep(struct follow *f, const char *bytes, size_t length, size_t most)
{
	if (length > most - f->length)
		return -EMSGSIZE;
	if (f->capacity - f->length < length + 1) {
		size_t capacity = (f->length + length) * 2 + 4096;
		char *bigger = realloc(f->bytes, capacity);

		if (!bigger)
			return -ENOMEM;
		f->bytes = bigger;
		f->capacity = capacity;
	}
	memcpy(f->bytes + f->length, bytes, length);
	f->length += length;
	return 0;
}

static void forget_bytes(struct follow *f)
{
	f->length = 0;
	if (f->capacity > 1u << 20) {
		free(f->bytes);
		f->bytes = NULL;
		f->capacity = 0;
	}
}

// LIST

static int take_page(void *arg, const struct kube_call *call, const char *bytes, size_t length)
{
	(void)call;
	return keep(arg, bytes, length, PAGE_BYTES);
}

static int visit_item(void *arg, const struct tree *item, const char *bytes, size_t length)
{
	struct follow *f = arg;

	if (item->kind != TREE_MAP)
		return -EBADMSG;
	f->options.object(f->options.arg, item, bytes, length, true);
	return 0;
}

static void listed(struct follow *f)
{
	f->listing = f->unpaged = false;
	f->broken_lists = f->absences = 0;
	f->first_served = f->path == 0;
	set_text(&f->version, f->list_version);
	f->options.listed(f->options.arg);
	f->failures = 0;
	set_state(f, FOLLOW_LISTED, "");
	f->options.changed(f->options.arg);
	go(f);
}

static void page_read(struct follow *f, const struct tree *head)
{
	const struct tree *metadata = tree_get(head, "metadata");
	const char *version = member_text(metadata, "resourceVersion");
	const char *cursor = member_text(metadata, "continue");

	if (!*version) {
		fail(f, "a list without a resourceVersion: is this an API server?", 0);
		return;
	}
	// All pages are of one moment; what the last one says is where a watch begins.
	set_text(&f->list_version, version);
	if (!*cursor) {
		listed(f);
		return;
	}
	if (++f->pages >= PAGES_MOST || (f->before && strcmp(f->before, cursor) == 0)) {
		list_anew(f);
		fail(f, "a list that does not end", 0);
		return;
	}
	set_text(&f->before, f->cursor);
	set_text(&f->cursor, cursor);
	go(f);
}

// Nobody serves the first path any more: not only while an API server starts, which says so of what
// it will have in a moment.
static bool stays_absent(struct follow *f)
{
	uint64_t now = uv_now(f->options.loop);

	if (f->absences++ == 0)
		f->absent_ms = now;
	return f->absences >= ABSENT_TRIES && now - f->absent_ms >= ABSENT_MS;
}

// The first is not there, or who serves it is not (an aggregated API server answers 503 by
// another). Who served it a moment ago has some time: the other path says less, and what it does
// not say would end.
static bool try_other_path(struct follow *f, const struct kube_answer *answer)
{
	if (f->path || !f->options.paths[1] || (answer->status != 404 && answer->status != 503)) {
		f->absences = 0;
		return false;
	}
	if (f->first_served && !stays_absent(f))
		return false;
	snprintf(f->first_problem, sizeof(f->first_problem), "%s",
		answer->status == 503 ? answer->error : "");
	f->first_served = false;
	f->path = 1;
	probe_later(f);
	set_text(&f->cursor, NULL);
	f->pages = 0;
	go(f);
	return true;
}

static void list_done(void *arg, const struct kube_answer *answer)
{
	struct follow *f = arg;
	struct arena arena = {0};
	struct json_list list = {.arena = &arena, .visit = visit_item, .arg = f};
	struct json_error error;
	char text[160];
	bool other;
	int rc;

	f->call = NULL;
	f->options.answered(f->options.arg, answer);
	if (answer->error) {
		forget_bytes(f);
		if (try_other_path(f, answer))
			return;
		other = f->path == 1;
		list_anew(f); // a list is of one moment, or not at all
		if (answer->status == 404 && other && *f->first_problem) {
			fail(f, f->first_problem, 0);
			return;
		}
		if (answer->status == 404 && !f->absences) {
			set_state(f, FOLLOW_MISSING, "");
			wait_ms(f, jitter(MISSING_MS));
			return;
		}
		if (answer->status == 410) // pages took too long: after some tries, as one page
			f->unpaged = ++f->broken_lists >= TRIES_MOST;
		fail(f, answer->error, answer->retry_s);
		return;
	}
	rc = json_read_list(f->bytes ? f->bytes : "", f->length, &list, &error);
	forget_bytes(f);
	if (rc) {
		list_anew(f);
		snprintf(text, sizeof(text), "an answer that cannot be read: %s",
			rc == -EBADMSG ? error.text : strerror(-rc));
		fail(f, text, 0);
	} else {
		page_read(f, list.head);
	}
	arena_clear(&arena);
}

// WATCH

static void take_first(struct follow *f)
{
	kube_http_cancel(f->call);
	f->call = NULL;
	list_anew(f);
	go(f);
}

// Over the ends of watches, too: what was due meanwhile is made up for.
static void wait_probe(struct follow *f)
{
	uint64_t now = uv_now(f->options.loop);

	if (f->path && f->call)
		wait_ms(f, f->probe_ms > now ? f->probe_ms - now : 0);
}

static void probe_done(void *arg, const struct kube_answer *answer)
{
	struct follow *f = arg;

	f->probe = NULL;
	if (f->path && !answer->error && !f->listing) {
		take_first(f);
		return;
	}
	probe_later(f);
	wait_probe(f);
}

// While the second path serves: is the first there by now?
static void probe_first(struct follow *f)
{
	struct kube_question question = {.stall_s = PROBE_STALL_S, .arg = f, .done = probe_done};
	char *path;

	if (asprintf(&path, "%s?limit=1", f->options.paths[0]) < 0)
		return;
	question.path = path;
	f->probe = kube_http_ask(f->options.http, &question);
	free(path);
}

static void watch_event(struct follow *f, const char *line, size_t length)
{
	struct arena arena = {0};
	struct json_error error;
	const struct tree *root, *object, *code;
	const char *type, *version;
	int64_t status = 0;

	if (json_read(line, length, &arena, &root, &error) == 0 &&
		(object = tree_get(root, "object"))) {
		type = member_text(root, "type");
		version = member_text(tree_get(object, "metadata"), "resourceVersion");
		code = tree_get(object, "code");
		if (strcmp(type, "ERROR") == 0) {
			f->expired = code && tree_integer(code, &status) && status == 410;
			f->broken = !f->expired;
			snprintf(f->heard, sizeof(f->heard),
				"the watch ended with an error: %.200s",
				member_text(object, "message"));
		} else {
			if (strcmp(type, "DELETED") == 0)
				f->options.gone(f->options.arg, object, line, length);
			else if (strcmp(type, "ADDED") == 0 || strcmp(type, "MODIFIED") == 0)
				f->options.object(f->options.arg, object, line, length, false);
			if (*version)
				set_text(&f->version, version);
			f->progress = true;
		}
	} else {
		f->broken = true;
		snprintf(f->heard, sizeof(f->heard), "the watch sent what cannot be read");
	}
	arena_clear(&arena);
}

static int take_lines(void *arg, const struct kube_call *call, const char *bytes, size_t length)
{
	struct follow *f = arg;
	bool any = false;

	(void)call;
	while (length && !f->expired && !f->broken) {
		const char *end = memchr(bytes, '\n', length);
		size_t n = end ? (size_t)(end - bytes) : length;
		int rc = keep(f, bytes, n, LINE_BYTES);

		if (rc) {
			f->broken = true;
			snprintf(f->heard, sizeof(f->heard), "a line of the watch is too long");
			break;
		}
		bytes += n;
		length -= n;
		if (!end)
			break;
		bytes++;
		length--;
		if (f->length) {
			watch_event(f, f->bytes, f->length);
			any = true;
		}
		f->length = 0;
	}
	if (any)
		f->options.changed(f->options.arg);
	return f->expired || f->broken ? -ECANCELED : 0;
}

static void watch_begun(void *arg)
{
	struct follow *f = arg;

	set_state(f, FOLLOW_LISTED, "");
	if (!f->probe)
		wait_probe(f);
}

static void watch_done(void *arg, const struct kube_answer *answer)
{
	struct follow *f = arg;
	bool was_short = uv_now(f->options.loop) - f->started_ms < SHORT_MS;
	bool heard;

	f->call = NULL;
	if (f->length && !answer->error) { // it ended within a line
		f->broken = true;
		snprintf(f->heard, sizeof(f->heard), "the watch sent what cannot be read");
	}
	heard = f->broken || f->expired;
	forget_bytes(f);
	if (!heard)
		f->options.answered(f->options.arg, answer);
	if (f->progress)
		f->failures = 0;
	if (f->expired || answer->status == 410 || answer->status == 404) {
		list_anew(f);
		f->failures++;
		wait_ms(f, f->failures > 1 ? back_off_ms(f) : 0);
		return;
	}
	if (f->broken || answer->error) {
		// Nobody there, or a server that is starting: who answers next may know less than
		// we.
		if (answer->unreachable || answer->status >= 500 || f->failures >= TRIES_MOST)
			list_anew(f);
		if (!f->broken && !answer->unreachable && answer->status == 0 && f->progress)
			wait_ms(f, jitter(WAIT_FIRST_MS)); // broken off: go on, without ado
		else
			fail(f, f->broken ? f->heard : answer->error, answer->retry_s);
		return;
	}
	f->failures = was_short && !f->progress ? f->failures + 1 : 0;
	if (f->failures)
		wait_ms(f, back_off_ms(f));
	else
		go(f);
}

static void ask(struct follow *f, struct kube_question *question, const char *query)
{
	const struct follow_options *o = &f->options;
	char *path;

	if (asprintf(&path, "%s?%s%s%s", o->paths[f->path], o->selector, *o->selector ? "&" : "",
		    query) < 0)
		path = NULL;
	forget_bytes(f);
	f->progress = f->expired = f->broken = false;
	f->started_ms = uv_now(o->loop);
	question->arg = f;
	question->path = path;
	question->of_one = o->of_one;
	f->call = path ? kube_http_ask(o->http, question) : NULL;
	free(path);
	if (!f->call)
		fail(f, "out of memory", 0);
}

static void ask_list(struct follow *f)
{
	struct kube_question question = {.data = take_page, .done = list_done};
	char *cursor = f->cursor ? kube_http_escape(f->cursor) : NULL;
	char *query;

	if (!f->cursor) {
		f->listing = true;
		f->options.begin(f->options.arg);
	}
	if (asprintf(&query, "limit=%u%s%s", f->unpaged ? 0 : f->options.page,
		    cursor ? "&continue=" : "", cursor ? cursor : "") > 0) {
		ask(f, &question, query);
		free(query);
	}
	free(cursor);
}

static void ask_watch(struct follow *f)
{
	struct kube_question question = {
		.data = take_lines, .begun = watch_begun, .done = watch_done, .any_length = true};
	uint32_t seconds = f->options.watch_s + random_number() % (f->options.watch_s / 4 + 1);
	char *version = kube_http_escape(f->version);
	char *query;

	question.stall_s = seconds + STALL_S;
	if (version && asprintf(&query,
			       "watch=1&allowWatchBookmarks=true&resourceVersion=%s&"
			       "timeoutSeconds=%u",
			       version, seconds) > 0) {
		ask(f, &question, query);
		free(query);
	}
	free(version);
}

static void go(struct follow *f)
{
	if (f->closing || f->call)
		return;
	f->waiting = !f->options.ready(f->options.arg);
	if (f->waiting)
		return;
	uv_timer_stop(&f->timer);
	if (f->again) {
		f->again = false;
		list_anew(f);
	}
	if (f->version)
		ask_watch(f);
	else
		ask_list(f);
}

struct follow *follow_open(const struct follow_options *options)
{
	struct follow *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->options = *options;
	f->options.selector = strdup(options->selector);
	for (unsigned i = 0; i < 2; i++)
		f->options.paths[i] = options->paths[i] ? strdup(options->paths[i]) : NULL;
	uv_timer_init(options->loop, &f->timer);
	f->timer.data = f;
	wait_ms(f, 0);
	return f;
}

static void on_closed(uv_handle_t *handle)
{
	struct follow *f = handle->data;

	free((char *)(uintptr_t)f->options.selector);
	for (unsigned i = 0; i < 2; i++)
		free((char *)(uintptr_t)f->options.paths[i]);
	free(f->version);
	free(f->list_version);
	free(f->cursor);
	free(f->before);
	free(f->bytes);
	free(f);
}

void follow_close(struct follow *follow)
{
	if (!follow)
		return;
	follow->closing = true;
	kube_http_cancel(follow->call);
	kube_http_cancel(follow->probe);
	follow->call = follow->probe = NULL;
	uv_close((uv_handle_t *)&follow->timer, on_closed);
}

void follow_retry(struct follow *follow)
{
	if (follow->call)
		return;
	follow->failures = 0;
	wait_ms(follow, 0);
}

void follow_relist(struct follow *follow)
{
	follow->again = true;
}

enum follow_state follow_state(const struct follow *follow)
{
	return follow->state;
}

const char *follow_problem(const struct follow *follow)
{
	return follow->problem;
}
