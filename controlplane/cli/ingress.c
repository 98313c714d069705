// SPDX-License-Identifier: BSD-3-Clause
// sluice show ingresses
#include "cli.h"

#include <stdlib.h>

static void print(json_t *answer, FILE *out)
{
	struct table *table = table_new("llllrrrl");
	json_t *row;
	size_t i;

	table_head(table, (const char *const[]){"INGRESS", "CLASS", "ADDRESS", "HOSTS", "RULES",
				  "LOST", "PROBLEMS", "STATE"});
	json_array_foreach(json_object_get(answer, "ingresses"), i, row)
	{
		bool served = json_is_true(json_object_get(row, "served"));
		char *addresses = row_list(row, "addresses"), *hosts = row_list(row, "hosts");

		table_cell(table, "%s", row_text(row, "ingress"));
		table_cell(table, "%s", row_text(row, "class"));
		table_cell(table, "%s", addresses);
		table_cell(table, "%s", hosts);
		table_cell(table, "%llu", (unsigned long long)row_number(row, "rules"));
		table_cell(table, "%llu", (unsigned long long)row_number(row, "rules_lost"));
		table_cell(table, "%llu", (unsigned long long)row_number(row, "problems"));
		table_cell(table, "%s: %s", served ? "served" : "left alone", row_text(row, "why"));
		free(addresses);
		free(hosts);
	}
	table_print(table, "no Ingresses", out);
}

const struct cli_command cli_ingresses = {
	.words = {"show", "ingresses"},
	.help = "Ingresses: whose they are and why, their hosts and address",
	.path = "/v1/ingresses",
	.print = print,
};
