// SPDX-License-Identifier: BSD-3-Clause
// The head of a request: its line, its host, and how its body is framed (RFC 9112 sections 3, 6).
#include "h1_internal.h"

#define METHOD_MAX 32
#define SHORTEST   16 // request: "A / HTTP/1.0" and two ends of lines

const struct http_limits http_limits_default = {16384, 8192, 100};

static uint32_t word(const char *bytes)
{
	uint32_t value;

	memcpy(&value, bytes, sizeof(value));
	return value;
}

static enum h1_method method_of(const char *name, uint32_t length)
{
	static const struct {
		const char *name;
		uint8_t method;
	} methods[] = {{"GET", H1_GET}, {"HEAD", H1_HEAD}, {"POST", H1_POST}, {"PUT", H1_PUT},
		{"DELETE", H1_DELETE}, {"OPTIONS", H1_OPTIONS}, {"PATCH", H1_PATCH},
		{"LOCK", H1_LOCK}, {"CONNECT", H1_CONNECT}, {"TRACE", H1_TRACE}, {"PRI", H1_PRI}};

	for (unsigned i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (strlen(methods[i].name) == length && memcmp(methods[i].name, name, length) == 0)
			return methods[i].method;
	return H1_METHOD_OTHER;
}

bool h1_is_idempotent(const struct h1_head *head)
{
	return head->method != H1_POST && head->method != H1_PATCH && head->method != H1_LOCK &&
	       head->method != H1_METHOD_OTHER;
}

// The method and the blank behind it.
static enum h1_parsed read_method(struct h1_reader *reader)
{
	struct h1_head *head = reader->head;
	const char *bytes = reader->bytes;
	uint32_t begin = reader->at, at = begin;

	if (word(bytes + at) == word("GET ")) {
		head->method = H1_GET;
		at += 3;
	} else {
		while (at < reader->length &&
			((uint8_t)(bytes[at] - 'A') < 26 || bytes[at] == '-' || bytes[at] == '_'))
			at++;
		if (at - begin > METHOD_MAX)
			return h1_refuse(head, HTTP_METHOD);
		if (at >= reader->length)
			return H1_MORE;
		if (at == begin || bytes[at] != ' ')
			return h1_refuse(head, HTTP_METHOD);
		head->method = method_of(bytes + begin, at - begin);
	}
	head->method_text = (struct h1_text){(uint16_t)begin, (uint16_t)(at - begin)};
	reader->at = at + 1;
	return H1_WHOLE;
}

// The target and the blank behind it. `*mark`: its first '?', or where it ends.
static enum h1_parsed read_target(struct h1_reader *reader, uint32_t *mark)
{
	struct h1_head *head = reader->head;
	const char *bytes = reader->bytes;
	uint32_t begin = reader->at, at = begin, length = reader->length;
	bool marked = false;

	for (;;) {
		unsigned stop;

		if (at - begin > reader->limits.line_bytes)
			return h1_refuse(head, HTTP_TARGET_LONG);
		if (at >= length)
			return H1_MORE;
		stop = h1_no_target(h1_load(bytes, at, length));
		if (!stop) {
			at += 16;
			continue;
		}
		at += (uint32_t)__builtin_ctz(stop);
		if (at >= length || bytes[at] != '?')
			break;
		if (!marked)
			*mark = at;
		marked = true;
		at++;
	}
	if (at >= length)
		return H1_MORE;
	if (at - begin > reader->limits.line_bytes)
		return h1_refuse(head, HTTP_TARGET_LONG);
	if (bytes[at] != ' ' || at == begin)
		return h1_refuse(head, bytes[at] == '\r' || bytes[at] == '\n' || bytes[at] == ' '
					       ? HTTP_REQUEST_LINE
					       : HTTP_TARGET);
	if (!marked)
		*mark = at;
	head->target = (struct h1_text){(uint16_t)begin, (uint16_t)(at - begin)};
	reader->at = at + 1;
	return H1_WHOLE;
}

// Everything but the two versions that we speak.
static enum h1_parsed other_version(struct h1_reader *reader)
{
	const char *bytes = reader->bytes + reader->at;
	uint32_t left = reader->length - reader->at;
	uint32_t same = 0;

