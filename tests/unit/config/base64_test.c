// SPDX-License-Identifier: BSD-3-Clause
// The vectors of RFC 4648 section 10, and what is none.
#include "base64.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void test_vectors(void **state)
{
	static const struct {
		const char *plain, *text;
	} rows[] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="},
		{"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[16];
		uint8_t bytes[16];
		size_t count;

		base64_encode(rows[i].plain, strlen(rows[i].plain), text);
		assert_string_equal(text, rows[i].text);
		assert_int_equal(base64_decode(BASE64, text, strlen(text), bytes, &count), 0);
		assert_int_equal(count, strlen(rows[i].plain));
		assert_memory_equal(bytes, rows[i].plain, count);
		text[strcspn(text, "=")] = '\0';
		assert_int_equal(base64_decode(BASE64_URL, text, strlen(text), bytes, &count), 0);
		assert_int_equal(count, strlen(rows[i].plain));
	}
}

static void test_every_byte(void **state)
{
	uint8_t bytes[256], read[260];
	char text[BASE64_TEXT(256)];
	size_t count;

	(void)state;
	for (unsigned i = 0; i < 256; i++)
		bytes[i] = (uint8_t)(255 - i);
	base64_encode(bytes, sizeof(bytes), text);
	assert_int_equal(base64_decode(BASE64, text, strlen(text), read, &count), 0);
	assert_int_equal(count, sizeof(bytes));
	assert_memory_equal(read, bytes, sizeof(bytes));
}

static void test_what_is_none(void **state)
{
	static const char *const texts[] = {
		"Z", "Zg", "Zg=", "Zh==", "Zm9=", "Zm9v=", "Zg==Zg==", "Zm-v", "Z\x80=="};
	uint8_t bytes[16];
	size_t count;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(
			base64_decode(BASE64, texts[i], strlen(texts[i]), bytes, &count), -EBADMSG);
	assert_int_equal(base64_decode(BASE64, "Zm\n9v\r\n", 7, bytes, &count), 0);
	assert_int_equal(count, 3);
	assert_int_equal(base64_decode(BASE64_URL, "-_-_", 4, bytes, &count), 0);
	assert_int_equal(base64_decode(BASE64_URL, "+/+/", 4, bytes, &count), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_every_byte),
		cmocka_unit_test(test_what_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
