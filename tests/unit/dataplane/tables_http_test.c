// SPDX-License-Identifier: BSD-3-Clause
// The proxy's part of the tables: which host, which rule, which certificate; slots that stay; and
// what is refused, with nothing changed.
#include "change_fixture.h"
#include "tables_http.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct rule_policy policy = {.redirect_code = 308, .retry_tries = 3};
static struct plan_backend backends[] = {{(char *)"p", 1}, {(char *)"q", 2}};
static struct plan_upstream upstream = {
	.policy = {.tls_name = "", .hash_name = ""}, .certificate = (char *)""};

static struct plan_rule rule(enum route_kind kind, const char *path)
{
	return (struct plan_rule){
		.kind = kind,
		.path = (char *)path,
		.object = (char *)"local/default/web",
		.backend_count = 2,
		.backends = backends,
		.policy = policy,
	};
}

// A whole plan: a VIP, two pools of the proxy, a site, its two listeners, and the hosts given.
// A difference: the site and the hosts.
static struct plan_change *sample(
	uint64_t base, uint64_t generation, struct plan_host *hosts, uint32_t host_count)
{
	static struct http_site site = {.name = "main", .head_bytes = 16384};
	struct plan_change *change = change_new(base, generation);

	change->sites = &site;
	change->site_count = 1;
	change->hosts = hosts;
	change->host_count = host_count;
	if (base)
		return change;
	change_vip(change, "192.0.2.1");
	change_pool(change, "p", ALGORITHM_ROUND_ROBIN)->upstream = &upstream;
	change_endpoint(change, "10.0.0.1", 8080, ENDPOINT_READY, 1);
	change_pool(change, "q", ALGORITHM_HASH)->upstream = &upstream;
	change_pool(change, "plain", ALGORITHM_MAGLEV);
	change_listener(change, "192.0.2.1", IPPROTO_TCP, 80, "")->site = (char *)"main";
	change_listener(change, "192.0.2.1", IPPROTO_TCP, 443, "")->site = (char *)"main";
	change->listeners[1].tls = true;
	return change;
}

static void apply(struct tables_store *store, struct plan_change *change)
{
	struct reason reason = {0};

	assert_int_equal(tables_apply(store, change, &reason), 0);
	assert_string_equal(reason_text(&reason), "");
	tables_reclaim(store);
	change_free(change);
}

static void refused(struct tables_store *store, struct plan_change *change, const char *why)
{
	const struct tables *before = tables_current(store);
	struct reason reason = {0};

	assert_int_equal(tables_apply(store, change, &reason), -EINVAL);
	if (!strstr(reason_text(&reason), why))
		fail_msg("\"%s\" is not in \"%s\"", why, reason_text(&reason));
	assert_ptr_equal(tables_current(store), before);
	reason_clear(&reason);
	change_free(change);
}

static struct http_found find(const struct tables_store *store, const char *host, const char *path)
{
	const struct tables *tables = tables_current(store);

	return tables_rule(tables, 0, host, strlen(host), (struct route_text){path, strlen(path)});
}

