// SPDX-License-Identifier: BSD-3-Clause
// Responses of endpoints: what is read, what is refused; and bodies in any pieces.
#include "h1.h"
#include "h1_write.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define OK  "HTTP/1.1 200 OK\r\n"
#define LEN "Content-Length: "
#define TE  "Transfer-Encoding: "

static const struct {
	enum http_refusal refusal;
	const char *response;
} refused[] = {
	{HTTP_RESPONSE_LINE, "HTTP/2.0 200 OK\r\n\r\n"},
	{HTTP_RESPONSE_LINE, "HTTP/1.2 200 OK\r\n\r\n"},
	{HTTP_RESPONSE_LINE, "http/1.1 200 OK\r\n\r\n"},
	{HTTP_RESPONSE_LINE, "\r\nHTTP/1.1 200 OK\r\n\r\n"},
	{HTTP_RESPONSE_LINE, " HTTP/1.1 200 OK\r\n\r\n"},
	{HTTP_RESPONSE_LINE, "HTTP/1.1  200 OK\r\n\r\n"},
	{HTTP_RESPONSE_LINE, "HTTP/1.1 20 OK\r\n\r\n"},
	{HTTP_RESPONSE_LINE, "HTTP/1.1 2000 OK\r\n\r\n"},
	{HTTP_RESPONSE_LINE, "HTTP/1.1 099 OK\r\n\r\n"},
	{HTTP_RESPONSE_LINE, "HTTP/1.1 600 OK\r\n\r\n"},
	{HTTP_RESPONSE_LINE, "HTTP/1.1 +20 OK\r\n\r\n"},
	{HTTP_RESPONSE_LINE, "HTTP/1.1 200\tOK\r\n\r\n"},
	{HTTP_RESPONSE_LINE, "HTTP/1.1 200 OK\n\r\n\r\n"},
	{HTTP_RESPONSE_LINE, "HTTP/1.1 200 O\rK\r\n\r\n"},
	{HTTP_RESPONSE_LINE, "HTTP/1.1 200 O\x01K\r\n\r\n"},
	{HTTP_RESPONSE_LINE, "<html><body>hello</body></html>\r\n\r\n"},
	{HTTP_RESPONSE_LINE, "GET / HTTP/1.1\r\n\r\n"},
	{HTTP_RESPONSE_FIELD, OK "A: b\nB: c\r\n\r\n"},
	{HTTP_RESPONSE_FIELD, OK "A: b\rB: c\r\n\r\n"},
	{HTTP_RESPONSE_FIELD, OK "A: b\r\n c\r\n\r\n"},
	{HTTP_RESPONSE_FIELD, OK "A : b\r\n\r\n"},
	{HTTP_RESPONSE_FIELD, OK "A\r\n\r\n"},
	{HTTP_RESPONSE_FIELD, OK ": b\r\n\r\n"},
	{HTTP_RESPONSE_FIELD, OK "A: \x01\r\n\r\n"},
	{HTTP_RESPONSE_FIELD, OK "Connection: a b\r\n\r\n"},
	{HTTP_RESPONSE_LENGTH, OK LEN "\r\n\r\n"},
	{HTTP_RESPONSE_LENGTH, OK LEN "-1\r\n\r\n"},
	{HTTP_RESPONSE_LENGTH, OK LEN "+1\r\n\r\n"},
	{HTTP_RESPONSE_LENGTH, OK LEN "0x1\r\n\r\n"},
	{HTTP_RESPONSE_LENGTH, OK LEN "1, 1\r\n\r\n"},
	{HTTP_RESPONSE_LENGTH, OK LEN "1 1\r\n\r\n"},
	{HTTP_RESPONSE_LENGTH, OK LEN "18446744073709551617\r\n\r\n"},
	{HTTP_RESPONSE_LENGTH, OK LEN "1\r\n" LEN "2\r\n\r\n"},
	{HTTP_RESPONSE_LENGTH, OK LEN "1\r\n" LEN "\r\n\r\n"},
	{HTTP_RESPONSE_CODING, OK LEN "1\r\n" TE "chunked\r\n\r\n"},
	{HTTP_RESPONSE_CODING, OK TE "chunked\r\n" LEN "1\r\n\r\n"},
	{HTTP_RESPONSE_CODING, OK TE "chunked\r\n" TE "chunked\r\n\r\n"},
	{HTTP_RESPONSE_CODING, OK TE "gzip, chunked\r\n\r\n"},
	{HTTP_RESPONSE_CODING, OK TE "chunked, identity\r\n\r\n"},
	{HTTP_RESPONSE_CODING, OK TE "identity\r\n\r\n"},
	{HTTP_RESPONSE_CODING, OK TE "xchunked\r\n\r\n"},
	{HTTP_RESPONSE_CODING, OK TE "\r\n\r\n"},
	{HTTP_RESPONSE_CODING, OK TE "chunked\t\r\n\r\n"},
	{HTTP_RESPONSE_LENGTH, OK LEN "1\t\r\n\r\n"},
	{HTTP_RESPONSE_CODING, "HTTP/1.0 200 OK\r\n" TE "chunked\r\n\r\n"},
	{HTTP_RESPONSE_UPGRADE,
		"HTTP/1.1 101 Yes\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"},
	{HTTP_RESPONSE_UPGRADE, "HTTP/1.1 101 Yes\r\n\r\n"},
	{HTTP_RESPONSE_INTERIM, "HTTP/1.1 100 Continue\r\n" LEN "5\r\n\r\n"},
	{HTTP_RESPONSE_INTERIM, "HTTP/1.1 103 Hints\r\n" TE "chunked\r\n\r\n"},
};

