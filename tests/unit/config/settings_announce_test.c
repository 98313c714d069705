// SPDX-License-Identifier: BSD-3-Clause
// sluice.conf: BGP, the pair, health checks; and what is told of mistakes in them.
#include "settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define PORTS                                                                                      \
	"ports = ( { name = \"wan\"; kind = \"tap\"; device = \"x\"; addresses = [ "               \
	"\"192.0.2.2/24\" ]; } );\n"                                                               \
	"pools = ( { name = \"a\"; addresses = [ \"192.0.2.100\" ]; } );\n"

static void test_absent(void **state)
{
	struct reason reason = {0};
	struct settings *s = settings_parse(PORTS, "t.conf", &reason);

	(void)state;
	assert_non_null(s);
	assert_int_equal(s->bgp.asn, 0);
	assert_string_equal(s->pair.interface, "");
	assert_int_equal(s->health.kind, HEALTH_OFF);
	assert_string_equal(s->health.path, "/");
	settings_free(s);
}

struct mistake {
	const char *text, *expected;
};

static void check_mistakes(const struct mistake *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct reason reason = {0};
		char text[1000];

		snprintf(text, sizeof(text), "%s%s", PORTS, rows[i].text);
		assert_null(settings_parse(text, "t.conf", &reason));
		if (!strstr(reason_text(&reason), rows[i].expected))
			fail_msg("%s: found %s", rows[i].text, reason_text(&reason));
		reason_clear(&reason);
	}
}

static void test_mistakes_of_bgp(void **state)
{
	static const struct mistake rows[] = {
		{"bgp = { router_id = \"192.0.2.2\"; };", "bgp.asn: missing"},
		{"bgp = { asn = 1; };", "bgp.router_id: missing, expected an IPv4"},
		{"bgp = { asn = 1; router_id = \"2001:db8::1\"; };",
			"bgp.router_id: expected an IPv4 address"},
		{"bgp = { asn = 1; router_id = \"192.0.2.2\"; peers = ( { } ); };",
			"bgp.peers[0].address: missing"},
		{"bgp = { asn = 1; router_id = \"192.0.2.2\"; peers = ( { name = \"a b\"; address "
		 "= \"192.0.2.1\"; } ); };",
			"bgp.peers[0].name: found \"a b\""},
		{"bgp = { asn = 1; router_id = \"192.0.2.2\"; peers = ( { address = \"192.0.2.1\"; "
		 "password = \"a\\\"b\"; } ); };",
			"bgp.peers[0].password: expected"},
		{"bgp = { asn = 1; router_id = \"192.0.2.2\"; peers = ( { address = \"fe80::1\"; } "
		 "); "
		 "};",
			"t.conf:3: bgp.peers[0].address: found fe80::1, which every link may have, "
			"expected an address of the router's"},
		{"bgp = { asn = 1; router_id = \"192.0.2.2\"; peers = ( { address = \"192.0.2.2\"; "
		 "} "
		 "); };",
			"bgp.peers[0].address: found 192.0.2.2, which is our own address"},
		{"bgp = { asn = 1; router_id = \"192.0.2.2\"; peers = ( { address = \"ff02::1\"; } "
		 "); "
		 "};",
			"bgp.peers[0].address: found ff02::1, which is a multicast address"},
		{"bgp = { asn = 1; router_id = \"192.0.2.2\"; peers = ( { address = "
		 "\"198.51.100.1\"; "
		 "multihop = 3; bfd = true; } ); };",
			"bgp.peers[0].bfd: found true beside multihop = 3, expected BFD with "
			"routers next to us"},
		{"bgp = { asn = 1; router_id = \"192.0.2.2\"; pools = ( { name = \"b\"; } ); };",
			"bgp.pools[0].name: found \"b\""},
		{"bgp = { asn = 1; router_id = \"192.0.2.2\"; pools = ( { name = \"a\"; "
		 "communities = [ \"70000:1\" ]; } ); };",
			"bgp.pools[0].communities[0]: found \"70000:1\""},
		{"bgp = { asn = 1; router_id = \"192.0.2.2\"; pools = ( { name = \"a\"; peers = [ "
		 "\"x\" ]; } ); };",
			"bgp.pools[0].peers[0]: found \"x\""},
	};

	(void)state;
	check_mistakes(rows, sizeof(rows) / sizeof(rows[0]));
}

