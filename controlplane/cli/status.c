// SPDX-License-Identifier: BSD-3-Clause
// sluice show status, sluice show version
#include "cli.h"

#include <string.h>

#define LINE_TEXT 90 // of a problem

static void print_dataplane(json_t *row, FILE *out)
{
	char text[HUMAN_TEXT], open[HUMAN_TEXT], answered[HUMAN_TEXT];
	json_t *proxy;

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
	proxy = json_object_get(row, "proxy");
	if (proxy)
		fprintf(out,
			"               %s connections that end here, %s requests open, %s "
			"answered\n",
			row_count(proxy, "connections", text),
			row_count(proxy, "requests_open", open),
			row_count(proxy, "requests", answered));
}

static void print_traffic(json_t *traffic, FILE *out)
{
	static const char *const words[][2] = {
		{"flows", "flows"},
		{"partly", "flows in part"},
		{"none", "DOES NOT FLOW"},
		{"standby", "flows through the peer"},
		{"idle", "has nowhere to go"},
		{"drained", "is drained"},
	};
	const char *state = row_text(traffic, "state");

	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(state, words[i][0]) == 0)
			state = words[i][1];
	fprintf(out, "traffic        %s: %s\n", state, row_text(traffic, "text"));
}

// One line each; the rest is for `show problems`.
static void print_problems(json_t *answer, FILE *out)
{
	unsigned long long count = row_number(answer, "problems");
	json_t *row, *first = json_object_get(answer, "first_problems");
	size_t i;

	if (!count)
		fprintf(out, "problems       none\n");
	json_array_foreach(first, i, row)
	{
		const char *text = row_text(row, "text");
		int length = (int)strcspn(text, "\n");

		fprintf(out, "%-14s %s: %s: %.*s%s\n", i ? "" : "problems", row_text(row, "level"),
			row_text(row, "object"), length < LINE_TEXT ? length : LINE_TEXT, text,
			length < LINE_TEXT ? "" : "...");
	}
	if (count > json_array_size(first))
		fprintf(out, "               and %llu more\n", count - json_array_size(first));
}

static void print_next(json_t *answer, FILE *out)
{
	json_t *command, *list = json_object_get(json_object_get(answer, "traffic"), "next");
	bool told = false;
	size_t i;

	json_array_foreach(list, i, command)
	{
		const char *text = json_is_string(command) ? json_string_value(command) : "-";

		told |= strcmp(text, "show problems") == 0;
		fprintf(out, "%-14s %s\n", i ? "" : "next", text);
	}
	if (row_number(answer, "problems") && !told)
		fprintf(out, "%-14s show problems\n", json_array_size(list) ? "" : "next");
}

static void print_status(json_t *answer, FILE *out)
{
	json_t *row, *plan = json_object_get(answer, "plan");
	char text[HUMAN_TEXT];
	size_t i;

	print_traffic(json_object_get(answer, "traffic"), out);
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
	print_problems(answer, out);
	print_next(answer, out);
}

const struct cli_command cli_status = {
	.words = {"show", "status"},
	.help = "does traffic flow, what is wrong, what to type next",
	.path = "/v1/status",
	.print = print_status,
};

static void print_version(json_t *answer, FILE *out)
{
	fprintf(out, "console        %s\n", SLUICE_VERSION);
	fprintf(out, "control plane  %s\n", row_text(answer, "controlplane"));
	fprintf(out, "dataplane      %s\n", row_text(answer, "dataplane"));
	if (json_is_string(json_object_get(answer, "image")))
		fprintf(out, "image          %s, slot %s\n", row_text(answer, "image"),
			row_text(answer, "slot"));
}

const struct cli_command cli_version = {
	.words = {"show", "version"},
	.help = "versions of the console, both processes and the image",
	.path = "/v1/version",
	.print = print_version,
};
