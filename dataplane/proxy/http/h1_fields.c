// SPDX-License-Identifier: BSD-3-Clause
// Fields of a head: where each begins and ends, which it is, and what Connection says of them.
#include "h1_internal.h"

#define T (H1_TOKEN | H1_VALUE)
#define X (T | H1_HEX)
#define V H1_VALUE

const uint8_t h1_class[256] = {
	['\t'] = V,
	[' '] = V,
	['!'] = T,
	['"'] = V,
	['#'] = T,
	['$'] = T,
	['%'] = T,
	['&'] = T,
	['\''] = T,
	['('] = V,
	[')'] = V,
	['*'] = T,
	['+'] = T,
	[','] = V,
	['-'] = T,
	['.'] = T,
	['/'] = V,
	['0' ... '9'] = X,
	[':' ... '@'] = V,
	['A' ... 'F'] = X,
	['G' ... 'Z'] = T,
	['[' ... ']'] = V,
	['^'] = T,
	['_'] = T,
	['`'] = T,
	['a' ... 'f'] = X,
	['g' ... 'z'] = T,
	['{'] = V,
	['|'] = T,
	['}'] = V,
	['~'] = T,
	[0x80 ... 0xff] = V,
};

const uint8_t h1_slide[32] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0x80, 0x80,
	0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80};

// By slot_of(), which is different for all of them.
static const struct {
	char name[H1_LONGEST_NAME];
	uint8_t length, id;
} known[64] = {
	[0] = {"user-agent", 10, H1_USER_AGENT},
	[1] = {"host", 4, H1_HOST},
	[5] = {"transfer-encoding", 17, H1_TRANSFER_ENCODING},
	[7] = {"date", 4, H1_DATE},
	[9] = {"x-forwarded-host", 16, H1_X_FORWARDED_HOST},
	[10] = {"x-scheme", 8, H1_X_SCHEME},
	[11] = {"upgrade", 7, H1_UPGRADE},
	[12] = {"referer", 7, H1_REFERER},
	[13] = {"trailer", 7, H1_TRAILER},
	[14] = {"x-forwarded-scheme", 18, H1_X_FORWARDED_SCHEME},
	[15] = {"location", 8, H1_LOCATION},
	[17] = {"proxy", 5, H1_PROXY},
	[19] = {"x-real-ip", 9, H1_X_REAL_IP},
	[20] = {"expect", 6, H1_EXPECT},
	[22] = {"connection", 10, H1_CONNECTION},
	[26] = {"authorization", 13, H1_AUTHORIZATION},
	[34] = {"x-original-forwarded-for", 24, H1_X_ORIGINAL_FORWARDED_FOR},
	[35] = {"origin", 6, H1_ORIGIN},
	[39] = {"x-forwarded-proto", 17, H1_X_FORWARDED_PROTO},
	[40] = {"strict-transport-security", 25, H1_STRICT_TRANSPORT_SECURITY},
	[42] = {"x-request-id", 12, H1_X_REQUEST_ID},
	[46] = {"content-type", 12, H1_CONTENT_TYPE},
	[51] = {"proxy-connection", 16, H1_PROXY_CONNECTION},
	[52] = {"keep-alive", 10, H1_KEEP_ALIVE},
	[53] = {"http2-settings", 14, H1_HTTP2_SETTINGS},
	[54] = {"set-cookie", 10, H1_SET_COOKIE},
	[55] = {"x-forwarded-port", 16, H1_X_FORWARDED_PORT},
	[56] = {"x-forwarded-for", 15, H1_X_FORWARDED_FOR},
	[57] = {"content-length", 14, H1_CONTENT_LENGTH},
	[58] = {"server", 6, H1_SERVER},
	[62] = {"cookie", 6, H1_COOKIE},
	[63] = {"te", 2, H1_TE},
};

// In tokens 0x20 makes small letters and leaves '-' and digits; others never match a known name.
static inline uint32_t slot_of(const char *name, uint32_t length)
{
	uint32_t first = (uint8_t)name[0] | 0x20u, last = (uint8_t)name[length - 1] | 0x20u;
	uint32_t middle = (uint8_t)name[length > 4 ? length - 4 : 0] | 0x20u;

	return (length * 104 + first * 20 + middle * 119 + last * 183) >> 2 & 63;
}

uint8_t h1_field_id(const char *name, size_t length)
{
	uint32_t slot;

	if (length < 2 || length > H1_LONGEST_NAME)
		return H1_OTHER;
	slot = slot_of(name, (uint32_t)length);
	if (known[slot].length != length || !h1_same(name, length, known[slot].name))
		return H1_OTHER;
	return known[slot].id;
}

