// SPDX-License-Identifier: BSD-3-Clause
// Writes the plan file on a thread of libuv's, so that neither packing 100,000 endpoints nor a slow
// disk holds up the loop. One write at a time: who has a newer plan asks again after done().
//
// A plan is not changed any more, so the thread reads it without a lock; the caller holds it until
// done(). All calls are the loop's thread's, and so is done().
#pragma once

#include "clock.h"
#include "plan.h"
#include "sealed_file.h"

#include <uv.h>

struct plan_writer;

// `error` 0: it is on the disk. Else `why` says, until done() returns.
typedef void (*plan_written_fn)(void *arg, int error, const char *why, usec_t took_us);

// `file` outlives the writer.
struct plan_writer *plan_writer_new(
	uv_loop_t *loop, const struct sealed_file *file, plan_written_fn done, void *arg);
bool plan_writer_busy(const struct plan_writer *writer);
// -EBUSY, -ENOMEM, or done() is called once.
int plan_writer_start(struct plan_writer *writer, const struct plan *plan, uint64_t generation);
// Until no write is under way: done() has been called when it returns.
void plan_writer_wait(struct plan_writer *writer);
// Not while one is under way.
void plan_writer_free(struct plan_writer *writer);
