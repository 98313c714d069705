// SPDX-License-Identifier: BSD-3-Clause
// sluice show routes: a line for each rule.
#include "cli.h"

#include <string.h>

static void print(json_t *answer, FILE *out)
{
	static const char *const classes[] = {"2xx", "3xx", "4xx", "5xx"};
	struct table *table = table_new("llllrrrrrl");
	const char *before = "";
	json_t *row;
	size_t i;

	table_head(table, (const char *const[]){"HOST", "PATH", "KIND", "SERVICE", "READY", "2xx",
				  "3xx", "4xx", "5xx", "INGRESS"});
	json_array_foreach(json_object_get(answer, "routes"), i, row)
	{
		const char *host = row_text(row, "host"), *path = row_text(row, "path");
		json_t *responses = json_object_get(row, "responses");
		char text[HUMAN_TEXT];

		table_cell(table, "%s", strcmp(host, before) == 0 ? "" : host);
		table_cell(table, "%s", *path ? path : "-");
		table_cell(table, "%s", row_text(row, "kind"));
		table_cell(table, "%s", row_text(row, "service"));
		table_cell(table, "%llu", (unsigned long long)row_number(row, "ready"));
		for (unsigned j = 0; j < 4; j++)
			table_cell(table, "%s", row_count(responses, classes[j], text));
		table_cell(table, "%s", row_text(row, "ingress"));
		before = host;
	}
	table_print(table, "no routes: no Ingress is served", out);
}

const struct cli_command cli_routes = {
	.words = {"show", "routes"},
	.help = "hosts and paths of the Ingresses, and where they lead",
	.path = "/v1/routes",
	.arguments = {{"host", "NAME", "only of this host; \"*\" = all others"}},
	.print = print,
};
