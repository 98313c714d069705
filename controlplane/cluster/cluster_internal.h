// SPDX-License-Identifier: BSD-3-Clause
// What the kinds of source share. A kind is a `const struct cluster_kind`, one file each, listed in
// cluster.c.
#pragma once

#include "cluster.h"

struct cluster_kind {
	const char *name;
	// Sets cluster->state; may set cluster->synced. On failure nothing is left behind.
	int (*open)(struct cluster *cluster, uv_loop_t *loop,
		const struct source_settings *settings, struct reason *reason);
	// Stops. When the loop has let go of everything, calls cluster_freed().
	void (*close)(struct cluster *cluster);
	void (*state)(const struct cluster *cluster, struct cluster_state *state); // or NULL
	int (*write)(struct cluster *cluster, const struct cluster_write *write);  // or NULL
	void (*take_token)(struct cluster *cluster, const char *token);            // or NULL
};

struct cluster {
	const struct cluster_kind *kind;
	char *name;
	struct model *model;
	struct cluster_handlers handlers;
	bool synced;
	void *state; // the kind's own
};

extern const struct cluster_kind cluster_manifests, cluster_kube;

void cluster_freed(struct cluster *cluster);
