// SPDX-License-Identifier: BSD-3-Clause
// What is kept of a registered cluster, tokens of accounts, and the manifests one by one.
#include "registry_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
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

static void test_the_manifests_one_by_one(void **state)
{
	static const char *const paths[] = {
		"/api/v1/namespaces/sluice",
		"/api/v1/namespaces/sluice/serviceaccounts/sluice",
		"/apis/rbac.authorization.k8s.io/v1/clusterroles/sluice",
		"/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/sluice",
		"/apis/rbac.authorization.k8s.io/v1/namespaces/sluice/roles/sluice",
		"/apis/rbac.authorization.k8s.io/v1/namespaces/sluice/rolebindings/sluice",
		"/apis/networking.k8s.io/v1/ingressclasses/sluice",
	};
	struct manifest manifest;
	unsigned i = 0;

	(void)state;
	for (; manifest_at(i, &manifest) == 0; i++) {
		manifest.path[strcspn(manifest.path, "?")] = '\0';
		assert_true(i < sizeof(paths) / sizeof(paths[0]));
		assert_string_equal(manifest.path, paths[i]);
		assert_non_null(strstr(manifest.text, "\nkind: "));
		assert_null(strstr(manifest.text, "\n---"));
		manifest_clear(&manifest);
	}
	assert_int_equal(i, sizeof(paths) / sizeof(paths[0]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_record_is_read_as_it_was_written),
		cmocka_unit_test(test_a_torn_record_is_refused),
		cmocka_unit_test(test_accounts_of_tokens),
		cmocka_unit_test(test_the_answer_to_a_token_request),
		cmocka_unit_test(test_the_manifests_one_by_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
