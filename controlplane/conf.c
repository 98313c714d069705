// SPDX-License-Identifier: BSD-3-Clause
// sluice.conf as it lives: read at the start, watched, read again on SIGHUP or when it changes. See
// control.h. The folder is watched and not the file, as most editors put a new file in its place.
#include "control.h"

#include "log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SETTLE_MS 100 // an editor writes more than once

int conf_start(struct control *c, struct reason *reason)
{
	c->settings = settings_read(c->config_file, reason);
	return c->settings ? 0 : -EINVAL;
}

void conf_stop(struct control *c)
{
	settings_free(c->settings);
	c->settings = NULL;
	reason_clear(&c->config_mistakes);
	reason_clear(&c->config_notes);
}

// What is only read at the start.
static void note_restart(struct reason *notes, const char *key, const char *now, const char *file)
{
	if (strcmp(now, file) != 0)
		reason_add(notes,
			"%s: \"%s\" stays in use until sluice-controlplane is restarted, the file "
			"says \"%s\"",
			key, now, file);
}

static void keep(char **now, char **next)
{
	char *value = *now;

	*now = *next;
	*next = value;
}

void conf_reload(struct control *c)
{
	struct reason reason = {0};
	struct settings *next = settings_read(c->config_file, &reason), *before = c->settings;

	reason_clear(&c->config_mistakes);
	if (!next) {
		log_error("conf", "the running configuration stays: %s", reason_text(&reason));
		c->config_mistakes = reason;
		return;
	}
	reason_clear(&reason);
	reason_clear(&c->config_notes);
	note_restart(&c->config_notes, "run_dir", before->run_dir, next->run_dir);
	note_restart(&c->config_notes, "state_dir", before->state_dir, next->state_dir);
	note_restart(&c->config_notes, "group", before->group, next->group);
	keep(&before->run_dir, &next->run_dir);
	keep(&before->state_dir, &next->state_dir);
	keep(&before->group, &next->group);
	c->settings = next;
	planning_forget(c->planning);
	vip_follow(c->vip, next);
	settings_free(before);
	if (sources_follow(c, &c->config_mistakes))
		log_error("conf", "%s", reason_text(&c->config_mistakes));
	https_follow(c, &c->config_mistakes);
	logs_follow(c->logs, next->syslogs, next->syslog_count);
	if (c->revisions)
		revisions_notice(c->revisions);
	log_notice("conf", "%s was read again", c->config_file);
	control_changed(c);
}

static void on_replaced(void *arg)
{
	struct control *c = arg;

	c->config_written = true;
	conf_reload(c);
}

// Without a place for revisions all else goes on: the API says why there are none.
int conf_keep(struct control *c, struct reason *reason)
{
	const struct revisions_options options = {.file = c->config_file,
		.state_dir = c->settings->state_dir,
		.arg = c,
		.apply = on_replaced};

	(void)reason;
	if (revisions_open(&c->revisions, &c->loop, &options, &c->revision_mistakes))
		log_error("conf", "%s", reason_text(&c->revision_mistakes));
	return 0;
}

void conf_keep_end(struct control *c)
{
	revisions_close(c->revisions);
	reason_clear(&c->revision_mistakes);
}

// What we wrote ourselves has been read.
static void on_settled(uv_timer_t *timer)
{
	struct control *c = timer->data;
	bool ours = c->config_written && revisions_current(c->revisions);

	c->config_written = false;
	if (!ours)
		conf_reload(c);
}

static void on_change(uv_fs_event_t *watch, const char *name, int events, int status)
{
	struct control *c = watch->data;
	const char *slash = strrchr(c->config_file, '/');
	const char *ours = slash ? slash + 1 : c->config_file;

	(void)events;
	if (status == 0 && name && strcmp(name, ours) == 0)
		uv_timer_start(&c->config_settle, on_settled, SETTLE_MS, 0);
}

int conf_watch(struct control *c, struct reason *reason)
{
	const char *slash = strrchr(c->config_file, '/');
	char *folder;
	int error;

	folder =
		slash ? strndup(c->config_file, (size_t)(slash - c->config_file) + 1) : strdup(".");
	if (!folder)
		return -ENOMEM;
	uv_fs_event_init(&c->loop, &c->config_watch);
	uv_timer_init(&c->loop, &c->config_settle);
	c->config_watch.data = c->config_settle.data = c;
	c->config_watched = true;
	error = uv_fs_event_start(&c->config_watch, on_change, folder, 0);
	if (error)
		reason_add(reason, "%s: cannot be watched: %s", folder, uv_strerror(error));
	free(folder);
	return error;
}

void conf_unwatch(struct control *c)
{
	if (!c->config_watched)
		return;
	uv_close((uv_handle_t *)&c->config_watch, NULL);
	uv_close((uv_handle_t *)&c->config_settle, NULL);
}
