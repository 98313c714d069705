// SPDX-License-Identifier: BSD-3-Clause
// sluice explain https://host/path
// sluice explain tcp 192.0.2.10:40000 192.0.2.100:80
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

#define FLOW_ARGUMENTS                                                                             \
	{                                                                                          \
		{"client", "CLIENT:PORT", "of the client"},                                        \
		{                                                                                  \
			"to", "VIP:PORT", "of the VIP"                                             \
		}                                                                                  \
	}

const struct cli_command cli_explain_tcp = {
	.words = {"explain", "tcp"},
	.help = "the way of a TCP connection's packets, by the tables in force",
	.path = "/v1/explain/tcp",
	.arguments = FLOW_ARGUMENTS,
	.bare = 2,
	.print = print,
};

const struct cli_command cli_explain_udp = {
	.words = {"explain", "udp"},
	.help = "the way of datagrams, by the tables in force",
	.path = "/v1/explain/udp",
	.arguments = FLOW_ARGUMENTS,
	.bare = 2,
	.print = print,
};
