// SPDX-License-Identifier: BSD-3-Clause
// What is kept of a registered cluster, tokens of accounts, and the manifests one by one.
#include "registry_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct registration given = {
	.server = "https://192.0.2.10:6443",
	.ca_pem = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
	.tls_server_name = "kube.test",
	.proxy = "http://192.0.2.3:3128",
	.token = "header.claims.signature",
	.cert_pem = "-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----\n",
	.key_pem = "-----BEGIN PRIVATE KEY-----\nMIID\n-----END PRIVATE KEY-----\n",
	.scope = {"a,b", "c"},
};

static void test_a_record_is_read_as_it_was_written(void **state)
{
	struct record record, read;
	struct reason reason = {0};
	char *text;

	(void)state;
	assert_int_equal(record_copy(&record, &given), 0);
	free(record.account);
	record.account = strdup("sluice/sluice");
	record.made_s = 1700000000;
	record.ends_s = 1702592000;
	text = record_text(&record);
	assert_non_null(text);
	assert_int_equal(record_parse(&read, text, strlen(text), "record", &reason), 0);
	assert_string_equal(read.server, given.server);
	assert_string_equal(read.ca_pem, given.ca_pem);
	assert_string_equal(read.tls_server_name, given.tls_server_name);
	assert_string_equal(read.proxy, given.proxy);
	assert_string_equal(read.token, given.token);
	assert_string_equal(read.cert_pem, given.cert_pem);
	assert_string_equal(read.key_pem, given.key_pem);
	assert_string_equal(read.account, "sluice/sluice");
	assert_string_equal(read.namespaces, "a,b");
	assert_string_equal(read.secrets_in, "c");
	assert_int_equal(read.made_s, record.made_s);
	assert_int_equal(read.ends_s, record.ends_s);
	free(text);
	record_clear(&record);
	record_clear(&read);
}

static void test_a_torn_record_is_refused(void **state)
{
	struct record record, read;
	struct reason reason = {0};
	char *text;

	(void)state;
	assert_int_equal(record_copy(&record, &given), 0);
	text = record_text(&record);
	for (size_t length = 0; length + 1 < strlen(text); length += 7) {
		assert_int_not_equal(record_parse(&read, text, length, "record", &reason), 0);
		assert_null(read.token);
		reason_clear(&reason);
	}
	free(text);
	record_clear(&record);
}

