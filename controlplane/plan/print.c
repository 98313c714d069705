// SPDX-License-Identifier: BSD-3-Clause
// A plan as text.
#include "print.h"

static void print_vip(const struct plan_vip *vip, FILE *stream)
{
	char text[ADDR_TEXT];

	fprintf(stream, "%s %s", *vip->pool ? "vip" : "gateway", addr_format(&vip->address, text));
	if (*vip->pool)
		fprintf(stream, " pool %s", vip->pool);
	for (unsigned i = 0; i < vip->interface_count; i++)
		fprintf(stream, "%s%s", i ? "," : " on ", vip->interfaces[i]);
	for (unsigned i = 0; i < vip->service_count; i++)
		fprintf(stream, "%s%s", i ? "," : " for ", vip->services[i]);
	fprintf(stream, "%s\n", vip->shared ? " shared" : "");
}

static void print_listener(const struct plan_listener *listener, FILE *stream)
{
	char text[ADDR_TEXT];
	char prefix[PREFIX_TEXT];

	if (listener->http) {
		fprintf(stream, "listener %s tcp %u site %s%s\n", addr_format(&listener->vip, text),
			listener->port, listener->http->site, listener->http->tls ? " tls" : "");
		return;
	}
	fprintf(stream, "listener %s %s %u pool %s mode %s", addr_format(&listener->vip, text),
		listener->protocol == IPPROTO_TCP ? "tcp" : "udp", listener->port, listener->pool,
		mode_name(listener->mode));
	if (listener->affinity_s)
		fprintf(stream, " affinity %us", listener->affinity_s);
	for (unsigned i = 0; i < listener->source_count; i++)
		fprintf(stream, "%s%s", i ? "," : " from ",
			prefix_format(&listener->sources[i], prefix));
	fprintf(stream, " service %s\n", listener->service);
}

static void print_pool(const struct plan_pool *pool, FILE *stream)
{
	char text[ADDR_TEXT];

	fprintf(stream, "pool %s %s", pool->name, algorithm_name(pool->algorithm));
	if (pool->upstream)
		print_upstream(pool->upstream, stream);
	fputc('\n', stream);
	for (unsigned i = 0; i < pool->endpoint_count; i++) {
		const struct plan_endpoint *endpoint = &pool->endpoints[i];

		fprintf(stream, "\tendpoint %s port %u weight %u %s%s%s\n",
			addr_format(&endpoint->address, text), endpoint->port, endpoint->weight,
			endpoint->state == ENDPOINT_READY ? "ready" : "draining",
			endpoint->name[0] ? " " : "", endpoint->name);
	}
}

void plan_print(const struct plan *plan, FILE *stream)
{
	char text[PREFIX_TEXT];
	char via[ADDR_TEXT];

	for (unsigned i = 0; i < plan->vip_count; i++)
		print_vip(plan->vips[i], stream);
	for (unsigned i = 0; i < plan->listener_count; i++)
		print_listener(plan->listeners[i], stream);
	for (unsigned i = 0; i < plan->pool_count; i++)
		print_pool(plan->pools[i], stream);
	for (unsigned i = 0; i < plan->route_count; i++)
		fprintf(stream, "route %s via %s node %s\n",
			prefix_format(&plan->routes[i]->to, text),
			addr_format(&plan->routes[i]->via, via), plan->routes[i]->node);
	for (unsigned i = 0; i < plan->cluster_count; i++)
		fprintf(stream, "cluster %s endpoints %s: %s (%u of %u nodes ready)\n",
			plan->clusters[i]->name, endpoint_mode_name(plan->clusters[i]->endpoints),
			plan->clusters[i]->why, plan->clusters[i]->nodes_ready,
			plan->clusters[i]->node_count);
	print_http(plan, stream);
	for (unsigned i = 0; i < plan->lease_count; i++)
		fprintf(stream, "lease %s %s\n", plan->leases[i].service,
			addr_format(&plan->leases[i].address, via));
	for (unsigned i = 0; i < plan->problem_count; i++) {
		const struct plan_problem *problem = plan->problems[i];

		fprintf(stream, "%s %s (%s): %s\n",
			problem->level == PROBLEM_ERROR ? "error" : "warning", problem->object,
			problem->where, problem->text);
	}
}
