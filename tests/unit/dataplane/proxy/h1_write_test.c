// SPDX-License-Identifier: BSD-3-Clause
// Heads that are sent on, and answers of our own, byte for byte.
#include "h1_write.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define DATE "Sun, 06 Nov 1994 08:49:37 GMT"
#define ID   "0123456789abcdef0123456789abcdef"

static const struct h1_forward plain = {.client = "192.0.2.7",
	.client_length = 9,
	.port = "80",
	.port_length = 2,
	.request_id = ID};

static void parse(struct h1_head *head, const char *text)
{
	struct h1_scan scan = {0};

	assert_int_equal(
		h1_parse_request(head, &scan, text, (uint32_t)strlen(text), &http_limits_default),
		H1_WHOLE);
}

static void assert_request(const char *in, const struct h1_forward *how, const char *wanted)
{
	char out[2048] = {0};
	struct h1_head head;
	uint32_t length, room;

	parse(&head, in);
	room = h1_request_room(&head, how);
	length = h1_write_request(&head, how, out, sizeof(out));
	assert_string_equal(out, wanted);
	assert_int_equal(length, strlen(wanted));
	assert_true(length <= room);
	assert_int_equal(h1_write_request(&head, how, out, room), length);
	assert_int_equal(h1_write_request(&head, how, out, room - 1), 0);
}

static void tells_the_upstream_who_asks(void **state)
{
	struct h1_forward tls = plain;

	assert_request("GET /a?b HTTP/1.1\r\nHost: a.example\r\nAccept: */*\r\n\r\n", &plain,
		"GET /a?b HTTP/1.1\r\nHost: a.example\r\nX-Real-IP: 192.0.2.7\r\n"
		"X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Host: a.example\r\n"
		"X-Forwarded-Port: 80\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Scheme: http\r\n"
		"X-Scheme: http\r\nX-Request-ID: " ID "\r\nAccept: */*\r\n\r\n");
	tls.tls = true;
	tls.port = "443";
	tls.port_length = 3;
	assert_request("GET / HTTP/1.0\r\nX-Request-ID: mine\r\n\r\n", &tls,
		"GET / HTTP/1.1\r\nHost: \r\nX-Real-IP: 192.0.2.7\r\n"
		"X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Host: \r\n"
		"X-Forwarded-Port: 443\r\nX-Forwarded-Proto: https\r\n"
		"X-Forwarded-Scheme: https\r\nX-Scheme: https\r\nX-Request-ID: mine\r\n\r\n");
}

#define FORGED                                                                                     \
	"GET / HTTP/1.1\r\nX-Forwarded-For: 1.2.3.4\r\nA: b\r\nx-forwarded-for: 5.6.7.8\r\n"       \
	"Host: a\r\nX-Original-Forwarded-For: 9\r\nX-Forwarded-Host: evil\r\n"                     \
	"X-Forwarded-Port: 1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Scheme: https\r\n"         \
	"X-Scheme: https\r\nX-Real-IP: 1.1.1.1\r\nX_Forwarded_For: 2\r\nX-Request-ID:\r\n\r\n"

static void believes_only_its_own(void **state)
{
	struct h1_forward trusted = plain;

	assert_request(FORGED, &plain,
		"GET / HTTP/1.1\r\nHost: a\r\nX-Real-IP: 192.0.2.7\r\nX-Forwarded-For: "
		"192.0.2.7\r\n"
		"X-Original-Forwarded-For: 1.2.3.4, 5.6.7.8\r\nX-Forwarded-Host: a\r\n"
		"X-Forwarded-Port: 80\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Scheme: http\r\n"
		"X-Scheme: http\r\nX-Request-ID: " ID "\r\nA: b\r\n\r\n");
	trusted.trusted = true;
	assert_request(FORGED, &trusted,
		"GET / HTTP/1.1\r\nHost: a\r\nX-Real-IP: 192.0.2.7\r\n"
		"X-Forwarded-Scheme: https\r\nX-Scheme: https\r\nX-Request-ID: " ID "\r\n"
		"X-Forwarded-For: 1.2.3.4\r\nA: b\r\nx-forwarded-for: 5.6.7.8\r\n"
		"X-Original-Forwarded-For: 9\r\nX-Forwarded-Host: evil\r\nX-Forwarded-Port: 1\r\n"
		"X-Forwarded-Proto: https\r\n\r\n");
}

