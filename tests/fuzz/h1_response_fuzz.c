// SPDX-License-Identifier: BSD-3-Clause
// Responses of any bytes; what is sent on for each parses again to the same meaning. The last byte
// says what was asked for and how the client is answered.
#include "h1_write.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void check_sent(const struct h1_head *in, struct h1_asked asked, uint8_t flags)
{
	struct h1_respond how = {.date = "Sun, 06 Nov 1994 08:49:37 GMT",
		.hsts = flags & 4 ? "max-age=1" : NULL,
		.hsts_length = flags & 4 ? 9 : 0,
		.client_old = flags & 8,
		.keep_alive = flags & 16};
	uint32_t room, length;
	bool unchunk = in->body == H1_BODY_CHUNKED && how.client_old;
	struct h1_scan scan = {0};
	struct h1_head out;
	char *made;

	how.chunk = in->body == H1_BODY_TO_END && !how.client_old;
	room = h1_response_room(in, &how);
	made = malloc(room);
	must(made != NULL);
	length = h1_write_response(in, &how, made, room);
	must(length > 0 && length <= room);
	if (in->field_count + 6 <= H1_FIELDS_MAX && length <= H1_HEAD_MAX) {
		asked.head_bytes = 0;
		must(h1_parse_response(&out, &scan, made, length, asked) == H1_WHOLE);
		must(out.length == length && out.status == in->status);
		must(out.body == (unchunk            ? H1_BODY_TO_END
					 : how.chunk ? H1_BODY_CHUNKED
						     : in->body));
		must(out.body != H1_BODY_LENGTH || out.content_length == in->content_length);
		must(!(out.repeated >> H1_CONTENT_LENGTH & 1));
		must(out.upgrade == in->upgrade);
		if (in->status >= 200) {
			must(h1_has(&out, H1_DATE) && h1_has(&out, H1_SERVER));
			must(out.keep_alive == (how.keep_alive && out.body != H1_BODY_TO_END));
		}
	}
	free(made);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	uint8_t flags = length ? bytes[length - 1] : 0;
	struct h1_asked asked = {.to_head = flags & 1, .upgrade = flags & 2};
	struct h1_scan scan = {0}, scan_parts = {0};
	char *whole = malloc(length ? length : 1);
	struct h1_head head, parts;
	enum h1_parsed one, two;

	must(whole != NULL);
	memcpy(whole, bytes, length);
	one = h1_parse_response(&head, &scan, whole, (uint32_t)length, asked);
	two = h1_parse_response(&parts, &scan_parts, whole, (uint32_t)(length / 2), asked);
	if (two == H1_MORE)
		two = h1_parse_response(&parts, &scan_parts, whole, (uint32_t)length, asked);
	must((one == H1_WHOLE) == (two == H1_WHOLE));
	if (one == H1_REFUSED)
		must(http_refusal_status((enum http_refusal)head.refusal) == 502);
	if (one == H1_WHOLE) {
		struct h1_body body;
		uint32_t used;

		must(head.length <= length);
		check_sent(&head, asked, flags);
		h1_body_begin(&body, &head);
		if (h1_body_pass(&body, whole + head.length, (uint32_t)(length - head.length),
			    &used) == HTTP_OK)
			must(body.done || used == length - head.length);
	}
	free(whole);
	return 0;
}
