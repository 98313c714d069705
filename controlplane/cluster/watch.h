// SPDX-License-Identifier: BSD-3-Clause
// inotify on a directory, on where its links lead, and on what is above it when it is not there.
//
// The owner names the directories it wants between watch_begin() and watch_end(); those it does not
// name again are let go. So a directory that was replaced by another of the same name is followed.
// Loop thread only.
#pragma once

#include <uv.h>

struct watch;

enum watch_event {
	WATCH_MODIFIED, // written to, and not yet closed
	WATCH_SETTLED,  // closed after writing, moved in or out, made, removed
	WATCH_LOST,     // anything may have happened
};

struct watch_handlers {
	void *arg;
	// `name` is in the directory named by watch_directory(); NULL: somewhere else.
	void (*event)(void *arg, enum watch_event event, const char *name);
	void (*closed)(void *arg); // after watch_close(), from the loop
};

int watch_open(struct watch **watch, uv_loop_t *loop, const struct watch_handlers *handlers);
void watch_close(struct watch *watch);

void watch_begin(struct watch *watch);
// The directory whose names are told. -errno, -ENOENT above all: then its nearest existing parent
// is watched for it to come.
int watch_directory(struct watch *watch, const char *path);
// Where the link `path` leads, and the directory that target is in.
void watch_target(struct watch *watch, const char *path);
void watch_end(struct watch *watch);
