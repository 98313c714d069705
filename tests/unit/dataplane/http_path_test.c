// SPDX-License-Identifier: BSD-3-Clause
// http_path.c: what a path becomes for matching, or why it is refused; every case also behind a
// prefix of many lengths, so that it falls on each place of a vector and on its edges.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http_path.h"

static const struct {
	const char *path, *normal;
	enum http_refusal refusal;
} cases[] = {
	{"/", "/", HTTP_OK},
	{"/a", "/a", HTTP_OK},
	{"/a/", "/a/", HTTP_OK},
	{"/a/b.c", "/a/b.c", HTTP_OK},
	{"//", "/", HTTP_OK},
	{"//a", "/a", HTTP_OK},
	{"/a//b", "/a/b", HTTP_OK},
	{"/a///", "/a/", HTTP_OK},
	{"/./a", "/a", HTTP_OK},
	{"/a/.", "/a/", HTTP_OK},
	{"/a/./", "/a/", HTTP_OK},
	{"/a/..", "/", HTTP_OK},
	{"/a/../", "/", HTTP_OK},
	{"/a/../b", "/b", HTTP_OK},
	{"/a/b/../../c", "/c", HTTP_OK},
	{"/a//../b", "/b", HTTP_OK},
	{"/.a", "/.a", HTTP_OK},
	{"/..a", "/..a", HTTP_OK},
	{"/...", "/...", HTTP_OK},
	{"/a/.../b", "/a/.../b", HTTP_OK},
	{"/.well-known/x", "/.well-known/x", HTTP_OK},
	{"/%61", "/a", HTTP_OK},
	{"/%41%7e", "/A~", HTTP_OK},
	{"/a%20b", "/a b", HTTP_OK},
	{"/%2e/a", "/a", HTTP_OK},
	{"/a/%2E%2e/b", "/b", HTTP_OK},
	{"/a/.%2e", "/", HTTP_OK},
	{"/a%2fb", "/a%2Fb", HTTP_OK},
	{"/a%2Fb", "/a%2Fb", HTTP_OK},
	{"/%2f/", "/%2F/", HTTP_OK},
	{"/a%252Fb", "/a%252Fb", HTTP_OK},
	{"/100%25", "/100%25", HTTP_OK},
	{"/%c3%a9", "/\xc3\xa9", HTTP_OK},
	{"/a;v=1/b", "/a;v=1/b", HTTP_OK},
	{"/%", NULL, HTTP_PATH_ESCAPE},
	{"/%2", NULL, HTTP_PATH_ESCAPE},
	{"/%zz", NULL, HTTP_PATH_ESCAPE},
	{"/%2g", NULL, HTTP_PATH_ESCAPE},
	{"/%+1", NULL, HTTP_PATH_ESCAPE},
	{"/%%41", NULL, HTTP_PATH_ESCAPE},
	{"/%u0041", NULL, HTTP_PATH_ESCAPE},
	{"/%00", NULL, HTTP_PATH_NUL},
	{"/a%00.png", NULL, HTTP_PATH_NUL},
	{"/a\\b", NULL, HTTP_PATH_BACKSLASH},
	{"/a%5cb", NULL, HTTP_PATH_BACKSLASH},
	{"/a/..;/b", NULL, HTTP_PATH_DOT_PARAMETER},
	{"/a/.;x/b", NULL, HTTP_PATH_DOT_PARAMETER},
	{"/a/%2e.%3b", NULL, HTTP_PATH_DOT_PARAMETER},
};

// Only where there is nothing in front of them.
static const char *above_root[] = {
	"/..", "/../", "/../a", "/./..", "//..", "/a/../..", "/%2e%2e", "/a/%2E%2E/%2e./b"};

// Bytes in memory of their very size, so that a sanitizer sees the first one read beyond.
static char *exact_copy(const char *text, size_t length)
{
	char *copy = malloc(length);

	assert_non_null(copy);
	memcpy(copy, text, length);
	return copy;
}

static void check(const char *path, const char *expected, enum http_refusal refusal)
{
	size_t length = strlen(path), normal_length = 0;
	char *copy = exact_copy(path, length);
	char *out = malloc(length);
	const char *normal = NULL;

	assert_non_null(out);
	assert_int_equal(http_path_normalise(copy, length, out, &normal, &normal_length), refusal);
	if (refusal == HTTP_OK) {
		assert_int_equal(normal_length, strlen(expected));
		assert_memory_equal(normal, expected, normal_length);
		// Nothing is copied that is as it should be.
		if (!strchr(path, '%') && !strstr(path, "//") && !strstr(path, "/."))
			assert_ptr_equal(normal, copy);
	}
	free(out);
	free(copy);
}

static void normalises_or_refuses(void **state)
{
	char path[256], expected[256];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		check(cases[i].path, cases[i].normal, cases[i].refusal);
		for (size_t n = 1; n < 40; n++) {
			path[0] = expected[0] = '/';
			memset(path + 1, 'x', n);
			memset(expected + 1, 'x', n);
			strcpy(path + 1 + n, cases[i].path);
			strcpy(expected + 1 + n, cases[i].normal ? cases[i].normal : "");
			check(path, expected, cases[i].refusal);
		}
	}
}

static void refuses_to_leave_the_root(void **state)
{
	for (size_t i = 0; i < sizeof(above_root) / sizeof(above_root[0]); i++)
		check(above_root[i], NULL, HTTP_PATH_ABOVE_ROOT);
}

static void takes_nul_for_a_mistake(void **state)
{
	char out[3];
	const char *normal;
	size_t length;

	assert_int_equal(http_path_normalise("/\0a", 3, out, &normal, &length), HTTP_PATH_NUL);
}

// What is normal once is normal for ever, whatever it was made of.
static void is_idempotent(void **state)
{
	static const char alphabet[] = "/./%2eFfa5";
	uint32_t seed = 1;

	for (unsigned round = 0; round < 100000; round++) {
		char path[24] = "/", once[24], twice[24];
		const char *normal, *again;
		size_t length = 1, normal_length, again_length;

		while (length < 2 + round % 22) {
			seed = seed * 1664525 + 1013904223;
			path[length++] = alphabet[(seed >> 16) % (sizeof(alphabet) - 1)];
		}
		if (http_path_normalise(path, length, once, &normal, &normal_length))
			continue;
		assert_true(normal_length >= 1 && normal_length <= length && normal[0] == '/');
		assert_int_equal(
			http_path_normalise(normal, normal_length, twice, &again, &again_length),
			HTTP_OK);
		assert_int_equal(again_length, normal_length);
		assert_memory_equal(again, normal, normal_length);
	}
}

static void names_every_refusal(void **state)
{
	for (int i = 0; i < HTTP_REFUSAL_COUNT; i++) {
		const char *name = http_refusal_name((enum http_refusal)i);
		uint16_t status = http_refusal_status((enum http_refusal)i);

		assert_true(strlen(name) > 0);
		assert_true(strlen(http_refusal_help((enum http_refusal)i)) > 0);
		assert_true(i ? status >= 400 && status < 600 : status == 200);
		if (strncmp(name, "path_", 5) == 0)
			assert_int_equal(status, 400);
		if (strncmp(name, "response_", 9) == 0)
			assert_int_equal(status, 502);
		for (int j = 0; j < i; j++)
			assert_string_not_equal(name, http_refusal_name((enum http_refusal)j));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(normalises_or_refuses),
		cmocka_unit_test(refuses_to_leave_the_root),
		cmocka_unit_test(takes_nul_for_a_mistake),
		cmocka_unit_test(is_idempotent),
		cmocka_unit_test(names_every_refusal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
