// SPDX-License-Identifier: BSD-3-Clause
// api/ over its real socket, with a dataplane behind it that answers, is silent or is not there:
// one loop holds the client, the API, publish/ and the dataplane.
#include "api.h"
#include "api_internal.h"
#include "counted.h"
#include "fake_dataplane.h"
#include "plan_sample.h"

#include <arpa/inet.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define TEXT(literal) ((char *)(uintptr_t)(literal))

struct stage {
	uv_loop_t loop;
	char directory[64], tokens[80], channel[80], socket[80], file[80], key[80];
	struct seal *seal;
	struct settings settings;
	struct plan_problem problem;
	struct fake_dataplane fake;
	struct publish *publish;
	struct plan *plan;
	struct api *api;
	// The client.
	uv_pipe_t pipe;
	uv_connect_t connect;
	uv_write_t write;
	char request[400];
	const char *more; // of the next request, after its fields; NULL = nothing
	char answer[200000];
	size_t length;
	bool ended;
};

static void tell(void *arg, struct api_state *state)
{
	struct stage *s = arg;

	*state = (struct api_state){
		.settings = &s->settings,
		.plan = s->plan,
		.dataplane = s->publish,
		.publish = publish_state(s->publish),
		.started_us = 1000000,
		.problem_count = s->problem.text ? 1 : 0,
		.problems = &s->problem,
	};
}

static int setup(void **state)
{
	struct stage *s = calloc(1, sizeof(*s));
	struct publish_options publish = {.release = plan_sample_free};
	struct api_options api = {.group = "root", .arg = s, .state = tell};
	struct reason reason = {0};

	uv_loop_init(&s->loop);
	strcpy(s->directory, "/tmp/sluice-api-XXXXXX");
	assert_non_null(mkdtemp(s->directory));
	snprintf(s->channel, sizeof(s->channel), "%s/dataplane.sock", s->directory);
	snprintf(s->socket, sizeof(s->socket), "%s/api.sock", s->directory);
	snprintf(s->file, sizeof(s->file), "%s/plan", s->directory);
	publish.socket_path = s->channel;
	assert_int_equal(seal_open(&s->seal, s->directory, &reason), 0);
	snprintf(s->key, sizeof(s->key), "%s/" SEAL_KEY_FILE, s->directory);
	publish.plan_file = (struct sealed_file){s->file, s->seal, SLUICE_PLAN_FILE};
	assert_int_equal(publish_open(&s->publish, &s->loop, &publish, &reason), 0);
	s->plan = plan_sample_web(3);
	s->plan->pools[0]->endpoints[2].state = ENDPOINT_DRAINING;
	publish_plan(s->publish, s->plan);
	s->settings.file = TEXT("sluice.conf");
	s->settings.pair.interface = TEXT("");
	snprintf(s->tokens, sizeof(s->tokens), "%s/tokens", s->directory);
	api.tokens_path = s->tokens;
	api.socket_path = s->socket;
	assert_int_equal(api_open(&s->api, &s->loop, &api, &reason), 0);
	assert_int_equal(reason.count, 0);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct stage *s = *state;

	publish_close(s->publish);
	api_close(s->api);
	if (s->fake.loop)
		fake_stop(&s->fake);
	uv_run(&s->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&s->loop), 0);
	shadow_clear(&s->fake.shadow);
	assert_int_not_equal(access(s->socket, F_OK), 0);
	unlink(s->channel);
	unlink(s->file);
	unlink(s->key);
	seal_close(s->seal);
	assert_int_equal(rmdir(s->directory), 0);
	free(s);
	return 0;
}

static void too_late(uv_timer_t *timer)
{
	(void)timer;
	fail_msg("what was waited for did not come");
}

static void run_until(struct stage *s, const bool *condition)
{
	uv_timer_t limit;

	uv_timer_init(&s->loop, &limit);
	uv_timer_start(&limit, too_late, 10000, 0);
	while (!*condition)
		uv_run(&s->loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&limit, NULL);
	uv_run(&s->loop, UV_RUN_NOWAIT);
}

static void space(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct stage *s = handle->data;

	(void)suggested;
	*buf = uv_buf_init(s->answer + s->length, (unsigned)(sizeof(s->answer) - 1 - s->length));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct stage *s = stream->data;

	(void)buf;
	if (n < 0) {
		s->ended = true;
		uv_close((uv_handle_t *)stream, NULL);
	} else {
		s->length += (size_t)n;
		s->answer[s->length] = '\0';
	}
}

