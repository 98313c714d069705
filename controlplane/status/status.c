// SPDX-License-Identifier: BSD-3-Clause
// Rows of (object, what its status shall be), sorted by object. What of a new plan is not as it was
// is looked at again; rows that stay keep what was told, and the others are told, a few at a time.
#include "status.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ip_mode.h"
#include "sorted.h"
#include "status_internal.h"

#define AT_A_TIME 16 // requests, of each cluster
// Rows are compared with what objects say, so that what somebody else has written over is told
// again; not at once, for what we told comes back to us a moment later.
#define LOOK_MS        1000
#define LOOK_ROWS      500
#define LOOK_DOUBTS    5
#define ADDRESSES_MOST 16

// Does the object say so already, as it does after a restart of ours, or when another box has
// written it?
static bool is_said(const struct status *s, const struct row *row)
{
	const struct object *object = status_object(s->model, row->key);

	return object && object->digest && object->told == row->says;
}

// What is as it was keeps its state.
static void want(struct status *s, const char *key, const struct saying *saying)
{
	struct row *row = row_find(&s->table, key);
	bool new = !row;

	if (new)
		row = row_add(&s->table, key, saying);
	if (!row)
		return;
	row->wanted = saying->count != 0;
	if (new || row_say(row, saying)) {
		lane_leave(&row->waiter); // what was refused may be taken now
		row->told = !row->asking && is_said(s, row);
		status_settle(s, row);
	}
}

// What was told, and is not wanted any more, is taken back where the object is still there.
static void want_not(struct status *s, const char *key)
{
	const struct saying nothing = {NULL, 0, ""};
	struct row *row = row_find(&s->table, key);

	if (!row)
		return;
	if ((row->cleared && row->told) || !status_object(s->model, key))
		row_remove(&s->table, row); // with the key, if that is the row's
	else
		want(s, key, &nothing);
}

static bool knows_ip_mode(const struct status *s, const char *cluster)
{
	return ip_mode_known(s->options.cluster(s->options.arg, cluster));
}

static const char *mode_of(
	const struct status *s, const char *service, const struct addr *addresses, unsigned count)
{
	char cluster[STATUS_KEY];

	snprintf(cluster, sizeof(cluster), "%.*s", (int)strcspn(service, "/"), service);
	return knows_ip_mode(s, cluster) ? ip_mode_of(s->plan, service, addresses, count) : "";
}

static int compare_vip(const void *address, const void *vip)
{
	return addr_compare(address, &(*(struct plan_vip *const *)vip)->address);
}

static bool has_service(const struct plan *plan, const struct addr *address, const char *service)
{
	struct plan_vip *const *found = plan->vip_count
						? bsearch(address, plan->vips, plan->vip_count,
							  sizeof(*plan->vips), compare_vip)
						: NULL;

	for (unsigned i = 0; found && i < (*found)->service_count; i++)
		if (strcmp((*found)->services[i], service) == 0)
			return true;
	return false;
}

static int compare_lease(const void *service, const void *lease)
{
	return strcmp(service, ((const struct plan_lease *)lease)->service);
}

// Leases are sorted by Service; some are of addresses that it has not now.
static void look_at_service(struct status *s, const char *service)
{
	const struct plan *plan = s->plan;
	const struct sorted leases = {
		plan->leases, plan->lease_count, sizeof(*plan->leases), compare_lease};
	struct addr addresses[ADDRESSES_MOST];
	struct saying saying = {.addresses = addresses};
	char key[STATUS_KEY];

	if ((size_t)snprintf(key, sizeof(key), "services/%s", service) >= sizeof(key))
		return;
	for (size_t i = sorted_place(&leases, service, NULL);
		i < plan->lease_count && strcmp(plan->leases[i].service, service) == 0 &&
		saying.count < ADDRESSES_MOST;
		i++)
		if (has_service(plan, &plan->leases[i].address, service))
			addresses[saying.count++] = plan->leases[i].address;
	saying.ip_mode = mode_of(s, service, addresses, saying.count);
	if (saying.count)
		want(s, key, &saying);
	else
		want_not(s, key);
}

static int compare_ingress(const void *name, const void *ingress)
{
	return strcmp(name, (*(struct plan_ingress *const *)ingress)->name);
}

static void look_at_ingress(struct status *s, const char *name)
{
	const struct plan *plan = s->plan;
	struct plan_ingress *const *found =
		plan->ingress_count ? bsearch(name, plan->ingresses, plan->ingress_count,
					      sizeof(*plan->ingresses), compare_ingress)
				    : NULL;
	char key[STATUS_KEY];

	if ((size_t)snprintf(key, sizeof(key), "ingresses/%s", name) >= sizeof(key))
		return;
	if (found && (*found)->ours && (*found)->address_count)
		want(s, key, &(struct saying){(*found)->addresses, (*found)->address_count, ""});
	else
		want_not(s, key);
}

