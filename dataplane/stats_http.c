// SPDX-License-Identifier: BSD-3-Clause
// What the proxies of all workers count, as the channel's Stats: totals, refusals by name, and by
// listener, rule and endpoint.
#include "stats_internal.h"

#define CLASSES 5
#define BUCKETS (SLUICE_LATENCY_BUCKETS + 1)

// Counters of one kind, of every worker: where they are is the same offset everywhere.
struct where {
	const struct http_counters *(*of)(const struct proxy_stats *stats, uint32_t slot);
	uint32_t slot;
};

static const struct http_counters *of_all(const struct proxy_stats *stats, uint32_t slot)
{
	return &stats->all;
}

static const struct http_counters *of_listener(const struct proxy_stats *stats, uint32_t slot)
{
	return &stats->listeners[slot];
}

static const struct http_counters *of_rule(const struct proxy_stats *stats, uint32_t slot)
{
	return &stats->rules[slot];
}

static const struct http_counters *of_endpoint(const struct proxy_stats *stats, uint32_t slot)
{
	return &stats->endpoints[slot];
}

static Sluice__HttpCounters *none(struct answer *answer)
{
	Sluice__HttpCounters *counters = answer_alloc(answer, sizeof(*counters));
	uint64_t *responses = answer_alloc(answer, CLASSES * sizeof(*responses));
	uint64_t *latency = answer_alloc(answer, BUCKETS * sizeof(*latency));

	if (answer->failed)
		return NULL;
	sluice__http_counters__init(counters);
	counters->n_responses = CLASSES;
	counters->responses = responses;
	counters->n_latency = BUCKETS;
	counters->latency = latency;
	return counters;
}

static void add(
	const struct dataplane *dataplane, Sluice__HttpCounters *counters, struct where where)
{
	int64_t open = 0;

	for (unsigned i = 0; i < dataplane->worker_count; i++) {
		const struct http_counters *from =
			where.of(proxy_stats(dataplane->workers[i]->proxy), where.slot);

		for (unsigned k = 0; k < CLASSES; k++)
			counters->responses[k] += from->responses[k];
		for (unsigned k = 0; k < BUCKETS; k++)
			counters->latency[k] += from->latency[k];
		counters->bytes_in += from->bytes_in;
		counters->bytes_out += from->bytes_out;
		counters->retries += from->retries;
		counters->latency_sum_us += from->latency_sum_us;
		open += from->open;
	}
	counters->requests_open += open > 0 ? (uint64_t)open : 0;
}

static Sluice__HttpCounters *sum(
	const struct dataplane *dataplane, struct answer *answer, struct where where)
{
	Sluice__HttpCounters *counters = none(answer);

	if (counters)
		add(dataplane, counters, where);
	return counters;
}

Sluice__HttpCounters *stats_http_pool(
	const struct dataplane *dataplane, struct answer *answer, const struct pool *pool)
{
	Sluice__HttpCounters *counters = none(answer);

	for (uint32_t i = 0; counters && i < pool->member_count; i++)
		add(dataplane, counters, (struct where){of_endpoint, pool->members[i]->slot});
	return counters;
}

Sluice__HttpCounters *stats_http_endpoint(
	const struct dataplane *dataplane, struct answer *answer, uint32_t slot)
{
	return sum(dataplane, answer, (struct where){of_endpoint, slot});
}

#define NUMBERS 4 // of an endpoint

void stats_http_members(const struct dataplane *dataplane, struct answer *answer,
	const struct pool *pool, Sluice__PoolStats *row)
{
	uint64_t *numbers = answer_alloc(answer, pool->member_count * NUMBERS * sizeof(*numbers));

	for (uint32_t i = 0; numbers && i < pool->member_count; i++) {
		uint64_t responses[CLASSES] = {0}, latency[BUCKETS] = {0};
		Sluice__HttpCounters sum = SLUICE__HTTP_COUNTERS__INIT;

		sum.responses = responses;
		sum.latency = latency;
		add(dataplane, &sum, (struct where){of_endpoint, pool->members[i]->slot});
		for (unsigned k = 1; k < CLASSES; k++) // 1xx is no answer yet
			numbers[i * NUMBERS] += responses[k];
		numbers[i * NUMBERS + 1] = sum.requests_open;
		numbers[i * NUMBERS + 2] = sum.bytes_in;
		numbers[i * NUMBERS + 3] = sum.bytes_out;
	}
	row->http_numbers = numbers;
	row->n_http_numbers = numbers ? pool->member_count * NUMBERS : 0;
}

Sluice__HttpCounters *stats_http_listener(
	const struct dataplane *dataplane, struct answer *answer, uint32_t slot)
{
	return sum(dataplane, answer, (struct where){of_listener, slot});
}

static void add_row(
	struct answer *answer, Sluice__RefusalStats **rows, size_t *count, Sluice__RefusalStats row)
{
	Sluice__RefusalStats *kept = answer_alloc(answer, sizeof(*kept));

	if (!kept)
		return;
	*kept = row;
	rows[(*count)++] = kept;
}

