// SPDX-License-Identifier: BSD-3-Clause
// fib.c: longest prefix match of both families, hops that keep their index, source addresses.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fib.h"

static struct addr address(const char *text)
{
	struct addr addr;

	assert_int_equal(addr_parse(&addr, text), 0);
	return addr;
}

static struct fib_route route(
	const char *to, enum fib_result result, uint16_t iface, const char *via)
{
	struct fib_route made = {.result = result, .iface = iface};

	assert_int_equal(prefix_parse(&made.to, to), 0);
	if (via)
		made.via = address(via);
	return made;
}

static struct fib_neighbour neighbour(const char *text, uint16_t iface, uint8_t last, uint8_t state)
{
	struct fib_neighbour made = {.address = address(text), .iface = iface, .state = state};

	made.mac.addr_bytes[0] = 2;
	made.mac.addr_bytes[5] = last;
	return made;
}

static struct fib_answer look(const struct fib *fib, const char *to)
{
	struct addr addr = address(to);

	return fib_lookup(fib, &addr);
}

static void assert_neighbour(const struct fib *fib, const char *to, uint16_t iface, const char *via)
{
	struct fib_answer answer = look(fib, to);
	struct addr expected = address(via);

	assert_int_equal(answer.result, FIB_NEIGHBOUR);
	assert_int_equal(answer.iface, iface);
	assert_memory_equal(&answer.via, &expected, sizeof(expected));
}

static void longest_prefix_wins(void **state)
{
	const struct fib_route routes[] = {
		route("0.0.0.0/0", FIB_HOP, 1, "10.0.0.254"),
		route("10.0.0.0/24", FIB_HOP, 1, NULL),
		route("10.0.0.1/32", FIB_LOCAL, 0, NULL),
		route("10.1.0.0/16", FIB_HOP, 2, "10.0.2.1"),
		route("10.1.128.0/17", FIB_HOP, 3, "10.0.3.1"),
		route("10.1.128.0/18", FIB_REJECT, 0, NULL),
		route("2001:db8::/32", FIB_HOP, 4, "fe80::1"),
		route("2001:db8:0:1::/64", FIB_HOP, 5, NULL),
		route("2001:db8:0:1::1/128", FIB_LOCAL, 0, NULL),
	};
	struct fib *fib = fib_build(NULL, routes, 9, NULL, 0, NULL, 0);

	(void)state;
	assert_non_null(fib);
	assert_neighbour(fib, "8.8.8.8", 1, "10.0.0.254");
	assert_neighbour(fib, "10.0.0.77", 1, "10.0.0.77");
	assert_int_equal(look(fib, "10.0.0.1").result, FIB_LOCAL);
	assert_neighbour(fib, "10.1.127.255", 2, "10.0.2.1");
	assert_neighbour(fib, "10.1.255.255", 3, "10.0.3.1");
	assert_int_equal(look(fib, "10.1.191.255").result, FIB_REJECT);
	assert_neighbour(fib, "10.1.192.0", 3, "10.0.3.1");
	assert_neighbour(fib, "2001:db8:ffff::1", 4, "fe80::1");
	assert_neighbour(fib, "2001:db8:0:1::2", 5, "2001:db8:0:1::2");
	assert_int_equal(look(fib, "2001:db8:0:1::1").result, FIB_LOCAL);
	assert_int_equal(look(fib, "2001:db9::1").result, FIB_NONE); // no default of IPv6
	assert_true(fib_is_local(fib,
		&(struct addr){.byte = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1}}));
	assert_false(fib_is_local(fib, &routes[8].via));
	fib_free(fib);
}

static void families_do_not_mix(void **state)
{
	const struct fib_route routes[] = {
		route("::/0", FIB_HOP, 1, "fe80::1"),
		route("192.0.2.0/24", FIB_HOP, 2, "fe80::2"), // IPv4 through an IPv6 gateway
	};
	struct fib *fib = fib_build(NULL, routes, 2, NULL, 0, NULL, 0);

	(void)state;
	assert_int_equal(look(fib, "8.8.8.8").result, FIB_NONE);
	assert_neighbour(fib, "192.0.2.9", 2, "fe80::2");
	assert_neighbour(fib, "2001:db8::1", 1, "fe80::1");
	fib_free(fib);
	fib = fib_build(NULL, NULL, 0, NULL, 0, NULL, 0);
	assert_int_equal(look(fib, "8.8.8.8").result, FIB_NONE);
	assert_int_equal(look(fib, "::1").result, FIB_NONE);
	assert_int_equal(fib->hop_count, 1);
	fib_free(fib);
}

