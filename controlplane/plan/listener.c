// SPDX-License-Identifier: BSD-3-Clause
// A listener and a pool for each address and port of each Service.
//
// The dataplane finds the owner of a connection in mode dnat by the endpoint alone, on the way
// back. So an endpoint behind two listeners in that mode must have one rule: the client's address
// and port together, or (with ClientIP affinity) its address alone. Where two Services differ the
// younger one is served by full NAT instead.
#include <string.h>

#include "planning.h"

struct owner_rule { // of an endpoint behind mode dnat
	struct addr address;
	uint16_t port;
	uint8_t protocol;
	bool used, by_client_ip;
	const char *service;
};

struct owner_rules { // an open hash
	size_t mask, count;
	struct owner_rule *rows;
};

static struct owner_rule *rule_slot(
	const struct owner_rules *rules, const struct plan_endpoint *endpoint, uint8_t protocol)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	size_t at;

	for (unsigned i = 0; i < 16; i++)
		hash = (hash ^ endpoint->address.byte[i]) * UINT64_C(0x100000001b3);
	hash = (hash ^ endpoint->port ^ (uint64_t)protocol << 16) * UINT64_C(0x9e3779b97f4a7c15);
	at = (hash ^ hash >> 32) & rules->mask;
	while (rules->rows[at].used &&
		(rules->rows[at].port != endpoint->port || rules->rows[at].protocol != protocol ||
			addr_compare(&rules->rows[at].address, &endpoint->address) != 0))
		at = (at + 1) & rules->mask;
	return &rules->rows[at];
}

static bool grow_rules(struct planner *p, struct owner_rules *rules, size_t more)
{
	struct owner_rules bigger = {.mask = rules->mask ? rules->mask : 255};

	if (rules->rows && (rules->count + more) * 2 <= rules->mask)
		return true;
	while ((rules->count + more) * 2 > bigger.mask)
		bigger.mask = bigger.mask * 2 + 1;
	bigger.rows = arena_take_array(&p->scratch, bigger.mask + 1, sizeof(*bigger.rows));
	if (!bigger.rows)
		return false;
	for (size_t i = 0; rules->rows && i <= rules->mask; i++) {
		const struct owner_rule *old = &rules->rows[i];
		const struct plan_endpoint key = {.address = old->address, .port = old->port};

		if (old->used)
			*rule_slot(&bigger, &key, old->protocol) = *old;
	}
	bigger.count = rules->count;
	*rules = bigger;
	return true;
}

// The Service whose rule for one of the endpoints is another one, or NULL.
static const char *other_rule(struct planner *p, struct owner_rules *rules, const struct want *want,
	const struct plan_pool *pool, uint8_t protocol)
{
	bool by_client_ip = want->by_client_ip;

	if (!grow_rules(p, rules, pool->endpoint_count))
		return NULL;
	for (unsigned i = 0; i < pool->endpoint_count; i++) {
		const struct owner_rule *rule = rule_slot(rules, &pool->endpoints[i], protocol);

		if (rule->used && rule->by_client_ip != by_client_ip)
			return rule->service;
	}
	for (unsigned i = 0; i < pool->endpoint_count; i++) {
		const struct plan_endpoint *endpoint = &pool->endpoints[i];
		struct owner_rule *rule = rule_slot(rules, endpoint, protocol);

		if (rule->used)
			continue;
		*rule = (struct owner_rule){endpoint->address, endpoint->port, protocol, true,
			by_client_ip, want->name};
		rules->count++;
	}
	return NULL;
}

static void add_listener(
	struct planner *p, struct want *want, const struct service_port *port, unsigned family)
{
	struct plan_pool *pool = pool_make(p, want, port, family);
	struct plan_listener *listener;
	enum mode mode = want->mode;
	const char *other = NULL;

	if (!pool)
		return;
	if (mode == MODE_DSR && planning_node_ports(p->kept, want->service->object.cluster)) {
		mode = MODE_FULL_NAT;
		problem_add(p, PROBLEM_WARNING, &want->service->object,
			"port %u is served by full-nat and not by dsr: cluster %s is in endpoint "
			"mode "
			"nodeport",
			port->port, want->service->object.cluster);
	}
	listener = part_add(p->part, ROW_LISTENER);
	if (!listener)
		return;
	p->listener_count++;
	want->listener_count++;
	*listener = (struct plan_listener){
		.vip = want->family[family].address,
		.protocol = port->protocol,
		.port = port->port,
		.service = arena_copy(p->arena, want->name),
		.pool = pool->name,
		.mode = mode,
		.affinity_s = want->service->client_ip_affinity ? want->service->affinity_s : 0,
		.source_count = want->source_count,
	};
	listener->sources =
		arena_take_array(p->arena, want->source_count, sizeof(*listener->sources));
	if (listener->sources && want->source_count)
		memcpy(listener->sources, want->sources,
			want->source_count * sizeof(*listener->sources));
	if (want->mode == MODE_DNAT && p->rules)
		other = other_rule(p, p->rules, want, pool, port->protocol);
	if (other) {
		listener->mode = MODE_FULL_NAT;
		problem_add(p, PROBLEM_WARNING, &want->service->object,
			"port %u is served by full-nat and not by dnat: it shares endpoints with "
			"Service %s, of which sessionAffinity is another",
			port->port, other);
	}
}

struct owner_rules *owner_rules_make(struct planner *p)
{
	return arena_take(&p->scratch, sizeof(struct owner_rules));
}

void listeners_make(struct planner *p, struct want *want)
{
	if (want->denied || want->leader)
		return;
	if (want->front) {
		front_listeners_make(p, want);
		return;
	}
	for (unsigned family = 0; family < FAMILIES; family++) {
		if (!want->family[family].got)
			continue;
		if (p->listener_count + want->port_count > SLUICE_LISTENERS_MAX) {
			p->squeezed = true;
			problem_add(p, PROBLEM_ERROR, &want->service->object,
				"not served: there are %d listeners already", SLUICE_LISTENERS_MAX);
			break;
		}
		for (unsigned j = 0; j < want->port_count; j++)
			add_listener(p, want, &want->ports[j], family);
	}
}