static void fill_refusals(
	const struct dataplane *dataplane, struct answer *answer, Sluice__ProxyStats *proxy)
{
	proxy->refusals = answer_alloc(
		answer, (HTTP_REFUSAL_COUNT + TLS_REFUSAL_COUNT) * sizeof(*proxy->refusals));
	for (unsigned i = HTTP_OK + 1; i < HTTP_REFUSAL_COUNT && !answer->failed; i++) {
		Sluice__RefusalStats row = SLUICE__REFUSAL_STATS__INIT;

		row.reason = answer_text(http_refusal_name((enum http_refusal)i));
		row.help = answer_text(http_refusal_help((enum http_refusal)i));
		for (unsigned k = 0; k < dataplane->worker_count; k++)
			row.count += proxy_stats(dataplane->workers[k]->proxy)->refusals[i];
		add_row(answer, proxy->refusals, &proxy->n_refusals, row);
	}
}

// Handshakes that were refused stand among the requests that were.
static void fill_tls(
	const struct dataplane *dataplane, struct answer *answer, Sluice__ProxyStats *proxy)
{
	for (unsigned k = 0; k < dataplane->worker_count; k++) {
		const struct tls *tls = proxy_tls(dataplane->workers[k]->proxy);

		proxy->handshakes_full += tls_count(tls, TLS_COUNT_FULL);
		proxy->handshakes_resumed += tls_count(tls, TLS_COUNT_RESUMED);
	}
	for (unsigned i = TLS_OK + 1; i < TLS_REFUSAL_COUNT && !answer->failed; i++) {
		Sluice__RefusalStats row = SLUICE__REFUSAL_STATS__INIT;

		row.reason = answer_text(tls_refusal_name((enum tls_refusal)i));
		row.help = answer_text(tls_refusal_help((enum tls_refusal)i));
		for (unsigned k = 0; k < dataplane->worker_count; k++)
			row.count += tls_refused(
				proxy_tls(dataplane->workers[k]->proxy), (enum tls_refusal)i);
		add_row(answer, proxy->refusals, &proxy->n_refusals, row);
	}
}

static void fill_tcp(
	const struct dataplane *dataplane, struct answer *answer, Sluice__ProxyStats *proxy)
{
	proxy->tcp = answer_alloc(answer, TCP_COUNTERS * sizeof(*proxy->tcp));
	for (unsigned i = 0; i < TCP_COUNTERS && !answer->failed; i++) {
		Sluice__RefusalStats row = SLUICE__REFUSAL_STATS__INIT;

		row.reason = answer_text(tcp_counter_name((enum tcp_counter)i));
		for (unsigned k = 0; k < dataplane->worker_count; k++)
			row.count +=
				proxy_tcp_count(dataplane->workers[k]->proxy, (enum tcp_counter)i);
		add_row(answer, proxy->tcp, &proxy->n_tcp, row);
	}
}

struct fill_rules {
	const struct dataplane *dataplane;
	struct answer *answer;
	Sluice__Stats *stats;
};

static void fill_host(const struct http_host *host, void *arg)
{
	struct fill_rules *fill = arg;
	const struct tables *tables = tables_current(fill->dataplane->store);
	const struct http_site *site = tables_site(tables, host->site);

	for (uint32_t i = 0; i < host->rule_count; i++) {
		const struct http_rule *rule = &host->rules[i];
		Sluice__RuleStats *row = answer_alloc(fill->answer, sizeof(*row));

		if (!row)
			return;
		sluice__rule_stats__init(row);
		row->site = answer_text(site ? site->name : "");
		row->host = answer_text(host->name);
		row->kind = (Sluice__RuleKind)rule->kind;
		row->path = answer_text(rule->path);
		row->object = answer_text(rule->object);
		row->counters =
			sum(fill->dataplane, fill->answer, (struct where){of_rule, rule->slot});
		fill->stats->rules[fill->stats->n_rules++] = row;
	}
}

static void count_rules(const struct http_host *host, void *arg)
{
	*(size_t *)arg += host->rule_count;
}

void stats_http(
	const struct dataplane *dataplane, struct answer *answer, Sluice__Stats *stats, bool rules)
{
	const struct tables *tables = tables_current(dataplane->store);
	struct fill_rules fill = {dataplane, answer, stats};
	Sluice__ProxyStats *proxy = answer_alloc(answer, sizeof(*proxy));
	size_t count = 0;

	if (!proxy)
		return;
	sluice__proxy_stats__init(proxy);
	stats->proxy = proxy;
	for (unsigned i = 0; i < dataplane->worker_count; i++) {
		const struct proxy_stats *from = proxy_stats(dataplane->workers[i]->proxy);

		proxy->connections += from->connections;
		proxy->connections_accepted += from->accepted;
		proxy->upstream_connections += from->upstreams;
		proxy->upstream_idle += from->idle_upstreams;
		proxy->requests += from->requests;
		proxy->log_lines += from->log_lines;
		proxy->log_lost += from->log_lost;
	}
	proxy->log_lost += access_writer_lost(dataplane->access_writer);
	proxy->counters = sum(dataplane, answer, (struct where){of_all, 0});
	fill_refusals(dataplane, answer, proxy);
	fill_tls(dataplane, answer, proxy);
	fill_tcp(dataplane, answer, proxy);
	if (!rules)
		return;
	tables_each_host(tables, count_rules, &count);
	stats->rules = answer_alloc(answer, count * sizeof(*stats->rules));
	if (!answer->failed)
		tables_each_host(tables, fill_host, &fill);
}
