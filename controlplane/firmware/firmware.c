// SPDX-License-Identifier: BSD-3-Clause
#include "firmware.h"

#include "download.h"
#include "log.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OUTPUT_MOST (256u << 10)
#define QUESTION_MS 30000
#define SPARE_BYTES (64u << 20) // of the state, beside what is fetched
#define NOTES_BYTES (1u << 20)  // which RAUC must have there for what it notes
#define BUNDLE_FILE "upgrade.raucb"

struct output {
	uv_pipe_t pipe;
	char *bytes; // with a zero behind them; NULL = nothing
	size_t length;
	char part[4096]; // what comes next
};

struct job { // a program that runs
	struct firmware *firmware;
	uv_process_t process;
	struct output out, err;
	uv_timer_t timer;
	unsigned open_handles; // and ends that are still to come
	bool running;
	int status;
	bool installs;
	firmware_told told; // NULL: it is nobody's any more
	void *arg;
	struct job *next;
};

struct firmware {
	uv_loop_t *loop;
	struct job *jobs;
	struct firmware_install install;
	struct download *download; // NULL: none
	char fetched[PATH_MAX];    // where what is fetched goes; it ends with the install
	enum firmware_leave leave;
	firmware_told left;
	void *left_arg;
};

struct firmware *firmware_new(uv_loop_t *loop, const char *state_dir)
{
	struct firmware *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->loop = loop;
	snprintf(f->fetched, sizeof(f->fetched), "%s/" BUNDLE_FILE, state_dir);
	download_forget(f->fetched); // of an install that had no end
	return f;
}

static void drop(struct job *job)
{
	struct firmware *f = job->firmware;

	for (struct job **at = f ? &f->jobs : NULL; at && *at; at = &(*at)->next)
		if (*at == job) {
			*at = job->next;
			break;
		}
	free(job->out.bytes);
	free(job->err.bytes);
	free(job);
}

static void on_closed(uv_handle_t *handle)
{
	struct job *job = handle->data;

	if (--job->open_handles == 0)
		drop(job);
}

// The last line that says something, without what is common to all of RAUC's.
static void last_line(const char *text, char line[static FIRMWARE_TEXT])
{
	*line = '\0';
	while (text && *text) {
		size_t n = strcspn(text, "\n");

		if (n > strspn(text, " \t") && strncmp(text, "idle", 4) != 0 &&
			strncmp(text, "Installing `", 12) != 0)
			snprintf(line, FIRMWARE_TEXT, "%.*s", (int)n, text);
		text += n + (text[n] == '\n');
	}
}

static void why_failed(const struct job *job, char why[static FIRMWARE_TEXT])
{
	const char *error = job->out.bytes ? strstr(job->out.bytes, "LastError: ") : NULL;
	char line[FIRMWARE_TEXT];

	if (!error && job->err.bytes)
		error = strstr(job->err.bytes, "LastError: ");
	// Of handlers there is this one: it reads all of the payload first.
	if (error && strstr(error, "re-install handler")) {
		snprintf(why, FIRMWARE_TEXT, "the bundle is corrupt: it is not what was signed");
		return;
	}
	if (error) {
		error += strlen("LastError: ");
		snprintf(why, FIRMWARE_TEXT, "%.*s", (int)strcspn(error, "\n"), error);
		return;
	}
	last_line(job->err.bytes ? job->err.bytes : job->out.bytes, line);
	if (*line)
		snprintf(why, FIRMWARE_TEXT, "%s", line);
	else
		snprintf(why, FIRMWARE_TEXT, "it ended with %d", job->status);
}

static void fail_install(struct firmware *f, const char *why)
{
	struct firmware_install *install = &f->install;

	install->state = FIRMWARE_FAILED;
	snprintf(install->error, sizeof(install->error), "%s", why);
	log_error("upgrade", "%s is not installed: %s", install->bundle, install->error);
}

static void end_install(struct job *job)
{
	struct firmware_install *install = &job->firmware->install;
	char why[FIRMWARE_TEXT];

	unlink(job->firmware->fetched);
	if (job->status != 0) {
		why_failed(job, why);
		fail_install(job->firmware, why);
		return;
	}
	install->state = FIRMWARE_INSTALLED;
	install->percent = 100;
	log_notice("upgrade", "%s is in the other slot, which starts next", install->bundle);
}

// It has ended, and all that it said has come.
static void finish(struct job *job)
{
	firmware_told told = job->told;
	char why[FIRMWARE_TEXT];

	job->told = NULL;
	if (job->installs && job->firmware)
		end_install(job);
	if (told && job->status == 0) {
		told(job->arg, job->out.bytes ? job->out.bytes : "", NULL);
	} else if (told) {
		why_failed(job, why);
		told(job->arg, NULL, why);
	}
	uv_close((uv_handle_t *)&job->process, on_closed);
	uv_close((uv_handle_t *)&job->out.pipe, on_closed);
	uv_close((uv_handle_t *)&job->err.pipe, on_closed);
	uv_close((uv_handle_t *)&job->timer, on_closed);
}

