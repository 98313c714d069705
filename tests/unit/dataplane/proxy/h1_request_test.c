// SPDX-License-Identifier: BSD-3-Clause
// Requests: the tables of what is refused and what is not, whole and in pieces, and what is read.
#include "h1.h"
#include "h1_cases.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// The bytes in memory of exactly their length; the head in pieces, first of `first` bytes, then of
// `step`. The body likewise. What it is refused for, or HTTP_OK when the bytes end with it.
static enum http_refusal run(const struct h1_case *it, size_t first, size_t step)
{
	struct h1_scan scan = {0};
	enum h1_parsed parsed = H1_MORE;
	struct h1_head head;
	struct h1_body body;
	size_t at = 0;

	for (size_t have = first; parsed == H1_MORE; have += step) {
		char *bytes;

		have = have < it->length ? have : it->length;
		bytes = malloc(have ? have : 1);
		assert_non_null(bytes);
		memcpy(bytes, it->bytes, have);
		parsed =
			h1_parse_request(&head, &scan, bytes, (uint32_t)have, &http_limits_default);
		assert_true(parsed != H1_MORE || have < it->length);
		if (parsed == H1_WHOLE) {
			assert_true(head.length <= have);
			h1_body_begin(&body, &head);
		}
		free(bytes);
	}
	if (parsed == H1_REFUSED)
		return (enum http_refusal)head.refusal;
	for (at = head.length; at < it->length && !body.done;) {
		size_t have = it->length - at < step ? it->length - at : step;
		enum http_refusal refusal;
		uint32_t used;

		refusal = h1_body_pass(&body, it->bytes + at, (uint32_t)have, &used);
		if (refusal != HTTP_OK)
			return refusal;
		at += used;
	}
	assert_true(body.done);
	assert_int_equal(at, it->length);
	return HTTP_OK;
}

static void check_all(const struct h1_case *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct h1_case *it = &cases[i];
		const char *wanted = http_refusal_name(it->refusal);
		size_t pieces[] = {1, 2, 3, 7, 16, 17, 64};

		if (strcmp(http_refusal_name(run(it, it->length, it->length)), wanted) != 0)
			print_error("case %zu: %s\n", i, it->bytes);
		assert_string_equal(http_refusal_name(run(it, it->length, it->length)), wanted);
		for (size_t first = 0; first < it->length && first < 400; first++)
			assert_string_equal(http_refusal_name(run(it, first, it->length)), wanted);
		for (size_t j = 0; j < sizeof(pieces) / sizeof(pieces[0]); j++)
			if (it->length / pieces[j] < 400)
				assert_string_equal(
					http_refusal_name(run(it, pieces[j], pieces[j])), wanted);
	}
}

static void refuses_ambiguous_heads(void **state)
{
	check_all(h1_refused_heads, h1_refused_head_count);
}

static void refuses_ambiguous_framing(void **state)
{
	assert_true(h1_refused_head_count + h1_refused_framing_count >= 250);
	check_all(h1_refused_framings, h1_refused_framing_count);
}

static void accepts_what_is_sound(void **state)
{
	check_all(h1_accepted, h1_accepted_count);
}

static enum h1_parsed parse(struct h1_head *head, const char *text)
{
	struct h1_scan scan = {0};

	return h1_parse_request(head, &scan, text, (uint32_t)strlen(text), &http_limits_default);
}

static void assert_text(const struct h1_head *head, struct h1_text text, const char *wanted)
{
	assert_int_equal(text.length, strlen(wanted));
	assert_memory_equal(h1_at(head, text), wanted, text.length);
}

static void reads_a_request(void **state)
{
	const struct h1_field *field;
	struct h1_head head;

	assert_int_equal(
		parse(&head, "POST /a/b?c=d HTTP/1.1\r\nHost: a.example:81\r\nX-A:\t b c \r\n"
			     "content-LENGTH: 12\r\nX_b: 1\r\nExpect: 100-continue\r\n"
			     "Connection: x-a\r\n\r\nGET"),
		H1_WHOLE);
	assert_int_equal(head.method, H1_POST);
	assert_text(&head, head.method_text, "POST");
	assert_text(&head, head.target, "/a/b?c=d");
	assert_text(&head, head.path, "/a/b");
	assert_text(&head, head.query, "c=d");
	assert_text(&head, head.host, "a.example:81");
	assert_int_equal(head.minor, 1);
	assert_int_equal(head.field_count, 6);
	assert_int_equal(head.body, H1_BODY_LENGTH);
	assert_int_equal(head.content_length, 12);
	assert_true(head.keep_alive && head.expect_continue && !head.upgrade);
	assert_memory_equal(head.bytes + head.length, "GET", 4);
	field = h1_find(&head, "x-a", 3);
	assert_non_null(field);
	assert_text(&head, (struct h1_text){field->value, field->value_length}, "b c");
	assert_true(field->drop);
	assert_true(head.fields[3].drop);
	assert_false(head.fields[0].drop);
	assert_null(h1_find(&head, "x-c", 3));
	assert_int_equal(h1_first(&head, H1_CONTENT_LENGTH)->value_length, 2);
	assert_false(h1_has(&head, H1_COOKIE));
}

