// SPDX-License-Identifier: BSD-3-Clause
// sluice show ports
#include "cli.h"

#include <stdlib.h>

static void print(json_t *answer, FILE *out)
{
	struct table *table = table_new("llllrlrrrrrrl");
	char in[HUMAN_TEXT], bytes_in[HUMAN_TEXT], missed[HUMAN_TEXT];
	char sent[HUMAN_TEXT], bytes_out[HUMAN_TEXT], errors[HUMAN_TEXT];
	json_t *row;
	size_t i;

	table_head(
		table, (const char *const[]){"PORT", "KIND", "DEVICE", "LINK", "MTU", "MAC", "RX",
			       "RX BYTES", "MISSED", "TX", "TX BYTES", "ERRORS", "OFFLOADS"});
	json_array_foreach(json_object_get(answer, "ports"), i, row)
	{
		unsigned long long speed = row_number(row, "speed_mbps");
		char *offloads = row_list(row, "offloads");

		table_cell(table, "%s", row_text(row, "name"));
		table_cell(table, "%s", row_text(row, "kind"));
		table_cell(table, "%s", row_text(row, "device"));
		if (!json_is_true(json_object_get(row, "link_up")))
			table_cell(table, "down");
		else if (speed)
			table_cell(table, "%llu Mb/s", speed);
		else
			table_cell(table, "up");
		table_cell(table, "%llu", (unsigned long long)row_number(row, "mtu"));
		table_cell(table, "%s", row_text(row, "mac"));
		table_cell(table, "%s", row_count(row, "rx_packets", in));
		table_cell(table, "%s", row_bytes(row, "rx_bytes", bytes_in));
		table_cell(table, "%s", row_count(row, "rx_missed", missed));
		table_cell(table, "%s", row_count(row, "tx_packets", sent));
		table_cell(table, "%s", row_bytes(row, "tx_bytes", bytes_out));
		table_cell(table, "%s",
			human_count(row_number(row, "rx_errors") + row_number(row, "tx_errors"),
				errors));
		table_cell(table, "%s", offloads);
		free(offloads);
	}
	table_print(table, "no ports", out);
}

const struct cli_command cli_ports = {
	.words = {"show", "ports"},
	.help = "ports: link, what they can, counters",
	.path = "/v1/ports",
	.print = print,
};

const struct cli_values cli_values_ports = {
	.path = "/v1/ports",
	.rows = "ports",
	.member = "name",
	.help = "kind",
};
