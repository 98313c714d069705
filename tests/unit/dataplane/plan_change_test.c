// SPDX-License-Identifier: BSD-3-Clause
// Transactions, right ones and each way of being wrong, with the words in which that is told.
#include "plan_change.h"

#include "channel.pb-c.h"
#include "limits.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct iface ifaces[] = {{.name = "wan", .index = 0}, {.name = "wan.100", .index = 3}};

// A transaction with one of everything, whose parts a test may change before it is packed.
struct sample {
	Sluice__Transaction transaction;
	Sluice__Vip vip, *vips[1];
	Sluice__Listener listener, *listeners[1];
	Sluice__Pool pool, *pools[1];
	Sluice__Endpoint endpoints[3], *endpoint_pointers[3];
	Sluice__Route route, *routes[1];
	Sluice__Prefix prefix, source, *sources[1];
	Sluice__ListenerKey key, *keys[1];
	char *ports[2];
	uint8_t vip_bytes[4], endpoint_bytes[3][4], via_bytes[4], prefix_bytes[4], source_bytes[16];
};

static ProtobufCBinaryData bytes(uint8_t *data, size_t length)
{
	return (ProtobufCBinaryData){length, data};
}

static void sample_pool(struct sample *s)
{
	sluice__pool__init(&s->pool);
	s->pools[0] = &s->pool;
	s->pool.name = (char *)"local/default/web:80";
	s->pool.algorithm = SLUICE__ALGORITHM__ALGORITHM_MAGLEV;
	s->pool.n_endpoints = 3;
	s->pool.endpoints = s->endpoint_pointers;
	for (unsigned i = 0; i < 3; i++) {
		Sluice__Endpoint *endpoint = &s->endpoints[i];

		sluice__endpoint__init(endpoint);
		s->endpoint_pointers[i] = endpoint;
		memcpy(s->endpoint_bytes[i], (uint8_t[]){10, 0, 0, (uint8_t)(3 - i)}, 4);
		endpoint->address = bytes(s->endpoint_bytes[i], 4);
		endpoint->port = 8080;
		endpoint->weight = 1 + i;
		endpoint->state = i == 1 ? SLUICE__ENDPOINT_STATE__ENDPOINT_DRAINING
					 : SLUICE__ENDPOINT_STATE__ENDPOINT_READY;
		endpoint->name = (char *)"web-1";
	}
}

static void sample_init(struct sample *s)
{
	memset(s, 0, sizeof(*s));
	sluice__transaction__init(&s->transaction);
	s->transaction.generation = 9;
	memcpy(s->vip_bytes, (uint8_t[]){192, 0, 2, 10}, 4);
	sluice__vip__init(&s->vip);
	s->vip.address = bytes(s->vip_bytes, 4);
	s->vip.owned = true;
	s->vip.ports = s->ports;
	s->ports[0] = (char *)"wan.100";
	s->ports[1] = (char *)"wan";
	s->vip.n_ports = 1;
	s->vips[0] = &s->vip;
	s->transaction.vips = s->vips;
	s->transaction.n_vips = 1;
	sluice__listener__init(&s->listener);
	s->listener.vip = bytes(s->vip_bytes, 4);
	s->listener.protocol = SLUICE__L4_PROTOCOL__L4_TCP;
	s->listener.port = 80;
	s->listener.service = (char *)"local/default/web";
	s->listener.pool = (char *)"local/default/web:80";
	s->listener.mode = SLUICE__MODE__MODE_DNAT;
	s->listener.affinity_s = 10800;
	s->listener.sources = s->sources;
	s->listener.n_sources = 1;
	s->sources[0] = &s->source;
	sluice__prefix__init(&s->source);
	memcpy(s->source_bytes, (uint8_t[]){0x20, 0x01, 0x0d, 0xb8}, 4);
	s->source.address = bytes(s->source_bytes, 16);
	s->source.length = 32;
	s->listeners[0] = &s->listener;
	s->transaction.listeners = s->listeners;
	s->transaction.n_listeners = 1;
	sample_pool(s);
	s->transaction.pools = s->pools;
	s->transaction.n_pools = 1;
	sluice__route__init(&s->route);
	sluice__prefix__init(&s->prefix);
	memcpy(s->prefix_bytes, (uint8_t[]){10, 0, 0, 0}, 4);
	memcpy(s->via_bytes, (uint8_t[]){172, 16, 0, 2}, 4);
	s->prefix.address = bytes(s->prefix_bytes, 4);
	s->prefix.length = 24;
	s->route.prefix = &s->prefix;
	s->route.via = bytes(s->via_bytes, 4);
	s->routes[0] = &s->route;
	s->transaction.routes = s->routes;
	s->transaction.n_routes = 1;
	sluice__listener_key__init(&s->key);
	s->key.vip = bytes(s->vip_bytes, 4);
	s->key.protocol = SLUICE__L4_PROTOCOL__L4_UDP;
	s->key.port = 53;
	s->keys[0] = &s->key;
}

