// SPDX-License-Identifier: BSD-3-Clause
// The console: words and their abbreviations, numbers and tables for people, each command's output
// for an answer of the API, and what is said when there is no control plane.
#include "cli.h"
#include "rows.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define WORDS_MAX 12

// "show vi" -> its words
static unsigned split(char *line, char **words)
{
	unsigned count = 0;

	for (char *word = strtok(line, " "); word; word = strtok(NULL, " "))
		words[count++] = word;
	return count;
}

struct call_row {
	const char *line;
	const char *query;  // what is asked, or NULL
	const char *reason; // why not; the beginning of it
};

static const struct call_row calls[] = {
	{"show vips", "/v1/vips", NULL},
	{"sh vi", "/v1/vips", NULL},
	{"s vi", "/v1/vips", NULL},
	{"s", NULL, "\"s\" may be show, support-bundle, start: type more of it"},
	{"show version", "/v1/version", NULL},
	{"show drops", "/v1/drops", NULL},
	{"show drops all", "/v1/drops?all=", NULL},
	{"show dr a", "/v1/drops?all=", NULL},
	{"show flows client 198.51.100.7 vip 192.0.2.100",
		"/v1/flows?client=198.51.100.7&vip=192.0.2.100", NULL},
	{"show f vip 2001:db8::1 c 2001:db8::2 lim 5",
		"/v1/flows?client=2001%3Adb8%3A%3A2&vip=2001%3Adb8%3A%3A1&limit=5", NULL},
	{"show f client a&b=c?", "/v1/flows?client=a%26b%3Dc%3F", NULL},
	{"show e service web", "/v1/endpoints?service=web", NULL},
	{"show", NULL, "the command goes on: expected one of status, vips, services"},
	{"", NULL, "the command goes on: expected one of show, explain, trace, capture"},
	{"delete vips", NULL, "found \"delete\": expected one of show, explain, trace, capture"},
	{"show v", NULL, "\"v\" may be vips, vrrp, version: type more of it"},
	{"show s", NULL, "\"s\" may be status, services: type more of it"},
	{"show p", NULL, "\"p\" may be pools, ports, problems: type more of it"},
	{"show cats", NULL, "found \"cats\": expected one of status, vips"},
	{"show flows p tcp", NULL, "\"p\" may be port or protocol: type more of it"},
	{"show flows color red", NULL, "\"show flows\" has no argument \"color\""},
	{"show flows client", NULL, "\"client\" needs its ADDRESS"},
	{"show flows client a client b", NULL, "\"client\" was given twice"},
	{"capture proto tcp port-n 80 write f", "/v1/capture?protocol=tcp&port-number=80", NULL},
	{"drain box", "/v1/drain", NULL},
	{"drain vip 192.0.2.1", "/v1/drain?vip=192.0.2.1", NULL},
	{"undrain vip vip 192.0.2.1", "/v1/undrain?vip=192.0.2.1", NULL},
	{"drain vip", NULL, "\"drain vip\" needs its ADDRESS"},
	{"show vips all", NULL, "\"show vips\" has no argument \"all\""},
};

static void words_become_a_question(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		char line[200], *words[WORDS_MAX], *query;
		struct reason reason = {0};
		struct cli_call call;
		unsigned count;
		int error;

		snprintf(line, sizeof(line), "%s", calls[i].line);
		count = split(line, words);
		error = cli_parse(&call, words, count, &reason);
		if (calls[i].query) {
			assert_int_equal(error, 0);
			query = client_query(&call);
			assert_string_equal(query, calls[i].query);
			free(query);
		} else {
			assert_int_equal(error, -EINVAL);
			if (strncmp(reason_text(&reason), calls[i].reason,
				    strlen(calls[i].reason)) != 0)
				fail_msg("%s: %s", calls[i].line, reason_text(&reason));
		}
		reason_clear(&reason);
	}
}

static void numbers_for_people(void **state)
{
	char text[HUMAN_TEXT];

	(void)state;
	assert_string_equal(human_count(0, text), "0");
	assert_string_equal(human_count(999, text), "999");
	assert_string_equal(human_count(1000, text), "1.00k");
	assert_string_equal(human_count(1234, text), "1.23k");
	assert_string_equal(human_count(12345, text), "12.3k");
	assert_string_equal(human_count(999999, text), "999k");
	assert_string_equal(human_count(1000000, text), "1.00M");
	assert_string_equal(human_count(UINT64_MAX, text), "18.4E");
	assert_string_equal(human_bytes(512, text), "512 B");
	assert_string_equal(human_bytes(1500, text), "1.50 kB");
	assert_string_equal(human_bytes(5050000000, text), "5.05 GB");
	assert_string_equal(human_seconds(59, text), "59 s");
	assert_string_equal(human_seconds(61, text), "1 m 1 s");
	assert_string_equal(human_seconds(7261, text), "2 h 1 m");
	assert_string_equal(human_seconds(90000, text), "1 d 1 h");
}

