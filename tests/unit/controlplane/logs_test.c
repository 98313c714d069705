// SPDX-License-Identifier: BSD-3-Clause
// The log: levels by area, too many lines, the journal's protocol, syslog over UDP and TCP, and
// what is kept, of both processes.
#include "logs.h"

#include <arpa/inet.h>
#include <fcntl.h>
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

#define NOW_US 1700000000123456ull

static void times_as_people_say_them(void **state)
{
	uint64_t since;

	(void)state;
	assert_true(log_since_parse("5m", NOW_US, &since));
	assert_int_equal(since, NOW_US - 300000000);
	assert_true(log_since_parse("1d", NOW_US, &since));
	assert_int_equal(since, NOW_US - 86400000000ull);
	assert_true(log_since_parse("2023-11-14T22:13:20Z", NOW_US, &since));
	assert_int_equal(since, 1700000000000000ull);
	assert_true(log_since_parse("99999999d", NOW_US, &since));
	assert_int_equal(since, 0);
	assert_false(log_since_parse("", NOW_US, &since));
	assert_false(log_since_parse("5", NOW_US, &since));
	assert_false(log_since_parse("5m ", NOW_US, &since));
	assert_false(log_since_parse("-5m", NOW_US, &since));
	assert_false(log_since_parse("2023-11-14T22:13:20+", NOW_US, &since));
}

static void a_line_is_rfc_5424(void **state)
{
	static const struct log_field fields[] = {{"SLUICE_WHO", "a\"]\\"}, {NULL, NULL}};
	struct log_line line = {NOW_US, LOG_LEVEL_NOTICE, "audit", "text", fields};
	struct syslog_origin origin = {"lb1", LOG_CONTROLPLANE, 77};
	char text[300], expected[300];

	(void)state;
	syslog_format(&line, &origin, text, sizeof(text));
	snprintf(expected, sizeof(expected),
		"<29>1 2023-11-14T22:13:20.123456Z lb1 sluice-controlplane 77 audit "
		"[sluice@32473 SLUICE_WHO=\"a\\\"\\]\\\\\"] text");
	assert_string_equal(text, expected);
	line.fields = NULL;
	origin = (struct syslog_origin){"", LOG_DATAPLANE, 78};
	syslog_format(&line, &origin, text, sizeof(text));
	assert_string_equal(
		text, "<29>1 2023-11-14T22:13:20.123456Z - sluice-dataplane 78 audit - text");
	assert_int_equal(syslog_format(&line, &origin, text, 60), 59);
}

static void areas_have_levels(void **state)
{
	enum log_level level;

	(void)state;
	assert_int_equal(log_level_of("cluster"), LOG_LEVEL_INFO);
	assert_true(log_set_area_level("cluster", LOG_LEVEL_DEBUG));
	assert_int_equal(log_level_of("cluster"), LOG_LEVEL_DEBUG);
	assert_int_equal(log_level_of("api"), LOG_LEVEL_INFO);
	assert_string_equal(log_area(0), "cluster");
	log_reset_area_level("cluster");
	assert_int_equal(log_level_of("cluster"), LOG_LEVEL_INFO);
	assert_null(log_area(0));
	assert_true(log_level_parse("debug", &level));
	assert_false(log_level_parse("loud", &level));
	assert_false(log_set_area_level("a-name-that-is-much-too-long", LOG_LEVEL_DEBUG));
}

static void the_journal_gets_fields(void **state)
{
	static const struct log_field fields[] = {{"SLUICE_WHO", "root"}, {NULL, NULL}};
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	char text[400];
	ssize_t n;

	(void)state;
	snprintf(name.sun_path, sizeof(name.sun_path), "/tmp/sluice-journal-%d", (int)getpid());
	assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	log_start("tester");
	assert_int_equal(log_to_journal(name.sun_path), 0);
	log_write_fields(LOG_LEVEL_NOTICE, "audit", fields, "two\nlines");
	n = recv(fd, text, sizeof(text) - 1, 0);
	assert_true(n > 0);
	text[n] = '\0';
	assert_string_equal(text, "PRIORITY=5\nSYSLOG_IDENTIFIER=tester\nSLUICE_AREA=audit\n"
				  "MESSAGE=two lines\nSLUICE_WHO=root\n");
	close(fd); // from now on it is gone: standard error has the lines
	unlink(name.sun_path);
}