static struct plan_change *decode(const struct sample *s, struct reason *reason)
{
	size_t length = sluice__transaction__get_packed_size(&s->transaction);
	uint8_t *packed = malloc(length + 1);
	struct plan_change *change;

	assert_non_null(packed);
	sluice__transaction__pack(&s->transaction, packed);
	change = plan_change_decode(packed, length, ifaces, 2, reason);
	free(packed);
	return change;
}

static void refused(const struct sample *s, const char *text)
{
	struct reason reason = {0};

	assert_null(decode(s, &reason));
	assert_true(reason.count > 0);
	if (strcmp(reason_text(&reason), text) != 0)
		fail_msg("refused with: %s\nbut expected: %s", reason_text(&reason), text);
	reason_clear(&reason);
}

static void test_one_of_everything(void **state)
{
	struct reason reason = {0};
	struct plan_change *change;
	struct addr vip, client;
	struct sample s;

	sample_init(&s);
	change = decode(&s, &reason);
	assert_string_equal(reason_text(&reason), "");
	assert_non_null(change);
	assert_int_equal(change->base, 0);
	assert_int_equal(change->generation, 9);
	addr_parse(&vip, "192.0.2.10");
	assert_int_equal(addr_compare(&change->vips[0].address, &vip), 0);
	assert_true(change->vips[0].owned);
	assert_int_equal(change->vips[0].ifaces, 1 << 3);
	assert_int_equal(change->listeners[0].port, htons(80));
	assert_int_equal(change->listeners[0].protocol, IPPROTO_TCP);
	assert_int_equal(change->listeners[0].mode, MODE_DNAT);
	assert_int_equal(change->listeners[0].affinity_s, 10800);
	assert_string_equal(change->listeners[0].service, "local/default/web");
	assert_string_equal(change->listeners[0].pool, "local/default/web:80");
	addr_parse(&client, "2001:db8::9");
	assert_int_equal(change->listeners[0].source_count, 1);
	assert_true(prefix_contains(&change->listeners[0].sources[0], &client));
	assert_int_equal(change->pools[0].algorithm, ALGORITHM_MAGLEV);
	assert_int_equal(change->pools[0].endpoint_count, 3);
	for (unsigned i = 0; i < 3; i++) { // sorted now
		assert_int_equal(change->pools[0].endpoints[i].address.byte[15], i + 1);
		assert_int_equal(change->pools[0].endpoints[i].weight, 3 - i);
		assert_int_equal(change->pools[0].endpoints[i].port, htons(8080));
	}
	assert_int_equal(change->pools[0].endpoints[1].state, ENDPOINT_DRAINING);
	assert_int_equal(change->routes[0].to.length, 24);
	assert_int_equal(change->routes[0].via.byte[15], 2);
	plan_change_free(change);
}

static void test_what_comes_out_can_be_applied(void **state)
{
	struct tables_store *store = tables_store_new();
	struct reason reason = {0};
	struct plan_change *change;
	struct sample s;

	assert_non_null(store);
	sample_init(&s);
	change = decode(&s, &reason);
	assert_int_equal(tables_apply(store, change, &reason), 0);
	plan_change_free(change); // the tables keep nothing of it
	assert_int_equal(tables_generation(tables_current(store)), 9);
	assert_string_equal(tables_endpoint(tables_current(store), 0)->name, "web-1");
	tables_store_free(store);
}

