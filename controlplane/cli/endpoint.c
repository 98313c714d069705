// SPDX-License-Identifier: BSD-3-Clause
// sluice show endpoints
#include "cli.h"

#include <stdlib.h>
#include <string.h>

static void print(json_t *answer, FILE *out)
{
	struct table *table = table_new("lllrllrrrr");
	char flows[HUMAN_TEXT], new[HUMAN_TEXT], in[HUMAN_TEXT], back[HUMAN_TEXT];
	const char *before = "";
	json_t *row;
	size_t i;

	table_head(table, (const char *const[]){"POOL", "ENDPOINT", "NAME", "WEIGHT", "STATE",
				  "HEALTH", "FLOWS", "CREATED", "BYTES IN", "BYTES OUT"});
	json_array_foreach(json_object_get(answer, "endpoints"), i, row)
	{
		char *address = row_address_port(row, "address", "port");
		const char *pool = row_text(row, "pool");

		table_cell(table, "%s", strcmp(pool, before) != 0 ? pool : "");
		table_cell(table, "%s", address);
		table_cell(table, "%s", row_text(row, "name"));
		table_cell(table, "%llu", (unsigned long long)row_number(row, "weight"));
		table_cell(table, "%s", row_text(row, "state"));
		table_cell(table, "%s", row_text(row, "health"));
		table_cell(table, "%s", row_count(row, "flows", flows));
		table_cell(table, "%s", row_count(row, "flows_created", new));
		table_cell(table, "%s", row_bytes(row, "bytes_in", in));
		table_cell(table, "%s", row_bytes(row, "bytes_out", back));
		before = pool;
		free(address);
	}
	table_print(table, "no endpoints", out);
}

const struct cli_command cli_endpoints = {
	.words = {"show", "endpoints"},
	.help = "pods and nodes behind each Service, and what each gets",
	.path = "/v1/endpoints",
	.arguments =
		{
			{"service", "NAME",
				"only of this Service: name, namespace/name or with "
				"the cluster"},
			{"address", "ADDRESS", "only with this address"},
		},
	.print = print,
	.values = {&cli_values_services},
};