#define OWN                                                                                        \
	"X-Real-IP: 192.0.2.7\r\nX-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Host: a\r\n"            \
	"X-Forwarded-Port: 80\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Scheme: http\r\n"          \
	"X-Scheme: http\r\nX-Request-ID: " ID "\r\n"

static void drops_what_is_for_one_hop(void **state)
{
	assert_request(
		"POST / HTTP/1.1\r\nHost: a\r\nConnection: close, X-B, te\r\nTE: trailers\r\n"
		"x-b: 1\r\nKeep-Alive: 5\r\nProxy-Connection: a\r\nProxy: evil\r\n"
		"Expect: 100-continue\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\nC: d\r\n"
		"Transfer-Encoding: chunked\r\nTrailer: E\r\n\r\n",
		&plain,
		"POST / HTTP/1.1\r\nHost: a\r\n" OWN
		"C: d\r\nTransfer-Encoding: chunked\r\nTrailer: E\r\n\r\n");
	assert_request("GET / HTTP/1.1\r\nConnection: Upgrade\r\nHost: a\r\nUpgrade: WebSocket\r\n"
		       "Sec-WebSocket-Key: b\r\n\r\n",
		&plain,
		"GET / HTTP/1.1\r\nHost: a\r\n" OWN "Sec-WebSocket-Key: b\r\n"
		"Connection: upgrade\r\nUpgrade: websocket\r\n\r\n");
}

static void changes_path_host_and_fields(void **state)
{
	static const struct h1_add adds[] = {{"X-A", "1", 3, 1}, {"X-B", "", 3, 0}};
	static const struct h1_remove removes[] = {{"authorization", 13}};
	struct h1_forward how = plain;

	how.path = "/new";
	how.path_length = 4;
	how.query_mark = '?';
	how.host = "inner.example";
	how.host_length = 13;
	how.change = (struct h1_change){adds, removes, 2, 1};
	assert_request("GET http://a/old?q HTTP/1.1\r\nHost: a\r\nAuthorization: b\r\nD: e\r\n\r\n",
		&how,
		"GET /new?q HTTP/1.1\r\nHost: inner.example\r\n" OWN
		"D: e\r\nX-A: 1\r\nX-B: \r\n\r\n");
	how = plain;
	how.path = "/new?a=b";
	how.path_length = 8;
	how.query_mark = '&';
	assert_request("GET /old?q HTTP/1.1\r\nHost: a\r\n\r\n", &how,
		"GET /new?a=b&q HTTP/1.1\r\nHost: a\r\n" OWN "\r\n");
	how.query_mark = '\0';
	assert_request("GET /old?q HTTP/1.1\r\nHost: a\r\n\r\n", &how,
		"GET /new?a=b HTTP/1.1\r\nHost: a\r\n" OWN "\r\n");
	assert_request("GET http://a?q HTTP/1.1\r\nHost: a\r\n\r\n", &plain,
		"GET /?q HTTP/1.1\r\nHost: a\r\n" OWN "\r\n");
	assert_request("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", &plain,
		"OPTIONS * HTTP/1.1\r\nHost: a\r\n" OWN "\r\n");
}

static void assert_response(
	const char *in, struct h1_asked asked, const struct h1_respond *how, const char *wanted)
{
	struct h1_scan scan = {0};
	char out[1024] = {0};
	struct h1_head head;
	uint32_t length, room;

	assert_int_equal(
		h1_parse_response(&head, &scan, in, (uint32_t)strlen(in), asked), H1_WHOLE);
	room = h1_response_room(&head, how);
	length = h1_write_response(&head, how, out, sizeof(out));
	assert_string_equal(out, wanted);
	assert_int_equal(length, strlen(wanted));
	assert_int_equal(h1_write_response(&head, how, out, room), length);
	assert_int_equal(h1_write_response(&head, how, out, room - 1), 0);
}