static void chooses_the_host_first(void **state)
{
	struct plan_rule root = rule(ROUTE_PREFIX, "/"), x = rule(ROUTE_PREFIX, "/x");
	struct plan_rule none[] = {rule(ROUTE_PREFIX, "/n"), rule(ROUTE_CATCH_ALL, "")};
	struct plan_host hosts[] = {{(char *)"main", (char *)"a.foo.com", 1, &x},
		{(char *)"main", (char *)"*.foo.com", 1, &root},
		{(char *)"main", (char *)"b.example", 0, NULL},
		{(char *)"main", (char *)"", 2, none}};
	static const struct {
		const char *host, *path, *chosen;
		enum route_how how;
	} cases[] = {
		{"a.foo.com", "/x/y", "a.foo.com", ROUTE_BY_PREFIX},
		{"A.Foo.Com.:8443", "/x", "a.foo.com", ROUTE_BY_PREFIX},
		{"a.foo.com", "/y", "", ROUTE_BY_CATCH_ALL},
		{"bar.foo.com", "/y", "*.foo.com", ROUTE_BY_PREFIX},
		{"baz.bar.foo.com", "/n", "", ROUTE_BY_PREFIX},
		{"foo.com", "/y", "", ROUTE_BY_CATCH_ALL},
		{".foo.com", "/n", "", ROUTE_BY_PREFIX},
		{"b.example", "/n", "", ROUTE_BY_CATCH_ALL},
		{"192.0.2.1", "/n", "", ROUTE_BY_PREFIX},
		{"[2001:db8::1]:80", "/n", "", ROUTE_BY_PREFIX},
		{"", "/n/m", "", ROUTE_BY_PREFIX},
	};
	struct tables_store *store = tables_store_new();

	apply(store, sample(0, 1, hosts, 4));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct http_found found = find(store, cases[i].host, cases[i].path);

		if (found.how != cases[i].how || strcmp(found.host->name, cases[i].chosen) != 0)
			fail_msg("%s%s: host \"%s\" how %d", cases[i].host, cases[i].path,
				found.host->name, found.how);
	}
	apply(store, sample(0, 2, hosts, 3));
	assert_int_equal(find(store, "a.foo.com", "/y").how, ROUTE_NOT_FOUND);
	assert_string_equal(find(store, "a.foo.com", "/y").host->name, "a.foo.com");
	assert_null(find(store, "c.example", "/").host);
	tables_store_free(store);
}

static void backends_are_pools(void **state)
{
	struct plan_rule root = rule(ROUTE_PREFIX, "/");
	struct plan_host host = {(char *)"main", (char *)"h", 1, &root};
	struct tables_store *store = tables_store_new();
	const struct http_rule *found;
	struct plan_change *change;

	apply(store, sample(0, 1, &host, 1));
	found = find(store, "h", "/").rule;
	assert_int_equal(found->backend_count, 2);
	assert_int_equal(found->backends[1].weight, 2);
	assert_string_equal(
		tables_backend_pool(tables_current(store), &found->backends[0])->name, "p");
	assert_string_equal(
		tables_backend_pool(tables_current(store), &found->backends[1])->name, "q");
	assert_string_equal(found->object, "local/default/web");
	assert_int_equal(found->policy->redirect_code, 308);
	// The pool changes, the host is not sent again.
	change = change_new(1, 2);
	change_pool(change, "p", ALGORITHM_ROUND_ROBIN)->upstream = &upstream;
	change_endpoint(change, "10.0.0.1", 8080, ENDPOINT_READY, 1);
	change_endpoint(change, "10.0.0.2", 8080, ENDPOINT_READY, 1);
	apply(store, change);
	assert_ptr_equal(find(store, "h", "/").rule, found);
	assert_int_equal(
		tables_backend_pool(tables_current(store), &found->backends[0])->ready_count, 2);
	// It goes, and another takes its slot: the rule must not take that one for it.
	change = change_new(2, 3);
	change_remove_pool(change, "p");
	apply(store, change);
	assert_null(tables_backend_pool(tables_current(store), &found->backends[0]));
	change = change_new(3, 4);
	change_pool(change, "r", ALGORITHM_ROUND_ROBIN)->upstream = &upstream;
	apply(store, change);
	assert_null(tables_backend_pool(tables_current(store), &found->backends[0]));
	tables_store_free(store);
}

