// SPDX-License-Identifier: BSD-3-Clause
// Packets by hand through whole workers: a world of world_fixture.h under the command of a script.
//
// Reads one command a line from standard input: words, separated by spaces. Answers "ok", "wrong
// ...", or what is asked for as one line of JSON. tests/packet/world.py speaks it. Frames are in
// hexadecimal. A command with what is no address or number ends the program.
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frame_fixture.h"
#include "resolve.h"
#include "world_fixture.h"

#define BUFFERS    4095
#define WORDS_MAX  40
#define LINE_BYTES 65536

struct run {
	struct rte_mempool *frames, *pool;
	struct world *world;
	struct plan_change *change;
	struct rte_mbuf *starved[BUFFERS];
	unsigned starved_count;
};

struct command {
	const char *name;
	unsigned arguments; // at least
	void (*run)(struct run *run, char **words, unsigned count);
};

static unsigned long number(const char *text)
{
	char *end;
	unsigned long value = strtoul(text, &end, 0);

	if (end == text || *end) {
		fprintf(stderr, "no number: %s\n", text);
		exit(1);
	}
	return value;
}

static void ok(void)
{
	puts("ok");
}

static struct plan_change *change(struct run *run)
{
	if (!run->change)
		run->change =
			change_new(0, tables_generation(tables_current(run->world->tables)) + 1);
	run->change->base = run->change->generation - 1;
	return run->change;
}

static void end(struct run *run, char **words, unsigned count)
{
	if (run->world)
		world_free(run->world);
	run->world = NULL;
	if (run->change)
		change_free(run->change);
	run->change = NULL;
	rte_pktmbuf_free_bulk(run->starved, run->starved_count);
	run->starved_count = 0;
	printf("{\"lost\": %u}\n",
		rte_mempool_in_use_count(run->frames) + rte_mempool_in_use_count(run->pool));
}

// world WORKERS QUEUES FLOWS PORT_FIRST PORT_LAST RSS TX_CHECKSUM
static void begin(struct run *run, char **words, unsigned count)
{
	struct world_settings settings = world_defaults;

	settings.workers = (unsigned)number(words[0]);
	settings.queues = (unsigned)number(words[1]);
	settings.flows = (uint32_t)number(words[2]);
	settings.port_first = (uint16_t)number(words[3]);
	settings.port_last = (uint16_t)number(words[4]);
	settings.rss = number(words[5]);
	settings.tx_checksum = number(words[6]);
	run->world = world_new(&settings, run->frames, run->pool);
	if (!run->world) {
		fprintf(stderr, "no memory for a world\n");
		exit(1);
	}
	ok();
}

// iface PORT VLAN MTU
static void iface(struct run *run, char **words, unsigned count)
{
	world_iface(run->world, (unsigned)number(words[0]), (uint16_t)number(words[1]),
		(uint16_t)number(words[2]));
	ok();
}

// route TO IFACE [VIA]
static void route(struct run *run, char **words, unsigned count)
{
	world_route(run->world, words[0], (uint16_t)number(words[1]), count > 2 ? words[2] : "");
	ok();
}

static void local(struct run *run, char **words, unsigned count)
{
	world_local(run->world, words[0], (uint16_t)number(words[1]));
	ok();
}

// neighbour ADDRESS IFACE [MAC]
static void neighbour(struct run *run, char **words, unsigned count)
{
	world_neighbour(
		run->world, words[0], (uint16_t)number(words[1]), count > 2 ? words[2] : "");
	ok();
}

static void publish(struct run *run, char **words, unsigned count)
{
	world_publish(run->world);
	ok();
}

static void snat(struct run *run, char **words, unsigned count)
{
	struct open_sources *sources = &run->world->snat;
	struct addr addr = address_of(words[0]);

	if (addr_is_v4(&addr))
		sources->v4[sources->v4_count++] = addr_v4(&addr);
	else
		sources->v6[sources->v6_count++] = addr;
	ok();
}

static void vip(struct run *run, char **words, unsigned count)
{
	change_vip(change(run), words[0]);
	ok();
}

// pool NAME ALGORITHM
static void pool(struct run *run, char **words, unsigned count)
{
	change_pool(change(run), words[0], (uint8_t)number(words[1]));
	ok();
}

// endpoint ADDRESS PORT STATE WEIGHT: of the pool named last
static void endpoint(struct run *run, char **words, unsigned count)
{
	change_endpoint(change(run), words[0], (uint16_t)number(words[1]),
		(uint8_t)number(words[2]), (uint16_t)number(words[3]));
	ok();
}

// listener VIP PROTOCOL PORT POOL MODE AFFINITY_S [SOURCE ...]
static void listener(struct run *run, char **words, unsigned count)
{
	struct plan_listener *made = change_listener(change(run), words[0],
		(uint8_t)number(words[1]), (uint16_t)number(words[2]), words[3]);

	made->mode = (uint8_t)number(words[4]);
	made->affinity_s = (uint32_t)number(words[5]);
	for (unsigned i = 6; i < count; i++)
		change_source(made, words[i]);
	ok();
}

