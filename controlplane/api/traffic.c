// SPDX-License-Identifier: BSD-3-Clause
// Does traffic flow, what is in its way, and what to type next: the first thing `show status` says.
#include "api_internal.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_SIZE 600

struct traffic {
	json_t *next;
	char text[TEXT_SIZE];
	size_t length;
};

__attribute__((format(printf, 2, 3))) static void say(
	struct traffic *traffic, const char *format, ...)
{
	va_list args;
	int n;

	if (traffic->length && traffic->length + 2 < sizeof(traffic->text)) {
		memcpy(traffic->text + traffic->length, "; ", 3);
		traffic->length += 2;
	}
	va_start(args, format);
	n = vsnprintf(traffic->text + traffic->length, sizeof(traffic->text) - traffic->length,
		format, args);
	va_end(args);
	traffic->length += n > 0 ? (size_t)n : 0;
	if (traffic->length >= sizeof(traffic->text))
		traffic->length = sizeof(traffic->text) - 1;
}

static void next(struct traffic *traffic, const char *command)
{
	json_array_append_new(traffic->next, json_string(command));
}

struct vip_count { // gateways apart
	unsigned all, owned, standby, withdrawn, untold;
	char why[160];    // of the first that is withdrawn, else of the first on standby
	char silent[160]; // of the first that no router is told of
};

static void count_vips(const struct api_state *state, struct vip_count *count)
{
	*count = (struct vip_count){0};
	for (unsigned i = 0; i < state->plan->vip_count; i++) {
		const struct plan_vip *vip = state->plan->vips[i];
		struct vip_verdict verdict = {.state = VIP_OWNED};

		if (!*vip->pool)
			continue;
		count->all++;
		if (state->vip)
			verdict = vip_verdict(state->vip, state->plan, vip);
		if ((verdict.state == VIP_WITHDRAWN && !count->withdrawn) ||
			(verdict.state == VIP_STANDBY && !count->standby && !count->withdrawn))
			memcpy(count->why, verdict.reason, sizeof(count->why));
		if (verdict.untold && !count->untold++)
			memcpy(count->silent, verdict.reason, sizeof(count->silent));
		count->owned += verdict.state == VIP_OWNED;
		count->standby += verdict.state == VIP_STANDBY;
		count->withdrawn += verdict.state == VIP_WITHDRAWN;
	}
}

static const char *is_are(unsigned count)
{
	return count == 1 ? "is" : "are";
}

// How many pools have nobody to send to, and the first of them.
static unsigned count_empty(const struct plan *plan, const char **first)
{
	unsigned empty = 0;

	*first = NULL;
	for (unsigned i = 0; i < plan->pool_count; i++) {
		const struct plan_pool *pool = plan->pools[i];
		bool ready = false;

		for (unsigned j = 0; !ready && j < pool->endpoint_count; j++)
			ready = pool->endpoints[j].state == ENDPOINT_READY;
		if (ready)
			continue;
		if (!*first)
			*first = pool->name;
		empty++;
	}
	return empty;
}

// What is in the way although some of it flows. How many things.
static unsigned say_obstacles(
	struct traffic *traffic, const struct api_request *request, const struct vip_count *vips)
{
	const struct plan *plan = request->state->plan;
	const char *first;
	unsigned empty = count_empty(plan, &first), down = 0, said = 0;
	const char *port = "";

	if (vips->withdrawn) {
		say(traffic, "%u of %u VIPs %s withdrawn: %s", vips->withdrawn, vips->all,
			is_are(vips->withdrawn), vips->why);
		next(traffic, "show vips");
		said++;
	}
	if (vips->untold) {
		say(traffic, "no router is told of %u of %u VIPs: %s", vips->untold, vips->all,
			vips->silent);
		next(traffic, "show bgp");
		said++;
	}
	if (empty) {
		say(traffic, "%u of %u pools %s without a ready endpoint, the first %s", empty,
			plan->pool_count, is_are(empty), first);
		next(traffic, "show endpoints");
		said++;
	}
	for (size_t i = 0; request->stats && i < request->stats->n_ports; i++) {
		if (request->stats->ports[i]->link_up)
			continue;
		port = down++ ? port : request->stats->ports[i]->name;
	}
	if (down) {
		say(traffic, "%u of %zu ports %s down, the first %s", down, request->stats->n_ports,
			is_are(down), port);
		next(traffic, "show ports");
		said++;
	}
	return said;
}

// No VIP is answered for, by somebody's word; what is left of the work.
static const char *say_drained(struct traffic *traffic, const struct api_request *request)
{
	const Sluice__Stats *stats = request->stats;
	uint64_t left = 0;

	for (size_t i = 0; stats && i < stats->n_workers; i++)
		left += stats->workers[i]->flows;
	if (stats && stats->proxy)
		left += stats->proxy->connections;
	say(traffic, "this box answers for no VIP; %llu flows and connections are left",
		(unsigned long long)left);
	next(traffic, "show flows");
	next(traffic, "undrain box");
	return "drained";
}

static const char *judge(struct traffic *traffic, const struct api_request *request)
{
	const struct api_state *state = request->state;
	const struct plan *plan = state->plan;
	struct vip_count vips;

	if (!state->publish.connected) {
		say(traffic, "the dataplane does not answer: %s", state->publish.down_reason);
		next(traffic, "systemctl status sluice-dataplane");
		next(traffic, "journalctl -u sluice-dataplane -n 50");
		return "none";
	}
	if (state->vip && vip_box_drained(state->vip))
		return say_drained(traffic, request);
	if (!plan) {
		say(traffic, "there is no plan yet: not every source has been read");
		next(traffic, "show problems");
		return "none";
	}
	count_vips(state, &vips);
	if (!vips.all) {
		say(traffic, "no Service of type LoadBalancer and no Ingress has an address yet");
		next(traffic, "show problems");
		return "idle";
	}
	if (!vips.owned && !vips.withdrawn) {
		say(traffic, "another box answers for all %u VIPs: %s", vips.standby, vips.why);
		next(traffic, "show vrrp");
		return "standby";
	}
	if (!vips.owned) {
		say(traffic, "no VIP is answered for: %s", vips.why);
		next(traffic, "show vips");
		return "none";
	}
	if (say_obstacles(traffic, request, &vips))
		return vips.untold == vips.owned ? "none" : "partly";
	say(traffic, "%u VIPs answered for, %u pools, each with a ready endpoint", vips.owned,
		plan->pool_count);
	return "flows";
}

json_t *traffic_json(const struct api_request *request)
{
	struct traffic traffic = {.next = json_array()};
	const char *state = judge(&traffic, request);

	return json_pack(
		"{s:s, s:s, s:o}", "state", state, "text", traffic.text, "next", traffic.next);
}