static void test_removals(void **state)
{
	char *pools[] = {(char *)"gone"};
	ProtobufCBinaryData vips[1];
	Sluice__Prefix *prefixes[1];
	struct reason reason = {0};
	struct plan_change *change;
	struct sample s;

	sample_init(&s);
	s.transaction.n_vips = s.transaction.n_listeners = s.transaction.n_pools = 0;
	s.transaction.n_routes = 0;
	s.transaction.since = 8;
	vips[0] = bytes(s.vip_bytes, 4);
	prefixes[0] = &s.prefix;
	s.transaction.n_vips_removed = s.transaction.n_pools_removed = 1;
	s.transaction.n_listeners_removed = s.transaction.n_routes_removed = 1;
	s.transaction.vips_removed = vips;
	s.transaction.pools_removed = pools;
	s.transaction.listeners_removed = s.keys;
	s.transaction.routes_removed = prefixes;
	change = decode(&s, &reason);
	assert_non_null(change);
	assert_int_equal(change->base, 8);
	assert_string_equal(change->pools_removed[0], "gone");
	assert_int_equal(change->listeners_removed[0].port, htons(53));
	assert_int_equal(change->listeners_removed[0].protocol, IPPROTO_UDP);
	assert_int_equal(change->routes_removed[0].length, 24);
	assert_int_equal(change->vips_removed[0].byte[15], 10);
	plan_change_free(change);
	s.transaction.since = 0;
	refused(&s,
		"a whole plan (since 0) removes nothing by name: what it does not name is gone");
}

static void test_wrong_vip(void **state)
{
	struct sample s;

	sample_init(&s);
	s.ports[0] = (char *)"lan";
	refused(&s, "vip 192.0.2.10: port \"lan\" is none of this box: see sluice.conf");
	sample_init(&s);
	s.vip.n_ports = 0;
	s.vip.address.len = 3;
	refused(&s, "vip (3 bytes): expected an IPv4 or IPv6 address of a host");
	s.vip.address.len = 4;
	for (const uint8_t *bad = (const uint8_t[]){0, 127, 224, 255}, *it = bad; it < bad + 4;
		it++) {
		char text[100];

		s.vip_bytes[0] = *it;
		s.transaction.n_listeners = 0;
		snprintf(text, sizeof(text),
			"vip %u.0.2.10: expected an IPv4 or IPv6 address of a host", *it);
		refused(&s, text);
	}
}

static void test_wrong_listener(void **state)
{
	struct sample s;
	char longest[300];

	sample_init(&s);
	s.listener.port = 65536;
	s.listener.protocol = 132;
	s.listener.mode = 4;
	s.listener.affinity_s = 86401;
	s.listener.pool = (char *)"";
	s.source.length = 129;
	refused(&s, "listener 192.0.2.10 ?/65536: protocol 132: expected 6 (tcp) or 17 (udp)\n"
		    "listener 192.0.2.10 ?/65536: port 65536: expected 1 to 65535\n"
		    "listener 192.0.2.10 ?/65536: pool: expected readable text of 1 to 255 bytes\n"
		    "listener 192.0.2.10 ?/65536: mode 4: expected 1 (full NAT), 2 (destination "
		    "NAT) or 3 (DSR)\n"
		    "listener 192.0.2.10 ?/65536: affinity 86401 s: expected at most 86400\n"
		    "listener 192.0.2.10 ?/65536: source 2001:db8::/129: expected a prefix without "
		    "host bits");
	sample_init(&s);
	memset(longest, 'x', sizeof(longest));
	longest[255] = '\0';
	s.listener.service = longest;
	s.source_bytes[15] = 1;
	refused(&s, "listener 192.0.2.10 tcp/80: source 2001:db8::1/32: expected a prefix without "
		    "host bits");
	sample_init(&s);
	longest[255] = 'x';
	longest[256] = '\0';
	s.listener.service = longest;
	refused(&s, "listener 192.0.2.10 tcp/80: service: expected readable text below 256 bytes");
	sample_init(&s);
	s.listener.mode = (Sluice__Mode)-1;
	refused(&s,
		"listener 192.0.2.10 tcp/80: mode -1: expected 1 (full NAT), 2 (destination NAT) "
		"or 3 (DSR)");
}

static void test_wrong_pool(void **state)
{
	struct sample s;

	sample_init(&s);
	s.pool.algorithm = 9;
	s.endpoints[0].port = 0;
	s.endpoints[1].weight = 257;
	s.endpoints[2].weight = 0;
	s.endpoints[2].state = 0;
	refused(&s,
		"pool \"local/default/web:80\": algorithm 9: expected 1 to 8\n"
		"pool \"local/default/web:80\": endpoint 10.0.0.3: port 0: expected 1 to 65535\n"
		"pool \"local/default/web:80\": endpoint 10.0.0.2 port 8080: weight 257: expected "
		"1 "
		"to 256\n"
		"pool \"local/default/web:80\": endpoint 10.0.0.1 port 8080: weight 0: expected 1 "
		"to 256\n"
		"pool \"local/default/web:80\": endpoint 10.0.0.1 port 8080: state 0: expected 1 "
		"(ready) or 2 (draining)");
	sample_init(&s);
	s.endpoint_bytes[0][3] = 1;
	refused(&s, "pool \"local/default/web:80\": endpoint 10.0.0.1 port 8080: named twice");
	sample_init(&s);
	s.endpoints[0].address.len = 0;
	refused(&s, "pool \"local/default/web:80\": endpoint (0 bytes): expected an IPv4 or IPv6 "
		    "address of a host");
}

