// SPDX-License-Identifier: BSD-3-Clause
// Two TCP instances over a simulated network, everything under one seed: loss to 30 %, reordering,
// duplication, corruption, tiny windows, readers that stop, half-close, aborts, smaller MTUs,
// options on and off, cookies, numbers that wrap. Every byte is checked, nothing may stall or be
// forgotten.
//   tcp_sim [--first N] [--seeds N]   many worlds; the first that fails is named
//   tcp_sim --seed N [-v]             one of them again, with its segments
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim_net.h"

#define CONNECTIONS 4
#define SECOND      1000000ULL
#define DEADLINE    (20000 * SECOND) // a world has to be over by then
#define PORT        10000

struct app { // one end of one connection
	struct world *world;
	struct tcp_connection *connection;
	unsigned side, index;
	uint64_t total, queued, sent, received;
	uint64_t abort_at;   // received or sent bytes; 0: never
	uint64_t wake_us;    // when it consumes again; UINT64_MAX: nothing to
	uint32_t unconsumed; // bytes
	uint32_t pause_us;   // the longest before it reads on; 0: reads at once
	bool waits;          // sends only when the other is finished
	bool connected, finished, heard_end, closed, aborted;
	int why;
};

struct world {
	struct net net;
	struct app apps[2][CONNECTIONS];
	unsigned connections;
	bool cookies;
	const char *wrong;
	uint64_t captured; // the sequence number of the last segment out
};

struct end { // of a world: an instance's io
	struct world *world;
	unsigned side;
};

static void wrong(struct world *world, const char *what)
{
	if (!world->wrong)
		world->wrong = what;
}

static uint8_t pattern(const struct app *sender, uint64_t at)
{
	return (uint8_t)((at * 0x9e3779b97f4a7c15 >> 40) + at + sender->index * 3ULL +
			 sender->side);
}

static void drive(struct app *app)
{
	struct net *net = &app->world->net;

	if (!app->connected || app->closed || app->aborted || (app->waits && !app->heard_end))
		return;
	if (app->abort_at && app->received + app->sent >= app->abort_at) {
		app->aborted = true;
		tcp_abort(app->connection);
		return;
	}
	while (app->queued < app->total) {
		struct tcp_piece piece;
		struct memory *memory;
		uint32_t room = tcp_send_room(app->connection), length = 1 + net_below(net, 4000);

		if (app->total - app->queued < length)
			length = (uint32_t)(app->total - app->queued);
		if (!room)
			return;
		length = length < room ? length : room;
		memory = memory_new(net, length);
		for (uint32_t i = 0; i < length; i++)
			memory->data[i] = pattern(app, app->queued + i);
		piece = (struct tcp_piece){memory->data, length, memory};
		if (tcp_send(app->connection, &piece, 1) != 1) {
			memory_free(memory);
			wrong(app->world, "a piece was refused where there was room");
			return;
		}
		app->queued += length;
	}
	if (!app->finished) {
		app->finished = true;
		tcp_finish(app->connection);
	}
}

static void on_output(void *io, const struct tcp_output *out)
{
	struct end *end = io;
	struct tcp_output one;
	struct tcp_cut cut;

	end->world->captured = out->seq;
	tcp_cut_begin(&cut, out);
	while (tcp_cut_next(&cut, &one))
		net_send(&end->world->net, end->side, &one);
}

static enum tcp_verdict on_listen(void *io, const struct tcp_tuple *tuple, struct tcp_open *open)
{
	struct end *end = io;
	struct app *app = &end->world->apps[1][(tuple->remote_port - PORT) % CONNECTIONS];

	// What is over does not begin again: an old SYN, or the ACK of an old cookie.
	if (end->side != 1 || app->connected)
		return TCP_REFUSE;
	open->user = app;
	open->mtu = (uint16_t)end->world->net.mtu;
	return TCP_ACCEPT;
}

