// SPDX-License-Identifier: BSD-3-Clause
// sluice show routes: a line for each rule.
#include "cli.h"
#include "rows.h"

#include <string.h>

enum {
	HOST,
	PATH,
	KIND,
	SERVICE,
	READY,
	CLASS_2XX,
	CLASS_3XX,
	CLASS_4XX,
	CLASS_5XX,
	INGRESS,
	FIELDS
};

static const char *print(char *bytes, size_t length, FILE *out)
{
	struct row_field field[FIELDS] = {[HOST] = {.name = "host"},
		[PATH] = {.name = "path"},
		[KIND] = {.name = "kind"},
		[SERVICE] = {.name = "service"},
		[READY] = {.name = "ready"},
		[CLASS_2XX] = {.name = "2xx"},
		[CLASS_3XX] = {.name = "3xx"},
		[CLASS_4XX] = {.name = "4xx"},
		[CLASS_5XX] = {.name = "5xx"},
		[INGRESS] = {.name = "ingress"}};
	struct table *table = table_new("llllrrrrrl");
	const char *before = "";
	struct rows rows;

	table_head(table, (const char *const[]){"HOST", "PATH", "KIND", "SERVICE", "READY", "2xx",
				  "3xx", "4xx", "5xx", "INGRESS"});
	for (bool more = rows_begin(&rows, bytes, length, "routes");
		more && rows_next(&rows, field, FIELDS);) {
		const char *host = row_field_text(&field[HOST]);

		for (unsigned i = 0; i < FIELDS; i++)
			if (field[i].is_number)
				table_count(table, field[i].number);
			else
				table_lend(table, i == HOST && strcmp(host, before) == 0
							  ? ""
							  : row_field_text(&field[i]));
		before = host;
	}
	table_print(table, "no routes: no Ingress is served", out);
	return rows_text(&rows, "warning");
}

static const struct cli_values hosts = {.path = "/v1/routes", .rows = "routes", .member = "host"};

const struct cli_command cli_routes = {
	.words = {"show", "routes"},
	.help = "hosts and paths of the Ingresses, and where they lead",
	.path = "/v1/routes",
	.arguments = {{"host", "NAME", "only of this host; \"*\" = all others"}},
	.print_text = print,
	.values = {&hosts},
};
