// SPDX-License-Identifier: BSD-3-Clause
// What the files of a check share. Loop thread only.
#pragma once

#include "registry_internal.h"

struct reach; // the part that goes over the wire to nodes and pods

// Appends a row. `mend` may be "".
void check_row(json_t *rows, const char *what, const char *result, const char *found,
	const char *mend); // house: a row's four texts

struct reach_options {
	uv_loop_t *loop;
	const struct model *model;
	const char *cluster;
	bool node_ports; // which of the two is in use, and must work
	unsigned own_count;
	const struct addr *own; // the dataplane's, which outlive it; none = not known
	void *arg;
	void (*done)(void *arg); // once, never from within
};

// Tries a pod and a NodePort of each node; what came of it goes to `rows`, which outlives it.
// -ENOMEM.
int reach_start(const struct reach_options *options, json_t *rows);
