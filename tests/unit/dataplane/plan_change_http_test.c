// SPDX-License-Identifier: BSD-3-Clause
// The proxy's part of a transaction: one of everything, and each way of being wrong in the words in
// which that is told.
#include "plan_change.h"

#include "channel.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct sample {
	Sluice__Transaction transaction;
	Sluice__Site site, *sites[1];
	Sluice__Host host, *hosts[1];
	Sluice__Rule rule, *rules[1];
	Sluice__RulePolicy policy;
	Sluice__Backend backend, *backends[1];
	Sluice__ServerName name, *names[1];
	Sluice__Certificate certificate, *certificates[1];
	Sluice__Pool pool, *pools[1];
	Sluice__Upstream upstream;
	Sluice__Listener listener, *listeners[1];
	Sluice__HttpListener http;
	Sluice__Prefix prefix, *prefixes[1];
	char *certificate_names[1];
	uint8_t address[4];
};

static ProtobufCBinaryData bytes(uint8_t *data, size_t length)
{
	return (ProtobufCBinaryData){length, data};
}

static void sample_host(struct sample *s)
{
	sluice__host__init(&s->host);
	sluice__rule__init(&s->rule);
	sluice__rule_policy__init(&s->policy);
	sluice__backend__init(&s->backend);
	s->host.site = (char *)"main";
	s->host.name = (char *)"*.example";
	s->host.n_rules = 1;
	s->host.rules = s->rules;
	s->rules[0] = &s->rule;
	s->rule.kind = SLUICE__RULE_KIND__RULE_PREFIX;
	s->rule.path = (char *)"/a";
	s->rule.object = (char *)"local/default/web";
	s->rule.policy = &s->policy;
	s->rule.n_backends = 1;
	s->rule.backends = s->backends;
	s->backends[0] = &s->backend;
	s->backend.pool = (char *)"p";
	s->backend.weight = 100;
	s->policy.redirect_code = 308;
	s->policy.connect_timeout_ms = 5000;
	s->policy.send_timeout_ms = s->policy.read_timeout_ms = 60000;
	s->policy.retry_tries = 3;
	s->policy.retry_on = RETRY_ERROR | RETRY_TIMEOUT;
	s->policy.rewrite = (char *)"/b";
}

static void sample_init(struct sample *s)
{
	memset(s, 0, sizeof(*s));
	sluice__transaction__init(&s->transaction);
	sluice__site__init(&s->site);
	sluice__server_name__init(&s->name);
	sluice__certificate__init(&s->certificate);
	sluice__pool__init(&s->pool);
	sluice__upstream__init(&s->upstream);
	sluice__listener__init(&s->listener);
	sluice__http_listener__init(&s->http);
	sluice__prefix__init(&s->prefix);
	sample_host(s);
	memcpy(s->address, (uint8_t[]){192, 0, 2, 0}, 4);
	s->site.name = (char *)"main";
	s->site.head_bytes = 16384;
	s->site.head_timeout_ms = s->site.idle_timeout_ms = s->site.body_timeout_ms = 60000;
	s->name.site = (char *)"main";
	s->name.name = (char *)"a.example";
	s->name.n_certificates = 1;
	s->name.certificates = s->certificate_names;
	s->certificate_names[0] = s->certificate.name = (char *)"local/default/tls";
	s->certificate.chain_pem = s->certificate.key_pem = bytes((uint8_t *)"pem", 3);
	s->pool.name = (char *)"p";
	s->pool.algorithm = SLUICE__ALGORITHM__ALGORITHM_HASH;
	s->pool.upstream = &s->upstream;
	s->upstream.hash_key = SLUICE__HASH_KEY__HASH_HEADER;
	s->upstream.hash_name = (char *)"X-User";
	s->listener.vip = bytes((uint8_t *)"\300\0\2\1", 4);
	s->listener.protocol = SLUICE__L4_PROTOCOL__L4_TCP;
	s->listener.port = 443;
	s->listener.http = &s->http;
	s->http.site = (char *)"main";
	s->http.tls = true;
	s->http.n_trusted = s->http.n_proxy_protocol = 1;
	s->http.trusted = s->http.proxy_protocol = s->prefixes;
	s->prefixes[0] = &s->prefix;
	s->prefix.address = bytes(s->address, 4);
	s->prefix.length = 24;
	s->transaction.generation = 1;
	s->sites[0] = &s->site;
	s->transaction.n_sites = 1;
	s->transaction.sites = s->sites;
	s->hosts[0] = &s->host;
	s->transaction.n_hosts = 1;
	s->transaction.hosts = s->hosts;
	s->certificates[0] = &s->certificate;
	s->transaction.n_certificates = 1;
	s->transaction.certificates = s->certificates;
	s->pools[0] = &s->pool;
	s->transaction.n_pools = 1;
	s->transaction.pools = s->pools;
	s->listeners[0] = &s->listener;
	s->transaction.n_listeners = 1;
	s->transaction.listeners = s->listeners;
	s->names[0] = &s->name;
	s->transaction.n_server_names = 1;
	s->transaction.server_names = s->names;
}

