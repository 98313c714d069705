// SPDX-License-Identifier: BSD-3-Clause
// A support bundle as it comes together: an archive of "support/<name>" files, first as they are,
// then without secrets, then as a tar.gz.
#pragma once

#include "archive.h"
#include "reason.h"

#include <stddef.h>

// Adds a file; what is too much is cut at its end, and at the last what does not fit is left out.
void bundle_add(struct archive *archive, const char *name, const char *text, size_t length);
// The machine: files of the kernel, and what programs say of hardware, network and logs.
void bundle_gather(struct archive *archive);
// Writes "<folder>/<name>" for each file into `path` ("-": the output), for the owner alone, whole
// or not at all. 0, or -errno with the reason.
int bundle_write(
	const struct archive *archive, const char *folder, const char *path, struct reason *reason);