static int listen_at(int type, struct syslog_settings *settings)
{
	struct sockaddr_in name = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct timeval patience = {.tv_sec = 10};
	int fd = socket(AF_INET, type, 0);
	socklen_t length = sizeof(name);

	assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &length), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	addr_parse(&settings->address, "127.0.0.1");
	settings->port = ntohs(name.sin_port);
	return fd;
}

// The i-th line by time, and whose it is.
static const char *kept_text(const struct logs *logs, unsigned i, enum log_process *from)
{
	struct logs_cursor cursor = {{0}};
	const struct kept_line *line;

	do
		line = logs_next(logs, &cursor, from);
	while (line && i--);
	return line ? line->text : NULL;
}

static void syslog_servers_get_their_lines(void **state)
{
	struct syslog_settings servers[2] = {{.transport = SYSLOG_UDP, .level = LOG_LEVEL_NOTICE},
		{.transport = SYSLOG_TCP, .level = LOG_LEVEL_WARNING}};
	int udp = listen_at(SOCK_DGRAM, &servers[0]), tcp = listen_at(SOCK_STREAM, &servers[1]);
	char text[400];
	struct logs *logs;
	enum log_process from;
	unsigned length;
	uv_loop_t loop;
	ssize_t n;
	int fd, at;

	(void)state;
	listen(tcp, 1);
	uv_loop_init(&loop);
	logs = logs_open(&loop);
	logs_follow(logs, servers, 2);
	log_info("test", "not for servers");
	log_warning("test", "for the one that is there");
	n = recv(udp, text, sizeof(text) - 1, 0);
	assert_true(n > 0);
	text[n] = '\0';
	assert_non_null(strstr(text, " test - for the one that is there"));
	assert_int_equal(logs_unsent(logs), 1); // TCP takes a moment
	for (uint64_t before = 1; logs_unsent(logs) == before; before++) {
		uv_run(&loop, UV_RUN_ONCE);
		log_error("test", "for both");
	}
	fd = accept(tcp, NULL, NULL);
	while (uv_loop_alive(&loop) && recv(fd, text, 8, MSG_DONTWAIT | MSG_PEEK) < 8)
		uv_run(&loop, UV_RUN_NOWAIT);
	n = recv(fd, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	assert_int_equal(sscanf(text, "%u %n<27>1 ", &length, &at), 1);
	assert_int_equal(length, (unsigned)n - (unsigned)at);
	assert_string_equal(kept_text(logs, 0, &from), "not for servers");
	assert_int_equal(from, LOG_CONTROLPLANE);
	logs_close(logs);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	close(fd);
	close(tcp);
	close(udp);
}

static void too_many_lines_are_counted(void **state)
{
	uint64_t before = log_dropped();
	enum log_process from;
	struct logs *logs;
	uv_loop_t loop;
	unsigned kept = 0;

	(void)state;
	uv_loop_init(&loop);
	logs = logs_open(&loop);
	assert_int_not_equal(dup2(open("/dev/null", O_WRONLY), STDERR_FILENO), -1);
	for (unsigned i = 0; i < 2 * LOG_BURST; i++)
		log_info("flood", "line %u", i);
	assert_true(log_dropped() > before);
	usleep(10000); // a few lines' worth
	log_info("flood", "after");
	while (kept_text(logs, kept, &from))
		kept++;
	assert_true(kept < 2 * LOG_BURST);
	assert_string_equal(kept_text(logs, kept - 1, &from), "after");
	assert_non_null(strstr(kept_text(logs, kept - 2, &from), "lines were dropped"));
	logs_close(logs);
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_loop_close(&loop);
}

// As the dataplane answers: lines from `number` on, a microsecond apart.
static void dataplane_tells(struct logs *logs, uint64_t run, uint64_t taken,
	const uint64_t *numbers, unsigned count) // house: a line of the test each
{
	Sluice__LogLines answer = SLUICE__LOG_LINES__INIT;
	Sluice__LogLine lines[8], *pointers[8];
	char texts[8][20];

	answer.run = run;
	answer.process = 4711;
	answer.taken = taken;
	answer.n_lines = count;
	answer.lines = pointers;
	for (unsigned i = 0; i < count; i++) {
		pointers[i] = &lines[i];
		sluice__log_line__init(&lines[i]);
		snprintf(texts[i], sizeof(texts[i]), "line %u", (unsigned)numbers[i]);
		lines[i].number = numbers[i];
		lines[i].realtime_us = NOW_US + numbers[i];
		lines[i].level = LOG_LEVEL_WARNING;
		lines[i].area = "port";
		lines[i].text = texts[i];
	}
	logs_take(logs, &answer);
}

static bool datagram(int fd, const char *wanted)
{
	char text[400];
	ssize_t n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);

	text[n > 0 ? n : 0] = '\0';
	return n > 0 && strstr(text, wanted) && strstr(text, " sluice-dataplane 4711 port - ");
}

