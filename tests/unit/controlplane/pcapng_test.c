// SPDX-License-Identifier: BSD-3-Clause
// Frames as a file and as lines. That tcpdump reads the file is seen in tests/e2e/test_trace.py.
#include "frame_text.h"
#include "pcapng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint32_t at32(const char *bytes, size_t at)
{
	uint32_t value;

	memcpy(&value, bytes + at, 4);
	return value;
}

// The block after this one; its length stands at both ends.
static size_t next_block(const char *bytes, size_t size, size_t at)
{
	uint32_t length = at32(bytes, at + 4);

	assert_int_equal(length % 4, 0);
	assert_true(at + length <= size);
	assert_int_equal(at32(bytes, at + length - 4), length);
	return at + length;
}

static void test_blocks(void **state)
{
	static const uint8_t bytes[5] = {1, 2, 3, 4, 5};
	struct pcapng_frame frame = {.port = "wan",
		.time_ns = 0x123456789abcdefull,
		.way = PCAPNG_INBOUND,
		.comment = "dropped: no_route",
		.length = 60,
		.kept = 5,
		.bytes = bytes};
	struct pcapng file;
	char *text;
	size_t size, at;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	assert_int_equal(pcapng_begin(&file, out), 0);
	assert_int_equal(pcapng_write(&file, &frame), 0);
	frame.comment = NULL;
	assert_int_equal(pcapng_write(&file, &frame), 0);
	frame.port = "lan";
	assert_int_equal(pcapng_write(&file, &frame), 0);
	fclose(out);
	assert_int_equal(at32(text, 0), 0x0a0d0d0a);
	assert_int_equal(at32(text, 8), 0x1a2b3c4d);
	at = next_block(text, size, 0);
	assert_int_equal(at32(text, at), 1); // an interface
	assert_memory_equal(text + at + 20, "wan", 3);
	at = next_block(text, size, at);
	assert_int_equal(at32(text, at), 6); // a packet
	assert_int_equal(at32(text, at + 8), 0);
	assert_int_equal(at32(text, at + 12), 0x01234567);
	assert_int_equal(at32(text, at + 16), 0x89abcdef);
	assert_int_equal(at32(text, at + 20), 5);
	assert_int_equal(at32(text, at + 24), 60);
	assert_memory_equal(text + at + 28, bytes, 5);
	assert_memory_equal(text + at + 40, "dropped: no_route", 17);
	at = next_block(text, size, at);
	assert_int_equal(at32(text, at), 6);
	at = next_block(text, size, at);
	assert_int_equal(at32(text, at), 1);
	at = next_block(text, size, at);
	assert_int_equal(at32(text, at + 8), 1);
	assert_int_equal(next_block(text, size, at), size);
	free(text);
}

static void test_ports_have_an_end(void **state)
{
	struct pcapng_frame frame = {.bytes = (const uint8_t *)"", .kept = 0};
	struct pcapng file;
	char *text, name[16];
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	frame.port = name;
	pcapng_begin(&file, out);
	for (unsigned i = 0; i < PCAPNG_PORTS; i++) {
		snprintf(name, sizeof(name), "port%u", i);
		assert_int_equal(pcapng_write(&file, &frame), 0);
	}
	snprintf(name, sizeof(name), "another");
	assert_true(pcapng_write(&file, &frame) < 0);
	fclose(out);
	free(text);
}

static void test_a_full_disk_is_told(void **state)
{
	struct pcapng file;
	FILE *out = fopen("/dev/full", "w");

	(void)state;
	setvbuf(out, NULL, _IONBF, 0);
	assert_true(pcapng_begin(&file, out) < 0);
	fclose(out);
}

static uint8_t nibble(char letter)
{
	return (uint8_t)(letter <= '9' ? letter - '0' : letter - 'a' + 10);
}

static void expect(const char *digits, const char *wanted)
{
	uint8_t frame[200];
	char *text;
	size_t size, length = strlen(digits) / 2;
	FILE *out;

	for (size_t i = 0; i < length; i++)
		frame[i] = (uint8_t)(nibble(digits[2 * i]) << 4 | nibble(digits[2 * i + 1]));
	for (size_t shorter = 0; shorter <= length; shorter++) {
		uint8_t *exact = malloc(shorter + 1); // beyond which nothing may be read

		memcpy(exact, frame, shorter);
		out = open_memstream(&text, &size);
		frame_print(exact, shorter, out);
		fclose(out);
		if (shorter == length)
			assert_string_equal(text, wanted);
		free(exact);
		free(text);
	}
}

#define ETHER4 "0200000000010200000000020800"
#define ETHER6 "02000000000102000000000286dd"

static void test_lines(void **state)
{
	(void)state;
	expect("", "ethernet, truncated");
	expect(ETHER4 "4500002900000000400600000a0000010a000002"
		      "1f9000500000000100000002501200000000000078",
		"tcp 10.0.0.1:8080 > 10.0.0.2:80 SA seq 1 ack 2 length 1");
	expect(ETHER4 "4500001c00000000401100000a0000010a000002"
		      "1f90003500080000",
		"udp 10.0.0.1:8080 > 10.0.0.2:53 length 0");
	expect(ETHER4 "4500001c000000b9401100000a0000010a000002"
		      "1f90003500080000",
		"ip 10.0.0.1 > 10.0.0.2 later fragment of protocol 17");
	expect(ETHER4 "4500001c00000000400100000a0000010a000002"
		      "0800000000000000",
		"icmp 10.0.0.1 > 10.0.0.2 type 8 code 0 echo request");
	expect(ETHER4 "4500003000000000400400000a0000010a000002"
		      "4500001c0000000040110000c6336407c000020a1f90003500080000",
		"tunnel 10.0.0.1 > 10.0.0.2 | udp 198.51.100.7:8080 > 192.0.2.10:53 length 0");
	expect(ETHER6 "6000000000101140"
		      "20010db8000000000000000000000001"
		      "20010db8000000000000000000000002"
		      "1f90003500100000"
		      "0000000000000000",
		"udp [2001:db8::1]:8080 > [2001:db8::2]:53 length 8");
	expect("02000000000102000000000281000064"
	       "0806"
	       "0001080006040001020000000001c0000201000000000000c000020a",
		"vlan 100 arp who has 192.0.2.10 tell 192.0.2.1");
	expect("0200000000010200000000020806"
	       "0001080006040002020000000001c0000201000000000000c000020a",
		"arp 192.0.2.1 is at 02:00:00:00:00:01");
	expect("02000000000102000000000288cc0102", "ethernet type 88cc length 2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_blocks),
		cmocka_unit_test(test_ports_have_an_end),
		cmocka_unit_test(test_a_full_disk_is_told),
		cmocka_unit_test(test_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
