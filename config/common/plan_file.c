// SPDX-License-Identifier: BSD-3-Clause
#include "plan_file.h"

#include "limits.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char magic[8] = {'S', 'L', 'U', 'I', 'C', 'E', 'P', '1'};

struct header {
	char magic[8];
	uint64_t length_be;
	uint64_t sum_be;
};

_Static_assert(sizeof(struct header) == PLAN_FILE_HEADER, "as plan_file.h says");

// FNV-1a: each step is a bijection of the state, so a single changed byte never goes unseen.
static uint64_t sum64(const uint8_t *bytes, size_t length)
{
	uint64_t sum = 0xcbf29ce484222325;

	for (size_t i = 0; i < length; i++)
		sum = (sum ^ bytes[i]) * 0x100000001b3;
	return sum;
}

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

static int write_file(const char *path, const uint8_t *bytes, size_t length)
{
	struct header header = {
		.length_be = htobe64(length), .sum_be = htobe64(sum64(bytes, length))};
	int fd, error;

	unlink(path);                                                   // one that others may read
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600); // private keys are in it
	if (fd < 0)
		return -errno;
	memcpy(header.magic, magic, sizeof(magic));
	error = write_all(fd, &header, sizeof(header));
	if (!error)
		error = write_all(fd, bytes, length);
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

int plan_file_write(const char *path, const uint8_t *bytes, size_t length, struct reason *reason)
{
	char *beside;
	int error;

	if (asprintf(&beside, "%s.new", path) < 0)
		return -ENOMEM;
	error = write_file(beside, bytes, length);
	if (!error && rename(beside, path) < 0)
		error = -errno;
	if (error)
		unlink(beside);
	else
		error = flush_directory(path);
	if (error)
		reason_add(reason, "%s: cannot be written: %s", path, strerror(-error));
	free(beside);
	return error;
}

static int read_body(
	int fd, const char *path, struct header *header, uint8_t **bytes, struct reason *reason)
{
	ssize_t n = read_all(fd, header, sizeof(*header));
	uint64_t length;
	uint8_t *body;
	char more;

	if (n < 0)
		return (int)n;
	if (n < (ssize_t)sizeof(*header) || memcmp(header->magic, magic, sizeof(magic)) != 0) {
		reason_add(reason, "%s: not a plan: no \"SLUICEP1\" header", path);
		return -EBADMSG;
	}
	length = be64toh(header->length_be);
	if (length > SLUICE_CHANNEL_MESSAGE) {
		reason_add(reason, "%s: damaged: says it holds %llu bytes, at most %u can be", path,
			(unsigned long long)length, SLUICE_CHANNEL_MESSAGE);
		return -EBADMSG;
	}
	body = malloc(length + 1);
	if (!body)
		return -ENOMEM;
	n = read_all(fd, body, length);
	if (n == (ssize_t)length && read_all(fd, &more, 1) == 0 &&
		sum64(body, length) == be64toh(header->sum_be)) {
		*bytes = body;
		return 0;
	}
	free(body);
	if (n < 0)
		return (int)n;
	reason_add(reason, "%s: damaged: its %llu bytes do not match its header", path,
		(unsigned long long)length);
	return -EBADMSG;
}

int plan_file_read(const char *path, uint8_t **bytes, size_t *length, struct reason *reason)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct header header = {0};
	int error;

	if (fd < 0) {
		error = -errno;
	} else {
		error = read_body(fd, path, &header, bytes, reason);
		close(fd);
	}
	if (!error)
		*length = be64toh(header.length_be);
	else if (error != -ENOENT && error != -EBADMSG)
		reason_add(reason, "%s: cannot be read: %s", path, strerror(-error));
	return error;
}