static enum h1_parsed parse(struct h1_head *head, const char *text, struct h1_asked asked)
{
	struct h1_scan scan = {0};

	return h1_parse_response(head, &scan, text, (uint32_t)strlen(text), asked);
}

static void refuses_unsound_responses(void **state)
{
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		const char *text = refused[i].response;
		struct h1_head head;

		assert_int_equal(parse(&head, text, (struct h1_asked){0}), H1_REFUSED);
		assert_string_equal(http_refusal_name((enum http_refusal)head.refusal),
			http_refusal_name(refused[i].refusal));
		for (uint32_t first = 0; first < strlen(text); first++) {
			struct h1_scan scan = {0};
			enum h1_parsed parsed =
				h1_parse_response(&head, &scan, text, first, (struct h1_asked){0});

			if (parsed == H1_MORE)
				parsed = h1_parse_response(&head, &scan, text,
					(uint32_t)strlen(text), (struct h1_asked){0});
			assert_int_equal(parsed, H1_REFUSED);
			assert_int_equal(http_refusal_status(head.refusal), 502);
		}
	}
}

static void decides_on_framing(void **state)
{
	static const struct {
		const char *response;
		struct h1_asked asked;
		enum h1_body_kind body;
		bool keep_alive;
	} cases[] = {
		{OK LEN "5\r\n\r\n", {0}, H1_BODY_LENGTH, true},
		{OK LEN "0\r\n\r\n", {0}, H1_BODY_NONE, true},
		{OK LEN "5\r\n" LEN "5\r\n\r\n", {0}, H1_BODY_LENGTH, true},
		{OK LEN "5\r\nConnection: close\r\n\r\n", {0}, H1_BODY_LENGTH, false},
		{OK LEN "5\r\nConnection: Transfer-Encoding, Keep-Alive\r\n\r\n", {0},
			H1_BODY_LENGTH, true},
		{"HTTP/1.0 200 OK\r\n" LEN "5\r\n\r\n", {0}, H1_BODY_LENGTH, false},
		{"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n" LEN "5\r\n\r\n", {0},
			H1_BODY_LENGTH, true},
		{OK TE "Chunked\r\n\r\n", {0}, H1_BODY_CHUNKED, true},
		{OK "\r\n", {0}, H1_BODY_TO_END, false},
		{"HTTP/1.1 200\r\n\r\n", {0}, H1_BODY_TO_END, false},
		{"HTTP/1.1 200 \xc3\xa9\tb\r\n\r\n", {0}, H1_BODY_TO_END, false},
		{OK LEN "5\r\n\r\n", {.to_head = true}, H1_BODY_NONE, true},
		{OK TE "chunked\r\n\r\n", {.to_head = true}, H1_BODY_NONE, true},
		{OK "\r\n", {.to_head = true}, H1_BODY_NONE, true},
		{"HTTP/1.1 204 No\r\n" LEN "5\r\n\r\n", {0}, H1_BODY_NONE, true},
		{"HTTP/1.1 304 No\r\n" LEN "5\r\n\r\n", {0}, H1_BODY_NONE, true},
		{"HTTP/1.1 304 No\r\n\r\n", {0}, H1_BODY_NONE, true},
		{"HTTP/1.1 100 Continue\r\n\r\n", {0}, H1_BODY_NONE, true},
		{"HTTP/1.1 100 Continue\r\n" LEN "0\r\n\r\n", {0}, H1_BODY_NONE, true},
		{"HTTP/1.1 103 Hints\r\nLink: a\r\n\r\n", {0}, H1_BODY_NONE, true},
		{"HTTP/1.1 101 Yes\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
			{.upgrade = true}, H1_BODY_NONE, false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct h1_head head;

		assert_int_equal(parse(&head, cases[i].response, cases[i].asked), H1_WHOLE);
		assert_int_equal(head.body, cases[i].body);
		assert_int_equal(head.keep_alive, cases[i].keep_alive);
		assert_int_equal(head.length, strlen(cases[i].response));
	}
}

static void upgrades_to_websocket_alone(void **state)
{
	static const char *const heads[] = {
		"HTTP/1.1 101 Yes\r\nConnection: upgrade\r\n\r\n",
		"HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\n\r\n",
		"HTTP/1.1 101 Yes\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
		"HTTP/1.1 101 Yes\r\nConnection: upgrade\r\nUpgrade: websocket, h2c\r\n\r\n",
	};

	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		struct h1_head head;

		assert_int_equal(
			parse(&head, heads[i], (struct h1_asked){.upgrade = true}), H1_REFUSED);
		assert_int_equal(head.refusal, HTTP_RESPONSE_UPGRADE);
	}
}

