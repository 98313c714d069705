// SPDX-License-Identifier: BSD-3-Clause
#include "proxy_protocol.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include <nmmintrin.h>

#define LINE_MAX_BYTES 107 // of version 1, its CRLF included
#define V2_HEADER      16

enum {
	TLV_ALPN = 0x01,
	TLV_AUTHORITY = 0x02,
	TLV_CRC32C = 0x03,
};

static const char signature[12] = "\r\n\r\n\0\r\nQUIT\n";

// Do the bytes so far agree with `text`? 1: all of it; 0: as far as they go; -1: no.
static int agrees(const char *bytes, uint32_t length, const char *text, uint32_t text_length)
{
	uint32_t common = length < text_length ? length : text_length;

	if (memcmp(bytes, text, common) != 0)
		return -1;
	return common == text_length;
}

// The next word of the line and the blank behind it, or its end; NULL when it is too long or none.
static const char *word(const char **at, const char *end, char out[static ADDR_TEXT])
{
	const char *begin = *at;
	size_t length;

	while (*at < end && **at != ' ')
		(*at)++;
	length = (size_t)(*at - begin);
	if (!length || length >= ADDR_TEXT)
		return NULL;
	memcpy(out, begin, length);
	out[length] = 0;
	if (*at < end && ++*at == end) // a blank at the end
		return NULL;
	return out;
}

static bool read_address(struct addr *addr, const char *text, bool v6)
{
	struct in_addr v4;

	if (v6)
		return inet_pton(AF_INET6, text, addr->byte) == 1;
	if (inet_pton(AF_INET, text, &v4) != 1)
		return false;
	*addr = addr_from_v4(v4.s_addr);
	return true;
}

static bool read_port(uint16_t *l4_port, const char *text)
{
	uint32_t value = 0;

	if (strlen(text) > 5 || (text[0] == '0' && text[1]))
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		value = value * 10 + (uint32_t)(*text - '0');
	}
	*l4_port = (uint16_t)value;
	return value < 65536;
}

// What stands between "PROXY " and CRLF.
static int read_line(struct proxy_protocol *header, const char *at, const char *end)
{
	char text[ADDR_TEXT];
	const char *family = word(&at, end, text);
	bool v6;

	if (!family)
		return -EBADMSG;
	if (strcmp(family, "UNKNOWN") == 0) {
		header->local = true;
		return 0;
	}
	if (strcmp(family, "TCP4") != 0 && strcmp(family, "TCP6") != 0)
		return -EBADMSG;
	v6 = family[3] == '6';
	if (!word(&at, end, text) || !read_address(&header->source, text, v6) ||
		!word(&at, end, text) || !read_address(&header->destination, text, v6) ||
		!word(&at, end, text) || !read_port(&header->source_port, text) || at == end ||
		!word(&at, end, text) || !read_port(&header->destination_port, text) || at != end)
		return -EBADMSG;
	return 0;
}

static int parse_v1(struct proxy_protocol *header, const char *bytes, uint32_t length)
{
	uint32_t usable = length < LINE_MAX_BYTES ? length : LINE_MAX_BYTES;
	const char *end = memchr(bytes, '\r', usable);
	int result;

	header->version = 1;
	for (const char *at = bytes; at < (end ? end : bytes + usable); at++)
		if (*at < ' ' || *at > '~')
			return -EBADMSG;
	if (!end || end + 1 == bytes + usable)
		return usable == LINE_MAX_BYTES ? -EBADMSG : 0;
	if (end[1] != '\n')
		return -EBADMSG;
	result = read_line(header, bytes + 6, end);
	return result ? result : (int)(end + 2 - bytes);
}

static uint16_t load16(const char *bytes)
{
	return (uint16_t)((uint8_t)bytes[0] << 8 | (uint8_t)bytes[1]);
}

// Castagnoli's, with the field itself taken for zeros.
static uint32_t checksum(const char *bytes, uint32_t length, uint32_t field)
{
	uint32_t crc = UINT32_MAX;

	for (uint32_t i = 0; i < length; i++)
		crc = _mm_crc32_u8(crc, i >= field && i < field + 4 ? 0 : (unsigned char)bytes[i]);
	return ~crc;
}

