// SPDX-License-Identifier: BSD-3-Clause
// Verdicts, and what BIRD is told. See vip.h.
#include "vip.h"

#include "bird.h"
#include "vip_drains.h"
#include "log.h"
#include "sorted.h"
#include "vrrp.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct vip {
	uv_loop_t *loop;
	struct vip_options options;
	const struct settings *settings;
	struct bird *bird;
	struct vrrp *vrrp;
	struct vip_drains drained;
	bool connected, told; // the dataplane is there; BIRD has been told once
	bool lost;            // it was there
	unsigned announced_count;
	struct addr *announced; // sorted
};

const char *vip_state_name(enum vip_state state)
{
	static const char *const names[] = {"owned", "standby", "withdrawn"};

	return names[state];
}

static void changed(void *arg)
{
	struct vip *v = arg;

	v->options.changed(v->options.arg);
}

static int compare_pool(const void *key, const void *pool)
{
	return strcmp(key, (*(const struct plan_pool *const *)pool)->name);
}

static bool pool_ready(const struct plan *plan, const char *name)
{
	struct plan_pool *const *found = plan->pool_count
						 ? bsearch(name, plan->pools, plan->pool_count,
							   sizeof(*plan->pools), compare_pool)
						 : NULL;

	for (unsigned i = 0; found && i < (*found)->endpoint_count; i++)
		if ((*found)->endpoints[i].state == ENDPOINT_READY)
			return true;
	return false;
}

static int compare_vip(const void *address, const void *row)
{
	const struct plan_listener *listener = *(struct plan_listener *const *)row;

	return addr_compare(address, &listener->vip);
}

// Listeners are sorted by VIP.
static bool any_ready(const struct plan *plan, const struct addr *address)
{
	const struct sorted sorted = {
		plan->listeners, plan->listener_count, sizeof(*plan->listeners), compare_vip};

	for (size_t i = sorted_place(&sorted, address, NULL);
		i < plan->listener_count && addr_compare(&plan->listeners[i]->vip, address) == 0;
		i++)
		if (plan->listeners[i]->http || pool_ready(plan, plan->listeners[i]->pool))
			return true;
	return false;
}

__attribute__((format(printf, 2, 3))) static struct vip_verdict verdict(
	enum vip_state state, const char *format, ...)
{
	struct vip_verdict result = {.state = state};
	va_list args;

	va_start(args, format);
	vsnprintf(result.reason, sizeof(result.reason), format, args);
	va_end(args);
	return result;
}

struct peer_count { // of the routers that are to be told of a VIP
	unsigned all, up;
};

static struct peer_count count_peers(
	const struct vip *v, const struct bgp_policy *policy, const struct addr *address)
{
	struct peer_count count = {0};
	struct vip_peer peer;

	for (unsigned i = 0; vip_peer(v, i, &peer); i++) {
		if (!bgp_peer_gets(policy, peer.settings, addr_is_v4(address)))
			continue;
		count.all++;
		count.up += vip_peer_is_up(&peer);
	}
	return count;
}

static struct vip_verdict owned(const struct vip *v, const struct plan_vip *row)
{
	const struct bgp_policy *policy = bgp_policy_of(v->settings, row->pool);
	const char *where = row->interface_count ? row->interfaces[0] : "every port";
	struct peer_count count;
	struct vip_verdict result;

	if (!policy)
		return verdict(VIP_OWNED, "answered on %s%s", where,
			row->interface_count > 1 ? ", ..." : "");
	count = count_peers(v, policy, &row->address);
	if (policy->l2)
		return verdict(VIP_OWNED, "answered on %s%s, BGP: %u of %u peers up", where,
			row->interface_count > 1 ? ", ..." : "", count.up, count.all);
	result = count.all ? verdict(VIP_OWNED, "BGP: %u of %u peers up", count.up, count.all)
			   : verdict(VIP_OWNED, "BGP: none of its peers has an %s address",
				     addr_is_v4(&row->address) ? "IPv4" : "IPv6");
	result.untold = !count.up;
	return result;
}

struct vip_verdict vip_verdict(
	const struct vip *v, const struct plan *plan, const struct plan_vip *row)
{
	const struct bgp_policy *policy = bgp_policy_of(v->settings, row->pool);
	int group = pair_group_of(v->settings, row->pool, &row->address);

	if (v->drained.box)
		return verdict(VIP_WITHDRAWN, "the box is drained");
	if (vip_drains_has(&v->drained, &row->address))
		return verdict(VIP_WITHDRAWN, "drained");
	if (v->lost && !v->connected)
		return verdict(VIP_WITHDRAWN, "there is no dataplane");
	if (policy && policy->withdraw_unready && !any_ready(plan, &row->address))
		return verdict(VIP_WITHDRAWN, "no endpoint is ready");
	if (group >= 0) {
		uint32_t id = v->settings->pair.groups[group].id;
		enum vrrp_state state = vrrp_state(v->vrrp, id);

		if (state == VRRP_BACKUP)
			return verdict(VIP_STANDBY, "virtual router %u: the peer is master", id);
		if (state != VRRP_MASTER)
			return verdict(VIP_STANDBY, "virtual router %u: %s here", id,
				vrrp_state_name(state));
	}
	return owned(v, row);
}