static void test_names_must_be_text(void **state)
{
	static const char *const bad[] = {"", "a\nb", "\x7f", "\x80", "\xc3", "\xc0\xaf",
		"\xed\xa0\x80", "\xf4\x90\x80\x80", "\xc2\x9b", "\xf8\x88\x80\x80\x80"};
	static const char *const good[] = {"a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x92\xa7"};
	struct sample s;

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		sample_init(&s);
		s.pool.name = (char *)bad[i];
		refused(&s, "pool 0 of the transaction: name: expected readable text of 1 to 255 "
			    "bytes");
	}
	for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct reason reason = {0};

		sample_init(&s);
		s.pool.name = (char *)good[i];
		plan_change_free(decode(&s, &reason));
		assert_string_equal(reason_text(&reason), "");
	}
}

static void test_wrong_route(void **state)
{
	struct sample s;

	sample_init(&s);
	s.prefix.length = 33;
	refused(&s, "route 10.0.0.0/33: expected a prefix without host bits");
	sample_init(&s);
	s.route.via = bytes(s.source_bytes, 16);
	refused(&s,
		"route 10.0.0.0/24: via 2001:db8::: expected the address of a host of the prefix's "
		"family");
	sample_init(&s);
	s.route.prefix = NULL;
	refused(&s, "route (none): expected a prefix without host bits");
}

static void test_generation_zero(void **state)
{
	struct sample s;

	sample_init(&s);
	s.transaction.generation = 0;
	refused(&s, "generation 0: expected the plan's own, from 1");
}

// A pool beyond the limit, and more mistakes than anybody reads.
static void test_many(void **state)
{
	struct reason reason = {0};
	Sluice__Endpoint **many = calloc(SLUICE_POOL_ENDPOINTS_MAX + 1, sizeof(Sluice__Endpoint *));
	struct sample s;

	assert_non_null(many);
	sample_init(&s);
	for (unsigned i = 0; i <= SLUICE_POOL_ENDPOINTS_MAX; i++)
		many[i] = &s.endpoints[0];
	s.pool.endpoints = many;
	s.pool.n_endpoints = SLUICE_POOL_ENDPOINTS_MAX + 1;
	refused(&s, "pool \"local/default/web:80\": 16385 endpoints: expected at most 16384");
	s.pool.n_endpoints = 500;
	assert_null(decode(&s, &reason));
	assert_int_equal(reason.count, 101);
	assert_non_null(strstr(reason_text(&reason), "\nand more mistakes after these 100"));
	reason_clear(&reason);
	free(many);
}

static void test_not_a_message(void **state)
{
	struct reason reason = {0};

	assert_null(plan_change_decode((const uint8_t *)"\x1a\xff", 2, ifaces, 2, &reason));
	assert_string_equal(
		reason_text(&reason), "transaction: its 2 bytes are no sluice.Transaction");
	reason_clear(&reason);
}

// Two bytes on the wire stand for an empty object of hundreds: what they may claim is bounded.
static void test_small_message_claims_little(void **state)
{
	size_t length = 4 << 20;
	uint8_t *packed = malloc(length);
	struct reason reason = {0};

	assert_non_null(packed);
	for (size_t i = 0; i < length; i += 2) {
		packed[i] = 3 << 3 | 2; // vips: an empty Vip
		packed[i + 1] = 0;
	}
	assert_null(plan_change_decode(packed, length, ifaces, 2, &reason));
	assert_non_null(strstr(reason_text(&reason), "are no sluice.Transaction"));
	reason_clear(&reason);
	free(packed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_of_everything),
		cmocka_unit_test(test_what_comes_out_can_be_applied),
		cmocka_unit_test(test_removals),
		cmocka_unit_test(test_wrong_vip),
		cmocka_unit_test(test_wrong_listener),
		cmocka_unit_test(test_wrong_pool),
		cmocka_unit_test(test_names_must_be_text),
		cmocka_unit_test(test_wrong_route),
		cmocka_unit_test(test_generation_zero),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_not_a_message),
		cmocka_unit_test(test_small_message_claims_little),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
