// SPDX-License-Identifier: BSD-3-Clause
// Routes, with the real kernel behind them, in a network namespace of the test's own: the mirror
// follows what an operator does, and ours are put there and kept there.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "change_fixture.h"
#include "clock.h"
#include "host_fixture.h"

static int setup(void **state)
{
	*state = fixture_new();
	fixture_open(*state);
	return 0;
}

static int teardown(void **state)
{
	fixture_free(*state);
	return 0;
}

static struct fib_route route(const char *to, const char *via)
{
	struct fib_route made = {.result = FIB_HOP, .via = address_of(via)};

	assert_int_equal(prefix_parse(&made.to, to), 0);
	return made;
}

static void routes_follow_the_kernel(void **state)
{
	struct host_fixture *fixture = *state;
	uint32_t generation = current_fib(fixture)->generation;

	run("ip route add 192.0.2.0/24 via 10.99.0.254");
	wait_for(fixture, "192.0.2.1", "hwan 10.99.0.254");
	assert_true(current_fib(fixture)->generation > generation);
	run("ip route replace 192.0.2.0/24 via 10.98.0.254");
	wait_for(fixture, "192.0.2.1", "hlan 10.98.0.254");
	run("ip route add default via 10.97.0.254");
	wait_for(fixture, "8.8.8.8", "hlan.7 10.97.0.254");
	wait_for(fixture, "192.0.2.1", "hlan 10.98.0.254");
	run("ip route del 192.0.2.0/24");
	wait_for(fixture, "192.0.2.1", "hlan.7 10.97.0.254");
	run("ip route del default");
	wait_for(fixture, "192.0.2.1", "none");
	run("ip -6 route add 2001:db8:5::/48 via 2001:db8:99::fe");
	wait_for(fixture, "2001:db8:5::1", "hwan 2001:db8:99::fe");
	run("ip -6 route add default via fe80::1 dev hlan");
	wait_for(fixture, "2001:4860::1", "hlan fe80::1");
	run("ip -6 route del default via fe80::1 dev hlan");
	wait_for(fixture, "2001:4860::1", "none");
}

static void a_change_takes_milliseconds(void **state)
{
	struct host_fixture *fixture = *state;
	usec_t best = UINT64_MAX;

	for (unsigned i = 0; i < 5; i++) {
		usec_t start;

		run("ip route add 192.0.2.0/24 via 10.99.0.254");
		start = clock_now_us();
		wait_for(fixture, "192.0.2.1", "hwan 10.99.0.254");
		if (clock_now_us() - start < best)
			best = clock_now_us() - start;
		run("ip route del 192.0.2.0/24");
		wait_for(fixture, "192.0.2.1", "none");
	}
	print_message("best: %lu us\n", (unsigned long)best);
	assert_true(best < 20000);
}

static void better_metric_wins(void **state)
{
	struct host_fixture *fixture = *state;

	run("ip route add 192.0.2.0/24 via 10.98.0.254 metric 200");
	wait_for(fixture, "192.0.2.1", "hlan 10.98.0.254");
	run("ip route add 192.0.2.0/24 via 10.99.0.254 metric 100");
	wait_for(fixture, "192.0.2.1", "hwan 10.99.0.254");
	run("ip route del 192.0.2.0/24 metric 100");
	wait_for(fixture, "192.0.2.1", "hlan 10.98.0.254");
	run("ip route add 192.0.2.0/24 via 10.99.0.254 metric 100");
	wait_for(fixture, "192.0.2.1", "hwan 10.99.0.254");
	run("ip link set hwan down"); // takes the better one along
	wait_for(fixture, "192.0.2.1", "hlan 10.98.0.254");
	wait_for(fixture, "10.99.0.9", "none");
	run("ip link set hwan up");
	wait_for(fixture, "10.99.0.9", "hwan 10.99.0.9");
}

