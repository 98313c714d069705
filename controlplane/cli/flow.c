// SPDX-License-Identifier: BSD-3-Clause
// sluice show flows
#include "cli.h"

#include <stdlib.h>

static const char *seconds(json_t *row, const char *name, char text[static HUMAN_TEXT])
{
	if (!json_is_integer(json_object_get(row, name)))
		return "-";
	return human_seconds(row_number(row, name) / 1000, text);
}

static void print_flow(struct table *table, json_t *row)
{
	char *client = row_address_port(row, "client", "client_port");
	char *vip = row_address_port(row, "vip", "vip_port");
	char *endpoint = row_address_port(row, "endpoint", "endpoint_port");
	char *source = row_address_port(row, "source", "source_port");
	char idle[HUMAN_TEXT], left[HUMAN_TEXT], packets[HUMAN_TEXT];

	table_cell(table, "%s", row_text(row, "protocol"));
	table_cell(table, "%s", client);
	table_cell(table, "%s", vip);
	table_cell(table, "%s", source);
	table_cell(table, "%s", endpoint);
	table_cell(table, "%s", row_text(row, "mode"));
	table_cell(table, "%s", row_text(row, "state"));
	table_cell(table, "%llu", (unsigned long long)row_number(row, "worker"));
	table_cell(table, "%s", row_count(row, "packets", packets));
	table_cell(table, "%s", seconds(row, "idle_ms", idle));
	table_cell(table, "%s", seconds(row, "expires_ms", left));
	free(client);
	free(vip);
	free(endpoint);
	free(source);
}

static void print(json_t *answer, FILE *out)
{
	struct table *table = table_new("lllllllrrrr");
	unsigned long long total = row_number(answer, "total");
	json_t *row, *rows = json_object_get(answer, "flows");
	size_t i;

	table_head(table, (const char *const[]){"", "CLIENT", "VIP", "SOURCE", "ENDPOINT", "MODE",
				  "STATE", "WORKER", "PACKETS", "IDLE", "EXPIRES"});
	json_array_foreach(rows, i, row) print_flow(table, row);
	table_print(table, "no flows", out);
	if (total > json_array_size(rows))
		fprintf(out, "%zu of %llu flows: narrow them down or raise the limit\n",
			json_array_size(rows), total);
}

const struct cli_command cli_flows = {
	.words = {"show", "flows"},
	.help = "flows now, at most 1000 unless a limit is given",
	.path = "/v1/flows",
	.arguments =
		{
			{"client", "ADDRESS", "only from this client"},
			{"vip", "ADDRESS", "only to this VIP"},
			{"port", "NUMBER", "only to this port of a VIP"},
			{"endpoint", "ADDRESS", "only to this endpoint"},
			{"protocol", "tcp|udp", "only of this protocol"},
			{"limit", "NUMBER", "at most so many"},
		},
	.print = print,
	.values = {NULL, &cli_values_vips, NULL, &cli_values_endpoints},
};
