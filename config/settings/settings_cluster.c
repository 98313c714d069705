// SPDX-License-Identifier: BSD-3-Clause
// What is said of single clusters, and what several of them serve together.
#include <stdlib.h>
#include <string.h>

#include "reader.h"

#define WEIGHT_MOST 1000000

static const char *const modes[] = {"auto", "pod", "nodeport", NULL};

const char *endpoint_mode_name(enum endpoint_mode mode)
{
	return modes[mode];
}

const struct cluster_settings *settings_cluster(const struct settings *s, const char *name)
{
	for (unsigned i = 0; i < s->cluster_count; i++)
		if (strcmp(s->clusters[i].name, name) == 0)
			return &s->clusters[i];
	return NULL;
}

enum endpoint_mode settings_endpoint_mode(const struct settings *s, const char *cluster)
{
	for (unsigned i = 0; i < s->cluster_count; i++)
		if (strcmp(s->clusters[i].name, cluster) == 0)
			return s->clusters[i].endpoints;
	return ENDPOINTS_AUTO;
}

static void read_namespaces(
	struct reader *r, const setting_t *group, struct cluster_settings *cluster)
{
	unsigned count = read_text_count(r, group, "namespaces");
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-";

	cluster->namespaces = read_take(r, count, sizeof(*cluster->namespaces));
	if (!cluster->namespaces)
		return;
	for (unsigned i = 0; i < count; i++) {
		const setting_t *element;
		const char *text = read_text_at(r, group, "namespaces", i, &element);
		size_t n = text ? strspn(text, letters) : 0;

		if (text && (n == 0 || n > 63 || text[n]))
			read_expected(r, element, "the name of a namespace");
		cluster->namespaces[cluster->namespace_count++] = read_copy(r, text ? text : "");
	}
}

static void read_each(struct reader *r, const setting_t *root, struct settings *s)
{
	static const char *const keys[] = {"name", "endpoints", "namespaces", "labels", NULL};
	const setting_t *list = read_list(r, root, "clusters", &s->cluster_count);

	s->clusters = read_take(r, s->cluster_count, sizeof(*s->clusters));
	if (!s->clusters)
		s->cluster_count = 0;
	for (unsigned i = 0; i < s->cluster_count; i++) {
		const setting_t *group = config_setting_get_elem(list, i);
		struct cluster_settings *cluster = &s->clusters[i];
		char path[64];

		read_known(r, group, keys);
		cluster->name = read_text(r, group, "name", "the name of a cluster", NULL);
		cluster->endpoints =
			(enum endpoint_mode)read_choice(r, group, "endpoints", modes, 0);
		cluster->labels =
			read_text(r, group, "labels", "a selector such as \"tier=gold\"", "");
		read_namespaces(r, group, cluster);
		snprintf(path, sizeof(path), "clusters[%u].name", i);
		for (unsigned j = 0; cluster->name && *cluster->name && j < i; j++)
			if (s->clusters[j].name && strcmp(s->clusters[j].name, cluster->name) == 0)
				settings_mistake(r, path,
					"found \"%s\", which clusters[%u] has already",
					cluster->name, j);
	}
}

static void read_share_clusters(
	struct reader *r, const setting_t *group, struct share_settings *share, unsigned at)
{
	static const char *const keys[] = {"name", "weight", NULL};
	const setting_t *list = read_list(r, group, "clusters", &share->cluster_count);
	bool any = false;
	char path[64];

	share->clusters = read_take(r, share->cluster_count, sizeof(*share->clusters));
	if (!share->clusters)
		share->cluster_count = 0;
	for (unsigned i = 0; i < share->cluster_count; i++) {
		const setting_t *element = config_setting_get_elem(list, i);
		struct share_cluster *cluster = &share->clusters[i];

		read_known(r, element, keys);
		cluster->name = read_text(r, element, "name", "the name of a cluster", NULL);
		cluster->weight = 1;
		read_number(r, element, "weight", 0, WEIGHT_MOST, &cluster->weight);
		any |= cluster->weight > 0;
		snprintf(path, sizeof(path), "shares[%u].clusters[%u].name", at, i);
		for (unsigned j = 0; cluster->name && *cluster->name && j < i; j++)
			if (share->clusters[j].name &&
				strcmp(share->clusters[j].name, cluster->name) == 0)
				settings_mistake(r, path, "found \"%s\" twice", cluster->name);
	}
	snprintf(path, sizeof(path), "shares[%u].clusters", at);
	if (share->cluster_count < 2)
		settings_mistake(
			r, path, "found %u, expected at least two clusters", share->cluster_count);
	else if (!any)
		settings_mistake(r, path, "found no weight but 0, expected one that is more");
}

static void read_shares(struct reader *r, const setting_t *root, struct settings *s)
{
	static const char *const keys[] = {"service", "clusters", NULL};
	const setting_t *list = read_list(r, root, "shares", &s->share_count);

	s->shares = read_take(r, s->share_count, sizeof(*s->shares));
	if (!s->shares)
		s->share_count = 0;
	for (unsigned i = 0; i < s->share_count; i++) {
		const setting_t *group = config_setting_get_elem(list, i);
		struct share_settings *share = &s->shares[i];
		const char *slash;
		char path[64];

		read_known(r, group, keys);
		share->service =
			read_text(r, group, "service", "a Service, \"<namespace>/<name>\"", NULL);
		read_share_clusters(r, group, share, i);
		if (!share->service || !*share->service)
			continue;
		snprintf(path, sizeof(path), "shares[%u].service", i);
		slash = strchr(share->service, '/');
		if (!slash || slash == share->service || !slash[1])
			settings_mistake(r, path,
				"found \"%.80s\", expected \"<namespace>/<name>\"", share->service);
		for (unsigned j = 0; j < i; j++)
			if (s->shares[j].service &&
				strcmp(s->shares[j].service, share->service) == 0)
				settings_mistake(r, path,
					"found \"%.80s\", which shares[%u] has already",
					share->service, j);
	}
}

void settings_read_clusters(struct reader *r, const setting_t *root, struct settings *s)
{
	read_each(r, root, s);
	read_shares(r, root, s);
}

void settings_free_clusters(struct settings *s)
{
	for (unsigned i = 0; i < s->cluster_count; i++) {
		for (unsigned j = 0; j < s->clusters[i].namespace_count; j++)
			free(s->clusters[i].namespaces[j]);
		free(s->clusters[i].namespaces);
		free(s->clusters[i].labels);
		free(s->clusters[i].name);
	}
	for (unsigned i = 0; i < s->share_count; i++) {
		for (unsigned j = 0; j < s->shares[i].cluster_count; j++)
			free(s->shares[i].clusters[j].name);
		free(s->shares[i].clusters);
		free(s->shares[i].service);
	}
	free(s->clusters);
	free(s->shares);
}