static void on_connect(uv_connect_t *connect, int status)
{
	struct stage *s = connect->handle->data;
	uv_buf_t buf = uv_buf_init(s->request, (unsigned)strlen(s->request));

	assert_int_equal(status, 0);
	uv_read_start(connect->handle, space, on_read);
	uv_write(&s->write, connect->handle, &buf, 1, NULL);
}

// Sends "METHOD path" and gives the JSON of the answer, which must have this status.
static json_t *ask_by(struct stage *s, const char *method, const char *path, int status)
{
	const char *body;
	json_t *json;
	int got;

	snprintf(s->request, sizeof(s->request),
		"%s %s HTTP/1.1\r\nHost: sluice\r\nConnection: close\r\n%s\r\n", method, path,
		s->more ? s->more : "");
	s->more = NULL;
	s->length = 0;
	s->ended = false;
	uv_pipe_init(&s->loop, &s->pipe, 0);
	s->pipe.data = s;
	uv_pipe_connect(&s->connect, &s->pipe, s->socket, on_connect);
	run_until(s, &s->ended);
	assert_int_equal(sscanf(s->answer, "HTTP/1.1 %d", &got), 1);
	if (got != status)
		fail_msg("%s", s->answer);
	body = strstr(s->answer, "\r\n\r\n");
	assert_non_null(body);
	json = json_loads(body, JSON_DECODE_ANY, NULL);
	assert_non_null(json);
	return json;
}

static json_t *ask(struct stage *s, const char *path, int status)
{
	return ask_by(s, "GET", path, status);
}

static const char *text_of(json_t *row, const char *name)
{
	return json_string_value(json_object_get(row, name));
}

static long long number_of(json_t *row, const char *name)
{
	assert_true(json_is_integer(json_object_get(row, name)));
	return json_integer_value(json_object_get(row, name));
}

static void with_dataplane(struct stage *s, struct counted *c)
{
	bool current = false;

	counted_fill(c);
	s->fake.stats = &c->stats;
	s->fake.flows = &c->flows;
	fake_start(&s->fake, &s->loop, s->channel);
	while (!current) {
		uv_run(&s->loop, UV_RUN_ONCE);
		current = publish_state(s->publish).current;
	}
}

static void says_what_it_knows_without_a_dataplane(void **state)
{
	struct stage *s = *state;
	json_t *json = ask(s, "/v1/services", 200), *row, *listener;

	assert_non_null(strstr(text_of(json, "warning"), "no counters"));
	row = json_array_get(json_object_get(json, "services"), 0);
	assert_string_equal(text_of(row, "service"), "local/default/web");
	assert_string_equal(json_string_value(json_array_get(json_object_get(row, "addresses"), 0)),
		"192.0.2.100");
	assert_true(json_is_null(json_object_get(row, "flows")));
	listener = json_array_get(json_object_get(row, "listeners"), 0);
	assert_int_equal(number_of(listener, "ready"), 2);
	assert_int_equal(number_of(listener, "draining"), 1);
	assert_string_equal(text_of(listener, "mode"), "full-nat");
	assert_string_equal(text_of(listener, "algorithm"), "maglev");
	json_decref(json);
	json = ask(s, "/v1/endpoints", 200);
	assert_int_equal(json_array_size(json_object_get(json, "endpoints")), 3);
	json_decref(json);
	json = ask(s, "/v1/problems", 200);
	row = json_array_get(json_object_get(json, "problems"), 0);
	assert_string_equal(text_of(row, "level"), "error");
	assert_string_equal(text_of(row, "object"), "dataplane");
	assert_non_null(strstr(text_of(row, "text"), "dataplane"));
	json_decref(json);
	json = ask(s, "/v1/status", 200);
	assert_true(
		json_is_false(json_object_get(json_object_get(json, "dataplane"), "connected")));
	assert_int_equal(number_of(json_object_get(json, "plan"), "endpoints"), 3);
	assert_int_equal(number_of(json, "problems"), 1);
	json_decref(json);
	json = ask(s, "/v1/version", 200);
	assert_true(json_is_null(json_object_get(json, "dataplane")));
	json_decref(json);
}

