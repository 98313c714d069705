// SPDX-License-Identifier: BSD-3-Clause
// sluice show vrrp
#include "cli.h"

#include <stdlib.h>

static void print(json_t *answer, FILE *out)
{
	struct table *table = table_new("rlrlll");
	json_t *row;
	size_t i;

	table_head(table,
		(const char *const[]){"ID", "INTERFACE", "PRIORITY", "STATE", "PEER", "POOLS"});
	json_array_foreach(json_object_get(answer, "vrrp"), i, row)
	{
		char *pools = row_list(row, "pools");

		table_cell(table, "%llu", (unsigned long long)row_number(row, "id"));
		table_cell(table, "%s", row_text(row, "interface"));
		table_cell(table, "%llu", (unsigned long long)row_number(row, "priority"));
		table_cell(table, "%s", row_text(row, "state"));
		table_cell(table, "%s%s", row_text(row, "peer"),
			json_is_true(json_object_get(row, "peer_silent")) ? " (silent)" : "");
		table_cell(table, "%s",
			json_array_size(json_object_get(row, "pools")) ? pools : "all");
		free(pools);
	}
	table_print(table, "no pair: sluice.conf has no pair", out);
}

const struct cli_command cli_vrrp = {
	.words = {"show", "vrrp"},
	.help = "virtual routers of the pair, and who is master",
	.path = "/v1/vrrp",
	.print = print,
};
