// SPDX-License-Identifier: BSD-3-Clause
// Files that are replaced whole or not at all, also when the power fails: a new one beside the old
// ("<path>.new"), flushed, renamed over it, the directory flushed. Blocking I/O; a file has one
// writer at a time.
#pragma once

#include "reason.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct whole_file {
	const char *path;
	mode_t mode; // whatever the umask
	// A file that is there keeps its mode and owner, and a link goes on leading to it.
	bool keep;
};

// 0 or -errno with the reason; then the old file is what it was.
int whole_file_write(
	const struct whole_file *file, const void *bytes, size_t length, struct reason *reason);
