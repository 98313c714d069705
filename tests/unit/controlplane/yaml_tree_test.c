// SPDX-License-Identifier: BSD-3-Clause
// YAML -> trees: what plain values mean, lines, aliases, and the bounds on hostile input.
#include "yaml_tree.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// The last document as one line of text, "{a: [1, "x"]}", and how many there were.
struct shown {
	FILE *stream;
	unsigned documents;
};

static void show(FILE *stream, const struct tree *tree)
{
	static const char letters[] = "nbirt";

	switch (tree->kind) {
	case TREE_LIST:
		fputs("[", stream);
		for (unsigned i = 0; i < tree->count; i++) {
			fputs(i ? " " : "", stream);
			show(stream, tree->items[i]);
		}
		fputs("]", stream);
		break;
	case TREE_MAP:
		fputs("{", stream);
		for (unsigned i = 0; i < tree->count; i++) {
			fprintf(stream, "%s%s=", i ? " " : "", tree->members[i].key);
			show(stream, tree->members[i].value);
		}
		fputs("}", stream);
		break;
	case TREE_NULL:
	case TREE_BOOL:
	case TREE_INTEGER:
	case TREE_REAL:
	case TREE_TEXT:
		fprintf(stream, "%c:%s@%u", letters[tree->kind], tree->text, tree->line);
		break;
	}
}

static int visit(const struct tree *document, void *arg)
{
	struct shown *shown = arg;

	shown->documents++;
	show(shown->stream, document);
	fputs(";", shown->stream);
	return 0;
}

static void check_bytes(const char *yaml, size_t length, const char *expected)
{
	struct yaml_error error;
	char *text = NULL;
	size_t size;
	struct shown shown = {.stream = open_memstream(&text, &size)};
	int rc = yaml_read(yaml, length, visit, &shown, &error);

	fclose(shown.stream);
	assert_int_equal(rc, 0);
	assert_string_equal(text, expected);
	free(text);
}

static void check(const char *yaml, const char *expected)
{
	check_bytes(yaml, strlen(yaml), expected);
}

static void check_error_bytes(const char *yaml, size_t length, unsigned line, const char *text)
{
	struct yaml_error error;
	struct shown shown = {.stream = fopen("/dev/null", "w")};
	int rc = yaml_read(yaml, length, visit, &shown, &error);

	fclose(shown.stream);
	assert_int_equal(rc, -EBADMSG);
	assert_int_equal(error.line, line);
	assert_non_null(strstr(error.text, text));
}

static void check_error(const char *yaml, unsigned line, const char *text)
{
	check_error_bytes(yaml, strlen(yaml), line, text);
}

static void test_plain(void **state)
{
	(void)state;
	check("[80, -1, +7, 0x50, 010, 1.5, 1e3, 1_0, 10.0.0.1, a::1, 1:30, .5, e, 0x]",
		"[i:80@1 i:-1@1 i:+7@1 i:0x50@1 i:010@1 r:1.5@1 r:1e3@1 t:1_0@1 t:10.0.0.1@1 "
		"t:a::1@1 "
		"t:1:30@1 r:.5@1 t:e@1 t:0x@1];");
	check("[true, False, yes, Off, y, ~, null, Null, nil, inf, nan]",
		"[b:true@1 b:False@1 b:yes@1 b:Off@1 t:y@1 n:~@1 n:null@1 n:Null@1 t:nil@1 t:inf@1 "
		"t:nan@1];");
	check("['80', \"true\", !!str 80, !!str null]", "[t:80@1 t:true@1 t:80@1 t:null@1];");
}

static void test_numbers(void **state)
{
	static const struct {
		const char *text;
		bool ok;
		int64_t value;
	} cases[] = {{"80", true, 80}, {"-5", true, -5}, {"0x50", true, 80}, {"0120", true, 80},
		{"9223372036854775807", true, INT64_MAX}, {"9223372036854775808", false, 0},
		{"08", false, 0}, {"x", false, 0}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tree tree = {.kind = tree_plain_kind(cases[i].text), .text = cases[i].text};
		int64_t value = 0;

		assert_int_equal(tree_integer(&tree, &value), cases[i].ok);
		assert_int_equal(value, cases[i].value);
	}
}

