// SPDX-License-Identifier: BSD-3-Clause
// What the service manager hears: on a socket in a folder and on an abstract one.
#include "service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

// A manager that listens there.
static int listen_at(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	memcpy(address.sun_path, path, strlen(path));
	if (*path == '@')
		address.sun_path[0] = '\0';
	assert_int_equal(
		bind(fd, (struct sockaddr *)&address,
			(socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path))),
		0);
	return fd;
}

static void hears(const char *path)
{
	int fd = listen_at(path);
	char text[64] = "";

	setenv("NOTIFY_SOCKET", path, 1);
	service_say("READY=1");
	service_say("WATCHDOG=1");
	assert_int_equal(recv(fd, text, sizeof(text), 0), 7);
	assert_memory_equal(text, "READY=1", 7);
	assert_int_equal(recv(fd, text, sizeof(text), 0), 10);
	assert_memory_equal(text, "WATCHDOG=1", 10);
	assert_int_equal(recv(fd, text, sizeof(text), 0), -1);
	close(fd);
	service_say("WATCHDOG=1"); // nobody is there: no harm
	unsetenv("NOTIFY_SOCKET");
	service_say("WATCHDOG=1");
}

static void test_is_heard(void **state)
{
	char path[64];

	(void)state;
	snprintf(path, sizeof(path), "/tmp/sluice-service-%d", getpid());
	hears(path);
	unlink(path);
	path[0] = '@';
	hears(path);
}

static void test_watchdog(void **state)
{
	char pid[16];

	(void)state;
	snprintf(pid, sizeof(pid), "%d", getpid());
	unsetenv("WATCHDOG_USEC");
	assert_int_equal(service_watchdog_us(), 0);
	setenv("WATCHDOG_USEC", "20000000", 1);
	assert_int_equal(service_watchdog_us(), 20000000);
	setenv("WATCHDOG_PID", pid, 1);
	assert_int_equal(service_watchdog_us(), 20000000);
	setenv("WATCHDOG_PID", "1", 1); // another's
	assert_int_equal(service_watchdog_us(), 0);
	setenv("WATCHDOG_PID", pid, 1);
	setenv("WATCHDOG_USEC", "soon", 1);
	assert_int_equal(service_watchdog_us(), 0);
	setenv("WATCHDOG_USEC", "-5", 1);
	assert_int_equal(service_watchdog_us(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_is_heard),
		cmocka_unit_test(test_watchdog),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
