// SPDX-License-Identifier: BSD-3-Clause
// An archive as a tar.gz: ustar heads (POSIX.1-1988), 512 bytes a block. See bundle.h.
#include "bundle.h"

#include "whole_file.h"

#include <zlib.h>

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BLOCK 512
#define GZIP  (15 + 16) // a window of 32 kB, with gzip's head

struct head { // a block of texts
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], sum[8], type, link[100],
		magic[6], version[2], uname[32], gname[32], major[8], minor[8], prefix[155],
		none[12];
};

_Static_assert(sizeof(struct head) == BLOCK, "a block");

struct packing {
	z_stream stream;
	uint8_t *out;
	size_t length, room;
	int error;
};

static void pack(struct packing *p, const void *bytes, size_t length, int flush)
{
	p->stream.next_in = (z_const Bytef *)(uintptr_t)bytes;
	p->stream.avail_in = (uInt)length;
	do {
		if (p->room - p->length < 65536) {
			uint8_t *more = realloc(p->out, p->room + (1u << 20));

			if (!more) {
				p->error = -ENOMEM;
				return;
			}
			p->out = more;
			p->room += 1u << 20;
		}
		p->stream.next_out = p->out + p->length;
		p->stream.avail_out = (uInt)(p->room - p->length);
		if (deflate(&p->stream, flush) == Z_STREAM_ERROR)
			p->error = -EIO;
		p->length = p->room - p->stream.avail_out;
	} while (!p->error && p->stream.avail_out == 0);
}

// One that is long is in two parts, cut at a slash. No name of ours is longer than both.
static void put_name(struct head *head, const char *name)
{
	size_t length = strlen(name), most = sizeof(head->name) - 1;
	const char *cut = length > most ? strchr(name + length - most - 1, '/') : NULL;

	if (cut && (size_t)(cut - name) < sizeof(head->prefix)) {
		memcpy(head->prefix, name, (size_t)(cut - name));
		name = cut + 1;
	}
	snprintf(head->name, sizeof(head->name), "%.99s", name);
}

static void pack_file(struct packing *p, const char *folder, const struct archive_file *file)
{
	static const uint8_t zeros[BLOCK];
	struct head head = {.type = '0'};
	char name[ARCHIVE_NAME_MAX + 120];
	unsigned sum = 0;

	snprintf(name, sizeof(name), "%s/%s", folder, file->name + strlen(ARCHIVE_SUPPORT));
	put_name(&head, name);
	snprintf(head.mode, sizeof(head.mode), "%07o", 0600);
	snprintf(head.uid, sizeof(head.uid), "%07o", 0);
	snprintf(head.gid, sizeof(head.gid), "%07o", 0);
	snprintf(head.size, sizeof(head.size), "%011llo", (unsigned long long)file->length);
	snprintf(head.mtime, sizeof(head.mtime), "%011llo", (unsigned long long)time(NULL));
	memcpy(head.magic, "ustar", 6);
	memcpy(head.version, "00", 2);
	memset(head.sum, ' ', sizeof(head.sum));
	for (size_t i = 0; i < sizeof(head); i++)
		sum += ((const uint8_t *)&head)[i];
	snprintf(head.sum, sizeof(head.sum), "%06o", sum & 0777777);
	pack(p, &head, sizeof(head), Z_NO_FLUSH);
	pack(p, file->bytes, file->length, Z_NO_FLUSH);
	if (file->length % BLOCK)
		pack(p, zeros, BLOCK - file->length % BLOCK, Z_NO_FLUSH);
}

int bundle_write(
	const struct archive *archive, const char *folder, const char *path, struct reason *reason)
{
	static const uint8_t end[2 * BLOCK];
	struct packing p = {0};

	if (deflateInit2(&p.stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP, 8,
		    Z_DEFAULT_STRATEGY) != Z_OK)
		return -ENOMEM;
	for (unsigned i = 0; i < archive->count && !p.error; i++)
		pack_file(&p, folder, &archive->files[i]);
	if (!p.error)
		pack(&p, end, sizeof(end), Z_FINISH);
	deflateEnd(&p.stream);
	if (!p.error && strcmp(path, "-") == 0) {
		if (fwrite(p.out, 1, p.length, stdout) != p.length || fflush(stdout))
			p.error = -errno;
	} else if (!p.error) {
		p.error = whole_file_write(
			&(struct whole_file){path, 0600, false}, p.out, p.length, reason);
	}
	if (p.error && !reason->count)
		reason_add(reason, "%s: cannot be written: %s", path, strerror(-p.error));
	free(p.out);
	return p.error;
}
