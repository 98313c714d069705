// SPDX-License-Identifier: BSD-3-Clause
// The last good plan on disk: written by the control plane whenever the dataplane has accepted one,
// read by the dataplane when it starts, so that a restart needs nobody.
//
// The file: "SLUICEP1", length of the body (8 bytes, big-endian), FNV-1a 64 of the body (8 bytes,
// big-endian), the body: one serialized whole sluice.Transaction. The sum tells a torn or decayed
// file from a good one; it is no defence against who may write the directory.
// Blocking I/O; the control plane's loop and the dataplane's main lcore at start.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "reason.h"

#define PLAN_FILE_HEADER 24 // bytes in front of the body

// Replaces the file whole or not at all, also when the power fails: a new file beside it
// ("<path>.new"), flushed, renamed over it, the directory flushed. 0 or -errno with the reason.
int plan_file_write(const char *path, const uint8_t *bytes, size_t length, struct reason *reason);

// Reads and checks it. *bytes is to be freed. -ENOENT (no reason given) when there is no file,
// -EBADMSG with the reason when it is damaged, or -errno with the reason.
int plan_file_read(const char *path, uint8_t **bytes, size_t *length, struct reason *reason);
