// SPDX-License-Identifier: BSD-3-Clause
#include "h1_write.h"

#include "h1_internal.h"

#define BIT(id)    (UINT64_C(1) << (id))
#define HOST_AHEAD "\r\nHost: "

// Room is asked for once, at the beginning; so nothing is checked below.
struct writer {
	char *at;
};

static inline void put(struct writer *w, const char *bytes, size_t length)
{
	memcpy(w->at, bytes, length);
	w->at += length;
}

#define put_text(w, text) put(w, text, sizeof(text) - 1)

static inline void put_at(struct writer *w, const struct h1_head *head, struct h1_text text)
{
	put(w, head->bytes + text.at, text.length);
}

static void put_number(struct writer *w, uint64_t value)
{
	char digits[20];
	unsigned at = sizeof(digits);

	do
		digits[--at] = (char)('0' + value % 10);
	while (value /= 10);
	put(w, digits + at, sizeof(digits) - at);
}

#define put_field(w, name, value, length)                                                          \
	do {                                                                                       \
		put_text(w, name ": ");                                                            \
		put(w, value, length);                                                             \
		put_text(w, "\r\n");                                                               \
	} while (0)

static void put_added(struct writer *w, const struct h1_change *change)
{
	for (unsigned i = 0; i < change->add_count; i++) {
		put(w, change->adds[i].name, change->adds[i].name_length);
		put_text(w, ": ");
		put(w, change->adds[i].value, change->adds[i].value_length);
		put_text(w, "\r\n");
	}
}

static uint32_t added_room(const struct h1_change *change)
{
	uint32_t room = 0;

	for (unsigned i = 0; i < change->add_count; i++)
		room += change->adds[i].name_length + change->adds[i].value_length + 4u;
	return room;
}

static bool is_removed(
	const struct h1_head *head, const struct h1_field *field, const struct h1_change *change)
{
	for (unsigned i = 0; i < change->remove_count; i++)
		if (field->name_length == change->removes[i].name_length &&
			h1_same(head->bytes + field->name, field->name_length,
				change->removes[i].name))
			return true;
	return false;
}

// All fields but those of the set, in runs as they stand.
static void put_fields(
	struct writer *w, const struct h1_head *head, uint64_t drop, const struct h1_change *change)
{
	uint32_t begin = 0, end = 0;

	for (unsigned i = 0; i < head->field_count; i++) {
		const struct h1_field *field = &head->fields[i];

		if (drop >> field->id & 1 || field->drop ||
			(change->remove_count && is_removed(head, field, change)))
			continue;
		if (field->name != end) {
			put(w, head->bytes + begin, end - begin);
			begin = field->name;
		}
		end = field->end;
	}
	put(w, head->bytes + begin, end - begin);
}

#define HOP_FIELDS                                                                                 \
	(BIT(H1_CONNECTION) | BIT(H1_KEEP_ALIVE) | BIT(H1_PROXY_CONNECTION) | BIT(H1_UPGRADE))
// What a client must not be able to say, unless it is a proxy of ours.
#define FORWARDED_FIELDS                                                                           \
	(BIT(H1_X_FORWARDED_FOR) | BIT(H1_X_FORWARDED_HOST) | BIT(H1_X_FORWARDED_PORT) |           \
		BIT(H1_X_FORWARDED_PROTO) | BIT(H1_X_ORIGINAL_FORWARDED_FOR))

uint32_t h1_request_room(const struct h1_head *head, const struct h1_forward *how)
{
	// The names of what is added, twice the client and once the host, are 400 bytes at most.
	return head->length + how->path_length + how->host_length + 2u * how->client_length +
	       how->port_length + head->host.length + 512 + added_room(&how->change);
}

// The values of all its fields, as one list.
static void put_list(struct writer *w, const struct h1_head *head, enum h1_field_id id)
{
	for (unsigned i = head->first[id]; i < head->field_count; i++) {
		const struct h1_field *field = &head->fields[i];

		if (field->id != id)
			continue;
		if (i != head->first[id])
			put_text(w, ", ");
		put(w, head->bytes + field->value, field->value_length);
	}
}

static void put_forwarded(
	struct writer *w, const struct h1_head *head, const struct h1_forward *how)
{
	uint64_t kept = how->trusted ? head->present : 0;

	if (!(kept & BIT(H1_X_FORWARDED_FOR)))
		put_field(w, "X-Forwarded-For", how->client, how->client_length);
	if (!how->trusted && h1_has(head, H1_X_FORWARDED_FOR)) {
		put_text(w, "X-Original-Forwarded-For: ");
		put_list(w, head, H1_X_FORWARDED_FOR);
		put_text(w, "\r\n");
	}
	if (!(kept & BIT(H1_X_FORWARDED_HOST)))
		put_field(w, "X-Forwarded-Host", h1_at(head, head->host), head->host.length);
	if (!(kept & BIT(H1_X_FORWARDED_PORT)))
		put_field(w, "X-Forwarded-Port", how->port, how->port_length);
}

