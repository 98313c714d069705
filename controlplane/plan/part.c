// SPDX-License-Identifier: BSD-3-Clause
#include "part.h"

#include <stdlib.h>
#include <string.h>

static int compare_vips(const void *left, const void *right)
{
	const struct plan_vip *a = *(const struct plan_vip *const *)left;
	const struct plan_vip *b = *(const struct plan_vip *const *)right;

	return addr_compare(&a->address, &b->address);
}

static int compare_listeners(const void *left, const void *right)
{
	const struct plan_listener *a = *(const struct plan_listener *const *)left;
	const struct plan_listener *b = *(const struct plan_listener *const *)right;
	int order = addr_compare(&a->vip, &b->vip);

	if (!order)
		order = a->protocol - b->protocol;
	return order ? order : a->port - b->port;
}

static int compare_pools(const void *left, const void *right)
{
	const struct plan_pool *a = *(const struct plan_pool *const *)left;
	const struct plan_pool *b = *(const struct plan_pool *const *)right;

	return strcmp(a->name, b->name);
}

static int compare_routes(const void *left, const void *right)
{
	const struct plan_route *a = *(const struct plan_route *const *)left;
	const struct plan_route *b = *(const struct plan_route *const *)right;
	int order = addr_compare(&a->to.addr, &b->to.addr);

	return order ? order : a->to.length - b->to.length;
}

static int compare_problems(const void *left, const void *right)
{
	const struct plan_problem *a = *(const struct plan_problem *const *)left;
	const struct plan_problem *b = *(const struct plan_problem *const *)right;
	int order = strcmp(a->object, b->object);

	if (!order)
		order = strcmp(a->where, b->where);
	if (!order)
		order = strcmp(a->text, b->text);
	return order ? order : (int)a->level - (int)b->level;
}

static int compare_clusters(const void *left, const void *right)
{
	const struct plan_cluster *a = *(const struct plan_cluster *const *)left;
	const struct plan_cluster *b = *(const struct plan_cluster *const *)right;

	return strcmp(a->name, b->name);
}

static int compare_sites(const void *left, const void *right)
{
	const struct plan_site *a = *(const struct plan_site *const *)left;
	const struct plan_site *b = *(const struct plan_site *const *)right;

	return strcmp(a->name, b->name);
}

static int compare_hosts(const void *left, const void *right)
{
	const struct plan_host *a = *(const struct plan_host *const *)left;
	const struct plan_host *b = *(const struct plan_host *const *)right;
	int order = strcmp(a->site, b->site);

	return order ? order : strcmp(a->name, b->name);
}

static int compare_server_names(const void *left, const void *right)
{
	const struct plan_server_name *a = *(const struct plan_server_name *const *)left;
	const struct plan_server_name *b = *(const struct plan_server_name *const *)right;
	int order = strcmp(a->site, b->site);

	return order ? order : strcmp(a->name, b->name);
}

static int compare_certificates(const void *left, const void *right)
{
	const struct plan_certificate *a = *(const struct plan_certificate *const *)left;
	const struct plan_certificate *b = *(const struct plan_certificate *const *)right;

	return strcmp(a->name, b->name);
}

static int compare_ingresses(const void *left, const void *right)
{
	const struct plan_ingress *a = *(const struct plan_ingress *const *)left;
	const struct plan_ingress *b = *(const struct plan_ingress *const *)right;

	return strcmp(a->name, b->name);
}

static const struct {
	size_t size;
	int (*compare)(const void *left, const void *right);
} kinds[ROW_KINDS] = {
	[ROW_VIP] = {sizeof(struct plan_vip), compare_vips},
	[ROW_LISTENER] = {sizeof(struct plan_listener), compare_listeners},
	[ROW_POOL] = {sizeof(struct plan_pool), compare_pools},
	[ROW_ROUTE] = {sizeof(struct plan_route), compare_routes},
	[ROW_PROBLEM] = {sizeof(struct plan_problem), compare_problems},
	[ROW_CLUSTER] = {sizeof(struct plan_cluster), compare_clusters},
	[ROW_SITE] = {sizeof(struct plan_site), compare_sites},
	[ROW_HOST] = {sizeof(struct plan_host), compare_hosts},
	[ROW_SERVER_NAME] = {sizeof(struct plan_server_name), compare_server_names},
	[ROW_CERTIFICATE] = {sizeof(struct plan_certificate), compare_certificates},
	[ROW_INGRESS] = {sizeof(struct plan_ingress), compare_ingresses},
};

void *part_add(struct part *part, enum row_kind kind)
{
	struct plan_rows *rows = &part->rows[kind];
	void *row = arena_take(&part->arena, kinds[kind].size);

	rows->list = arena_grow(&part->arena, rows->list, rows->count, sizeof(void *));
	if (!row || !rows->list)
		return NULL;
	rows->list[rows->count++] = row;
	return row;
}

