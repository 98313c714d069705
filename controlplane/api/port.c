// SPDX-License-Identifier: BSD-3-Clause
// GET /v1/ports: the NICs, as the dataplane runs them.
#include "api_internal.h"

static json_t *port_row(const Sluice__PortStats *port)
{
	json_t *row = json_object();

	json_object_set_new(row, "name", json_string(port->name));
	json_object_set_new(row, "kind", json_string(port->kind));
	json_object_set_new(row, "device", json_string(port->device));
	json_object_set_new(row, "link_up", json_boolean(port->link_up));
	json_object_set_new(row, "speed_mbps", json_integer(port->speed_mbps));
	json_object_set_new(row, "mtu", json_integer(port->mtu));
	json_object_set_new(row, "mac", json_string(port->mac));
	json_object_set_new(row, "queues", json_integer(port->queues));
	json_object_set_new(
		row, "offloads", json_texts(port->offloads, (unsigned)port->n_offloads));
	json_object_set_new(row, "rx_packets", json_integer((json_int_t)port->rx_packets));
	json_object_set_new(row, "rx_bytes", json_integer((json_int_t)port->rx_bytes));
	json_object_set_new(row, "rx_missed", json_integer((json_int_t)port->rx_missed));
	json_object_set_new(row, "rx_errors", json_integer((json_int_t)port->rx_errors));
	json_object_set_new(row, "tx_packets", json_integer((json_int_t)port->tx_packets));
	json_object_set_new(row, "tx_bytes", json_integer((json_int_t)port->tx_bytes));
	json_object_set_new(row, "tx_errors", json_integer((json_int_t)port->tx_errors));
	return row;
}

static json_t *ports(const struct api_request *request)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < request->stats->n_ports; i++)
		json_array_append_new(rows, port_row(request->stats->ports[i]));
	return answer_rows(request, "ports", rows);
}

const struct api_command api_ports = {
	.path = "/v1/ports",
	.help = "ports: link, what they can, counters",
	.need = NEED_STATS,
	.cleared = true,
	.handler = ports,
	.answer = "{ports: [{name, kind, device, link_up: bool, speed_mbps: number, mtu: number, "
		  "mac, queues: number, offloads: [text], rx_packets: number, rx_bytes: number, "
		  "rx_missed: number, rx_errors: number, tx_packets: number, tx_bytes: number, "
		  "tx_errors: number}], " ANSWER_SINCE "}",
};