static void only_the_dataplane_knows(void **state)
{
	static const char *const paths[] = {"/v1/workers", "/v1/ports", "/v1/drops", "/v1/flows"};

	for (unsigned i = 0; i < 4; i++) {
		json_t *json = ask(*state, paths[i], 503);

		assert_non_null(strstr(text_of(json, "error"), "dataplane"));
		json_decref(json);
	}
}

static void joins_plan_and_counters(void **state)
{
	struct counted counted = {0};
	struct stage *s = *state;
	json_t *json, *row, *rows;

	with_dataplane(s, &counted);
	json = ask(s, "/v1/endpoints", 200);
	assert_null(json_object_get(json, "warning"));
	rows = json_object_get(json, "endpoints");
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(number_of(json_array_get(rows, i), "flows"), 10 + i);
	assert_string_equal(text_of(json_array_get(rows, 2), "state"), "draining");
	assert_int_equal(number_of(json_array_get(rows, 1), "bytes_out"), 5000000001);
	json_decref(json);
	json = ask(s, "/v1/endpoints?address=10.244.1.2&service=default/web", 200);
	assert_int_equal(json_array_size(json_object_get(json, "endpoints")), 1);
	json_decref(json);
	json = ask(s, "/v1/endpoints?service=eb", 200);
	assert_int_equal(json_array_size(json_object_get(json, "endpoints")), 0);
	json_decref(json);
	json = ask(s, "/v1/services", 200);
	row = json_array_get(json_object_get(json, "services"), 0);
	assert_int_equal(number_of(row, "flows"), 13);
	json_decref(json);
	json = ask(s, "/v1/vips", 200);
	row = json_array_get(json_object_get(json, "vips"), 0);
	assert_string_equal(text_of(row, "address"), "192.0.2.100");
	assert_int_equal(number_of(row, "flows"), 13);
	assert_string_equal(
		json_string_value(json_array_get(json_object_get(row, "ports"), 0)), "tcp/80");
	json_decref(json);
	json = ask(s, "/v1/workers", 200);
	assert_string_equal(text_of(json, "memory"), "4 kB pages");
	row = json_array_get(json_object_get(json, "workers"), 0);
	row = json_array_get(json_object_get(row, "stages"), 0);
	assert_true(json_real_value(json_object_get(row, "cycles_per_packet")) == 30.0);
	json_decref(json);
	json = ask(s, "/v1/drops", 200);
	assert_int_equal(json_array_size(json_object_get(json, "drops")), 1);
	json_decref(json);
	json = ask(s, "/v1/drops?all", 200);
	assert_int_equal(json_array_size(json_object_get(json, "drops")), 2);
	json_decref(json);
	// The port's link is down and the flow table almost full.
	json = ask(s, "/v1/problems", 200);
	assert_int_equal(json_array_size(json_object_get(json, "problems")), 2);
	json_decref(json);
}

static void flows_are_filtered_by_the_dataplane(void **state)
{
	struct counted counted = {0};
	struct stage *s = *state;
	const Sluice__FlowsRequest *asked;
	json_t *json, *row;

	with_dataplane(s, &counted);
	json = ask(s,
		"/v1/flows?client=198.51.100.7&vip=2001:db8::1&endpoint=10.244.1.1&protocol=udp"
		"&limit=5&port=53",
		200);
	asked = s->fake.asked;
	assert_int_equal(asked->client.len, 4);
	assert_memory_equal(asked->client.data, counted.client, 4);
	assert_int_equal(asked->vip.len, 16);
	assert_int_equal(asked->vip.data[15], 1);
	assert_int_equal(asked->endpoint.len, 4);
	assert_int_equal(asked->protocol, SLUICE__L4_PROTOCOL__L4_UDP);
	assert_int_equal(asked->limit, 5);
	assert_int_equal(asked->vip_port, 53);
	assert_int_equal(number_of(json, "total"), 4711);
	row = json_array_get(json_object_get(json, "flows"), 0);
	assert_string_equal(text_of(row, "client"), "198.51.100.7");
	assert_string_equal(text_of(row, "endpoint"), "10.244.1.1");
	assert_string_equal(text_of(row, "protocol"), "tcp");
	assert_string_equal(text_of(row, "mode"), "full-nat");
	assert_true(json_is_null(json_object_get(row, "source")));
	json_decref(json);
	json = ask(s, "/v1/flows", 200);
	assert_int_equal(s->fake.asked->client.len, 0);
	json_decref(json);
}

