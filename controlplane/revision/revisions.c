// SPDX-License-Identifier: BSD-3-Clause
// See revisions.h.
#include "revisions.h"

#include "conf_tree.h"
#include "log.h"
#include "whole_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BY_HAND         "hand"
#define BY_US           "sluice"
#define RETRY_MS        5000
#define MOST_MS         3600000 // a timer's; it is set again
#define CONFIG_TEXT_MAX (4u << 20)

struct revisions {
	struct revisions_options options;
	char *file, *state_dir;
	struct history history;
	struct pending pending;
	struct settings_keys *keys;
	char *candidate, *who;
	uint64_t since_s;
	unsigned base;
	uint32_t edit; // no two control planes have the same ones: begins as the time
	struct {
		char who[64];
		const char *what;
		uint64_t at_s;
	} last; // edit
	uv_timer_t timer;
};

static uint64_t now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec;
}

static void edited(struct revisions *r, const char *who, const char *what)
{
	r->edit++;
	snprintf(r->last.who, sizeof(r->last.who), "%s", who);
	r->last.what = what;
	r->last.at_s = now_s();
}

static unsigned newest(const struct revisions *r)
{
	return r->history.count ? r->history.list[r->history.count - 1].id : 0;
}

static void set_timer(struct revisions *r);
static void on_timer(uv_timer_t *timer);

// What nobody confirms any more: it stays as it is.
static void settle(struct revisions *r)
{
	r->pending = (struct pending){0};
	history_pending_write(&r->history, &r->pending, NULL);
	uv_timer_stop(&r->timer);
}

// Writes the file and remembers what it says. The revision first: what a crash leaves between the
// two is noticed at the start as a file that differs from it.
static int put(struct revisions *r, const char *who, const char *comment, const char *text,
	struct reason *reason)
{
	int error = history_add(&r->history, who, comment, text, reason);

	if (error)
		return error;
	error = whole_file_write(
		&(struct whole_file){r->file, 0640, true}, text, strlen(text), reason);
	if (error)
		history_drop(&r->history);
	return error;
}

static void undo(struct revisions *r)
{
	struct reason reason = {0};
	char *text = history_text(&r->history, r->pending.before, &reason), *comment = NULL;
	int error = -EIO;

	if (asprintf(&comment, "revision %u was not confirmed: back to %u", r->pending.id,
		    r->pending.before) < 0)
		comment = NULL;
	if (text && comment)
		error = put(r, BY_US, comment, text, &reason);
	if (error) {
		log_error("revision", "an unconfirmed commit cannot be undone yet: %s",
			reason_text(&reason));
		uv_timer_start(&r->timer, on_timer, RETRY_MS, 0);
	} else {
		log_warning("revision", "%s", comment);
		settle(r);
		r->options.apply(r->options.arg);
	}
	reason_clear(&reason);
	free(comment);
	free(text);
}

static void on_timer(uv_timer_t *timer)
{
	struct revisions *r = timer->data;

	if (r->pending.id && now_s() >= r->pending.until_s)
		undo(r);
	else
		set_timer(r);
}

static void set_timer(struct revisions *r)
{
	uint64_t now = now_s(), left_ms = 0;

	if (!r->pending.id)
		return;
	if (r->pending.until_s > now)
		left_ms = (r->pending.until_s - now) * 1000;
	uv_timer_start(&r->timer, on_timer, left_ms < MOST_MS ? left_ms : MOST_MS, 0);
}

bool revisions_current(const struct revisions *r)
{
	struct reason none = {0};
	char *now = file_text(r->file);
	char *known = newest(r) ? history_text(&r->history, newest(r), &none) : NULL;
	bool same = now && known && strcmp(now, known) == 0;

	reason_clear(&none);
	free(known);
	free(now);
	return same;
}

void revisions_notice(struct revisions *r)
{
	const char *comment = newest(r) ? "the file was changed" : "the first that was found";
	struct reason reason = {0};
	char *now = revisions_current(r) ? NULL : file_text(r->file);

	if (now && history_add(&r->history, BY_HAND, comment, now, &reason))
		log_error("revision", "%s", reason_text(&reason));
	else if (now && r->pending.id)
		settle(r); // somebody is there and has decided
	reason_clear(&reason);
	free(now);
}