static struct plan_change *decode(const struct sample *s, struct reason *reason)
{
	size_t length = sluice__transaction__get_packed_size(&s->transaction);
	uint8_t *packed = malloc(length);
	struct plan_change *change;

	assert_non_null(packed);
	sluice__transaction__pack(&s->transaction, packed);
	change = plan_change_decode(packed, length, NULL, 0, reason);
	free(packed);
	return change;
}

static void refused(const struct sample *s, const char *text)
{
	struct reason reason = {0};

	assert_null(decode(s, &reason));
	if (strcmp(reason_text(&reason), text) != 0)
		fail_msg("refused with: %s\nbut expected: %s", reason_text(&reason), text);
	reason_clear(&reason);
}

static void one_of_everything(void **state)
{
	struct reason reason = {0};
	struct plan_change *change;
	struct sample s;

	sample_init(&s);
	change = decode(&s, &reason);
	assert_string_equal(reason_text(&reason), "");
	assert_string_equal(change->sites[0].name, "main");
	assert_int_equal(change->sites[0].head_bytes, 16384);
	assert_string_equal(change->hosts[0].name, "*.example");
	assert_int_equal(change->hosts[0].rules[0].kind, ROUTE_PREFIX);
	assert_string_equal(change->hosts[0].rules[0].policy.rewrite, "/b");
	assert_null(change->hosts[0].rules[0].policy.upstream_host);
	assert_int_equal(change->hosts[0].rules[0].backends[0].weight, 100);
	assert_string_equal(change->server_names[0].certificates[0], "local/default/tls");
	assert_memory_equal(change->certificates[0].key.data, "pem", 3);
	assert_int_equal(change->pools[0].upstream->policy.hash_key, HASH_HEADER);
	assert_string_equal(change->pools[0].upstream->policy.hash_name, "X-User");
	assert_string_equal(change->listeners[0].site, "main");
	assert_int_equal(change->listeners[0].trusted[0].length, 24);
	plan_change_free(change);
}

static void wrong_sites_and_rules(void **state)
{
	struct sample s;

	sample_init(&s);
	s.site.head_bytes = 5;
	s.site.idle_timeout_ms = 0;
	refused(&s, "site main: idle_timeout_ms 0: expected 1 to 86400000\n"
		    "site main: head_bytes 5: expected 1024 to 65536");
	sample_init(&s);
	s.host.name = (char *)"A.example";
	s.rule.path = (char *)"a";
	s.backend.weight = 1000001;
	s.policy.redirect_code = 200;
	s.policy.rewrite = (char *)"x\r\ny";
	refused(&s,
		"host \"A.example\": expected \"\", a DNS name in small letters, or *. and a DNS "
		"name\n"
		"host \"A.example\" path \"a\": path \"a\": expected one that begins with /\n"
		"host \"A.example\" path \"a\": rewrite: expected at most 4096 visible characters "
		"of ASCII\n"
		"host \"A.example\" path \"a\": redirect_code 200: expected 300 to 308\n"
		"host \"A.example\" path \"a\": rewrite: expected a path that begins with /, or a "
		"URL\n"
		"host \"A.example\" path \"a\": weight of a backend 1000001: expected 0 to "
		"1000000");
	sample_init(&s);
	s.rule.kind = SLUICE__RULE_KIND__RULE_CATCH_ALL;
	s.rule.path = (char *)"";
	s.rule.policy = NULL;
	refused(&s, "host \"*.example\" path \"\": policy: expected one\n"
		    "host \"*.example\" path \"\": kind 5: expected of host \"\" alone");
}

static void wrong_names_pools_and_listeners(void **state)
{
	struct sample s;

	sample_init(&s);
	s.name.n_passthrough = 1;
	s.name.passthrough = s.backends;
	s.certificate.key_pem.len = 0;
	refused(&s, "server name \"a.example\": expected either certificates or passthrough\n"
		    "certificate local/default/tls: expected chain_pem and key_pem");
	sample_init(&s);
	s.upstream.hash_name = (char *)"";
	s.upstream.tls_verify = true;
	s.upstream.idle_connections = 65537;
	s.http.site = (char *)"";
	s.listener.pool = (char *)"p";
	s.prefix.length = 8;
	refused(&s, "listener 192.0.2.1 tcp/443: 192.0.2.0/8: expected a prefix without host bits\n"
		    "listener 192.0.2.1 tcp/443: 192.0.2.0/8: expected a prefix without host bits\n"
		    "listener 192.0.2.1 tcp/443: http: expected protocol 6 (tcp) and no pool\n"
		    "listener 192.0.2.1 tcp/443: site: expected readable text of 1 to 255 bytes\n"
		    "pool \"p\": tls_ca_pem: expected certificates to verify by\n"
		    "pool \"p\": idle_connections 65537: expected 0 to 65536\n"
		    "pool \"p\": hash_name: expected the header's or the cookie's");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_of_everything),
		cmocka_unit_test(wrong_sites_and_rules),
		cmocka_unit_test(wrong_names_pools_and_listeners),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
