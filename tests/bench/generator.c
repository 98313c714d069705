// SPDX-License-Identifier: BSD-3-Clause
// sluice-bench-generator: the world around the box under test.
//
//   sluice-bench-generator -l 0 --vdev net_memif0,role=server,... [--vdev net_memif1,...]
//
// Each memif port is a link, numbered in order. Orders come on the standard input, one a line, as
// words and key=value; each gets one line of JSON on the standard output. Between orders links that
// are served answer ARP and neighbour discovery.
//
//   net link=0 family=4 client=A vip=A pod=A pods=N snat=A snats=N peer=A node=A
//       vip_port=N pod_port=N    what the world looks like on this link
//   resolve link=0 family=4 seconds=5    waits for the link, then asks for the VIP's MAC; serves
//   ignore link=0    serves it no longer: the other end is going to leave
//   udp link=0 family=4 mode=sweep|steady|paced flows=N window=N seconds=S warm=S rate=R nap=US
//   tcp link=0 family=4 window=N first=N seconds=S warm=S
//   syn link=0 family=4 first=N seconds=S rate=R away=1    a flood; rate 0: what there is room for
//
// One thread, which measures; the tests' run script is the only caller.
#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <rte_eal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "syn_run.h"
#include "tcp_run.h"
#include "udp_run.h"

#define LINKS   4
#define BUFFERS 16383
#define WORDS   32

struct world {
	struct link links[LINKS];
	unsigned count;
};

struct words {
	const char *word[WORDS];
	unsigned count;
};

static const char *find_word(const struct words *words, const char *key)
{
	const size_t length = strlen(key);

	for (unsigned i = 1; i < words->count; i++) {
		if (strncmp(words->word[i], key, length) == 0 && words->word[i][length] == '=')
			return words->word[i] + length + 1;
	}
	return NULL;
}

static double number_of(const struct words *words, const char *key, double otherwise)
{
	const char *value = find_word(words, key);

	return value ? strtod(value, NULL) : otherwise;
}

static int reply(json_t *object)
{
	int rc = object && json_dumpf(object, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9)) == 0
			 ? 0
			 : -EIO;

	json_decref(object);
	putchar('\n');
	fflush(stdout);
	return rc;
}

static int reply_error(const char *text)
{
	return reply(json_pack("{s:s}", "error", text));
}

static bool address_of(const struct words *words, const char *key, uint8_t family, uint8_t *address)
{
	const char *value = find_word(words, key);

	return value && inet_pton(family == 4 ? AF_INET : AF_INET6, value, address) == 1;
}

static int order_net(struct net *net, const struct words *words)
{
	static const struct rte_ether_addr nobody = {{2, 0, 0, 0, 0, 1}};

	if (!address_of(words, "client", net->family, net->client) ||
		!address_of(words, "vip", net->family, net->vip) ||
		!address_of(words, "pod", net->family, net->pod) ||
		!address_of(words, "snat", net->family, net->snat) ||
		!address_of(words, "peer", net->family, net->peer[0]) ||
		!address_of(words, "node", net->family, net->peer[1]))
		return reply_error("net: an address is missing, or of the wrong family");
	net->pods = (uint32_t)number_of(words, "pods", 1);
	net->snats = (uint32_t)number_of(words, "snats", 1);
	net->vip_port = rte_cpu_to_be_16((uint16_t)number_of(words, "vip_port", 53));
	net->pod_port = rte_cpu_to_be_16((uint16_t)number_of(words, "pod_port", 5353));
	net->box = nobody;
	return reply(json_pack("{s:b}", "ok", 1));
}

static json_t *latency_json(const struct histogram *histogram)
{
	return json_pack("{s:I,s:f,s:f,s:f,s:f}", "samples", (json_int_t)histogram->samples,
		"p50_us", (double)histogram_quantile(histogram, 0.5) / 1000, "p90_us",
		(double)histogram_quantile(histogram, 0.9) / 1000, "p99_us",
		(double)histogram_quantile(histogram, 0.99) / 1000, "p999_us",
		(double)histogram_quantile(histogram, 0.999) / 1000);
}

