// SPDX-License-Identifier: BSD-3-Clause
// sluice show requests: the proxy in totals.
#include "cli.h"

static void line(json_t *row, const char *name, const char *what, FILE *out)
{
	char text[HUMAN_TEXT];

	fprintf(out, "%-24s %s\n", what, row_count(row, name, text));
}

static void print(json_t *answer, FILE *out)
{
	static const char *const classes[] = {"1xx", "2xx", "3xx", "4xx", "5xx"};
	json_t *row = json_object_get(answer, "requests"), *refusal;
	json_t *responses = json_object_get(row, "responses");
	struct table *table = table_new("lrl");
	size_t i;

	line(row, "connections", "connections now", out);
	line(row, "connections_accepted", "connections accepted", out);
	line(row, "upstream_connections", "connections to endpoints", out);
	line(row, "upstream_idle", "  of them idle", out);
	line(row, "requests", "requests", out);
	for (i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
		char what[16];

		snprintf(what, sizeof(what), "  %s", classes[i]);
		line(responses, classes[i], what, out);
	}
	line(row, "retries", "retries", out);
	line(row, "handshakes_full", "TLS handshakes, full", out);
	line(row, "handshakes_resumed", "TLS handshakes, resumed", out);
	line(row, "log_lines", "lines logged", out);
	line(row, "log_lost", "lines lost", out);
	fputc('\n', out);
	table_head(table, (const char *const[]){"REFUSED", "COUNT", "MEANING"});
	json_array_foreach(json_object_get(row, "refused"), i, refusal)
	{
		table_cell(table, "%s", row_text(refusal, "reason"));
		table_cell(table, "%llu", (unsigned long long)row_number(refusal, "count"));
		table_cell(table, "%s", row_text(refusal, "help"));
	}
	table_print(table, "nothing was refused", out);
}

const struct cli_command cli_requests = {
	.words = {"show", "requests"},
	.help = "connections, requests and handshakes, and what was refused",
	.path = "/v1/requests",
	.print = print,
};
