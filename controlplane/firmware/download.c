// SPDX-License-Identifier: BSD-3-Clause
#include "download.h"

#include <curl/curl.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define CONNECT_MS   30000L
#define SLOW_BYTES   1000L // a second, on average over
#define SLOW_SECONDS 60L
#define REDIRECTS    5L

struct download {
	uv_work_t work;
	char *url, *path, *part;
	FILE *file; // part
	uint64_t room;
	void (*done)(void *arg, const char *why); // NULL: cancelled
	void *arg;
	bool stop;              // atomic
	unsigned percent;       // atomic
	char why[DOWNLOAD_WHY]; // "": nothing was wrong
};

static int on_progress(
	void *arg, curl_off_t total, curl_off_t now, curl_off_t up_total, curl_off_t up)
{
	struct download *d = arg;

	(void)up_total, (void)up;
	if (total > 0)
		__atomic_store_n(&d->percent, (unsigned)(now * 100 / total), __ATOMIC_RELAXED);
	if ((uint64_t)total > d->room || (uint64_t)now > d->room) {
		snprintf(d->why, sizeof(d->why),
			"it has %" PRIu64 " MB, and there is room for %" PRIu64 " MB",
			(uint64_t)(total > now ? total : now) >> 20, d->room >> 20);
		return 1;
	}
	return __atomic_load_n(&d->stop, __ATOMIC_RELAXED);
}

static size_t on_bytes(char *bytes, size_t size, size_t count, void *arg)
{
	struct download *d = arg;
	size_t n = fwrite(bytes, size, count, d->file);

	if (n < count)
		snprintf(d->why, sizeof(d->why), "%s: %s", d->part, strerror(errno));
	return n * size;
}

static void fetch(struct download *d, CURL *curl)
{
	char detail[CURL_ERROR_SIZE] = "";
	CURLcode code;

	curl_easy_setopt(curl, CURLOPT_URL, d->url);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
	curl_easy_setopt(curl, CURLOPT_MAXREDIRS, REDIRECTS);
	curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, SLOW_BYTES);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, SLOW_SECONDS);
	curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(curl, CURLOPT_XFERINFODATA, d);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, d);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, detail);
	code = curl_easy_perform(curl);
	if (code != CURLE_OK && !*d->why)
		snprintf(d->why, sizeof(d->why), "%.200s",
			*detail ? detail : curl_easy_strerror(code));
}

static void file_wrong(struct download *d, const char *path)
{
	if (!*d->why)
		snprintf(d->why, sizeof(d->why), "%s: %s", path, strerror(errno));
}

// A thread of libuv's.
static void work(uv_work_t *job)
{
	struct download *d = job->data;
	CURL *curl = curl_easy_init();

	d->file = fopen(d->part, "we");
	if (!d->file)
		file_wrong(d, d->part);
	else if (curl)
		fetch(d, curl);
	else
		snprintf(d->why, sizeof(d->why), "out of memory");
	if (d->file && !*d->why && (fflush(d->file) || fsync(fileno(d->file))))
		file_wrong(d, d->part);
	if (d->file && fclose(d->file))
		file_wrong(d, d->part);
	if (!*d->why && rename(d->part, d->path))
		file_wrong(d, d->path);
	if (*d->why)
		unlink(d->part);
	curl_easy_cleanup(curl);
}

static void drop(struct download *d)
{
	free(d->url);
	free(d->path);
	free(d->part);
	free(d);
}

static void after(uv_work_t *job, int status)
{
	struct download *d = job->data;

	if (d->done)
		d->done(d->arg, status ? "the control plane ends" : *d->why ? d->why : NULL);
	else
		unlink(d->path);
	drop(d);
}

uint64_t download_room(const char *path, uint64_t spare)
{
	char folder[4096];
	struct statvfs at;
	uint64_t free_bytes;

	snprintf(folder, sizeof(folder), "%s", path);
	*(strrchr(folder, '/') ? strrchr(folder, '/') : folder) = '\0';
	if (statvfs(*folder ? folder : "/", &at))
		return 0;
	free_bytes = (uint64_t)at.f_bavail * at.f_frsize;
	return free_bytes > spare ? free_bytes - spare : 0;
}

// In memory of the caller's.
static char *part_of(const char *path)
{
	char *part;

	return asprintf(&part, "%s.part", path) < 0 ? NULL : part;
}

struct download *download_start(uv_loop_t *loop, const struct download_options *options)
{
	struct download *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->url = strdup(options->url);
	d->path = strdup(options->path);
	d->part = part_of(options->path);
	d->room = download_room(options->path, options->spare);
	d->done = options->done;
	d->arg = options->arg;
	d->work.data = d;
	if (!d->url || !d->path || !d->part || uv_queue_work(loop, &d->work, work, after)) {
		drop(d);
		return NULL;
	}
	return d;
}

unsigned download_percent(const struct download *d)
{
	return __atomic_load_n(&d->percent, __ATOMIC_RELAXED);
}

void download_cancel(struct download *d)
{
	d->done = NULL;
	__atomic_store_n(&d->stop, true, __ATOMIC_RELAXED);
	uv_cancel((uv_req_t *)&d->work);
}

void download_forget(const char *path)
{
	char *part = part_of(path);

	unlink(path);
	if (part)
		unlink(part);
	free(part);
}