bool vip_stands_by(const struct vip *v)
{
	const struct pair_settings *pair = &v->settings->pair;

	for (unsigned i = 0; i < pair->group_count; i++)
		if (vrrp_state(v->vrrp, pair->groups[i].id) == VRRP_MASTER)
			return false;
	return *pair->interface;
}

// Nothing there is keeps a VIP from being ours, so that none has to be looked at: of a box with
// 10,000 VIPs and neither peer nor router that would be most of a change's cost.
static bool owns_all(const struct vip *v)
{
	return !v->drained.box && !v->drained.count && !v->settings->bgp.asn &&
	       !*v->settings->pair.interface;
}

bool *vip_decide(struct vip *v, const struct plan *plan)
{
	bool *owns, all = true;

	if (owns_all(v))
		return NULL;
	owns = calloc(plan->vip_count + 1, sizeof(*owns));
	for (unsigned i = 0; owns && i < plan->vip_count; i++) {
		const struct plan_vip *row = plan->vips[i];
		const struct bgp_policy *policy = bgp_policy_of(v->settings, row->pool);

		// The dataplane that is gone says nothing; when it is back it shall go on.
		owns[i] = (!policy || policy->l2 ||
			   pair_group_of(v->settings, row->pool, &row->address) >= 0);
		if (owns[i]) {
			bool connected = v->connected;

			v->connected = true;
			owns[i] = vip_verdict(v, plan, row).state == VIP_OWNED;
			v->connected = connected;
		}
		all &= owns[i];
	}
	if (all) {
		free(owns);
		return NULL;
	}
	return owns;
}

// The routes, sorted as the VIPs are.

static const struct pool_settings *find_pool(const struct settings *s, const char *name)
{
	for (unsigned i = 0; i < s->pool_count; i++)
		if (strcmp(s->pools[i].name, name) == 0)
			return &s->pools[i];
	return NULL;
}

static void add_route(
	struct route_list *list, const struct prefix *to, const struct pool_settings *pool)
{
	if (!(list->count & (list->count + 1))) { // room is doubled at 0, 1, 3, 7, ...
		struct route_row *more =
			realloc(list->rows, (2 * (size_t)list->count + 2) * sizeof(*more));

		if (!more)
			return;
		list->rows = more;
	}
	list->rows[list->count++] = (struct route_row){*to, pool};
}

static bool has_route(const struct route_list *list, const struct prefix *to)
{
	for (unsigned i = 0; i < list->count; i++)
		if (list->rows[i].to.length == to->length &&
			addr_compare(&list->rows[i].to.addr, &to->addr) == 0)
			return true;
	return false;
}

// The largest prefix that begins at `first` and does not go beyond `last`.
static struct prefix largest(const struct addr *first, const struct addr *last, struct addr *end)
{
	unsigned bits = 128, least = addr_is_v4(first) ? 96 : 0;