static void columns_line_up(void **state)
{
	struct table *table = table_new("lrl");
	size_t size;
	char *text;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	table_head(table, (const char *const[]){"NAME", "N", "WHAT"});
	table_cell(table, "a");
	table_cell(table, "%d", 1000);
	table_cell(table, "x");
	table_cell(table, "long-name");
	table_cell(table, "%d", 7);
	table_cell(table, " ");
	table_cell(table, "%s", "h\xc3\xa9");
	table_cell(table, "8");
	table_cell(table, "%s", "");
	table_print(table, "nothing", out);
	table = table_new("l");
	table_head(table, (const char *const[]){"NAME"});
	table_print(table, "nothing", out);
	fclose(out);
	assert_string_equal(text, "NAME          N  WHAT\n"
				  "a          1000  x\n"
				  "long-name     7   \n"
				  "h\xc3\xa9            8\n"
				  "nothing\n");
	free(text);
}

struct print_row {
	const struct cli_command *command;
	const char *answer, *expected;
};

static const struct print_row prints[] = {
	{&cli_vips,
		"{'vips': [{'address': '192.0.2.100', 'pool': 'default', 'ports': ['tcp/80', "
		"'udp/53'], 'flows': 12345, 'requests': 7, 'bytes_in': 0, 'bytes_out': 1500, "
		"'state': "
		"'standby', 'reason': 'the peer is master', 'services': ['local/default/web']}]}",
		"ADDRESS      POOL     PORTS           FLOWS  REQUESTS  BYTES IN  BYTES OUT  STATE "
		"   WHY    "
		"  "
		"           SERVICES\n"
		"192.0.2.100  default  tcp/80, udp/53  12.3k         7       0 B    1.50 kB  "
		"standby  "
		"the peer is master  local/default/web\n"},
	{&cli_vips, "{'vips': []}", "no VIPs: no Service of type LoadBalancer has an address\n"},
	{&cli_services,
		"{'services': [{'service': 'local/default/web', 'listeners': [{'vip': "
		"'2001:db8::1', 'port': 80, 'protocol': 'tcp', 'mode': 'dsr', 'algorithm': "
		"'maglev', 'ready': 3, 'draining': 1, 'flows': null, 'bytes_in': null, "
		"'bytes_out': null}]}]}",
		"SERVICE            LISTENER              MODE  ALGORITHM  READY  DRAINING  FLOWS  "
		"BYTES IN  BYTES OUT\n"
		"local/default/web  tcp [2001:db8::1]:80  dsr   maglev         3         1      -  "
		"       -          -\n"},
	{&cli_drops, "{'drops': [{'reason': 'no_endpoint', 'packets': 12345678, 'help': 'why'}]}",
		"REASON        PACKETS  MEANING\n"
		"no_endpoint  12345678  why\n"},
	{&cli_drops, "{'drops': []}", "nothing was dropped\n"},
	{&cli_problems,
		"{'problems': [{'level': 'error', 'object': 'Service a/b/c', 'where': "
		"'x.yaml:3', 'text': 'one\\ntwo'}, {'level': 'warning', 'object': 'port', "
		"'where': '', 'text': 'three'}]}",
		"error: Service a/b/c (x.yaml:3)\n    one\n    two\nwarning: port\n    three\n"},
	{&cli_problems, "{'problems': []}", "no problems\n"},
	{&cli_workers,
		"{'workers': [{'worker': 0, 'cpu': 1, 'busy': 0.125, 'packets': 2000, "
		"'handed_over': 0, 'flows': 5, 'flows_capacity': 262144, 'flow_bytes': 33554432, "
		"'stages': [{'stage': 'classify', 'cycles': 3050, 'packets': 100, "
		"'cycles_per_packet': 30.5}, {'stage': 'pick', 'cycles': 0, 'packets': 0, "
		"'cycles_per_packet': 0.0}]}], 'memory': '4 kB pages', 'buffers': 10, "
		"'buffers_free': 9}",
		"WORKER  CPU   BUSY  PACKETS  HANDED OVER  FLOWS  AT MOST  FLOW MEMORY\n"
		"     0    1  12.5%    2.00k            0      5     262k      33.5 MB\n"
		"\n"
		"CYCLES PER PACKET  WORKER 0\n"
		"classify               30.5\n"
		"pick                      -\n"
		"\n"
		"memory: 4 kB pages; packet buffers: 10, of which free 9\n"},
	{&cli_flows,
		"{'flows': [{'protocol': 'tcp', 'client': '198.51.100.7', 'client_port': 40000, "
		"'vip': '192.0.2.100', 'vip_port': 80, 'source': null, 'source_port': 0, "
		"'endpoint': '10.244.1.1', 'endpoint_port': 8080, 'mode': 'dsr', 'state': "
		"'established', 'worker': 2, 'packets': 9, 'idle_ms': 1500, 'expires_ms': "
		"7800000}], 'total': 3}",
		"     CLIENT              VIP             SOURCE  ENDPOINT         MODE  STATE     "
		"   "
		"WORKER  PACKETS  IDLE   EXPIRES\n"
		"tcp  198.51.100.7:40000  192.0.2.100:80  -       10.244.1.1:8080  dsr   "
		"established  "
		"     2        9   1 s  2 h 10 m\n"
		"1 of 3 flows: narrow them down or raise the limit\n"},
	{&cli_version, "{'controlplane': '1.2', 'dataplane': null}",
		"console        " SLUICE_VERSION "\ncontrol plane  1.2\ndataplane      -\n"},
};

