// SPDX-License-Identifier: BSD-3-Clause
#include "watch.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define EVENTS                                                                                     \
	(IN_MODIFY | IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_DELETE |        \
		IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)
#define WATCHED_MAX 64

struct watch {
	struct watch_handlers handlers;
	uv_poll_t poll;
	int fd;
	int directory; // its watch descriptor; -1: it is not there
	unsigned count;
	struct {
		int wd;
		bool wanted;
	} watched[WATCHED_MAX];
};

static void on_closed(uv_handle_t *handle)
{
	struct watch *watch = handle->data;
	struct watch_handlers handlers = watch->handlers;

	close(watch->fd);
	free(watch);
	handlers.closed(handlers.arg);
}

static void tell(struct watch *watch, const struct inotify_event *event)
{
	const char *name = event->wd == watch->directory && event->len ? event->name : NULL;

	if (event->mask & (IN_Q_OVERFLOW | IN_DELETE_SELF | IN_MOVE_SELF))
		watch->handlers.event(watch->handlers.arg, WATCH_LOST, NULL);
	else if (event->mask & IN_IGNORED)
		return; // we let it go, or DELETE_SELF came before
	else if (event->mask & IN_MODIFY)
		watch->handlers.event(watch->handlers.arg, WATCH_MODIFIED, name);
	else
		watch->handlers.event(watch->handlers.arg, WATCH_SETTLED, name);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct watch *watch = poll->data;
	_Alignas(struct inotify_event) char buf[16384];
	ssize_t n;

	(void)status;
	(void)events;
	n = read(watch->fd, buf, sizeof(buf));
	for (ssize_t at = 0; at < n;) {
		const struct inotify_event *event = (const struct inotify_event *)(buf + at);

		tell(watch, event);
		at += (ssize_t)(sizeof(*event) + event->len);
	}
}

int watch_open(struct watch **out, uv_loop_t *loop, const struct watch_handlers *handlers)
{
	struct watch *watch = calloc(1, sizeof(*watch));
	int rc;

	if (!watch)
		return -ENOMEM;
	watch->handlers = *handlers;
	watch->directory = -1;
	watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (watch->fd < 0) {
		rc = -errno;
		free(watch);
		return rc;
	}
	rc = uv_poll_init(loop, &watch->poll, watch->fd);
	if (rc < 0) {
		close(watch->fd);
		free(watch);
		return rc;
	}
	watch->poll.data = watch;
	uv_poll_start(&watch->poll, UV_READABLE, on_readable);
	*out = watch;
	return 0;
}

void watch_close(struct watch *watch)
{
	uv_close((uv_handle_t *)&watch->poll, on_closed);
}

void watch_begin(struct watch *watch)
{
	for (unsigned i = 0; i < watch->count; i++)
		watch->watched[i].wanted = false;
}

static int want(struct watch *watch, const char *path)
{
	int wd = inotify_add_watch(watch->fd, path, EVENTS); // the same again for the same inode

	if (wd < 0)
		return -errno;
	for (unsigned i = 0; i < watch->count; i++)
		if (watch->watched[i].wd == wd) {
			watch->watched[i].wanted = true;
			return wd;
		}
	if (watch->count == WATCHED_MAX) {
		inotify_rm_watch(watch->fd, wd);
		return -ENOSPC;
	}
	watch->watched[watch->count].wd = wd;
	watch->watched[watch->count++].wanted = true;
	return wd;
}

// Of "a/b/c" watches "a/b", or "a" when that is not there either, and so on.
static void want_parent(struct watch *watch, const char *path)
{
	char parent[PATH_MAX];
	size_t n = strnlen(path, sizeof(parent) - 1);

	memcpy(parent, path, n);
	parent[n] = '\0';
	do {
		char *slash;

		while (n > 1 && parent[n - 1] == '/')
			parent[--n] = '\0';
		slash = strrchr(parent, '/');
		if (!slash)
			strcpy(parent, ".");
		else if (slash == parent)
			parent[1] = '\0';
		else
			*slash = '\0';
		n = strlen(parent);
	} while (want(watch, parent) < 0 && strcmp(parent, "/") != 0 && strcmp(parent, ".") != 0);
}

int watch_directory(struct watch *watch, const char *path)
{
	struct stat st;

	watch->directory = want(watch, path);
	if (watch->directory < 0) {
		int error = watch->directory;

		watch->directory = -1;
		// It, or what is above it, may come in between: hence twice.
		want_parent(watch, path);
		want_parent(watch, path);
		watch->directory = want(watch, path);
		if (watch->directory < 0)
			return error;
	}
	if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode))
		want_parent(watch, path);
	return 0;
}

void watch_target(struct watch *watch, const char *path)
{
	char target[PATH_MAX];

	if (realpath(path, target))
		want_parent(watch, target);
}

void watch_end(struct watch *watch)
{
	unsigned left = 0;

	for (unsigned i = 0; i < watch->count; i++) {
		if (watch->watched[i].wanted)
			watch->watched[left++] = watch->watched[i];
		else
			inotify_rm_watch(watch->fd, watch->watched[i].wd);
	}
	watch->count = left;
}