int revisions_open(struct revisions **out, uv_loop_t *loop, const struct revisions_options *options,
	struct reason *reason)
{
	struct revisions *r = calloc(1, sizeof(*r));
	int error = -ENOMEM;

	if (!r)
		return error;
	r->options = *options;
	r->file = strdup(options->file);
	r->state_dir = strdup(options->state_dir);
	r->keys = settings_keys_new();
	if (r->file && r->state_dir && r->keys)
		error = history_open(&r->history, r->state_dir, reason);
	if (error) {
		history_close(&r->history);
		settings_keys_free(r->keys);
		free(r->file);
		free(r->state_dir);
		free(r);
		return error;
	}
	r->edit = (uint32_t)now_s();
	uv_timer_init(loop, &r->timer);
	r->timer.data = r;
	history_pending_read(&r->history, &r->pending);
	if (r->pending.id && r->pending.id != newest(r))
		settle(r);
	revisions_notice(r);
	set_timer(r);
	*out = r;
	return 0;
}

static void drop_candidate(struct revisions *r)
{
	free(r->candidate);
	free(r->who);
	r->candidate = r->who = NULL;
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void revisions_close(struct revisions *r)
{
	if (!r)
		return;
	drop_candidate(r);
	history_close(&r->history);
	settings_keys_free(r->keys);
	free(r->file);
	free(r->state_dir);
	uv_close((uv_handle_t *)&r->timer, on_closed);
}

void revisions_candidate(const struct revisions *r, struct candidate *candidate)
{
	*candidate = (struct candidate){.text = r->candidate,
		.who = r->who,
		.since_s = r->since_s,
		.base = r->base,
		.behind = r->candidate && r->base != newest(r),
		.edit = r->edit};
}

bool revisions_unmoved(const struct revisions *r, uint32_t edit, struct reason *reason)
{
	static const char look[] = "look at `show | compare`, and say it again";

	if (edit == r->edit)
		return true;
	if (r->last.what)
		reason_add(reason, "another console (%s) has %s the candidate %llu s ago: %s",
			r->last.who, r->last.what, (unsigned long long)(now_s() - r->last.at_s),
			look);
	else
		reason_add(reason, "the candidate went with a new start: %s", look);
	return false;
}

const struct history *revisions_history(const struct revisions *r)
{
	return &r->history;
}

const struct pending *revisions_pending(const struct revisions *r)
{
	return &r->pending;
}

const struct settings_keys *revisions_keys(const struct revisions *r)
{
	return r->keys;
}

char *revisions_ago(const struct revisions *r, unsigned ago, struct reason *reason)
{
	if (ago >= r->history.count) {
		reason_add(reason,
			"found %u, expected a number from 0 to %u of `show history`: so many "
			"revisions are kept",
			ago, r->history.count ? r->history.count - 1 : 0);
		return NULL;
	}
	return history_text(&r->history, r->history.list[r->history.count - 1 - ago].id, reason);
}

char *revisions_running(const struct revisions *r, struct reason *reason)
{
	return revisions_ago(r, 0, reason);
}

char *revisions_at(const struct revisions *r, uint64_t at_us, struct reason *reason)
{
	unsigned ago = 0;

	while (ago + 1 < r->history.count &&
		r->history.list[r->history.count - 1 - ago].at_us > at_us)
		ago++;
	return revisions_ago(r, ago, reason);
}

void revisions_check(const struct revisions *r, struct reason *mistakes)
{
	if (r->candidate)
		settings_check_text(r->candidate, r->file, "candidate", mistakes);
}

// The candidate's text, of a new one if there is none; NULL with the reason when it is another's.
static char *take_candidate(struct revisions *r, const char *who, struct reason *reason)
{
	if (r->candidate && strcmp(r->who, who) != 0) {
		reason_add(reason,
			"%s has a candidate since %llu s: let %s commit it, or `discard` it",
			r->who, (unsigned long long)(now_s() - r->since_s), r->who);
		return NULL;
	}
	if (r->candidate)
		return strdup(r->candidate);
	return revisions_running(r, reason);
}

static int give_candidate(struct revisions *r, const char *who, char *text, struct reason *reason)
{
	char *name = r->candidate ? r->who : strdup(who);

	if (!text || !name || strlen(text) > CONFIG_TEXT_MAX) {
		if (!reason->count)
			reason_add(reason, "this is too much");
		if (!r->candidate)
			free(name);
		free(text);
		return -EINVAL;
	}
	if (!r->candidate) {
		r->base = newest(r);
		r->since_s = now_s();
	}
	free(r->candidate);
	r->candidate = text;
	r->who = name;
	edited(r, who, "changed");
	return 0;
}

int revisions_set(struct revisions *r, const char *who, const char *path, const char *value,
	struct reason *reason)
{
	char *text = take_candidate(r, who, reason), *next;

	if (!text)
		return -EINVAL;
	next = conf_set(text, path, value, r->keys, reason);
	free(text);
	return give_candidate(r, who, next, reason);
}

int revisions_delete(struct revisions *r, const char *who, const char *path, struct reason *reason)
{
	char *text = take_candidate(r, who, reason), *next;

	if (!text)
		return -EINVAL;
	next = conf_delete(text, path, reason);
	free(text);
	return give_candidate(r, who, next, reason);
}

int revisions_rollback(struct revisions *r, const char *who, unsigned ago, struct reason *reason)
{
	char *text = take_candidate(r, who, reason), *next;

	if (!text)
		return -EINVAL;
	free(text);
	next = revisions_ago(r, ago, reason);
	if (!next)
		return -EINVAL;
	if (r->candidate)
		r->base = newest(r); // whatever it was, it is this now
	return give_candidate(r, who, next, reason);
}

int revisions_discard(struct revisions *r, const char *who, struct reason *reason)
{
	if (!r->candidate) {
		reason_add(reason, "there is no candidate");
		return -ENOENT;
	}
	drop_candidate(r);
	edited(r, who, "discarded");
	return 0;
}

static bool may_commit(
	const struct revisions *r, const struct commit *commit, struct reason *reason)
{
	const struct revision *now = history_find(&r->history, newest(r));

	if (!commit->text && strcmp(r->who, commit->who) != 0) {
		reason_add(reason, "the candidate is %s's: let %s commit it, or `discard` it",
			r->who, r->who);
		return false;
	}
	if (!commit->text && r->base != newest(r)) {
		reason_add(reason,
			"revision %u runs since, by %s, and the candidate began from %u: see "
			"`show | compare`, `discard`, and set anew what is still wanted",
			newest(r), now ? now->who : "-", r->base);
		return false;
	}
	return settings_check_text(commit->text ? commit->text : r->candidate, r->file,
		commit->text ? commit->name : "candidate", reason);
}

// On disk before the commit is, so that nothing is in force that a restart would not undo.
static int await(struct revisions *r, uint64_t confirm_s, struct reason *reason)
{
	struct pending pending = {.id = newest(r) + 1,
		.before = r->pending.id ? r->pending.before : newest(r),
		.until_s = now_s() + confirm_s};
	int error = confirm_s ? history_pending_write(&r->history, &pending, reason) : 0;

	if (!error && confirm_s)
		r->pending = pending;
	return error;
}

static void take_away(struct revisions *r, const char *who)
{
	if (r->candidate)
		edited(r, who, "committed");
	drop_candidate(r);
}

enum committed revisions_commit(
	struct revisions *r, const struct commit *commit, struct reason *reason)
{
	const char *text = commit->text ? commit->text : r->candidate;
	char *running = revisions_running(r, reason);
	struct pending before = r->pending;
	enum committed result = COMMIT_REFUSED;

	if (!running)
		return COMMIT_REFUSED;
	if (text && !may_commit(r, commit, reason))
		goto out;
	if (!text || strcmp(text, running) == 0) {
		result = r->pending.id ? COMMIT_CONFIRMED : COMMIT_NOTHING;
		settle(r);
		if (!commit->text)
			take_away(r, commit->who);
		goto out;
	}
	if (await(r, commit->confirm_s, reason))
		goto out;
	if (put(r, commit->who, commit->comment, text, reason)) {
		r->pending = before;
		history_pending_write(&r->history, &r->pending, reason);
		goto out;
	}
	if (commit->confirm_s)
		set_timer(r);
	else
		settle(r);
	if (!commit->text)
		take_away(r, commit->who);
	result = COMMIT_DONE;
	log_notice("revision", "revision %u by %s%s%s", newest(r), commit->who,
		*commit->comment ? ": " : "", commit->comment);
	r->options.apply(r->options.arg);
out:
	free(running);
	return result;
}
