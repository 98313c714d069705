// SPDX-License-Identifier: BSD-3-Clause
#include "sealed_file.h"

#include "limits.h"
#include "whole_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char magic[SEALED_FILE_HEADER] = {'S', 'L', 'U', 'I', 'C', 'E', 'S', '1'};

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

int sealed_file_write(
	const struct sealed_file *file, const void *bytes, size_t length, struct reason *reason)
{
	const struct whole_file whole = {.path = file->path, .mode = 0600};
	size_t sealed_length = SEALED_FILE_HEADER + SEAL_EXTRA + length;
	uint8_t *sealed = malloc(sealed_length);
	int error;

	if (!sealed)
		return -ENOMEM;
	memcpy(sealed, magic, sizeof(magic));
	error = seal_bytes(file->seal, file->purpose, bytes, length, sealed + SEALED_FILE_HEADER);
	if (error)
		reason_add(reason, "%s: cannot be sealed", file->path);
	else
		error = whole_file_write(&whole, sealed, sealed_length, reason);
	free(sealed);
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
