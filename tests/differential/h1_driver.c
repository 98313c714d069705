// SPDX-License-Identifier: BSD-3-Clause
// Our side of h1_against_node.js: cases from the standard input, what we read in each to the
// standard output. A case is a byte, 'q' or 'r', for requests or responses; a length of four bytes;
// and so many bytes: messages one behind the other. The answer is a length and text: for each
// message a line of its parts, each as LENGTH:BYTES, in the order of write_message(); then a line
// "refused NAME", "more", "over" (the connection ends here) or "end".
#include "h1_write.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct text {
	char *bytes;
	size_t length, room;
};

static void add(struct text *text, const char *bytes, size_t length)
{
	if (!length)
		return;
	if (text->length + length > text->room) {
		text->room = (text->length + length) * 2;
		text->bytes = realloc(text->bytes, text->room);
		if (!text->bytes)
			abort();
	}
	memcpy(text->bytes + text->length, bytes, length);
	text->length += length;
}

__attribute__((format(printf, 2, 3))) static void say(struct text *text, const char *format, ...)
{
	char line[128];
	va_list args;

	va_start(args, format);
	add(text, line, (size_t)vsnprintf(line, sizeof(line), format, args));
	va_end(args);
}

static void part(struct text *out, const char *bytes, size_t length)
{
	say(out, "%zu:", length);
	add(out, bytes, length);
}

static void number(struct text *out, uint64_t value)
{
	char digits[24];

	part(out, digits, (size_t)snprintf(digits, sizeof(digits), "%lu", (unsigned long)value));
}

// What we send on for it: our head, and the body's bytes as they came.
static void write_sent(struct text *out, const struct h1_head *head, size_t end)
{
	struct h1_forward forward = {.client = "192.0.2.7",
		.client_length = 9,
		.port = "80",
		.port_length = 2,
		.request_id = "0123456789abcdef0123456789abcdef",
		.host = head->host.length ? NULL : "none",
		.host_length = head->host.length ? 0 : 4};
	struct h1_respond respond = {
		.date = "Sun, 06 Nov 1994 08:49:37 GMT", .keep_alive = head->keep_alive};
	size_t body = end - head->length;
	uint32_t room =
		head->status ? h1_response_room(head, &respond) : h1_request_room(head, &forward);
	char *sent = malloc(room + body);
	uint32_t length;

	if (!sent)
		abort();
	length = head->status ? h1_write_response(head, &respond, sent, room)
			      : h1_write_request(head, &forward, sent, room);
	memcpy(sent + length, head->bytes + head->length, body);
	part(out, sent, length + body);
	free(sent);
}

// First byte's and last byte's places, method or status, target or reason, version, keep-alive,
// upgrade, whether the body goes to the connection's end, path with query, what is sent on, body,
// then names and values.
static void write_message(struct text *out, const struct h1_head *head, const struct text *body,
	size_t begin, size_t end)
{
	struct text path = {0};

	add(out, "message ", 8);
	number(out, begin);
	number(out, end);
	if (head->status) {
		number(out, head->status);
		part(out, h1_at(head, head->reason), head->reason.length);
	} else {
		part(out, h1_at(head, head->method_text), head->method_text.length);
		part(out, h1_at(head, head->target), head->target.length);
	}
	number(out, head->minor);
	number(out, head->keep_alive);
	number(out, head->upgrade);
	number(out, head->body == H1_BODY_TO_END);
	add(&path, h1_at(head, head->path), head->path.length);
	if (head->query.at) {
		add(&path, "?", 1);
		add(&path, h1_at(head, head->query), head->query.length);
	}
	part(out, path.bytes, path.length);
	free(path.bytes);
	write_sent(out, head, end - begin);
	part(out, body->bytes, body->length);
	for (unsigned i = 0; i < head->field_count; i++) {
		const struct h1_field *field = &head->fields[i];

		part(out, head->bytes + field->name, field->name_length);
		part(out, head->bytes + field->value, field->value_length);
	}
	add(out, "\n", 1);
}

// The body behind the head at `at`; moves it behind the body. HTTP_OK and not done: there is more.
static enum http_refusal read_body(struct h1_body *body, struct text *payload, const char *bytes,
	uint32_t length, uint32_t *at)
{
	while (*at < length && !body->done) {
		struct h1_span span;
		enum http_refusal refusal = h1_body_take(body, bytes + *at, length - *at, &span);

		if (refusal != HTTP_OK)
			return refusal;
		add(payload, bytes + *at + span.payload, span.payload_length);
		*at += span.length;
	}
	return HTTP_OK;
}

// One message. False: nothing more is to be read.
static bool read_message(
	struct text *out, char kind, const char *bytes, uint32_t length, uint32_t *at)
{
	struct http_limits limits = {H1_HEAD_MAX, H1_HEAD_MAX, H1_FIELDS_MAX};
	struct h1_asked asked = {.upgrade = true};
	struct h1_scan scan = {0};
	struct text payload = {0};
	enum http_refusal refusal;
	struct h1_head head;
	struct h1_body body;
	enum h1_parsed parsed;
	uint32_t begin = *at;
	bool more;

	if (kind == 'q')
		parsed = h1_parse_request(&head, &scan, bytes + begin, length - begin, &limits);
	else
		parsed = h1_parse_response(&head, &scan, bytes + begin, length - begin, asked);
	if (parsed == H1_MORE) {
		say(out, "more\n");
		return false;
	}
	if (parsed == H1_REFUSED) {
		say(out, "refused %s\n", http_refusal_name((enum http_refusal)head.refusal));
		return false;
	}
	*at += head.length;
	h1_body_begin(&body, &head);
	refusal = read_body(&body, &payload, bytes, length, at);
	more = refusal == HTTP_OK && h1_body_end(&body);
	if (more)
		write_message(out, &head, &payload, begin, *at);
	else if (refusal != HTTP_OK)
		say(out, "refused %s\n", http_refusal_name(refusal));
	else
		say(out, "more\n");
	free(payload.bytes);
	if (more && (!head.keep_alive || head.upgrade)) {
		say(out, "over\n");
		more = false;
	}
	return more;
}

int main(void)
{
	uint8_t lead[5];

	while (fread(lead, sizeof(lead), 1, stdin) == 1) {
		struct text out = {0};
		uint32_t length, at = 0, size;
		char *bytes;

		memcpy(&length, lead + 1, sizeof(length));
		bytes = malloc(length ? length : 1);
		if (!bytes || fread(bytes, 1, length, stdin) != length)
			return 1;
		while (at < length && read_message(&out, (char)lead[0], bytes, length, &at))
			;
		if (at == length)
			say(&out, "end\n");
		size = (uint32_t)out.length;
		if (fwrite(&size, sizeof(size), 1, stdout) != 1 ||
			fwrite(out.bytes, 1, size, stdout) != size || fflush(stdout))
			return 1;
		free(out.bytes);
		free(bytes);
	}
	return 0;
}
