// SPDX-License-Identifier: BSD-3-Clause
#include "plan_writer.h"

#include "publish.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define NICE 10 // on the one core that we may have, the loop goes first

struct job {
	uv_work_t work;
	uv_sem_t ended;
	struct plan_writer *writer; // NULL: done() has been called
	const struct sealed_file *file;
	const struct plan *plan;
	uint64_t generation;
	int error;
	struct reason reason;
	usec_t took_us;
};

struct plan_writer {
	uv_loop_t *loop;
	const struct sealed_file *file;
	plan_written_fn done;
	void *arg;
	struct job *job; // under way
};

static int write_plan(struct job *job)
{
	struct difference *whole = publish_diff(NULL, job->plan, 0, job->generation);
	int error = -ENOMEM;
	size_t length;
	uint8_t *bytes;

	if (!whole)
		return error;
	length = sluice__transaction__get_packed_size(difference_transaction(whole));
	bytes = malloc(length + 1);
	if (bytes) {
		sluice__transaction__pack(difference_transaction(whole), bytes);
		error = sealed_file_write(job->file, bytes, length, &job->reason);
		explicit_bzero(bytes, length); // private keys are in it
	}
	free(bytes);
	difference_free(whole);
	return error;
}

static void on_thread(uv_work_t *work)
{
	struct job *job = work->data;
	id_t thread = (id_t)gettid();
	int before = getpriority(PRIO_PROCESS, thread);
	usec_t started = clock_now_us();

	// The pool's thread serves others too, and must be as it was.
	setpriority(PRIO_PROCESS, thread, before + NICE);
	job->error = write_plan(job);
	job->took_us = clock_now_us() - started;
	setpriority(PRIO_PROCESS, thread, before);
	uv_sem_post(&job->ended);
}

static void report(struct job *job)
{
	struct plan_writer *writer = job->writer;
	const char *why = job->reason.count ? reason_text(&job->reason) : strerror(-job->error);

	if (!writer)
		return;
	job->writer = NULL;
	writer->job = NULL;
	writer->done(writer->arg, job->error, job->error ? why : "", job->took_us);
}

static void on_loop(uv_work_t *work, int status)
{
	struct job *job = work->data;

	(void)status;
	report(job);
	uv_sem_destroy(&job->ended);
	reason_clear(&job->reason);
	free(job);
}

struct plan_writer *plan_writer_new(
	uv_loop_t *loop, const struct sealed_file *file, plan_written_fn done, void *arg)
{
	struct plan_writer *writer = calloc(1, sizeof(*writer));

	if (writer)
		*writer = (struct plan_writer){loop, file, done, arg, NULL};
	return writer;
}

bool plan_writer_busy(const struct plan_writer *writer)
{
	return writer->job;
}

int plan_writer_start(struct plan_writer *writer, const struct plan *plan, uint64_t generation)
{
	struct job *job;

	if (writer->job)
		return -EBUSY;
	job = calloc(1, sizeof(*job));
	if (!job)
		return -ENOMEM;
	job->work.data = job;
	job->writer = writer;
	job->file = writer->file;
	job->plan = plan;
	job->generation = generation;
	if (uv_sem_init(&job->ended, 0)) {
		free(job);
		return -ENOMEM;
	}
	if (uv_queue_work(writer->loop, &job->work, on_thread, on_loop)) {
		uv_sem_destroy(&job->ended);
		free(job);
		return -ENOMEM;
	}
	writer->job = job;
	return 0;
}

void plan_writer_wait(struct plan_writer *writer)
{
	struct job *job = writer->job;

	if (!job)
		return;
	uv_sem_wait(&job->ended);
	report(job);
}

void plan_writer_free(struct plan_writer *writer)
{
	free(writer);
}
