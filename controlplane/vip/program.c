// SPDX-License-Identifier: BSD-3-Clause
// A program kept running. See program.h.
#include "program.h"

#include "log.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define AGAIN_LEAST_MS 100
#define AGAIN_MOST_MS  5000
#define STEADY_MS      10000 // ran so long: its end is not one of a row

struct program {
	uv_loop_t *loop;
	char *arguments[PROGRAM_ARGUMENTS_MAX + 1];
	char *pid_file;
	void *arg;
	void (*changed)(void *arg, bool running);

	bool wanted, running;
	pid_t pid;
	int pidfd;
	uv_poll_t *watch;
	uv_timer_t timer;
	uint64_t started_ms;
	unsigned again_ms;
};

static void free_handle(uv_handle_t *handle)
{
	free(handle);
}

static void unwatch(struct program *p)
{
	if (p->watch) {
		uv_poll_stop(p->watch);
		uv_close((uv_handle_t *)p->watch, free_handle);
		close(p->pidfd);
	}
	p->watch = NULL;
}

static void on_timer(uv_timer_t *timer);

static void ended(struct program *p)
{
	bool steady = uv_now(p->loop) - p->started_ms > STEADY_MS;

	unwatch(p);
	p->running = false;
	unlink(p->pid_file);
	p->again_ms = steady || !p->again_ms            ? AGAIN_LEAST_MS
		      : p->again_ms * 2 > AGAIN_MOST_MS ? AGAIN_MOST_MS
							: p->again_ms * 2;
	if (p->wanted) {
		log_error("vip", "%s has ended, it is started again in %u ms", p->arguments[0],
			p->again_ms);
		uv_timer_start(&p->timer, on_timer, p->again_ms, 0);
	}
	p->changed(p->arg, false);
}

// A child of ours or not: the end of a process is told by its descriptor.
static void on_ended(uv_poll_t *watch, int status, int events)
{
	(void)status;
	(void)events;
	ended(watch->data);
}

static int watch(struct program *p, pid_t pid)
{
	int error;

	p->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (p->pidfd < 0)
		return -errno;
	p->watch = calloc(1, sizeof(*p->watch));
	error = p->watch ? uv_poll_init(p->loop, p->watch, p->pidfd) : -ENOMEM;
	if (error) {
		free(p->watch);
		p->watch = NULL;
		close(p->pidfd);
		return error;
	}
	p->watch->data = p;
	uv_poll_start(p->watch, UV_READABLE, on_ended);
	p->pid = pid;
	p->running = true;
	p->started_ms = uv_now(p->loop);
	return 0;
}

// The process is the program with these very arguments, and not another that has its number now.
static bool is_ours(const struct program *p, pid_t pid)
{
	char path[40], found[4096], wanted[4096];
	size_t n, length = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	n = fread(found, 1, sizeof(found), file);
	fclose(file);
	for (unsigned i = 0; p->arguments[i]; i++) {
		size_t size = strlen(p->arguments[i]) + 1;

		if (length + size > sizeof(wanted))
			return false;
		memcpy(wanted + length, p->arguments[i], size);
		length += size;
	}
	return n == length && memcmp(found, wanted, n) == 0;
}

static pid_t find_running(const struct program *p)
{
	FILE *file = fopen(p->pid_file, "re");
	int pid = 0;

	if (!file)
		return 0;
	if (fscanf(file, "%d", &pid) != 1) // NOLINT(cert-err34-c): 0 is no process
		pid = 0;
	fclose(file);
	return pid > 0 && is_ours(p, pid) ? pid : 0;
}

static void on_child_ended(uv_process_t *process, int64_t status, int number)
{
	(void)status;
	(void)number;
	uv_close((uv_handle_t *)process, free_handle); // ended() comes by the descriptor
}

static int start(struct program *p)
{
	uv_process_t *process = calloc(1, sizeof(*process));
	uv_stdio_container_t files[3] = {{.flags = UV_IGNORE},
		{.flags = UV_INHERIT_FD, .data.fd = 2}, {.flags = UV_INHERIT_FD, .data.fd = 2}};
	uv_process_options_t options = {
		.file = p->arguments[0],
		.args = p->arguments,
		.flags = UV_PROCESS_DETACHED,
		.exit_cb = on_child_ended,
		.stdio_count = 3,
		.stdio = files,
	};
	FILE *file;
	int error;

	if (!process)
		return -ENOMEM;
	error = uv_spawn(p->loop, process, &options);
	if (error) {
		uv_close((uv_handle_t *)process, free_handle);
		return error;
	}
	uv_unref((uv_handle_t *)process);
	file = fopen(p->pid_file, "we");
	if (file) {
		fprintf(file, "%d\n", process->pid);
		fclose(file);
	}
	return watch(p, process->pid);
}

bool program_run(struct program *p)
{
	pid_t pid = p->running ? 0 : find_running(p);
	int error;

	p->wanted = true;
	if (p->running)
		return true;
	error = pid ? watch(p, pid) : start(p);
	if (error) {
		log_error("vip", "%s cannot be run: %s", p->arguments[0], uv_strerror(error));
		uv_timer_start(&p->timer, on_timer, AGAIN_MOST_MS, 0);
		return false;
	}
	log_notice(
		"vip", "%s %s, process %d", p->arguments[0], pid ? "goes on" : "runs", (int)p->pid);
	p->changed(p->arg, true);
	return pid != 0;
}

static void on_timer(uv_timer_t *timer)
{
	struct program *p = timer->data;

	if (p->wanted)
		program_run(p);
}

void program_stop(struct program *p)
{
	pid_t pid = p->running ? p->pid : find_running(p); // one that we never came to want

	p->wanted = false;
	uv_timer_stop(&p->timer);
	if (pid)
		kill(pid, SIGTERM);
}

void program_signal(struct program *p, int number)
{
	if (p->running)
		kill(p->pid, number);
}

bool program_running(const struct program *p)
{
	return p->running;
}

static void on_closed(uv_handle_t *timer)
{
	struct program *p = timer->data;

	for (unsigned i = 0; p->arguments[i]; i++)
		free(p->arguments[i]);
	free(p->pid_file);
	free(p);
}

struct program *program_new(uv_loop_t *loop, const struct program_options *options)
{
	struct program *p = calloc(1, sizeof(*p));
	bool ok = p;

	if (!p)
		return NULL;
	p->loop = loop;
	p->arg = options->arg;
	p->changed = options->changed;
	p->pid_file = strdup(options->pid_file);
	ok = p->pid_file;
	for (unsigned i = 0; options->arguments[i] && i < PROGRAM_ARGUMENTS_MAX; i++) {
		p->arguments[i] = strdup(options->arguments[i]);
		ok &= p->arguments[i] != NULL;
	}
	uv_timer_init(loop, &p->timer);
	p->timer.data = p;
	if (!ok) {
		program_release(p);
		return NULL;
	}
	return p;
}

void program_release(struct program *p)
{
	if (!p)
		return;
	unwatch(p);
	uv_close((uv_handle_t *)&p->timer, on_closed);
}
