// SPDX-License-Identifier: BSD-3-Clause
// Who owns a flow: as NICs hash, the same from both sides, evenly.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "owner.h"
#include "tables.h"

// The key of Microsoft's verification suite, and what its documents say comes out.
static const uint8_t verification_key[40] = {0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41,
	0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4,
	0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01,
	0xfa};

static struct owner_rule rule_of(uint16_t workers)
{
	struct owner_rule rule = {.workers = workers, .port_first = 20000, .port_last = 60000};

	memcpy(rule.rss_key, verification_key, sizeof(rule.rss_key));
	return rule;
}

static uint32_t ports_of(uint16_t src, uint16_t dst)
{
	return (uint32_t)htons(dst) << 16 | htons(src);
}

static void test_as_nics_hash(void **state)
{
	static const struct {
		int family;
		const char *src, *dst;
		uint16_t src_port, dst_port;
		uint32_t hash;
	} rows[] = {
		{AF_INET, "66.9.149.187", "161.142.100.80", 2794, 1766, 0x51ccc178},
		{AF_INET, "199.92.111.2", "65.69.140.83", 14230, 4739, 0xc626b0ea},
		{AF_INET, "24.19.198.95", "12.22.207.184", 12898, 38024, 0x5c2b394a},
		{AF_INET6, "3ffe:2501:200:1fff::7", "3ffe:2501:200:3::1", 2794, 1766, 0x40207d3d},
		{AF_INET6, "3ffe:501:8::260:97ff:fe40:efab", "ff02::1", 14230, 4739, 0xdde51bbf},
	};

	for (uint16_t workers = 2; workers < 9; workers++) {
		struct owner_rule rule = rule_of(workers);

		for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			uint8_t src[16], dst[16];
			struct flow_key key = {src, dst,
				ports_of(rows[i].src_port, rows[i].dst_port), IPPROTO_TCP,
				rows[i].family == AF_INET ? 4 : 6};

			inet_pton(rows[i].family, rows[i].src, src);
			inet_pton(rows[i].family, rows[i].dst, dst);
			assert_int_equal(owner_of_client(&rule, &key, 0, NULL),
				rows[i].hash % OWNER_TABLE % workers);
			// What a NIC says is believed.
			assert_int_equal(owner_of_client(&rule, &key, 0, &rows[i].hash),
				owner_of_client(&rule, &key, 0, NULL));
		}
	}
}

// Where the client is kept: the answer, whose destination is the client, has the same owner.
static void test_both_sides(void **state)
{
	static const uint8_t flags[] = {LISTENER_OWNER_CLIENT, LISTENER_OWNER_CLIENT_IP,
		LISTENER_OWNER_CLIENT | LISTENER_OWNER_CLIENT_IP};

	for (uint16_t workers = 1; workers < 9; workers++) {
		struct owner_rule rule = rule_of(workers);

		for (uint32_t i = 0; i < 3000; i++) {
			uint8_t client[16] = {0x20, 1, (uint8_t)i, (uint8_t)(i >> 8)};
			uint8_t vip[16] = {0x20, 2}, pod[16] = {0x20, 3, (uint8_t)i};
			uint16_t port = (uint16_t)(1024 + i * 7);
			uint8_t family = i & 1 ? 4 : 6;
			struct flow_key key = {
				client, vip, ports_of(port, 80), IPPROTO_TCP, family};
			struct flow_key reply = {
				pod, client, ports_of(8080, port), IPPROTO_TCP, family};

			for (unsigned k = 0; k < 3; k++)
				assert_int_equal(owner_of_client(&rule, &key, flags[k], NULL),
					owner_of_reply(&rule, &reply, flags[k]));
		}
	}
}

// With ClientIP affinity all connections of a client have one owner.
static void test_one_client_one_owner(void **state)
{
	struct owner_rule rule = rule_of(8);
	uint8_t client[4] = {198, 51, 100, 7}, vip[4] = {192, 0, 2, 10};
	struct flow_key key = {client, vip, 0, IPPROTO_TCP, 4};
	uint16_t first = owner_of_client(&rule, &key, LISTENER_OWNER_CLIENT_IP, NULL);

	for (uint16_t port = 1; port < 2000; port++) {
		key.ports = ports_of(port, 80);
		assert_int_equal(
			owner_of_client(&rule, &key, LISTENER_OWNER_CLIENT_IP, NULL), first);
		assert_int_equal(owner_of_fragment(&rule, &key), owner_of_fragment(&rule, &key));
	}
}

// No worker has a quarter more or less than its share.
static void test_even(void **state)
{
	for (uint8_t flags = 0; flags < 3; flags++) {
		struct owner_rule rule = rule_of(4);
		unsigned counts[4] = {0};

		for (uint32_t i = 0; i < 20000; i++) {
			uint8_t client[4] = {
				198, (uint8_t)(i >> 14), (uint8_t)(i >> 7), (uint8_t)i};
			uint8_t vip[4] = {192, 0, 2, 10};
			struct flow_key key = {client, vip,
				ports_of((uint16_t)(32768 + i * 31 % 28000), 443), IPPROTO_TCP, 4};

			counts[owner_of_client(&rule, &key, flags, NULL)]++;
		}
		for (unsigned i = 0; i < 4; i++)
			assert_in_range(counts[i], 3750, 6250);
	}
}

static void test_ports(void **state)
{
	struct owner_rule rule = rule_of(3);

	assert_false(owner_port_in_range(&rule, 19999));
	assert_true(owner_port_in_range(&rule, 20000));
	assert_true(owner_port_in_range(&rule, 60000));
	assert_false(owner_port_in_range(&rule, 60001));
	for (uint32_t port = 20000; port <= 60000; port++)
		assert_int_equal(owner_of_port(&rule, (uint16_t)port), (port - 20000) % 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_as_nics_hash),
		cmocka_unit_test(test_both_sides),
		cmocka_unit_test(test_one_client_one_owner),
		cmocka_unit_test(test_even),
		cmocka_unit_test(test_ports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
