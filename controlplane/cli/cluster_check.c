// SPDX-License-Identifier: BSD-3-Clause
// sluice cluster check
#include "cli.h"

#include <string.h>

#define PATIENCE_S 60

static void print(json_t *answer, FILE *out)
{
	struct table *table = table_new("lll");
	unsigned failed = 0, warnings = 0;
	json_t *row;
	size_t i;

	table_head(table, (const char *const[]){"RESULT", "WHAT", "FOUND"});
	json_array_foreach(json_object_get(answer, "checks"), i, row)
	{
		const char *result = row_text(row, "result");

		table_put(table, result);
		table_put(table, row_text(row, "what"));
		table_put(table, row_text(row, "found"));
		failed += strcmp(result, "failed") == 0;
		warnings += strcmp(result, "warning") == 0;
	}
	table_print(table, "nothing was checked", out);
	json_array_foreach(json_object_get(answer, "checks"), i, row)
	{
		const char *mend = json_string_value(json_object_get(row, "mend"));

		if (mend && *mend)
			fprintf(out, "%s: %s\n", row_text(row, "what"), mend);
	}
	fprintf(out, "%u failed, %u warnings\n", failed, warnings);
}

const struct cli_command cli_cluster_check = {
	.words = {"cluster", "check"},
	.help = "what is wrong with a live cluster as we see it, and what to do about it",
	.path = "/v1/cluster/check",
	.arguments = {{"name", "NAME", "of the cluster"}},
	.bare = 1,
	.print = print,
	.values = {&cli_values_clusters},
	.patience_s = PATIENCE_S,
};