struct part *part_new(void)
{
	return calloc(1, sizeof(struct part));
}

void part_free(struct part *part)
{
	if (!part)
		return;
	arena_clear(&part->arena);
	free(part);
}

void rows_sort(enum row_kind kind, struct plan_rows *rows)
{
	if (rows->count > 1)
		qsort(rows->list, rows->count, sizeof(void *), kinds[kind].compare);
}

void *rows_find(enum row_kind kind, const struct plan_rows *table, const void *row)
{
	void **found = NULL;

	if (table->count)
		found = bsearch(
			&row, table->list, table->count, sizeof(void *), kinds[kind].compare);
	return found ? *found : NULL;
}

// Where the row is, or the first that is not before it.
static unsigned place(
	enum row_kind kind, const struct plan_rows *table, unsigned low, void *const *row)
{
	unsigned high = table->count;

	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (kinds[kind].compare(&table->list[middle], row) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

// The places of those that go, in order. Rows that compare the same lie side by side.
static unsigned *places(
	enum row_kind kind, const struct plan_rows *table, const struct plan_rows *gone)
{
	unsigned *at = calloc(gone->count + 1, sizeof(*at));

	for (unsigned i = 0; at && i < gone->count; i++) {
		at[i] = place(kind, table, 0, &gone->list[i]);
		while (table->list[at[i]] != gone->list[i])
			at[i]++;
		for (unsigned j = i; j > 0 && at[j - 1] > at[j]; j--) {
			unsigned keep = at[j - 1];

			at[j - 1] = at[j];
			at[j] = keep;
		}
	}
	return at;
}

bool rows_merge(enum row_kind kind, struct plan_rows *table, struct plan_rows *gone,
	struct plan_rows *added, struct arena *arena)
{
	void **list = arena_take_array(
		arena, table->count - gone->count + added->count + 1, sizeof(void *));
	unsigned from = 0, count = 0, i = 0, j = 0;
	unsigned *out;

	rows_sort(kind, gone);
	rows_sort(kind, added);
	out = places(kind, table, gone);
	if (!list || !out) {
		free(out);
		return false;
	}
	while (from < table->count || j < added->count) {
		unsigned next_out = i < gone->count ? out[i] : table->count;
		unsigned next_in =
			j < added->count ? place(kind, table, from, &added->list[j]) : table->count;
		unsigned until = next_out < next_in ? next_out : next_in;

		if (until > from) {
			memcpy(list + count, table->list + from, (until - from) * sizeof(void *));
			count += until - from;
			from = until;
		}
		if (next_in <= next_out && j < added->count) {
			list[count++] = added->list[j++];
		} else if (i < gone->count) {
			from = next_out + 1;
			i++;
		}
	}
	free(out);
	*table = (struct plan_rows){count, list};
	return true;
}

void rows_show(const struct plan_rows tables[static ROW_KINDS], struct plan *plan)
{
	plan->vips = (struct plan_vip **)tables[ROW_VIP].list;
	plan->vip_count = tables[ROW_VIP].count;
	plan->listeners = (struct plan_listener **)tables[ROW_LISTENER].list;
	plan->listener_count = tables[ROW_LISTENER].count;
	plan->pools = (struct plan_pool **)tables[ROW_POOL].list;
	plan->pool_count = tables[ROW_POOL].count;
	plan->routes = (struct plan_route **)tables[ROW_ROUTE].list;
	plan->route_count = tables[ROW_ROUTE].count;
	plan->problems = (struct plan_problem **)tables[ROW_PROBLEM].list;
	plan->problem_count = tables[ROW_PROBLEM].count;
	plan->clusters = (struct plan_cluster **)tables[ROW_CLUSTER].list;
	plan->cluster_count = tables[ROW_CLUSTER].count;
	plan->sites = (struct plan_site **)tables[ROW_SITE].list;
	plan->site_count = tables[ROW_SITE].count;
	plan->hosts = (struct plan_host **)tables[ROW_HOST].list;
	plan->host_count = tables[ROW_HOST].count;
	plan->server_names = (struct plan_server_name **)tables[ROW_SERVER_NAME].list;
	plan->server_name_count = tables[ROW_SERVER_NAME].count;
	plan->certificates = (struct plan_certificate **)tables[ROW_CERTIFICATE].list;
	plan->certificate_count = tables[ROW_CERTIFICATE].count;
	plan->ingresses = (struct plan_ingress **)tables[ROW_INGRESS].list;
	plan->ingress_count = tables[ROW_INGRESS].count;
}