	while (same < left && same < 5 && bytes[same] == "HTTP/"[same])
		same++;
	if (same == left)
		return H1_MORE;
	if (same < 5)
		return h1_refuse(reader->head, bytes[0] == ' ' ? HTTP_REQUEST_LINE : HTTP_VERSION);
	if (left < 10)
		return H1_MORE;
	if (!h1_is_digit(bytes[5]) || bytes[6] != '.' || !h1_is_digit(bytes[7]))
		return h1_refuse(reader->head, HTTP_VERSION);
	if (bytes[8] == '\n')
		return h1_refuse(reader->head, HTTP_BARE_LF);
	if (bytes[8] == '\r' && bytes[9] != '\n')
		return h1_refuse(reader->head, HTTP_BARE_CR);
	return h1_refuse(
		reader->head, bytes[8] == '\r' ? HTTP_VERSION_UNSUPPORTED : HTTP_REQUEST_LINE);
}

static enum h1_parsed read_version(struct h1_reader *reader)
{
	const char *bytes = reader->bytes + reader->at;

	if (reader->length - reader->at < 10 || memcmp(bytes, "HTTP/1.", 7) != 0 ||
		(uint8_t)(bytes[7] - '0') > 1 || memcmp(bytes + 8, "\r\n", 2) != 0)
		return other_version(reader);
	reader->head->minor = (uint8_t)(bytes[7] - '0');
	reader->at += 10;
	return H1_WHOLE;
}

// A name, an IPv4 address, or an IPv6 address in brackets; then perhaps a port.
static bool is_host(const char *at, uint32_t length)
{
	const char *end = at + length, *begin = at;
	uint32_t port = 0;

	if (length && *at == '[') {
		unsigned colons = 0;

		for (at++; at < end && (h1_is(*at, H1_HEX) || *at == ':' || *at == '.'); at++)
			colons += *at == ':';
		if (at == end || *at != ']' || colons < 2 || at - begin > 46)
			return false;
		at++;
	} else {
		while (at < end && (((uint8_t)((*at | 0x20) - 'a') < 26 || h1_is_digit(*at)) ||
					   *at == '.' || *at == '-' || *at == '_' || *at == '~'))
			at++;
		if (at == begin)
			return false;
	}
	if (at == end)
		return true;
	if (*at != ':' || end - at < 2 || end - at > 6)
		return false;
	for (at++; at < end && h1_is_digit(*at); at++)
		port = port * 10 + (uint32_t)(*at - '0');
	return at == end && port < 65536;
}

static struct h1_text text(uint32_t begin, uint32_t end)
{
	return (struct h1_text){(uint16_t)begin, (uint16_t)(end - begin)};
}

// "http://host[:port]" and then a path, a query or nothing.
static enum http_refusal absolute_form(struct h1_head *head, uint32_t mark)
{
	const char *bytes = head->bytes;
	uint32_t begin = head->target.at, end = begin + head->target.length;
	uint32_t host, host_end;

	if (end - begin > 7 && h1_same(bytes + begin, 7, "http://"))
		host = begin + 7;
	else if (end - begin > 8 && h1_same(bytes + begin, 8, "https://"))
		host = begin + 8;
	else
		return HTTP_TARGET_FORM;
	head->form = host - begin == 7 ? H1_FORM_HTTP : H1_FORM_HTTPS;
	for (host_end = host; host_end < mark && bytes[host_end] != '/';)
		host_end++;
	if (!is_host(bytes + host, host_end - host))
		return HTTP_TARGET_FORM;
	head->host = text(host, host_end);
	// Without a path it is "/", of which there is one to point to.
	head->path = host_end == mark ? text(host - 1, host) : text(host_end, mark);
	return HTTP_OK;
}

// What method and target are together.
static enum http_refusal read_form(struct h1_head *head, uint32_t mark)
{
	uint32_t begin = head->target.at, end = begin + head->target.length;

