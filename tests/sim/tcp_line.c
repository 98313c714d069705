// SPDX-License-Identifier: BSD-3-Clause
// What connections make of one simulated line: what a lossy one yields, and how those that send
// over the same one share it, and what that costs in full queues. The figures are bounds that have
// to hold.
#include <stdio.h>
#include <stdlib.h>

#include "sim_net.h"

#define FLOWS  2
#define SECOND 1000000ULL
#define PORT   10000

struct flow {
	struct line *line;
	uint64_t received, counted; // counted: since the line was warm
	bool connected;
	struct tcp_connection *connection;
};

struct line {
	struct net net;
	struct flow flows[FLOWS];
};

struct end { // an instance's io
	struct line *line;
	unsigned side;
};

struct row {
	const char *what;
	uint32_t loss; // of a million
	uint32_t kbit, rtt_ms;
	uint32_t queue_percent; // of what the line holds
	uint32_t seconds;
	enum tcp_congestion control[FLOWS];
	unsigned flows;
	uint8_t options;
	uint32_t least_percent[FLOWS]; // of the line, each; of those that come later the last third
				       // counts
	uint32_t together_percent;
	uint32_t full_permille; // lost to a full queue, at most
};

#define ALL (TCP_OPTION_SCALE | TCP_OPTION_SACK | TCP_OPTION_TIME)
#define B   TCP_CONGESTION_BBR
#define C   TCP_CONGESTION_CUBIC

static const struct row rows[] = {
	{"a clean line", 0, 100000, 20, 100, 20, {B}, 1, ALL, {90}, 90, 10},
	{"a clean line", 0, 100000, 20, 100, 20, {C}, 1, ALL, {90}, 90, 10},
	{"1 % lost", 10000, 100000, 20, 100, 20, {B}, 1, ALL, {88}, 88, 10},
	{"1 % lost", 10000, 100000, 20, 100, 20, {C}, 1, ALL, {6}, 6, 10},
	{"1 % lost, no SACK", 10000, 100000, 20, 100, 20, {B}, 1, ALL & ~TCP_OPTION_SACK, {6}, 6,
		10},
	{"1 % lost, near", 10000, 1000000, 1, 100, 6, {B}, 1, ALL, {75}, 75, 30},
	{"1 % lost, fast", 10000, 1000000, 5, 100, 6, {B}, 1, ALL, {80}, 80, 10},
	{"1 % lost, far", 10000, 20000, 200, 100, 60, {B}, 1, ALL, {60}, 60, 10},
	{"2 % lost", 20000, 100000, 20, 100, 20, {B}, 1, ALL, {80}, 80, 10},
	{"5 % lost", 50000, 100000, 20, 100, 20, {B}, 1, ALL, {2}, 2, 10},
	{"two, slow", 0, 2000, 40, 200, 120, {B, B}, 2, ALL, {30, 30}, 90, 70},
	{"two, short queue", 0, 100000, 20, 25, 60, {B, B}, 2, ALL, {25, 25}, 90, 30},
	{"two, queue of a line", 0, 100000, 20, 100, 60, {B, B}, 2, ALL, {25, 25}, 90, 30},
	{"two, long queue", 0, 100000, 20, 400, 60, {B, B}, 2, ALL, {35, 35}, 90, 10},
	{"BBR and CUBIC, short", 0, 100000, 20, 25, 60, {B, C}, 2, ALL, {10, 5}, 85, 30},
	{"BBR and CUBIC", 0, 100000, 20, 100, 60, {B, C}, 2, ALL, {10, 8}, 90, 30},
	{"BBR and CUBIC, long", 0, 100000, 20, 400, 60, {B, C}, 2, ALL, {20, 25}, 90, 10},
};

static const uint8_t zeros[16384];

static void fill(struct flow *flow)
{
	const struct tcp_piece piece = {zeros, sizeof(zeros), NULL};

	while (tcp_send_room(flow->connection) >= sizeof(zeros) &&
		tcp_send(flow->connection, &piece, 1) == 1)
		;
}

static void on_output(void *io, const struct tcp_output *out)
{
	struct end *end = io;
	struct tcp_output one;
	struct tcp_cut cut;

	tcp_cut_begin(&cut, out);
	while (tcp_cut_next(&cut, &one))
		net_send(&end->line->net, end->side, &one);
}

static enum tcp_verdict on_listen(void *io, const struct tcp_tuple *tuple, struct tcp_open *open)
{
	struct end *end = io;

	open->user = &end->line->flows[(tuple->remote_port - PORT) / 2];
	return TCP_ACCEPT;
}

static void on_receive(struct tcp_connection *connection, void *user, const struct tcp_piece *piece)
{
	struct flow *flow = user;

	flow->received += piece->length;
	memory_free(piece->owner);
	tcp_consume(connection, piece->length);
}