static void test_documents(void **state)
{
	(void)state;
	check("", "");
	check("# nothing\n", "");
	check("---\n---\na\n---\n# empty\n---\nb: 1\n...\n", "t:a@3;{b=i:1@7};");
	check("{\"a\": [1, null], \"b\": {\"c\": \"d\\u0041\"}}",
		"{a=[i:1@1 n:null@1] b={c=t:dA@1}};");
	check("a:\n  - b\n  - c: |\n      two\n      lines\n", "{a=[t:b@2 {c=t:two\nlines\n@3}]};");
	check("1: a\ntrue: b\n", "{1=t:a@1 true=t:b@2};");
}

static void test_aliases(void **state)
{
	(void)state;
	check("a: &x {b: 1}\nc: *x\nd: &x 2\ne: *x\n",
		"{a={b=i:1@1} c={b=i:1@1} d=i:2@3 e=i:2@3};");
	check("a: &x {b: 1, c: 2}\nd: {<<: *x, c: 3}\n",
		"{a={b=i:1@1 c=i:2@1} d={c=i:3@2 b=i:1@1}};");
	check("- &x {a: 1}\n- &y {a: 2, b: 3}\n- {<<: [*x, *y]}\n",
		"[{a=i:1@1} {a=i:2@2 b=i:3@2} {a=i:1@1 b=i:3@2}];");
	check_error("a: *x\n", 1, "no anchor");
	check_error("--- &x 1\n---\n*x\n", 3, "");
	check_error("a: &x [1, *x]\n", 1, "what it is in");
	check_error("a: &x\n  b: {c: *x}\n", 2, "what it is in");
	check_error("a: {<<: 7}\n", 1, "merges maps");
}

static void test_mistakes(void **state)
{
	static const char latin[] = "a: b\nc: \xe9t\xe9\n";
	static const char zero[] = "a: \"b\\0c\"\n";

	(void)state;
	check_error("a: b\nc: [1, 2\n", 3, "not YAML");
	check_error("a: b\n\tc: d\n", 2, "not YAML");
	check_error("a: 1\nb: 2\na: 3\n", 3, "\"a\" stands twice");
	check_error("[a, b]: c\n", 1, "plain value");
	check_error_bytes(latin, sizeof(latin) - 1, 2, "not YAML");
	check_error_bytes(zero, sizeof(zero) - 1, 1, "zero byte");
	check_error_bytes("a: \0b", 5, 1, "not YAML");
}

static char *repeat(const char *text, size_t count)
{
	size_t n = strlen(text);
	char *all = malloc(n * count + 1);

	for (size_t i = 0; i < count; i++)
		memcpy(all + i * n, text, n);
	all[n * count] = '\0';
	return all;
}

static void test_bounds(void **state)
{
	char *text = repeat("[", 100000);
	char bomb[2048] = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
	size_t n = strlen(bomb);

	(void)state;
	check_error(text, 1, "nested too deeply");
	free(text);
	text = repeat("- [\n", 70);
	check_error(text, 2, ""); // refused one way or another
	free(text);
	for (int i = 1; i < 12; i++) {
		n += (size_t)snprintf(bomb + n, sizeof(bomb) - n, "a%d: &a%d [", i, i);
		for (int j = 0; j < 10; j++)
			n += (size_t)snprintf(
				bomb + n, sizeof(bomb) - n, "%s*a%d", j ? ", " : "", i - 1);
		n += (size_t)snprintf(bomb + n, sizeof(bomb) - n, "]\n");
	}
	check_error(bomb, 6, "stand for too many");
	text = repeat("- &a b\n", YAML_ANCHORS_MAX + 1);
	check_error(text, YAML_ANCHORS_MAX + 1, "too many anchors");
	free(text);
}

static int stop(const struct tree *document, void *arg)
{
	(void)document;
	++*(unsigned *)arg;
	return -ENOMEM;
}

static void test_visitor_stops(void **state)
{
	struct yaml_error error;
	unsigned visits = 0;

	(void)state;
	assert_int_equal(yaml_read("--- a\n--- b\n", 12, stop, &visits, &error), -ENOMEM);
	assert_int_equal(visits, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_documents),
		cmocka_unit_test(test_aliases),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_visitor_stops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