	if (head->method >= H1_CONNECT) {
		head->form = head->method == H1_CONNECT ? H1_FORM_AUTHORITY : H1_FORM_ORIGIN;
		return HTTP_METHOD_UNSUPPORTED;
	}
	if (mark < end)
		head->query = text(mark + 1, end);
	if (head->bytes[begin] == '/') {
		head->path = text(begin, mark);
	} else if (head->bytes[begin] == '*') {
		if (head->target.length != 1 || head->method != H1_OPTIONS)
			return HTTP_TARGET_FORM;
		head->form = H1_FORM_ASTERISK;
		head->path = head->target;
	} else {
		return absolute_form(head, mark);
	}
	return HTTP_OK;
}

static enum http_refusal read_host(struct h1_head *head)
{
	const struct h1_field *field = h1_first(head, H1_HOST);
	const char *url, *host;

	if (!field)
		return head->minor ? HTTP_HOST_MISSING : HTTP_OK;
	if (head->repeated >> H1_HOST & 1)
		return HTTP_HOST_TWICE;
	host = head->bytes + field->value;
	if (!is_host(host, field->value_length))
		return HTTP_HOST;
	if (!head->host.length) {
		head->host = (struct h1_text){field->value, field->value_length};
		return HTTP_OK;
	}
	url = h1_at(head, head->host);
	if (head->host.length != field->value_length)
		return HTTP_TARGET_HOST;
	for (unsigned i = 0; i < field->value_length; i++)
		if (h1_lower(url[i]) != h1_lower(host[i]))
			return HTTP_TARGET_HOST;
	return HTTP_OK;
}

// Of a Transfer-Encoding that is not the one word chunked.
static enum http_refusal other_coding(const char *at, uint32_t length)
{
	const char *end = at + length;
	bool chunked = false;

	for (;;) {
		const char *name = at;

		while (at < end && h1_is(*at, H1_TOKEN))
			at++;
		if (chunked || at == name) // it is to be the last, and once
			return HTTP_CODING;
		chunked = h1_same(name, (size_t)(at - name), "chunked");
		while (at < end && (*at == ' ' || *at == '\t'))
			at++;
		if (at == end)
			return chunked ? HTTP_CODING_UNSUPPORTED : HTTP_CODING;
		if (*at++ != ',')
			return HTTP_CODING;
		while (at < end && (*at == ' ' || *at == '\t'))
			at++;
	}
}

static enum http_refusal read_coding(struct h1_head *head)
{
	const struct h1_field *coding = h1_first(head, H1_TRANSFER_ENCODING);

	if (h1_has(head, H1_CONTENT_LENGTH))
		return HTTP_LENGTH_AND_CODING;
	if (head->repeated >> H1_TRANSFER_ENCODING & 1)
		return HTTP_CODING_TWICE;
	if (!h1_same(head->bytes + coding->value, coding->value_length, "chunked"))
		return other_coding(head->bytes + coding->value, coding->value_length);
	if (h1_has_tab(head, coding))
		return HTTP_CODING;
	if (head->minor == 0)
		return HTTP_CODING_VERSION;
	head->body = H1_BODY_CHUNKED;
	return HTTP_OK;
}

// One Content-Length, or one Transfer-Encoding of chunked alone, or neither.
static enum http_refusal read_framing(struct h1_head *head)
{
	enum http_refusal refusal;

	if (h1_has(head, H1_TRANSFER_ENCODING))
		return read_coding(head);
	if (!h1_has(head, H1_CONTENT_LENGTH))
		return HTTP_OK;
	if (head->repeated >> H1_CONTENT_LENGTH & 1)
		return HTTP_LENGTH_TWICE;
	refusal = h1_read_length(head, h1_first(head, H1_CONTENT_LENGTH));
	if (refusal == HTTP_OK && head->content_length)
		head->body = H1_BODY_LENGTH;
	return refusal;
}

// Where the request belongs, where its body ends, and whether another comes behind it.
static enum http_refusal read_meaning(struct h1_head *head)
{
	const struct h1_field *expect = h1_first(head, H1_EXPECT);
	enum http_refusal refusal = read_host(head);
	struct h1_options options;