static void sends_responses_on(void **state)
{
	static const struct h1_add adds[] = {{"X-A", "1", 3, 1}};
	struct h1_respond how = {.date = DATE, .keep_alive = true};
	struct h1_asked get = {0}, head = {.to_head = true}, socket = {.upgrade = true};

	assert_response(
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close, a\r\nA: b\r\n\r\n", get,
		&how,
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nDate: " DATE "\r\nServer: sluice\r\n\r\n");
	how.client_old = true;
	assert_response("HTTP/1.0 404 \r\nDate: x\r\nServer: y\r\nContent-Length: 0\r\n\r\n", get,
		&how,
		"HTTP/1.1 404 \r\nDate: x\r\nServer: y\r\nContent-Length: 0\r\n"
		"Connection: keep-alive\r\n\r\n");
	// To HEAD, too, for which there is no body that loses its chunks.
	assert_response(
		"HTTP/1.1 200 OK\r\nDate: x\r\nServer: y\r\nTransfer-Encoding: chunked\r\n\r\n",
		head, &how,
		"HTTP/1.1 200 OK\r\nDate: x\r\nServer: y\r\nConnection: keep-alive\r\n\r\n");
	how = (struct h1_respond){.date = DATE,
		.client_old = true,
		.hsts = "max-age=1",
		.hsts_length = 9,
		.change = {.adds = adds, .add_count = 1}};
	assert_response("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: A\r\n"
			"Strict-Transport-Security: max-age=0\r\nB: c\r\n\r\n",
		get, &how,
		"HTTP/1.1 200 OK\r\nB: c\r\nDate: " DATE "\r\nServer: sluice\r\n"
		"Strict-Transport-Security: max-age=1\r\nX-A: 1\r\nConnection: close\r\n\r\n");
	how = (struct h1_respond){.date = DATE, .keep_alive = true, .chunk = true};
	assert_response("HTTP/1.1 200 OK\r\nServer: y\r\n\r\n", get, &how,
		"HTTP/1.1 200 OK\r\nServer: y\r\nDate: " DATE "\r\n"
		"Transfer-Encoding: chunked\r\n\r\n");
	how.chunk = false;
	assert_response("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
			"Connection: Upgrade\r\nSec-WebSocket-Accept: a\r\n\r\n",
		socket, &how,
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
		"Sec-WebSocket-Accept: a\r\nConnection: upgrade\r\n\r\n");
	assert_response("HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n", get, &how,
		"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n");
	assert_response("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\nServer: y\r\n\r\n", get,
		&how, "HTTP/1.1 204 No Content\r\nServer: y\r\nDate: " DATE "\r\n\r\n");
}

static void answers_itself(void **state)
{
	static const struct h1_add adds[] = {{"Retry-After", "1", 11, 1}};
	struct h1_answer answer = {.status = 404, .date = DATE, .keep_alive = true};
	char out[1024] = {0};
	uint32_t length;

	length = h1_write_answer(&answer, out, sizeof(out));
	assert_string_equal(out, "HTTP/1.1 404 Not Found\r\nDate: " DATE "\r\nServer: sluice\r\n"
				 "Content-Type: text/plain\r\nContent-Length: 14\r\n\r\n"
				 "404 Not Found\n");
	assert_int_equal(length, strlen(out));
	assert_int_equal(h1_write_answer(&answer, out, h1_answer_room(&answer) - 1), 0);
	memset(out, 0, sizeof(out));
	answer = (struct h1_answer){.status = 308,
		.date = DATE,
		.location = "https://a/",
		.location_length = 10,
		.hsts = "max-age=1",
		.hsts_length = 9,
		.to_head = true,
		.change = {.adds = adds, .add_count = 1}};
	length = h1_write_answer(&answer, out, sizeof(out));
	assert_string_equal(out,
		"HTTP/1.1 308 Permanent Redirect\r\nDate: " DATE "\r\nServer: sluice\r\n"
		"Content-Type: text/plain\r\nContent-Length: 23\r\nLocation: https://a/\r\n"
		"Strict-Transport-Security: max-age=1\r\nRetry-After: 1\r\nConnection: "
		"close\r\n\r\n");
	assert_int_equal(length, strlen(out));
}

// Each answer is a sound response whose body is as long as it says, by our own parser.
static void answers_soundly(void **state)
{
	for (uint16_t status = 200; status < 600; status++) {
		struct h1_answer answer = {.status = status, .date = DATE, .keep_alive = true};
		struct h1_scan scan = {0};
		struct h1_head head;
		char out[1024];
		uint32_t length = h1_write_answer(&answer, out, sizeof(out));
		uint64_t body;

		assert_int_equal(h1_parse_response(&head, &scan, out, length, (struct h1_asked){0}),
			H1_WHOLE);
		assert_int_equal(head.status, status);
		assert_true(head.keep_alive);
		body = head.body == H1_BODY_LENGTH ? head.content_length : 0;
		if (status != 204 && status != 304) {
			assert_int_equal(head.length + body, length);
			assert_true(h1_has(&head, H1_CONTENT_TYPE) && body > 0);
		}
	}
	for (int i = 1; i < HTTP_REFUSAL_COUNT; i++)
		assert_string_not_equal(
			h1_reason(http_refusal_status((enum http_refusal)i)), "Unknown");
}

static void writes_dates(void **state)
{
	static const struct {
		int64_t seconds;
		const char *text;
	} cases[] = {{0, "Thu, 01 Jan 1970 00:00:00 GMT"}, {784111777, DATE},
		{951782400, "Tue, 29 Feb 2000 00:00:00 GMT"},
		{951868799, "Tue, 29 Feb 2000 23:59:59 GMT"},
		{1709251200, "Fri, 01 Mar 2024 00:00:00 GMT"},
		{1735689599, "Tue, 31 Dec 2024 23:59:59 GMT"},
		{1795736096, "Thu, 26 Nov 2026 23:34:56 GMT"},
		{4102444800, "Fri, 01 Jan 2100 00:00:00 GMT"}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char out[30] = {0};

		h1_date(cases[i].seconds, out);
		assert_string_equal(out, cases[i].text);
	}
}

static void redirects_to_https(void **state)
{
	static const struct {
		const char *target, *host;
		bool keep;
		const char *location;
	} cases[] = {
		{"/", "a.example", false, "https://a.example"},
		{"/", "a.example:80", true, "https://a.example/"},
		{"/b/", "a.example:8080", false, "https://a.example/b"},
		{"/b//", "a.example", false, "https://a.example/b/"},
		{"/b/?c=/", "a.example", false, "https://a.example/b/?c="},
		{"/b/?", "a.example", false, "https://a.example/b/?"},
		{"/b%2F?c=d", "a.example", false, "https://a.example/b%2F?c=d"},
		{"http://a.example:80/b?c", "a.example:80", false, "https://a.example/b?c"},
		{"/b", "[2001:db8::1]", false, "https://[2001:db8::1]/b"},
		{"/b", "[2001:db8::1]:80", false, "https://[2001:db8::1]/b"},
		{"/b", "192.0.2.1:80", false, "https://192.0.2.1/b"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char request[256], out[128] = {0};
		struct h1_head head;

		snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n",
			cases[i].target, cases[i].host);
		parse(&head, request);
		assert_int_equal(h1_https_location(&head, cases[i].keep, out, sizeof(out)),
			strlen(cases[i].location));
		out[strlen(cases[i].location)] = 0;
		assert_string_equal(out, cases[i].location);
		assert_int_equal(h1_https_location(&head, cases[i].keep, out, 8), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_the_upstream_who_asks),
		cmocka_unit_test(believes_only_its_own),
		cmocka_unit_test(drops_what_is_for_one_hop),
		cmocka_unit_test(changes_path_host_and_fields),
		cmocka_unit_test(sends_responses_on),
		cmocka_unit_test(answers_itself),
		cmocka_unit_test(answers_soundly),
		cmocka_unit_test(writes_dates),
		cmocka_unit_test(redirects_to_https),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