static void rules_keep_their_slots(void **state)
{
	struct plan_rule rules[] = {rule(ROUTE_PREFIX, "/a"), rule(ROUTE_PREFIX, "/b"),
		rule(ROUTE_EXACT, "/b"), rule(ROUTE_DEFAULT, "")};
	struct plan_rule later[] = {rule(ROUTE_DEFAULT, ""), rule(ROUTE_EXACT, "/b"),
		rule(ROUTE_PREFIX, "/c"), rule(ROUTE_PREFIX, "/a")};
	struct plan_host host = {(char *)"main", (char *)"h", 4, rules};
	struct tables_store *store = tables_store_new();
	uint32_t a, b, exact, by_default, c;
	const struct http_host *owner;

	apply(store, sample(0, 1, &host, 1));
	a = find(store, "h", "/a").rule->slot;
	b = find(store, "h", "/b/x").rule->slot;
	exact = find(store, "h", "/b").rule->slot;
	by_default = find(store, "h", "/").rule->slot;
	host.rules = later;
	apply(store, sample(1, 2, &host, 1));
	assert_int_equal(find(store, "h", "/a").rule->slot, a);
	assert_int_equal(find(store, "h", "/b").rule->slot, exact);
	assert_int_equal(find(store, "h", "/").rule->slot, by_default);
	c = find(store, "h", "/c").rule->slot;
	assert_int_not_equal(c, b); // not before the workers have passed
	assert_string_equal(tables_rule_slot(tables_current(store), c, &owner)->path, "/c");
	assert_string_equal(owner->name, "h");
	assert_null(tables_rule_slot(tables_current(store), b, &owner));
	assert_true(tables_has_removed(store));
	tables_release_slots(store);
	host.rules = rules;
	apply(store, sample(2, 3, &host, 1));
	assert_int_equal(find(store, "h", "/b/x").rule->slot, b);
	tables_store_free(store);
}

static void what_is_the_same_stays(void **state)
{
	struct plan_rule root = rule(ROUTE_PREFIX, "/");
	struct plan_host host = {(char *)"main", (char *)"h", 1, &root};
	struct tables_store *store = tables_store_new();
	const struct http_host *before;
	const struct listener *listener;
	struct addr vip = address_of("192.0.2.1");

	apply(store, sample(0, 1, &host, 1));
	before = find(store, "h", "/").host;
	listener = tables_listener(tables_current(store), &vip, IPPROTO_TCP, htons(443));
	assert_true(listener->http && listener->http->tls && !listener->pool);
	apply(store, sample(0, 2, &host, 1));
	assert_ptr_equal(find(store, "h", "/").host, before);
	assert_ptr_equal(
		tables_listener(tables_current(store), &vip, IPPROTO_TCP, htons(443)), listener);
	root.policy.body_bytes = 7;
	apply(store, sample(2, 3, &host, 1));
	assert_int_equal(find(store, "h", "/").rule->policy->body_bytes, 7);
	apply(store, sample(0, 4, NULL, 0));
	assert_null(find(store, "h", "/").host);
	tables_store_free(store);
}

static void refuses_what_does_not_fit(void **state)
{
	struct plan_rule root = rule(ROUTE_PREFIX, "/");
	struct plan_host host = {(char *)"main", (char *)"h", 1, &root};
	struct plan_host twice[] = {host, host}, nowhere = {(char *)"other", (char *)"h", 1, &root};
	struct plan_backend wrong = {(char *)"none", 1};
	struct plan_server_name name = {.site = (char *)"main",
		.name = (char *)"h",
		.object = (char *)"",
		.certificate_count = 1,
		.certificates = (char *[]){(char *)"missing"}};
	struct tables_store *store = tables_store_new();
	struct plan_change *change;

	apply(store, sample(0, 1, &host, 1));
	refused(store, sample(1, 2, twice, 2), "host \"h\": named twice");
	refused(store, sample(1, 2, &nowhere, 1), "site \"other\" is not in the plan");
	root.backends = &wrong;
	root.backend_count = 1;
	refused(store, sample(1, 2, &host, 1), "pool \"none\" is not in the plan");
	wrong.pool = (char *)"plain";
	refused(store, sample(1, 2, &host, 1), "pool \"plain\" has no upstream");
	change = sample(1, 2, NULL, 0);
	change->server_names = &name;
	change->server_name_count = 1;
	refused(store, change, "certificate \"missing\" is not in the plan");
	change = sample(1, 2, NULL, 0);
	change_listener(change, "192.0.2.1", IPPROTO_TCP, 81, "p");
	refused(store, change, "pool \"p\" is the proxy's");
	change = sample(1, 2, NULL, 0);
	change_pool(change, "z", ALGORITHM_EWMA);
	refused(store, change, "is of proxied pools");
	tables_store_free(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chooses_the_host_first),
		cmocka_unit_test(backends_are_pools),
		cmocka_unit_test(rules_keep_their_slots),
		cmocka_unit_test(what_is_the_same_stays),
		cmocka_unit_test(refuses_what_does_not_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
