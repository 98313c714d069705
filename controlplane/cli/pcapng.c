// SPDX-License-Identifier: BSD-3-Clause
// Blocks, each of them {type, length, body, length}, in this machine's byte order, which the first
// one tells. See pcapng.h.
#include "pcapng.h"

#include <errno.h>
#include <string.h>

#define BLOCK_SECTION   0x0a0d0d0au
#define BLOCK_INTERFACE 1u
#define BLOCK_PACKET    6u
#define ORDER_MAGIC     0x1a2b3c4du
#define LINK_ETHERNET   1u
#define SNAPLEN         262144u

#define OPTION_END         0
#define OPTION_COMMENT     1
#define OPTION_APPLICATION 4 // of the section
#define OPTION_NAME        2 // of an interface
#define OPTION_RESOLUTION  9 // of an interface
#define OPTION_FLAGS       2 // of a packet
#define NANOSECONDS        9 // ten to the power of minus so many

#define BLOCK_MAX 1024 // a head with its options, without the frame

struct block {
	uint8_t bytes[BLOCK_MAX];
	uint32_t used;
};

static void put(struct block *block, const void *bytes, uint32_t count)
{
	if (count > BLOCK_MAX - block->used)
		return;
	memcpy(block->bytes + block->used, bytes, count);
	block->used += count;
}

static void put16(struct block *block, uint16_t value)
{
	put(block, &value, sizeof(value));
}

static void put32(struct block *block, uint32_t value)
{
	put(block, &value, sizeof(value));
}

static uint32_t padding(uint32_t length)
{
	return (4 - length % 4) % 4;
}

static void put_option(struct block *block, uint16_t code, const void *value, uint16_t length)
{
	static const uint8_t zeros[4];

	if (4u + length + padding(length) + 4 > BLOCK_MAX - block->used)
		return;
	put16(block, code);
	put16(block, length);
	put(block, value, length);
	put(block, zeros, padding(length));
}

static void put_text(struct block *block, uint16_t code, const char *text)
{
	put_option(block, code, text, (uint16_t)strlen(text));
}

static int write_block(FILE *out, uint32_t type, const struct block *body)
{
	const uint32_t head[2] = {type, body->used + 12};

	if (fwrite(head, sizeof(head), 1, out) != 1 ||
		fwrite(body->bytes, 1, body->used, out) != body->used ||
		fwrite(&head[1], sizeof(head[1]), 1, out) != 1)
		return -EIO;
	return 0;
}

int pcapng_begin(struct pcapng *file, FILE *out)
{
	struct block block = {.used = 0};

	memset(file, 0, sizeof(*file));
	file->out = out;
	put32(&block, ORDER_MAGIC);
	put16(&block, 1); // version 1.0
	put16(&block, 0);
	put32(&block, UINT32_MAX); // the section's length is not known
	put32(&block, UINT32_MAX);
	put_text(&block, OPTION_APPLICATION, "sluice " SLUICE_VERSION);
	put32(&block, OPTION_END);
	return write_block(out, BLOCK_SECTION, &block);
}

// The interface's number, or -errno; a new one is written down first.
static int interface_of(struct pcapng *file, const char *name)
{
	const uint8_t resolution = NANOSECONDS;
	struct block block = {.used = 0};
	int error;

	for (unsigned i = 0; i < file->port_count; i++)
		if (strncmp(file->ports[i], name, PCAPNG_NAME - 1) == 0)
			return (int)i;
	if (file->port_count == PCAPNG_PORTS)
		return -E2BIG;
	put16(&block, LINK_ETHERNET);
	put16(&block, 0);
	put32(&block, SNAPLEN);
	snprintf(file->ports[file->port_count], PCAPNG_NAME, "%s", name);
	put_text(&block, OPTION_NAME, file->ports[file->port_count]);
	put_option(&block, OPTION_RESOLUTION, &resolution, 1);
	put32(&block, OPTION_END);
	error = write_block(file->out, BLOCK_INTERFACE, &block);
	return error ? error : (int)file->port_count++;
}

int pcapng_write(struct pcapng *file, const struct pcapng_frame *frame)
{
	static const uint8_t zeros[4];
	int interface = interface_of(file, frame->port);
	struct block head = {.used = 0}, options = {.used = 0};
	const uint32_t flags = frame->way, pad = padding(frame->kept);
	uint32_t length;

	if (interface < 0)
		return interface;
	put32(&head, (uint32_t)interface);
	put32(&head, (uint32_t)(frame->time_ns >> 32));
	put32(&head, (uint32_t)frame->time_ns);
	put32(&head, frame->kept);
	put32(&head, frame->length);
	if (frame->comment)
		put_text(&options, OPTION_COMMENT, frame->comment);
	put_option(&options, OPTION_FLAGS, &flags, sizeof(flags));
	put32(&options, OPTION_END);
	length = 12 + head.used + frame->kept + pad + options.used;
	if (fwrite(&(uint32_t[2]){BLOCK_PACKET, length}, 8, 1, file->out) != 1 ||
		fwrite(head.bytes, 1, head.used, file->out) != head.used ||
		fwrite(frame->bytes, 1, frame->kept, file->out) != frame->kept ||
		fwrite(zeros, 1, pad, file->out) != pad ||
		fwrite(options.bytes, 1, options.used, file->out) != options.used ||
		fwrite(&length, 4, 1, file->out) != 1)
		return -EIO;
	return 0;
}