static void answers_become_tables(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(prints) / sizeof(prints[0]); i++) {
		char *json = strdup(prints[i].answer), *text;
		size_t size;
		FILE *out = open_memstream(&text, &size);
		json_t *answer;

		for (char *at = json; *at; at++)
			if (*at == '\'')
				*at = '"';
		answer = json_loads(json, 0, NULL);
		assert_non_null(answer);
		prints[i].command->print(answer, out);
		fclose(out);
		assert_string_equal(text, prints[i].expected);
		json_decref(answer);
		free(text);
		free(json);
	}
}

static void print_copy(const struct cli_command *command, const char *answer, FILE *out)
{
	char *copy = strdup(answer);

	command->print_text(copy, strlen(copy), out);
	free(copy);
}

static void rows_are_read_without_a_tree(void **state)
{
	char text[] = "{\"n\":[{\"a\":\"x\\\"\\u0041\",\"b\":18446744073709551615},"
		      "{\"c\":true,\"b\":null},{\"o\":{\"b\":7},\"a\":\"\"}],\"warning\":\"w\"}";
	char wrong[] = "{\"n\":[{\"a\":[1]}]}";
	char lists[] = "{\"n\":[{\"a\":[\"x\",\"\\\"y\", \"z\"],\"b\":true},{\"a\":[]}]}";
	struct row_field field[2] = {{.name = "a"}, {.name = "b"}};
	struct rows rows;

	(void)state;
	assert_true(rows_begin(&rows, text, strlen(text), "n"));
	assert_true(rows_next(&rows, field, 2));
	assert_string_equal(field[0].text, "x\"A");
	assert_true(field[1].is_number && field[1].number == UINT64_MAX);
	assert_true(rows_next(&rows, field, 2));
	assert_null(field[0].text);
	assert_false(field[1].is_number);
	assert_true(rows_next(&rows, field, 2)); // an object's members are the row's
	assert_true(field[1].is_number && field[1].number == 7);
	assert_false(rows_next(&rows, field, 2));
	assert_string_equal(rows_text(&rows, "warning"), "w");
	assert_true(rows_begin(&rows, wrong, strlen(wrong), "n"));
	assert_false(rows_next(&rows, field, 2));
	assert_false(rows_begin(&rows, wrong, strlen(wrong), "m"));
	assert_true(rows_begin(&rows, lists, strlen(lists), "n"));
	assert_true(rows_next(&rows, field, 2));
	assert_string_equal(field[0].text, "x, \"y, z");
	assert_true(field[1].is_true && !field[1].is_number);
	assert_true(rows_next(&rows, field, 2));
	assert_string_equal(row_field_text(&field[0]), "-");
	assert_false(field[1].is_true);
}

// Whatever the API leaves out or makes null, nothing breaks.
static void poor_answers_do_no_harm(void **state)
{
	static const char *const poor[] = {"{}",
		"{\"vips\":[{}],\"services\":[{\"listeners\":[{}]}],\"endpoints\":[{}],"
		"\"flows\":[{}],\"workers\":[{\"stages\":[{}]},{}],\"ports\":[{}],\"drops\":[{}],"
		"\"problems\":[{}],\"sources\":[{}],\"dataplane\":{\"connected\":true}}",
		"[]", "{\"vips\":3,\"flows\":null}"};

	(void)state;
	for (size_t i = 0; i < sizeof(poor) / sizeof(poor[0]); i++)
		for (unsigned j = 0; cli_commands[j]; j++) {
			json_t *answer = json_loads(poor[i], 0, NULL);
			size_t size;
			char *text;
			FILE *out = open_memstream(&text, &size);

			assert_non_null(answer);
			if (cli_commands[j]->print)
				cli_commands[j]->print(answer, out);
			else if (cli_commands[j]->print_text)
				print_copy(cli_commands[j], poor[i], out);
			fclose(out);
			free(text);
			json_decref(answer);
		}
}

