// SPDX-License-Identifier: BSD-3-Clause
#include "whole_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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
	return fsync(fd) < 0 ? -errno : 0;
}

// Nobody else reads it before it has its mode.
static int write_beside(const char *beside, const struct stat *as, const void *bytes, size_t length)
{
	int fd, error = 0;

	unlink(beside);
	fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (fchmod(fd, as->st_mode & 0777) < 0 ||
		(fchown(fd, as->st_uid, as->st_gid) < 0 && geteuid() == 0))
		error = -errno;
	if (!error)
		error = write_all(fd, bytes, length);
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

int whole_file_write(
	const struct whole_file *file, const void *bytes, size_t length, struct reason *reason)
{
	char *followed = file->keep ? realpath(file->path, NULL) : NULL, *beside;
	const char *path = followed ? followed : file->path;
	struct stat as = {.st_mode = file->mode, .st_uid = (uid_t)-1, .st_gid = (gid_t)-1};
	int error;

	if (file->keep && stat(path, &as) < 0)
		as.st_mode = file->mode;
	if (asprintf(&beside, "%s.new", path) < 0) {
		free(followed);
		return -ENOMEM;
	}
	error = write_beside(beside, &as, bytes, length);
	if (!error && rename(beside, path) < 0)
		error = -errno;
	if (error)
		unlink(beside);
	else
		error = flush_directory(path);
	if (error)
		reason_add(reason, "%s: cannot be written: %s", path, strerror(-error));
	free(beside);
	free(followed);
	return error;
}
