// SPDX-License-Identifier: BSD-3-Clause
// GET /v1/bgp: the routers that are told of VIPs, as BIRD sees them.
#include "api_internal.h"

static json_t *bgp(const struct api_request *request)
{
	json_t *rows = json_array(), *answer = json_object();
	struct vip_peer peer;

	for (unsigned i = 0; request->state->vip && vip_peer(request->state->vip, i, &peer); i++) {
		json_t *row = json_object();

		json_object_set_new(row, "peer", json_string(peer.settings->name));
		json_object_set_new(row, "address", json_addr(&peer.settings->address));
		json_object_set_new(row, "asn", json_integer(peer.settings->asn));
		json_object_set_new(row, "state", json_string(peer.state));
		json_object_set_new(row, "since", json_string(peer.since));
		json_object_set_new(row, "info", json_string(peer.info));
		json_object_set_new(row, "routes", json_integer(peer.routes));
		json_object_set_new(row, "bfd", json_boolean(peer.settings->bfd));
		json_object_set_new(row, "bfd_up", json_boolean(vip_peer_bfd_is_up(&peer)));
		json_array_append_new(rows, row);
	}
	json_object_set_new(answer, "bgp", rows);
	return answer;
}

const struct api_command api_bgp = {
	.path = "/v1/bgp",
	.help = "routers that are told of VIPs, and the sessions with them",
	.need = NEED_NOTHING,
	.handler = bgp,
	.answer = "{bgp: [{peer, address, asn: number, state, since, info, routes: number, bfd: "
		  "bool, bfd_up: bool}]}",
};
