// SPDX-License-Identifier: BSD-3-Clause
// Heads that we send: a client's request on to the upstream, an upstream's response on to the
// client, and answers of our own. Each is written whole into the caller's room, which is cheaper
// than a list of pieces. Any thread.
#pragma once

#include "h1.h"

struct h1_add { // a field
	const char *name, *value;
	uint16_t name_length, value_length;
};

struct h1_remove { // fields of this name, in small letters
	const char *name;
	uint16_t name_length;
};

struct h1_change { // by filters; removes before it adds
	const struct h1_add *adds;
	const struct h1_remove *removes;
	uint16_t add_count, remove_count;
};

// What of the request's surroundings its head tells the upstream (the fields of ingress-nginx).
struct h1_forward {
	const char *client;     // address as text
	const char *port;       // of the listener, as text
	const char *request_id; // 32 digits; used unless the client brought one
	const char *path;       // instead of the request's, its query stays; NULL = that
	char query_mark;        // between such a path and the query; 0 = the query goes, too
	const char *host;       // instead of the request's; NULL = that
	uint16_t client_length, port_length, path_length, host_length;
	bool tls;
	bool trusted; // the client is a proxy of ours: its X-Forwarded-* stay
	struct h1_change change;
};

struct h1_respond {
	const char *date; // 29 bytes, of h1_date()
	const char *hsts; // value of Strict-Transport-Security; NULL = none
	uint16_t hsts_length;
	bool client_old; // the request was HTTP/1.0
	bool keep_alive; // towards the client
	bool chunk;      // a body without length is sent in chunks of ours
	struct h1_change change;
};

// Bytes that are enough.
uint32_t h1_request_room(const struct h1_head *head, const struct h1_forward *how);
uint32_t h1_response_room(const struct h1_head *head, const struct h1_respond *how);
// Bytes written, or 0 when `room` is less than enough.
uint32_t h1_write_request(
	const struct h1_head *head, const struct h1_forward *how, char *out, uint32_t room);
uint32_t h1_write_response(
	const struct h1_head *head, const struct h1_respond *how, char *out, uint32_t room);

// The value of Host in a head that h1_write_request() wrote.
const char *h1_written_host(const char *head, uint32_t length, uint32_t *host_length);

struct h1_answer {
	uint16_t status;
	const char *date;     // 29 bytes
	const char *location; // of a redirect; NULL = none
	uint32_t location_length;
	const char *hsts; // NULL = none
	uint16_t hsts_length;
	bool client_old; // the request was HTTP/1.0
	bool keep_alive;
	bool to_head;            // no body, though its length is told
	struct h1_change change; // adds alone
};

uint32_t h1_answer_room(const struct h1_answer *answer);
// With a short text as body; with Allow for 405.
uint32_t h1_write_answer(const struct h1_answer *answer, char *out, uint32_t room);
const char *h1_reason(uint16_t status); // "Unknown" for those we never send

#define H1_CONTINUE   "HTTP/1.1 100 Continue\r\n\r\n"
#define H1_CHUNK_HEAD 18
#define H1_CHUNK_TAIL "\r\n"
#define H1_CHUNK_LAST "0\r\n\r\n"

// What stands ahead of a chunk's payload; bytes written.
uint32_t h1_write_chunk_head(uint64_t length, char out[static H1_CHUNK_HEAD]);
// "Sun, 06 Nov 1994 08:49:37 GMT", of seconds since 1970.
void h1_date(int64_t seconds, char out[static 29]);
// The https URL of a request that came by http: its host without port, its target as written, less
// one slash at its very end unless that is to stay. 0: no room. (Host and target and 8 are enough.)
uint32_t h1_https_location(const struct h1_head *head, bool keep_slash, char *out, uint32_t room);