// The same, of a name whose first sixteen bytes are loaded.
static inline uint8_t id_of(__m128i start, const char *name, uint32_t length)
{
	uint32_t slot, same;

	if (length < 2)
		return H1_OTHER;
	slot = slot_of(name, length);
	if (known[slot].length != length)
		return H1_OTHER;
	same = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_or_si128(start, _mm_set1_epi8(0x20)),
		_mm_loadu_si128((const __m128i *)known[slot].name)));
	if (length <= 16)
		return ~same & ((1u << length) - 1) ? H1_OTHER : known[slot].id;
	if (same != 0xffff || !h1_same(name + 16, length - 16, known[slot].name + 16))
		return H1_OTHER;
	return known[slot].id;
}

bool h1_same(const char *bytes, size_t length, const char *name)
{
	for (size_t i = 0; i < length; i++)
		if (h1_lower(bytes[i]) != name[i] || !name[i])
			return false;
	return name[length] == 0;
}

const struct h1_field *h1_find(const struct h1_head *head, const char *name, size_t length)
{
	for (unsigned i = 0; i < head->field_count; i++) {
		const struct h1_field *field = &head->fields[i];

		if (field->name_length == length &&
			h1_same(head->bytes + field->name, length, name))
			return field;
	}
	return NULL;
}

enum h1_parsed h1_refuse(struct h1_head *head, enum http_refusal refusal)
{
	head->refusal = (uint16_t)refusal;
	return H1_REFUSED;
}

bool h1_may_end(const char *bytes, uint32_t seen, uint32_t length)
{
	while (seen < length) {
		const char *lf = memchr(bytes + seen, '\n', length - seen);

		if (!lf)
			return false;
		if (lf == bytes || lf[-1] != '\r' ||
			(lf - bytes >= 2 && (lf[-2] == '\n' || lf[-2] == '\r')))
			return true;
		seen = (uint32_t)(lf - bytes) + 1;
	}
	return false;
}

void h1_head_begin(struct h1_head *head, const char *bytes)
{
	memset(head, 0, offsetof(struct h1_head, first));
	head->bytes = bytes;
}

// What a line has that is broken off at `at`, where a name or a value should go on.
static enum h1_parsed broken(struct h1_reader *reader, uint32_t at, enum http_refusal refusal)
{
	const char *bytes = reader->bytes;

	if (at >= reader->length)
		return H1_MORE;
	if (bytes[at] == '\n')
		return h1_refuse(reader->head, HTTP_BARE_LF);
	if (bytes[at] != '\r')
		return h1_refuse(reader->head, refusal);
	if (at + 1 >= reader->length)
		return H1_MORE;
	return h1_refuse(reader->head, bytes[at + 1] == '\n' ? refusal : HTTP_BARE_CR);
}

// The name at reader->at, to its colon.
static inline enum h1_parsed read_name(struct h1_reader *reader, struct h1_field *field)
{
	const char *bytes = reader->bytes;
	uint32_t begin = reader->at, at = begin;
	__m128i start = h1_load(bytes, begin, reader->length), here = start;

	field->drop = false;
	for (;;) {
		unsigned stop = h1_no_token(here);

		if (!stop) {
			at += 16;
		} else {
			at += (uint32_t)__builtin_ctz(stop);
			if (at >= reader->length || bytes[at] != '_')
				break;
			field->drop = true;
			at++;
		}
		if (at >= reader->length)
			return H1_MORE;
		here = h1_load(bytes, at, reader->length);
	}
	if (at >= reader->length)
		return H1_MORE;
	if (bytes[at] != ':' || at == begin) {
		if (at == begin && (bytes[at] == ' ' || bytes[at] == '\t'))
			return h1_refuse(reader->head, HTTP_FOLD);
		return broken(reader, at, HTTP_FIELD_NAME);
	}
	field->name = (uint16_t)begin;
	field->name_length = (uint16_t)(at - begin);
	field->id = id_of(start, bytes + begin, at - begin);
	reader->at = at + 1;
	return H1_WHOLE;
}

static inline enum h1_parsed read_value(struct h1_reader *reader, struct h1_field *field)
{
	const char *bytes = reader->bytes;
	uint32_t length = reader->length, at = reader->at, begin, end;

	while (at < length && (bytes[at] == ' ' || bytes[at] == '\t'))
		at++;
	begin = at;
	for (;;) {
		unsigned stop;

		if (at >= length)
			return H1_MORE;
		stop = h1_no_value(h1_load(bytes, at, length));
		if (!stop) {
			at += 16;
			continue;
		}
		at += (uint32_t)__builtin_ctz(stop);
		if (at >= length || bytes[at] != '\t')
			break;
		at++;
	}
	if (at + 1 >= length || bytes[at] != '\r' || bytes[at + 1] != '\n')
		return broken(reader, at, HTTP_FIELD_VALUE);
	for (end = at; end > begin && (bytes[end - 1] == ' ' || bytes[end - 1] == '\t');)
		end--;
	field->value = (uint16_t)begin;
	field->value_length = (uint16_t)(end - begin);
	field->end = (uint16_t)(at + 2);
	reader->at = at + 2;
	return H1_WHOLE;
}

