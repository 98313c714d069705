// SPDX-License-Identifier: BSD-3-Clause
// The PROXY protocol: both versions read, also in pieces; what is malformed refused; what is
// written read again.
#include "proxy_protocol.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V4        "\xc0\x00\x02\x01\xc0\x00\x02\x02\x10\x00\x01\xbb"
#define TEXT(x)   x, sizeof(x) - 1

static int parse(struct proxy_protocol *header, const char *bytes, size_t length)
{
	char *copy = malloc(length ? length : 1);
	int result;

	assert_non_null(copy);
	memcpy(copy, bytes, length);
	result = proxy_protocol_parse(header, copy, (uint32_t)length);
	free(copy);
	return result;
}

// Good: whole with more behind it, and nothing yet for every beginning of it.
static void assert_good(struct proxy_protocol *header, const char *bytes, size_t length)
{
	char behind[PROXY_PROTOCOL_MAX + 4];

	for (size_t i = 0; i < length; i++)
		assert_int_equal(parse(header, bytes, i), 0);
	memcpy(behind, bytes, length);
	memcpy(behind + length, "GET ", 4);
	assert_int_equal(proxy_protocol_parse(header, behind, (uint32_t)length + 4), length);
	assert_int_equal(proxy_protocol_parse(header, bytes, (uint32_t)length), length);
}

static void assert_ends(const struct proxy_protocol *header, const char *source,
	uint16_t source_port, const char *destination, uint16_t destination_port)
{
	char text[ADDR_TEXT];

	assert_string_equal(addr_format(&header->source, text), source);
	assert_string_equal(addr_format(&header->destination, text), destination);
	assert_int_equal(header->source_port, source_port);
	assert_int_equal(header->destination_port, destination_port);
	assert_false(header->local);
}

static void reads_text(void **state)
{
	struct proxy_protocol header;

	assert_good(&header, TEXT("PROXY TCP4 192.0.2.1 192.0.2.2 4096 443\r\n"));
	assert_ends(&header, "192.0.2.1", 4096, "192.0.2.2", 443);
	assert_int_equal(header.version, 1);
	assert_good(&header, TEXT("PROXY TCP6 2001:db8::1 ::2 0 65535\r\n"));
	assert_ends(&header, "2001:db8::1", 0, "::2", 65535);
	assert_good(&header, TEXT("PROXY UNKNOWN\r\n"));
	assert_true(header.local);
	assert_good(&header, TEXT("PROXY UNKNOWN whatever it is\r\n"));
	assert_true(header.local);
}

static void reads_binary(void **state)
{
	struct proxy_protocol header;

	assert_good(&header, TEXT(SIGNATURE "\x21\x11\x00\x0c" V4));
	assert_ends(&header, "192.0.2.1", 4096, "192.0.2.2", 443);
	assert_int_equal(header.version, 2);
	assert_null(header.authority);
	assert_good(&header,
		TEXT(SIGNATURE "\x21\x21\x00\x24"
			       "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
			       "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02\x00\x01\xff\xff"));
	assert_ends(&header, "2001:db8::1", 1, "2001:db8::2", 65535);
	assert_good(&header, TEXT(SIGNATURE "\x20\x00\x00\x00"));
	assert_true(header.local);
	assert_good(&header, TEXT(SIGNATURE "\x21\x00\x00\x03"
					    "abc"));
	assert_true(header.local);
	assert_good(&header,
		TEXT(SIGNATURE "\x21\x11\x00\x20" V4 "\x01\x00\x02h2\x20\x00\x01x\x02\x00\x05"
			       "a.exa\x04\x00\x00"));
	assert_int_equal(header.alpn_length, 2);
	assert_memory_equal(header.alpn, "h2", 2);
	assert_int_equal(header.authority_length, 5);
	assert_memory_equal(header.authority, "a.exa", 5);
}

