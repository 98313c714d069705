// SPDX-License-Identifier: BSD-3-Clause
// Lines of the access log: what they say, that any bytes make valid JSON, and that they are
// bounded.
#include "access_log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#define TEXT(x)                                                                                    \
	{                                                                                          \
		x, sizeof(x) - 1                                                                   \
	}

static json_t *write_and_read(const struct access_record *record)
{
	char *line = malloc(ACCESS_LINE);
	uint32_t length;
	json_t *json;

	assert_non_null(line);
	length = access_log_write(record, line, ACCESS_LINE);
	assert_true(length > 2 && length <= ACCESS_LINE);
	assert_int_equal(line[length - 1], '\n');
	assert_null(memchr(line, '\n', length - 1));
	json = json_loadb(line, length, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
	assert_non_null(json);
	free(line);
	return json;
}

static const char *text(json_t *json, const char *name)
{
	return json_string_value(json_object_get(json, name));
}

static json_int_t number(json_t *json, const char *name)
{
	assert_true(json_is_integer(json_object_get(json, name)));
	return json_integer_value(json_object_get(json, name));
}

static void says_what_happened(void **state)
{
	struct access_record record = {
		.time_us = 1795736096789012,
		.bytes_in = 12,
		.bytes_out = UINT64_C(1) << 40,
		.total_us = 1500,
		.connect_us = UINT64_MAX,
		.header_us = 900,
		.client = TEXT("2001:db8::7"),
		.client_port = 40000,
		.upstream = TEXT("10.0.0.1"),
		.upstream_port = 8080,
		.method = TEXT("GET"),
		.host = TEXT("a.example"),
		.path = TEXT("/a?b=\"c\\d\"\t\x01\x7f"),
		.ingress = TEXT("lab/default/web"),
		.status = 200,
		.upstream_status = 200,
		.retries = 2,
		.user_agent =
			TEXT("caf\xc3\xa9 \xff \xe2\x82 \xf0\x9f\x98\x80 \xed\xa0\x80 \xc0\xaf"),
	};
	json_t *json = write_and_read(&record);

	assert_string_equal(text(json, "time"), "2026-11-26T23:34:56.789012Z");
	assert_string_equal(text(json, "client"), "2001:db8::7");
	assert_int_equal(number(json, "client_port"), 40000);
	assert_int_equal(number(json, "bytes_out"), 1099511627776);
	assert_int_equal(number(json, "total_us"), 1500);
	assert_int_equal(number(json, "header_us"), 900);
	assert_null(json_object_get(json, "connect_us"));
	assert_null(json_object_get(json, "vip"));
	assert_null(json_object_get(json, "vip_port"));
	assert_null(json_object_get(json, "refusal"));
	assert_int_equal(number(json, "status"), 200);
	assert_int_equal(number(json, "retries"), 2);
	assert_string_equal(text(json, "path"), "/a?b=\"c\\d\"\t\x01\x7f");
	assert_string_equal(text(json, "user_agent"),
		"caf\xc3\xa9 \xc3\xbf \xc3\xa2\xc2\x82 \xf0\x9f\x98\x80 \xc3\xad\xc2\xa0\xc2\x80 "
		"\xc3\x80\xc2\xaf");
	json_decref(json);
}

static void is_bounded_and_valid(void **state)
{
	static char long_text[70000];
	static char out[ACCESS_LINE];
	struct access_record record = {.bytes_in = INT64_MAX,
		.bytes_out = INT64_MAX,
		.total_us = INT64_MAX,
		.connect_us = INT64_MAX,
		.header_us = INT64_MAX,
		.client_port = 65535,
		.vip_port = 65535,
		.upstream_port = 65535,
		.status = 65535,
		.upstream_status = 65535,
		.retries = 65535};
	struct access_text *texts[] = {&record.client, &record.vip, &record.upstream,
		&record.scheme, &record.method, &record.host, &record.path, &record.version,
		&record.ingress, &record.rule, &record.pool, &record.request_id, &record.refusal,
		&record.upstream_tls, &record.tls_version, &record.tls_cipher, &record.user_agent,
		&record.referer};

	for (unsigned byte = 0; byte < 256; byte++) {
		memset(long_text, (int)byte, sizeof(long_text));
		for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
			*texts[i] = (struct access_text){long_text, sizeof(long_text)};
		assert_true(access_log_write(&record, out, sizeof(out)) <= sizeof(out));
		if (byte) { // jansson counts strings with zeros otherwise
			json_t *json = write_and_read(&record);
			const char *path = text(json, "path");

			assert_string_equal(path + strlen(path) - 3, "...");
			json_decref(json);
		}
	}
	assert_int_equal(access_log_write(&record, out, ACCESS_LINE - 1), 0);
}

// Random bytes, mostly of long UTF-8 sequences and their ends.
static void takes_any_bytes(void **state)
{
	uint32_t seed = 1;

	for (unsigned round = 0; round < 20000; round++) {
		char bytes[12];
		struct access_record record = {.path = {bytes, sizeof(bytes)}};

		for (size_t i = 0; i < sizeof(bytes); i++) {
			seed = seed * 1664525 + 1013904223;
			bytes[i] = (char)(seed >> 24 | (seed >> 20 & 1 ? 0x80 : 0) | !seed);
		}
		json_decref(write_and_read(&record));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(says_what_happened),
		cmocka_unit_test(is_bounded_and_valid),
		cmocka_unit_test(takes_any_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
