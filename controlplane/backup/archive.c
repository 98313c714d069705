// SPDX-License-Identifier: BSD-3-Clause
#include "archive.h"

#include "sorted.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC       "SLUICEA1"
#define MAGIC_BYTES 8

static bool part_ok(const char *part, size_t length)
{
	if (length == 0 || (length == 1 && part[0] == '.') ||
		(length == 2 && part[0] == '.' && part[1] == '.'))
		return false;
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)part[i] < ' ' || part[i] == 0x7f)
			return false;
	return true;
}

bool archive_name_ok(const char *name)
{
	const char *at = name;

	if (strcmp(name, ARCHIVE_ABOUT) == 0 || strcmp(name, ARCHIVE_CONF) == 0)
		return true;
	if (strlen(name) > ARCHIVE_NAME_MAX)
		return false;
	if (strncmp(name, ARCHIVE_BESIDE, strlen(ARCHIVE_BESIDE)) != 0 &&
		strncmp(name, ARCHIVE_STATE, strlen(ARCHIVE_STATE)) != 0 &&
		strncmp(name, ARCHIVE_SUPPORT, strlen(ARCHIVE_SUPPORT)) != 0)
		return false;
	for (;;) {
		size_t length = strcspn(at, "/");

		if (!part_ok(at, length))
			return false;
		if (!at[length])
			return true;
		at += length + 1;
	}
}

static int compare(const void *name, const void *row)
{
	const struct archive_file *file = row;

	return strcmp(name, file->name);
}

static size_t position(const struct archive *archive, const char *name, bool *there)
{
	const struct sorted sorted = {
		archive->files, archive->count, sizeof(*archive->files), compare};

	return sorted_place(&sorted, name, there);
}

static void file_free(struct archive_file *file)
{
	if (file->bytes)
		explicit_bzero(file->bytes, file->length);
	free(file->bytes);
	free(file->name);
}

static bool make_room(struct archive *archive)
{
	struct archive_file *more = archive->files;

	// Doubles at each power of two.
	if ((archive->count & (archive->count - 1)) == 0)
		more = realloc(more, sizeof(*more) * (archive->count ? 2 * archive->count : 1));
	if (more)
		archive->files = more;
	return more;
}

int archive_add(struct archive *archive, const char *name, const void *bytes, size_t length)
{
	struct archive_file file = {.length = length};
	size_t size = ARCHIVE_FILE_EXTRA + strlen(name) + length;
	bool there;
	size_t at;

	if (!archive_name_ok(name))
		return -EINVAL;
	if (!archive->bytes)
		archive->bytes = MAGIC_BYTES;
	if (archive->count == ARCHIVE_FILES_MAX || length > ARCHIVE_BYTES_MAX ||
		size > ARCHIVE_BYTES_MAX - archive->bytes)
		return -E2BIG;
	at = position(archive, name, &there);
	if (there)
		return -EEXIST;
	file.name = strdup(name);
	file.bytes = malloc(length + 1);
	if (!file.name || !file.bytes || !make_room(archive)) {
		free(file.name);
		free(file.bytes);
		return -ENOMEM;
	}
	if (length)
		memcpy(file.bytes, bytes, length);
	file.bytes[length] = 0;
	memmove(&archive->files[at + 1], &archive->files[at], (archive->count - at) * sizeof(file));
	archive->files[at] = file;
	archive->count++;
	archive->bytes += size;
	return 0;
}

const struct archive_file *archive_find(const struct archive *archive, const char *name)
{
	bool there;
	size_t at = position(archive, name, &there);

	return there ? &archive->files[at] : NULL;
}

uint8_t *archive_write(const struct archive *archive, size_t *length)
{
	size_t size = archive->bytes ? archive->bytes : MAGIC_BYTES;
	uint8_t *bytes = malloc(size), *at = bytes;

	if (!bytes)
		return NULL;
	memcpy(at, MAGIC, MAGIC_BYTES);
	at += MAGIC_BYTES;
	for (unsigned i = 0; i < archive->count; i++) {
		const struct archive_file *file = &archive->files[i];
		size_t name = strlen(file->name);

		*at++ = (uint8_t)(name >> 8);
		*at++ = (uint8_t)name;
		for (int shift = 24; shift >= 0; shift -= 8)
			*at++ = (uint8_t)(file->length >> shift);
		memcpy(at, file->name, name);
		memcpy(at + name, file->bytes, file->length);
		at += name + file->length;
	}
	*length = size;
	return bytes;
}

// The file at `at`; how long it is, or 0: there is none.
static size_t read_file(struct archive *archive, const uint8_t *at, size_t left)
{
	char name[ARCHIVE_NAME_MAX + 1];
	size_t name_length, length;

	if (left < ARCHIVE_FILE_EXTRA)
		return 0;
	name_length = (size_t)at[0] << 8 | at[1];
	length = (size_t)at[2] << 24 | (size_t)at[3] << 16 | (size_t)at[4] << 8 | at[5];
	left -= ARCHIVE_FILE_EXTRA;
	at += ARCHIVE_FILE_EXTRA;
	if (name_length > ARCHIVE_NAME_MAX || name_length > left || length > left - name_length)
		return 0;
	memcpy(name, at, name_length);
	name[name_length] = '\0';
	if (strlen(name) != name_length)
		return 0;
	if (archive->count && strcmp(archive->files[archive->count - 1].name, name) >= 0)
		return 0;
	if (archive_add(archive, name, at + name_length, length))
		return 0;
	return ARCHIVE_FILE_EXTRA + name_length + length;
}

int archive_read(
	struct archive *archive, const uint8_t *bytes, size_t length, struct reason *reason)
{
	size_t at = MAGIC_BYTES;

	*archive = (struct archive){0};
	if (length < MAGIC_BYTES || memcmp(bytes, MAGIC, MAGIC_BYTES) != 0) {
		reason_add(reason, "the backup is of a kind that this version does not know");
		return -EBADMSG;
	}
	while (at < length) {
		size_t n = read_file(archive, bytes + at, length - at);

		if (!n) {
			reason_add(
				reason, "the backup is damaged: at byte %zu there is no file", at);
			archive_clear(archive);
			return -EBADMSG;
		}
		at += n;
	}
	return 0;
}

void archive_clear(struct archive *archive)
{
	for (unsigned i = 0; i < archive->count; i++)
		file_free(&archive->files[i]);
	free(archive->files);
	*archive = (struct archive){0};
}

const char *archive_about(
	const struct archive *archive, const char *word, unsigned i, size_t *length)
{
	const struct archive_file *about = archive_find(archive, ARCHIVE_ABOUT);
	const char *at = about ? (const char *)about->bytes : "";
	size_t n = strlen(word);

	while (*at) {
		size_t line = strcspn(at, "\n");

		if (line > n && strncmp(at, word, n) == 0 && at[n] == ' ' && i-- == 0) {
			*length = line - n - 1;
			return at + n + 1;
		}
		at += line + (at[line] == '\n');
	}
	return NULL;
}
