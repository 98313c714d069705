// SPDX-License-Identifier: BSD-3-Clause
// sluice show ingresses
#include "cli.h"
#include "rows.h"

enum {
	INGRESS,
	CLASS,
	ADDRESSES,
	HOSTS,
	RULES,
	LOST,
	PROBLEMS,
	WHY,
	SERVED,
	FIELDS
};

static const char *print(char *bytes, size_t length, FILE *out)
{
	struct row_field field[FIELDS] = {[INGRESS] = {.name = "ingress"},
		[CLASS] = {.name = "class"},
		[ADDRESSES] = {.name = "addresses"},
		[HOSTS] = {.name = "hosts"},
		[RULES] = {.name = "rules"},
		[LOST] = {.name = "rules_lost"},
		[PROBLEMS] = {.name = "problems"},
		[WHY] = {.name = "why"},
		[SERVED] = {.name = "served"}};
	struct table *table = table_new("llllrrrl");
	struct rows rows;

	table_head(table, (const char *const[]){"INGRESS", "CLASS", "ADDRESS", "HOSTS", "RULES",
				  "LOST", "PROBLEMS", "STATE"});
	for (bool more = rows_begin(&rows, bytes, length, "ingresses");
		more && rows_next(&rows, field, FIELDS);) {
		for (unsigned i = INGRESS; i <= HOSTS; i++)
			table_field(table, &field[i]);
		for (unsigned i = RULES; i <= PROBLEMS; i++)
			table_number(table, field[i].number);
		table_cell(table, "%s: %s", field[SERVED].is_true ? "served" : "left alone",
			row_field_text(&field[WHY]));
	}
	table_print(table, "no Ingresses", out);
	return rows_text(&rows, "warning");
}

const struct cli_command cli_ingresses = {
	.words = {"show", "ingresses"},
	.help = "Ingresses: whose they are and why, their hosts and address",
	.path = "/v1/ingresses",
	.print_text = print,
};
