// SPDX-License-Identifier: BSD-3-Clause
// POST /v1/counters/clear: what /v1/drops, ports, workers and requests count from now on begins
// anew. The dataplane's own counters go on, and so do those of /metrics: what they were is kept,
// and taken off. That ends with the dataplane that they were of.
#include "baseline.h"

#include "api_internal.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static uint64_t less(uint64_t now, uint64_t then)
{
	return now > then ? now - then : 0;
}

static void take_drops(Sluice__Stats *now, const Sluice__Stats *then)
{
	for (size_t i = 0; i < now->n_drops && i < then->n_drops; i++)
		if (strcmp(now->drops[i]->reason, then->drops[i]->reason) == 0)
			now->drops[i]->packets =
				less(now->drops[i]->packets, then->drops[i]->packets);
}

static void take_port(Sluice__PortStats *now, const Sluice__PortStats *then)
{
	now->rx_packets = less(now->rx_packets, then->rx_packets);
	now->rx_bytes = less(now->rx_bytes, then->rx_bytes);
	now->rx_missed = less(now->rx_missed, then->rx_missed);
	now->rx_errors = less(now->rx_errors, then->rx_errors);
	now->tx_packets = less(now->tx_packets, then->tx_packets);
	now->tx_bytes = less(now->tx_bytes, then->tx_bytes);
	now->tx_errors = less(now->tx_errors, then->tx_errors);
}

static void take_worker(Sluice__WorkerStats *now, const Sluice__WorkerStats *then)
{
	now->packets = less(now->packets, then->packets);
	now->handed_over = less(now->handed_over, then->handed_over);
	now->busy_cycles = less(now->busy_cycles, then->busy_cycles);
	now->total_cycles = less(now->total_cycles, then->total_cycles);
	for (size_t i = 0; i < now->n_stages && i < then->n_stages; i++) {
		now->stages[i]->cycles = less(now->stages[i]->cycles, then->stages[i]->cycles);
		now->stages[i]->packets = less(now->stages[i]->packets, then->stages[i]->packets);
	}
}

static void take_numbers(uint64_t *now, size_t count, const uint64_t *then, size_t then_count)
{
	for (size_t i = 0; i < count && i < then_count; i++)
		now[i] = less(now[i], then[i]);
}

static void take_refusals(Sluice__RefusalStats **now, size_t count,
	Sluice__RefusalStats *const *then, size_t then_count)
{
	for (size_t i = 0; i < count && i < then_count; i++)
		if (strcmp(now[i]->reason, then[i]->reason) == 0)
			now[i]->count = less(now[i]->count, then[i]->count);
}

static void take_http(Sluice__HttpCounters *now, const Sluice__HttpCounters *then)
{
	take_numbers(now->responses, now->n_responses, then->responses, then->n_responses);
	take_numbers(now->latency, now->n_latency, then->latency, then->n_latency);
	now->bytes_in = less(now->bytes_in, then->bytes_in);
	now->bytes_out = less(now->bytes_out, then->bytes_out);
	now->retries = less(now->retries, then->retries);
	now->latency_sum_us = less(now->latency_sum_us, then->latency_sum_us);
}

static void take_proxy(Sluice__ProxyStats *now, const Sluice__ProxyStats *then)
{
	now->connections_accepted = less(now->connections_accepted, then->connections_accepted);
	now->requests = less(now->requests, then->requests);
	now->handshakes_full = less(now->handshakes_full, then->handshakes_full);
	now->handshakes_resumed = less(now->handshakes_resumed, then->handshakes_resumed);
	now->log_lines = less(now->log_lines, then->log_lines);
	now->log_lost = less(now->log_lost, then->log_lost);
	take_refusals(now->refusals, now->n_refusals, then->refusals, then->n_refusals);
	take_refusals(now->tcp, now->n_tcp, then->tcp, then->n_tcp);
	if (now->counters && then->counters)
		take_http(now->counters, then->counters);
}

static bool is_of(const struct baseline *baseline, const Sluice__Stats *stats)
{
	return baseline->stats && stats->hello &&
	       stats->hello->started_us == baseline->stats->hello->started_us;
}

uint64_t baseline_since(const struct baseline *baseline, const Sluice__Stats *stats)
{
	return is_of(baseline, stats) ? baseline->since_us : 0;
}

void baseline_subtract(const struct baseline *baseline, Sluice__Stats *stats)
{
	const Sluice__Stats *then = baseline->stats;

	if (!is_of(baseline, stats))
		return;
	take_drops(stats, then);
	for (size_t i = 0; i < stats->n_ports && i < then->n_ports; i++)
		if (strcmp(stats->ports[i]->name, then->ports[i]->name) == 0)
			take_port(stats->ports[i], then->ports[i]);
	for (size_t i = 0; i < stats->n_workers && i < then->n_workers; i++)
		take_worker(stats->workers[i], then->workers[i]);
	if (stats->proxy && then->proxy)
		take_proxy(stats->proxy, then->proxy);
}

void baseline_clear(struct baseline *baseline)
{
	if (baseline->stats)
		sluice__stats__free_unpacked(baseline->stats, NULL);
	memset(baseline, 0, sizeof(*baseline));
}

// A copy, by way of its own encoding.
static Sluice__Stats *copy(const Sluice__Stats *stats)
{
	size_t size = sluice__stats__get_packed_size(stats);
	uint8_t *bytes = malloc(size ? size : 1);
	Sluice__Stats *copied = NULL;

	if (bytes) {
		sluice__stats__pack(stats, bytes);
		copied = sluice__stats__unpack(NULL, size, bytes);
	}
	free(bytes);
	return copied;
}

static json_t *clear(const struct api_request *request)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	baseline_clear(request->baseline);
	if (request->stats->hello)
		request->baseline->stats = copy(request->stats);
	request->baseline->since_us = (uint64_t)now.tv_sec * 1000000;
	return request->baseline->stats
		       ? json_pack("{s:o}", "counted_since", json_time(request->baseline->since_us))
		       : NULL;
}

const struct api_command api_counters_clear = {
	.path = "/v1/counters/clear",
	.help = "let drops, ports, workers and requests be counted anew; /metrics go on",
	.need = NEED_STATS,
	.changes = true,
	.handler = clear,
	.answer = "{counted_since}",
};
