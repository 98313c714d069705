// SPDX-License-Identifier: BSD-3-Clause
// sluice show bgp
#include "cli.h"

static void print(json_t *answer, FILE *out)
{
	struct table *table = table_new("llrlrlll");
	json_t *row;
	size_t i;

	table_head(table, (const char *const[]){"PEER", "ADDRESS", "ASN", "STATE", "ROUTES", "BFD",
				  "SINCE", "INFO"});
	json_array_foreach(json_object_get(answer, "bgp"), i, row)
	{
		table_cell(table, "%s", row_text(row, "peer"));
		table_cell(table, "%s", row_text(row, "address"));
		table_cell(table, "%llu", (unsigned long long)row_number(row, "asn"));
		table_cell(table, "%s", row_text(row, "state"));
		table_cell(table, "%llu", (unsigned long long)row_number(row, "routes"));
		table_cell(table, "%s",
			!json_is_true(json_object_get(row, "bfd"))     ? "-"
			: json_is_true(json_object_get(row, "bfd_up")) ? "up"
								       : "down");
		table_cell(table, "%s", row_text(row, "since"));
		table_cell(table, "%s", row_text(row, "info"));
	}
	table_print(table, "no BGP: sluice.conf has no bgp.peers", out);
}

const struct cli_command cli_bgp = {
	.words = {"show", "bgp"},
	.help = "routers that are told of VIPs",
	.path = "/v1/bgp",
	.print = print,
};
