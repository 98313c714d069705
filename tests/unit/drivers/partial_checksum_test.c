// SPDX-License-Identifier: BSD-3-Clause
// Unfinished checksums: found and finished in every kind of packet, nothing else touched, nothing
// beyond the frame read. The sums are calculated anew here, byte by byte.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "partial_checksum.h"

#define PAYLOAD 33 // odd

struct frame {
	uint8_t byte[256];
	uint32_t length, l4, field;
	uint16_t pseudo; // the pseudo-header's sum
};

static uint16_t sum(const uint8_t *bytes, uint32_t length, uint32_t from)
{
	uint32_t total = from;

	for (uint32_t i = 0; i < length; i++)
		total += i & 1 ? bytes[i] : (uint32_t)bytes[i] << 8;
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	return (uint16_t)total;
}

static void put16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

// family 4 or 6, protocol 6 or 17, tags 0..2; extension: an IPv6 destination options header or
// IPv4 options of 8 bytes.
struct shape {
	uint8_t family, protocol, tags, extension;
};

static void build(struct frame *frame, const struct shape *shape)
{
	static const uint16_t types[] = {0x88a8, 0x8100};
	uint8_t *at = frame->byte;
	uint32_t l4_length = (shape->protocol == 6 ? 20u : 8u) + PAYLOAD;
	uint32_t addresses;

	memset(frame, 0, sizeof(*frame));
	for (unsigned i = 0; i < 12; i++)
		*at++ = (uint8_t)(2 + i);
	for (unsigned i = 0; i < shape->tags; i++, at += 4) {
		put16(at, types[(2 - shape->tags + i) & 1]);
		put16(at + 2, 7);
	}
	put16(at, shape->family == 4 ? 0x0800 : 0x86dd);
	at += 2;
	if (shape->family == 4) {
		uint32_t header = 20u + (shape->extension ? 8u : 0u);

		at[0] = (uint8_t)(0x40 | header / 4);
		put16(at + 2, (uint16_t)(header + l4_length));
		at[8] = 64;
		at[9] = shape->protocol;
		memcpy(at + 12, "\x0a\x01\x02\x03\xc0\x00\x02\xfe", 8);
		addresses = sum(at + 12, 8, 0);
		put16(at + 10, (uint16_t)~sum(at, header, 0));
		at += header;
	} else {
		uint32_t extra = shape->extension ? 16u : 0u;

		at[0] = 0x60;
		put16(at + 4, (uint16_t)(extra + l4_length));
		at[6] = shape->extension ? 60 : shape->protocol;
		at[7] = 64;
		for (unsigned i = 0; i < 32; i++)
			at[8 + i] = (uint8_t)(0xf0 + i);
		addresses = sum(at + 8, 32, 0);
		at += 40;
		if (extra) {
			at[0] = shape->protocol;
			at[1] = 1;
			at += extra;
		}
	}
	frame->l4 = (uint32_t)(at - frame->byte);
	for (uint32_t i = 0; i < l4_length; i++)
		at[i] = (uint8_t)(i * 37 + 11);
	if (shape->protocol == 17)
		put16(at + 4, (uint16_t)l4_length);
	frame->field = frame->l4 + (shape->protocol == 6 ? 16 : 6);
	frame->length = frame->l4 + l4_length;
	frame->pseudo = sum((const uint8_t[]){0, shape->protocol, (uint8_t)(l4_length >> 8),
				    (uint8_t)l4_length},
		4, addresses);
	put16(frame->byte + frame->field, frame->pseudo);
}

static uint32_t l4_length(const struct frame *frame)
{
	return frame->length - frame->l4;
}

static const struct shape shapes[] = {
	{4, 6, 0, 0},
	{4, 17, 0, 0},
	{6, 6, 0, 0},
	{6, 17, 0, 0},
	{4, 6, 1, 0},
	{6, 17, 1, 0},
	{4, 17, 2, 0},
	{6, 6, 2, 0},
	{4, 6, 0, 1},
	{6, 17, 0, 1},
	{4, 17, 1, 1},
	{6, 6, 2, 1},
};

static void repairs_every_shape(void **state)
{
	for (unsigned i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		struct frame frame, before;

		build(&frame, &shapes[i]);
		before = frame;
		assert_true(partial_checksum_repair(frame.byte, frame.length));
		assert_int_equal(
			sum(frame.byte + frame.l4, l4_length(&frame), frame.pseudo), 0xffff);
		memcpy(before.byte + before.field, frame.byte + frame.field, 2);
		assert_memory_equal(before.byte, frame.byte, sizeof(frame.byte));
	}
}

