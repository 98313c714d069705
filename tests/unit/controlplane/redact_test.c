// SPDX-License-Identifier: BSD-3-Clause
// Texts that leave the box: what the box knows to be secret is nowhere in them, and what looks like
// a secret is not either; what is none stays.
#include "redact.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void check(const struct redact *redact, const char *text, const char *expected)
{
	size_t length;
	char *left = redact_text(redact, text, strlen(text), &length);

	assert_non_null(left);
	assert_int_equal(strlen(left), length);
	if (strcmp(left, expected) != 0)
		fail_msg("%s\nis %s\nnot %s", text, left, expected);
	free(left);
}

#define R REDACTED

static const char *const patterns[][2] = {
	{"", ""},
	{"nothing of a secret: passwords and tokens", "nothing of a secret: passwords and tokens"},
	{"password = \"hunter2\"; asn = 65000;", "password = \"" R "\"; asn = 65000;"},
	{"password=hunter2 user=a", "password=" R " user=a"},
	{"the passphrase is: hunter2 ", "the passphrase is: " R " "},
	{"PASSPHRASE: correct horse", "PASSPHRASE: " R " horse"},
	{"{\"password\": \"a\\\"b\", \"x\": 1}", "{\"password\": \"" R "\", \"x\": 1}"},
	{"{\"text\": \"password = \\\"hunter2\\\";\\n\"}",
		"{\"text\": \"password = \\\"" R "\\\";\\n\"}"},
	{"{\"token\": null, \"tokens\": []}", "{\"token\": null, \"tokens\": []}"},
	{"token: abcdef\n  name: x", "token: " R "\n  name: x"},
	{"client-key-data: QUJD\nx", "client-key-data: " R "\nx"},
	{"secret default/web-tls, {\"secret\": \"web-tls\"}",
		"secret default/web-tls, {\"secret\": \"web-tls\"}"},
	{"sluice_0123456789abcdef0123456789abcdef.", "sluice_" R "."},
	{"sluice_backends{a=\"1\"} 1", "sluice_backends{a=\"1\"} 1"},
	{"Authorization: Bearer abcdefgh-12", "Authorization: Bearer " R},
	{"bearer of news", "bearer of news"},
	{"a eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJrdWJlIn0.c2ln b", "a " R " b"},
	{"https://admin:pw@host/path", "https://" R "@host/path"},
	{"https://host:443/path user@host", "https://host:443/path user@host"},
	{"root:$6$salt$hAsH/.:19000:", "root:" R ":19000:"},
	{"-----BEGIN EC PRIVATE KEY-----\nMHcCAQ\n-----END EC PRIVATE KEY-----\nx",
		"-----BEGIN " R "-----END EC PRIVATE KEY-----\nx"},
	{"-----BEGIN PRIVATE KEY-----\nMHcCAQ", "-----BEGIN " R},
	{"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
		"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----"},
	{"key: LS0tLS1CRUdJTiBFQyBQUklWQVRF=\nx", "key: " R "\nx"},
};

static void what_looks_like_a_secret_goes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++)
		check(NULL, patterns[i][0], patterns[i][1]);
}

static void what_is_known_goes_wherever_it_stands(void **state)
{
	static const char pem[] = "-----BEGIN CERTIFICATE-----\nMIIBpublicpublicpublicpublic\n"
				  "-----END CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\n"
				  "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49\nAwEHBG0wawIBAQQgshort\n"
				  "-----END PRIVATE KEY-----\n";
	struct redact *redact = redact_new();

	(void)state;
	assert_true(redact_add(redact, pem, strlen(pem)));
	assert_true(redact_add(redact, "s3cr3t", 6));
	assert_true(redact_add(redact, "s3cr3t", 6));
	assert_true(redact_add(redact, "abc", 3)); // too short to be looked for
	assert_true(redact_add(redact, "a \"quoted\" one", 14));
	assert_true(redact_add(redact, "a long passphrase of the box", 28));
	check(redact, "it is s3cr3t, abc", "it is " R ", abc");
	check(redact, "s3cr3ts3cr3t", R);
	check(redact, "xMIGHAgEAMBMGByqGSM49AgEGCCqGSM49x", "x" R "x");
	check(redact, "MIIBpublicpublicpublicpublic", "MIIBpublicpublicpublicpublic");
	check(redact, "AwEHBG0wawIBAQQgshort", R);
	check(redact, "{\"m\": \"a \\\"quoted\\\" one\"}", "{\"m\": \"" R "\"}");
	check(redact, "it said: a long passphrase of the box.", "it said: " R ".");
	check(redact, "a long passphrase of the bo", "a long passphrase " R " the bo");
	redact_free(redact);
}

static void many_are_found_among_many(void **state)
{
	struct redact *redact = redact_new();
	char text[64], *all = NULL;
	size_t length, left_length;
	FILE *out = open_memstream(&all, &length);
	char *left;

	(void)state;
	for (unsigned i = 0; i < 5000; i++) {
		snprintf(text, sizeof(text), "needle-number-%08u-of-many", i * 7);
		assert_true(redact_add(redact, text, strlen(text)));
		fprintf(out, "line %u %s and more\n", i, text);
	}
	fclose(out);
	left = redact_text(redact, all, length, &left_length);
	assert_null(strstr(left, "needle-number"));
	assert_non_null(strstr(left, "line 4999 " R " and more\n"));
	free(left);
	free(all);
	redact_free(redact);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_looks_like_a_secret_goes),
		cmocka_unit_test(what_is_known_goes_wherever_it_stands),
		cmocka_unit_test(many_are_found_among_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
