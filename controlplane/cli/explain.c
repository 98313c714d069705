// SPDX-License-Identifier: BSD-3-Clause
// sluice explain https://host/path
#include "cli.h"

static void print_rule(json_t *rule, FILE *out)
{
	json_t *lost;
	size_t i;

	if (!json_is_object(rule))
		return;
	fprintf(out, "%-11s Ingress %s, %s\n", "written", row_text(rule, "ingress"),
		row_text(rule, "where"));
	fprintf(out, "%-11s %s, %llu ready, %llu draining\n", "service", row_text(rule, "service"),
		(unsigned long long)row_number(rule, "ready"),
		(unsigned long long)row_number(rule, "draining"));
	json_array_foreach(json_object_get(rule, "lost"), i, lost)
		fprintf(out, "%-11s Ingress %s wants the same and is younger\n", "lost",
			json_string_value(lost));
}

static void print(json_t *answer, FILE *out)
{
	json_t *step;
	size_t i;

	json_array_foreach(json_object_get(answer, "steps"), i, step)
		fprintf(out, "%-11s %s\n", row_text(step, "what"), row_text(step, "text"));
	print_rule(json_object_get(answer, "rule"), out);
	if (row_number(answer, "status"))
		fprintf(out, "%-11s %llu, by the proxy itself\n", "answer",
			(unsigned long long)row_number(answer, "status"));
}

const struct cli_command cli_explain = {
	.words = {"explain", "URL"},
	.help = "the way a request takes, by the tables in force",
	.path = "/v1/explain",
	.arguments = {{"url", "URL", "\"https://host/path\""},
		{"from", "ADDRESS", "of the client"}},
	.print = print,
	.positional = true,
};