// The scheme by its three names.
static void put_scheme(struct writer *w, const struct h1_head *head, const struct h1_forward *how)
{
	const struct h1_field *told = h1_first(head, H1_X_FORWARDED_PROTO);
	bool tls = how->tls;

	if (how->trusted && told) {
		tls = h1_same(head->bytes + told->value, told->value_length, "https");
	} else if (tls) {
		put_text(w, "X-Forwarded-Proto: https\r\n");
	} else {
		put_text(w, "X-Forwarded-Proto: http\r\n");
	}
	if (tls)
		put_text(w, "X-Forwarded-Scheme: https\r\nX-Scheme: https\r\n");
	else
		put_text(w, "X-Forwarded-Scheme: http\r\nX-Scheme: http\r\n");
}

static void put_request_line(
	struct writer *w, const struct h1_head *head, const struct h1_forward *how)
{
	char mark = '?';

	put_at(w, head, head->method_text);
	put_text(w, " ");
	if (how->path) {
		put(w, how->path, how->path_length);
		mark = how->query_mark;
	} else if (head->form == H1_FORM_ORIGIN) {
		put_at(w, head, head->target); // path and query
		return;
	} else {
		put_at(w, head, head->path);
	}
	if (head->query.at && mark) {
		put(w, &mark, 1);
		put_at(w, head, head->query);
	}
}

uint32_t h1_write_request(
	const struct h1_head *head, const struct h1_forward *how, char *out, uint32_t room)
{
	// Expect is answered by us, or by nobody.
	uint64_t drop = HOP_FIELDS | BIT(H1_HOST) | BIT(H1_PROXY) | BIT(H1_TE) | BIT(H1_EXPECT) |
			BIT(H1_HTTP2_SETTINGS) | BIT(H1_X_REAL_IP) | BIT(H1_X_SCHEME) |
			BIT(H1_X_FORWARDED_SCHEME);
	const struct h1_field *id = h1_first(head, H1_X_REQUEST_ID);
	struct writer w = {out};

	if (room < h1_request_room(head, how))
		return 0;
	put_request_line(&w, head, how);
	put_text(&w, " HTTP/1.1" HOST_AHEAD);
	if (how->host)
		put(&w, how->host, how->host_length);
	else
		put_at(&w, head, head->host);
	put_text(&w, "\r\nX-Real-IP: ");
	put(&w, how->client, how->client_length);
	put_text(&w, "\r\n");
	put_forwarded(&w, head, how);
	put_scheme(&w, head, how);
	if (!id || !id->value_length) {
		put_field(&w, "X-Request-ID", how->request_id, 32);
		drop |= BIT(H1_X_REQUEST_ID);
	}
	if (!how->trusted)
		drop |= FORWARDED_FIELDS;
	put_fields(&w, head, drop, &how->change);
	put_added(&w, &how->change);
	if (head->upgrade)
		put_text(&w, "Connection: upgrade\r\nUpgrade: websocket\r\n");
	put_text(&w, "\r\n");
	return (uint32_t)(w.at - out);
}

const char *h1_written_host(const char *head, uint32_t length, uint32_t *host_length)
{
	const char *at = memmem(head, length, HOST_AHEAD, strlen(HOST_AHEAD)), *end;

	at = at ? at + strlen(HOST_AHEAD) : head + length;
	end = memchr(at, '\r', (size_t)(head + length - at));
	*host_length = end ? (uint32_t)(end - at) : 0;
	return at;
}

uint32_t h1_response_room(const struct h1_head *head, const struct h1_respond *how)
{
	return head->length + how->hsts_length + 256 + added_room(&how->change);
}

static void put_connection(struct writer *w, bool keep_alive, bool client_old)
{
	if (!keep_alive)
		put_text(w, "Connection: close\r\n");
	else if (client_old)
		put_text(w, "Connection: keep-alive\r\n");
}

uint32_t h1_write_response(
	const struct h1_head *head, const struct h1_respond *how, char *out, uint32_t room)
{
	uint64_t drop = HOP_FIELDS;
	struct writer w = {out};

	if (room < h1_response_room(head, how))
		return 0;
	put_text(&w, "HTTP/1.1 ");
	put_number(&w, head->status);
	put_text(&w, " ");
	put_at(&w, head, head->reason);
	put_text(&w, "\r\n");
	if (how->client_old || head->status < 200 || head->status == 204 || head->status == 304)
		drop |= BIT(H1_TRANSFER_ENCODING) | BIT(H1_TRAILER);
	if (head->status < 200 || head->status == 204)
		drop |= BIT(H1_CONTENT_LENGTH); // which may not be there
	if (head->status == 101)
		drop &= ~BIT(H1_UPGRADE);
	if (how->hsts && head->status >= 200)
		drop |= BIT(H1_STRICT_TRANSPORT_SECURITY);
	put_fields(&w, head, drop, &how->change);
	if (head->status == 101)
		put_text(&w, "Connection: upgrade\r\n");
	if (head->status >= 200) {
		if (!h1_has(head, H1_DATE))
			put_field(&w, "Date", how->date, 29);
		if (!h1_has(head, H1_SERVER))
			put_text(&w, "Server: sluice\r\n");
		if (how->hsts)
			put_field(&w, "Strict-Transport-Security", how->hsts, how->hsts_length);
		if (how->chunk)
			put_text(&w, "Transfer-Encoding: chunked\r\n");
		put_added(&w, &how->change);
		put_connection(&w, how->keep_alive, how->client_old);
	}
	put_text(&w, "\r\n");
	return (uint32_t)(w.at - out);
}

