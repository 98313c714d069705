// SPDX-License-Identifier: BSD-3-Clause
#include "access_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "limits.h"
#include "log.h"

#define NAP_NS     20000000
#define LOOK_EVERY 1000000 // microseconds, for a file that was moved
#define TURN       256     // entries of a ring at a time
#define BUFFER     (8 * ACCESS_LINE)

struct access_writer {
	const char *path;
	uint64_t most; // bytes of a file; 0 = any number
	struct log_ring *rings[SLUICE_WORKERS_MAX];
	unsigned count;
	int fd;       // -1: it cannot be opened so far
	bool failing; // told once
	bool stop;
	uint64_t lost;
	usec_t looked;
	pthread_t thread;
	uint32_t filled, lines; // of the buffer
	char buffer[BUFFER];
};

static int open_file(struct access_writer *writer)
{
	int fd = strcmp(writer->path, "-") == 0
			 ? dup(STDOUT_FILENO)
			 : open(writer->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);

	return fd < 0 ? -errno : fd;
}

static void tell(struct access_writer *writer, int error, const char *what)
{
	if (!writer->failing)
		log_warning("access_log", "%s: %s: %s", writer->path, strerror(error), what);
	writer->failing = true;
}

static void take_file(struct access_writer *writer)
{
	int fd = open_file(writer);

	if (fd < 0) {
		tell(writer, -fd, "requests are not logged");
		return;
	}
	if (writer->fd >= 0)
		close(writer->fd);
	writer->fd = fd;
	writer->failing = false;
}

// In place of the one before. False: it stays as it is.
static bool put_aside(struct access_writer *writer)
{
	char *aside = NULL;
	bool done;

	if (asprintf(&aside, "%s.1", writer->path) < 0)
		return false;
	done = rename(writer->path, aside) == 0;
	if (!done)
		tell(writer, errno, "it grows beyond access_log.max_mb");
	free(aside);
	return done;
}

static void look(struct access_writer *writer)
{
	struct stat ours, there;
	usec_t now = clock_now_us();

	if (now - writer->looked < LOOK_EVERY || strcmp(writer->path, "-") == 0)
		return;
	writer->looked = now;
	if (writer->fd < 0 || fstat(writer->fd, &ours) < 0 || stat(writer->path, &there) < 0 ||
		ours.st_ino != there.st_ino || ours.st_dev != there.st_dev ||
		(writer->most && S_ISREG(ours.st_mode) && (uint64_t)ours.st_size >= writer->most &&
			put_aside(writer)))
		take_file(writer);
}

static void flush(struct access_writer *writer)
{
	uint32_t done = 0;

	while (done < writer->filled) {
		ssize_t n = write(writer->fd, writer->buffer + done, writer->filled - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			if (writer->fd >= 0)
				tell(writer, errno, "requests are not logged");
			__atomic_fetch_add(&writer->lost, writer->lines, __ATOMIC_RELAXED);
			break;
		}
		writer->failing = false;
		done += (uint32_t)n;
	}
	writer->filled = writer->lines = 0;
}

static void write_entry(struct access_writer *writer, struct log_entry *entry)
{
	struct access_record *record = &entry->record;
	char vip[ADDR_TEXT], upstream[ADDR_TEXT];

	if (!addr_is_zero(&entry->vip))
		record->vip.bytes = addr_format(&entry->vip, vip);
	if (!addr_is_zero(&entry->upstream))
		record->upstream.bytes = addr_format(&entry->upstream, upstream);
	record->vip.length = record->vip.bytes ? (uint32_t)strlen(vip) : 0;
	record->upstream.length = record->upstream.bytes ? (uint32_t)strlen(upstream) : 0;
	if (BUFFER - writer->filled < ACCESS_LINE)
		flush(writer);
	writer->filled +=
		access_log_write(record, writer->buffer + writer->filled, BUFFER - writer->filled);
	writer->lines++;
}

static bool pass(struct access_writer *writer)
{
	bool any = false;

	for (unsigned i = 0; i < writer->count; i++)
		for (unsigned n = 0; n < TURN; n++) {
			struct log_entry *entry = log_ring_first(writer->rings[i]);

			if (!entry)
				break;
			write_entry(writer, entry);
			log_ring_drop(writer->rings[i], entry);
			any = true;
		}
	return any;
}

static void *run(void *arg)
{
	const struct timespec nap = {.tv_nsec = NAP_NS};
	struct access_writer *writer = arg;
	bool last;

	do {
		last = __atomic_load_n(&writer->stop, __ATOMIC_ACQUIRE);
		look(writer);
		while (pass(writer))
			look(writer);
		flush(writer);
		if (!last)
			nanosleep(&nap, NULL);
	} while (!last);
	return NULL;
}

int access_writer_start(struct access_writer **writer, const struct access_log_settings *settings,
	struct log_ring *const *rings, unsigned count, struct reason *reason)
{
	struct access_writer *made = calloc(1, sizeof(*made));
	int error;

	if (!made)
		return -ENOMEM;
	made->path = settings->path;
	made->most = (uint64_t)settings->max_mb << 20;
	made->count = count;
	memcpy(made->rings, rings, count * sizeof(*rings));
	made->looked = clock_now_us();
	made->fd = -1;
	take_file(made); // traffic goes on without
	error = pthread_create(&made->thread, NULL, run, made);
	if (!error) {
		*writer = made;
		return 0;
	}
	reason_add(reason, "access_log.path: %s: %s", made->path, strerror(error));
	if (made->fd >= 0)
		close(made->fd);
	free(made);
	return -error;
}

void access_writer_stop(struct access_writer *writer)
{
	if (!writer)
		return;
	__atomic_store_n(&writer->stop, true, __ATOMIC_RELEASE);
	pthread_join(writer->thread, NULL);
	if (writer->fd >= 0)
		close(writer->fd);
	free(writer);
}

uint64_t access_writer_lost(const struct access_writer *writer)
{
	return writer ? __atomic_load_n(&writer->lost, __ATOMIC_RELAXED) : 0;
}