static void on_receive(struct tcp_connection *connection, void *user, const struct tcp_piece *piece)
{
	struct app *app = user;
	struct world *world = app->world;
	const struct app *sender = &world->apps[!app->side][app->index];
	const uint8_t *bytes = piece->data;

	if (app->closed || app->aborted || app->heard_end)
		wrong(world, "bytes after the end");
	for (uint32_t i = 0; i < piece->length; i++)
		if (bytes[i] != pattern(sender, app->received + i))
			wrong(world, "a byte that was not sent");
	app->received += piece->length;
	memory_free(piece->owner);
	if (app->received > sender->queued)
		wrong(world, "more bytes than were sent");
	app->unconsumed += piece->length;
	if (!app->pause_us) {
		tcp_consume(connection, app->unconsumed);
		app->unconsumed = 0;
	} else if (app->wake_us == UINT64_MAX) {
		app->wake_us = world->net.now_us + net_below(&world->net, app->pause_us);
	}
	drive(app);
}

static void on_event(struct tcp_connection *connection, void *user, enum tcp_event event, int value)
{
	struct app *app = user;

	if (app->world->net.verbose)
		printf("%10.3f ms  %c:%u event %d value %d\n",
			(double)app->world->net.now_us / 1000, "AB"[app->side], PORT + app->index,
			event, value);
	if (app->closed || app->aborted)
		wrong(app->world, "an event after the end");
	if (event == TCP_EVENT_CONNECTED) {
		app->connection = connection;
		app->connected = true;
	} else if (event == TCP_EVENT_SENT) {
		app->sent += (uint32_t)value;
	} else if (event == TCP_EVENT_FINISHED) {
		app->heard_end = true;
		if (app->received != app->world->apps[!app->side][app->index].total)
			wrong(app->world, "the end came early");
	} else {
		app->closed = true;
		app->why = value;
	}
	drive(app);
}

static void on_release(void *io, void *owner)
{
	memory_free(owner);
}

static const struct tcp_ops ops = {on_output, on_listen, on_receive, on_event, on_release};

static uint32_t one_of(struct net *net, const uint32_t *values, unsigned count)
{
	return values[net_below(net, count)];
}

static void configure(struct net *net, struct tcp_config *config, bool cookies)
{
	static const uint32_t bounds[] = {300, 1000, 3000, 20000, 65535, 65536, 262144, 1000000};
	static const uint32_t blocks[] = {4, 16, 64, 1024};

	tcp_config_default(config);
	config->connections = CONNECTIONS;
	config->waits = CONNECTIONS;
	config->connection_blocks = one_of(net, blocks, 4);
	config->blocks = 3 * CONNECTIONS * config->connection_blocks;
	config->receive_bytes = one_of(net, bounds, 8);
	config->send_bytes = one_of(net, bounds, 8);
	config->half_open = cookies ? 0 : 16;
	config->options = (uint8_t)net_below(net, 8);
	if (net_chance(net, 500000))
		config->options = TCP_OPTION_SCALE | TCP_OPTION_SACK | TCP_OPTION_TIME;
	config->run_bytes = net_chance(net, 500000) ? net_below(net, 65436) : 0;
	config->congestion = net_chance(net, 500000) ? TCP_CONGESTION_BBR : TCP_CONGESTION_CUBIC;
	config->rto_max_ms = 10000;
	config->connect_ms = 900000;
	config->user_ms = 900000;
	config->wait_ms = 300000;
	config->keep_idle_ms = 60000;
	config->keep_interval_ms = 5000;
	config->keep_probes = 100;
	for (unsigned i = 0; i < sizeof(config->key); i++)
		config->key[i] = (uint8_t)net_random(net);
}

