// SPDX-License-Identifier: BSD-3-Clause
// sluice show drops
#include "cli.h"

static void print(json_t *answer, FILE *out)
{
	struct table *table = table_new("lrl");
	json_t *row;
	size_t i;

	table_cell(table, "REASON");
	table_cell(table, "PACKETS");
	table_cell(table, "MEANING");
	json_array_foreach(json_object_get(answer, "drops"), i, row)
	{
		table_cell(table, "%s", row_text(row, "reason"));
		table_cell(table, "%llu", (unsigned long long)row_number(row, "packets"));
		table_cell(table, "%s", row_text(row, "help"));
	}
	table_print(table, "nothing was dropped", out);
}

const struct cli_command cli_drops = {
	.words = {"show", "drops"},
	.help = "dropped packets by reason",
	.path = "/v1/drops",
	.arguments = {{"all", NULL, "also the reasons that never occurred"}},
	.print = print,
};
