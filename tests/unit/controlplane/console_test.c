// SPDX-License-Identifier: BSD-3-Clause
// The console without its terminal: lines as words, what may come next, and filters of the output.
#include "console.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void lines_are_words(void **state)
{
	static const struct {
		const char *line, *words; // each in < >
		bool open;
		char quote;
	} rows[] = {
		{"", "", false, '\0'},
		{"  show\tvips ", "<show><vips>", false, '\0'},
		{"show vi", "<show><vi>", true, '\0'},
		{"a \"b c\" 'd \"e'", "<a><b c><d \"e>", true, '\0'},
		{"a\\ b 'c\\d'", "<a b><c\\d>", true, '\0'},
		{"a|include b", "<a><|><include><b>", true, '\0'},
		{"a \"b|c", "<a><b|c>", true, '"'},
		{"||", "<|><|>", false, '\0'},
		{"a \"\"", "<a><>", true, '\0'},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct words words;
		char text[200] = "";

		assert_int_equal(words_split(&words, rows[i].line), 0);
		for (unsigned j = 0; j < words.count; j++)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "<%s>",
				words.list[j]);
		assert_string_equal(text, rows[i].words);
		assert_int_equal(words.open, rows[i].open);
		assert_int_equal(words.quote, rows[i].quote);
		words_free(&words);
	}
}

static void too_many_words_are_refused(void **state)
{
	char line[2 * WORDS_MAX + 3] = "";
	struct words words;

	(void)state;
	for (unsigned i = 0; i < WORDS_MAX; i++)
		strcat(line, "a ");
	assert_int_equal(words_split(&words, line), 0);
	assert_int_equal(words.count, WORDS_MAX);
	words_free(&words);
	strcat(line, "a");
	assert_int_equal(words_split(&words, line), -E2BIG);
}

// There is no API here: values it would know are not offered, all else is.
static void what_may_come_next(void **state)
{
	static const struct {
		const char *line;
		const char *has, *has_not; // NULL: does not matter
		const char *common;
	} rows[] = {
		{"", "show", "vips", ""},
		{"sh", "show", "drain", "show"},
		{"show v", "vips", "workers", "v"},
		{"show vi", "vips", NULL, "vips"},
		{"show vips ", "<Enter>", "client", NULL},
		{"show flows ", "client", NULL, ""},
		{"show flows client ", "ADDRESS", "vip", NULL},
		{"show flows client 1.2.3.4 ", "vip", "client", ""},
		{"show flows protocol ", "udp", "client", ""},
		{"show flows protocol t", "tcp", "udp", "tcp"},
		{"show nonsense ", NULL, NULL, NULL},
		{"drain vip ", "ADDRESS", "<Enter>", NULL},
		{"drain vip 1.2.3.4 ", "<Enter>", "ADDRESS", NULL},
		{"explain ", "tcp", NULL, ""},
		{"explain http://a/ ", "from", "url", "from"},
		{"help sh", "show", NULL, "show"},
		{"show vips | ", "include", "compare", ""},
		{"show vips | i", "include", "count", "include"},
		{"show vips | include ", "TEXT", "count", NULL},
	};
	const struct cli_asker asker = {
		.socket = "/tmp/sluice-no-such", .out = stdout, .err = stderr};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct words words;
		struct hints hints;
		bool has = !rows[i].has, has_not = true;
		char *common;

		assert_int_equal(words_split(&words, rows[i].line), 0);
		hints_find(&hints, &words, false, &asker);
		for (unsigned j = 0; j < hints.count; j++) {
			has |= rows[i].has && strcmp(hints.list[j].word, rows[i].has) == 0;
			has_not &= !rows[i].has_not ||
				   strcmp(hints.list[j].word, rows[i].has_not) != 0;
		}
		if (!has || !has_not)
			fail_msg("\"%s\": %s", rows[i].line, has ? rows[i].has_not : rows[i].has);
		common = hints_common(&hints);
		if (rows[i].common)
			assert_string_equal(common, rows[i].common);
		else
			assert_null(common);
		free(common);
		hints_free(&hints);
		words_free(&words);
	}
}

static void filters_take_lines_away(void **state)
{
	static const char text[] = "NAME  N\nab    1\nac    2\nbc    3\n";
	static const struct {
		const char *filters, *expected; // or the beginning of why not
	} rows[] = {
		{"", text},
		{"| no-more", text},
		{"| include a", "NAME  N\nab    1\nac    2\n"},
		{"| i a | i c", "NAME  N\nac    2\n"},
		{"| exclude a", "NAME  N\nbc    3\n"},
		{"| e N", text},
		{"| count", "3 lines\n"},
		{"| include b | count", "2 lines\n"},
		{"| sort", "found \"sort\" after |, expected one of include"},
		{"|", "found \"\" after |"},
		{"| include", "\"include\" needs its TEXT"},
		{"| count x", "found \"x\", expected |"},
		{"|count|count|count|count|count|count|count|count|count", "too many filters"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct reason reason = {0};
		struct filters filters;
		struct words words;
		char *left;

		assert_int_equal(words_split(&words, rows[i].filters), 0);
		if (filters_parse(&filters, &words, 0, &reason)) {
			assert_memory_equal(
				reason_text(&reason), rows[i].expected, strlen(rows[i].expected));
		} else {
			left = filters_apply(&filters, text);
			assert_string_equal(left, rows[i].expected);
			free(left);
		}
		reason_clear(&reason);
		words_free(&words);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_words),
		cmocka_unit_test(too_many_words_are_refused),
		cmocka_unit_test(what_may_come_next),
		cmocka_unit_test(filters_take_lines_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
