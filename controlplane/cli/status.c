// SPDX-License-Identifier: BSD-3-Clause
// sluice show status, sluice show version
#include "cli.h"

#include <string.h>

// All of it fits a screen of 24 lines and 80 columns.
#define TRAFFIC_LINES 3
#define SOURCES_SHOWN 4
#define PROBLEM_TEXT  300

static void print_dataplane(json_t *row, FILE *out)
{
	char text[HUMAN_TEXT], open[HUMAN_TEXT], answered[HUMAN_TEXT];
	json_t *proxy;

	if (!json_is_true(json_object_get(row, "connected"))) {
		print_fitted(out, 2, "dataplane      down: %s", row_text(row, "reason"));
		return;
	}
	fprintf(out, "dataplane      %s, up %s, plan %llu%s\n", row_text(row, "version"),
		human_seconds(row_number(row, "uptime_s"), text),
		(unsigned long long)row_number(row, "generation"),
		json_is_true(json_object_get(row, "current")) ? "" : ", not the newest");
	if (!json_object_get(row, "workers"))
		return;
	print_fitted(out, 1, "               %llu workers, %s flows, %s, %llu of %llu buffers free",
		(unsigned long long)row_number(row, "workers"), row_count(row, "flows", text),
		row_text(row, "memory"), (unsigned long long)row_number(row, "buffers_free"),
		(unsigned long long)row_number(row, "buffers"));
	proxy = json_object_get(row, "proxy");
	if (proxy)
		print_fitted(out, 1,
			"               %s connections that end here, %s requests open, %s "
			"answered",
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
	print_fitted(out, TRAFFIC_LINES, "traffic        %s: %s", state, row_text(traffic, "text"));
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

		print_fitted(out, 1, "%-14s %s: %s: %.*s", i ? "" : "problems",
			row_text(row, "level"), row_text(row, "object"),
			length < PROBLEM_TEXT ? length : PROBLEM_TEXT, text);
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

static void print_source(json_t *row, FILE *out)
{
	print_fitted(out, 1, "source         %s: %s%s %s", row_text(row, "name"),
		json_is_true(json_object_get(row, "synced")) ? "" : "not read yet, ",
		row_text(row, "kind"), row_text(row, "path"));
}

// Those that are waited for first.
static void print_sources(json_t *list, FILE *out)
{
	size_t shown = 0, i;
	json_t *row;

	for (int synced = 0; synced < 2; synced++)
		json_array_foreach(list, i, row)
		{
			if (json_is_true(json_object_get(row, "synced")) == synced &&
				shown < SOURCES_SHOWN) {
				print_source(row, out);
				shown++;
			}
		}
	if (json_array_size(list) > shown)
		fprintf(out, "               and %zu more: show clusters\n",
			json_array_size(list) - shown);
}

static void print_status(json_t *answer, FILE *out)
{
	json_t *plan = json_object_get(answer, "plan");
	char text[HUMAN_TEXT];

	print_traffic(json_object_get(answer, "traffic"), out);
	print_fitted(out, 1, "control plane  %s, up %s, %s", row_text(answer, "version"),
		human_seconds(row_number(answer, "uptime_s"), text),
		row_text(answer, "configuration"));
	print_dataplane(json_object_get(answer, "dataplane"), out);
	print_sources(json_object_get(answer, "sources"), out);
	if (json_is_object(plan))
		print_fitted(out, 2,
			"plan           %llu VIPs, %llu listeners, %llu pools, %llu endpoints, "
			"%llu routes",
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
