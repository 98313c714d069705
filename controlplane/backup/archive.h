// SPDX-License-Identifier: BSD-3-Clause
// What is in a backup: files by name, one after the other. Pure; hostile input.
//
//     "SLUICEA1"  then of each file: length of the name (2), of its bytes (4), name, bytes
//
// Numbers are big-endian. Names ascend, so that none comes twice and the same files are the same
// archive:
//
//     about                      lines "version", "host", "made", "left-out"
//     conf/prod.kubeconfig       beside sluice.conf or in a folder there
//     sluice.conf                whatever it is called
//     state/leases               in the state folder; what is sealed there is in the clear here
//     support/show/vips.json     not of a backup: what is on its way into a support bundle
#pragma once

#include "reason.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARCHIVE_ABOUT      "about"
#define ARCHIVE_CONF       "sluice.conf"
#define ARCHIVE_BESIDE     "conf/"
#define ARCHIVE_STATE      "state/"
#define ARCHIVE_SUPPORT    "support/"
#define ARCHIVE_NAME_MAX   255
#define ARCHIVE_FILES_MAX  20000
#define ARCHIVE_BYTES_MAX  (64u << 20)
#define ARCHIVE_FILE_EXTRA 6 // bytes before the name

struct archive_file {
	char *name;
	uint8_t *bytes; // with a zero behind them
	size_t length;
};

struct archive {
	unsigned count;
	struct archive_file *files; // by name
	size_t bytes;               // of it all, when written
};

// One of the names above: parts between slashes, none of them ".", ".." or nothing.
bool archive_name_ok(const char *name);
// Copies. -EEXIST when the name is there, -E2BIG when it is too much, -EINVAL for a name that is
// none, -ENOMEM.
int archive_add(struct archive *archive, const char *name, const void *bytes, size_t length);
const struct archive_file *archive_find(const struct archive *archive, const char *name);
// To be freed with its length; NULL: out of memory.
uint8_t *archive_write(const struct archive *archive, size_t *length);
// 0, or -errno with the reason; then there is nothing to be cleared.
int archive_read(
	struct archive *archive, const uint8_t *bytes, size_t length, struct reason *reason);
void archive_clear(struct archive *archive); // what was in it is overwritten
// A line of "about" by its first word: what follows that, `length` bytes, or NULL. `i` counts
// lines of that word.
const char *archive_about(
	const struct archive *archive, const char *word, unsigned i, size_t *length);
