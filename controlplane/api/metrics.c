// SPDX-License-Identifier: BSD-3-Clause
// GET /metrics: everything that is counted, as Prometheus reads it. Here what there is a handful
// of; VIPs, listeners, pools and routes are in metrics_rows.c. docs/operator/metrics.md names all.
#include "api_internal.h"

#include "limits.h"

#include <string.h>

void metrics_family(struct text *text, const char *name, const char *type, const char *help)
{
	text_format(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

// `name="value",`: what is quoted has \, " and line ends escaped.
void metrics_label(struct text *text, const char *name, const char *value)
{
	text_put(text, name);
	text_bytes(text, "=\"", 2);
	for (size_t plain; *value; value += plain + (value[plain] != '\0')) {
		plain = strcspn(value, "\\\"\n");
		text_bytes(text, value, plain);
		if (value[plain] == '\n')
			text_put(text, "\\n");
		else if (value[plain])
			text_format(text, "\\%c", value[plain]);
	}
	text_bytes(text, "\",", 2);
}

// What stands between the braces has been said.
static void end_labels(struct text *text)
{
	if (text->length && text->bytes[text->length - 1] == ',')
		text->length--;
	text_bytes(text, "}", 1);
}

static void plain(struct text *text, const char *name, const char *type, const char *help,
	uint64_t value) // house: a metric is these four words and its number
{
	metrics_family(text, name, type, help);
	text_format(text, "%s %llu\n", name, (unsigned long long)value);
}

// One number of each element of an array of structures that protobuf-c made.
struct column {
	const char *name, *type, *help;
	size_t offset;
	bool flag, small; // a bool, a uint32_t; else a uint64_t
};

static uint64_t number_at(const void *row, const struct column *column)
{
	const char *at = (const char *)row + column->offset;

	if (column->flag)
		return *(const protobuf_c_boolean *)(const void *)at != 0;
	if (column->small)
		return *(const uint32_t *)(const void *)at;
	return *(const uint64_t *)(const void *)at;
}

static void process(const struct api_request *request, struct text *text)
{
	const struct api_state *state = request->state;
	json_t *list = api_problems.handler(request), *row;
	unsigned problems[2] = {0};
	size_t i;

	metrics_family(text, "sluice_build_info", "gauge", "Versions; always 1.");
	text_put(text,
		"sluice_build_info{process=\"controlplane\",version=\"" SLUICE_VERSION "\"} 1\n");
	if (request->stats && request->stats->hello)
		text_format(text, "sluice_build_info{process=\"dataplane\",version=\"%s\"} 1\n",
			request->stats->hello->build);
	plain(text, "sluice_dataplane_up", "gauge", "1: the dataplane answers.",
		request->stats != NULL);
	plain(text, "sluice_dataplane_current", "gauge", "1: the dataplane has the newest plan.",
		state->publish.current);
	plain(text, "sluice_plan_generation", "gauge", "Number of the plan in force.",
		state->publish.generation);
	plain(text, "sluice_plan_transactions_total", "counter",
		"Changes that the dataplane has taken.", state->publish.transactions);
	plain(text, "sluice_plan_refusals_total", "counter",
		"Changes that the dataplane has refused.", state->publish.refusals);
	metrics_family(text, "sluice_start_time_seconds", "gauge",
		"When a process was started, since 1970.");
	text_format(text, "sluice_start_time_seconds{process=\"controlplane\"} %llu\n",
		(unsigned long long)(state->started_us / 1000000));
	if (request->stats)
		text_format(text, "sluice_start_time_seconds{process=\"dataplane\"} %llu\n",
			(unsigned long long)(state->publish.started_us / 1000000));
	plain(text, "sluice_box_drained", "gauge", "1: `drain box`: no VIP is answered for.",
		state->vip && vip_box_drained(state->vip));
	json_array_foreach(json_object_get(list, "problems"), i, row)
		problems[strcmp(json_string_value(json_object_get(row, "level")), "error") == 0]++;
	json_decref(list);
	metrics_family(text, "sluice_problems", "gauge", "Lines of `sluice show problems`.");
	text_format(text,
		"sluice_problems{level=\"warning\"} %u\nsluice_problems{level=\"error\"} %u\n",
		problems[0], problems[1]);
}

static void clusters(const struct api_state *state, struct text *text)
{
	const struct plan *plan = state->plan;

	metrics_family(text, "sluice_cluster_synced", "gauge",
		"1: everything the source of objects holds has been seen.");
	for (unsigned i = 0; i < state->source_count; i++) {
		text_put(text, "sluice_cluster_synced{");
		metrics_label(text, "cluster", state->sources[i].name);
		metrics_label(text, "kind", state->sources[i].kind);
		end_labels(text);
		text_format(text, " %d\n", state->sources[i].synced);
	}
	metrics_family(text, "sluice_cluster_nodes", "gauge", "Nodes of a cluster.");
	for (unsigned i = 0; plan && i < plan->cluster_count; i++) {
		text_put(text, "sluice_cluster_nodes{");
		metrics_label(text, "cluster", plan->clusters[i]->name);
		end_labels(text);
		text_format(text, " %u\n", plan->clusters[i]->node_count);
	}
	metrics_family(text, "sluice_cluster_nodes_ready", "gauge", "Nodes that are ready.");
	for (unsigned i = 0; plan && i < plan->cluster_count; i++) {
		text_put(text, "sluice_cluster_nodes_ready{");
		metrics_label(text, "cluster", plan->clusters[i]->name);
		end_labels(text);
		text_format(text, " %u\n", plan->clusters[i]->nodes_ready);
	}
}

static void announcing(const struct api_state *state, struct text *text)
{
	const struct pair_settings *pair = &state->settings->pair;
	char address[ADDR_TEXT];
	struct vip_peer peer;

	if (!state->vip)
		return;
	metrics_family(
		text, "sluice_bgp_peer_up", "gauge", "1: the session with the router is up.");
	for (unsigned i = 0; vip_peer(state->vip, i, &peer); i++) {
		text_put(text, "sluice_bgp_peer_up{");
		metrics_label(text, "peer", peer.settings->name);
		metrics_label(text, "address", addr_format(&peer.settings->address, address));
		end_labels(text);
		text_format(text, " %d\n", vip_peer_is_up(&peer));
	}
	metrics_family(text, "sluice_vrrp_master", "gauge",
		"1: this box is master of the virtual router.");
	for (unsigned i = 0; *pair->interface && i < pair->group_count; i++)
		text_format(text, "sluice_vrrp_master{id=\"%u\"} %d\n", pair->groups[i].id,
			strcmp(vip_group_state(state->vip, i), "master") == 0);
}

#define WORKER(member) offsetof(Sluice__WorkerStats, member)

static void workers(const Sluice__Stats *stats, struct text *text)
{
	static const struct column columns[] = {
		{"sluice_worker_packets_total", "counter", "Packets received.", WORKER(packets),
			false, false},
		{"sluice_worker_packets_handed_over_total", "counter",
			"Packets given to the worker that owns their flow.", WORKER(handed_over),
			false, false},
		{"sluice_worker_flows", "gauge", "Flows in the table now.", WORKER(flows), false,
			false},
		{"sluice_worker_flows_capacity", "gauge", "Flows the table has room for.",
			WORKER(flows_capacity), false, false},
		{"sluice_worker_flow_table_bytes", "gauge", "Memory of the flow table.",
			WORKER(flow_bytes), false, false},
		{"sluice_worker_busy_cycles_total", "counter", "CPU cycles spent on packets.",
			WORKER(busy_cycles), false, false},
		{"sluice_worker_cycles_total", "counter", "CPU cycles, those of waiting too.",
			WORKER(total_cycles), false, false},
	};

	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
		metrics_family(text, columns[i].name, columns[i].type, columns[i].help);
		for (size_t j = 0; j < stats->n_workers; j++)
			text_format(text, "%s{worker=\"%u\",cpu=\"%u\"} %llu\n", columns[i].name,
				stats->workers[j]->worker, stats->workers[j]->cpu,
				(unsigned long long)number_at(stats->workers[j], &columns[i]));
	}
	metrics_family(text, "sluice_worker_stage_cycles_total", "counter",
		"CPU cycles by stage of the packet's way.");
	for (size_t j = 0; j < stats->n_workers; j++)
		for (size_t k = 0; k < stats->workers[j]->n_stages; k++)
			text_format(text,
				"sluice_worker_stage_cycles_total{worker=\"%u\",stage=\"%s\"} "
				"%llu\n",
				stats->workers[j]->worker, stats->workers[j]->stages[k]->stage,
				(unsigned long long)stats->workers[j]->stages[k]->cycles);
	plain(text, "sluice_packet_buffers", "gauge", "Packet buffers.", stats->buffers);
	plain(text, "sluice_packet_buffers_free", "gauge", "Packet buffers that are free.",
		stats->buffers_free);
}

#define PORT(member) offsetof(Sluice__PortStats, member)

static void ports(const Sluice__Stats *stats, struct text *text)
{
	static const struct column columns[] = {
		{"sluice_port_up", "gauge", "1: the link is up.", PORT(link_up), true, false},
		{"sluice_port_mtu_bytes", "gauge", "Largest packet.", PORT(mtu), false, true},
		{"sluice_port_receive_packets_total", "counter", "Packets received.",
			PORT(rx_packets), false, false},
		{"sluice_port_receive_bytes_total", "counter", "Bytes received.", PORT(rx_bytes),
			false, false},
		{"sluice_port_receive_missed_total", "counter",
			"Packets the port had no room for: workers were too slow.", PORT(rx_missed),
			false, false},
		{"sluice_port_receive_errors_total", "counter", "Packets received wrong.",
			PORT(rx_errors), false, false},
		{"sluice_port_transmit_packets_total", "counter", "Packets sent.", PORT(tx_packets),
			false, false},
		{"sluice_port_transmit_bytes_total", "counter", "Bytes sent.", PORT(tx_bytes),
			false, false},
		{"sluice_port_transmit_errors_total", "counter", "Packets that were not sent.",
			PORT(tx_errors), false, false},
	};

	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
		metrics_family(text, columns[i].name, columns[i].type, columns[i].help);
		for (size_t j = 0; j < stats->n_ports; j++) {
			text_format(text, "%s{", columns[i].name);
			metrics_label(text, "port", stats->ports[j]->name);
			end_labels(text);
			text_format(text, " %llu\n",
				(unsigned long long)number_at(stats->ports[j], &columns[i]));
		}
	}
	metrics_family(text, "sluice_port_speed_bytes", "gauge", "Bytes a second of the link.");
	for (size_t j = 0; j < stats->n_ports; j++) {
		text_put(text, "sluice_port_speed_bytes{");
		metrics_label(text, "port", stats->ports[j]->name);
		text_format(
			text, "} %llu\n", (unsigned long long)stats->ports[j]->speed_mbps * 125000);
	}
}

