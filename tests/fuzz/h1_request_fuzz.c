// SPDX-License-Identifier: BSD-3-Clause
// Requests of any bytes, in memory of exactly their length: what is whole in one piece is so in
// two; and what is sent on for it parses again to the same meaning, with nothing a client could
// have said of itself.
#include "h1_write.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

#define ID "0123456789abcdef0123456789abcdef"

static void must(bool holds)
{
	if (!holds)
		abort();
}

static char *copy(const void *bytes, size_t length)
{
	char *made = malloc(length ? length : 1);

	must(made != NULL);
	memcpy(made, bytes, length);
	return made;
}

static bool same(
	const struct h1_head *a, struct h1_text x, const struct h1_head *b, struct h1_text y)
{
	return x.length == y.length && memcmp(h1_at(a, x), h1_at(b, y), x.length) == 0;
}

static enum h1_parsed parse(
	struct h1_head *head, struct h1_scan *scan, const char *bytes, size_t length)
{
	return h1_parse_request(head, scan, bytes, (uint32_t)length, &http_limits_default);
}

static void check_offsets(const struct h1_head *head, size_t length)
{
	must(head->length <= length && head->field_count <= H1_FIELDS_MAX);
	must(memcmp(head->bytes + head->length - 2, "\r\n", 2) == 0);
	must(head->target.at + head->target.length < head->length);
	must(head->path.length > 0 && head->path.at + head->path.length <= head->length);
	for (unsigned i = 0; i < head->field_count; i++) {
		const struct h1_field *field = &head->fields[i];

		must(field->name_length > 0 &&
			head->bytes[field->name + field->name_length] == ':');
		must(field->value > field->name + field->name_length);
		must(field->value + field->value_length + 2 <= field->end);
		must(field->end < head->length);
		must(!memchr(head->bytes + field->value, '\n', field->value_length));
	}
}

// Every field of what was sent on is one of the client's that may pass, or one of ours.
static void check_fields(const struct h1_head *in, const struct h1_head *out)
{
	static const enum h1_field_id gone[] = {
		H1_PROXY, H1_TE, H1_KEEP_ALIVE, H1_EXPECT, H1_PROXY_CONNECTION, H1_HTTP2_SETTINGS};
	unsigned passed = 0;

	for (unsigned i = 0; i < sizeof(gone) / sizeof(gone[0]); i++)
		must(!h1_has(out, gone[i]));
	must(!(out->repeated &
		~(UINT64_C(1) << H1_COOKIE | UINT64_C(1) << H1_DATE | UINT64_C(1) << H1_SERVER |
			UINT64_C(1) << H1_TRAILER | UINT64_C(1) << H1_USER_AGENT |
			UINT64_C(1) << H1_REFERER | UINT64_C(1) << H1_AUTHORIZATION |
			UINT64_C(1) << H1_ORIGIN | UINT64_C(1) << H1_LOCATION |
			UINT64_C(1) << H1_SET_COOKIE | UINT64_C(1) << H1_CONTENT_TYPE |
			UINT64_C(1) << H1_X_REQUEST_ID |
			UINT64_C(1) << H1_STRICT_TRANSPORT_SECURITY)));
	for (unsigned i = 0; i < out->field_count; i++) {
		const struct h1_field *field = &out->fields[i];

		must(!field->drop);
		if (field->id != H1_OTHER)
			continue;
		while (passed < in->field_count &&
			(in->fields[passed].id != H1_OTHER || in->fields[passed].drop))
			passed++;
		must(passed < in->field_count);
		must(same(in,
			(struct h1_text){in->fields[passed].value, in->fields[passed].value_length},
			out, (struct h1_text){field->value, field->value_length}));
		passed++;
	}
	must(h1_first(out, H1_X_REAL_IP)->value_length == 9);
	must(memcmp(out->bytes + h1_first(out, H1_X_FORWARDED_FOR)->value, "192.0.2.7", 9) == 0);
}

static void check_forwarded(const struct h1_head *in)
{
	struct http_limits limits = {H1_HEAD_MAX, H1_HEAD_MAX, H1_FIELDS_MAX};
	struct h1_forward how = {.client = "192.0.2.7",
		.client_length = 9,
		.port = "80",
		.port_length = 2,
		.request_id = ID,
		.host = in->host.length ? NULL : "none",
		.host_length = in->host.length ? 0 : 4};
	uint32_t room = h1_request_room(in, &how), length;
	struct h1_scan scan = {0};
	struct h1_head out;
	char *made = malloc(room);

	must(made != NULL);
	length = h1_write_request(in, &how, made, room);
	must(length > 0 && length <= room);
	if (in->field_count + 12 > H1_FIELDS_MAX) {
		free(made);
		return;
	}
	must(h1_parse_request(&out, &scan, made, length, &limits) == H1_WHOLE);
	must(out.length == length && out.minor == 1 && out.keep_alive);
	must(same(in, in->method_text, &out, out.method_text));
	must(same(in, in->path, &out, out.path) && same(in, in->query, &out, out.query));
	must((in->query.at == 0) == (out.query.at == 0));
	must(!in->host.length || same(in, in->host, &out, out.host));
	must(in->body == out.body && in->upgrade == out.upgrade);
	must(in->body != H1_BODY_LENGTH || in->content_length == out.content_length);
	check_fields(in, &out);
	free(made);
}

static void check_body(const struct h1_head *head, const char *bytes, size_t length, size_t split)
{
	struct h1_body whole, parts;
	enum http_refusal one, two;
	uint32_t used, first, second = 0;

	h1_body_begin(&whole, head);
	h1_body_begin(&parts, head);
	one = h1_body_pass(&whole, bytes, (uint32_t)length, &used);
	split = length ? split % length : 0;
	two = h1_body_pass(&parts, bytes, (uint32_t)split, &first);
	if (two == HTTP_OK)
		two = h1_body_pass(&parts, bytes + first, (uint32_t)(length - first), &second);
	must(one == two);
	if (one == HTTP_OK)
		must(used == first + second && whole.done == parts.done &&
			whole.payload == parts.payload && used <= length &&
			(whole.done || used == length));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	size_t split = length ? bytes[length - 1] * 7u % (length + 1) : 0;
	struct h1_scan scan = {0}, scan_parts = {0};
	char *whole = copy(bytes, length), *part = copy(bytes, split);
	struct h1_head head, parts;
	enum h1_parsed one = parse(&head, &scan, whole, length), two;

	two = parse(&parts, &scan_parts, part, split);
	if (two == H1_MORE)
		two = parse(&parts, &scan_parts, whole, length);
	if (one == H1_REFUSED)
		must(head.refusal > HTTP_OK && head.refusal < HTTP_REFUSAL_COUNT);
	must((one == H1_WHOLE) == (two == H1_WHOLE));
	must(one != H1_MORE || two == H1_MORE);
	if (one == H1_WHOLE) {
		must(parts.length == head.length);
		check_offsets(&head, length);
		check_forwarded(&head);
		check_body(&head, whole + head.length, length - head.length, split);
	}
	free(whole);
	free(part);
	return 0;
}
