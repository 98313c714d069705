// SPDX-License-Identifier: BSD-3-Clause
// HTTP/1.1 heads and bodies (RFC 9110, 9112), strictly: what could be read two ways is refused.
// Pure functions over the caller's bytes; any thread; no memory of their own.
//
// A head lies in one piece of the caller's memory, and all in struct h1_head are offsets into it.
// Bodies come in any pieces: h1_body_take() says where each ends, and what of it is payload.
#pragma once

#include "refusal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define H1_FIELDS_MAX 128
#define H1_HEAD_MAX   65535

enum h1_field_id { // those that mean something to us
	H1_OTHER,
	H1_HOST,
	H1_CONNECTION,
	H1_CONTENT_LENGTH,
	H1_TRANSFER_ENCODING,
	H1_EXPECT,
	H1_UPGRADE,
	H1_KEEP_ALIVE,
	H1_PROXY_CONNECTION,
	H1_PROXY,
	H1_TE,
	H1_TRAILER,
	H1_HTTP2_SETTINGS,
	H1_DATE,
	H1_SERVER,
	H1_COOKIE,
	H1_USER_AGENT,
	H1_REFERER,
	H1_AUTHORIZATION,
	H1_ORIGIN,
	H1_LOCATION,
	H1_SET_COOKIE,
	H1_CONTENT_TYPE,
	H1_X_FORWARDED_FOR,
	H1_X_FORWARDED_HOST,
	H1_X_FORWARDED_PORT,
	H1_X_FORWARDED_PROTO,
	H1_X_FORWARDED_SCHEME,
	H1_X_ORIGINAL_FORWARDED_FOR,
	H1_X_SCHEME,
	H1_X_REAL_IP,
	H1_X_REQUEST_ID,
	H1_STRICT_TRANSPORT_SECURITY,
	H1_FIELD_IDS
};

enum h1_method {
	H1_METHOD_OTHER,
	H1_GET,
	H1_HEAD,
	H1_POST,
	H1_PUT,
	H1_DELETE,
	H1_OPTIONS,
	H1_PATCH,
	H1_LOCK,
	H1_CONNECT,
	H1_TRACE,
	H1_PRI, // of HTTP/2
};

enum h1_form { // of a request's target
	H1_FORM_ORIGIN,
	H1_FORM_HTTP,  // absolute
	H1_FORM_HTTPS, // absolute
	H1_FORM_ASTERISK,
	H1_FORM_AUTHORITY, // of CONNECT alone, which is refused
};

enum h1_body_kind {
	H1_BODY_NONE,
	H1_BODY_LENGTH,
	H1_BODY_CHUNKED,
	H1_BODY_TO_END, // of the connection; responses only
};

struct h1_text {
	uint16_t at, length;
};

struct h1_field {
	uint16_t name, name_length;
	uint16_t value, value_length; // without the blanks around it
	uint16_t end;                 // after its CRLF
	uint8_t id;                   // enum h1_field_id
	bool drop;                    // not to be sent on: named by Connection, or has a '_'
};

struct h1_head {
	const char *bytes;
	uint32_t length;      // of the head, its empty line included
	uint16_t refusal;     // enum http_refusal, when refused
	uint16_t status;      // of a response
	uint8_t minor;        // of HTTP/1.
	uint8_t method;       // enum h1_method
	uint8_t form;         // enum h1_form
	uint8_t body;         // enum h1_body_kind
	bool keep_alive;      // the connection may be used again after this message
	bool upgrade;         // request: to websocket, and it may be. Response: 101
	bool expect_continue; // and there is a body
	uint8_t field_count;
	struct h1_text method_text, target; // of a request, as written
	struct h1_text path, query;  // of the target, of any form: "/..." or "*"; without the '?'
	struct h1_text host;         // length 0: none, which only HTTP/1.0 may
	struct h1_text reason;       // of a response
	uint64_t content_length;     // of the field, whether or not there is a body
	uint64_t present, repeated;  // sets of enum h1_field_id, by bit
	uint8_t first[H1_FIELD_IDS]; // where present: index of the first field with this id
	struct h1_field fields[H1_FIELDS_MAX];
};

struct http_limits {
	uint32_t head_bytes;  // most of a head; at most H1_HEAD_MAX
	uint32_t line_bytes;  // most of a target (414), and of a field's line (431)
	uint32_t field_count; // at most H1_FIELDS_MAX
};

extern const struct http_limits http_limits_default; // 16384, 8192, 100

enum h1_parsed {
	H1_MORE, // it is good as far as it goes; call again with more behind it
	H1_WHOLE,
	H1_REFUSED, // head->refusal says why; what of the head was understood is filled in
};

struct h1_scan { // of one head; zero before its first byte
	uint32_t seen;
};

struct h1_asked {              // what a response depends on
	bool to_head, upgrade; // the request was HEAD; asked for the upgrade
	uint32_t head_bytes;   // most of its head; 0: H1_HEAD_MAX
};

// `bytes` begin with the head, and may have more behind it: h1_head.length is where that begins.
enum h1_parsed h1_parse_request(struct h1_head *head, struct h1_scan *scan, const char *bytes,
	uint32_t length, const struct http_limits *limits);
// Reads 1xx also. Refusals are those of 502.
enum h1_parsed h1_parse_response(struct h1_head *head, struct h1_scan *scan, const char *bytes,
	uint32_t length, struct h1_asked asked);

static inline const char *h1_at(const struct h1_head *head, struct h1_text text)
{
	return head->bytes + text.at;
}

static inline bool h1_has(const struct h1_head *head, enum h1_field_id id)
{
	return head->present >> id & 1;
}

// Its first field; NULL when there is none.
static inline const struct h1_field *h1_first(const struct h1_head *head, enum h1_field_id id)
{
	return h1_has(head, id) ? &head->fields[head->first[id]] : NULL;
}

// May be sent twice: not POST, PATCH, LOCK, or a method we do not know.
bool h1_is_idempotent(const struct h1_head *head);
// The first field of this name, given in small letters; for those without an id, too.
const struct h1_field *h1_find(const struct h1_head *head, const char *name, size_t length);

struct h1_body {
	uint64_t left;    // of the body, or of this chunk
	uint64_t payload; // seen so far
	uint64_t name;    // hash of the trailer's name so far
	uint8_t kind;     // enum h1_body_kind
	uint8_t state;    // of chunks
	bool done;
	bool response;       // whose refusals are those of 502
	uint16_t line;       // bytes of this chunk's size and extensions
	uint16_t trailers;   // bytes of all
	uint32_t extensions; // bytes of all
};

struct h1_span {
	uint32_t length;                  // bytes of the body, framing and payload
	uint32_t payload, payload_length; // where among them the payload is: one run, or none
};

void h1_body_begin(struct h1_body *body, const struct h1_head *head);
// The next bytes, to the end of one run of payload at most: called until `length` is used up or
// body->done. A chunk's framing comes to its end with the first call after its payload.
enum http_refusal h1_body_take(
	struct h1_body *body, const char *bytes, uint32_t length, struct h1_span *span);
// The same for those who send the bytes on as they are: *used is `length`, or less when done.
enum http_refusal h1_body_pass(
	struct h1_body *body, const char *bytes, uint32_t length, uint32_t *used);
// The connection ended. False: in the middle of the body.
bool h1_body_end(struct h1_body *body);
