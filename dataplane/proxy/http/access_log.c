// SPDX-License-Identifier: BSD-3-Clause
#include "access_log.h"

#include "http_date.h"

#include <string.h>

#include <emmintrin.h>

// Most bytes of each text, escaped. Their sum, and 1 KB for names and numbers, is below
// ACCESS_LINE.
#define SHORT_MAX   64
#define NAME_MAX    400 // cluster/namespace/name
#define RULE_MAX    512
#define HOST_MAX    300
#define PATH_MAX    2048
#define AGENT_MAX   768
#define REFERER_MAX 1024

struct line {
	char *at;
};

// Inlined with what is known of the text: its length.
static inline void put(struct line *line, const char *text)
{
	size_t length = strlen(text);

	memcpy(line->at, text, length);
	line->at += length;
}

static void put_digits(struct line *line, uint64_t value)
{
	char digits[20];
	unsigned at = sizeof(digits);

	do
		digits[--at] = (char)('0' + value % 10);
	while (value /= 10);
	memcpy(line->at, digits + at, sizeof(digits) - at);
	line->at += sizeof(digits) - at;
}

// Length of the UTF-8 sequence that begins here, of more than one byte; 0: it is none.
static uint32_t sequence(const uint8_t *bytes, uint32_t left)
{
	uint32_t length = bytes[0] >= 0xf0 ? 4 : bytes[0] >= 0xe0 ? 3 : 2;

	if (bytes[0] < 0xc2 || bytes[0] > 0xf4 || left < length)
		return 0;
	for (uint32_t i = 1; i < length; i++)
		if ((bytes[i] & 0xc0) != 0x80)
			return 0;
	if ((bytes[0] == 0xe0 && bytes[1] < 0xa0) || (bytes[0] == 0xed && bytes[1] > 0x9f) ||
		(bytes[0] == 0xf0 && bytes[1] < 0x90) || (bytes[0] == 0xf4 && bytes[1] > 0x8f))
		return 0;
	return length;
}

// The next letter of a text as JSON has it; how many of the bytes that is.
static uint32_t letter(const uint8_t *bytes, uint32_t left, char out[static 6], uint32_t *length)
{
	uint8_t byte = bytes[0];
	uint32_t taken = byte < 0x80 ? 1 : sequence(bytes, left);

	if (taken > 1 || (taken && byte >= ' ' && byte != '"' && byte != '\\' && byte != 0x7f)) {
		memcpy(out, bytes, taken);
		*length = taken;
		return taken;
	}
	if (byte == '"' || byte == '\\') {
		out[0] = '\\';
		out[1] = (char)byte;
		*length = 2;
		return 1;
	}
	memcpy(out, "\\u00", 4);
	out[4] = "0123456789abcdef"[byte >> 4];
	out[5] = "0123456789abcdef"[byte & 15];
	*length = 6;
	return 1;
}

// How many of the bytes are letters as they stand: printable ASCII but quotes and backslashes.
static uint32_t plain(const char *bytes, uint32_t length)
{
	uint32_t at = 0;

	for (; length - at >= 16; at += 16) {
		__m128i here = _mm_loadu_si128((const __m128i *)(bytes + at));
		__m128i good = _mm_cmpgt_epi8(here, _mm_set1_epi8(' ' - 1)); // not the high bit
		__m128i bad = _mm_or_si128(_mm_cmpeq_epi8(here, _mm_set1_epi8(0x7f)),
			_mm_or_si128(_mm_cmpeq_epi8(here, _mm_set1_epi8('"')),
				_mm_cmpeq_epi8(here, _mm_set1_epi8('\\'))));
		unsigned stop = (unsigned)_mm_movemask_epi8(_mm_andnot_si128(bad, good)) ^ 0xffffu;

		if (stop)
			return at + (uint32_t)__builtin_ctz(stop);
	}
	while (at < length && bytes[at] >= ' ' && bytes[at] < 0x7f && bytes[at] != '"' &&
		bytes[at] != '\\')
		at++;
	return at;
}

