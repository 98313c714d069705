// SPDX-License-Identifier: BSD-3-Clause
// Checks against sockets of this process: who listens passes, who does not fails, and is told on
// change only.
#include "health.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <sys/socket.h>
#include <unistd.h>

struct stage {
	uv_loop_t loop;
	unsigned changes;
};

static void on_changed(void *arg)
{
	struct stage *s = arg;

	s->changes++;
	uv_stop(&s->loop);
}

static int listen_somewhere(uint16_t *port)
{
	struct sockaddr_in name = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(name);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	assert_int_equal(listen(fd, 100), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &length), 0);
	*port = ntohs(name.sin_port);
	return fd;
}

static const struct plan_delta all = {.all = true};

static void changes_are_told_once(void **state)
{
	char path[] = "/", host[] = "", name[] = "pod";
	struct plan_check check = {HEALTH_TCP, 20, 1000, 2, 3, 0, path, host};
	struct plan_endpoint endpoint = {.name = name};
	struct plan_pool pool = {.endpoint_count = 1, .endpoints = &endpoint, .check = &check};
	struct plan_pool *pools[] = {&pool};
	const struct plan plan = {.pool_count = 1, .pools = pools}, nothing = {0};
	// Made again, as when another endpoint of the Service changed; and gone.
	const struct plan_delta again = {
		.gone[ROW_POOL] = {1, (void **)pools}, .added[ROW_POOL] = {1, (void **)pools}};
	const struct plan_delta gone = {.gone[ROW_POOL] = {1, (void **)pools}};
	struct stage s = {0};
	const struct health_options options = {&s, on_changed};
	struct health *health;
	int fd;

	(void)state;
	uv_loop_init(&s.loop);
	assert_int_equal(addr_parse(&endpoint.address, "127.0.0.1"), 0);
	fd = listen_somewhere(&endpoint.port);
	assert_int_equal(health_open(&health, &s.loop, &options), 0);
	health_follow(health, &plan, &all);
	health_follow(health, &plan, &all); // the same checks
	health_follow(health, &plan, &again);
	assert_string_equal(
		health_text(health, &check, &endpoint.address, endpoint.port), "not checked yet");
	assert_string_equal(health_text(health, NULL, &endpoint.address, endpoint.port), "");
	while (strcmp(health_text(health, &check, &endpoint.address, endpoint.port), "passing") !=
		0)
		uv_run(&s.loop, UV_RUN_ONCE);
	assert_int_equal(s.changes, 0);
	close(fd);
	uv_run(&s.loop, UV_RUN_DEFAULT);
	assert_int_equal(s.changes, 1);
	assert_true(health_failed(health, &check, &endpoint.address, endpoint.port));
	assert_string_equal(health_text(health, &check, &endpoint.address, endpoint.port),
		"failing: Connection refused");
	health_follow(health, &nothing, &gone); // nobody any more
	assert_false(health_failed(health, &check, &endpoint.address, endpoint.port));
	health_close(health);
	uv_run(&s.loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&s.loop), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(changes_are_told_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