static void try_finish(struct job *job)
{
	if (!job->running && !uv_is_active((uv_handle_t *)&job->out.pipe) &&
		!uv_is_active((uv_handle_t *)&job->err.pipe) &&
		!uv_is_closing((uv_handle_t *)&job->process))
		finish(job);
}

static void on_exit_of(uv_process_t *process, int64_t status, int signal)
{
	struct job *job = process->data;

	job->running = false;
	job->status = signal ? 128 + signal : (int)status;
	uv_timer_stop(&job->timer);
	try_finish(job);
}

// Of " 40% Copying image to rootfs.1" what it says; later lines count.
static void read_progress(struct job *job)
{
	struct firmware_install *install = &job->firmware->install;
	const char *at = job->out.bytes;

	while (*at) {
		size_t n = strcspn(at, "\n");
		unsigned percent;
		int end = 0;

		if (at[n] == '\n' && sscanf(at, "%3u%%%n", &percent, &end) == 1 && end &&
			(size_t)end < n && percent <= 100) {
			install->percent = percent;
			snprintf(install->doing, sizeof(install->doing), "%.*s", (int)n - end - 1,
				at + end + 1);
		}
		at += n + (at[n] == '\n');
	}
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
	struct job *job = handle->data;
	struct output *output = handle == (uv_handle_t *)&job->out.pipe ? &job->out : &job->err;

	(void)suggested;
	*buffer = uv_buf_init(output->part, sizeof(output->part));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
	struct job *job = stream->data;
	struct output *output = stream == (uv_stream_t *)&job->out.pipe ? &job->out : &job->err;
	char *more = NULL;

	if (n > 0 && output->length + (size_t)n <= OUTPUT_MOST)
		more = realloc(output->bytes, output->length + (size_t)n + 1);
	if (more) {
		memcpy(more + output->length, buffer->base, (size_t)n);
		output->bytes = more;
		output->length += (size_t)n;
		more[output->length] = '\0';
		if (job->installs && job->firmware && output == &job->out)
			read_progress(job);
	}
	if (n < 0) {
		uv_read_stop(stream);
		try_finish(job);
	}
}

static void on_late(uv_timer_t *timer)
{
	struct job *job = timer->data;

	uv_process_kill(&job->process, SIGKILL);
}

static int spawn(struct job *job, const char *const *words)
{
	uv_stdio_container_t stdio[3] = {{.flags = UV_IGNORE},
		{.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE,
			.data.stream = (uv_stream_t *)&job->out.pipe},
		{.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE,
			.data.stream = (uv_stream_t *)&job->err.pipe}};
	const uv_process_options_t options = {.exit_cb = on_exit_of,
		.file = words[0],
		.args = (char **)(uintptr_t)words,
		.stdio_count = 3,
		.stdio = stdio};

	return uv_spawn(job->firmware->loop, &job->process, &options);
}

// Runs it. 0, and `told` is called when it has ended; or -errno.
static struct job *run(
	struct firmware *f, const char *const *words, firmware_told told, void *arg, int *error)
{
	struct job *job = calloc(1, sizeof(*job));

	*error = -ENOMEM;
	if (!job)
		return NULL;
	*job = (struct job){.firmware = f, .told = told, .arg = arg, .next = f->jobs};
	f->jobs = job;
	job->process.data = job->timer.data = job->out.pipe.data = job->err.pipe.data = job;
	uv_pipe_init(f->loop, &job->out.pipe, 0);
	uv_pipe_init(f->loop, &job->err.pipe, 0);
	uv_timer_init(f->loop, &job->timer);
	job->open_handles = 4;
	*error = spawn(job, words);
	if (*error) {
		job->told = NULL;
		uv_close((uv_handle_t *)&job->process, on_closed);
		uv_close((uv_handle_t *)&job->out.pipe, on_closed);
		uv_close((uv_handle_t *)&job->err.pipe, on_closed);
		uv_close((uv_handle_t *)&job->timer, on_closed);
		return NULL;
	}
	job->running = true;
	uv_read_start((uv_stream_t *)&job->out.pipe, on_alloc, on_read);
	uv_read_start((uv_stream_t *)&job->err.pipe, on_alloc, on_read);
	return job;
}

static int ask(struct firmware *f, const char *const *words, firmware_told told, void *arg)
{
	int error;
	struct job *job = run(f, words, told, arg, &error);

	if (job)
		uv_timer_start(&job->timer, on_late, QUESTION_MS, 0);
	return error;
}

int firmware_slots(struct firmware *f, firmware_told told, void *arg)
{
	static const char *const words[] = {
		"rauc", "status", "--detailed", "--output-format=json", NULL};

	if (f->install.state == FIRMWARE_INSTALLING)
		return -EBUSY;
	return ask(f, words, told, arg);
}

