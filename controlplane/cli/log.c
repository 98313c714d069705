// SPDX-License-Identifier: BSD-3-Clause
// sluice show log, sluice log level
#include "cli.h"

static void print_levels(json_t *rows, FILE *out)
{
	struct table *table = table_new("lll");
	json_t *row;
	size_t i;

	table_head(table, (const char *const[]){"PROCESS", "SUBSYSTEM", "LEVEL"});
	json_array_foreach(rows, i, row)
	{
		table_cell(table, "%s", row_text(row, "process"));
		table_cell(table, "%s", row_text(row, "subsystem"));
		table_cell(table, "%s", row_text(row, "level"));
	}
	table_print(table, "", out);
}

static void print(json_t *answer, FILE *out)
{
	json_t *levels = json_object_get(answer, "levels"), *row;
	uint64_t dropped = row_number(answer, "dropped"), unsent = row_number(answer, "unsent");
	size_t i;

	if (levels) {
		print_levels(levels, out);
		return;
	}
	json_array_foreach(json_object_get(answer, "log"), i, row) fprintf(out,
		"%s %-7s %-12s %s: %s\n", row_text(row, "time"), row_text(row, "level"),
		row_text(row, "process"), row_text(row, "subsystem"), row_text(row, "text"));
	if (dropped)
		fprintf(out, "%llu lines were dropped: too many a second\n",
			(unsigned long long)dropped);
	if (unsent)
		fprintf(out, "%llu lines did not reach a syslog server\n",
			(unsigned long long)unsent);
}

static void print_level(json_t *answer, FILE *out)
{
	fprintf(out, "%s: %s\n", row_text(answer, "subsystem"), row_text(answer, "level"));
}

static const struct cli_values subsystems = {
	.path = "/v1/log", .rows = "log", .member = "subsystem"};

const struct cli_command cli_log = {
	.words = {"show", "log"},
	.help = "the last lines of the log, of both processes",
	.path = "/v1/log",
	.arguments = {{"level", "error|warning|notice|info|debug", "this level and worse"},
		{"subsystem", "NAME", "only of this subsystem"},
		{"process", "controlplane|dataplane", "only of this process"},
		{"since", "TIME", "90s, 5m, 2h, 1d or a time in UTC, 2026-01-31T12:00:00Z"},
		{"text", "TEXT", "only with this text in them"},
		{"last", "NUMBER", "so many at most, the newest"},
		{"levels", NULL, "which levels are written, instead"}},
	.print = print,
	.values = {NULL, &subsystems},
};

const struct cli_command cli_log_level = {
	.words = {"log", "level"},
	.help = "which lines of a subsystem are written, until the restart",
	.path = "/v1/log/level",
	.arguments = {{"subsystem", "NAME", "all, or one of `show log`"},
		{"level", "error|warning|notice|info|debug|default",
			"this level and worse; default: that of all"},
		{"process", "controlplane|dataplane", "both when there is none"}},
	.changes = true,
	.bare = 2,
	.print = print_level,
	.values = {&subsystems},
};
