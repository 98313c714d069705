// SPDX-License-Identifier: BSD-3-Clause
// sluice show pools
#include "cli.h"

static void print(json_t *answer, FILE *out)
{
	struct table *table = table_new("lrllrrrrrr");
	char flows[HUMAN_TEXT], packets[HUMAN_TEXT], requests[HUMAN_TEXT];
	json_t *row;
	size_t i;

	table_head(table, (const char *const[]){"POOL", "LAYER", "ALGORITHM", "HEALTH", "READY",
				  "DRAINING", "FAILING", "FLOWS", "PACKETS", "REQUESTS"});
	json_array_foreach(json_object_get(answer, "pools"), i, row)
	{
		table_cell(table, "%s", row_text(row, "pool"));
		table_cell(table, "%llu", (unsigned long long)row_number(row, "layer"));
		table_cell(table, "%s", row_text(row, "algorithm"));
		table_cell(table, "%s", row_text(row, "health"));
		table_cell(table, "%llu", (unsigned long long)row_number(row, "ready"));
		table_cell(table, "%llu", (unsigned long long)row_number(row, "draining"));
		table_cell(table, "%llu", (unsigned long long)row_number(row, "failing"));
		table_cell(table, "%s", row_count(row, "flows", flows));
		table_cell(table, "%s", row_count(row, "packets_in", packets));
		table_cell(table, "%s", row_count(row, "requests", requests));
	}
	table_print(table, "no pools", out);
}

const struct cli_command cli_pools = {
	.words = {"show", "pools"},
	.help = "endpoints of each port together: how one is picked, how many are ready",
	.path = "/v1/pools",
	.arguments = {{"service", "NAME", "only of this Service"}},
	.values = {&cli_values_services},
	.print = print,
};
