// SPDX-License-Identifier: BSD-3-Clause
// The part of /metrics that grows with what is served: VIPs, listeners, pools and routes.
//
// All samples of a metric stand together, so the rows are walked once for each metric; a row's
// labels are made once. How many rows of a kind are told is bounded, and how many were not is told.
#include "api_internal.h"
#include "counters.h"

#include "limits.h"

#include <stdlib.h>
#include <string.h>

#define ROWS_MAX       10000 // of a kind
#define HISTOGRAMS_MAX 1000  // of routes, and as many of listeners

struct row {
	size_t label, length; // in the labels' text
	uint64_t ready, draining;
	Sluice__Counters sum;
	const Sluice__Counters *counters; // NULL: none are known
	const Sluice__HttpCounters *http; // NULL: the proxy has nothing to do with it
};

struct rows {
	const char *kind; // "vip"
	struct row *rows;
	unsigned count, omitted;
	struct text labels;
};

static struct row *add_row(struct rows *rows, unsigned most)
{
	if (!rows->rows)
		rows->rows = calloc(most < ROWS_MAX ? most + 1 : ROWS_MAX, sizeof(*rows->rows));
	if (!rows->rows || rows->count == ROWS_MAX) {
		rows->omitted++;
		return NULL;
	}
	rows->rows[rows->count].label = rows->labels.length;
	return &rows->rows[rows->count++];
}

static void end_label(struct rows *rows, struct row *row)
{
	row->length = rows->labels.length - row->label - 1; // without the last comma
}

static void free_rows(struct rows *rows)
{
	free(rows->rows);
	free(rows->labels.bytes);
}

// name{labels more} value
static void sample(struct text *text, const char *name, const struct rows *rows,
	const struct row *row, const char *more) // house: the parts of one line
{
	text_put(text, name);
	text_bytes(text, "{", 1);
	text_bytes(text, rows->labels.bytes + row->label, row->length);
	if (*more)
		text_bytes(text, ",", 1);
	text_put(text, more);
	text_bytes(text, "} ", 2);
}

static void family(struct text *text, const struct rows *rows, const char *what, const char *type,
	const char *help) // house: the parts of one line
{
	char name[80];

	snprintf(name, sizeof(name), "sluice_%s_%s", rows->kind, what);
	metrics_family(text, name, type, help);
}

struct column {
	const char *name, *type, *help;
	size_t offset;
};

#define COUNTERS(member) offsetof(Sluice__Counters, member)
#define HTTP(member)     offsetof(Sluice__HttpCounters, member)

static void tell_column(
	struct text *text, const struct rows *rows, const struct column *column, bool http)
{
	char name[80];

	snprintf(name, sizeof(name), "sluice_%s_%s", rows->kind, column->name);
	metrics_family(text, name, column->type, column->help);
	for (unsigned i = 0; i < rows->count; i++) {
		const struct row *row = &rows->rows[i];
		const char *from = http ? (const char *)row->http : (const char *)row->counters;

		if (!from)
			continue;
		sample(text, name, rows, row, "");
		text_number(text, *(const uint64_t *)(const void *)(from + column->offset));
		text_bytes(text, "\n", 1);
	}
}

static void tell_counters(struct text *text, const struct rows *rows)
{
	static const struct column columns[] = {
		{"flows", "gauge", "Flows now.", COUNTERS(flows)},
		{"flows_created_total", "counter", "Flows begun.", COUNTERS(flows_created)},
		{"receive_packets_total", "counter", "Packets from clients.", COUNTERS(packets_in)},
		{"receive_bytes_total", "counter", "Bytes from clients.", COUNTERS(bytes_in)},
		{"transmit_packets_total", "counter", "Packets to clients.", COUNTERS(packets_out)},
		{"transmit_bytes_total", "counter", "Bytes to clients.", COUNTERS(bytes_out)},
	};

	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
		tell_column(text, rows, &columns[i], false);
}

static void tell_responses(struct text *text, const struct rows *rows)
{
	static const char *const codes[] = {
		"code=\"1xx\"", "code=\"2xx\"", "code=\"3xx\"", "code=\"4xx\"", "code=\"5xx\""};
	char name[80];

	snprintf(name, sizeof(name), "sluice_%s_responses_total", rows->kind);
	metrics_family(text, name, "counter", "Answers by class of their status.");
	for (unsigned i = 0; i < rows->count; i++) {
		const Sluice__HttpCounters *http = rows->rows[i].http;

		for (size_t k = 0; http && k < 5 && k < http->n_responses; k++) {
			sample(text, name, rows, &rows->rows[i], codes[k]);
			text_number(text, http->responses[k]);
			text_bytes(text, "\n", 1);
		}
	}
}

