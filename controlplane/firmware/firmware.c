// SPDX-License-Identifier: BSD-3-Clause
#include "firmware.h"

#include "log.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OUTPUT_MOST (256u << 10)
#define QUESTION_MS 30000
#define NO_RAUC     "this box is no appliance: there is no rauc"

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
	enum firmware_leave leave;
	firmware_told left;
	void *left_arg;
};

struct firmware *firmware_new(uv_loop_t *loop)
{
	struct firmware *f = calloc(1, sizeof(*f));

	if (f)
		f->loop = loop;
	return f;
}

// As execvp() would find it.
static bool is_on_path(const char *name)
{
	const char *at = getenv("PATH");
	char path[4096];

	while (at && *at) {
		size_t n = strcspn(at, ":");

		snprintf(path, sizeof(path), "%.*s/%s", (int)n, at, name);
		if (access(path, X_OK) == 0)
			return true;
		at += n + (at[n] == ':');
	}
	return false;
}

bool firmware_there(struct reason *reason)
{
	if (is_on_path("rauc"))
		return true;
	reason_add(reason, NO_RAUC);
	return false;
}

// The word behind `name` in the file.
static void read_word(const char *path, const char *name, char *word, size_t room)
{
	FILE *file = fopen(path, "re");
	char line[4096], *at;

	*word = '\0';
	while (file && !*word && fgets(line, sizeof(line), file)) {
		at = strstr(line, name);
		if (!at || (at != line && at[-1] != ' '))
			continue;
		at += strlen(name);
		at += *at == '"';
		snprintf(word, room, "%.*s", (int)strcspn(at, " \"\n"), at);
	}
	if (file)
		fclose(file);
}

void firmware_image(char version[static 64], char slot[static 16])
{
	read_word("/etc/os-release", "IMAGE_VERSION=", version, 64);
	read_word("/proc/cmdline", "rauc.slot=", slot, 16);
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

static void end_install(struct job *job)
{
	struct firmware_install *install = &job->firmware->install;

	if (job->status == 0) {
		install->state = FIRMWARE_INSTALLED;
		install->percent = 100;
		log_notice(
			"upgrade", "%s is in the other slot, which starts next", install->bundle);
		return;
	}
	install->state = FIRMWARE_FAILED;
	why_failed(job, install->error);
	log_error("upgrade", "%s is not installed: %s", install->bundle, install->error);
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

static bool is_bundle(const char *bundle)
{
	return (bundle[0] == '/' || strncmp(bundle, "http://", 7) == 0 ||
		       strncmp(bundle, "https://", 8) == 0) &&
	       strlen(bundle) < FIRMWARE_TEXT && !strpbrk(bundle, "\n\r\t");
}

int firmware_install(struct firmware *f, const char *bundle, struct reason *reason)
{
	const char *const words[] = {"rauc", "install", bundle, NULL};
	struct job *job;
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
	job = run(f, words, NULL, NULL, &error);
	if (!job) {
		reason_add(reason, "rauc cannot be run: %s", uv_strerror(error));
		return error;
	}
	job->installs = true;
	f->install = (struct firmware_install){.state = FIRMWARE_INSTALLING};
	snprintf(f->install.bundle, sizeof(f->install.bundle), "%s", bundle);
	log_notice("upgrade", "%s is being installed", bundle);
	return 0;
}

const struct firmware_install *firmware_progress(const struct firmware *f)
{
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