// unlisten VIP PROTOCOL PORT
static void unlisten(struct run *run, char **words, unsigned count)
{
	change_remove_listener(
		change(run), words[0], (uint8_t)number(words[1]), (uint16_t)number(words[2]));
	ok();
}

static void apply(struct run *run, char **words, unsigned count)
{
	int error = world_apply(run->world, change(run));

	change_free(run->change);
	run->change = NULL;
	if (error)
		puts("wrong plan");
	else
		ok();
}

static void sweep(struct run *run, char **words, unsigned count)
{
	world_sweep(run->world);
	ok();
}

static void pass(struct run *run, char **words, unsigned count)
{
	world_pass(run->world, number(words[0]));
	ok();
}

static void mtu(struct run *run, char **words, unsigned count)
{
	run->world->ifaces[number(words[0])].mtu = (uint16_t)number(words[1]);
	ok();
}

static void room(struct run *run, char **words, unsigned count)
{
	run->world->ports[number(words[0])].tx_room = (uint16_t)number(words[1]);
	ok();
}

// starve LEFT: takes away all but so many of the buffers workers make packets in
static void starve(struct run *run, char **words, unsigned count)
{
	while (rte_mempool_avail_count(run->pool) > number(words[0]))
		run->starved[run->starved_count++] = rte_pktmbuf_alloc(run->pool);
	ok();
}

static unsigned bytes_of(const char *hex, uint8_t *bytes, unsigned room_bytes)
{
	unsigned length = 0, byte;

	for (; hex[0] && hex[1] && length < room_bytes && sscanf(hex, "%2x", &byte) == 1; hex += 2)
		bytes[length++] = (uint8_t)byte;
	if (*hex && strcmp(hex, "-") != 0) {
		fprintf(stderr, "no frame: %s\n", hex);
		exit(1);
	}
	return length;
}

// in PORT QUEUE FRAME
static void in(struct run *run, char **words, unsigned count)
{
	uint8_t bytes[FRAME_ROOM];
	unsigned length = bytes_of(words[2], bytes, FRAME_ROOM - RTE_PKTMBUF_HEADROOM);

	if (world_receive(run->world, (unsigned)number(words[0]), (unsigned)number(words[1]), bytes,
		    length))
		ok();
	else
		puts("wrong frame");
}

// kernel IFACE FRAME: what the kernel sends out of an interface, by the last worker
static void kernel(struct run *run, char **words, unsigned count)
{
	uint8_t bytes[FRAME_ROOM];
	unsigned length = bytes_of(words[1], bytes, FRAME_ROOM - RTE_PKTMBUF_HEADROOM);
	struct rte_mbuf *mbuf = frame_mbuf(run->frames, bytes, length);

	*packet_note(mbuf) =
		(struct note){.kind = NOTE_TRANSMIT, .iface = (uint16_t)number(words[0])};
	rte_ring_enqueue(run->world->inboxes[run->world->settings.workers - 1], mbuf);
	ok();
}

static void print_frame(const struct rte_mbuf *mbuf, const char *what, unsigned a, unsigned b)
{
	printf("{\"%s\": %u, \"queue\": %u, \"frame\": \"", what, a, b);
	for (unsigned i = 0; i < mbuf->data_len; i++)
		printf("%02x", rte_pktmbuf_mtod(mbuf, const uint8_t *)[i]);
	printf("\"}");
}

// rounds N: that many, and more while workers have something to do. All that came out.
static void rounds(struct run *run, char **words, unsigned count)
{
	struct world *world = run->world;
	struct resolve_request request;
	char text[ADDR_TEXT];
	const char *comma = "";
	struct rte_mbuf *mbuf;

	for (unsigned long i = number(words[0]); world_round(world) || i > 1;)
		i -= i > 1;
	printf("[");
	for (unsigned port = 0; port < WORLD_PORTS; port++)
		for (unsigned queue = 0; queue < world->settings.queues; queue++)
			while ((mbuf = world_sent(world, port, queue))) {
				printf("%s", comma);
				print_frame(mbuf, "port", port, queue);
				rte_pktmbuf_free(mbuf);
				comma = ", ";
			}
	while (rte_ring_dequeue(world->host, (void **)&mbuf) == 0) {
		printf("%s", comma);
		print_frame(mbuf, "host", packet_note(mbuf)->iface, 0);
		rte_pktmbuf_free(mbuf);
		comma = ", ";
	}
	while (rte_ring_dequeue_elem(world->resolve, &request, sizeof(request)) == 0) {
		printf("%s{\"resolve\": \"%s\", \"iface\": %u}", comma,
			addr_format(&request.neighbour, text), request.iface);
		comma = ", ";
	}
	printf("]\n");
}

