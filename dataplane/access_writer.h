// SPDX-License-Identifier: BSD-3-Clause
// Writes the access log: a thread of its own takes what workers leave in their rings, and makes
// lines of it. It sleeps while there is nothing; no worker ever waits for it. A file that was moved
// or removed is opened anew within a second, and so is one that could not be opened. One that has
// grown too long becomes path.1, in place of the one before.
#pragma once

#include "http_settings.h"
#include "log_ring.h"
#include "reason.h"

struct access_writer;

// The settings and the rings must outlive it. A file's length is looked at each second.
int access_writer_start(struct access_writer **writer, const struct access_log_settings *settings,
	struct log_ring *const *rings, unsigned count, struct reason *reason);
void access_writer_stop(struct access_writer *writer);           // after a last look at the rings
uint64_t access_writer_lost(const struct access_writer *writer); // lines that could not be written