static void seconds(struct text *text, uint64_t us)
{
	text_format(text, "%llu.%06llu\n", (unsigned long long)(us / 1000000),
		(unsigned long long)(us % 1000000));
}

static void histogram(struct text *text, const struct rows *rows, const struct row *row)
{
	static const uint64_t bounds[] = SLUICE_LATENCY_US;
	char name[80], bound[40];
	uint64_t sum = 0;

	snprintf(name, sizeof(name), "sluice_%s_request_duration_seconds_bucket", rows->kind);
	for (size_t k = 0; k < row->http->n_latency; k++) {
		sum += row->http->latency[k];
		if (k < SLUICE_LATENCY_BUCKETS)
			snprintf(bound, sizeof(bound), "le=\"%g\"", (double)bounds[k] / 1e6);
		else
			snprintf(bound, sizeof(bound), "le=\"+Inf\"");
		sample(text, name, rows, row, bound);
		text_number(text, sum);
		text_bytes(text, "\n", 1);
	}
	snprintf(name, sizeof(name), "sluice_%s_request_duration_seconds_sum", rows->kind);
	sample(text, name, rows, row, "");
	seconds(text, row->http->latency_sum_us);
	snprintf(name, sizeof(name), "sluice_%s_request_duration_seconds_count", rows->kind);
	sample(text, name, rows, row, "");
	text_number(text, sum);
	text_bytes(text, "\n", 1);
}

static void tell_http(struct text *text, const struct rows *rows)
{
	static const struct column columns[] = {
		{"http_receive_bytes_total", "counter", "Bytes of requests.", HTTP(bytes_in)},
		{"http_transmit_bytes_total", "counter", "Bytes of answers.", HTTP(bytes_out)},
		{"retries_total", "counter", "Requests tried at another endpoint.", HTTP(retries)},
		{"requests_open", "gauge", "Requests without an answer now.", HTTP(requests_open)},
	};
	unsigned told = 0;

	tell_responses(text, rows);
	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
		tell_column(text, rows, &columns[i], true);
	family(text, rows, "request_duration_seconds", "histogram",
		"Time from a request's head to the end of its answer.");
	for (unsigned i = 0; i < rows->count && told < HISTOGRAMS_MAX; i++)
		if (rows->rows[i].http) {
			histogram(text, rows, &rows->rows[i]);
			told++;
		}
}

static const Sluice__ListenerStats *listener_stats(
	const struct counters *counters, const struct plan_listener *listener)
{
	return counters ? counters_listener_stats(counters, listener) : NULL;
}

static void listeners(
	const struct api_request *request, const struct counters *counters, struct text *text)
{
	const struct plan *plan = request->state->plan;
	struct rows rows = {.kind = "listener"};
	char word[ADDR_TEXT];

	for (unsigned i = 0; i < plan->listener_count; i++) {
		const struct plan_listener *listener = plan->listeners[i];
		const Sluice__ListenerStats *stats = listener_stats(counters, listener);
		struct row *row = add_row(&rows, plan->listener_count);

		if (!row)
			continue;
		metrics_label(&rows.labels, "vip", addr_format(&listener->vip, word));
		metrics_label(&rows.labels, "protocol", protocol_name(listener->protocol));
		text_format(&rows.labels, "l4_port=\"%u\",", listener->port);
		metrics_label(&rows.labels, "service", listener->service);
		end_label(&rows, row);
		row->counters = stats ? stats->counters : NULL;
		row->http = stats ? stats->http : NULL;
	}
	tell_counters(text, &rows);
	tell_http(text, &rows);
	free_rows(&rows);
}

static void sum_listeners(
	struct rows *vips, const struct plan *plan, const struct counters *counters)
{
	// Both are sorted by address.
	for (unsigned i = 0, at = 0; i < plan->listener_count; i++) {
		const struct plan_listener *listener = plan->listeners[i];
		const Sluice__ListenerStats *stats = listener_stats(counters, listener);

		while (at < vips->count &&
			addr_compare(&plan->vips[at]->address, &listener->vip) < 0)
			at++;
		if (at == vips->count)
			return;
		if (stats && addr_compare(&plan->vips[at]->address, &listener->vip) == 0) {
			counters_add(&vips->rows[at].sum, stats->counters);
			vips->rows[at].counters = &vips->rows[at].sum;
		}
	}
}

