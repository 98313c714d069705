// SPDX-License-Identifier: BSD-3-Clause
#include "tables_model.h"

#include "maglev.h"

#include <stdio.h>
#include <string.h>

uint32_t model_roll(uint64_t *dice, uint32_t sides)
{
	*dice += 0x9e3779b97f4a7c15;
	return (uint32_t)(maglev_mix(*dice) >> 32) % sides;
}

const char *const model_vip_names[VIPS] = {
	"192.0.2.1", "192.0.2.2", "192.0.2.3", "198.51.100.7", "2001:db8::1", "2001:db8::2"};
const char *const model_pool_names[POOLS] = {"a/b/c:80", "a/b/c:81", "x", "yy", "zzz", "six", "v"};
const char *const model_route_names[ROUTES] = {
	"10.1.0.0/16", "10.2.0.0/16", "10.0.0.0/8", "10.1.0.0/24", "2001:db8:9::/48"};

static bool model_vip_is_v4(unsigned vip)
{
	return vip < 4;
}

static bool model_endpoint_is_v4(unsigned endpoint)
{
	return endpoint < 18;
}

// Two ports an address; some IPv6 ones sort before the IPv4 ones, some after.
const char *model_endpoint_name(unsigned endpoint, char name[64])
{
	if (model_endpoint_is_v4(endpoint))
		snprintf(name, 64, "10.1.%u.7", 9 - endpoint / 2);
	else
		snprintf(name, 64, "%s::%u", endpoint % 4 < 2 ? "fd00" : "", endpoint / 2 + 2);
	return name;
}

uint16_t model_endpoint_port(unsigned endpoint)
{
	return endpoint % 2 ? 8080 : 300; // in an order that bytes in memory do not have
}

uint8_t model_listener_protocol(unsigned listener)
{
	return listener % 2 ? IPPROTO_UDP : IPPROTO_TCP;
}

uint16_t model_listener_port(unsigned listener)
{
	return listener % 4 < 2 ? 80 : 443;
}

uint8_t model_listener_flags(const struct model_listener *listener)
{
	if (listener->affinity)
		return LISTENER_OWNER_CLIENT_IP;
	return listener->mode == MODE_DNAT ? LISTENER_OWNER_CLIENT : 0;
}

int model_dnat(const struct model *model, unsigned endpoint, uint8_t protocol)
{
	int flags = -1;

	for (unsigned l = 0; l < LISTENERS; l++) {
		const struct model_listener *it = &model->listeners[l];

		if (!it->there || it->mode != MODE_DNAT || model_listener_protocol(l) != protocol ||
			!model->pools[it->pool].endpoints[endpoint].state)
			continue;
		if (flags >= 0 && flags != model_listener_flags(it))
			return -2;
		flags = model_listener_flags(it);
	}
	return flags;
}

bool model_is_valid(const struct model *model)
{
	for (unsigned l = 0; l < LISTENERS; l++) {
		const struct model_listener *it = &model->listeners[l];

		if (!it->there)
			continue;
		if (!model->vips[l / 4] || !model->pools[it->pool].algorithm)
			return false;
		for (unsigned e = 0; e < ENDPOINTS; e++)
			if (model->pools[it->pool].endpoints[e].state &&
				model_endpoint_is_v4(e) != model_vip_is_v4(l / 4))
				return false;
	}
	for (unsigned e = 0; e < ENDPOINTS; e++)
		if (model_dnat(model, e, IPPROTO_TCP) == -2 ||
			model_dnat(model, e, IPPROTO_UDP) == -2)
			return false;
	return true;
}

static void mutate_pool(uint64_t *dice, struct model *next)
{
	unsigned p = model_roll(dice, POOLS);
	struct model_pool *pool = &next->pools[p];
	bool v4 = p < 5;

	if (!pool->algorithm || model_roll(dice, 8) == 0) {
		if (pool->algorithm && model_roll(dice, 2)) {
			*pool = (struct model_pool){0};
			return;
		}
		pool->algorithm = (uint8_t)(ALGORITHM_MAGLEV + model_roll(dice, 5));
	}
	for (unsigned i = model_roll(dice, 4); i > 0; i--) {
		unsigned e = v4 ? model_roll(dice, 18) : 18 + model_roll(dice, 6);
		struct model_endpoint *it =
			&pool->endpoints[model_roll(dice, 200) ? e : ENDPOINTS - 1 - e];

		it->state =
			(uint8_t)(model_roll(dice, 4) ? ENDPOINT_READY : model_roll(dice, 2) * 2);
		if (it->state && model_roll(dice, 2))
			it->weight = (uint8_t)(1 + model_roll(dice, 3));
		if (!it->state)
			it->weight = 0;
		else if (!it->weight)
			it->weight = 1;
	}
}

static void mutate_listener(uint64_t *dice, struct model *next)
{
	unsigned l = model_roll(dice, LISTENERS);
	struct model_listener *it = &next->listeners[l];
	bool v4 = model_vip_is_v4(l / 4);

	if (it->there && model_roll(dice, 3) == 0) {
		*it = (struct model_listener){0};
		return;
	}
	if (!it->there || model_roll(dice, 2)) {
		it->pool = (uint8_t)(v4 ? model_roll(dice, 5) : 5 + model_roll(dice, 2));
		it->mode = (uint8_t)(MODE_FULL_NAT + model_roll(dice, 3));
	}
	it->there = true;
	it->affinity = model_roll(dice, 6) == 0;
	it->sources = (uint8_t)(model_roll(dice, 4) ? it->sources : model_roll(dice, 3));
}