static void lay_out(struct world *world)
{
	static const uint32_t rates[] = {0, 0, 1000000, 10000000, 100000000};
	static const uint32_t mtus[] = {576, 1280, 1500, 9000};
	struct net *net = &world->net;
	bool bad = net_chance(net, 500000);

	net->loss = bad ? net_below(net, 300000) : net_below(net, 20000);
	net->twice = net_chance(net, 500000) ? net_below(net, 100000) : 0;
	net->corrupt = net_chance(net, 500000) ? net_below(net, 50000) : 0;
	net->delay_us = 50 + net_below(net, net_chance(net, 500000) ? 1000 : 100000);
	net->jitter_us = net_chance(net, 500000) ? net_below(net, 3 * net->delay_us) : 0;
	net->bits_per_second = one_of(net, rates, 5);
	net->queue_bytes = 3000 + net_below(net, 200000);
	net->mtu = one_of(net, mtus, 4);
	net->mtu_later =
		net_chance(net, 250000) ? net->mtu - net_below(net, net->mtu / 2) : net->mtu;
	if (net->mtu_later < 1280)
		net->mtu_later = net->mtu < 1280 ? net->mtu : 1280;
	net->mtu_us = UINT64_MAX;
	world->cookies = net_chance(net, 200000);
	world->connections = 1 + net_below(net, CONNECTIONS);
	for (unsigned side = 0; side < 2; side++) {
		for (unsigned i = 0; i < world->connections; i++) {
			struct app *app = &world->apps[side][i];

			app->world = world;
			app->side = side;
			app->index = i;
			app->wake_us = UINT64_MAX;
			app->total = net_below(net, 1U << (4 + net_below(net, 17)));
			if (net_chance(net, 200000))
				app->pause_us = 1 + net_below(net, 2000000);
			if (net_chance(net, 50000))
				app->abort_at = 1 + net_below(net, 30000);
			app->waits = side && net_chance(net, 200000);
		}
	}
}

// So that the numbers of the first connection wrap under way.
static uint64_t start_time(struct world *world, const struct tcp_config *config)
{
	struct end end = {world, 0};
	struct tcp *tcp = tcp_new(config, &ops, &end);
	struct tcp_tuple tuple = net_tuple(0, PORT);
	struct tcp_connection *connection;
	struct tcp_open open = {0};

	if (net_chance(&world->net, 700000) || !tcp ||
		tcp_connect(tcp, &tuple, &open, &connection)) {
		tcp_free(tcp);
		return SECOND;
	}
	tcp_run(tcp, 4 * SECOND);
	tcp_free(tcp);
	net_clear(&world->net);
	return 4 * SECOND +
	       4ULL * (uint32_t)(0 - (uint32_t)world->captured - net_below(&world->net, 20000));
}

static uint64_t apps_next(const struct world *world)
{
	uint64_t next = UINT64_MAX;

	for (unsigned side = 0; side < 2; side++)
		for (unsigned i = 0; i < world->connections; i++)
			if (world->apps[side][i].wake_us < next)
				next = world->apps[side][i].wake_us;
	return next;
}

static void apps_wake(struct world *world)
{
	for (unsigned side = 0; side < 2; side++) {
		for (unsigned i = 0; i < world->connections; i++) {
			struct app *app = &world->apps[side][i];

			if (app->wake_us > world->net.now_us)
				continue;
			app->wake_us = UINT64_MAX;
			if (!app->closed && !app->aborted)
				tcp_consume(app->connection, app->unconsumed);
			app->unconsumed = 0;
		}
	}
}

// Until nothing is left to happen, or the deadline.
static void play(struct world *world, uint64_t deadline)
{
	struct net *net = &world->net;

	while (!world->wrong) {
		uint64_t next = net_next_us(net), app = apps_next(world);

		for (unsigned side = 0; side < 2; side++) {
			uint64_t due = tcp_next_us(net->sides[side]);

			next = due < next ? due : next;
		}
		next = app < next ? app : next;
		if (next == UINT64_MAX)
			return;
		if (next > deadline) {
			wrong(world, "it stalls");
			return;
		}
		net->now_us = next > net->now_us ? next : net->now_us;
		if (net_next_us(net) <= net->now_us)
			net_deliver(net);
		apps_wake(world);
		tcp_run(net->sides[0], net->now_us);
		tcp_run(net->sides[1], net->now_us);
	}
}