static void on_event(struct tcp_connection *connection, void *user, enum tcp_event event, int value)
{
	struct flow *flow = user;

	if (connection == flow->connection && event != TCP_EVENT_CLOSED)
		fill(flow);
}

static void on_release(void *io, void *owner)
{
	if (owner)
		memory_free(owner);
}

static const struct tcp_ops ops = {on_output, on_listen, on_receive, on_event, on_release};

static struct tcp *instance(const struct row *row, struct end *end, enum tcp_congestion control)
{
	struct tcp_config config;
	struct tcp *tcp;

	tcp_config_default(&config);
	config.options = row->options;
	config.congestion = control;
	config.run_bytes = 65435;
	config.connections = config.waits = 4;
	config.blocks = 65536;
	tcp = tcp_new(&config, &ops, end);
	if (!tcp)
		abort();
	return tcp;
}

static void play(struct line *line, struct tcp *senders[FLOWS], uint64_t until)
{
	struct net *net = &line->net;

	for (;;) {
		uint64_t next = net_next_us(net), due = tcp_next_us(net->sides[1]);

		next = due < next ? due : next;
		for (unsigned i = 0; i < FLOWS; i++) {
			due = tcp_next_us(senders[i]);
			next = due < next ? due : next;
		}
		if (next > until)
			return;
		net->now_us = next > net->now_us ? next : net->now_us;
		if (net_next_us(net) <= net->now_us)
			net_deliver(net);
		tcp_run(net->sides[1], net->now_us);
		for (unsigned i = 0; i < FLOWS; i++)
			tcp_run(senders[i], net->now_us);
	}
}

static bool judge(const struct row *row, const struct line *line)
{
	const struct net *net = &line->net;
	double seconds = (double)row->seconds * 2 / 3, together = 0, full;
	bool good = true;

	printf("%-22s %6.0f Mbit/s %3u ms queue %3u %%: ", row->what, row->kbit / 1e3, row->rtt_ms,
		row->queue_percent);
	for (unsigned i = 0; i < row->flows; i++) {
		const struct flow *flow = &line->flows[i];
		double part = (double)(flow->received - flow->counted) * 8 / 1e3 / seconds /
			      row->kbit * 100;

		printf("%s %4.1f %%  ", row->control[i] == B ? "bbr" : "cubic", part);
		together += part;
		good &= part >= row->least_percent[i];
	}
	full = (double)net->overflowed * 1000 / (double)(net->carried + net->overflowed);
	printf("together %4.1f %%, %.2f %% lost to a full queue", together, full / 10);
	good &= together >= row->together_percent && full <= row->full_permille;
	printf("%s\n", good ? "" : "   FAILED");
	return good;
}

static bool run(const struct row *row)
{
	struct line line = {
		.net = {.random = 7, .loss = row->loss, .mtu = 1500, .mtu_later = 1500}};
	struct net *net = &line.net;
	struct end ends[2] = {{&line, 0}, {&line, 1}};
	struct tcp *senders[FLOWS];
	uint64_t third = row->seconds * SECOND / 3;
	bool good;

	net->delay_us = row->rtt_ms * 500;
	net->bits_per_second = row->kbit * 1000ULL;
	net->queue_bytes = row->kbit / 8 * row->rtt_ms / 100 * row->queue_percent;
	net->now_us = SECOND;
	net->sides[1] = instance(row, &ends[1], B);
	net->sides[0] = senders[0] = instance(row, &ends[0], row->control[0]);
	net->twin = senders[1] = instance(row, &ends[0], row->control[1]);
	net->twin_port = PORT + 2;
	for (unsigned i = 0; i < FLOWS; i++) {
		struct flow *flow = &line.flows[i];
		struct tcp_tuple tuple = net_tuple(0, (uint16_t)(PORT + 2 * i));
		struct tcp_open open = {.user = flow};

		tcp_run(senders[i], net->now_us);
		// The second comes when the first has the line.
		if (i < row->flows)
			tcp_connect(senders[i], &tuple, &open, &flow->connection);
		play(&line, senders, SECOND + third * (i + 1) / 2);
	}
	for (unsigned i = 0; i < FLOWS; i++)
		line.flows[i].counted = line.flows[i].received;
	net->carried = net->overflowed = 0;
	play(&line, senders, SECOND + 3 * third);
	good = judge(row, &line);
	for (unsigned i = 0; i < FLOWS; i++)
		tcp_free(senders[i]);
	tcp_free(net->sides[1]);
	net_clear(net);
	return good;
}

int main(void)
{
	bool good = true;

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		good &= run(&rows[i]);
	return !good;
}
