// SPDX-License-Identifier: BSD-3-Clause
// Tokens in their file, how often one may ask, and long texts.
#include "rate.h"
#include "token.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void tokens_outlive_a_restart(void **state)
{
	char path[] = "/tmp/sluice-tokens-XXXXXX", view[TOKEN_TEXT], admin[TOKEN_TEXT];
	struct reason reason = {0};
	struct tokens *tokens;
	struct stat info;

	(void)state;
	close(mkstemp(path));
	unlink(path);
	tokens = tokens_open(path, &reason);
	assert_null(tokens_at(tokens, 0));
	assert_int_equal(tokens_create(tokens, "a", ROLE_VIEW, view, &reason), 0);
	assert_int_equal(tokens_create(tokens, "b", ROLE_ADMIN, admin, &reason), 0);
	assert_int_equal(reason.count, 0);
	assert_int_not_equal(tokens_create(tokens, "a", ROLE_ADMIN, admin, &reason), 0);
	assert_int_equal(reason.count, 1);
	reason_clear(&reason);
	tokens_close(tokens);
	assert_int_equal(stat(path, &info), 0);
	assert_int_equal(info.st_mode & 0777, 0600);
	tokens = tokens_open(path, &reason);
	assert_int_equal(tokens_find(tokens, view)->role, ROLE_VIEW);
	assert_int_equal(tokens_find(tokens, admin)->role, ROLE_ADMIN);
	assert_string_equal(tokens_find(tokens, admin)->name, "b");
	view[10] = view[10] == '0' ? '1' : '0';
	assert_null(tokens_find(tokens, view));
	assert_null(tokens_find(tokens, ""));
	assert_int_equal(tokens_delete(tokens, "b", &reason), 0);
	assert_null(tokens_find(tokens, admin));
	assert_int_not_equal(tokens_delete(tokens, "b", &reason), 0);
	reason_clear(&reason);
	tokens_close(tokens);
	unlink(path);
}

static void lines_that_are_none(void **state)
{
	static const char hash[] =
		"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	static const char *const wrong[] = {"%s", "a view %s", "a view %s x", "a king %s 1",
		"a/b view %s 1", " view %s 1", "a view %s0 1", "a view 0%s 1", "a view %s 1 1",
		"a view x%.63s 1"};
	struct token token;
	char line[200];

	(void)state;
	snprintf(line, sizeof(line), "a-1.x_ admin %s 1700000000", hash);
	assert_true(token_parse(line, strlen(line), &token));
	assert_string_equal(token.name, "a-1.x_");
	assert_int_equal(token.role, ROLE_ADMIN);
	assert_int_equal(token.hash[1], 0x23);
	assert_int_equal(token.made_s, 1700000000);
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		snprintf(line, sizeof(line), wrong[i], hash); // house: the table has the formats
		assert_false(token_parse(line, strlen(line), &token));
	}
}

static void each_address_has_its_own_rate(void **state)
{
	static struct rate rate = {.per_second = 10};
	struct addr a, b;
	unsigned taken = 0;

	(void)state;
	addr_parse(&a, "192.0.2.1");
	addr_parse(&b, "2001:db8::1");
	while (rate_take(&rate, &a, 1, 1000))
		taken++;
	assert_int_equal(taken, 20);
	assert_true(rate_take(&rate, &b, 1, 1000));
	assert_false(rate_take(&rate, &a, 1, 1050));
	assert_true(rate_take(&rate, &a, 1, 1200));
	assert_false(rate_take(&rate, &a, 20, 2000));
	for (unsigned i = 0; i < 2 * RATE_BUCKETS; i++) { // others do not fill it
		char text[20];
		struct addr other;

		snprintf(text, sizeof(text), "10.0.%u.%u", i >> 8, i & 255);
		addr_parse(&other, text);
		assert_true(rate_take(&rate, &other, 1, 3000 + i));
	}
}

static void a_text_is_what_json_reads(void **state)
{
	static const char odd[] = "a\"b\\c\n\x01 \xc3\xa9 \xff\xc3 \xed\xa0\x80 \xf0\x9f\x98\x80";
	struct text text = {0};
	json_t *json;

	(void)state;
	text_open(&text, '[');
	text_string(&text, odd);
	text_open(&text, '[');
	text_close(&text, ']');
	for (unsigned i = 0; i < 3000; i++)
		text_string(&text, NULL);
	text_open(&text, '{');
	text_key_number(&text, "n", 12);
	text_key_null(&text, "z");
	text_close(&text, '}');
	text_close(&text, ']');
	assert_false(text.failed);
	json = json_loadb(text.bytes, text.length, 0, NULL);
	assert_non_null(json);
	assert_string_equal(json_string_value(json_array_get(json, 0)),
		"a\"b\\c\n\x01 \xc3\xa9 ?? ??? \xf0\x9f\x98\x80");
	assert_int_equal(json_integer_value(json_object_get(json_array_get(json, 3002), "n")), 12);
	json_decref(json);
	free(text.bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tokens_outlive_a_restart),
		cmocka_unit_test(lines_that_are_none),
		cmocka_unit_test(each_address_has_its_own_rate),
		cmocka_unit_test(a_text_is_what_json_reads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
