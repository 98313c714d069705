// SPDX-License-Identifier: BSD-3-Clause
// Revisions on disk: when each was made, to the microsecond, also after they are read again, and
// those of before that had whole seconds.
#include "history.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void write_text(const char *dir, const char *name, const char *text)
{
	char path[100];
	FILE *file;

	snprintf(path, sizeof(path), "%s/revisions/%s", dir, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void test_times(void **state)
{
	char dir[] = "/tmp/history.XXXXXX", command[64];
	struct reason reason = {0};
	struct history history;
	uint64_t before, between, after;

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(history_open(&history, dir, &reason), 0);
	before = now_us();
	assert_int_equal(history_add(&history, "root", "one", "a = 1;\n", &reason), 0);
	between = now_us();
	assert_int_equal(history_add(&history, "root", "two", "a = 2;\n", &reason), 0);
	after = now_us();
	history_close(&history);
	write_text(
		dir, "00000003.conf", "// at 1764000000\n// by root\n// comment three\na = 3;\n");
	write_text(dir, "00000004.conf", "// at 1764000000.25\n// by root\n// comment\n");
	assert_int_equal(history_open(&history, dir, &reason), 0);
	assert_int_equal(history.count, 3); // the last has no comment that is one
	assert_in_range(history.list[0].at_us, before, between);
	assert_in_range(history.list[1].at_us, between, after);
	assert_int_equal(history.list[2].at_us, UINT64_C(1764000000000000));
	write_text(dir, "00000004.conf", "// at 1764000000.25\n// by root\n// comment x\n");
	history_close(&history);
	assert_int_equal(history_open(&history, dir, &reason), 0);
	assert_int_equal(history.list[3].at_us, UINT64_C(1764000000250000));
	history_close(&history);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_times)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
