// SPDX-License-Identifier: BSD-3-Clause
// The endpoints that see client addresses, in a change of the tables.
//
// A packet of such an endpoint to a client bears nothing that tells which worker owns its flow but
// the client itself, so whoever receives it must know that, and whether the client's port counts.
// Hence one rule for an endpoint, whichever listeners it is behind. First all that goes is taken
// away, then all that comes is added: a rule may change when all its listeners do so together.
#include "tables_internal.h"

#include <arpa/inet.h>

struct dnat_visit {
	struct build *build;
	const struct listener *listener;
};

static void put(
	struct build *build, uint64_t hash, const struct dnat *before, const struct dnat *next)
{
	struct dnat *after = NULL;

	if (next->references) {
		after = edit_make(&build->edit, sizeof(*after));
		if (!after)
			return;
		*after = *next;
	}
	map_set(&build->dnat_map, hash, before, after);
	edit_replace(&build->edit, before);
}

static void take_away(void *arg, const struct endpoint *endpoint)
{
	const struct dnat_visit *visit = arg;
	struct address_key key = {&endpoint->address, endpoint->port, visit->listener->protocol};
	uint64_t hash = address_key_hash(&key);
	const struct dnat *before =
		map_find(&visit->build->tables->dnat_map, hash, dnat_equal, &key);
	struct dnat next;

	if (!before) // only after memory has run out
		return;
	next = *before;
	next.references--;
	for (uint32_t i = 0; !next.many && i < next.references; i++)
		if (next.listeners[i] == visit->listener->slot)
			next.listeners[i] = next.listeners[next.references];
	put(visit->build, hash, before, &next);
}

static void add(void *arg, const struct endpoint *endpoint)
{
	const struct dnat_visit *visit = arg;
	const struct listener *listener = visit->listener;
	struct address_key key = {&endpoint->address, endpoint->port, listener->protocol};
	uint64_t hash = address_key_hash(&key);
	const struct dnat *before =
		map_find(&visit->build->tables->dnat_map, hash, dnat_equal, &key);
	struct dnat next = {.address = endpoint->address,
		.port = endpoint->port,
		.protocol = listener->protocol,
		.flags = listener->flags};
	char where[LISTENER_TEXT], text[ADDR_TEXT];

	if (before)
		next = *before;
	if (next.flags != listener->flags) {
		build_mistake(visit->build,
			"listener %s: endpoint %s port %u is also behind a listener %s ClientIP "
			"affinity: listeners of mode dnat that share an endpoint must all have it "
			"or "
			"all not",
			listener_format(&listener->vip, listener->protocol, listener->port, where),
			addr_format(&endpoint->address, text), ntohs(endpoint->port),
			listener->affinity_s ? "without" : "with");
		return;
	}
	if (next.references < TABLES_DNAT_LISTENERS)
		next.listeners[next.references] = listener->slot;
	else
		next.many = true;
	next.references++;
	put(visit->build, hash, before, &next);
}

// The pool that counts, when the listener is to be looked at as the other one would be.
static const struct pool *pool_as(const struct listener *listener, const struct listener *other)
{
	return listener && listener->mode == MODE_DNAT && listener->flags == other->flags
		       ? listener->pool
		       : NULL;
}

void dnats_build(struct build *build)
{
	for (uint32_t i = 0; i < build->listener_step_count; i++) {
		const struct listener_step *step = &build->listener_steps[i];
		struct dnat_visit visit = {build, step->before};

		if (step->before && step->before->mode == MODE_DNAT)
			pool_difference(step->before->pool, pool_as(step->after, step->before),
				take_away, &visit);
	}
	for (uint32_t i = 0; i < build->listener_step_count; i++) {
		const struct listener_step *step = &build->listener_steps[i];
		struct dnat_visit visit = {build, step->after};

		if (step->after && step->after->mode == MODE_DNAT)
			pool_difference(
				step->after->pool, pool_as(step->before, step->after), add, &visit);
	}
}
