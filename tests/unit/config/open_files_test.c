// SPDX-License-Identifier: BSD-3-Clause
// Soft limits of all kinds, and what they are afterwards; the hard one is left alone.
#include "open_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

#include <cmocka.h>

static rlim_t allowed_from(rlim_t soft, rlim_t hard)
{
	struct rlimit limit = {soft, hard};

	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	open_files_allow();
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(limit.rlim_max, hard);
	return limit.rlim_cur;
}

static void test_as_many_as_allowed(void **state)
{
	struct rlimit limit;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	if (limit.rlim_max > OPEN_FILES_MOST) {
		assert_int_equal(allowed_from(1024, limit.rlim_max), OPEN_FILES_MOST);
		// Never fewer than it had.
		assert_int_equal(
			allowed_from(OPEN_FILES_MOST + 1, limit.rlim_max), OPEN_FILES_MOST + 1);
	}
	assert_int_equal(allowed_from(64, 100), 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_as_many_as_allowed)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