void model_mutate(uint64_t *dice, struct model *next)
{
	switch (model_roll(dice, 8)) {
	case 0:
		next->vips[model_roll(dice, VIPS)] =
			(uint8_t)(model_roll(dice, 8) ? 1 + model_roll(dice, 2) : 0);
		break;
	case 1:
		next->routes[model_roll(dice, ROUTES)] = (uint8_t)model_roll(dice, 3);
		break;
	case 2:
	case 3:
	case 4:
		mutate_listener(dice, next);
		break;
	default:
		mutate_pool(dice, next);
		break;
	}
}

static void add_pool(struct plan_change *change, const struct model *next, unsigned p)
{
	const struct model_pool *pool = &next->pools[p];
	char name[64];

	change_pool(change, model_pool_names[p], pool->algorithm);
	for (unsigned e = 0; e < ENDPOINTS; e++)
		if (pool->endpoints[e].state)
			change_endpoint(change, model_endpoint_name(e, name),
				model_endpoint_port(e), pool->endpoints[e].state,
				pool->endpoints[e].weight);
}

static void add_listener(struct plan_change *change, const struct model *next, unsigned l)
{
	const struct model_listener *it = &next->listeners[l];
	struct plan_listener *listener = change_listener(change, model_vip_names[l / 4],
		model_listener_protocol(l), model_listener_port(l), model_pool_names[it->pool]);

	listener->mode = it->mode;
	listener->affinity_s = it->affinity ? 600 : 0;
	if (it->sources > 0)
		change_source(listener, "203.0.113.0/24");
	if (it->sources > 1)
		change_source(listener, "2001:db8:5::/48");
}

static void add_route(struct plan_change *change, const struct model *next, unsigned r)
{
	char via[64];

	snprintf(via, sizeof(via), r == 4 ? "fd01::%u" : "10.9.0.%u", next->routes[r]);
	change_route(change, model_route_names[r], via);
}

struct plan_change *model_change(
	uint64_t *dice, const struct model *now, const struct model *next, bool whole)
{
	struct plan_change *change = change_new(whole ? 0 : now->generation, now->generation + 1);
	unsigned more = model_roll(dice, 4) ? 0 : 3;

	for (unsigned v = 0; v < VIPS; v++) {
		bool named = whole || now->vips[v] != next->vips[v] || model_roll(dice, 10) < more;

		if (named && next->vips[v])
			change_vip(change, model_vip_names[v])->owned = next->vips[v] == 1;
		else if (!whole && now->vips[v] && !next->vips[v])
			change_remove_vip(change, model_vip_names[v]);
	}
	for (unsigned p = 0; p < POOLS; p++) {
		bool named = whole || model_roll(dice, 10) < more ||
			     memcmp(&now->pools[p], &next->pools[p], sizeof(now->pools[p])) != 0;

		if (named && next->pools[p].algorithm)
			add_pool(change, next, p);
		else if (!whole && now->pools[p].algorithm && !next->pools[p].algorithm)
			change_remove_pool(change, model_pool_names[p]);
	}
	for (unsigned l = 0; l < LISTENERS; l++) {
		bool named = whole || model_roll(dice, 10) < more ||
			     memcmp(&now->listeners[l], &next->listeners[l],
				     sizeof(now->listeners[l])) != 0;

		if (named && next->listeners[l].there)
			add_listener(change, next, l);
		else if (!whole && now->listeners[l].there && !next->listeners[l].there)
			change_remove_listener(change, model_vip_names[l / 4],
				model_listener_protocol(l), model_listener_port(l));
	}
	for (unsigned r = 0; r < ROUTES; r++) {
		bool named =
			whole || now->routes[r] != next->routes[r] || model_roll(dice, 10) < more;

		if (named && next->routes[r])
			add_route(change, next, r);
		else if (!whole && now->routes[r] && !next->routes[r])
			change_remove_route(change, model_route_names[r]);
	}
	return change;
}

bool model_spoil(uint64_t *dice, struct plan_change *change, const struct model *now,
	const struct model *next)
{
	unsigned p = model_roll(dice, POOLS), v = model_roll(dice, VIPS),
		 l = model_roll(dice, LISTENERS);

	switch (model_roll(dice, 5)) {
	case 0:
		if (!change->base || now->pools[p].algorithm || next->pools[p].algorithm)
			return false;
		change_remove_pool(change, model_pool_names[p]);
		return true;
	case 1:
		if (!change->base || now->vips[v] || next->vips[v])
			return false;
		change_remove_vip(change, model_vip_names[v]);
		return true;
	case 2:
		if (!change->base || now->listeners[l].there || next->listeners[l].there)
			return false;
		change_remove_listener(change, model_vip_names[l / 4], model_listener_protocol(l),
			model_listener_port(l));
		return true;
	case 3:
		if (!next->pools[p].algorithm)
			return false;
		add_pool(change, next, p);
		add_pool(change, next, p);
		return true;
	default:
		if (!change->base || !next->routes[1])
			return false;
		add_route(change, next, 1);
		change_remove_route(change, model_route_names[1]);
		return true;
	}
}
