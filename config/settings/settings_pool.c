// SPDX-License-Identifier: BSD-3-Clause
// The pools of VIPs, and whom they are for.
#include <stdlib.h>
#include <string.h>

#include "reader.h"

#define PRIORITY_MOST 1000000

static void check_labels(struct reader *r, const struct pool_settings *pool, unsigned at)
{
	char path[64];

	for (unsigned i = 0; i < pool->label_count; i++) {
		const char *label = pool->labels[i] ? pool->labels[i] : "";
		const char *sign = strchr(label, '=');

		if (!*label || (sign && sign != label))
			continue;
		snprintf(path, sizeof(path), "pools[%u].labels[%u]", at, i);
		settings_mistake(r, path,
			"found \"%.80s\", expected \"<key>=<value>\" of a label that Services have",
			label);
	}
}

void settings_read_pools(struct reader *r, const setting_t *root, struct settings *s)
{
	static const char *const keys[] = {"name", "addresses", "interfaces", "priority",
		"auto_assign", "clusters", "namespaces", "labels", NULL};
	const setting_t *list = read_list(r, root, "pools", &s->pool_count);

	s->pools = read_take(r, s->pool_count, sizeof(*s->pools));
	if (!s->pools)
		s->pool_count = 0;
	for (unsigned i = 0; i < s->pool_count; i++) {
		const setting_t *group = config_setting_get_elem(list, i);
		struct pool_settings *pool = &s->pools[i];

		read_known(r, group, keys);
		pool->name = read_text(r, group, "name", "a name such as \"default\"", NULL);
		pool->ranges = read_ranges(r, group, "addresses", &pool->range_count);
		pool->interfaces = read_texts(r, group, "interfaces", &pool->interface_count);
		pool->priority = 100;
		read_number(r, group, "priority", 0, PRIORITY_MOST, &pool->priority);
		pool->auto_assign = true;
		read_bool(r, group, "auto_assign", &pool->auto_assign);
		pool->clusters = read_texts(r, group, "clusters", &pool->cluster_count);
		pool->namespaces = read_texts(r, group, "namespaces", &pool->namespace_count);
		pool->labels = read_texts(r, group, "labels", &pool->label_count);
		check_labels(r, pool, i);
	}
}

void settings_sort_pools(struct settings *s)
{
	// Few, and those of the same priority keep their order.
	for (unsigned i = 1; i < s->pool_count; i++)
		for (unsigned j = i; j > 0 && s->pools[j - 1].priority > s->pools[j].priority;
			j--) {
			struct pool_settings keep = s->pools[j];

			s->pools[j] = s->pools[j - 1];
			s->pools[j - 1] = keep;
		}
}

static void free_texts(char **list, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		free(list[i]);
	free(list);
}

void settings_free_pools(struct settings *s)
{
	for (unsigned i = 0; i < s->pool_count; i++) {
		struct pool_settings *pool = &s->pools[i];

		free_texts(pool->interfaces, pool->interface_count);
		free_texts(pool->clusters, pool->cluster_count);
		free_texts(pool->namespaces, pool->namespace_count);
		free_texts(pool->labels, pool->label_count);
		free(pool->ranges);
		free(pool->name);
	}
	free(s->pools);
}
