// SPDX-License-Identifier: BSD-3-Clause
// sluice clear counters, flows, neighbours
#include "cli.h"

static void print_counters(json_t *answer, FILE *out)
{
	fprintf(out, "drops, ports, workers and requests are counted from %s on; /metrics go on\n",
		row_text(answer, "counted_since"));
}

static void print_flows(json_t *answer, FILE *out)
{
	fprintf(out, "%llu flows ended\n", (unsigned long long)row_number(answer, "cleared"));
}

static void print_neighbours(json_t *answer, FILE *out)
{
	fprintf(out, "%llu neighbours forgotten\n",
		(unsigned long long)row_number(answer, "cleared"));
}

const struct cli_command cli_clear_counters = {
	.words = {"clear", "counters"},
	.help = "let `show drops`, ports, workers and requests count anew; /metrics go on",
	.path = "/v1/counters/clear",
	.changes = true,
	.print = print_counters,
};

const struct cli_command cli_clear_flows = {
	.words = {"clear", "flows"},
	.help = "end flows: TCP clients get a reset; with a filter, or all",
	.path = "/v1/flows/clear",
	.arguments = {{"client", "ADDRESS", "only from this client"},
		{"vip", "ADDRESS", "only to this VIP"},
		{"port", "NUMBER", "only to this port of a VIP"},
		{"endpoint", "ADDRESS", "only to this endpoint"},
		{"protocol", "tcp|udp", "only of this protocol"}, {"all", NULL, "every flow"}},
	.changes = true,
	.print = print_flows,
	.values = {NULL, &cli_values_vips, NULL, &cli_values_endpoints},
};

const struct cli_command cli_clear_neighbours = {
	.words = {"clear", "neighbours"},
	.help = "forget neighbours' MACs: those that are needed are asked for anew",
	.path = "/v1/neighbours/clear",
	.arguments = {{"interface", "NAME", "only on this interface"},
		{"address", "ADDRESS", "only this one"}},
	.changes = true,
	.print = print_neighbours,
	.values = {&cli_values_interfaces},
};
