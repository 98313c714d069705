// SPDX-License-Identifier: BSD-3-Clause
// sluice show services: a line for each listener.
#include "cli.h"

#include <stdlib.h>

static void print_listener(struct table *table, json_t *service, json_t *row, bool first)
{
	char *address = row_address_port(row, "vip", "port");
	char flows[HUMAN_TEXT], in[HUMAN_TEXT], out[HUMAN_TEXT];

	table_cell(table, "%s", first ? row_text(service, "service") : "");
	table_cell(table, "%s %s", row_text(row, "protocol"), address);
	table_cell(table, "%s", row_text(row, "mode"));
	table_cell(table, "%s", row_text(row, "algorithm"));
	table_cell(table, "%llu", (unsigned long long)row_number(row, "ready"));
	table_cell(table, "%llu", (unsigned long long)row_number(row, "draining"));
	table_cell(table, "%s", row_count(row, "flows", flows));
	table_cell(table, "%s", row_bytes(row, "bytes_in", in));
	table_cell(table, "%s", row_bytes(row, "bytes_out", out));
	free(address);
}

static void print(json_t *answer, FILE *out)
{
	struct table *table = table_new("llllrrrrr");
	json_t *service, *listener;
	size_t i, j;

	table_head(table, (const char *const[]){"SERVICE", "LISTENER", "MODE", "ALGORITHM", "READY",
				  "DRAINING", "FLOWS", "BYTES IN", "BYTES OUT"});
	json_array_foreach(json_object_get(answer, "services"), i, service)
		json_array_foreach(json_object_get(service, "listeners"), j, listener)
			print_listener(table, service, listener, j == 0);
	table_print(table, "no Services: none of type LoadBalancer has an address", out);
}

const struct cli_command cli_services = {
	.words = {"show", "services"},
	.help = "Services with an address, their listeners and pools",
	.path = "/v1/services",
	.print = print,
};

const struct cli_values cli_values_services = {
	.path = "/v1/services",
	.rows = "services",
	.member = "service",
};