static void leaves_padding_alone(void **state)
{
	struct frame frame;

	build(&frame, &shapes[0]);
	memset(frame.byte + frame.length, 0xee, 9);
	assert_true(partial_checksum_repair(frame.byte, frame.length + 9));
	assert_int_equal(sum(frame.byte + frame.l4, l4_length(&frame), frame.pseudo), 0xffff);
}

static void leaves_whole_ones(void **state)
{
	for (unsigned i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		struct frame frame, before;

		build(&frame, &shapes[i]);
		assert_true(partial_checksum_repair(frame.byte, frame.length));
		before = frame;
		assert_false(partial_checksum_repair(frame.byte, frame.length));
		assert_memory_equal(before.byte, frame.byte, sizeof(frame.byte));
	}
}

static void leaves_wrong_ones(void **state)
{
	struct frame frame, before;

	build(&frame, &shapes[0]);
	put16(frame.byte + frame.field, (uint16_t)(frame.pseudo + 1));
	before = frame;
	assert_false(partial_checksum_repair(frame.byte, frame.length));
	assert_memory_equal(before.byte, frame.byte, sizeof(frame.byte));
}

static void leaves_fragments(void **state)
{
	for (unsigned flags = 0; flags < 2; flags++) {
		struct frame frame;

		build(&frame, &(struct shape){4, 17, 0, 0});
		put16(frame.byte + 14 + 6, flags ? 0x2000 : 3); // more fragments, or an offset
		assert_false(partial_checksum_repair(frame.byte, frame.length));
	}
	for (unsigned i = 0; i < 2; i++) {
		struct frame frame;

		build(&frame, &(struct shape){6, 17, 0, 1});
		frame.byte[14 + 6] = 44; // fragment header in place of the options
		assert_false(partial_checksum_repair(frame.byte, frame.length));
	}
}

// A sum that comes out as zero is sent as all ones, or UDP would have none.
static void zero_becomes_ones(void **state)
{
	struct frame frame;
	uint16_t rest;

	build(&frame, &(struct shape){4, 17, 0, 0});
	// Choose two bytes of the payload so that everything else sums up to all ones.
	put16(frame.byte + frame.l4 + 8, 0);
	put16(frame.byte + frame.field, 0);
	rest = sum(frame.byte + frame.l4, l4_length(&frame), frame.pseudo);
	put16(frame.byte + frame.l4 + 8, (uint16_t)~rest);
	// The field counts in what is finished, as it holds the pseudo-header's sum.
	put16(frame.byte + frame.field, frame.pseudo);
	assert_true(partial_checksum_repair(frame.byte, frame.length));
	assert_int_equal(get16(frame.byte + frame.field), 0xffff);
}

// Cut at each byte: in memory of exactly that size, where a sanitizer sees a step beyond it.
static void never_reads_beyond(void **state)
{
	for (unsigned i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		struct frame frame;

		build(&frame, &shapes[i]);
		for (uint32_t length = 0; length < frame.length; length++) {
			uint8_t *cut = malloc(length ? length : 1);

			assert_non_null(cut);
			memcpy(cut, frame.byte, length);
			assert_false(partial_checksum_repair(cut, length));
			assert_memory_equal(cut, frame.byte, length);
			free(cut);
		}
	}
}

static void completes_where_told(void **state)
{
	struct frame frame;

	build(&frame, &shapes[3]);
	assert_true(partial_checksum_complete(
		frame.byte, frame.length, frame.l4, frame.field - frame.l4));
	assert_int_equal(sum(frame.byte + frame.l4, l4_length(&frame), frame.pseudo), 0xffff);
	assert_false(partial_checksum_complete(frame.byte, 60, 59, 0));
	assert_false(partial_checksum_complete(frame.byte, 60, 61, 0));
	assert_false(partial_checksum_complete(frame.byte, 60, 10, 49));
	assert_false(partial_checksum_complete(frame.byte, 60, 10, UINT32_MAX));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(repairs_every_shape),
		cmocka_unit_test(leaves_padding_alone),
		cmocka_unit_test(leaves_whole_ones),
		cmocka_unit_test(leaves_wrong_ones),
		cmocka_unit_test(leaves_fragments),
		cmocka_unit_test(zero_becomes_ones),
		cmocka_unit_test(never_reads_beyond),
		cmocka_unit_test(completes_where_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
