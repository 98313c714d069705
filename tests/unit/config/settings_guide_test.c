// SPDX-License-Identifier: BSD-3-Clause
// docs/operator/settings.md has a row for each key of sluice.conf, with what it may be, and no
// other.
#include "settings_keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define GUIDE_MAX 65536

static char *read_guide(void)
{
	char *text = calloc(1, GUIDE_MAX);
	FILE *file = fopen(SETTINGS_GUIDE, "re");
	size_t n;

	assert_true(text && file);
	n = fread(text, 1, GUIDE_MAX, file);
	assert_true(n > 0 && n < GUIDE_MAX);
	fclose(file);
	return text;
}

// The column "values" of a key's row, to be freed; NULL: there is no row.
static char *values_of(const char *guide, const char *key)
{
	char begin[200];
	const char *at;

	snprintf(begin, sizeof(begin), "\n| `%s` ", key);
	at = strstr(guide, begin);
	at = at ? strchr(at + strlen(begin), '|') : NULL;
	return at ? strndup(at + 1, strcspn(at + 1, "|\n")) : NULL;
}

static void expect(const struct settings_key *key, const char *values, const char *text)
{
	if (!strstr(values, text))
		fail_msg("%s: \"%s\" is not among its values,%s", key->path, text, values);
}

static void check_values(const struct settings_key *key, const char *values)
{
	char words[256], text[64], *rest = words, *word;
	unsigned long least, most;

	switch (key->kind) {
	case KEY_NUMBER:
		assert_int_equal(sscanf(key->what, "a number from %lu to %lu", &least, &most), 2);
		snprintf(text, sizeof(text), " %lu to %lu ", least, most);
		expect(key, values, text);
		break;
	case KEY_BOOL:
		expect(key, values, " `true`, `false` ");
		break;
	case KEY_CHOICE:
		snprintf(words, sizeof(words), "%s", key->what);
		while ((word = strsep(&rest, "|"))) {
			snprintf(text, sizeof(text), "`%s`", word);
			expect(key, values, text);
		}
		break;
	default:
		break;
	}
}

static void test_each_key_has_its_row(void **state)
{
	struct settings_keys *keys = settings_keys_new();
	char *guide = read_guide();

	(void)state;
	assert_true(keys->count > 100);
	for (unsigned i = 0; i < keys->count; i++) {
		const struct settings_key *key = &keys->list[i];
		char *values;

		if (key->kind == KEY_GROUP || key->kind == KEY_LIST)
			continue;
		values = values_of(guide, key->path);
		if (!values)
			fail_msg("%s has no row in " SETTINGS_GUIDE, key->path);
		else
			check_values(key, values);
		free(values);
	}
	free(guide);
	settings_keys_free(keys);
}

static void test_each_row_is_of_a_key(void **state)
{
	struct settings_keys *keys = settings_keys_new();
	char *guide = read_guide();

	(void)state;
	for (const char *at = guide; (at = strstr(at, "\n| `")); at++) {
		char *path = strndup(at + 4, strcspn(at + 4, "`\n"));

		if (!settings_keys_find(keys, path))
			fail_msg("%s is no key", path);
		free(path);
	}
	free(guide);
	settings_keys_free(keys);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_key_has_its_row),
		cmocka_unit_test(test_each_row_is_of_a_key),
	};

	return cmocka_run_group_tests_name("settings_guide", tests, NULL, NULL);
}