static void test_accounts_of_tokens(void **state)
{
	static const struct {
		const char *token, *account;
		int64_t ends_s;
	} rows[] = {
		// {"sub":"system:serviceaccount:lb:reader","exp":1700000000}
		{"e30.eyJzdWIiOiJzeXN0ZW06c2VydmljZWFjY291bnQ6bGI6cmVhZGVyIiwiZXhwIjoxNzAwMDAwMDAwf"
		 "Q.c2ln",
			"lb/reader", 1700000000},
		{"e30.eyJzdWIiOiJhZG1pbiJ9.c2ln", "", 0},
		{"opaque", "", 0},
		{"", "", 0},
		{"..", "", 0},
		{"e30.!!!!.c2ln", "", 0},
		// {"sub":"system:serviceaccount:a:b?x"}
		{"e30.eyJzdWIiOiJzeXN0ZW06c2VydmljZWFjY291bnQ6YTpiP3gifQ.c2ln", "", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t ends_s;
		char *account = token_account(rows[i].token, &ends_s);

		assert_string_equal(account, rows[i].account);
		assert_int_equal(ends_s, rows[i].ends_s);
		free(account);
	}
}

static void test_the_answer_to_a_token_request(void **state)
{
	struct record record;

	(void)state;
	assert_int_equal(record_copy(&record, &given), 0);
	assert_false(token_answer(&record, "{\"status\":{}}"));
	assert_false(token_answer(&record, "torn"));
	assert_string_equal(record.token, given.token);
	assert_true(token_answer(&record, "{\"status\":{\"token\":\"new\",\"expirationTimestamp\":"
					  "\"2024-05-01T10:00:00Z\"}}"));
	assert_string_equal(record.token, "new");
	assert_int_equal(record.ends_s, 1714557600);
	assert_true(token_answer(&record, "{\"status\":{\"token\":\"newer\"}}"));
	assert_int_equal(record.ends_s, 0);
	record_clear(&record);
}

static const struct scope everywhere = {"", ""};

static void test_the_manifests_one_by_one(void **state)
{
	static const char *const paths[] = {
		"/api/v1/namespaces/sluice",
		"/api/v1/namespaces/sluice/serviceaccounts/sluice",
		"/apis/rbac.authorization.k8s.io/v1/clusterroles/sluice",
		"/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/sluice",
		"/apis/rbac.authorization.k8s.io/v1/clusterroles/sluice-objects",
		"/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/sluice-objects",
		"/apis/rbac.authorization.k8s.io/v1/clusterroles/sluice-secrets",
		"/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/sluice-secrets",
		"/apis/rbac.authorization.k8s.io/v1/namespaces/sluice/roles/sluice",
		"/apis/rbac.authorization.k8s.io/v1/namespaces/sluice/rolebindings/sluice",
		"/apis/networking.k8s.io/v1/ingressclasses/sluice",
	};
	char *text = registry_manifests(&everywhere);
	struct manifest manifest;
	unsigned i = 0;

	(void)state;
	for (; manifest_at(text, i, &manifest) == 0; i++) {
		manifest.path[strcspn(manifest.path, "?")] = '\0';
		assert_true(i < sizeof(paths) / sizeof(paths[0]));
		assert_string_equal(manifest.path, paths[i]);
		assert_non_null(strstr(manifest.text, "\nkind: "));
		assert_null(strstr(manifest.text, "\n---"));
		manifest_clear(&manifest);
	}
	assert_int_equal(i, sizeof(paths) / sizeof(paths[0]));
	free(text);
}

static unsigned count_of(const char *text, const char *what)
{
	unsigned count = 0;

	for (const char *at = text; (at = strstr(at, what)); at += strlen(what))
		count++;
	return count;
}

static void expect_bound(const struct scope *scope, const char *const *wanted)
{
	char *text = registry_manifests(scope);
	struct manifest manifest;
	unsigned found = 0;

	for (unsigned i = 0; manifest_at(text, i, &manifest) == 0; i++) {
		manifest.path[strcspn(manifest.path, "?")] = '\0';
		if (strstr(manifest.path, "bindings/sluice-")) {
			assert_non_null(wanted[found]);
			assert_string_equal(
				manifest.path + strlen("/apis/rbac.authorization.k8s.io/v1/"),
				wanted[found]);
			found++;
			assert_int_equal(count_of(manifest.text, "kind: ClusterRole\n"), 1);
			assert_int_equal(count_of(manifest.text, "kind: ServiceAccount\n"), 1);
		}
		manifest_clear(&manifest);
	}
	assert_null(wanted[found]);
	free(text);
}

static void test_rights_in_some_namespaces(void **state)
{
	static const struct scope walled = {"a,bc", ""}, some = {"", "a"};

	(void)state;
	expect_bound(&walled, (const char *const[]){"namespaces/a/rolebindings/sluice-objects",
				      "namespaces/bc/rolebindings/sluice-objects",
				      "namespaces/a/rolebindings/sluice-secrets",
				      "namespaces/bc/rolebindings/sluice-secrets", NULL});
	expect_bound(&some, (const char *const[]){"clusterrolebindings/sluice-objects",
				    "namespaces/a/rolebindings/sluice-secrets", NULL});
}

static void expect_over(const struct scope *before, const struct scope *now, const char *wanted)
{
	char *over = manifests_over(before, now);
	char plain[1000] = "";

	for (char *line = strtok(over, "\n"); line; line = strtok(NULL, "\n"))
		snprintf(plain + strlen(plain), sizeof(plain) - strlen(plain), "%s ",
			line + strlen("/apis/rbac.authorization.k8s.io/v1/"));
	assert_string_equal(plain, wanted);
	free(over);
}

// What gave more before is taken away.
static void test_rights_that_are_over(void **state)
{
	static const struct scope walled = {"a,b", ""}, less = {"b", ""}, some = {"", "b"};

	(void)state;
	expect_over(&everywhere, &everywhere, "");
	expect_over(&everywhere, &walled,
		"clusterrolebindings/sluice-objects clusterrolebindings/sluice-secrets ");
	expect_over(&everywhere, &some, "clusterrolebindings/sluice-secrets ");
	expect_over(&walled, &less,
		"clusterrolebindings/sluice-objects clusterrolebindings/sluice-secrets "
		"namespaces/a/rolebindings/sluice-objects "
		"namespaces/a/rolebindings/sluice-secrets ");
	expect_over(&walled, &some,
		"clusterrolebindings/sluice-secrets namespaces/a/rolebindings/sluice-objects "
		"namespaces/b/rolebindings/sluice-objects "
		"namespaces/a/rolebindings/sluice-secrets ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_record_is_read_as_it_was_written),
		cmocka_unit_test(test_a_torn_record_is_refused),
		cmocka_unit_test(test_accounts_of_tokens),
		cmocka_unit_test(test_the_answer_to_a_token_request),
		cmocka_unit_test(test_the_manifests_one_by_one),
		cmocka_unit_test(test_rights_in_some_namespaces),
		cmocka_unit_test(test_rights_that_are_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