// At most `most` bytes, the closing quote apart.
static void put_letters(struct line *line, struct access_text text, uint32_t most)
{
	const char *end = line->at + most - 3;

	for (uint32_t at = 0; at < text.length;) {
		uint32_t room = (uint32_t)(end - line->at), length;
		uint32_t run = plain(text.bytes + at, text.length - at);
		char out[6];

		length = run < room ? run : room;
		memcpy(line->at, text.bytes + at, length);
		line->at += length;
		at += run;
		if (run > room) {
			put(line, "...");
			return;
		}
		if (at == text.length)
			return;
		at += letter((const uint8_t *)text.bytes + at, text.length - at, out, &length);
		if (line->at + length > end) {
			put(line, "...");
			return;
		}
		memcpy(line->at, out, length);
		line->at += length;
	}
}

// Names are given as they stand in the line, with what is around them.
static inline void put_text(
	struct line *line, const char *name, struct access_text text, uint32_t most)
{
	if (!text.length)
		return;
	put(line, name);
	put(line, "\"");
	put_letters(line, text, most);
	put(line, "\"");
}

static inline void put_number(struct line *line, const char *name, uint64_t value)
{
	put(line, name);
	put_digits(line, value);
}

static inline void put_port(
	struct line *line, const char *name, struct access_text address, uint16_t value)
{
	if (address.length)
		put_number(line, name, value);
}

static inline void put_duration(struct line *line, const char *name, uint64_t us)
{
	if (us != UINT64_MAX)
		put_number(line, name, us);
}

static void put_request(struct line *line, const struct access_record *record)
{
	put_text(line, ",\"client\":", record->client, SHORT_MAX);
	put_port(line, ",\"client_port\":", record->client, record->client_port);
	put_text(line, ",\"vip\":", record->vip, SHORT_MAX);
	put_port(line, ",\"vip_port\":", record->vip, record->vip_port);
	put_text(line, ",\"tls_version\":", record->tls_version, SHORT_MAX);
	put_text(line, ",\"tls_cipher\":", record->tls_cipher, SHORT_MAX);
	put_text(line, ",\"scheme\":", record->scheme, SHORT_MAX);
	put_text(line, ",\"method\":", record->method, SHORT_MAX);
	put_text(line, ",\"host\":", record->host, HOST_MAX);
	put_text(line, ",\"path\":", record->path, PATH_MAX);
	put_text(line, ",\"version\":", record->version, SHORT_MAX);
	put_text(line, ",\"user_agent\":", record->user_agent, AGENT_MAX);
	put_text(line, ",\"referer\":", record->referer, REFERER_MAX);
	put_text(line, ",\"request_id\":", record->request_id, 2 * SHORT_MAX);
}

static void put_outcome(struct line *line, const struct access_record *record)
{
	if (record->status)
		put_number(line, ",\"status\":", record->status);
	put_text(line, ",\"refusal\":", record->refusal, SHORT_MAX);
	put_number(line, ",\"bytes_in\":", record->bytes_in);
	put_number(line, ",\"bytes_out\":", record->bytes_out);
	put_duration(line, ",\"total_us\":", record->total_us);
	put_text(line, ",\"ingress\":", record->ingress, NAME_MAX);
	put_text(line, ",\"rule\":", record->rule, RULE_MAX);
	put_text(line, ",\"pool\":", record->pool, NAME_MAX);
	put_text(line, ",\"upstream\":", record->upstream, SHORT_MAX);
	put_port(line, ",\"upstream_port\":", record->upstream, record->upstream_port);
	put_text(line, ",\"upstream_tls\":", record->upstream_tls, SHORT_MAX);
	if (record->upstream_status)
		put_number(line, ",\"upstream_status\":", record->upstream_status);
	put_duration(line, ",\"connect_us\":", record->connect_us);
	put_duration(line, ",\"header_us\":", record->header_us);
	if (record->retries)
		put_number(line, ",\"retries\":", record->retries);
}

uint32_t access_log_write(const struct access_record *record, char *out, uint32_t room)
{
	struct line line = {out};
	char time[28] = {0};

	if (room < ACCESS_LINE)
		return 0;
	http_timestamp(record->time_us, time);
	put(&line, "{\"time\":\"");
	put(&line, time);
	put(&line, "\"");
	put_request(&line, record);
	put_outcome(&line, record);
	put(&line, "}\n");
	return (uint32_t)(line.at - out);
}
