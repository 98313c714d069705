// SPDX-License-Identifier: BSD-3-Clause
// A file of some size fetched by http or https, on a thread of libuv's, whole or not at all: it is
// at its path when `done` is called without a reason. What it may take is what its file system has
// to spare. Loop thread, but for download_bytes().
#pragma once

#include <stdint.h>
#include <uv.h>

#define DOWNLOAD_WHY 240

struct download;

struct download_options {
	const char *url, *path;
	uint64_t spare;                           // bytes of the file system that it must leave
	void (*done)(void *arg, const char *why); // NULL: it is there
	void *arg;
};

// Bytes that the file system of the path has, beyond those to spare.
uint64_t download_room(const char *path, uint64_t spare);
// NULL: out of memory. The texts are copied.
struct download *download_start(uv_loop_t *loop, const struct download_options *options);
// Of 100, as far as the server says how much there is.
unsigned download_percent(const struct download *download);
// Ends it; `done` is not called any more. The loop frees the memory.
void download_cancel(struct download *download);
// What is there of one that had no end, or whose end was long ago. Not while it runs.
void download_forget(const char *path);