	if (refusal == HTTP_OK)
		refusal = read_framing(head);
	if (refusal != HTTP_OK)
		return refusal;
	head->keep_alive = head->minor == 1;
	if (h1_has(head, H1_CONNECTION)) {
		if (!h1_read_connection(head, &options, true))
			return HTTP_CONNECTION;
		if (head->minor == 0)
			head->keep_alive = options.keep_alive;
		if (options.close)
			head->keep_alive = false;
		head->upgrade = options.upgrade && head->minor == 1 && head->method == H1_GET &&
				head->body == H1_BODY_NONE && h1_is_websocket(head);
	}
	if (!expect || head->minor == 0)
		return HTTP_OK;
	if (head->repeated >> H1_EXPECT & 1 ||
		!h1_same(head->bytes + expect->value, expect->value_length, "100-continue"))
		return HTTP_EXPECTATION;
	head->expect_continue = head->body != H1_BODY_NONE;
	return HTTP_OK;
}

static enum h1_parsed read_request(struct h1_reader *reader)
{
	enum http_refusal refusal;
	enum h1_parsed parsed;
	uint32_t mark = 0;

	// One empty line ahead of it (RFC 9112 section 2.2).
	if (reader->bytes[0] == '\r') {
		if (reader->length < 2)
			return H1_MORE;
		if (reader->bytes[1] != '\n')
			return h1_refuse(reader->head, HTTP_BARE_CR);
		reader->at = 2;
	}
	parsed = read_method(reader);
	if (parsed == H1_WHOLE)
		parsed = read_target(reader, &mark);
	if (parsed == H1_WHOLE)
		parsed = read_version(reader);
	if (parsed != H1_WHOLE)
		return parsed;
	refusal = read_form(reader->head, mark);
	if (refusal != HTTP_OK)
		return h1_refuse(reader->head, refusal);
	parsed = h1_read_fields(reader);
	if (parsed != H1_WHOLE)
		return parsed;
	refusal = read_meaning(reader->head);
	return refusal == HTTP_OK ? H1_WHOLE : h1_refuse(reader->head, refusal);
}

// The limit is reached, and the head goes on.
static enum h1_parsed refuse_large(struct h1_head *head)
{
	return h1_refuse(head, head->target.length ? HTTP_HEAD_LARGE : HTTP_TARGET_LONG);
}

// Of fewer bytes than a request has, and so than h1_load() wants: in a place with room around it.
static enum h1_parsed read_beginning(struct h1_reader reader)
{
	char room[SHORTEST + SHORTEST + sizeof(uint32_t)] = {0};

	memcpy(room + SHORTEST, reader.bytes, reader.length);
	reader.bytes = room + SHORTEST;
	return read_request(&reader);
}

enum h1_parsed h1_parse_request(struct h1_head *head, struct h1_scan *scan, const char *bytes,
	uint32_t length, const struct http_limits *limits)
{
	uint32_t most = limits->head_bytes < H1_HEAD_MAX ? limits->head_bytes : H1_HEAD_MAX;
	uint32_t usable = length < most ? length : most;
	struct h1_reader reader = {head, bytes, usable, 0, *limits};
	enum h1_parsed parsed;

	h1_head_begin(head, bytes);
	if (reader.limits.field_count > H1_FIELDS_MAX)
		reader.limits.field_count = H1_FIELDS_MAX;
	if (usable < SHORTEST) {
		parsed = read_beginning(reader);
		return parsed == H1_MORE && usable == most ? refuse_large(head) : parsed;
	}
	if (scan->seen && usable < most && !h1_may_end(bytes, scan->seen, usable)) {
		scan->seen = usable;
		return H1_MORE;
	}
	parsed = read_request(&reader);
	if (parsed == H1_MORE && usable == most)
		return refuse_large(head);
	scan->seen = parsed == H1_MORE ? usable : 0;
	return parsed;
}