static void test_mistakes(void **state)
{
	static const struct mistake rows[] = {
		{"health = { check = \"udp\"; };", "health.check: found \"udp\""},
		{"health = { path = \"x\"; };", "health.path: found \"x\""},
		{"pair = { };", "pair.interface: missing"},
		{"pair = { interface = \"lan\"; };", "pair.interface: found \"lan\""},
		{"pair = { interface = \"wan\"; peer = \"192.0.2.2\"; };",
			"pair.peer: found 192.0.2.2, which is our own address, expected the other "
			"one's address"},
		{"pair = { interface = \"wan\"; interval_ms = 105; };",
			"pair.interval_ms: found 105"},
		{"pair = { interface = \"wan\"; groups = ( { id = 1; }, { id = 1; } ); };",
			"pair.groups[1].id: found 1"},
		{"pair = { interface = \"wan\"; gateways = [ \"x\" ]; };",
			"pair.gateways[0]: found \"x\", expected an address, IPv4 or IPv6"},
		{"pair = { interface = \"wan\"; gateways = [ \"198.51.100.3\" ]; };",
			"pair.gateways[0]: found \"198.51.100.3\", expected an address in the "
			"network of a port or VLAN"},
		{"pair = { interface = \"wan\"; gateways = [ \"192.0.2.2\" ]; };",
			"expected an address beside those of the boxes; wan has it"},
		{"pair = { interface = \"wan\"; peer = \"192.0.2.3\"; gateways = [ \"192.0.2.3\" "
		 "]; };",
			"expected an address beside those of the boxes; it is the peer's"},
		{"pair = { interface = \"wan\"; gateways = [ \"192.0.2.100\" ]; };",
			"expected an address outside pools; a has it"},
		{"snat = { addresses = [ \"192.0.2.7\" ]; }; pair = { interface = \"wan\"; "
		 "gateways = [ \"192.0.2.7\" ]; };",
			"expected an address that is not among snat.addresses"},
		{"pair = { interface = \"wan\"; gateways = [ \"192.0.2.9\", \"192.0.2.9\" ]; };",
			"pair.gateways[1]: found \"192.0.2.9\", expected each gateway once"},
		{"pair = { interface = \"wan\"; groups = ( { id = 1; pools = [ \"a\" ]; gateways = "
		 "[ \"192.0.2.9\" ]; }, { id = 2; pools = [ \"a\" ]; gateways = [ \"192.0.2.9\" ]; "
		 "} ); };",
			"pair.groups[1].gateways[0]: found \"192.0.2.9\", expected each gateway "
			"once"},
		{"pair = { interface = \"wan\"; gateways = [ \"192.0.2.9\" ]; groups = ( { id = 1; "
		 "} ); };",
			"pair.gateways: expected among the keys of one of pair.groups"},
	};

	(void)state;
	check_mistakes(rows, sizeof(rows) / sizeof(rows[0]));
}

static void test_gateways(void **state)
{
	static const char text[] =
		"ports = ( { name = \"wan\"; kind = \"tap\"; device = \"x\"; addresses = [ "
		"\"192.0.2.2/24\" ]; },\n{ name = \"lan\"; kind = \"tap\"; device = \"y\"; "
		"addresses = [ \"198.51.100.1/24\", \"2001:db8:2::1/64\" ]; vlans = ( { id = 7; "
		"addresses = [ \"10.0.7.1/24\" ]; } ); } );\n"
		"pair = { interface = \"wan\"; gateways = [ \"10.0.7.3\", \"2001:db8:2::3\", "
		"\"192.0.2.3\" ]; };\n";
	static const char *const interfaces[] = {"lan.7", "lan", "wan"};
	struct reason reason = {0};
	struct settings *s = settings_parse(text, "t.conf", &reason);

	(void)state;
	if (!s)
		fail_msg("%s", reason_text(&reason));
	assert_int_equal(s->pair.group_count, 1);
	assert_int_equal(s->pair.groups[0].gateway_count, 3);
	for (unsigned i = 0; i < 3; i++)
		assert_string_equal(s->pair.groups[0].gateways[i].interface, interfaces[i]);
	settings_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_absent),
		cmocka_unit_test(test_mistakes_of_bgp),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_gateways),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
