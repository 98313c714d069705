// SPDX-License-Identifier: BSD-3-Clause
// core_dump.c: what the kernel says of a process that forbade it; as root a debugger's own dump of
// one, where there is gcore, has nothing of its memory.
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core_dump.h"

static void check_kernel(void)
{
	struct rlimit limit = {1, 1};
	FILE *file = fopen("/proc/self/coredump_filter", "r");
	unsigned filter = 1;

	if (!file || fscanf(file, "%x", &filter) != 1 || filter != 0)
		_exit(1);
	fclose(file);
	if (prctl(PR_GET_DUMPABLE) != 0 || getrlimit(RLIMIT_CORE, &limit) || limit.rlim_max)
		_exit(2);
}

// A secret on the heap and on the stack, then dies as after a defect.
static void test_forbidden(void **state)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		core_dump_forbid();
		check_kernel();
		abort();
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	assert_false(WCOREDUMP(status));
}

static bool file_has(const char *name, const char *text)
{
	static char bytes[8 << 20];
	FILE *file = fopen(name, "r");
	size_t length;

	assert_non_null(file);
	length = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	assert_true(length > 0 && length < sizeof(bytes));
	return memmem(bytes, length, text, strlen(text)) != NULL;
}

static void test_debugger(void **state)
{
	char secret[32], command[256], name[64];
	int pipes[2], seed = (int)getpid(), status;
	pid_t child;
	bool found;

	if (geteuid() != 0 || system("command -v gcore >/dev/null") != 0)
		skip();
	assert_int_equal(pipe(pipes), 0);
	snprintf(secret, sizeof(secret), "key-%d-%d-yek", seed * 7919, seed);
	child = fork();
	if (child == 0) {
		char *copy = strdup(secret);

		core_dump_forbid();
		if (write(pipes[1], copy, 1) != 1)
			_exit(1);
		pause();
		_exit(copy[0]);
	}
	assert_int_equal(read(pipes[0], command, 1), 1);
	snprintf(
		command, sizeof(command), "gcore -o /tmp/core-dump-test %d >/dev/null 2>&1", child);
	status = system(command);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	assert_int_equal(status, 0);
	snprintf(name, sizeof(name), "/tmp/core-dump-test.%d", child);
	found = file_has(name, secret);
	unlink(name);
	assert_false(found);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forbidden),
		cmocka_unit_test(test_debugger),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