// One of the fields behind the addresses.
static bool read_tlv(struct proxy_protocol *header, const char *bytes, uint32_t length, uint32_t at)
{
	uint16_t size = load16(bytes + at + 1);
	const char *value = bytes + at + 3;

	switch ((uint8_t)bytes[at]) {
	case TLV_ALPN:
		if (header->alpn || size > 255)
			return false;
		header->alpn = value;
		header->alpn_length = (uint8_t)size;
		return true;
	case TLV_AUTHORITY:
		if (header->authority || size > 255)
			return false;
		header->authority = value;
		header->authority_length = (uint8_t)size;
		return true;
	case TLV_CRC32C:
		return size == 4 && checksum(bytes, length, at + 3) ==
					    ((uint32_t)load16(value) << 16 | load16(value + 2));
	default: // house: the rest is for others
		return true;
	}
}

static int parse_v2(struct proxy_protocol *header, const char *bytes, uint32_t length)
{
	uint32_t total, at;
	uint8_t family;

	header->version = 2;
	if (length < V2_HEADER)
		return length > 12 && (uint8_t)bytes[12] >> 4 != 2 ? -EBADMSG : 0;
	total = V2_HEADER + load16(bytes + 14);
	family = (uint8_t)bytes[13];
	if (((uint8_t)bytes[12] != 0x20 && (uint8_t)bytes[12] != 0x21) ||
		total > PROXY_PROTOCOL_MAX)
		return -EBADMSG;
	if (length < total)
		return 0;
	header->local = bytes[12] == 0x20 || family == 0;
	if (header->local)
		return (int)total;
	if (family == 0x11 && total >= V2_HEADER + 12) {
		addr_from_bytes(&header->source, bytes + 16, 4);
		addr_from_bytes(&header->destination, bytes + 20, 4);
		at = 24;
	} else if (family == 0x21 && total >= V2_HEADER + 36) {
		memcpy(header->source.byte, bytes + 16, 16);
		memcpy(header->destination.byte, bytes + 32, 16);
		at = 48;
	} else {
		return -EBADMSG;
	}
	header->source_port = load16(bytes + at);
	header->destination_port = load16(bytes + at + 2);
	for (at += 4; at < total; at += 3u + load16(bytes + at + 1))
		if (total - at < 3 || total - at - 3 < load16(bytes + at + 1) ||
			!read_tlv(header, bytes, total, at))
			return -EBADMSG;
	return (int)total;
}

int proxy_protocol_parse(struct proxy_protocol *header, const char *bytes, uint32_t length)
{
	int first = agrees(bytes, length, "PROXY ", 6);
	int second = agrees(bytes, length, signature, sizeof(signature));

	memset(header, 0, sizeof(*header));
	if (first == 1)
		return parse_v1(header, bytes, length);
	if (second == 1)
		return parse_v2(header, bytes, length);
	return first < 0 && second < 0 ? -EBADMSG : 0;
}

static char *put_tlv(char *at, uint8_t type, const char *value, uint8_t length)
{
	if (!value)
		return at;
	at[0] = (char)type;
	at[1] = 0;
	at[2] = (char)length;
	memcpy(at + 3, value, length);
	return at + 3 + length;
}

static void store16(char *out, uint32_t value)
{
	out[0] = (char)(value >> 8);
	out[1] = (char)value;
}

uint32_t proxy_protocol_write(
	const struct proxy_protocol *header, char out[static PROXY_PROTOCOL_ROOM])
{
	bool v4 = addr_is_v4(&header->source) && addr_is_v4(&header->destination);
	char *at = out + V2_HEADER;

	memcpy(out, signature, sizeof(signature));
	out[12] = header->local ? 0x20 : 0x21;
	out[13] = header->local ? 0 : v4 ? 0x11 : 0x21;
	if (!header->local) {
		uint32_t size = v4 ? 4 : 16;

		memcpy(at, header->source.byte + 16 - size, size);
		memcpy(at + size, header->destination.byte + 16 - size, size);
		store16(at + 2 * size, header->source_port);
		store16(at + 2 * size + 2, header->destination_port);
		at += 2 * size + 4;
		at = put_tlv(at, TLV_ALPN, header->alpn, header->alpn_length);
		at = put_tlv(at, TLV_AUTHORITY, header->authority, header->authority_length);
	}
	store16(out + 14, (uint32_t)(at - out - V2_HEADER));
	return (uint32_t)(at - out);
}