	*end = *first;
	while (bits > least) {
		struct addr next = *end;
		unsigned bit = bits - 1;

		if (first->byte[bit / 8] & (0x80 >> bit % 8))
			break;
		next.byte[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
		if (addr_compare(&next, last) > 0)
			break;
		*end = next;
		bits = bit;
	}
	return (struct prefix){*first, (uint8_t)(bits - least)};
}

static void add_aggregates(
	struct route_list *list, const struct pool_settings *pool, const struct addr *address)
{
	for (unsigned i = 0; i < pool->range_count; i++) {
		const struct range_settings *range = &pool->ranges[i];
		struct addr at = range->first, end;

		if (!range_contains(range, address))
			continue;
		for (;;) {
			struct prefix prefix = largest(&at, &range->last, &end);

			if (!has_route(list, &prefix))
				add_route(list, &prefix, pool);
			if (addr_compare(&end, &range->last) >= 0)
				break;
			at = addr_next(&end);
		}
	}
}

static int compare_addr(const void *a, const void *b)
{
	return addr_compare(a, b);
}

static bool was_announced(const struct vip *v, const struct addr *address)
{
	return v->announced_count &&
	       bsearch(address, v->announced, v->announced_count, sizeof(*address), compare_addr);
}

static void tell_bird(struct vip *v, const struct plan *plan, bool current)
{
	struct addr *announced = calloc((plan ? plan->vip_count : 0) + 1, sizeof(*announced));
	struct route_list list = {0};
	unsigned count = 0;

	for (unsigned i = 0; announced && plan && v->connected && i < plan->vip_count; i++) {
		const struct plan_vip *row = plan->vips[i];
		const struct bgp_policy *policy = bgp_policy_of(v->settings, row->pool);
		const struct pool_settings *pool = find_pool(v->settings, row->pool);
		uint8_t length = addr_is_v4(&row->address) ? 32 : 128;

		if (!policy || !pool || (!current && !was_announced(v, &row->address)) ||
			vip_verdict(v, plan, row).state != VIP_OWNED)
			continue;
		announced[count++] = row->address;
		if (policy->aggregate)
			add_aggregates(&list, pool, &row->address);
		else
			add_route(&list, &(struct prefix){row->address, length}, pool);
	}
	if (announced) {
		free(v->announced);
		v->announced = announced;
		v->announced_count = count;
		bird_configure(v->bird, bird_text(v->settings, &list));
	}
	free(list.rows);
}

// keepalived ends with the dataplane and begins anew with it, as a backup that listens first: one
// that ran on would not see a link that was gone for a moment, think that it is master still, and
// take the VIPs back from the peer that has them now. Who comes after a control plane that was
// killed leaves it as it is.
static void follow_pair(struct vip *v)
{
	bool lost = v->lost && !v->connected;
	bool on = *v->settings->pair.interface && !v->drained.box && !lost;

	struct keepalived_files files = vrrp_files(v->vrrp);

	vrrp_configure(
		v->vrrp, on ? keepalived_text(v->settings, &files) : NULL, &v->settings->pair);
}

void vip_serve(struct vip *v, const struct plan *newest, bool connected, bool current)
{
	bool before = v->connected;

	v->connected = connected;
	v->lost |= before && !connected;
	if (before != connected)
		follow_pair(v);
	if (!v->settings->bgp.asn) {
		bird_configure(v->bird, NULL);
		v->told = false;
		return;
	}
	// Who comes after a control plane that was killed leaves BIRD as it is until there is
	// something to tell.
	if (!v->told && !(connected && current))
		return;
	v->told = true;
	tell_bird(v, newest, current);
}

int vip_drain(struct vip *v, const struct addr *address, bool on, struct reason *reason)
{
	int error = vip_drains_set(&v->drained, address, on, reason);

	follow_pair(v);
	changed(v);
	return error;
}

bool vip_box_drained(const struct vip *v)
{
	return v->drained.box;
}

const struct addr *vip_drained(const struct vip *v, unsigned i)
{
	return i < v->drained.count ? &v->drained.list[i] : NULL;
}

bool vip_peer(const struct vip *v, unsigned i, struct vip_peer *peer)
{
	const struct bird_protocol *p;

	if (i >= v->settings->bgp.peer_count)
		return false;
	*peer = (struct vip_peer){
		&v->settings->bgp.peers[i], "down", "", "BIRD has not said", 0, ""};
	for (unsigned j = 0; (p = bird_protocol(v->bird, j)); j++)
		if (strncmp(p->name, BIRD_PEER, strlen(BIRD_PEER)) == 0 &&
			strcmp(p->name + strlen(BIRD_PEER), peer->settings->name) == 0)
			*peer = (struct vip_peer){peer->settings, p->state, p->since, p->info,
				p->exported, bird_bfd_state(v->bird, &peer->settings->address)};
	return true;
}

bool vip_peer_is_up(const struct vip_peer *peer)
{
	return strcmp(peer->info, "Established") == 0;
}

bool vip_peer_bfd_is_up(const struct vip_peer *peer)
{
	return strcmp(peer->bfd, "Up") == 0;
}

const char *vip_group_state(const struct vip *v, unsigned i)
{
	return vrrp_state_name(vrrp_state(v->vrrp, v->settings->pair.groups[i].id));
}

void vip_mistakes(const struct vip *v, struct reason *reason)
{
	if (*bird_mistake(v->bird))
		reason_add(reason, "%s", bird_mistake(v->bird));
	if (*vrrp_mistake(v->vrrp))
		reason_add(reason, "%s", vrrp_mistake(v->vrrp));
}

void vip_follow(struct vip *v, const struct settings *settings)
{
	v->settings = settings;
	follow_pair(v);
}

int vip_open(struct vip **out, uv_loop_t *loop, const struct settings *settings,
	const struct vip_options *options)
{
	struct vip *v = calloc(1, sizeof(*v));

	if (!v)
		return -ENOMEM;
	v->loop = loop;
	v->options = *options;
	v->settings = settings;
	v->bird = bird_new(loop, settings->run_dir);
	v->vrrp = vrrp_new(loop, settings->run_dir, changed, v);
	if (vip_drains_open(&v->drained, settings->state_dir) || !v->bird || !v->vrrp) {
		vip_close(v);
		return -ENOMEM;
	}
	follow_pair(v);
	*out = v;
	return 0;
}

void vip_close(struct vip *v)
{
	if (!v)
		return;
	bird_release(v->bird);
	vrrp_release(v->vrrp);
	vip_drains_close(&v->drained);
	free(v->announced);
	free(v);
}