static int order_udp(struct link *link, struct net *net, const struct words *words)
{
	const char *mode = find_word(words, "mode");
	struct udp_order order = {
		.mode = UDP_STEADY,
		.flows = (uint32_t)number_of(words, "flows", 1),
		.window = (uint32_t)number_of(words, "window", 512),
		.seconds = number_of(words, "seconds", 1),
		.warm_seconds = number_of(words, "warm", 0.1),
		.rate = number_of(words, "rate", 0),
		.nap_us = (uint32_t)number_of(words, "nap", 0),
	};
	struct udp_result *result = malloc(sizeof *result);
	int rc;

	if (mode && strcmp(mode, "sweep") == 0)
		order.mode = UDP_SWEEP;
	else if (mode && strcmp(mode, "paced") == 0)
		order.mode = UDP_PACED;
	if (result == NULL || order.flows == 0 || order.window == 0)
		rc = reply_error("udp: flows and window must be at least 1");
	else {
		udp_run(link, net, &order, result);
		rc = reply(json_pack("{s:f,s:I,s:f,s:I,s:I,s:I,s:I,s:s,s:I,s:I,s:I,s:I,s:f,s:o}",
			"seconds", result->seconds, "forwarded", (json_int_t)result->forwarded,
			"pps", (double)result->forwarded / result->seconds, "sent",
			(json_int_t)result->sent, "lost", (json_int_t)result->lost, "checked",
			(json_int_t)result->checked, "wrong", (json_int_t)result->wrong,
			"wrong_what", result->wrong_what ? result->wrong_what : "", "mirrored",
			(json_int_t)result->mirrored, "missing", (json_int_t)result->missing,
			"pods_seen", (json_int_t)result->pods_seen, "refused",
			(json_int_t)result->refused, "empty_polls",
			(double)result->empty_polls / (double)result->polls, "latency",
			latency_json(&result->latency)));
	}
	free(result);
	return rc;
}

static int order_tcp(struct link *link, struct net *net, const struct words *words)
{
	struct tcp_order order = {
		.window = (uint32_t)number_of(words, "window", 256),
		.first = (uint32_t)number_of(words, "first", 0),
		.seconds = number_of(words, "seconds", 1),
		.warm_seconds = number_of(words, "warm", 0.1),
	};
	struct tcp_result *result = malloc(sizeof *result);
	int rc;

	if (result == NULL || order.window == 0 || (order.window & (order.window - 1)) != 0)
		rc = reply_error("tcp: window must be a power of two");
	else {
		tcp_run(link, net, &order, result);
		rc = reply(json_pack("{s:f,s:I,s:f,s:f,s:I,s:I,s:I,s:I,s:s,s:I,s:I,s:f,s:o}",
			"seconds", result->seconds, "completed", (json_int_t)result->completed,
			"cps", (double)result->completed / result->seconds, "pps",
			(double)result->forwarded / result->seconds, "begun",
			(json_int_t)result->begun, "lost", (json_int_t)result->lost, "checked",
			(json_int_t)result->checked, "wrong", (json_int_t)result->wrong,
			"wrong_what", result->wrong_what ? result->wrong_what : "", "refused",
			(json_int_t)result->refused, "next", (json_int_t)result->next,
			"empty_polls", (double)result->empty_polls / (double)result->polls,
			"duration", latency_json(&result->duration)));
	}
	free(result);
	return rc;
}

