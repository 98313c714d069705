// SPDX-License-Identifier: BSD-3-Clause
// A file that others may neither read nor change unseen: the last good plan (written by the control
// plane whenever the dataplane has accepted one, read by the dataplane when it starts, so that a
// restart needs nobody), and credentials.
//
// The file: "SLUICES1", then the sealed bytes (seal.h). A torn, decayed or foreign file is told
// from a good one. Blocking I/O; a file has one writer at a time.
#pragma once

#include "reason.h"
#include "seal.h"

#include <stddef.h>
#include <stdint.h>

#define SEALED_FILE_HEADER 8 // bytes in front of what is sealed

struct sealed_file { // borrowed
	const char *path;
	const struct seal *seal;
	const char *purpose;
};

// Replaces the file whole or not at all (whole_file.h), 0600. 0 or -errno with the reason.
int sealed_file_write(
	const struct sealed_file *file, const void *bytes, size_t length, struct reason *reason);

// Reads and checks it. *bytes is to be freed, and is followed by a byte of 0. -ENOENT (no reason
// given) when there is no file, -EBADMSG with the reason when it is damaged or sealed with another
// key, or -errno with the reason.
int sealed_file_read(
	const struct sealed_file *file, uint8_t **bytes, size_t *length, struct reason *reason);
