// SPDX-License-Identifier: BSD-3-Clause
// sluice show clusters
#include "cli.h"

static void print(json_t *answer, FILE *out)
{
	struct table *table = table_new("llllrrrl");
	json_t *row;
	size_t i;

	table_head(table, (const char *const[]){"CLUSTER", "KIND", "STATE", "VERSION", "SERVICES",
				  "INGRESSES", "NODES", "FROM"});
	json_array_foreach(json_object_get(answer, "clusters"), i, row)
	{
		bool synced = json_is_true(json_object_get(row, "synced"));
		const char *health = row_text(row, "health");
		const char *server = row_text(row, "server");

		table_cell(table, "%s", row_text(row, "name"));
		table_cell(table, "%s", row_text(row, "kind"));
		table_cell(table, "%s%s",
			*health == '-' ? "not there"
			: synced       ? health
				       : "reading",
			json_is_true(json_object_get(row, "drained")) ? ", drained" : "");
		table_cell(table, "%s", row_text(row, "version"));
		table_cell(table, "%llu", (unsigned long long)row_number(row, "services"));
		table_cell(table, "%llu", (unsigned long long)row_number(row, "ingresses"));
		table_cell(table, "%llu", (unsigned long long)row_number(row, "nodes"));
		table_put(table, *server == '-' ? row_text(row, "path") : server);
	}
	table_print(table, "none: sluice.conf has no sources", out);
	json_array_foreach(json_object_get(answer, "clusters"), i, row)
	{
		const char *problem = row_text(row, "problem");

		if (*problem != '-')
			fprintf(out, "%s: %s\n", row_text(row, "name"), problem);
	}
}

const struct cli_values cli_values_clusters = {"/v1/clusters", "clusters", "name", "kind", false};

const struct cli_command cli_clusters = {
	.words = {"show", "clusters"},
	.help = "where objects come from, and how they are",
	.path = "/v1/clusters",
	.print = print,
};

const struct cli_command cli_cluster_list = {
	.words = {"cluster", "list"},
	.help = "the same as show clusters",
	.path = "/v1/clusters",
	.print = print,
};