static void the_dataplanes_lines_are_ours_too(void **state)
{
	struct syslog_settings server = {.transport = SYSLOG_UDP, .level = LOG_LEVEL_WARNING};
	Sluice__LogRequest question = SLUICE__LOG_REQUEST__INIT;
	int udp = listen_at(SOCK_DGRAM, &server);
	enum log_process from;
	struct logs *logs;
	uv_loop_t loop;
	char nothing;

	(void)state;
	uv_loop_init(&loop);
	logs = logs_open(&loop);
	logs_follow(logs, &server, 1);
	logs_question(logs, &question);
	assert_int_equal(question.run, 0);
	// One before us has had the first two: they are kept, and not sent again.
	dataplane_tells(logs, 9, 2, (const uint64_t[]){1, 2, 3}, 3);
	assert_true(datagram(udp, "line 3"));
	assert_int_equal(recv(udp, &nothing, 1, MSG_DONTWAIT), -1);
	logs_question(logs, &question);
	assert_int_equal(question.run, 9);
	assert_int_equal(question.after, 3);
	// Asked twice at once, and two of them have gone meanwhile.
	dataplane_tells(logs, 9, 3, (const uint64_t[]){3, 6}, 2);
	assert_true(datagram(udp, "line 6"));
	assert_int_equal(recv(udp, &nothing, 1, MSG_DONTWAIT), -1);
	assert_int_equal(logs_missed(logs), 2);
	log_warning("main", "ours"); // of today: behind theirs
	assert_string_equal(kept_text(logs, 2, &from), "line 3");
	assert_string_equal(kept_text(logs, 3, &from), "line 6");
	assert_int_equal(from, LOG_DATAPLANE);
	assert_string_equal(kept_text(logs, 4, &from), "ours");
	assert_int_equal(from, LOG_CONTROLPLANE);
	assert_true(recv(udp, &nothing, 1, MSG_DONTWAIT) > 0);
	// A new dataplane counts from 1 again.
	dataplane_tells(logs, 10, 0, (const uint64_t[]){1}, 1);
	assert_true(datagram(udp, "line 1"));
	assert_int_equal(logs_missed(logs), 2);
	logs_close(logs);
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_loop_close(&loop);
	close(udp);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_as_people_say_them),
		cmocka_unit_test(a_line_is_rfc_5424),
		cmocka_unit_test(areas_have_levels),
		cmocka_unit_test(the_journal_gets_fields),
		cmocka_unit_test(syslog_servers_get_their_lines),
		cmocka_unit_test(the_dataplanes_lines_are_ours_too),
		cmocka_unit_test(too_many_lines_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
