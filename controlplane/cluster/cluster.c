// SPDX-License-Identifier: BSD-3-Clause
// The table of kinds of source.
#include "cluster.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cluster_internal.h"

static const struct cluster_kind *const kinds[] = {&cluster_manifests, &cluster_kube};

// house: six parameters, each once and from another part of the caller
int cluster_open(struct cluster **out, uv_loop_t *loop, const struct source_settings *settings,
	struct model *model, const struct cluster_handlers *handlers, struct reason *reason)
{
	struct cluster *cluster = calloc(1, sizeof(*cluster));
	int rc = -EINVAL;

	if (!cluster)
		return -ENOMEM;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i]->name, settings->kind) == 0)
			cluster->kind = kinds[i];
	cluster->name = strdup(settings->name);
	cluster->model = model;
	cluster->handlers = *handlers;
	if (!cluster->kind)
		reason_add(reason,
			"source \"%s\": kind \"%s\" is not known, expected \"manifests\" or "
			"\"kube\"",
			settings->name, settings->kind);
	else if (!cluster->name)
		rc = -ENOMEM;
	else
		rc = cluster->kind->open(cluster, loop, settings, reason);
	if (rc < 0)
		cluster_freed(cluster);
	else
		*out = cluster;
	return rc;
}

bool cluster_synced(const struct cluster *cluster)
{
	return cluster->synced;
}

const char *cluster_name(const struct cluster *cluster)
{
	return cluster->name;
}

void cluster_close(struct cluster *cluster)
{
	if (cluster)
		cluster->kind->close(cluster);
}

void cluster_state(const struct cluster *cluster, struct cluster_state *state)
{
	*state = (struct cluster_state){.server = "", .version = "", .protocol = "", .problem = ""};
	if (!cluster->synced)
		state->health = CLUSTER_CONNECTING;
	if (cluster->kind->state)
		cluster->kind->state(cluster, state);
}

int cluster_write(struct cluster *cluster, const struct cluster_write *write)
{
	return cluster->kind->write ? cluster->kind->write(cluster, write) : -ENOTSUP;
}

void cluster_take_token(struct cluster *cluster, const char *token)
{
	if (cluster->kind->take_token)
		cluster->kind->take_token(cluster, token);
}

void cluster_freed(struct cluster *cluster)
{
	free(cluster->name);
	free(cluster);
}