static void refused_and_foreign(void **state)
{
	struct host_fixture *fixture = *state;

	run("ip route add blackhole 192.0.2.0/26");
	wait_for(fixture, "192.0.2.1", "reject");
	run("ip route add unreachable 192.0.2.64/26");
	wait_for(fixture, "192.0.2.65", "reject");
	run("ip route add prohibit 192.0.2.128/26");
	wait_for(fixture, "192.0.2.129", "reject");
	run("ip link add hmgmt type bridge && ip link set hmgmt up");
	run("ip addr add 10.96.0.1/24 dev hmgmt");
	wait_for(fixture, "10.96.0.1", "local"); // ours, though not on a port
	wait_for(fixture, "10.96.0.9", "reject");
	run("ip route add 203.0.113.0/24 via 10.96.0.254");
	wait_for(fixture, "203.0.113.1", "reject");
	run("ip link del hmgmt");
	wait_for(fixture, "203.0.113.1", "none");
	// Other tables are not for us.
	run("ip route add 198.51.100.0/24 via 10.99.0.254 table 77");
	run("ip route add 198.51.101.0/24 via 10.99.0.254");
	wait_for(fixture, "198.51.101.1", "hwan 10.99.0.254");
	wait_for(fixture, "198.51.100.1", "none");
}

static void several_next_hops(void **state)
{
	struct host_fixture *fixture = *state;
	struct addr silent = address_of("10.99.0.254");

	run("ip route add 192.0.2.0/24 nexthop via 10.99.0.254 nexthop via 10.98.0.254");
	wait_for(fixture, "192.0.2.1", "hwan 10.99.0.254");
	host_resolve(fixture->host, 0, &silent); // nobody answers
	wait_for_hop(fixture, "10.99.0.254", HOP_FAILED);
	wait_for(fixture, "192.0.2.1", "hlan 10.98.0.254");
	run("ip neigh replace 10.99.0.254 lladdr 02:00:00:00:00:77 nud reachable dev hwan");
	wait_for(fixture, "192.0.2.1", "hwan 10.99.0.254");
	run("ip link set hwan down");
	wait_for(fixture, "192.0.2.1", "hlan 10.98.0.254");
	run("ip -6 addr add 2001:db8:98::1/64 dev hlan nodad && ip link set hwan up");
	run("ip -6 route add 2001:db8:5::/48 nexthop via 2001:db8:98::5 nexthop via "
	    "2001:db8:98::6");
	wait_for(fixture, "2001:db8:5::1", "hlan 2001:db8:98::5");
}

static void next_hop_objects_and_other_family(void **state)
{
	struct host_fixture *fixture = *state;

	run("ip nexthop add id 5 via 10.99.0.254 dev hwan");
	run("ip route add 192.0.2.0/24 nhid 5");
	wait_for(fixture, "192.0.2.1", "hwan 10.99.0.254");
	run("ip nexthop replace id 5 via 10.98.0.254 dev hlan");
	wait_for(fixture, "192.0.2.1", "hlan 10.98.0.254");
	run("ip route add 198.51.100.0/24 via inet6 2001:db8:99::fe");
	wait_for(fixture, "198.51.100.1", "hwan 2001:db8:99::fe");
	run("ip nexthop del id 5");
	wait_for(fixture, "192.0.2.1", "none");
}

static bool has_source(struct host_fixture *fixture, void *arg)
{
	struct addr to = address_of(arg), source;

	return fib_source(current_fib(fixture), 0, &to, &source);
}

