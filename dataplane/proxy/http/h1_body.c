// SPDX-License-Identifier: BSD-3-Clause
// Where a body ends (RFC 9112 sections 6 and 7). Chunks go on as they came, so their framing is
// read strictly:
//
//	SIZE_FIRST -> SIZE -> SIZE_LF -> DATA -> DATA_CR -> DATA_LF -> SIZE_FIRST ...
//	               |  ^      |
//	               v  |      +- size 0 -> TRAILER -> NAME -> VALUE -> VALUE_LF -> TRAILER ...
//	           EXTENSION (three states)      |
//	                                         +-> END_LF -> done
#include "h1_internal.h"

#define SIZE_DIGITS    16
#define LINE_MAX_BYTES 4096
#define EXTENSIONS_MAX 8192 // of all, and a sixteenth of the payload
#define TRAILERS_MAX   8192
#define CHUNK_MAX      (UINT64_C(1) << 60)
#define HASH_BEGIN     UINT64_C(0xcbf29ce484222325)

enum {
	SIZE_FIRST,
	SIZE,
	SIZE_LF,
	EXTENSION,       // after ';'
	EXTENSION_NAME,  // in it
	EXTENSION_BEGIN, // after '='
	EXTENSION_TOKEN,
	EXTENSION_QUOTED,
	EXTENSION_ESCAPED,
	EXTENSION_END, // after the closing quote
	DATA,
	DATA_CR,
	DATA_LF,
	TRAILER,
	NAME,
	VALUE,
	VALUE_LF,
	END_LF,
};

void h1_body_begin(struct h1_body *body, const struct h1_head *head)
{
	*body = (struct h1_body){.kind = head->body, .response = head->status != 0};
	if (head->body == H1_BODY_LENGTH)
		body->left = head->content_length;
	else if (head->body == H1_BODY_TO_END)
		body->left = UINT64_MAX;
	body->done = head->body == H1_BODY_NONE;
}

static uint64_t name_step(uint64_t hash, char byte)
{
	// '_' as '-', as many servers take it.
	return (hash ^ (uint8_t)(byte == '_' ? '-' : h1_lower(byte))) * UINT64_C(0x100000001b3);
}

static uint64_t name_hash(const char *name)
{
	uint64_t hash = HASH_BEGIN;

	while (*name)
		hash = name_step(hash, *name++);
	return hash;
}

// Fields that mean something ahead of the body, and so must not come after it.
static bool is_forbidden(uint64_t hash)
{
	static const char *const names[] = {"authorization", "age", "cache-control", "connection",
		"content-encoding", "content-length", "content-range", "content-type", "cookie",
		"date", "expect", "expires", "host", "keep-alive", "location", "max-forwards",
		"pragma", "proxy", "proxy-authenticate", "proxy-authorization", "proxy-connection",
		"range", "retry-after", "set-cookie", "te", "trailer", "transfer-encoding",
		"upgrade", "vary", "warning", "www-authenticate", "x-forwarded-for",
		"x-forwarded-host", "x-forwarded-port", "x-forwarded-proto", "x-forwarded-scheme",
		"x-original-forwarded-for", "x-real-ip", "x-request-id", "x-scheme"};

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (name_hash(names[i]) == hash)
			return true;
	return false;
}

static uint8_t hex_value(char byte)
{
	return h1_is_digit(byte) ? (uint8_t)(byte - '0') : (uint8_t)(h1_lower(byte) - 'a' + 10);
}

static enum http_refusal size_step(struct h1_body *body, char byte)
{
	if (h1_is(byte, H1_HEX)) {
		if (body->state == SIZE_FIRST)
			body->left = body->line = 0;
		if (++body->line > SIZE_DIGITS || body->left > CHUNK_MAX / 16)
			return HTTP_CHUNK_SIZE;
		body->left = body->left * 16 + hex_value(byte);
		body->state = SIZE;
		return HTTP_OK;
	}
	if (body->state == SIZE_FIRST || (byte != '\r' && byte != ';'))
		return HTTP_CHUNK_SIZE;
	body->state = byte == '\r' ? SIZE_LF : EXTENSION;
	return HTTP_OK;
}

// *( ";" token [ "=" ( token / quoted-string ) ] ), without the blanks that nobody sends.
static enum http_refusal extension_step(struct h1_body *body, char byte)
{
	bool ends = false;

