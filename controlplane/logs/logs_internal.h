// SPDX-License-Identifier: BSD-3-Clause
// What the files of logs/ share: kept.c keeps lines, logs.c sends them to servers.
#pragma once

#include "logs.h"

struct kept { // the last lines of one process
	struct kept_line lines[LOGS_KEPT];
	unsigned first, count;
};

struct dataplane_log {      // how far we have it
	uint64_t run, last; // the number of the last line
	uint64_t dropped;   // by itself
	uint64_t missed;    // gone before they were asked for
};

struct server;

struct logs {
	uv_loop_t *loop;
	struct kept kept[LOG_PROCESSES];
	struct dataplane_log dataplane;
	struct server **servers;
	unsigned server_count;
	uint64_t unsent;
	char host[256];
};

void kept_add(struct kept *kept, const struct log_line *line);
void kept_free(struct kept *kept);
// To the servers that want it.
void logs_send(struct logs *logs, const struct log_line *line, enum log_process from, int pid);
