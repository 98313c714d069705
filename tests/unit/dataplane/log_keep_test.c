// SPDX-License-Identifier: BSD-3-Clause
// The lines that are kept for the control plane: those after a number, and the oldest gone first.
#include "log_keep.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void lines_after_a_number(void **state)
{
	struct log_keep *keep = log_keep_new();
	struct log_kept *lines;

	(void)state;
	assert_int_equal(log_keep_after(keep, 0, &lines), 0);
	log_kept_free(lines, 0);
	log_info("port", "one");
	log_debug("port", "not written");
	log_warning("host", "two");
	assert_int_equal(log_keep_after(keep, 0, &lines), 2);
	assert_int_equal(lines[0].number, 1);
	assert_string_equal(lines[0].text, "one");
	assert_string_equal(lines[0].area, "port");
	assert_int_equal(lines[1].level, LOG_LEVEL_WARNING);
	log_kept_free(lines, 2);
	assert_int_equal(log_keep_after(keep, 1, &lines), 1);
	assert_string_equal(lines[0].text, "two");
	log_kept_free(lines, 1);
	assert_int_equal(log_keep_after(keep, 2, &lines), 0);
	log_kept_free(lines, 0);
	assert_int_equal(log_keep_after(keep, 99, &lines), 0); // another process's number
	log_kept_free(lines, 0);
	log_keep_free(keep);
}

static void the_oldest_go_first(void **state)
{
	struct log_keep *keep = log_keep_new();
	struct log_kept *lines;
	unsigned count, written = 0;

	(void)state;
	assert_int_not_equal(dup2(open("/dev/null", O_WRONLY), STDERR_FILENO), -1);
	while (written < LOG_KEPT + 10) { // what is more than may be written is not kept
		uint64_t dropped = log_dropped();

		log_info("port", "line %u", written + 1);
		if (log_dropped() != dropped)
			usleep(1000);
		else
			written++;
	}
	count = log_keep_after(keep, 0, &lines);
	assert_int_equal(count, LOG_KEPT);
	assert_true(lines[0].number > 10); // told drops are lines, too
	for (unsigned i = 1; i < count; i++)
		assert_int_equal(lines[i].number, lines[i - 1].number + 1);
	assert_string_equal(lines[count - 1].text, "line 2510");
	log_kept_free(lines, count);
	log_keep_free(keep);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_after_a_number),
		cmocka_unit_test(the_oldest_go_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