static void first_of_equal_prefixes_counts(void **state)
{
	const struct fib_route routes[] = {
		route("10.2.0.0/16", FIB_HOP, 3, "10.0.0.3"),
		route("10.2.0.0/16", FIB_HOP, 1, "10.0.0.1"),
		route("10.2.0.0/16", FIB_REJECT, 0, NULL),
	};
	struct fib *fib = fib_build(NULL, routes, 3, NULL, 0, NULL, 0);

	(void)state;
	assert_neighbour(fib, "10.2.3.4", 3, "10.0.0.3");
	fib_free(fib);
}

// Against the obvious way to do it, on prefixes of every length.
static void matches_linear_search(void **state)
{
	struct fib_route *routes = calloc(2000, sizeof(*routes));
	uint64_t random = 42;
	struct fib *fib;
	unsigned hits = 0;

	(void)state;
	for (unsigned i = 0; i < 2000; i++) {
		random = random * 6364136223846793005 + 1442695040888963407;
		routes[i].to.addr = addr_from_v4(htonl((uint32_t)(random >> 33) & 0x0f0f0f0f));
		routes[i].to.length = (uint8_t)((random >> 20) % 33);
		prefix_mask(&routes[i].to);
		routes[i].result = FIB_HOP;
		routes[i].iface = (uint16_t)i;
	}
	fib = fib_build(NULL, routes, 2000, NULL, 0, NULL, 0);
	for (unsigned i = 0; i < 20000; i++) {
		struct fib_answer answer;
		struct addr to;
		int best = -1;

		random = random * 6364136223846793005 + 1442695040888963407;
		to = addr_from_v4(htonl((uint32_t)(random >> 33) & 0x0f0f0f0f));
		for (int r = 0; r < 2000; r++)
			if (prefix_contains(&routes[r].to, &to) &&
				(best < 0 || routes[r].to.length > routes[best].to.length))
				best = r;
		answer = fib_lookup(fib, &to);
		assert_int_equal(answer.result, best < 0 ? FIB_NONE : FIB_NEIGHBOUR);
		if (best >= 0) {
			assert_int_equal(answer.iface, best);
			hits++;
		}
	}
	assert_true(hits > 1000);
	fib_free(fib);
	free(routes);
}

static void hops_keep_their_index(void **state)
{
	const struct fib_route routes[] = {
		route("10.0.0.0/24", FIB_HOP, 1, NULL),
		route("10.1.0.0/16", FIB_HOP, 1, "10.0.0.3"),
	};
	const struct fib_neighbour before[] = {
		neighbour("10.0.0.2", 1, 2, HOP_REACHABLE),
		neighbour("10.0.0.3", 1, 3, HOP_UNRESOLVED),
		neighbour("10.0.0.4", 1, 4, HOP_REACHABLE),
		neighbour("10.0.0.4", 2, 5, HOP_REACHABLE), // the same address on another link
	};
	const struct fib_neighbour after[] = {
		neighbour("10.0.0.9", 1, 9, HOP_REACHABLE),
		neighbour("10.0.0.4", 2, 5, HOP_FAILED),
		neighbour("10.0.0.3", 1, 33, HOP_REACHABLE),
	};
	struct fib *first = fib_build(NULL, routes, 2, before, 4, NULL, 0);
	struct fib *second = fib_build(first, routes, 2, after, 3, NULL, 0);
	struct fib_answer gateway = look(first, "10.1.2.3"), on_link = look(first, "10.0.0.2");
	struct fib_answer now;

	(void)state;
	assert_int_equal(first->hop_count, 5);
	assert_int_equal(gateway.result, FIB_HOP);
	assert_int_equal(first->hops[gateway.hop].state, HOP_UNRESOLVED);
	assert_int_equal(on_link.result, FIB_HOP);
	assert_int_equal(first->hops[on_link.hop].mac.addr_bytes[5], 2);

	now = look(second, "10.1.2.3");
	assert_int_equal(now.hop, gateway.hop);
	assert_int_equal(second->hops[now.hop].state, HOP_REACHABLE);
	assert_int_equal(second->hops[now.hop].mac.addr_bytes[5], 33);
	assert_int_equal(look(second, "10.0.0.2").result, FIB_NEIGHBOUR);
	assert_int_equal(look(second, "10.0.0.4").result, FIB_NEIGHBOUR);
	now = look(second, "10.0.0.9");
	assert_int_equal(now.result, FIB_HOP); // took an index that had become free
	assert_true(now.hop < 5 && now.hop != gateway.hop);
	assert_int_equal(second->generation, first->generation + 1);
	fib_free(first);
	fib_free(second);
}