	if (++body->extensions > EXTENSIONS_MAX + body->payload / 16 ||
		++body->line > LINE_MAX_BYTES)
		return HTTP_CHUNK_EXTENSION;
	switch (body->state) {
	case EXTENSION_QUOTED:
		if (byte == '"')
			body->state = EXTENSION_END;
		else if (byte == '\\')
			body->state = EXTENSION_ESCAPED;
		return h1_is(byte, H1_VALUE) ? HTTP_OK : HTTP_CHUNK_EXTENSION;
	case EXTENSION_ESCAPED:
		body->state = EXTENSION_QUOTED;
		return h1_is(byte, H1_VALUE) ? HTTP_OK : HTTP_CHUNK_EXTENSION;
	case EXTENSION_BEGIN:
		if (byte == '"') {
			body->state = EXTENSION_QUOTED;
			return HTTP_OK;
		}
		body->state = EXTENSION_TOKEN;
		return h1_is(byte, H1_TOKEN) ? HTTP_OK : HTTP_CHUNK_EXTENSION;
	case EXTENSION:
		body->state = EXTENSION_NAME;
		return h1_is(byte, H1_TOKEN) ? HTTP_OK : HTTP_CHUNK_EXTENSION;
	case EXTENSION_NAME:
		if (byte == '=') {
			body->state = EXTENSION_BEGIN;
			return HTTP_OK;
		}
		ends = !h1_is(byte, H1_TOKEN);
		break;
	case EXTENSION_TOKEN:
		ends = !h1_is(byte, H1_TOKEN);
		break;
	default: // house: EXTENSION_END
		ends = true;
		break;
	}
	if (!ends)
		return HTTP_OK;
	if (byte != '\r' && byte != ';')
		return HTTP_CHUNK_EXTENSION;
	body->state = byte == '\r' ? SIZE_LF : EXTENSION;
	return HTTP_OK;
}

static enum http_refusal trailer_step(struct h1_body *body, char byte)
{
	if (++body->trailers > TRAILERS_MAX)
		return HTTP_TRAILER_LARGE;
	switch (body->state) {
	case TRAILER:
		if (byte == '\r') {
			body->state = END_LF;
			return HTTP_OK;
		}
		body->state = NAME;
		body->name = name_step(HASH_BEGIN, byte);
		return h1_is(byte, H1_TOKEN) ? HTTP_OK : HTTP_TRAILER;
	case NAME:
		if (byte == ':') {
			body->state = VALUE;
			return is_forbidden(body->name) ? HTTP_TRAILER : HTTP_OK;
		}
		body->name = name_step(body->name, byte);
		return h1_is(byte, H1_TOKEN) ? HTTP_OK : HTTP_TRAILER;
	case VALUE:
		if (byte != '\r')
			return h1_is(byte, H1_VALUE) ? HTTP_OK : HTTP_TRAILER;
		body->state = VALUE_LF;
		return HTTP_OK;
	case VALUE_LF:
		body->state = TRAILER;
		return byte == '\n' ? HTTP_OK : HTTP_TRAILER;
	default: // house: END_LF
		body->done = true;
		return byte == '\n' ? HTTP_OK : HTTP_TRAILER;
	}
}

// One byte of the framing.
static enum http_refusal step(struct h1_body *body, char byte)
{
	switch (body->state) {
	case SIZE_FIRST:
	case SIZE:
		return size_step(body, byte);
	case SIZE_LF:
		body->state = body->left ? DATA : TRAILER;
		return byte == '\n' ? HTTP_OK : HTTP_CHUNK_SIZE;
	case DATA_CR:
		body->state = DATA_LF;
		return byte == '\r' ? HTTP_OK : HTTP_CHUNK_END;
	case DATA_LF:
		body->state = SIZE_FIRST;
		return byte == '\n' ? HTTP_OK : HTTP_CHUNK_END;
	case EXTENSION:
	case EXTENSION_NAME:
	case EXTENSION_BEGIN:
	case EXTENSION_TOKEN:
	case EXTENSION_QUOTED:
	case EXTENSION_ESCAPED:
	case EXTENSION_END:
		return extension_step(body, byte);
	default: // house: all of the trailers
		return trailer_step(body, byte);
	}
}

static enum http_refusal refused(const struct h1_body *body, enum http_refusal refusal)
{
	if (!body->response)
		return refusal;
	return refusal == HTTP_TRAILER_LARGE ? HTTP_RESPONSE_LARGE : HTTP_RESPONSE_CHUNK;
}

enum http_refusal h1_body_take(
	struct h1_body *body, const char *bytes, uint32_t length, struct h1_span *span)
{
	uint32_t at = 0, run;

	*span = (struct h1_span){0};
	if (body->kind == H1_BODY_CHUNKED)
		while (at < length && body->state != DATA && !body->done) {
			enum http_refusal refusal = step(body, bytes[at++]);

			if (refusal != HTTP_OK)
				return refused(body, refusal);
		}
	span->length = at;
	if (at == length || body->done)
		return HTTP_OK;
	run = length - at < body->left ? length - at : (uint32_t)body->left;
	span->payload = at;
	span->payload_length = run;
	span->length = at + run;
	body->payload += run;
	if (body->kind == H1_BODY_TO_END)
		return HTTP_OK;
	body->left -= run;
	if (body->left == 0) {
		if (body->kind == H1_BODY_CHUNKED)
			body->state = DATA_CR;
		else
			body->done = true;
	}
	return HTTP_OK;
}

enum http_refusal h1_body_pass(
	struct h1_body *body, const char *bytes, uint32_t length, uint32_t *used)
{
	struct h1_span span;

	for (*used = 0; *used < length && !body->done; *used += span.length) {
		enum http_refusal refusal =
			h1_body_take(body, bytes + *used, length - *used, &span);

		if (refusal != HTTP_OK)
			return refusal;
	}
	return HTTP_OK;
}

bool h1_body_end(struct h1_body *body)
{
	if (body->kind == H1_BODY_TO_END)
		body->done = true;
	return body->done;
}