static void look_at_all(struct status *s)
{
	const struct plan *plan = s->plan;

	s->table.first = s->table.count == 0;
	for (size_t i = 0; i < s->table.count; i++)
		s->table.rows[i]->wanted = false;
	for (unsigned i = 0; i < plan->lease_count; i++)
		if (!i || strcmp(plan->leases[i - 1].service, plan->leases[i].service) != 0)
			look_at_service(s, plan->leases[i].service);
	for (unsigned i = 0; i < plan->ingress_count; i++)
		look_at_ingress(s, plan->ingresses[i]->name);
	rows_put_in_order(&s->table);
	for (size_t i = 0; i < s->table.count;) {
		size_t count = s->table.count;

		if (!s->table.rows[i]->wanted)
			want_not(s, s->table.rows[i]->key);
		i += s->table.count == count;
	}
}

static bool same_services(const struct plan_vip *a, const struct plan_vip *b)
{
	if (a->service_count != b->service_count)
		return false;
	for (unsigned i = 0; i < a->service_count; i++)
		if (strcmp(a->services[i], b->services[i]) != 0)
			return false;
	return true;
}

static void look_at_vip(struct status *s, const struct plan_vip *vip)
{
	for (unsigned i = 0; i < vip->service_count; i++)
		look_at_service(s, vip->services[i]);
}

// All VIPs are made again together: those that are as they were are passed over.
static void look_at_vips(
	struct status *s, const struct plan_rows *gone, const struct plan_rows *added)
{
	unsigned i = 0, j = 0;

	while (i < gone->count || j < added->count) {
		const struct plan_vip *old = i < gone->count ? gone->list[i] : NULL;
		const struct plan_vip *new = j < added->count ? added->list[j] : NULL;
		int order = !old ? 1 : !new ? -1 : addr_compare(&old->address, &new->address);

		i += order <= 0;
		j += order >= 0;
		if (order == 0 && same_services(old, new))
			continue;
		if (order <= 0)
			look_at_vip(s, old);
		if (order >= 0)
			look_at_vip(s, new);
	}
}

static void look_at_rows(struct status *s, const struct plan_delta *delta)
{
	const struct plan_rows *lists[] = {delta->gone, delta->added};

	look_at_vips(s, &delta->gone[ROW_VIP], &delta->added[ROW_VIP]);
	for (unsigned k = 0; k < 2; k++) {
		const struct plan_rows *listeners = &lists[k][ROW_LISTENER];
		const struct plan_rows *ingresses = &lists[k][ROW_INGRESS];

		for (unsigned i = 0; i < listeners->count; i++) {
			const struct plan_listener *listener = listeners->list[i];

			if (listener->mode == MODE_DSR)
				look_at_service(s, listener->service);
		}
		for (unsigned i = 0; i < ingresses->count; i++)
			look_at_ingress(s, ((const struct plan_ingress *)ingresses->list[i])->name);
	}
}

void status_follow(struct status *s, const struct plan *plan, const struct model *model,
	const struct plan_delta *delta)
{
	s->plan = plan;
	s->model = model;
	if (delta->all)
		look_at_all(s);
	else
		look_at_rows(s, delta);
	status_pump(s);
}

// Has its server told its version, or another one, since the row was made?
static bool is_of_another_server(const struct status *s, const struct row *row)
{
	struct status_parts parts;

	return !row->cleared && status_split(row->key, &parts) && parts.service &&
	       knows_ip_mode(s, parts.cluster) != row->with_mode;
}

static void on_look(uv_timer_t *timer)
{
	struct status *s = timer->data;
	bool another = false;

	for (size_t i = 0; s->model && i < LOOK_ROWS && i < s->table.count; i++) {
		struct row *row = s->table.rows[s->looked++ % s->table.count];
		const struct object *object = status_object(s->model, row->key);

		another |= is_of_another_server(s, row);
		if (!row->told || row->asking || !object || !object->digest ||
			object->told == row->says) {
			row->doubts = 0;
		} else if (++row->doubts >= LOOK_DOUBTS) {
			row->told = false;
			row->doubts = 0;
			status_settle(s, row);
		}
	}
	if (another && s->plan)
		look_at_all(s);
	status_pump(s);
}

struct status *status_open(uv_loop_t *loop, const struct status_options *options)
{
	struct status *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->lanes = lanes_new(AT_A_TIME);
	if (!s->lanes) {
		free(s);
		return NULL;
	}
	s->options = *options;
	s->loop = loop;
	uv_timer_init(loop, &s->timer);
	uv_timer_init(loop, &s->look);
	s->timer.data = s->look.data = s;
	uv_timer_start(&s->look, on_look, LOOK_MS, LOOK_MS);
	s->handles = 2;
	return s;
}

static void on_closed(uv_handle_t *handle)
{
	struct status *s = handle->data;

	if (--s->handles)
		return;
	rows_free(&s->table);
	lanes_free(s->lanes);
	free(s);
}

void status_close(struct status *s)
{
	if (!s)
		return;
	s->closing = true;
	uv_close((uv_handle_t *)&s->timer, on_closed);
	uv_close((uv_handle_t *)&s->look, on_closed);
}