static void sources_are_usable_addresses(void **state)
{
	struct host_fixture *fixture = *state;
	struct addr to = address_of("192.0.2.1"), source, expected = address_of("10.99.0.1");

	assert_true(fib_source(current_fib(fixture), 0, &to, &source));
	assert_memory_equal(&source, &expected, sizeof(expected));
	// One of IPv6 is a source once it is known to be no duplicate.
	assert_true(wait_until(fixture, 5000, has_source, "2001:db8:99::9"));
	to = address_of("10.97.0.9");
	assert_true(fib_source(current_fib(fixture), 2, &to, &source));
	expected = address_of("10.97.0.1");
	assert_memory_equal(&source, &expected, sizeof(expected));
	run("ip addr add 10.99.1.1/24 dev hwan");
	wait_for(fixture, "10.99.1.1", "local");
	to = address_of("10.99.1.9");
	assert_true(fib_source(current_fib(fixture), 0, &to, &source));
	expected = address_of("10.99.1.1");
	assert_memory_equal(&source, &expected, sizeof(expected));
}

static void routes_of_the_plan(void **state)
{
	struct host_fixture *fixture = *state;
	struct fib_route routes[] = {
		route("10.244.1.0/24", "10.98.0.11"), route("10.244.2.0/24", "10.98.0.12"),
		route("2001:db8:244::/64", "2001:db8:99::12"),
		route("10.244.3.0/24", "2001:db8:99::12"), // through a gateway of the other family
		route("10.244.1.0/24", "10.98.0.11"),      // said twice
	};

	run("ip route add 10.244.2.0/24 via 10.98.0.99"); // an operator's own goes first
	assert_int_equal(host_set_routes(fixture->host, routes, 5, &fixture->reason), 0);
	wait_for(fixture, "10.244.1.5", "hlan 10.98.0.11");
	wait_for(fixture, "2001:db8:244::5", "hwan 2001:db8:99::12");
	wait_for(fixture, "10.244.3.5", "hwan 2001:db8:99::12");
	wait_for(fixture, "10.244.2.5", "hlan 10.98.0.99");
	run("ip route del 10.244.2.0/24 via 10.98.0.99");
	wait_for(fixture, "10.244.2.5", "hlan 10.98.0.12");

	routes[0].via = address_of("10.98.0.21"); // the pods' network moves to another node
	assert_int_equal(host_set_routes(fixture->host, routes, 1, &fixture->reason), 0);
	wait_for(fixture, "10.244.1.5", "hlan 10.98.0.21");
	wait_for(fixture, "10.244.2.5", "none");
	wait_for(fixture, "2001:db8:244::5", "none");
	run("test $(ip route show 10.244.0.0/16 | wc -l) = 0");
	run("test $(ip route show 10.244.1.0/24 | wc -l) = 1");

	run("ip route add 10.244.7.0/24 via 10.98.0.99");
	assert_int_equal(host_set_routes(fixture->host, NULL, 0, &fixture->reason), 0);
	wait_for(fixture, "10.244.1.5", "none");
	wait_for(fixture, "10.244.7.5", "hlan 10.98.0.99"); // not ours to remove
	assert_string_equal(reason_text(&fixture->reason), "");
}

static void a_refused_route_comes_later(void **state)
{
	struct host_fixture *fixture = *state;
	struct fib_route routes[] = {
		route("10.244.1.0/24", "10.50.0.11"), // nobody reaches it yet
		route("10.244.2.0/24", "10.98.0.12"),
	};

	assert_true(host_set_routes(fixture->host, routes, 2, &fixture->reason) < 0);
	assert_int_equal(fixture->reason.count, 1);
	assert_non_null(strstr(reason_text(&fixture->reason), "10.244.1.0/24 via 10.50.0.11"));
	wait_for(fixture, "10.244.2.5", "hlan 10.98.0.12"); // the other is there all the same
	run("ip addr add 10.50.0.1/24 dev hlan");
	wait_for(fixture, "10.244.1.5", "hlan 10.50.0.11");
	// What the kernel drops with a link comes back with it.
	run("ip link set hlan down");
	wait_for(fixture, "10.244.2.5", "none");
	run("ip link set hlan up");
	wait_for(fixture, "10.244.2.5", "hlan 10.98.0.12");
	wait_for(fixture, "10.244.1.5", "hlan 10.50.0.11");
}

