// SPDX-License-Identifier: BSD-3-Clause
#include "manifest_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cluster_internal.h"
#include "decode.h"
#include "log.h"
#include "yaml_tree.h"

void manifest_tell(
	struct manifest_reader *reader, const char *origin, unsigned line, const char *text)
{
	char where[PATH_MAX + 16];
	struct model_problem problem = {.object = origin, .where = where, .text = text};

	snprintf(where, sizeof(where), line ? "%s:%u" : "%s", origin, line);
	log_warning("manifests", "%s: %s", where, text);
	model_set_problems(reader->cluster->model, reader->cluster->name, origin, &problem, 1);
	reader->changed = true;
}

static int visit(const struct tree *document, void *arg)
{
	return decode_document(arg, document);
}

// What the file holds now, by kind.
static void set_counts(struct manifest_reader *reader, struct manifest_file *file,
	const uint32_t counts[static OBJECT_KINDS])
{
	for (size_t i = 0; i < OBJECT_KINDS; i++) {
		reader->objects[i] += (size_t)counts[i] - file->objects[i];
		file->objects[i] = counts[i];
	}
}

static bool has_objects(const struct manifest_file *file)
{
	static const uint32_t none[OBJECT_KINDS];

	return memcmp(file->objects, none, sizeof(none)) != 0;
}

static void take(struct manifest_reader *reader, struct manifest_file *file, const char *path,
	const char *bytes, size_t length)
{
	struct decode decode = {.cluster = reader->cluster->name, .origin = path};
	struct yaml_error error;
	char text[sizeof(error.text) + 80];
	uint32_t counts[OBJECT_KINDS] = {0};
	int rc = yaml_read(bytes, length, visit, &decode, &error);

	if (rc == 0)
		rc = decode_finish(&decode, reader->cluster->model);
	if (rc == 0) {
		for (size_t i = 0; i < decode.object_count; i++)
			counts[decode.objects[i]->kind]++;
		rc = model_replace(reader->cluster->model, reader->cluster->name, path,
			decode.objects, decode.object_count, decode.problems, decode.problem_count);
		if (rc == 0)
			set_counts(reader, file, counts);
		decode.object_count = 0; // the model's now, or freed by it
	}
	if (rc == 0) {
		for (size_t i = 0; i < decode.problem_count; i++)
			log_warning("manifests", "%s: %s", decode.problems[i].where,
				decode.problems[i].text);
		reader->changed = true;
	} else if (rc == -EBADMSG) {
		snprintf(text, sizeof(text), "%s%s", error.text,
			has_objects(file) ? "; what the file said before stays until it is mended"
					  : "");
		manifest_tell(reader, path, error.line, text);
	} else {
		manifest_tell(reader, path, 0, "out of memory; what the file said before stays");
	}
	decode_clear(&decode);
}

static bool same_file(const struct manifest_file *file, const struct stat *st)
{
	return file->known && !file->dirty && file->size == st->st_size &&
	       file->dev == st->st_dev && file->ino == st->st_ino &&
	       memcmp(&file->mtime, &st->st_mtim, sizeof(st->st_mtim)) == 0 &&
	       memcmp(&file->ctime, &st->st_ctim, sizeof(st->st_ctim)) == 0;
}

static void remember(struct manifest_file *file, const struct stat *st)
{
	file->known = true;
	file->dirty = false;
	file->size = st->st_size;
	file->dev = st->st_dev;
	file->ino = st->st_ino;
	file->mtime = st->st_mtim;
	file->ctime = st->st_ctim;
}

static void read_whole(struct manifest_reader *reader, struct manifest_file *file, const char *path,
	int fd, size_t size)
{
	char text[128];
	char *bytes;
	size_t length = 0;
	ssize_t n = 0;

	if (size > YAML_BYTES_MAX) {
		manifest_tell(reader, path, 0, "larger than 64 MB, which is not read; split it");
		return;
	}
	bytes = malloc(size + 1);
	while (bytes && length < size && (n = read(fd, bytes + length, size - length)) > 0)
		length += (size_t)n;
	if (!bytes || n < 0) {
		snprintf(text, sizeof(text), "cannot be read: %s", strerror(errno));
		manifest_tell(reader, path, 0, text);
	} else {
		take(reader, file, path, bytes, length);
	}
	if (bytes)
		explicit_bzero(bytes, length); // private keys may be in it
	free(bytes);
}

static void read_file(
	struct manifest_reader *reader, struct manifest_file *file, const char *path, int fd)
{
	char text[128];
	struct stat st;

	if (fstat(fd, &st) < 0) {
		snprintf(text, sizeof(text), "cannot be looked at: %s", strerror(errno));
		manifest_tell(reader, path, 0, text);
		return;
	}
	if (S_ISREG(st.st_mode))
		read_whole(reader, file, path, fd, (size_t)st.st_size);
	remember(file, &st);
	reader->read++;
}

enum manifest_found manifest_file_look(
	struct manifest_reader *reader, struct manifest_file *file, int dir, uint64_t now_ms)
{
	char path[PATH_MAX], text[128];
	struct stat st;
	int fd;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", reader->path, file->name) >= sizeof(path))
		return MANIFEST_GONE;
	if (fstatat(dir, file->name, &st, 0) < 0) {
		if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP)
			return MANIFEST_GONE;
		snprintf(text, sizeof(text), "cannot be looked at: %s", strerror(errno));
		manifest_tell(reader, path, 0, text);
		return MANIFEST_THERE;
	}
	if (!S_ISREG(st.st_mode))
		return MANIFEST_GONE;
	if (file->writing && now_ms - file->modified_ms < MANIFEST_QUIET_MS)
		return MANIFEST_BUSY;
	file->writing = false;
	if (same_file(file, &st))
		return MANIFEST_THERE;
	fd = openat(dir, file->name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 && errno == ENOENT)
		return MANIFEST_GONE;
	if (fd < 0) {
		snprintf(text, sizeof(text), "cannot be opened: %s", strerror(errno));
		manifest_tell(reader, path, 0, text);
		remember(file, &st);
	} else {
		read_file(reader, file, path, fd);
		close(fd);
	}
	return MANIFEST_THERE;
}

void manifest_file_drop(struct manifest_reader *reader, struct manifest_file *file)
{
	char path[PATH_MAX];

	if (!file->known)
		return;
	snprintf(path, sizeof(path), "%s/%s", reader->path, file->name);
	model_replace(reader->cluster->model, reader->cluster->name, path, NULL, 0, NULL, 0);
	set_counts(reader, file, (const uint32_t[OBJECT_KINDS]){0});
	reader->changed = true;
}
