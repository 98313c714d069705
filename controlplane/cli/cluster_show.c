// SPDX-License-Identifier: BSD-3-Clause
// sluice cluster show
#include "cli.h"

#include <string.h>

static void line(FILE *out, const char *name, const char *value)
{
	if (*value && strcmp(value, "-") != 0)
		fprintf(out, "%-10s %s\n", name, value);
}

static void print(json_t *answer, FILE *out)
{
	bool drained = json_is_true(json_object_get(answer, "drained"));
	const char *mode = row_text(answer, "endpoints");
	const char *protocol = row_text(answer, "protocol");

	fprintf(out, "%s: %s%s\n", row_text(answer, "name"), row_text(answer, "health"),
		drained ? ", drained" : "");
	line(out, "server", row_text(answer, "server"));
	line(out, "version", row_text(answer, "version"));
	if (*protocol && strcmp(protocol, "-") != 0)
		fprintf(out, "%-10s %s, %llu requests on %llu connections\n", "protocol", protocol,
			(unsigned long long)row_number(answer, "requests"),
			(unsigned long long)row_number(answer, "connections"));
	line(out, "from", row_text(answer, "path"));
	line(out, "since", row_text(answer, "since"));
	line(out, "account", row_text(answer, "account"));
	line(out, "token made", row_text(answer, "token_made"));
	line(out, "token ends", row_text(answer, "token_ends"));
	if (*mode && strcmp(mode, "-") != 0)
		fprintf(out, "%-10s %s: %s\n", "endpoints", mode,
			row_text(answer, "endpoints_why"));
	fprintf(out, "%-10s %llu, %llu ready\n", "nodes",
		(unsigned long long)row_number(answer, "nodes"),
		(unsigned long long)row_number(answer, "nodes_ready"));
	fprintf(out, "%-10s %llu Services, %llu Ingresses\n", "objects",
		(unsigned long long)row_number(answer, "services"),
		(unsigned long long)row_number(answer, "ingresses"));
	line(out, "problem", row_text(answer, "problem"));
}

const struct cli_command cli_cluster_show = {
	.words = {"cluster", "show"},
	.help = "a cluster: where it is, how it is, whose account we have",
	.path = "/v1/cluster",
	.arguments = {{"name", "NAME", "of the cluster"}},
	.bare = 1,
	.print = print,
	.values = {&cli_values_clusters},
};
