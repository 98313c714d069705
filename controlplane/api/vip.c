// SPDX-License-Identifier: BSD-3-Clause
// GET /v1/vips: the addresses we answer for, whose they are and what they carry.
#include "api_internal.h"
#include "counters.h"

#include <stdlib.h>

static json_t *vip_row(const struct api_state *state, const struct plan_vip *vip)
{
	json_t *row = json_object();

	json_object_set_new(row, "address", json_addr(&vip->address));
	json_object_set_new(row, "pool", json_string(vip->pool));
	json_object_set_new(row, "shared", json_boolean(vip->shared));
	json_object_set_new(row, "interfaces", json_texts(vip->interfaces, vip->interface_count));
	if (state->vip) {
		struct vip_verdict verdict = vip_verdict(state->vip, state->plan, vip);

		json_object_set_new(row, "state", json_string(vip_state_name(verdict.state)));
		json_object_set_new(row, "reason", json_string(verdict.reason));
	}
	json_object_set_new(row, "services", json_texts(vip->services, vip->service_count));
	return row;
}

static json_t *vips(const struct api_request *request)
{
	struct counters *counters = counters_new(request->stats);
	const struct plan *plan = request->state->plan;
	json_t *rows = json_array();
	unsigned next = 0; // listeners are sorted by VIP, as the VIPs are

	for (unsigned i = 0; plan && counters && i < plan->vip_count; i++) {
		const struct plan_vip *vip = plan->vips[i];
		struct carried sum = {0};
		json_t *row = vip_row(request->state, vip), *ports = json_array();

		while (next < plan->listener_count &&
			addr_compare(&plan->listeners[next]->vip, &vip->address) < 0)
			next++;
		for (; next < plan->listener_count &&
			addr_compare(&plan->listeners[next]->vip, &vip->address) == 0;
			next++) {
			const struct plan_listener *listener = plan->listeners[next];
			const Sluice__ListenerStats *stats =
				counters_listener_stats(counters, listener);

			if (stats)
				carried_add(&sum, stats->counters, stats->http);
			json_array_append_new(
				ports, json_sprintf("%s/%u", protocol_name(listener->protocol),
					       listener->port));
		}
		json_object_set_new(row, "ports", ports);
		carried_json(row, request->stats ? &sum : NULL);
		json_array_append_new(rows, row);
	}
	counters_free(counters);
	return answer_rows(request, "vips", rows);
}

const struct api_command api_vips = {
	.path = "/v1/vips",
	.help = "virtual addresses: whose they are and what they carry",
	.need = WANT_LISTENER_STATS,
	.handler = vips,
	.large = true,
	.answer = "{vips: [{address, pool, shared: bool, interfaces: [text], state?, reason?, "
		  "services: [text], ports: [text], " ANSWER_CARRIED "}], " ANSWER_WARNING "}",
};