static void bounds_heads(void **state)
{
	struct h1_asked asked = {.head_bytes = 64};
	struct h1_head head;
	char text[] = OK "A: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\r\n\r\n";

	assert_int_equal(parse(&head, text, asked), H1_REFUSED);
	assert_int_equal(head.refusal, HTTP_RESPONSE_LARGE);
	asked.head_bytes = sizeof(text) - 1;
	assert_int_equal(parse(&head, text, asked), H1_WHOLE);
}

// The payload of a body, taken in pieces of `step`; how much of the bytes is the body's.
static size_t take_all(
	struct h1_body *body, const char *bytes, size_t length, size_t step, char *payload)
{
	size_t at = 0;

	while (at < length && !body->done) {
		size_t have = length - at < step ? length - at : step;
		char *piece = malloc(have);
		struct h1_span span;

		assert_non_null(piece);
		memcpy(piece, bytes + at, have);
		assert_int_equal(h1_body_take(body, piece, (uint32_t)have, &span), HTTP_OK);
		assert_true(span.length <= have);
		assert_true(span.payload + span.payload_length <= span.length);
		memcpy(payload, piece + span.payload, span.payload_length);
		payload += span.payload_length;
		at += span.length;
		free(piece);
	}
	*payload = 0;
	return at;
}

static void takes_chunks_apart(void **state)
{
	static const char chunks[] = "5\r\nhello\r\n1;a=\"b;\\\"\"\r\n \r\n00a\r\nwide world\r\n"
				     "0\r\nA: b\r\n\r\nHTTP/1.1";
	struct h1_head head;

	assert_int_equal(parse(&head, OK TE "chunked\r\n\r\n", (struct h1_asked){0}), H1_WHOLE);
	for (size_t step = 1; step < sizeof(chunks); step++) {
		struct h1_body body;
		char payload[64];
		uint32_t used;

		h1_body_begin(&body, &head);
		assert_int_equal(take_all(&body, chunks, sizeof(chunks) - 1, step, payload),
			sizeof(chunks) - 9);
		assert_true(body.done && h1_body_end(&body));
		assert_string_equal(payload, "hello wide world");
		assert_int_equal(body.payload, 16);
		h1_body_begin(&body, &head);
		assert_int_equal(h1_body_pass(&body, chunks, (uint32_t)step, &used), HTTP_OK);
		assert_int_equal(body.done, step >= sizeof(chunks) - 9);
		assert_int_equal(h1_body_end(&body), body.done);
	}
}

