// SPDX-License-Identifier: BSD-3-Clause
// GET /v1/vrrp: the virtual routers of the pair, as keepalived sees them here.
#include "api_internal.h"

static json_t *vrrp(const struct api_request *request)
{
	const struct pair_settings *pair = &request->state->settings->pair;
	json_t *rows = json_array(), *answer = json_object();

	for (unsigned i = 0; request->state->vip && *pair->interface && i < pair->group_count;
		i++) {
		const struct pair_group *group = &pair->groups[i];
		json_t *row = json_object();

		json_object_set_new(row, "id", json_integer(group->id));
		json_object_set_new(row, "interface", json_string(pair->interface));
		json_object_set_new(row, "priority", json_integer(group->priority));
		json_object_set_new(
			row, "state", json_string(vip_group_state(request->state->vip, i)));
		json_object_set_new(
			row, "peer", pair->has_peer ? json_addr(&pair->peer) : json_null());
		json_object_set_new(
			row, "peer_silent", json_boolean(api_peer_silent(request->state, i)));
		json_object_set_new(row, "pools", json_texts(group->pools, group->pool_count));
		json_array_append_new(rows, row);
	}
	json_object_set_new(answer, "vrrp", rows);
	return answer;
}

const struct api_command api_vrrp = {
	.path = "/v1/vrrp",
	.help = "virtual routers of the pair: who is master",
	.need = NEED_NOTHING,
	.handler = vrrp,
	.answer = "{vrrp: [{id: number, interface, priority: number, state, peer: text?, "
		  "peer_silent: bool, pools: [text]}]}",
};