enum h1_parsed h1_read_fields(struct h1_reader *reader)
{
	struct h1_head *head = reader->head;

	for (;;) {
		struct h1_field *field = &head->fields[head->field_count];
		uint32_t begin = reader->at;
		enum h1_parsed parsed;

		if (begin >= reader->length)
			return H1_MORE;
		if (reader->bytes[begin] == '\r') {
			if (begin + 1 >= reader->length)
				return H1_MORE;
			if (reader->bytes[begin + 1] != '\n')
				return h1_refuse(head, HTTP_BARE_CR);
			head->length = begin + 2;
			return H1_WHOLE;
		}
		if (head->field_count >= reader->limits.field_count)
			return h1_refuse(head, HTTP_FIELDS_MANY);
		parsed = read_name(reader, field);
		if (parsed == H1_WHOLE)
			parsed = read_value(reader, field);
		if ((parsed == H1_WHOLE ? reader->at : reader->length) - begin >
				reader->limits.line_bytes &&
			parsed != H1_REFUSED)
			return h1_refuse(head, HTTP_FIELD_LONG);
		if (parsed != H1_WHOLE)
			return parsed;
		if (field->id) {
			uint64_t bit = UINT64_C(1) << field->id;

			if (head->present & bit)
				head->repeated |= bit;
			else
				head->first[field->id] = head->field_count;
			head->present |= bit;
		}
		head->field_count++;
	}
}

bool h1_has_tab(const struct h1_head *head, const struct h1_field *field)
{
	uint32_t begin = field->name + field->name_length + 1u;

	return memchr(head->bytes + begin, '\t', field->end - begin) != NULL;
}

enum http_refusal h1_read_length(struct h1_head *head, const struct h1_field *field)
{
	const char *value = head->bytes + field->value;
	uint64_t length = 0;

	if (!field->value_length || field->value_length > 18 ||
		(value[0] == '0' && field->value_length > 1) || h1_has_tab(head, field))
		return HTTP_LENGTH;
	for (unsigned i = 0; i < field->value_length; i++) {
		if (!h1_is_digit(value[i]))
			return HTTP_LENGTH;
		length = length * 10 + (uint8_t)(value[i] - '0');
	}
	head->content_length = length;
	return HTTP_OK;
}

static void drop_named(struct h1_head *head, const char *name, size_t length)
{
	for (unsigned i = 0; i < head->field_count; i++) {
		struct h1_field *field = &head->fields[i];

		if (field->id || field->name_length != length)
			continue;
		for (size_t j = 0; h1_lower(head->bytes[field->name + j]) == h1_lower(name[j]);)
			if (++j == length) {
				field->drop = true;
				break;
			}
	}
}

// What an element of Connection means. False: it is not for Connection to name.
static bool take_option(struct h1_head *head, struct h1_options *options, const char *name,
	size_t length, bool request)
{
	enum h1_field_id id = h1_field_id(name, length);

	if (h1_same(name, length, "close"))
		options->close = true;
	else if (id == H1_KEEP_ALIVE)
		options->keep_alive = true;
	else if (id == H1_UPGRADE)
		options->upgrade = true;
	else if (id == H1_OTHER)
		drop_named(head, name, length);
	else if (request && id != H1_TE && id != H1_TRAILER && id != H1_PROXY_CONNECTION &&
		 id != H1_HTTP2_SETTINGS && id != H1_CONNECTION)
		return false;
	return true;
}

static bool read_options(struct h1_head *head, struct h1_options *options,
	const struct h1_field *field, bool request)
{
	const char *at = head->bytes + field->value, *end = at + field->value_length;

	for (unsigned count = 0; at < end;) {
		const char *name;

		while (at < end && (*at == ' ' || *at == '\t' || *at == ','))
			at++;
		name = at;
		while (at < end && h1_is(*at, H1_TOKEN))
			at++;
		// More than a few would be a way to make us search for long.
		if (at > name && (++count > 32 || !take_option(head, options, name,
							  (size_t)(at - name), request)))
			return false;
		while (at < end && (*at == ' ' || *at == '\t'))
			at++;
		if (at < end && *at != ',')
			return false;
	}
	return true;
}

bool h1_read_connection(struct h1_head *head, struct h1_options *options, bool request)
{
	*options = (struct h1_options){0};
	if (!h1_has(head, H1_CONNECTION))
		return true;
	for (unsigned i = head->first[H1_CONNECTION]; i < head->field_count; i++)
		if (head->fields[i].id == H1_CONNECTION &&
			!read_options(head, options, &head->fields[i], request))
			return false;
	return true;
}

bool h1_is_websocket(const struct h1_head *head)
{
	const struct h1_field *field = h1_first(head, H1_UPGRADE);

	return field && !(head->repeated >> H1_UPGRADE & 1) &&
	       h1_same(head->bytes + field->value, field->value_length, "websocket");
}