static void mistakes_are_told(void **state)
{
	unsigned rows = 0;
	struct stage *s = *state;
	json_t *json;

	json = ask(s, "/v1/flows?client=web&limit=0&color=red", 400);
	assert_string_equal(text_of(json, "error"),
		"client: found \"web\", expected an IPv4 or IPv6 address\n"
		"limit: found \"0\", expected a number, at least 1\n"
		"/v1/flows has no argument \"color\"");
	json_decref(json);
	json_decref(ask(s, "/v1/flows?port=65536", 400));
	json_decref(ask(s, "/v1/nothing", 404));
	json_decref(ask(s, "/", 404));
	json_decref(ask_by(s, "DELETE", "/v1/vips", 405));
	json_decref(ask_by(s, "POST", "/v1/vips", 405));
	json_decref(ask(s, "/v1/drain", 405));
	json_decref(ask(s, "/v1/nothing", 404));
	s->more = "Content-Length: 4\r\n\r\nbody"; // what takes none does not mind
	json_decref(ask_by(s, "POST", "/v1/drain", 400));
	s->more = "Content-Length: 1048577\r\n";
	json_decref(ask_by(s, "POST", "/v1/drain", 413));
	while (api_commands[rows])
		rows++;
	json = ask(s, "/v1", 200);
	assert_int_equal(json_array_size(json_object_get(json, "commands")), rows);
	json_decref(json);
}

static void its_own_problems_come_first(void **state)
{
	struct stage *s = *state;
	json_t *json, *row;

	s->problem = (struct plan_problem){
		PROBLEM_ERROR, TEXT("sluice.conf"), TEXT("sluice.conf:3"), TEXT("wrong")};
	json = ask(s, "/v1/problems", 200);
	row = json_array_get(json_object_get(json, "problems"), 0);
	assert_string_equal(text_of(row, "where"), "sluice.conf:3");
	json_decref(json);
}

static void a_silent_dataplane_is_not_waited_for(void **state)
{
	struct counted counted = {0};
	struct stage *s = *state;
	json_t *json;

	with_dataplane(s, &counted);
	s->fake.silent = true;
	json = ask(s, "/v1/vips", 200);
	assert_non_null(strstr(text_of(json, "warning"), "in time"));
	json_decref(json);
	json = ask(s, "/v1/workers", 503);
	json_decref(json);
}

static void only_root_and_the_group(void **state)
{
	struct stage *s = *state;
	struct stat st;
	int status;
	pid_t child;

	assert_int_equal(stat(s->socket, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
	if (geteuid() != 0)
		skip();
	// Even where the file's rights would let it.
	assert_int_equal(chmod(s->directory, 0755), 0);
	assert_int_equal(chmod(s->socket, 0666), 0);
	child = fork();
	if (child == 0) {
		struct sockaddr_un name = {.sun_family = AF_UNIX};
		int fd = socket(AF_UNIX, SOCK_STREAM, 0);
		char answer[300];
		ssize_t n;

		if (setgid(65534) || setuid(65534))
			_exit(1);
		snprintf(name.sun_path, sizeof(name.sun_path), "%s", s->socket);
		if (connect(fd, (struct sockaddr *)&name, sizeof(name)))
			_exit(2);
		n = write(fd, "GET /v1/vips HTTP/1.1\r\nHost: x\r\n\r\n", 34);
		n = n == 34 ? read(fd, answer, sizeof(answer)) : 0;
		_exit(n > 12 && memcmp(answer, "HTTP/1.1 403", 12) == 0 ? 0 : 3);
	}
	do
		uv_run(&s->loop, UV_RUN_NOWAIT);
	while (waitpid(child, &status, WNOHANG) == 0);
	assert_int_equal(status, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(says_what_it_knows_without_a_dataplane),
		TEST(only_the_dataplane_knows),
		TEST(joins_plan_and_counters),
		TEST(flows_are_filtered_by_the_dataplane),
		TEST(mistakes_are_told),
		TEST(its_own_problems_come_first),
		TEST(a_silent_dataplane_is_not_waited_for),
		TEST(only_root_and_the_group),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
