// SPDX-License-Identifier: BSD-3-Clause
// sluice show vips
#include "cli.h"

#include <stdlib.h>

static void print(json_t *answer, FILE *out)
{
	struct table *table = table_new("lllrrrrlll");
	char flows[HUMAN_TEXT], requests[HUMAN_TEXT], in[HUMAN_TEXT], back[HUMAN_TEXT];
	json_t *row;
	size_t i;

	table_head(table, (const char *const[]){"ADDRESS", "POOL", "PORTS", "FLOWS", "REQUESTS",
				  "BYTES IN", "BYTES OUT", "STATE", "WHY", "SERVICES"});
	json_array_foreach(json_object_get(answer, "vips"), i, row)
	{
		char *ports = row_list(row, "ports"), *services = row_list(row, "services");
		const char *pool = json_string_value(json_object_get(row, "pool"));

		table_cell(table, "%s", row_text(row, "address"));
		table_cell(table, "%s", pool && *pool ? pool : "(gateway)");
		table_cell(table, "%s", ports);
		table_cell(table, "%s", row_count(row, "flows", flows));
		table_cell(table, "%s", row_count(row, "requests", requests));
		table_cell(table, "%s", row_bytes(row, "bytes_in", in));
		table_cell(table, "%s", row_bytes(row, "bytes_out", back));
		table_cell(table, "%s", row_text(row, "state"));
		table_cell(table, "%s", row_text(row, "reason"));
		table_cell(table, "%s", services);
		free(ports);
		free(services);
	}
	table_print(table, "no VIPs: no Service of type LoadBalancer has an address", out);
}

const struct cli_command cli_vips = {
	.words = {"show", "vips"},
	.help = "virtual addresses: whose they are and what they carry",
	.path = "/v1/vips",
	.print = print,
};

const struct cli_values cli_values_vips = {
	.path = "/v1/vips",
	.rows = "vips",
	.member = "address",
	.help = "pool",
};
