// SPDX-License-Identifier: BSD-3-Clause
// sluice show certificates
#include "cli.h"

#include <stdlib.h>

static void print(json_t *answer, FILE *out)
{
	struct table *table = table_new("llllll");
	json_t *row;
	size_t i;

	table_head(table, (const char *const[]){"CERTIFICATE", "KEY", "NAMES", "ISSUER",
				  "NOT AFTER", "USED FOR"});
	json_array_foreach(json_object_get(answer, "certificates"), i, row)
	{
		char *names = row_list(row, "names"), *used_by = row_list(row, "used_by");

		table_cell(table, "%s", row_text(row, "certificate"));
		table_cell(table, "%s", row_text(row, "key"));
		table_cell(table, "%s", names);
		table_cell(table, "%s", row_text(row, "issuer"));
		table_cell(table, "%s", row_text(row, "not_after"));
		table_cell(table, "%s", used_by);
		free(names);
		free(used_by);
	}
	table_print(table, "no certificates: no Ingress is served", out);
}

const struct cli_command cli_certificates = {
	.words = {"show", "certificates"},
	.help = "certificates in use, and for which names",
	.path = "/v1/certificates",
	.print = print,
};
