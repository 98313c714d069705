// SPDX-License-Identifier: BSD-3-Clause
// sluice show problems: a paragraph each, for they are to be read.
#include "cli.h"

#include <string.h>

static void print(json_t *answer, FILE *out)
{
	json_t *row, *rows = json_object_get(answer, "problems");
	size_t i;

	if (!json_array_size(rows))
		fputs("no problems\n", out);
	json_array_foreach(rows, i, row)
	{
		const char *text = row_text(row, "text"), *where = row_text(row, "where");

		fprintf(out, "%s: %s", row_text(row, "level"), row_text(row, "object"));
		if (strcmp(where, "-") != 0)
			fprintf(out, " (%s)", where);
		fputs("\n    ", out);
		for (; *text; text++) {
			fputc(*text, out);
			if (*text == '\n')
				fputs("    ", out);
		}
		fputc('\n', out);
	}
}

const struct cli_command cli_problems = {
	.words = {"show", "problems"},
	.help = "what is not as it should be, where, and how to mend it",
	.path = "/v1/problems",
	.print = print,
};
