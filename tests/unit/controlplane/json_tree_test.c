// SPDX-License-Identifier: BSD-3-Clause
// JSON -> trees: what is JSON, what is not, and lists that are read item by item.
#include "json_tree.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

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
		fprintf(stream, "%c:%s", letters[tree->kind], tree->text);
		break;
	}
}

static void expect(const char *json, const char *shown)
{
	struct arena arena = {0};
	struct json_error error = {0, ""};
	const struct tree *root;
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	if (json_read(json, strlen(json), &arena, &root, &error))
		fprintf(stream, "%s", error.text);
	else
		show(stream, root);
	fclose(stream);
	assert_string_equal(text, shown);
	free(text);
	arena_clear(&arena);
}

static void test_values(void **state)
{
	(void)state;
	expect("{\"a\": [1, -2.5e3, \"x\", true, false, null], \"b\": {}}",
		"{a=[i:1 r:-2.5e3 t:x b:true b:false n:null] b={}}");
	expect(" \r\n\t\"a\\n\\\"\\\\\\/\\u00e4\\ud83d\\ude00\" ", "t:a\n\"\\/\u00e4\U0001F600");
	expect("[[],[[]]]", "[[] [[]]]");
}

static void test_refused(void **state)
{
	(void)state;
	expect("", "the text ends too early");
	expect("{\"a\":1", "expected \",\" or \"}\"");
	expect("[1,]", "not a value");
	expect("{\"a\":1,}", "expected a key");
	expect("{\"a\":1,\"a\":2}", "a key stands twice in one map");
	expect("01", "not a value");
	expect("1.", "a number without digits behind its point");
	expect("1e", "a number without digits in its exponent");
	expect("NaN", "not a value");
	expect("'a'", "not a value");
	expect("\"a", "the text ends within a string");
	expect("\"\\u12\"", "\\u without four digits");
	expect("\"\\u0000\"", "a character that is none");
	expect("\"\\ud800\"", "half a character");
	expect("\"\\x\"", "an unknown escape in a text");
	expect("\"a\nb\"", "a control character in a string");
	expect("1 2", "more behind the value");
}

static void test_depth(void **state)
{
	char text[2 * JSON_DEPTH_MAX + 3];

	(void)state;
	memset(text, '[', JSON_DEPTH_MAX + 1);
	memset(text + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
	text[2 * JSON_DEPTH_MAX + 2] = '\0';
	expect(text, "nested too deeply");
}

static int count(void *arg, const struct tree *item, const char *bytes, size_t length)
{
	char *text = arg;

	(void)item;
	snprintf(text + strlen(text), 100 - strlen(text), "<%.*s>", (int)length, bytes);
	return 0;
}

static void test_list(void **state)
{
	static const char json[] = "{\"kind\":\"L\",\"items\":[{\"a\":1}, 2 ,\"x\"],\"metadata\":"
				   "{\"resourceVersion\":\"7\"}}";
	char text[100] = "";
	struct arena arena = {0};
	struct json_list list = {.arena = &arena, .visit = count, .arg = text};
	struct json_error error;

	(void)state;
	assert_int_equal(json_read_list(json, strlen(json), &list, &error), 0);
	assert_string_equal(text, "<{\"a\":1}><2><\"x\">");
	assert_string_equal(
		tree_get(tree_get(list.head, "metadata"), "resourceVersion")->text, "7");
	arena_clear(&arena);
}

static void test_torn_list(void **state)
{
	static const char json[] = "{\"items\":[{\"a\":1},{\"a\":2}],\"metadata\":{}}";
	struct json_error error;

	(void)state;
	for (size_t n = 0; n < strlen(json); n++) {
		char text[100] = "";
		struct arena arena = {0};
		struct json_list list = {.arena = &arena, .visit = count, .arg = text};

		assert_int_equal(json_read_list(json, n, &list, &error), -EBADMSG);
		arena_clear(&arena);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_torn_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