static int order_syn(struct link *link, struct net *net, const struct words *words)
{
	struct syn_order order = {
		.seconds = number_of(words, "seconds", 1),
		.rate = number_of(words, "rate", 0),
		.first = (uint32_t)number_of(words, "first", 0),
		.away = number_of(words, "away", 0) != 0,
	};
	struct syn_result result;

	syn_run(link, net, &order, &result);
	return reply(json_pack("{s:f,s:I,s:f,s:I,s:I,s:I}", "seconds", result.seconds, "sent",
		(json_int_t)result.sent, "pps", (double)result.sent / result.seconds, "answered",
		(json_int_t)result.answered, "reset", (json_int_t)result.reset, "next",
		(json_int_t)result.next));
}

static int order_resolve(struct link *link, struct net *net, const struct words *words)
{
	char mac[RTE_ETHER_ADDR_FMT_SIZE];

	if (link_resolve(link, net, number_of(words, "seconds", 5)) != 0)
		return reply_error("resolve: nobody answered for the VIP");
	link->served = true;
	rte_ether_format_addr(mac, sizeof mac, &net->box);
	return reply(json_pack("{s:s}", "mac", mac));
}

static int obey(struct world *world, char *line)
{
	struct words words = {0};
	char *rest = NULL;
	unsigned number;
	struct link *link;
	struct net *net;

	for (char *word = strtok_r(line, " \n", &rest); word && words.count < WORDS;
		word = strtok_r(NULL, " \n", &rest))
		words.word[words.count++] = word;
	if (words.count == 0)
		return reply_error("an empty order");
	number = (unsigned)number_of(&words, "link", 0);
	if (number >= world->count)
		return reply_error("no such link");
	link = &world->links[number];
	net = &link->nets[number_of(&words, "family", 4) == 6];
	if (strcmp(words.word[0], "net") == 0)
		return order_net(net, &words);
	if (strcmp(words.word[0], "resolve") == 0)
		return order_resolve(link, net, &words);
	if (strcmp(words.word[0], "udp") == 0)
		return order_udp(link, net, &words);
	if (strcmp(words.word[0], "tcp") == 0)
		return order_tcp(link, net, &words);
	if (strcmp(words.word[0], "syn") == 0)
		return order_syn(link, net, &words);
	if (strcmp(words.word[0], "ignore") == 0) {
		link->served = false;
		return reply(json_pack("{s:b}", "ok", 1));
	}
	return reply_error("an unknown order");
}

static int serve(struct world *world)
{
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
	char line[1024];

	// Unbuffered: what poll() does not see must not be waiting in stdio.
	setvbuf(stdin, NULL, _IONBF, 0);
	for (;;) {
		int rc = poll(&input, 1, 1);

		if (rc < 0 && errno != EINTR)
			return -errno;
		if (rc > 0) {
			if (fgets(line, sizeof line, stdin) == NULL)
				return 0;
			rc = obey(world, line);
			if (rc)
				return rc;
		}
		for (unsigned i = 0; i < world->count; i++) {
			if (world->links[i].served)
				link_serve(&world->links[i]);
		}
	}
}

int main(int argc, char **argv)
{
	struct world world = {0};
	struct rte_mempool *pool;
	uint16_t port;
	int rc;

	rc = rte_eal_init(argc, argv);
	if (rc < 0)
		return EXIT_FAILURE;
	prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0); // naps are meant as they are
	pool = rte_pktmbuf_pool_create(
		"buffers", BUFFERS, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	if (pool == NULL) {
		fprintf(stderr, "generator: no memory for packet buffers\n");
		return EXIT_FAILURE;
	}
	RTE_ETH_FOREACH_DEV (port) {
		if (world.count == LINKS)
			break;
		rc = link_open(&world.links[world.count++], port, pool);
		if (rc) {
			fprintf(stderr, "generator: port %u: %s\n", port, strerror(-rc));
			return EXIT_FAILURE;
		}
	}
	reply(json_pack("{s:i}", "links", (int)world.count));
	rc = serve(&world);
	rte_eal_cleanup();
	return rc ? EXIT_FAILURE : EXIT_SUCCESS;
}