static void judge(struct world *world)
{
	uint32_t left[3];

	for (unsigned i = 0; i < world->connections; i++) {
		const struct app *a = &world->apps[0][i], *b = &world->apps[1][i];
		// A cookie is of no use when the ACK that brings it back is lost, or too late.
		bool excused = a->aborted || b->aborted || (world->cookies && !b->connected);

		if (excused)
			continue;
		if (!a->closed || !b->closed)
			wrong(world, "an end is not told of");
		if (a->why || b->why)
			wrong(world, "a connection broke");
		if (a->received != b->total || b->received != a->total)
			wrong(world, "bytes are missing");
		if (a->sent != a->total || b->sent != b->total)
			wrong(world, "sent bytes are not accounted for");
	}
	for (unsigned side = 0; side < 2; side++) {
		tcp_usage(world->net.sides[side], &left[0], &left[1], &left[2]);
		if (left[0] || left[1] || left[2])
			wrong(world, "connections or blocks are left over");
	}
}

static const char *run_seed(uint64_t seed, bool verbose, uint64_t *trace)
{
	struct world world = {.net = {.random = seed, .verbose = verbose}};
	struct net *net = &world.net;
	struct end ends[2] = {{&world, 0}, {&world, 1}};
	struct tcp_config config[2];

	lay_out(&world);
	for (unsigned side = 0; side < 2; side++) {
		configure(net, &config[side], world.cookies);
		net->sides[side] = tcp_new(&config[side], &ops, &ends[side]);
		if (!net->sides[side])
			abort();
	}
	net->now_us = start_time(&world, &config[0]);
	net->mtu_us = net->now_us + net_below(net, 5000000);
	if (verbose)
		printf("loss %u twice %u corrupt %u delay %u jitter %u rate %lu mtu %u/%u cookies "
		       "%d\n",
			net->loss, net->twice, net->corrupt, net->delay_us, net->jitter_us,
			net->bits_per_second, net->mtu, net->mtu_later, world.cookies);
	tcp_run(net->sides[1], net->now_us);
	tcp_run(net->sides[0], net->now_us);
	for (unsigned i = 0; i < world.connections; i++) {
		struct app *app = &world.apps[0][i];
		struct tcp_tuple tuple = net_tuple(0, (uint16_t)(PORT + i));
		struct tcp_open open = {.user = app, .mtu = (uint16_t)net->mtu};

		open.nagle = net_chance(net, 300000);
		if (tcp_connect(net->sides[0], &tuple, &open, &app->connection))
			wrong(&world, "no connection to be had");
	}
	play(&world, net->now_us + DEADLINE);
	if (!world.wrong)
		judge(&world);
	tcp_free(net->sides[0]);
	tcp_free(net->sides[1]);
	net_clear(net);
	if (!world.wrong && net->live)
		wrong(&world, "payload was not released");
	*trace = net->trace;
	return world.wrong;
}

int main(int argc, char **argv)
{
	uint64_t first = 1, seeds = 500, trace, again;
	bool one = false, verbose = false;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "-v"))
			verbose = true;
		else if (i + 1 < argc && !strcmp(argv[i], "--first"))
			first = strtoull(argv[++i], NULL, 10);
		else if (i + 1 < argc && !strcmp(argv[i], "--seeds"))
			seeds = strtoull(argv[++i], NULL, 10);
		else if (i + 1 < argc && !strcmp(argv[i], "--seed"))
			one = (first = strtoull(argv[++i], NULL, 10), true);
	}
	if (one)
		seeds = 1;
	for (uint64_t seed = first; seed < first + seeds; seed++) {
		const char *what = run_seed(seed, verbose, &trace);

		// The same seed is the same world, to the last segment.
		if (!what && seed % 50 == 0 && (run_seed(seed, false, &again) || again != trace))
			what = "it does not replay";
		if (what) {
			printf("FAILED: %s; again with: tcp_sim --seed %lu -v\n", what, seed);
			return 1;
		}
	}
	printf("%lu worlds from seed %lu on: every byte, no stall, nothing left\n", seeds, first);
	return 0;
}