static void reads_targets(void **state)
{
	static const struct {
		const char *request, *path, *query, *host;
		enum h1_form form;
	} cases[] = {
		{"GET /? HTTP/1.1\r\nHost: a\r\n\r\n", "/", "", "a", H1_FORM_ORIGIN},
		{"GET http://a/b?c?d HTTP/1.1\r\nHost: A\r\n\r\n", "/b", "c?d", "a", H1_FORM_HTTP},
		{"GET https://a HTTP/1.1\r\nHost: a\r\n\r\n", "/", "", "a", H1_FORM_HTTPS},
		{"GET http://a?b/c HTTP/1.1\r\nHost: a\r\n\r\n", "/", "b/c", "a", H1_FORM_HTTP},
		{"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "*", "", "a", H1_FORM_ASTERISK},
		{"GET /abc HTTP/1.0\r\nAccept: */*\r\n\r\n", "/abc", "", "", H1_FORM_ORIGIN},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct h1_head head;

		assert_int_equal(parse(&head, cases[i].request), H1_WHOLE);
		assert_text(&head, head.path, cases[i].path);
		assert_text(&head, head.query, cases[i].query);
		assert_text(&head, head.host, cases[i].host);
		assert_int_equal(head.form, cases[i].form);
		// "?" alone is not the same as none.
		assert_int_equal(head.query.at != 0, strchr(cases[i].request, '?') != NULL);
	}
}

static void decides_on_keep_alive_and_upgrade(void **state)
{
	static const struct {
		const char *version, *fields;
		bool keep_alive, upgrade;
	} cases[] = {
		{"1.1", "", true, false},
		{"1.1", "Connection: close\r\n", false, false},
		{"1.1", "Connection: Keep-Alive, Close\r\n", false, false},
		{"1.1", "Connection: keep-alive\r\nConnection: close\r\n", false, false},
		{"1.0", "", false, false},
		{"1.0", "Connection: Keep-Alive\r\n", true, false},
		{"1.0", "Connection: keep-alive, close\r\n", false, false},
		{"1.1", "Connection: Upgrade\r\nUpgrade: WebSocket\r\n", true, true},
		{"1.1", "Connection: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n", true,
			true},
		{"1.1", "Upgrade: websocket\r\n", true, false},
		{"1.1", "Connection: upgrade\r\n", true, false},
		{"1.1", "Connection: upgrade\r\nUpgrade: h2c\r\n", true, false},
		{"1.1", "Connection: upgrade\r\nUpgrade: websocket, h2c\r\n", true, false},
		{"1.1", "Connection: upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n", true,
			false},
		{"1.1", "Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n", true,
			false},
		{"1.0", "Connection: upgrade\r\nUpgrade: websocket\r\n", false, false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct h1_head head;
		char request[256];

		snprintf(request, sizeof(request), "GET / HTTP/%s\r\nHost: a\r\n%s\r\n",
			cases[i].version, cases[i].fields);
		assert_int_equal(parse(&head, request), H1_WHOLE);
		assert_int_equal(head.keep_alive, cases[i].keep_alive);
		assert_int_equal(head.upgrade, cases[i].upgrade);
	}
}

// Each known name is found in any case, and none but it.
static void knows_names(void **state)
{
	static const char *const names[H1_FIELD_IDS] = {[H1_HOST] = "Host",
		[H1_CONNECTION] = "Connection",
		[H1_CONTENT_LENGTH] = "Content-Length",
		[H1_TRANSFER_ENCODING] = "Transfer-Encoding",
		[H1_EXPECT] = "Expect",
		[H1_UPGRADE] = "Upgrade",
		[H1_KEEP_ALIVE] = "Keep-Alive",
		[H1_PROXY_CONNECTION] = "Proxy-Connection",
		[H1_PROXY] = "Proxy",
		[H1_TE] = "TE",
		[H1_TRAILER] = "Trailer",
		[H1_HTTP2_SETTINGS] = "HTTP2-Settings",
		[H1_DATE] = "Date",
		[H1_SERVER] = "Server",
		[H1_COOKIE] = "Cookie",
		[H1_USER_AGENT] = "User-Agent",
		[H1_REFERER] = "Referer",
		[H1_AUTHORIZATION] = "Authorization",
		[H1_ORIGIN] = "Origin",
		[H1_LOCATION] = "Location",
		[H1_SET_COOKIE] = "Set-Cookie",
		[H1_CONTENT_TYPE] = "Content-Type",
		[H1_X_FORWARDED_FOR] = "X-Forwarded-For",
		[H1_X_FORWARDED_HOST] = "X-Forwarded-Host",
		[H1_X_FORWARDED_PORT] = "X-Forwarded-Port",
		[H1_X_FORWARDED_PROTO] = "X-Forwarded-Proto",
		[H1_X_FORWARDED_SCHEME] = "X-Forwarded-Scheme",
		[H1_X_ORIGINAL_FORWARDED_FOR] = "X-Original-Forwarded-For",
		[H1_X_SCHEME] = "X-Scheme",
		[H1_X_REAL_IP] = "X-Real-IP",
		[H1_X_REQUEST_ID] = "X-Request-ID",
		[H1_STRICT_TRANSPORT_SECURITY] = "Strict-Transport-Security"};

	for (unsigned id = 1; id < H1_FIELD_IDS; id++) {
		for (unsigned change = 0; change <= strlen(names[id]); change++) {
			char request[128];
			struct h1_head head;
			size_t at;

			at = (size_t)snprintf(request, sizeof(request), "GET / HTTP/1.0\r\n");
			snprintf(request + at, sizeof(request) - at, "%s: x\r\n\r\n", names[id]);
			if (change < strlen(names[id])) // another letter
				request[at + change] = request[at + change] == 'q' ? 'r' : 'q';
			for (unsigned i = 0; i < 3 && request[at + i] != ':'; i++)
				if (request[at + i] >= 'A' && request[at + i] != '^')
					request[at + i] ^= 0x20;
			if (change == strlen(names[id]) &&
				(id == H1_HOST || id == H1_CONTENT_LENGTH || id == H1_EXPECT ||
					id == H1_TRANSFER_ENCODING))
				continue; // "x" means something there; tested elsewhere
			assert_int_equal(parse(&head, request), H1_WHOLE);
			assert_int_equal(
				head.fields[0].id, change == strlen(names[id]) ? id : H1_OTHER);
		}
	}
}

static void tells_idempotent_methods(void **state)
{
	struct h1_head head;

	assert_int_equal(parse(&head, "PUT / HTTP/1.0\r\n\r\n"), H1_WHOLE);
	assert_true(h1_is_idempotent(&head));
	assert_int_equal(parse(&head, "LOCK / HTTP/1.0\r\n\r\n"), H1_WHOLE);
	assert_false(h1_is_idempotent(&head));
	assert_int_equal(parse(&head, "BREW / HTTP/1.0\r\n\r\n"), H1_WHOLE);
	assert_false(h1_is_idempotent(&head));
}

// However small the limits, and however large: the offsets hold.
static void keeps_limits(void **state)
{
	static char large[H1_HEAD_MAX + 100];
	struct http_limits limits = {UINT32_MAX, UINT32_MAX, UINT32_MAX};
	struct h1_scan scan = {0};
	struct h1_head head;
	int at = snprintf(large, sizeof(large), "GET / HTTP/1.1\r\nHost: a\r\nA: ");

	memset(large + at, 'x', sizeof(large) - (size_t)at);
	assert_int_equal(h1_parse_request(&head, &scan, large, sizeof(large), &limits), H1_REFUSED);
	assert_int_equal(head.refusal, HTTP_HEAD_LARGE);
	memcpy(large + H1_HEAD_MAX - 4, "\r\n\r\n", 4);
	assert_int_equal(h1_parse_request(&head, &scan, large, sizeof(large), &limits), H1_WHOLE);
	assert_int_equal(head.length, H1_HEAD_MAX);
	for (uint32_t most = 0; most < 40; most++) {
		limits.head_bytes = most;
		assert_int_equal(
			h1_parse_request(&head, &scan, large, sizeof(large), &limits), H1_REFUSED);
		// "GET / ": until there the target may go on.
		assert_int_equal(head.refusal, most < 6 ? HTTP_TARGET_LONG : HTTP_HEAD_LARGE);
	}
	limits = http_limits_default;
	limits.field_count = UINT32_MAX;
	at = snprintf(large, sizeof(large), "GET / HTTP/1.1\r\nHost: a\r\n");
	for (unsigned i = 0; i < H1_FIELDS_MAX; i++)
		at += snprintf(large + at, sizeof(large) - (size_t)at, "A: b\r\n");
	assert_int_equal(h1_parse_request(&head, &scan, large, (uint32_t)at, &limits), H1_REFUSED);
	assert_int_equal(head.refusal, HTTP_FIELDS_MANY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_ambiguous_heads),
		cmocka_unit_test(refuses_ambiguous_framing),
		cmocka_unit_test(accepts_what_is_sound),
		cmocka_unit_test(reads_a_request),
		cmocka_unit_test(reads_targets),
		cmocka_unit_test(decides_on_keep_alive_and_upgrade),
		cmocka_unit_test(knows_names),
		cmocka_unit_test(tells_idempotent_methods),
		cmocka_unit_test(keeps_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
