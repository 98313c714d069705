// SPDX-License-Identifier: BSD-3-Clause
#include "aside.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILDREN_MAX 4  // that make an answer
#define ENDING_MAX   16 // with those that have made one, and give their memory back
#define CHILD_S      20
#define CHILD_NICE   5  // on the one core that we may have, the loop goes first
#define ENDING_NICE  15 // and whoever waits for the answer

// What a child says when the whole text is in the file.
struct made {
	enum http_status status;
};

struct aside {
	struct api *api;
	struct aside *next;
	struct exchange *exchange; // NULL: answered; the child is still to end
	uv_poll_t word, end;       // of `pipe`, of `process`
	unsigned open_handles;
	pid_t pid;
	int process, pipe, file;
};

// In the child: other threads are not here, and what they had locked stays locked. So nothing but
// the answer is made, and whoever is stuck is ended by the alarm.
static void child(
	struct exchange *x, const struct aside *aside, int word, void (*make)(struct exchange *x))
{
	static const int numbers[] = {SIGALRM, SIGTERM, SIGINT, SIGHUP};
	struct made made;

	for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		signal(numbers[i], SIG_DFL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpriority(PRIO_PROCESS, 0, CHILD_NICE);
	alarm(CHILD_S);
	x->file = aside->file;
	make(x);
	made.status = x->status;
	if (x->text && text_write(aside->file, x->text, x->length)) {
		setpriority(PRIO_PROCESS, 0, ENDING_NICE);
		text_write(word, (const char *)&made, sizeof(made));
	}
	_exit(EXIT_SUCCESS);
}

static void on_closed(uv_handle_t *handle)
{
	struct aside *aside = handle->data;

	if (--aside->open_handles == 0)
		free(aside);
}

// It has said that it is done, or is to be no more.
static void answer(struct aside *aside)
{
	struct exchange *x = aside->exchange;
	struct made made;

	aside->exchange = NULL;
	if (read(aside->pipe, &made, sizeof(made)) == sizeof(made)) {
		x->answered = true;
		x->status = made.status;
		x->file = aside->file;
		x->length = (size_t)lseek(aside->file, 0, SEEK_END);
	} else {
		close(aside->file);
		exchange_refuse(x, STATUS_UNAVAILABLE, "the answer could not be made");
	}
	uv_close((uv_handle_t *)&aside->word, on_closed);
	close(aside->pipe);
	web_resume(x);
}

static void reap(struct api *api, struct aside *aside)
{
	struct aside **at = &api->asides;

	while (*at != aside)
		at = &(*at)->next;
	*at = aside->next;
	waitpid(aside->pid, NULL, 0);
	uv_close((uv_handle_t *)&aside->end, on_closed);
	close(aside->process);
}

static void on_word(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	answer(poll->data);
}

static void on_end(uv_poll_t *poll, int status, int events)
{
	struct aside *aside = poll->data;

	(void)status;
	(void)events;
	if (aside->exchange)
		answer(aside);
	reap(aside->api, aside);
}

// May there be one more?
static bool is_room(const struct api *api)
{
	unsigned making = 0, all = 0;

	for (const struct aside *aside = api->asides; aside; aside = aside->next) {
		making += aside->exchange != NULL;
		all++;
	}
	return making < CHILDREN_MAX && all < ENDING_MAX;
}

// The child, and what tells of it. False: there is none.
static bool begin(struct aside *aside, void (*make)(struct exchange *exchange))
{
	int ends[2];

	aside->file = memfd_create("answer", MFD_CLOEXEC);
	if (aside->file < 0)
		return false;
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0) {
		aside->pipe = ends[0];
		aside->pid = fork();
		if (aside->pid == 0)
			child(aside->exchange, aside, ends[1], make);
		close(ends[1]);
		if (aside->pid > 0) {
			aside->process = (int)syscall(SYS_pidfd_open, aside->pid, 0);
			if (aside->process >= 0)
				return true;
			kill(aside->pid, SIGKILL);
			waitpid(aside->pid, NULL, 0);
		}
		close(ends[0]);
	}
	close(aside->file);
	return false;
}

bool aside_begin(struct exchange *x, void (*make)(struct exchange *exchange))
{
	struct api *api = web_api(x->web);
	struct aside *aside = is_room(api) ? calloc(1, sizeof(*aside)) : NULL;

	if (!aside)
		return false;
	aside->api = api;
	aside->exchange = x;
	if (!begin(aside, make)) {
		free(aside);
		return false;
	}
	// Of a descriptor that can be waited for neither fails.
	uv_poll_init(api->loop, &aside->word, aside->pipe);
	uv_poll_init(api->loop, &aside->end, aside->process);
	aside->open_handles = 2;
	aside->word.data = aside->end.data = aside;
	uv_poll_start(&aside->word, UV_READABLE, on_word);
	uv_poll_start(&aside->end, UV_READABLE, on_end);
	aside->next = api->asides;
	api->asides = aside;
	return true;
}

void aside_end(struct api *api)
{
	while (api->asides) {
		struct aside *aside = api->asides;

		kill(aside->pid, SIGKILL);
		if (aside->exchange)
			answer(aside);
		reap(api, aside);
	}
}