static void drops(struct run *run, char **words, unsigned count)
{
	const char *comma = "";

	printf("{");
	for (enum drop drop = 0; drop < DROP_COUNT; drop++)
		if (world_drops(run->world, drop)) {
			printf("%s\"%s\": %llu", comma, drop_name(drop),
				(unsigned long long)world_drops(run->world, drop));
			comma = ", ";
		}
	printf("}\n");
}

static void print_view(const struct flow_view *view)
{
	char client[ADDR_TEXT], vip_text[ADDR_TEXT], endpoint_text[ADDR_TEXT], source[ADDR_TEXT];

	printf("{\"worker\": %u, \"protocol\": %u, \"state\": \"%s\", \"client\": \"%s\", "
	       "\"client_port\": %u, \"vip\": \"%s\", \"vip_port\": %u, \"endpoint\": \"%s\", "
	       "\"endpoint_port\": %u, \"source\": \"%s\", \"source_port\": %u, \"packets\": %llu}",
		view->worker, view->protocol, flow_state_name(view->state),
		addr_format(&view->client, client), ntohs(view->client_port),
		addr_format(&view->vip, vip_text), ntohs(view->vip_port),
		addr_format(&view->endpoint, endpoint_text), ntohs(view->endpoint_port),
		addr_format(&view->source, source), ntohs(view->source_port),
		(unsigned long long)view->packets);
}

static void flows(struct run *run, char **words, unsigned count)
{
	struct world *world = run->world;
	struct worker_command commands[WORLD_WORKERS] = {0};
	static const unsigned limit = 4096;
	const char *comma = "";

	printf("[");
	for (unsigned i = 0; i < world->settings.workers; i++) {
		struct worker_command *command = &commands[i];

		command->kind = COMMAND_DUMP;
		command->filter.limit = limit;
		command->views = calloc(limit, sizeof(*command->views));
		world->workers[i]->command = command;
		while (world->workers[i]->command)
			worker_command_step(world->workers[i]);
		for (uint32_t j = 0; j < command->view_count; j++) {
			printf("%s", comma);
			print_view(&command->views[j]);
			comma = ", ";
		}
		free(command->views);
	}
	printf("]\n");
}

// What each worker holds, received and handed over.
static void workers(struct run *run, char **words, unsigned count)
{
	const struct world *world = run->world;

	printf("[");
	for (unsigned i = 0; i < world->settings.workers; i++) {
		const struct worker *worker = world->workers[i];
		uint64_t load = 0;

		for (unsigned slot = 0; slot < 1024; slot++)
			load += worker->opener.load[slot];
		printf("%s{\"flows\": %u, \"load\": %llu, \"packets\": %llu, \"handed_over\": "
		       "%llu, "
		       "\"held\": %u}",
			i ? ", " : "", worker->flows->used, (unsigned long long)load,
			(unsigned long long)worker->counters.packets,
			(unsigned long long)worker->counters.handed_over,
			worker->transmitter.held_count);
	}
	printf("]\n");
}

static const struct command commands[] = {
	{"world", 7, begin},
	{"end", 0, end},
	{"iface", 3, iface},
	{"route", 2, route},
	{"local", 2, local},
	{"neighbour", 2, neighbour},
	{"publish", 0, publish},
	{"snat", 1, snat},
	{"vip", 1, vip},
	{"pool", 2, pool},
	{"endpoint", 4, endpoint},
	{"listener", 6, listener},
	{"unlisten", 3, unlisten},
	{"apply", 0, apply},
	{"sweep", 0, sweep},
	{"pass", 1, pass},
	{"mtu", 2, mtu},
	{"room", 2, room},
	{"starve", 1, starve},
	{"in", 3, in},
	{"kernel", 2, kernel},
	{"rounds", 1, rounds},
	{"drops", 0, drops},
	{"flows", 0, flows},
	{"workers", 0, workers},
};

static void obey(struct run *run, char *line)
{
	char *words[WORDS_MAX], *rest = line;
	unsigned count = 0;

	while (count < WORDS_MAX && (words[count] = strtok_r(rest, " \n", &rest)))
		count++;
	for (unsigned i = 0; count && i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(commands[i].name, words[0]) == 0 && count > commands[i].arguments) {
			commands[i].run(run, words + 1, count - 1);
			return;
		}
	fprintf(stderr, "no command: %s\n", count ? words[0] : "");
	exit(1);
}

int main(int argc, char **argv)
{
	struct run run = {0};
	char *line = malloc(LINE_BYTES);

	frames_start(argv[0]);
	run.frames = frames_pool("frames", BUFFERS);
	run.pool = frames_pool("answers", BUFFERS);
	while (line && fgets(line, LINE_BYTES, stdin)) {
		obey(&run, line);
		fflush(stdout);
	}
	free(line);
	frames_pool_free(run.frames);
	frames_pool_free(run.pool);
	rte_eal_cleanup();
	return 0;
}
