// SPDX-License-Identifier: BSD-3-Clause
// sluice show status, sluice show version
#include "cli.h"

static void print_dataplane(json_t *row, FILE *out)
{
	char text[HUMAN_TEXT];

	if (!json_is_true(json_object_get(row, "connected"))) {
		fprintf(out, "dataplane      down: %s\n", row_text(row, "reason"));
		return;
	}
	fprintf(out, "dataplane      %s, up %s, plan %llu%s\n", row_text(row, "version"),
		human_seconds(row_number(row, "uptime_s"), text),
		(unsigned long long)row_number(row, "generation"),
		json_is_true(json_object_get(row, "current")) ? "" : ", not the newest");
	if (!json_object_get(row, "workers"))
		return;
	fprintf(out, "               %llu workers, %s flows, %s, %llu of %llu buffers free\n",
		(unsigned long long)row_number(row, "workers"), row_count(row, "flows", text),
		row_text(row, "memory"), (unsigned long long)row_number(row, "buffers_free"),
		(unsigned long long)row_number(row, "buffers"));
}

static void print_status(json_t *answer, FILE *out)
{
	json_t *row, *plan = json_object_get(answer, "plan");
	char text[HUMAN_TEXT];
	size_t i;

	fprintf(out, "control plane  %s, up %s, %s\n", row_text(answer, "version"),
		human_seconds(row_number(answer, "uptime_s"), text),
		row_text(answer, "configuration"));
	print_dataplane(json_object_get(answer, "dataplane"), out);
	json_array_foreach(json_object_get(answer, "sources"), i, row)
		fprintf(out, "source         %s: %s %s%s\n", row_text(row, "name"),
			row_text(row, "kind"), row_text(row, "path"),
			json_is_true(json_object_get(row, "synced")) ? "" : ", not read yet");
	if (json_is_object(plan))
		fprintf(out,
			"plan           %llu VIPs, %llu listeners, %llu pools, %llu endpoints, "
			"%llu routes\n",
			(unsigned long long)row_number(plan, "vips"),
			(unsigned long long)row_number(plan, "listeners"),
			(unsigned long long)row_number(plan, "pools"),
			(unsigned long long)row_number(plan, "endpoints"),
			(unsigned long long)row_number(plan, "routes"));
	else
		fprintf(out, "plan           none yet\n");
	if (row_number(answer, "problems"))
		fprintf(out, "problems       %llu: sluice show problems\n",
			(unsigned long long)row_number(answer, "problems"));
	else
		fprintf(out, "problems       none\n");
}

const struct cli_command cli_status = {
	.words = {"show", "status"},
	.help = "both processes, sources and the plan at a glance",
	.path = "/v1/status",
	.print = print_status,
};

static void print_version(json_t *answer, FILE *out)
{
	fprintf(out, "console        %s\n", SLUICE_VERSION);
	fprintf(out, "control plane  %s\n", row_text(answer, "controlplane"));
	fprintf(out, "dataplane      %s\n", row_text(answer, "dataplane"));
}

const struct cli_command cli_version = {
	.words = {"show", "version"},
	.help = "versions of the console and both processes",
	.path = "/v1/version",
	.print = print_version,
};
