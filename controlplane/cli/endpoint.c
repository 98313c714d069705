// SPDX-License-Identifier: BSD-3-Clause
// sluice show endpoints
#include "cli.h"
#include "rows.h"

#include <stdlib.h>
#include <string.h>

enum {
	POOL,
	ADDRESS,
	PORT,
	NAME,
	WEIGHT,
	STATE,
	HEALTH,
	FLOWS,
	CREATED,
	REQUESTS,
	BYTES_IN,
	BYTES_OUT,
	FIELDS
};

static void put_row(struct table *table, const struct row_field *field, bool first)
{
	if (first)
		table_field(table, &field[POOL]);
	else
		table_lend(table, "");
	table_address_port(table, row_field_text(&field[ADDRESS]), field[PORT].number);
	table_field(table, &field[NAME]);
	table_number(table, field[WEIGHT].number);
	table_field(table, &field[STATE]);
	table_field(table, &field[HEALTH]);
	for (unsigned i = FLOWS; i < FIELDS; i++)
		if (!field[i].is_number)
			table_lend(table, "-");
		else if (i < BYTES_IN)
			table_count(table, field[i].number);
		else
			table_bytes(table, field[i].number);
}

static const char *print(char *bytes, size_t length, FILE *out)
{
	struct row_field field[FIELDS] = {[POOL] = {.name = "pool"},
		[ADDRESS] = {.name = "address"},
		[PORT] = {.name = "port"},
		[NAME] = {.name = "name"},
		[WEIGHT] = {.name = "weight"},
		[STATE] = {.name = "state"},
		[HEALTH] = {.name = "health"},
		[FLOWS] = {.name = "flows"},
		[CREATED] = {.name = "flows_created"},
		[REQUESTS] = {.name = "requests"},
		[BYTES_IN] = {.name = "bytes_in"},
		[BYTES_OUT] = {.name = "bytes_out"}};
	struct table *table = table_new("lllrllrrrrr");
	const char *before = "";
	struct rows rows;

	table_head(
		table, (const char *const[]){"POOL", "ENDPOINT", "NAME", "WEIGHT", "STATE",
			       "HEALTH", "FLOWS", "CREATED", "REQUESTS", "BYTES IN", "BYTES OUT"});
	if (rows_begin(&rows, bytes, length, "endpoints"))
		while (rows_next(&rows, field, FIELDS)) {
			put_row(table, field, strcmp(row_field_text(&field[POOL]), before) != 0);
			before = row_field_text(&field[POOL]);
		}
	table_print(table, "no endpoints", out);
	return rows_text(&rows, "warning");
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
	.print_text = print,
	.shorter = "brief=true",
	.values = {&cli_values_services, &cli_values_endpoints},
};

const struct cli_values cli_values_endpoints = {
	.path = "/v1/endpoints",
	.rows = "endpoints",
	.member = "address",
	.help = "name",
};