static void checks_the_checksum(void **state)
{
	// Castagnoli's of these bytes, computed elsewhere.
	char bytes[] = SIGNATURE "\x21\x11\x00\x13" V4 "\x03\x00\x04\x00\x00\x00\x00";
	struct proxy_protocol header;
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < sizeof(bytes) - 1; i++) {
		crc ^= (uint8_t)bytes[i];
		for (unsigned bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	crc = ~crc;
	for (unsigned i = 0; i < 4; i++)
		bytes[31 + i] = (char)(crc >> (24 - 8 * i));
	assert_good(&header, bytes, sizeof(bytes) - 1);
	for (size_t i = 16; i < 28; i++) {
		bytes[i] ^= 1;
		assert_int_equal(parse(&header, bytes, sizeof(bytes) - 1), -EBADMSG);
		bytes[i] ^= 1;
	}
}

static void refuses_what_is_malformed(void **state)
{
	static const struct {
		const char *bytes;
		size_t length;
	} cases[] = {
		{TEXT("GET / HTTP/1.1\r\n\r\n")},
		{TEXT("proxy TCP4 1.1.1.1 1.1.1.1 1 1\r\n")},
		{TEXT("PROXY  TCP4 1.1.1.1 1.1.1.1 1 1\r\n")},
		{TEXT("PROXY\tTCP4 1.1.1.1 1.1.1.1 1 1\r\n")},
		{TEXT("PROXY TCP5 1.1.1.1 1.1.1.1 1 1\r\n")},
		{TEXT("PROXY UDP4 1.1.1.1 1.1.1.1 1 1\r\n")},
		{TEXT("PROXY TCP4 ::1 ::1 1 1\r\n")},
		{TEXT("PROXY TCP6 1.1.1.1 1.1.1.1 1 1\r\n")},
		{TEXT("PROXY TCP4 1.1.1 1.1.1.1 1 1\r\n")},
		{TEXT("PROXY TCP4 1.1.1.1 1.1.1.256 1 1\r\n")},
		{TEXT("PROXY TCP4 1.1.1.1  1.1.1.1 1 1\r\n")},
		{TEXT("PROXY TCP4 1.1.1.1 1.1.1.1 1\r\n")},
		{TEXT("PROXY TCP4 1.1.1.1 1.1.1.1 1 \r\n")},
		{TEXT("PROXY TCP4 1.1.1.1 1.1.1.1 1 1 \r\n")},
		{TEXT("PROXY TCP4 1.1.1.1 1.1.1.1 1 1 1\r\n")},
		{TEXT("PROXY TCP4 1.1.1.1 1.1.1.1 1 65536\r\n")},
		{TEXT("PROXY TCP4 1.1.1.1 1.1.1.1 01 1\r\n")},
		{TEXT("PROXY TCP4 1.1.1.1 1.1.1.1 +1 1\r\n")},
		{TEXT("PROXY TCP4 1.1.1.1 1.1.1.1 1 1\n")},
		{TEXT("PROXY TCP4 1.1.1.1 1.1.1.1 1 1\rX")},
		{TEXT("PROXY TCP4 1.1.1.1 1.1.1.1 1 1\0\r\n")},
		{TEXT("PROXY \r\n")},
		{TEXT("PROXY UNKNOWN "
		      "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
		      "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n")},
		{TEXT("\r\n\r\n\0\r\nQUIX\n\x21\x11\x00\x0c" V4)},
		{TEXT(SIGNATURE "\x11\x11\x00\x0c" V4)},
		{TEXT(SIGNATURE "\x22\x11\x00\x0c" V4)},
		{TEXT(SIGNATURE "\x21\x12\x00\x0c" V4)},
		{TEXT(SIGNATURE "\x21\x31\x00\x0c" V4)},
		{TEXT(SIGNATURE "\x21\x11\x00\x0b" V4)},
		{TEXT(SIGNATURE "\x21\x21\x00\x0c" V4)},
		{TEXT(SIGNATURE "\x21\x11\xff\xff" V4)},
		{TEXT(SIGNATURE "\x21\x11\x00\x0e" V4 "\x01\x00")},
		{TEXT(SIGNATURE "\x21\x11\x00\x0f" V4 "\x01\x00\x01")},
		{TEXT(SIGNATURE "\x21\x11\x00\x14" V4 "\x02\x00\x01"
				"a\x02\x00\x01"
				"b")},
		{TEXT(SIGNATURE "\x21\x11\x00\x10" V4 "\x03\x00\x01"
				"b")},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct proxy_protocol header;

		assert_int_equal(parse(&header, cases[i].bytes, cases[i].length), -EBADMSG);
	}
}

static void reads_what_it_writes(void **state)
{
	static const char *const ends[][2] = {{"192.0.2.1", "192.0.2.2"},
		{"2001:db8::1", "2001:db8::2"}, {"2001:db8::1", "192.0.2.1"}};
	char out[PROXY_PROTOCOL_ROOM], name[255];
	struct proxy_protocol in, again;
	uint32_t length;

	memset(name, 'n', sizeof(name));
	for (size_t i = 0; i < 6; i++) {
		in = (struct proxy_protocol){.source_port = 1, .destination_port = 65535};
		if (i & 1) {
			in.authority = in.alpn = name;
			in.authority_length = in.alpn_length = 255;
		}
		assert_int_equal(addr_parse(&in.source, ends[i / 2][0]), 0);
		assert_int_equal(addr_parse(&in.destination, ends[i / 2][1]), 0);
		length = proxy_protocol_write(&in, out);
		assert_true(length <= PROXY_PROTOCOL_ROOM);
		assert_int_equal(proxy_protocol_parse(&again, out, length), length);
		assert_ends(&again, ends[i / 2][0], 1, ends[i / 2][1], 65535);
		assert_int_equal(again.authority_length, in.authority_length);
		assert_int_equal(again.alpn_length, in.alpn_length);
	}
	in = (struct proxy_protocol){.local = true};
	length = proxy_protocol_write(&in, out);
	assert_int_equal(proxy_protocol_parse(&again, out, length), length);
	assert_true(again.local);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_text),
		cmocka_unit_test(reads_binary),
		cmocka_unit_test(checks_the_checksum),
		cmocka_unit_test(refuses_what_is_malformed),
		cmocka_unit_test(reads_what_it_writes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
