// SPDX-License-Identifier: BSD-3-Clause
// GET /v1/workers: what each worker does with its cycles, and the memory they share.
#include "api_internal.h"

static double ratio(uint64_t part, uint64_t whole)
{
	return whole ? (double)part / (double)whole : 0;
}

static json_t *worker_row(const Sluice__WorkerStats *worker)
{
	json_t *row = json_object(), *stages = json_array();

	json_object_set_new(row, "worker", json_integer(worker->worker));
	json_object_set_new(row, "cpu", json_integer(worker->cpu));
	json_object_set_new(row, "packets", json_integer((json_int_t)worker->packets));
	json_object_set_new(row, "handed_over", json_integer((json_int_t)worker->handed_over));
	json_object_set_new(row, "flows", json_integer((json_int_t)worker->flows));
	json_object_set_new(
		row, "flows_capacity", json_integer((json_int_t)worker->flows_capacity));
	json_object_set_new(row, "flow_bytes", json_integer((json_int_t)worker->flow_bytes));
	json_object_set_new(row, "busy_cycles", json_integer((json_int_t)worker->busy_cycles));
	json_object_set_new(row, "total_cycles", json_integer((json_int_t)worker->total_cycles));
	json_object_set_new(
		row, "busy", json_real(ratio(worker->busy_cycles, worker->total_cycles)));
	for (size_t i = 0; i < worker->n_stages; i++) {
		const Sluice__StageCycles *stage = worker->stages[i];

		json_array_append_new(stages,
			json_pack("{s:s, s:I, s:I, s:f}", "stage", stage->stage, "cycles",
				(json_int_t)stage->cycles, "packets", (json_int_t)stage->packets,
				"cycles_per_packet", ratio(stage->cycles, stage->packets)));
	}
	json_object_set_new(row, "stages", stages);
	return row;
}

static json_t *workers(const struct api_request *request)
{
	const Sluice__Stats *stats = request->stats;
	json_t *rows = json_array(), *answer;

	for (size_t i = 0; i < stats->n_workers; i++)
		json_array_append_new(rows, worker_row(stats->workers[i]));
	answer = answer_rows(request, "workers", rows);
	json_object_set_new(answer, "memory", json_string(stats->memory));
	json_object_set_new(answer, "buffers", json_integer((json_int_t)stats->buffers));
	json_object_set_new(answer, "buffers_free", json_integer((json_int_t)stats->buffers_free));
	return answer;
}

const struct api_command api_workers = {
	.path = "/v1/workers",
	.help = "workers: packets, flows, cycles per packet by stage",
	.need = NEED_STATS,
	.cleared = true,
	.handler = workers,
	.answer = "{workers: [{worker: number, cpu: number, packets: number, handed_over: "
		  "number, flows: number, flows_capacity: number, flow_bytes: number, "
		  "busy_cycles: number, total_cycles: number, busy: number, stages: [{stage, "
		  "cycles: number, packets: number, cycles_per_packet: number}]}], memory, "
		  "buffers: number, buffers_free: number, " ANSWER_SINCE "}",
};
