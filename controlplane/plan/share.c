// SPDX-License-Identifier: BSD-3-Clause
// A Service that several clusters serve together, as `shares` in sluice.conf says.
//
// The first cluster of the list that has the Service leads: its Service says ports, address and
// manner for all, the others have its address and give their endpoints. A cluster's endpoints
// together weigh what the cluster does, however many they are. One without a ready endpoint, or
// with weight 0 while another has one, gets nothing new.
#include <string.h>

#include "member.h"

void shares_link(struct planner *p)
{
	for (unsigned i = 0; i < p->settings->share_count; i++) {
		const struct share_settings *share = &p->settings->shares[i];
		struct want *leader = NULL;

		for (unsigned j = 0; j < share->cluster_count; j++) {
			char *name = arena_format(
				&p->scratch, "%s/%s", share->clusters[j].name, share->service);
			struct want *want = name ? planning_find(p->kept, name) : NULL;

			if (!want)
				continue;
			want->share_group = share;
			want->leader = leader;
			if (!leader && want->port_count)
				leader = want;
		}
	}
}

const struct share_settings *share_find(const struct settings *settings, const char *cluster,
	const char *namespace, const char *service)
{
	for (unsigned i = 0; i < settings->share_count; i++) {
		const struct share_settings *share = &settings->shares[i];
		size_t length = strlen(namespace);

		if (strncmp(share->service, namespace, length) != 0 ||
			share->service[length] != '/' ||
			strcmp(share->service + length + 1, service) != 0)
			continue;
		for (unsigned j = 0; j < share->cluster_count; j++)
			if (strcmp(share->clusters[j].name, cluster) == 0)
				return share;
	}
	return NULL;
}

// The port of the other Service that stands for the leader's.
static const struct service_port *same_port(
	const struct want *want, const struct service_port *port)
{
	const struct service *service = want->service;
	const struct service_port *ports = want->proxied ? service->ports : want->ports;
	unsigned count = want->proxied ? service->port_count : want->port_count;

	for (unsigned i = 0; i < count; i++)
		if (ports[i].port == port->port && ports[i].protocol == port->protocol)
			return &ports[i];
	return NULL;
}

// What a cluster of the share has. Of Services behind Ingresses, which are planned one by one, it
// is made for this alone: *made is to be freed.
static struct want *side_want(
	struct planner *p, struct want *leader, const char *cluster, struct want **made)
{
	const struct object *object = &leader->service->object;
	const struct service *service;
	char *name;

	if (!leader->proxied) {
		name = arena_format(&p->scratch, "%s/%s", cluster, leader->share_group->service);
		return name ? planning_find(p->kept, name) : NULL;
	}
	if (strcmp(cluster, object->cluster) == 0)
		return leader;
	service = (const struct service *)model_find(
		p->model, OBJECT_SERVICE, cluster, object->namespace, object->name);
	if (!service || service->type == SERVICE_EXTERNAL_NAME)
		return NULL;
	*made = want_make_proxied(p, service);
	return *made;
}

struct side { // a cluster's
	struct want *leader, *want, *made;
	struct members members;
	uint32_t weight;
	uint64_t sum; // of its ready endpoints' own weights
	bool used;
};

static void collect_side(
	struct planner *p, struct side *side, const struct service_port *port, unsigned family)
{
	struct want *leader = side->leader, *want = side->want;
	const struct service_port *its = same_port(want, port);

	side->members.protocol = port->protocol;
	side->members.dsr = leader->mode == MODE_DSR;
	if (!its) {
		problem_add(p, PROBLEM_WARNING, &want->service->object,
			"port %s %u of Service %s, with which it is served together, is not here: "
			"this "
			"cluster does not serve it",
			port->protocol == IPPROTO_TCP ? "TCP" : "UDP", port->port, leader->name);
		return;
	}
	if (want != leader)
		want_find_slices(p, want);
	members_collect(p, want, its, family, &side->members);
	members_sort(&side->members);
	if (want != leader) {
		want->slices = NULL;
		want->slice_count = 0;
	}
	leader->near_vips |= want->near_vips;
	for (unsigned i = 0; i < side->members.count; i++)
		if (side->members.list[i].endpoint.state == ENDPOINT_READY)
			side->sum += side->members.list[i].endpoint.weight;
}

// Who gets new connections: those with a weight, or else those on standby.
static void choose(struct side *sides, unsigned count)
{
	bool any = false;

	for (unsigned i = 0; i < count; i++) {
		sides[i].used = sides[i].weight && sides[i].sum;
		any |= sides[i].used;
	}
	for (unsigned i = 0; !any && i < count; i++) {
		sides[i].used = sides[i].sum > 0;
		sides[i].weight = 1;
	}
}

// The share of an endpoint, of the heaviest of all; both are weight / sum of its cluster.
static uint16_t scaled(const struct side *side, uint16_t own, double heaviest)
{
	double share = (double)side->weight * own / (double)side->sum;
	unsigned weight = (unsigned)(share / heaviest * SLUICE_WEIGHT_MAX + 0.5);

	return (uint16_t)(weight < 1 ? 1 : weight);
}

static void merge(struct planner *p, struct side *side, double heaviest, struct members *into)
{
	for (unsigned i = 0; i < side->members.count; i++) {
		struct member *member = &side->members.list[i];

		if (member->endpoint.state == ENDPOINT_READY && side->used)
			member->endpoint.weight = scaled(side, member->endpoint.weight, heaviest);
		else
			member->endpoint.state = ENDPOINT_DRAINING;
		into->list = arena_grow(&p->scratch, into->list, into->count, sizeof(*into->list));
		if (!into->list)
			return;
		into->list[into->count++] = *member;
	}
	into->unready += side->members.unready;
	into->port_found |= side->members.port_found;
	into->other_port |= side->members.other_port;
	into->by_node |= side->members.by_node;
	into->told |= side->members.told;
	if (side->members.retargeted)
		into->retargeted = side->members.retargeted;
}

void members_of_clusters(struct planner *p, struct want *leader, const struct service_port *port,
	unsigned family, struct members *members)
{
	const struct share_settings *share = leader->share_group;
	struct side *sides =
		arena_take_array(&p->scratch, share->cluster_count, sizeof(struct side));
	double heaviest = 0;

	for (unsigned i = 0; sides && i < share->cluster_count; i++) {
		struct want *want = side_want(p, leader, share->clusters[i].name, &sides[i].made);

		sides[i].weight = share->clusters[i].weight;
		sides[i].leader = leader;
		sides[i].want = want;
		if (want)
			collect_side(p, &sides[i], port, family);
	}
	if (!sides)
		return;
	choose(sides, share->cluster_count);
	for (unsigned i = 0; i < share->cluster_count; i++)
		for (unsigned j = 0; sides[i].used && j < sides[i].members.count; j++) {
			const struct plan_endpoint *it = &sides[i].members.list[j].endpoint;
			double own = (double)sides[i].weight * it->weight / (double)sides[i].sum;

			if (it->state == ENDPOINT_READY && own > heaviest)
				heaviest = own;
		}
	for (unsigned i = 0; i < share->cluster_count; i++) {
		merge(p, &sides[i], heaviest, members);
		want_free(sides[i].made);
	}
}
