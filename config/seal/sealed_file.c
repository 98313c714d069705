// SPDX-License-Identifier: BSD-3-Clause
#include "sealed_file.h"

#include "limits.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char magic[SEALED_FILE_HEADER] = {'S', 'L', 'U', 'I', 'C', 'E', 'S', '1'};

static int write_all(int fd, const void *bytes, size_t length)
{
	const char *at = bytes;

	while (length) {
		ssize_t n = write(fd, at, length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += n;
		length -= (size_t)n;
	}
	return 0;
}

// The bytes that could be read before the end of the file, or -errno.
static ssize_t read_all(int fd, void *bytes, size_t length)
{
	size_t have = 0;

	while (have < length) {
		ssize_t n = read(fd, (char *)bytes + have, length - have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		have += (size_t)n;
	}
	return (ssize_t)have;
}

static int write_file(const char *path, const uint8_t *sealed, size_t length)
{
	int fd, error;

	unlink(path); // one that others may read
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	error = write_all(fd, magic, sizeof(magic));
	if (!error)
		error = write_all(fd, sealed, length);
	if (!error && fsync(fd) < 0)
		error = -errno;
	if (close(fd) < 0 && !error)
		error = -errno;
	return error;
}

// So that the rename itself outlives a power failure.
static int flush_directory(const char *path)
{
	char *copy = strdup(path);
	int error = 0;
	int fd;

	if (!copy)
		return -ENOMEM;
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		error = -errno;
	if (fd >= 0)
		close(fd);
	free(copy);
	return error;
}

int sealed_file_write(
	const struct sealed_file *file, const void *bytes, size_t length, struct reason *reason)
{
	uint8_t *sealed = malloc(length + SEAL_EXTRA);
	char *beside;
	int error;

	if (!sealed || asprintf(&beside, "%s.new", file->path) < 0) {
		free(sealed);
		return -ENOMEM;
	}
	error = seal_bytes(file->seal, file->purpose, bytes, length, sealed);
	if (!error)
		error = write_file(beside, sealed, length + SEAL_EXTRA);
	free(sealed);
	if (!error && rename(beside, file->path) < 0)
		error = -errno;
	if (error)
		unlink(beside);
	else
		error = flush_directory(file->path);
	if (error)
		reason_add(reason, "%s: cannot be written: %s", file->path, strerror(-error));
	free(beside);
	return error;
}

static int open_sealed(const struct sealed_file *file, const uint8_t *sealed, size_t length,
	uint8_t **bytes, struct reason *reason)
{
	uint8_t *plain;

	if (length < SEALED_FILE_HEADER + SEAL_EXTRA || memcmp(sealed, magic, sizeof(magic)) != 0) {
		reason_add(reason, "%s: not a sealed file: no \"SLUICES1\" header", file->path);
		return -EBADMSG;
	}
	sealed += SEALED_FILE_HEADER;
	length -= SEALED_FILE_HEADER;
	plain = malloc(length - SEAL_EXTRA + 1);
	if (!plain)
		return -ENOMEM;
	if (unseal_bytes(file->seal, file->purpose, sealed, length, plain)) {
		explicit_bzero(plain, length - SEAL_EXTRA);
		free(plain);
		reason_add(reason,
			"%s: damaged, or sealed with another key: its %zu bytes do not open",
			file->path, length);
		return -EBADMSG;
	}
	plain[length - SEAL_EXTRA] = 0;
	*bytes = plain;
	return 0;
}

static int read_body(const struct sealed_file *file, int fd, uint8_t **bytes, size_t *length,
	struct reason *reason)
{
	struct stat stat;
	uint8_t *sealed;
	ssize_t n;
	int error;

	if (fstat(fd, &stat) < 0)
		return -errno;
	if (!S_ISREG(stat.st_mode) ||
		stat.st_size > (off_t)SLUICE_CHANNEL_MESSAGE + SEALED_FILE_HEADER + SEAL_EXTRA) {
		reason_add(reason, "%s: damaged: %llu bytes, at most %u can be in it", file->path,
			(unsigned long long)stat.st_size, SLUICE_CHANNEL_MESSAGE);
		return -EBADMSG;
	}
	sealed = malloc((size_t)stat.st_size + 1);
	if (!sealed)
		return -ENOMEM;
	n = read_all(fd, sealed, (size_t)stat.st_size + 1);
	error = n < 0 ? (int)n : open_sealed(file, sealed, (size_t)n, bytes, reason);
	if (!error)
		*length = (size_t)n - SEALED_FILE_HEADER - SEAL_EXTRA;
	free(sealed);
	return error;
}

int sealed_file_read(
	const struct sealed_file *file, uint8_t **bytes, size_t *length, struct reason *reason)
{
	int fd = open(file->path, O_RDONLY | O_CLOEXEC);
	int error;

	if (fd < 0) {
		error = -errno;
	} else {
		error = read_body(file, fd, bytes, length, reason);
		close(fd);
	}
	if (error && error != -ENOENT && error != -EBADMSG)
		reason_add(reason, "%s: cannot be read: %s", file->path, strerror(-error));
	return error;
}