static void vips(
	const struct api_request *request, const struct counters *counters, struct text *text)
{
	const struct plan *plan = request->state->plan;
	struct rows rows = {.kind = "vip"};
	char word[ADDR_TEXT];

	for (unsigned i = 0; i < plan->vip_count; i++) {
		struct row *row = add_row(&rows, plan->vip_count);

		if (!row)
			continue;
		metrics_label(&rows.labels, "vip", addr_format(&plan->vips[i]->address, word));
		metrics_label(&rows.labels, "pool", plan->vips[i]->pool);
		end_label(&rows, row);
	}
	family(text, &rows, "owned", "gauge", "1: this box answers for the VIP.");
	for (unsigned i = 0; i < rows.count; i++) {
		sample(text, "sluice_vip_owned", &rows, &rows.rows[i], "");
		text_number(
			text, !request->state->vip ||
				      vip_verdict(request->state->vip, plan, plan->vips[i]).state ==
					      VIP_OWNED);
		text_bytes(text, "\n", 1);
	}
	sum_listeners(&rows, plan, counters);
	tell_counters(text, &rows);
	free_rows(&rows);
}

static void pools(
	const struct api_request *request, const struct counters *counters, struct text *text)
{
	const struct plan *plan = request->state->plan;
	struct rows rows = {.kind = "pool"};

	for (unsigned i = 0; i < plan->pool_count; i++) {
		const struct plan_pool *pool = plan->pools[i];
		const Sluice__PoolStats *stats =
			counters ? counters_pool_stats(counters, pool->name) : NULL;
		struct row *row = add_row(&rows, plan->pool_count);

		if (!row)
			continue;
		row->counters = stats ? stats->counters : NULL;
		row->http = stats ? stats->http : NULL;
		metrics_label(&rows.labels, "pool", pool->name);
		end_label(&rows, row);
		for (unsigned j = 0; j < pool->endpoint_count; j++) {
			row->ready += pool->endpoints[j].state == ENDPOINT_READY;
			row->draining += pool->endpoints[j].state == ENDPOINT_DRAINING;
		}
	}
	family(text, &rows, "endpoints", "gauge", "Endpoints by state.");
	for (unsigned i = 0; i < rows.count; i++) {
		sample(text, "sluice_pool_endpoints", &rows, &rows.rows[i], "state=\"ready\"");
		text_number(text, rows.rows[i].ready);
		text_bytes(text, "\n", 1);
		sample(text, "sluice_pool_endpoints", &rows, &rows.rows[i], "state=\"draining\"");
		text_number(text, rows.rows[i].draining);
		text_bytes(text, "\n", 1);
	}
	tell_counters(text, &rows);
	tell_http(text, &rows);
	free_rows(&rows);
}

static void routes(const struct api_request *request, struct text *text)
{
	struct rule_counters *counters = rule_counters_new(request->stats);
	const struct plan *plan = request->state->plan;
	struct rows rows = {.kind = "route"};

	for (unsigned i = 0; i < plan->host_count; i++)
		for (unsigned j = 0; j < plan->hosts[i]->rule_count; j++) {
			const struct plan_host *host = plan->hosts[i];
			const struct plan_rule *rule = &host->rules[j];
			struct row *row = add_row(&rows, ROWS_MAX);

			if (!row)
				continue;
			metrics_label(&rows.labels, "host", *host->name ? host->name : "*");
			metrics_label(&rows.labels, "kind", rule->kind_name);
			metrics_label(&rows.labels, "path", rule->path);
			metrics_label(&rows.labels, "ingress", rule->object);
			end_label(&rows, row);
			row->http = rule_counters_find(counters, host, rule);
		}
	tell_http(text, &rows);
	metrics_family(text, "sluice_metrics_omitted", "gauge",
		"What has no metrics of its own, as there is more than is told of a kind.");
	text_format(text, "sluice_metrics_omitted{kind=\"route\"} %u\n", rows.omitted);
	text_format(text, "sluice_metrics_omitted{kind=\"pool\"} %u\n",
		plan->pool_count > ROWS_MAX ? plan->pool_count - ROWS_MAX : 0);
	text_format(text, "sluice_metrics_omitted{kind=\"listener\"} %u\n",
		plan->listener_count > ROWS_MAX ? plan->listener_count - ROWS_MAX : 0);
	text_format(text, "sluice_metrics_omitted{kind=\"vip\"} %u\n",
		plan->vip_count > ROWS_MAX ? plan->vip_count - ROWS_MAX : 0);
	rule_counters_free(counters);
	free_rows(&rows);
}

void metrics_rows(const struct api_request *request, struct text *text)
{
	struct counters *counters;

	if (!request->state->plan)
		return;
	counters = counters_new(request->stats);
	vips(request, counters, text);
	listeners(request, counters, text);
	pools(request, counters, text);
	routes(request, text);
	counters_free(counters);
}