static void generation_tells_of_changed_answers_only(void **state)
{
	struct fib_route routes[] = {
		route("10.0.0.0/24", FIB_HOP, 1, NULL),
		route("0.0.0.0/0", FIB_HOP, 1, "10.0.0.3"),
	};
	struct fib_neighbour hop = neighbour("10.0.0.3", 1, 3, HOP_UNRESOLVED);
	struct fib_source source = {.address = address("10.0.0.1"), .iface = 1};
	struct fib *fib[6];

	(void)state;
	fib[0] = fib_build(NULL, routes, 2, &hop, 1, &source, 1);
	hop = neighbour("10.0.0.3", 1, 7, HOP_REACHABLE);
	fib[1] = fib_build(fib[0], routes, 2, &hop, 1, &source, 1);
	assert_int_equal(fib[1]->generation, fib[0]->generation);
	routes[1].via = address("10.0.0.4");
	fib[2] = fib_build(fib[1], routes, 2, &hop, 1, &source, 1);
	assert_int_equal(fib[2]->generation, fib[1]->generation + 1);
	source.address = address("10.0.0.5");
	fib[3] = fib_build(fib[2], routes, 2, &hop, 1, &source, 1);
	assert_int_equal(fib[3]->generation, fib[2]->generation + 1);
	fib[4] = fib_build(fib[3], routes, 2, NULL, 0, &source, 1);
	assert_int_equal(fib[4]->generation, fib[3]->generation + 1);
	fib[5] = fib_build(fib[4], routes, 2, NULL, 0, &source, 1);
	assert_int_equal(fib[5]->generation, fib[4]->generation);
	for (unsigned i = 0; i < 6; i++)
		fib_free(fib[i]);
}

static void more_hops_than_fit(void **state)
{
	const unsigned count = HOP_MAX + 500;
	struct fib_neighbour *neighbours = calloc(count, sizeof(*neighbours));
	struct fib_route route_all = route("0.0.0.0/0", FIB_HOP, 1, NULL);
	struct fib *first, *second;
	unsigned found = 0;

	(void)state;
	for (unsigned i = 0; i < count; i++) {
		neighbours[i].address = addr_from_v4(htonl(0x0a000000 + i));
		neighbours[i].iface = 1;
		neighbours[i].state = HOP_REACHABLE;
	}
	first = fib_build(NULL, &route_all, 1, neighbours, count, NULL, 0);
	assert_int_equal(first->hop_count, HOP_MAX + 1);
	for (unsigned i = 0; i < count; i++) {
		struct fib_answer answer = fib_lookup(first, &neighbours[i].address);

		if (answer.result == FIB_NEIGHBOUR)
			continue;
		assert_int_equal(answer.result, FIB_HOP);
		assert_memory_equal(&first->hops[answer.hop].address, &neighbours[i].address, 16);
		found++;
	}
	assert_int_equal(found, HOP_MAX);
	second = fib_build(first, &route_all, 1, neighbours, count, NULL, 0);
	assert_int_equal(second->generation, first->generation);
	fib_free(first);
	fib_free(second);
	free(neighbours);
}

static void source_of_the_same_subnet(void **state)
{
	const struct fib_source sources[] = {
		{address("10.0.0.1"), 1},
		{address("10.0.1.1"), 1},
		{address("10.0.2.1"), 2},
		{address("fe80::1"), 1},
		{address("2001:db8::1"), 1},
		{address("2001:db8:1::1"), 1},
		{address("fe80::2"), 3},
	};
	const struct {
		uint16_t iface;
		const char *to, *expected;
	} cases[] = {
		{1, "10.0.0.9", "10.0.0.1"},
		{1, "10.0.1.9", "10.0.1.1"},
		{1, "192.0.2.1", "10.0.0.1"},
		{2, "10.0.0.9", "10.0.2.1"},
		{1, "2001:db8:1::99", "2001:db8:1::1"},
		{1, "fd00::1", "2001:db8::1"},
		{1, "fe80::99", "fe80::1"},
		{2, "2001:db8::9", NULL},
		{3, "2001:db8::9", NULL}, // a link-local address must not leave its link
		{4, "10.0.0.9", NULL},
	};
	struct fib *fib = fib_build(NULL, NULL, 0, NULL, 0, sources, 7);

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct addr to = address(cases[i].to), source;
		char text[ADDR_TEXT];

		assert_int_equal(
			fib_source(fib, cases[i].iface, &to, &source), cases[i].expected != NULL);
		if (cases[i].expected)
			assert_string_equal(addr_format(&source, text), cases[i].expected);
	}
	fib_free(fib);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(longest_prefix_wins),
		cmocka_unit_test(families_do_not_mix),
		cmocka_unit_test(first_of_equal_prefixes_counts),
		cmocka_unit_test(matches_linear_search),
		cmocka_unit_test(hops_keep_their_index),
		cmocka_unit_test(generation_tells_of_changed_answers_only),
		cmocka_unit_test(more_hops_than_fit),
		cmocka_unit_test(source_of_the_same_subnet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