static void routes_of_the_settings(void **state)
{
	struct host_fixture *fixture = *state;
	struct fib_route plan = route("192.0.2.0/24", "10.98.0.12");

	host_close(fixture->host);
	fixture->host = NULL;
	assert_int_equal(prefix_parse(&fixture->routes[0].to, "0.0.0.0/0"), 0);
	fixture->routes[0].via = address_of("10.99.0.254");
	assert_int_equal(prefix_parse(&fixture->routes[1].to, "192.0.2.0/24"), 0);
	fixture->routes[1].via = address_of("10.99.0.253");
	fixture->settings.route_count = 2;
	fixture_open(fixture);
	wait_for(fixture, "8.8.8.8", "hwan 10.99.0.254");
	assert_int_equal(host_set_routes(fixture->host, &plan, 1, &fixture->reason), 0);
	wait_for(fixture, "192.0.2.1", "hwan 10.99.0.253"); // the settings' go first

	host_close(
		fixture->host); // and outlive us; those no longer configured go at the next start
	fixture->host = NULL;
	run("ip route show default | grep -q 10.99.0.254");
	fixture->settings.route_count = 1;
	fixture_open(fixture);
	wait_for(fixture, "8.8.8.8", "hwan 10.99.0.254");
	wait_for(fixture, "192.0.2.1",
		"hlan 10.98.0.12"); // of the last plan, until there is another
	assert_int_equal(host_set_routes(fixture->host, NULL, 0, &fixture->reason), 0);
	wait_for(fixture, "192.0.2.1", "hwan 10.99.0.254");
}

static bool has_all(struct host_fixture *fixture, void *arg)
{
	unsigned *missing = arg;

	*missing = 0;
	for (unsigned i = 0; i < 4000; i++) {
		struct addr to = addr_from_v4(htonl(0x0b000000 + (i << 8) + 5));

		*missing += fib_lookup(current_fib(fixture), &to).result != FIB_NEIGHBOUR;
	}
	return *missing == 0;
}

static void thousands_of_routes(void **state)
{
	struct host_fixture *fixture = *state;
	struct fib_route *routes = calloc(4000, sizeof(*routes));
	usec_t start = clock_now_us();
	unsigned missing;

	for (unsigned i = 0; i < 4000; i++) {
		routes[i].to.addr = addr_from_v4(htonl(0x0b000000 + (i << 8)));
		routes[i].to.length = 24;
		routes[i].via = addr_from_v4(htonl(0x0a620000 + 2 + i % 200));
	}
	assert_int_equal(host_set_routes(fixture->host, routes, 4000, &fixture->reason), 0);
	assert_true(wait_until(fixture, 5000, has_all, &missing));
	print_message("4000 routes: %lu us\n", (unsigned long)(clock_now_us() - start));
	free(routes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(routes_follow_the_kernel, setup, teardown),
		cmocka_unit_test_setup_teardown(a_change_takes_milliseconds, setup, teardown),
		cmocka_unit_test_setup_teardown(better_metric_wins, setup, teardown),
		cmocka_unit_test_setup_teardown(refused_and_foreign, setup, teardown),
		cmocka_unit_test_setup_teardown(several_next_hops, setup, teardown),
		cmocka_unit_test_setup_teardown(next_hop_objects_and_other_family, setup, teardown),
		cmocka_unit_test_setup_teardown(sources_are_usable_addresses, setup, teardown),
		cmocka_unit_test_setup_teardown(routes_of_the_plan, setup, teardown),
		cmocka_unit_test_setup_teardown(a_refused_route_comes_later, setup, teardown),
		cmocka_unit_test_setup_teardown(routes_of_the_settings, setup, teardown),
		cmocka_unit_test_setup_teardown(thousands_of_routes, setup, teardown),
	};
	int skip = host_namespace();

	return skip ? skip : cmocka_run_group_tests(tests, NULL, NULL);
}