static void refusals(Sluice__RefusalStats *const *rows, size_t count, const char *name,
	const char *label, struct text *text)
{
	for (size_t i = 0; i < count; i++) {
		text_format(text, "%s{", name);
		metrics_label(text, label, rows[i]->reason);
		end_labels(text);
		text_format(text, " %llu\n", (unsigned long long)rows[i]->count);
	}
}

#define PROXY(member) offsetof(Sluice__ProxyStats, member)

static void proxy(const Sluice__ProxyStats *stats, struct text *text)
{
	static const struct column columns[] = {
		{"sluice_proxy_connections", "gauge", "Connections of clients now.",
			PROXY(connections), false, false},
		{"sluice_proxy_connections_accepted_total", "counter",
			"Connections of clients that were taken.", PROXY(connections_accepted),
			false, false},
		{"sluice_proxy_upstream_connections", "gauge", "Connections to endpoints now.",
			PROXY(upstream_connections), false, false},
		{"sluice_proxy_upstream_connections_idle", "gauge",
			"Connections to endpoints kept for a next request.", PROXY(upstream_idle),
			false, false},
		{"sluice_proxy_requests_total", "counter", "Requests begun.", PROXY(requests),
			false, false},
		{"sluice_proxy_log_lines_total", "counter", "Lines of the access log.",
			PROXY(log_lines), false, false},
		{"sluice_proxy_log_lines_lost_total", "counter",
			"Lines of the access log beyond its rate.", PROXY(log_lost), false, false},
	};

	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
		plain(text, columns[i].name, columns[i].type, columns[i].help,
			number_at(stats, &columns[i]));
	metrics_family(text, "sluice_proxy_handshakes_total", "counter", "TLS handshakes done.");
	text_format(text,
		"sluice_proxy_handshakes_total{kind=\"full\"} %llu\n"
		"sluice_proxy_handshakes_total{kind=\"resumed\"} %llu\n",
		(unsigned long long)stats->handshakes_full,
		(unsigned long long)stats->handshakes_resumed);
	metrics_family(text, "sluice_proxy_refused_total", "counter",
		"Requests and handshakes refused, by reason.");
	refusals(stats->refusals, stats->n_refusals, "sluice_proxy_refused_total", "reason", text);
	metrics_family(text, "sluice_proxy_tcp_total", "counter",
		"What the proxy's TCP has counted, by name.");
	refusals(stats->tcp, stats->n_tcp, "sluice_proxy_tcp_total", "counter", text);
}

static void drops(const Sluice__Stats *stats, struct text *text)
{
	metrics_family(text, "sluice_drops_total", "counter", "Packets dropped, by reason.");
	for (size_t i = 0; i < stats->n_drops; i++) {
		text_put(text, "sluice_drops_total{");
		metrics_label(text, "reason", stats->drops[i]->reason);
		end_labels(text);
		text_format(text, " %llu\n", (unsigned long long)stats->drops[i]->packets);
	}
}

static void metrics(const struct api_request *request, struct text *text)
{
	process(request, text);
	clusters(request->state, text);
	announcing(request->state, text);
	if (request->stats) {
		workers(request->stats, text);
		ports(request->stats, text);
		drops(request->stats, text);
		if (request->stats->proxy)
			proxy(request->stats->proxy, text);
	}
	metrics_rows(request, text);
}

const struct api_command api_metrics = {
	.path = "/metrics",
	.help = "what is counted, for Prometheus",
	.need = WANT_SUMS,
	.write = metrics,
	.type = "text/plain; version=0.0.4; charset=utf-8",
	.large = true,
};
