// SPDX-License-Identifier: BSD-3-Clause
// POST /v1/drain, /v1/undrain: VIPs that this box shall not be found for, or all of them.
#include "api_internal.h"

enum {
	ADDRESS
};

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

	if (text)
		addr_parse(&address, text);
	if (!request->state->vip)
		reason_add(request->refused, "nothing is announced");
	else if (text && on && !has_vip(request->state->plan, &address))
		reason_add(request->refused, "vip: found %s, expected a VIP of `show vips`", text);
	else
		vip_drain(request->state->vip, text ? &address : NULL, on, request->refused);
	return json_pack("{s:b, s:s}", "drained", on, "what", text ? text : "box");
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
	.help = "stop being found for a VIP, or for all",
	.arguments = {[ADDRESS] = {"vip", ARGUMENT_ADDRESS,
			      "only this VIP; the whole box without"}},
	.need = NEED_NOTHING,
	.changes = true,
	.handler = drain,
};

const struct api_command api_undrain = {
	.path = "/v1/undrain",
	.help = "be found again for a VIP, or for all that are not drained by themselves",
	.arguments = {[ADDRESS] = {"vip", ARGUMENT_ADDRESS,
			      "only this VIP; the whole box without"}},
	.need = NEED_NOTHING,
	.changes = true,
	.handler = undrain,
};
