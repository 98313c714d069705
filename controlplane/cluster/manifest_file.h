// SPDX-License-Identifier: BSD-3-Clause
// One file of a directory of manifests: is it another than before, and what is in it. What it holds
// goes to the model, with the file as its origin. See manifests.c. Blocking I/O.
#pragma once

#include "cluster.h"

#include <sys/stat.h>

#define MANIFEST_QUIET_MS 1000 // a file nobody closes is read after this

struct manifest_file {
	char *name;
	struct timespec mtime, ctime;
	off_t size;
	dev_t dev;
	ino_t ino;
	bool seen;    // in this look
	bool known;   // read once
	bool dirty;   // told to have changed: read whatever the times say
	bool writing; // modified and not closed since `modified_ms`
	uint64_t modified_ms;
	uint32_t objects[OBJECT_KINDS]; // that it holds
};

struct manifest_reader {
	struct cluster *cluster;
	const char *path;             // of the directory
	bool changed;                 // the model, since this was false
	unsigned read;                // files, so far
	size_t objects[OBJECT_KINDS]; // of all files
};

enum manifest_found {
	MANIFEST_GONE, // or it is none to read
	MANIFEST_THERE,
	MANIFEST_BUSY, // being written: later
};

// `dir` is the directory, opened: whatever becomes of its name meanwhile.
enum manifest_found manifest_file_look(
	struct manifest_reader *reader, struct manifest_file *file, int dir, uint64_t now_ms);
// The file is gone, and what it held goes with it.
void manifest_file_drop(struct manifest_reader *reader, struct manifest_file *file);
// Keeps the objects of an origin and tells what is wrong with it.
void manifest_tell(
	struct manifest_reader *reader, const char *origin, unsigned line, const char *text);
