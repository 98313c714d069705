// SPDX-License-Identifier: BSD-3-Clause
// sluice show workers: a line for each worker, then its cycles per packet, stage by stage.
#include "cli.h"

#include <stdlib.h>
#include <string.h>

static void print_stages(json_t *workers, FILE *out)
{
	json_t *stage, *worker, *first = json_object_get(json_array_get(workers, 0), "stages");
	size_t i, j, count = json_array_size(workers);
	char *columns = malloc(count + 2);
	struct table *table;

	if (!columns)
		return;
	memset(columns, 'r', count + 1);
	columns[0] = 'l';
	columns[count + 1] = '\0';
	table = table_new(columns);
	table_cell(table, "CYCLES PER PACKET");
	json_array_foreach(workers, i, worker)
		table_cell(table, "WORKER %llu", (unsigned long long)row_number(worker, "worker"));
	json_array_foreach(first, j, stage)
	{
		table_cell(table, "%s", row_text(stage, "stage"));
		json_array_foreach(workers, i, worker)
		{
			json_t *same = json_array_get(json_object_get(worker, "stages"), j);

			if (row_number(same, "packets"))
				table_cell(table, "%.1f",
					json_number_value(
						json_object_get(same, "cycles_per_packet")));
			else
				table_cell(table, "-");
		}
	}
	if (json_array_size(first))
		fputc('\n', out);
	table_print(table, "", out);
	free(columns);
}

static void print(json_t *answer, FILE *out)
{
	struct table *table = table_new("rrrrrrrr");
	json_t *worker, *workers = json_object_get(answer, "workers");
	char packets[HUMAN_TEXT], over[HUMAN_TEXT], flows[HUMAN_TEXT], most[HUMAN_TEXT];
	char bytes[HUMAN_TEXT];
	size_t i;

	table_head(table, (const char *const[]){"WORKER", "CPU", "BUSY", "PACKETS", "HANDED OVER",
				  "FLOWS", "AT MOST", "FLOW MEMORY"});
	json_array_foreach(workers, i, worker)
	{
		table_cell(table, "%llu", (unsigned long long)row_number(worker, "worker"));
		table_cell(table, "%llu", (unsigned long long)row_number(worker, "cpu"));
		table_cell(
			table, "%.1f%%", 100 * json_number_value(json_object_get(worker, "busy")));
		table_cell(table, "%s", row_count(worker, "packets", packets));
		table_cell(table, "%s", row_count(worker, "handed_over", over));
		table_cell(table, "%s", row_count(worker, "flows", flows));
		table_cell(table, "%s", row_count(worker, "flows_capacity", most));
		table_cell(table, "%s", row_bytes(worker, "flow_bytes", bytes));
	}
	table_print(table, "no workers", out);
	print_stages(workers, out);
	fprintf(out, "\nmemory: %s; packet buffers: %llu, of which free %llu\n",
		row_text(answer, "memory"), (unsigned long long)row_number(answer, "buffers"),
		(unsigned long long)row_number(answer, "buffers_free"));
}

const struct cli_command cli_workers = {
	.words = {"show", "workers"},
	.help = "workers: packets, flows, cycles per packet by stage",
	.path = "/v1/workers",
	.print = print,
};
