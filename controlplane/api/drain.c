// SPDX-License-Identifier: BSD-3-Clause
// POST /v1/drain, /v1/undrain: VIPs that this box shall not be found for, or all of them; endpoints
// that shall get no new connections.
#include "api_internal.h"

enum {
	ADDRESS,
	ENDPOINT
};

static bool has_endpoint(const struct plan *plan, const struct drain *drain)
{
	for (unsigned i = 0; plan && i < plan->pool_count; i++)
		for (unsigned j = 0; j < plan->pools[i]->endpoint_count; j++) {
			const struct plan_endpoint *it = &plan->pools[i]->endpoints[j];

			if (addr_compare(&it->address, &drain->address) == 0 &&
				(!drain->port || it->port == drain->port))
				return true;
		}
	return false;
}

// Drains are not told to other boxes.
static json_t *answer(const struct api_request *request, bool on, const char *what)
{
	const struct settings *settings = request->state->settings;

	return json_pack("{s:b, s:s, s:b}", "drained", on, "what", what, "other_boxes",
		settings && settings_has_others(settings));
}

static json_t *set_endpoint(const struct api_request *request, bool on)
{
	const struct api_state *state = request->state;
	const char *text = request->values[ENDPOINT];
	struct drain drain;

	drain_parse(&drain, text);
	if (request->values[ADDRESS])
		reason_add(request->refused, "vip, endpoint: one of them at a time");
	else if (!state->drains)
		reason_add(request->refused, "endpoints cannot be drained");
	else if (on && !has_endpoint(state->plan, &drain))
		reason_add(request->refused, "endpoint: found %s, expected one of `show endpoints`",
			text);
	else if (drains_set(state->drains, &drain, on, request->refused) == 0 && state->drained)
		state->drained(state->arg);
	return answer(request, on, text);
}

static bool has_vip(const struct plan *plan, const struct addr *address)
{
	for (unsigned i = 0; plan && i < plan->vip_count; i++)
		if (addr_compare(&plan->vips[i]->address, address) == 0)
			return true;
	return false;
}

static json_t *set(const struct api_request *request, bool on)
{
	const char *text = request->values[ADDRESS];
	struct addr address;

	if (request->values[ENDPOINT])
		return set_endpoint(request, on);
	if (text)
		addr_parse(&address, text);
	if (!request->state->vip)
		reason_add(request->refused, "nothing is announced");
	else if (text && on && !has_vip(request->state->plan, &address))
		reason_add(request->refused, "vip: found %s, expected a VIP of `show vips`", text);
	else
		vip_drain(request->state->vip, text ? &address : NULL, on, request->refused);
	return answer(request, on, text ? text : "box");
}

static json_t *drain(const struct api_request *request)
{
	return set(request, true);
}

static json_t *undrain(const struct api_request *request)
{
	return set(request, false);
}

const struct api_command api_drain = {
	.path = "/v1/drain",
	.help = "stop being found for a VIP, or for all; or give an endpoint no new connections",
	.arguments = {[ADDRESS] = {"vip", ARGUMENT_ADDRESS, "only this VIP; the whole box without"},
		[ENDPOINT] = {"endpoint", ARGUMENT_ENDPOINT,
			"an endpoint instead: its address, or address:port"}},
	.need = NEED_NOTHING,
	.changes = true,
	.handler = drain,
	.answer = "{drained: bool, what, other_boxes: bool}",
};

const struct api_command api_undrain = {
	.path = "/v1/undrain",
	.help = "be found again for a VIP, or for all that are not drained by themselves; or use "
		"an "
		"endpoint again",
	.arguments = {[ADDRESS] = {"vip", ARGUMENT_ADDRESS, "only this VIP; the whole box without"},
		[ENDPOINT] = {"endpoint", ARGUMENT_ENDPOINT,
			"an endpoint instead: its address, or address:port"}},
	.need = NEED_NOTHING,
	.changes = true,
	.handler = undrain,
	.answer = "{drained: bool, what, other_boxes: bool}",
};