static int run(const char *line, char **out_text, char **err_text)
{
	char copy[200], *words[WORDS_MAX + 1];
	size_t out_size, err_size;
	FILE *out = open_memstream(out_text, &out_size);
	FILE *err = open_memstream(err_text, &err_size);
	unsigned count;
	int result;

	snprintf(copy, sizeof(copy), "sluice %s", line);
	count = split(copy, words);
	words[count] = NULL;
	result = cli_run((int)count, words, out, err);
	fclose(out);
	fclose(err);
	return result;
}

static void runs_end_as_they_should(void **state)
{
	static const struct {
		const char *line;
		int code;
		const char *out, *err; // found in them; "" = they are empty
	} rows[] = {
		{"", CLI_USAGE, "", "usage: sluice"},
		{"help", CLI_OK, "show problems", ""},
		{"--help", CLI_OK, "usage: sluice", ""},
		{"--help show flows", CLI_OK, "sluice show flows [client ADDRESS]", ""},
		{"help show dr", CLI_OK, "[all]", ""},
		{"help show cats", CLI_USAGE, "", "expected one of"},
		{"--version", CLI_OK, SLUICE_VERSION, ""},
		{"--colour show vips", CLI_USAGE, "", "\"--colour\" is no option"},
		{"show cats", CLI_USAGE, "", "expected one of"},
		{"show flows blue", CLI_USAGE, "", "show flows [client ADDRESS]"},
		{"--socket /tmp/sluice-no-such show vips", CLI_ERROR, "",
			"systemctl start sluice-controlplane"},
		{"show vips --json -s /tmp/sluice-no-such", CLI_ERROR, "", "/tmp/sluice-no-such"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *out, *err;

		assert_int_equal(run(rows[i].line, &out, &err), rows[i].code);
		if (*rows[i].out)
			assert_non_null(strstr(out, rows[i].out));
		else
			assert_string_equal(out, "");
		if (*rows[i].err)
			assert_non_null(strstr(err, rows[i].err));
		else
			assert_string_equal(err, "");
		free(out);
		free(err);
	}
}

// Answers one connection with these bytes, in a process of its own.
static pid_t answer_once(int listener, const char *bytes)
{
	pid_t child = fork();

	if (child == 0) {
		int fd = accept(listener, NULL, NULL);
		char request[2000];

		if (read(fd, request, sizeof(request)) > 0)
			(void)!write(fd, bytes, strlen(bytes));
		_exit(0);
	}
	return child;
}

static void what_the_api_says_decides(void **state)
{
	static const struct {
		const char *answer;
		const char *line;
		int code;
		const char *out, *err;
	} rows[] = {
		{"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"drops\":[]}", "show drops", CLI_OK,
			"nothing was dropped\n", ""},
		{"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"drops\":[]}", "show drops --json",
			CLI_OK, "{\n  \"drops\": []\n}\n", ""},
		{"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"vips\":[],\"warning\":\"no "
		 "counters\"}",
			"show vips", CLI_OK, "no VIPs", "sluice: no counters\n"},
		{"HTTP/1.1 503 No\r\nConnection: close\r\n\r\n{\"error\":\"not running\"}",
			"show drops", CLI_ERROR, "", "sluice: not running\n"},
		{"HTTP/1.1 400 No\r\nConnection: close\r\n\r\n{\"error\":\"client: wrong\"}",
			"show flows client x", CLI_USAGE, "", "sluice: client: wrong\n"},
		{"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n<html>", "show drops", CLI_ERROR, "",
			"cannot be read"},
		{"", "show drops", CLI_ERROR, "", "sluice: /tmp/"},
	};
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	snprintf(name.sun_path, sizeof(name.sun_path), "/tmp/sluice-cli-%d", getpid());
	assert_int_equal(bind(listener, (struct sockaddr *)&name, sizeof(name)), 0);
	assert_int_equal(listen(listener, 1), 0);
	setenv("SLUICE_API", name.sun_path, 1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		pid_t child = answer_once(listener, rows[i].answer);
		char *out, *err;

		assert_true(child > 0);
		assert_int_equal(run(rows[i].line, &out, &err), rows[i].code);
		assert_non_null(strstr(out, rows[i].out));
		assert_non_null(strstr(err, rows[i].err));
		assert_int_equal(waitpid(child, NULL, 0), child);
		free(out);
		free(err);
	}
	close(listener);
	unlink(name.sun_path);
	unsetenv("SLUICE_API");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_become_a_question),
		cmocka_unit_test(numbers_for_people),
		cmocka_unit_test(columns_line_up),
		cmocka_unit_test(answers_become_tables),
		cmocka_unit_test(rows_are_read_without_a_tree),
		cmocka_unit_test(poor_answers_do_no_harm),
		cmocka_unit_test(runs_end_as_they_should),
		cmocka_unit_test(what_the_api_says_decides),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