static const struct {
	uint16_t status;
	const char *reason;
} reasons[] = {
	{200, "OK"},
	{204, "No Content"},
	{301, "Moved Permanently"},
	{302, "Found"},
	{303, "See Other"},
	{307, "Temporary Redirect"},
	{308, "Permanent Redirect"},
	{400, "Bad Request"},
	{401, "Unauthorized"},
	{403, "Forbidden"},
	{404, "Not Found"},
	{405, "Method Not Allowed"},
	{408, "Request Timeout"},
	{413, "Content Too Large"},
	{414, "URI Too Long"},
	{417, "Expectation Failed"},
	{421, "Misdirected Request"},
	{429, "Too Many Requests"},
	{431, "Request Header Fields Too Large"},
	{499, "Client Closed Request"},
	{500, "Internal Server Error"},
	{501, "Not Implemented"},
	{502, "Bad Gateway"},
	{503, "Service Unavailable"},
	{504, "Gateway Timeout"},
	{505, "HTTP Version Not Supported"},
};

const char *h1_reason(uint16_t status)
{
	for (unsigned i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "Unknown";
}

uint32_t h1_answer_room(const struct h1_answer *answer)
{
	return 512 + answer->location_length + answer->hsts_length + added_room(&answer->change);
}

uint32_t h1_write_answer(const struct h1_answer *answer, char *out, uint32_t room)
{
	const char *reason = h1_reason(answer->status);
	size_t length = strlen(reason);
	struct writer w = {out};

	if (room < h1_answer_room(answer) || answer->status < 200 || answer->status > 599)
		return 0;
	put_text(&w, "HTTP/1.1 ");
	put_number(&w, answer->status);
	put_text(&w, " ");
	put(&w, reason, length);
	put_text(&w, "\r\n");
	put_field(&w, "Date", answer->date, 29);
	put_text(&w, "Server: sluice\r\n");
	if (answer->status != 204) {
		put_text(&w, "Content-Type: text/plain\r\nContent-Length: ");
		put_number(&w, 3 + 1 + length + 1);
		put_text(&w, "\r\n");
	}
	if (answer->location)
		put_field(&w, "Location", answer->location, answer->location_length);
	if (answer->status == 405)
		put_text(&w, "Allow: GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS\r\n");
	if (answer->hsts)
		put_field(&w, "Strict-Transport-Security", answer->hsts, answer->hsts_length);
	put_added(&w, &answer->change);
	put_connection(&w, answer->keep_alive, answer->client_old);
	put_text(&w, "\r\n");
	if (!answer->to_head && answer->status != 204) {
		put_number(&w, answer->status);
		put_text(&w, " ");
		put(&w, reason, length);
		put_text(&w, "\n");
	}
	return (uint32_t)(w.at - out);
}

uint32_t h1_write_chunk_head(uint64_t length, char out[static H1_CHUNK_HEAD])
{
	unsigned digits = 1;

	while (digits < 16 && length >> digits * 4)
		digits++;
	for (unsigned i = 0; i < digits; i++)
		out[i] = "0123456789abcdef"[length >> (digits - 1 - i) * 4 & 15];
	memcpy(out + digits, "\r\n", 2);
	return digits + 2;
}

uint32_t h1_https_location(const struct h1_head *head, bool keep_slash, char *out, uint32_t room)
{
	const char *host = h1_at(head, head->host), *end = host + head->host.length, *colon;
	struct writer w = {out};

	if (room < 8u + head->host.length + head->path.length + 1 + head->query.length)
		return 0;
	for (colon = end; colon > host && h1_is_digit(colon[-1]);)
		colon--;
	if (colon > host && colon[-1] == ':')
		end = colon - 1;
	put_text(&w, "https://");
	put(&w, host, (size_t)(end - host));
	put_at(&w, head, head->path);
	if (head->query.at) {
		put_text(&w, "?");
		put_at(&w, head, head->query);
	}
	if (!keep_slash && w.at[-1] == '/')
		w.at--;
	return (uint32_t)(w.at - out);
}
