// SPDX-License-Identifier: BSD-3-Clause
// sluice show neighbours, sluice show host-routes
#include "cli.h"

static void print_neighbours(json_t *answer, FILE *out)
{
	struct table *table = table_new("lllll");
	json_t *row;
	size_t i;

	table_head(table, (const char *const[]){"ADDRESS", "MAC", "INTERFACE", "STATE", "ROUTER"});
	json_array_foreach(json_object_get(answer, "neighbours"), i, row)
	{
		table_cell(table, "%s", row_text(row, "address"));
		table_cell(table, "%s", row_text(row, "mac"));
		table_cell(table, "%s", row_text(row, "interface"));
		table_cell(table, "%s", row_text(row, "state"));
		table_cell(table, "%s", json_is_true(json_object_get(row, "router")) ? "yes" : "-");
	}
	table_print(table, "no neighbours", out);
}

static void print_routes(json_t *answer, FILE *out)
{
	struct table *table = table_new("llllrl");
	json_t *row;
	size_t i;

	table_head(table,
		(const char *const[]){"PREFIX", "VIA", "INTERFACE", "SOURCE", "METRIC", "ORIGIN"});
	json_array_foreach(json_object_get(answer, "host_routes"), i, row)
	{
		table_cell(table, "%s", row_text(row, "prefix"));
		table_cell(table, "%s", row_text(row, "via"));
		table_cell(table, "%s", row_text(row, "interface"));
		table_cell(table, "%s", row_text(row, "source"));
		table_cell(table, "%llu", (unsigned long long)row_number(row, "metric"));
		table_cell(table, "%s", row_text(row, "origin"));
	}
	table_print(table, "no routes", out);
}

const struct cli_command cli_neighbours = {
	.words = {"show", "neighbours"},
	.help = "neighbours on the links, and their MACs",
	.path = "/v1/neighbours",
	.arguments = {{"interface", "NAME", "only on this interface"}},
	.print = print_neighbours,
	.values = {&cli_values_interfaces},
};

const struct cli_command cli_host_routes = {
	.words = {"show", "host-routes"},
	.help = "the box's routes, by which packets leave it",
	.path = "/v1/host-routes",
	.arguments = {{"interface", "NAME", "only out of this interface"}},
	.print = print_routes,
	.values = {&cli_values_interfaces},
};

// VLANs, too: each has the route of its own network.
const struct cli_values cli_values_interfaces = {
	.path = "/v1/host-routes",
	.rows = "host_routes",
	.member = "interface",
};