static void takes_lengths_and_the_rest(void **state)
{
	struct h1_body body;
	struct h1_head head;
	char payload[64];

	assert_int_equal(parse(&head, OK LEN "5\r\n\r\n", (struct h1_asked){0}), H1_WHOLE);
	for (size_t step = 1; step < 9; step++) {
		h1_body_begin(&body, &head);
		assert_int_equal(take_all(&body, "hello you", 9, step, payload), 5);
		assert_string_equal(payload, "hello");
	}
	h1_body_begin(&body, &head);
	assert_int_equal(take_all(&body, "hell", 4, 9, payload), 4);
	assert_false(h1_body_end(&body));
	assert_int_equal(parse(&head, OK "\r\n", (struct h1_asked){0}), H1_WHOLE);
	h1_body_begin(&body, &head);
	assert_int_equal(take_all(&body, "hello you", 9, 4, payload), 9);
	assert_string_equal(payload, "hello you");
	assert_false(body.done);
	assert_true(h1_body_end(&body));
	assert_int_equal(
		parse(&head, "HTTP/1.1 204 No\r\nA: b\r\n\r\n", (struct h1_asked){0}), H1_WHOLE);
	h1_body_begin(&body, &head);
	assert_true(body.done);
}

static void refuses_bad_chunks_of_endpoints(void **state)
{
	static const struct {
		enum http_refusal refusal;
		const char *chunks;
	} cases[] = {{HTTP_RESPONSE_CHUNK, "5 \r\n"}, {HTTP_RESPONSE_CHUNK, "1\r\nab"},
		{HTTP_RESPONSE_CHUNK, "1;\r\n"},
		{HTTP_RESPONSE_CHUNK, "0\r\nContent-Length: 1\r\n"}};
	struct h1_head head;

	assert_int_equal(parse(&head, OK TE "chunked\r\n\r\n", (struct h1_asked){0}), H1_WHOLE);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct h1_body body;
		uint32_t used;

		h1_body_begin(&body, &head);
		assert_int_equal(h1_body_pass(&body, cases[i].chunks,
					 (uint32_t)strlen(cases[i].chunks), &used),
			cases[i].refusal);
	}
}

// Extensions may be as many as the payload warrants.
static void bounds_extensions(void **state)
{
	static const struct {
		uint32_t size;
		enum http_refusal refusal;
	} cases[] = {{1, HTTP_RESPONSE_CHUNK}, {1024, HTTP_OK}};
	static const char extension[] = ";signature=0123456789abcdef0123456789abcdef\r\n";
	struct h1_head head;

	assert_int_equal(parse(&head, OK TE "chunked\r\n\r\n", (struct h1_asked){0}), H1_WHOLE);
	for (size_t i = 0; i < 2; i++) {
		enum http_refusal refusal = HTTP_OK;
		struct h1_body body;

		h1_body_begin(&body, &head);
		for (unsigned chunk = 0; chunk < 1000 && refusal == HTTP_OK; chunk++) {
			char text[2048];
			uint32_t length = h1_write_chunk_head(cases[i].size, text) - 2, used;

			memcpy(text + length, extension, sizeof(extension) - 1);
			length += sizeof(extension) - 1;
			memset(text + length, 'x', cases[i].size);
			length += cases[i].size;
			memcpy(text + length, H1_CHUNK_TAIL, 2);
			refusal = h1_body_pass(&body, text, length + 2, &used);
		}
		assert_int_equal(refusal, cases[i].refusal);
	}
}

// What we chunk, we take apart again.
static void makes_chunks(void **state)
{
	static const uint64_t sizes[] = {1, 9, 10, 15, 16, 255, 256, 4095, 65535, 65536, 1000000};
	struct h1_head head;

	assert_int_equal(parse(&head, OK TE "chunked\r\n\r\n", (struct h1_asked){0}), H1_WHOLE);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char text[H1_CHUNK_HEAD], wanted[H1_CHUNK_HEAD + 1];
		struct h1_body body;
		struct h1_span span;
		uint32_t length = h1_write_chunk_head(sizes[i], text);

		assert_int_equal(
			snprintf(wanted, sizeof(wanted), "%lx\r\n", (unsigned long)sizes[i]),
			length);
		assert_memory_equal(text, wanted, length);
		h1_body_begin(&body, &head);
		assert_int_equal(h1_body_take(&body, text, length, &span), HTTP_OK);
		assert_int_equal(body.left, sizes[i]);
	}
	assert_int_equal(h1_write_chunk_head(UINT64_MAX, (char[H1_CHUNK_HEAD]){0}), H1_CHUNK_HEAD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_unsound_responses),
		cmocka_unit_test(decides_on_framing),
		cmocka_unit_test(upgrades_to_websocket_alone),
		cmocka_unit_test(bounds_heads),
		cmocka_unit_test(takes_chunks_apart),
		cmocka_unit_test(takes_lengths_and_the_rest),
		cmocka_unit_test(refuses_bad_chunks_of_endpoints),
		cmocka_unit_test(bounds_extensions),
		cmocka_unit_test(makes_chunks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
