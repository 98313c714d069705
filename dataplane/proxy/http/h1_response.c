// SPDX-License-Identifier: BSD-3-Clause
// The head of a response: its status, and how its body is framed (RFC 9112 sections 4, 6). What is
// harmless in an endpoint's head is let pass; what says where its body ends is not.
#include "h1_internal.h"

// "HTTP/1.1 200" and a reason, or none.
static enum h1_parsed read_status(struct h1_reader *reader)
{
	struct h1_head *head = reader->head;
	const char *bytes = reader->bytes;
	uint32_t at = 13;

	if (memcmp(bytes, "HTTP/1.", 7) != 0 || (uint8_t)(bytes[7] - '0') > 1 || bytes[8] != ' ' ||
		!h1_is_digit(bytes[9]) || !h1_is_digit(bytes[10]) || !h1_is_digit(bytes[11]))
		return h1_refuse(head, HTTP_RESPONSE_LINE);
	head->minor = (uint8_t)(bytes[7] - '0');
	head->status =
		(uint16_t)((bytes[9] - '0') * 100 + (bytes[10] - '0') * 10 + bytes[11] - '0');
	if (head->status < 100 || head->status > 599 || (bytes[12] != ' ' && bytes[12] != '\r'))
		return h1_refuse(head, HTTP_RESPONSE_LINE);
	if (bytes[12] == '\r')
		at = 12;
	head->reason.at = (uint16_t)at;
	while (at < reader->length && h1_is(bytes[at], H1_VALUE))
		at++;
	if (at + 2 > reader->length)
		return H1_MORE;
	if (bytes[at] != '\r' || bytes[at + 1] != '\n')
		return h1_refuse(head, HTTP_RESPONSE_LINE);
	head->reason.length = (uint16_t)(at - head->reason.at);
	reader->at = at + 2;
	return H1_WHOLE;
}

// Content-Length may be repeated when it says the same; all but the first are dropped then.
static bool same_lengths(struct h1_head *head)
{
	unsigned first = head->first[H1_CONTENT_LENGTH];
	uint64_t length = head->content_length;

	for (unsigned i = first + 1; i < head->field_count; i++) {
		struct h1_field *field = &head->fields[i];

		if (field->id != H1_CONTENT_LENGTH)
			continue;
		if (h1_read_length(head, field) != HTTP_OK || head->content_length != length)
			return false;
		field->drop = true;
	}
	return true;
}

static enum http_refusal read_framing(struct h1_head *head)
{
	const struct h1_field *coding = h1_first(head, H1_TRANSFER_ENCODING);

	if (coding) {
		if (h1_has(head, H1_CONTENT_LENGTH) || head->minor == 0 ||
			head->repeated >> H1_TRANSFER_ENCODING & 1 || h1_has_tab(head, coding) ||
			!h1_same(head->bytes + coding->value, coding->value_length, "chunked"))
			return HTTP_RESPONSE_CODING;
		head->body = H1_BODY_CHUNKED;
	} else if (h1_has(head, H1_CONTENT_LENGTH)) {
		if (h1_read_length(head, h1_first(head, H1_CONTENT_LENGTH)) != HTTP_OK ||
			(head->repeated >> H1_CONTENT_LENGTH & 1 && !same_lengths(head)))
			return HTTP_RESPONSE_LENGTH;
		head->body = head->content_length ? H1_BODY_LENGTH : H1_BODY_NONE;
	} else {
		head->body = H1_BODY_TO_END;
	}
	return HTTP_OK;
}

static enum http_refusal read_meaning(struct h1_head *head, struct h1_asked asked)
{
	enum http_refusal refusal = read_framing(head);
	struct h1_options options;

	if (refusal != HTTP_OK)
		return refusal;
	// An interim response has no body, and some read one when it speaks of one.
	if (head->status < 200 && (head->body == H1_BODY_LENGTH || head->body == H1_BODY_CHUNKED))
		return HTTP_RESPONSE_INTERIM;
	if (!h1_read_connection(head, &options, false))
		return HTTP_RESPONSE_FIELD;
	if (head->status == 101) {
		if (!asked.upgrade || !options.upgrade || !h1_is_websocket(head))
			return HTTP_RESPONSE_UPGRADE;
		head->upgrade = true;
	}
	if (head->status < 200 || head->status == 204 || head->status == 304 || asked.to_head)
		head->body = H1_BODY_NONE;
	head->keep_alive = !options.close && (head->minor == 1 || options.keep_alive) &&
			   head->body != H1_BODY_TO_END && !head->upgrade;
	return HTTP_OK;
}

// The names of what is wrong with fields, when it is the endpoint that wrote them.
static enum http_refusal of_response(enum http_refusal refusal)
{
	if (refusal == HTTP_FIELDS_MANY || refusal == HTTP_FIELD_LONG || refusal == HTTP_HEAD_LARGE)
		return HTTP_RESPONSE_LARGE;
	return http_refusal_status(refusal) == 502 ? refusal : HTTP_RESPONSE_FIELD;
}

static enum h1_parsed read_response(struct h1_reader *reader, struct h1_asked asked)
{
	enum h1_parsed parsed = read_status(reader);
	enum http_refusal refusal;

	if (parsed != H1_WHOLE)
		return parsed;
	parsed = h1_read_fields(reader);
	if (parsed != H1_WHOLE)
		return parsed;
	for (unsigned i = 0; i < reader->head->field_count; i++)
		reader->head->fields[i].drop = false; // '_' is harmless here
	refusal = read_meaning(reader->head, asked);
	return refusal == HTTP_OK ? H1_WHOLE : h1_refuse(reader->head, refusal);
}

enum h1_parsed h1_parse_response(struct h1_head *head, struct h1_scan *scan, const char *bytes,
	uint32_t length, struct h1_asked asked)
{
	uint32_t most =
		asked.head_bytes && asked.head_bytes < H1_HEAD_MAX ? asked.head_bytes : H1_HEAD_MAX;
	uint32_t usable = length < most ? length : most;
	struct h1_reader reader = {
		head, bytes, usable, 0, {H1_HEAD_MAX, H1_HEAD_MAX, H1_FIELDS_MAX}};
	enum h1_parsed parsed;

	h1_head_begin(head, bytes);
	if (usable < 16) // nearly none is that short
		return usable < most ? H1_MORE : h1_refuse(head, HTTP_RESPONSE_LARGE);
	if (scan->seen && usable < most && !h1_may_end(bytes, scan->seen, usable)) {
		scan->seen = usable;
		return H1_MORE;
	}
	parsed = read_response(&reader, asked);
	if (parsed == H1_MORE && usable == most)
		return h1_refuse(head, HTTP_RESPONSE_LARGE);
	if (parsed == H1_REFUSED)
		head->refusal = (uint16_t)of_response(head->refusal);
	scan->seen = parsed == H1_MORE ? usable : 0;
	return parsed;
}