static bool is_url(const char *bundle)
{
	return strncmp(bundle, "http://", 7) == 0 || strncmp(bundle, "https://", 8) == 0;
}

static bool is_bundle(const char *bundle)
{
	return (bundle[0] == '/' || is_url(bundle)) && strlen(bundle) < FIRMWARE_TEXT &&
	       !strpbrk(bundle, "\n\r\t");
}

static int install_file(struct firmware *f, const char *path)
{
	const char *const words[] = {"rauc", "install", path, NULL};
	int error;
	struct job *job = run(f, words, NULL, NULL, &error);

	if (job)
		job->installs = true;
	return error;
}

static void on_fetched(void *arg, const char *why)
{
	struct firmware *f = arg;
	int error = 0;

	f->download = NULL;
	f->install.percent = 0;
	if (!why)
		error = install_file(f, f->fetched);
	if (error) {
		unlink(f->fetched);
		why = uv_strerror(error);
	}
	if (why)
		fail_install(f, why);
}

static int fetch(struct firmware *f, const char *url)
{
	const struct download_options options = {
		.url = url, .path = f->fetched, .spare = SPARE_BYTES, .done = on_fetched, .arg = f};

	f->download = download_start(f->loop, &options);
	return f->download ? 0 : -ENOMEM;
}

int firmware_install(struct firmware *f, const char *bundle, struct reason *reason)
{
	int error;

	if (!firmware_there(reason))
		return -ENOENT;
	if (!is_bundle(bundle)) {
		reason_add(reason,
			"bundle: found \"%.80s\", expected the whole path of a file of this box, "
			"or http:// or https://",
			bundle);
		return -EINVAL;
	}
	if (f->install.state == FIRMWARE_INSTALLING) {
		reason_add(reason, "%s is being installed: wait for its end", f->install.bundle);
		return -EBUSY;
	}
	if (!is_url(bundle) && !download_room(f->fetched, NOTES_BYTES)) {
		reason_add(reason,
			"the state partition is full: what is installed is noted there, make room "
			"for %u MB",
			NOTES_BYTES >> 20);
		return -ENOSPC;
	}
	error = is_url(bundle) ? fetch(f, bundle) : install_file(f, bundle);
	if (error) {
		reason_add(reason, "it cannot be begun: %s", uv_strerror(error));
		return error;
	}
	f->install = (struct firmware_install){.state = FIRMWARE_INSTALLING};
	snprintf(f->install.bundle, sizeof(f->install.bundle), "%s", bundle);
	log_notice("upgrade", "%s is being installed", bundle);
	return 0;
}

const struct firmware_install *firmware_progress(struct firmware *f)
{
	if (f->download) {
		f->install.percent = download_percent(f->download);
		snprintf(f->install.doing, sizeof(f->install.doing), "Fetching");
	}
	return &f->install;
}

static int restart(struct firmware *f, firmware_told told, void *arg)
{
	static const char *const words[] = {"systemctl", "--no-block", "reboot", NULL};

	return ask(f, words, told, arg);
}

static void on_active(void *arg, const char *output, const char *why)
{
	struct firmware *f = arg;

	if (!output)
		f->left(f->left_arg, NULL, why);
	else if (restart(f, f->left, f->left_arg))
		f->left(f->left_arg, NULL, "systemctl cannot be run");
}

int firmware_leave(struct firmware *f, enum firmware_leave how, firmware_told told, void *arg)
{
	static const char *const other[] = {"rauc", "status", "mark-active", "other", NULL};
	static const char *const reset[] = {
		"systemctl", "--no-block", "start", "sluice-factory-reset.service", NULL};

	f->left = told;
	f->left_arg = arg;
	switch (how) {
	case LEAVE_REBOOT:
		return restart(f, told, arg);
	case LEAVE_ROLLBACK:
		return ask(f, other, on_active, f);
	case LEAVE_RESET:
		return ask(f, reset, told, arg);
	}
	return -EINVAL;
}

void firmware_close(struct firmware *f)
{
	if (!f)
		return;
	if (f->download)
		download_cancel(f->download);
	for (struct job *job = f->jobs, *next; job; job = next) {
		firmware_told told = job->told;

		next = job->next;
		job->firmware = NULL;
		job->told = NULL;
		if (told && told != on_active)
			told(job->arg, NULL, "the control plane ends");
		if (uv_is_closing((uv_handle_t *)&job->process))
			continue; // its memory goes by itself
		uv_close((uv_handle_t *)&job->process, on_closed);
		uv_close((uv_handle_t *)&job->out.pipe, on_closed);
		uv_close((uv_handle_t *)&job->err.pipe, on_closed);
		uv_close((uv_handle_t *)&job->timer, on_closed);
	}
	free(f);
}
