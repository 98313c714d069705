// SPDX-License-Identifier: BSD-3-Clause
#include "aside.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILDREN_MAX 4
#define CHILD_S      20
#define CHILD_NICE   5 // on the one core that we may have, the loop goes first

// What is in the file: this, then the text.
struct made {
	enum http_status status;
};

struct aside {
	struct aside *next;
	struct exchange *exchange;
	uv_poll_t poll; // of `process`
	pid_t pid;
	int process, file;
};

static bool write_all(int fd, const void *bytes, size_t length)
{
	const char *at = bytes;

	while (length) {
		ssize_t n = write(fd, at, length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		at += n;
		length -= (size_t)n;
	}
	return true;
}

// In the child: other threads are not here, and what they had locked stays locked. So nothing but
// the answer is made, and whoever is stuck is ended by the alarm.
static void child(struct exchange *x, int file, void (*make)(struct exchange *exchange))
{
	static const int numbers[] = {SIGALRM, SIGTERM, SIGINT, SIGHUP};
	struct made made;

	for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		signal(numbers[i], SIG_DFL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpriority(PRIO_PROCESS, 0, CHILD_NICE);
	alarm(CHILD_S);
	make(x);
	made.status = x->status;
	_exit(x->text && write_all(file, &made, sizeof(made)) && write_all(file, x->text, x->length)
			? EXIT_SUCCESS
			: EXIT_FAILURE);
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

// It has ended, or is to.
static void finish(struct aside *aside)
{
	struct api *api = web_api(aside->exchange->web);
	struct aside **at = &api->asides;
	struct exchange *x = aside->exchange;
	struct made made;
	int status = 0;

	while (*at != aside)
		at = &(*at)->next;
	*at = aside->next;
	waitpid(aside->pid, &status, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS &&
		pread(aside->file, &made, sizeof(made), 0) == sizeof(made)) {
		x->answered = true;
		x->status = made.status;
		x->file = aside->file;
		x->file_offset = sizeof(made);
		x->length = (size_t)lseek(aside->file, 0, SEEK_END) - sizeof(made);
	} else {
		close(aside->file);
		exchange_refuse(x, STATUS_UNAVAILABLE, "the answer could not be made");
	}
	uv_close((uv_handle_t *)&aside->poll, on_closed);
	close(aside->process);
	web_resume(x);
}

static void on_ended(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	finish(poll->data);
}

static unsigned count(const struct api *api)
{
	unsigned n = 0;

	for (const struct aside *aside = api->asides; aside; aside = aside->next)
		n++;
	return n;
}

bool aside_begin(struct exchange *x, void (*make)(struct exchange *exchange))
{
	struct api *api = web_api(x->web);
	struct aside *aside = count(api) < CHILDREN_MAX ? calloc(1, sizeof(*aside)) : NULL;

	if (!aside)
		return false;
	aside->exchange = x;
	aside->process = -1;
	aside->file = memfd_create("answer", MFD_CLOEXEC);
	aside->pid = aside->file < 0 ? -1 : fork();
	if (aside->pid == 0)
		child(x, aside->file, make);
	if (aside->pid > 0)
		aside->process = (int)syscall(SYS_pidfd_open, aside->pid, 0);
	if (aside->process < 0 || uv_poll_init(api->loop, &aside->poll, aside->process)) {
		if (aside->pid > 0) {
			kill(aside->pid, SIGKILL);
			waitpid(aside->pid, NULL, 0);
		}
		if (aside->process >= 0)
			close(aside->process);
		if (aside->file >= 0)
			close(aside->file);
		free(aside);
		return false;
	}
	aside->poll.data = aside;
	uv_poll_start(&aside->poll, UV_READABLE, on_ended);
	aside->next = api->asides;
	api->asides = aside;
	return true;
}

void aside_end(struct api *api)
{
	while (api->asides) {
		kill(api->asides->pid, SIGKILL);
		finish(api->asides);
	}
}
