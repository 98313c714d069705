// SPDX-License-Identifier: BSD-3-Clause
// BIRD's configuration, process and control socket. See bird.h.
#include "bird.h"

#include "log.h"
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define PARTS       2 // of what is asked each second
#define ANSWER_MAX  (256 * 1024)
#define LOOK_MS     1000
#define PATIENCE_MS 3000

struct bird {
	uv_loop_t *loop;
	char *conf, *beside, *said, *socket, *pid_file;
	struct program *program;
	char *waiting, *trying, *used; // texts
	uv_process_t *process;         // that tries
	bool wanted, telling;
	char mistake[400];

	uv_timer_t look, patience;
	int fd; // of the question under way, -1 = none
	uv_poll_t *poll;
	bool configuring; // the question is to look at the file, not for protocols
	char *answer;
	size_t answer_bytes;
	unsigned code; // of the last line

	unsigned parts; // of the answer that have come
	struct bird_rows *rows, *next;
	unsigned handles;
};

static void advance(struct bird *b);

static void set_mistake(struct bird *b, const char *text)
{
	if (strcmp(b->mistake, text) != 0 && *text)
		log_error("vip", "BIRD: %s", text);
	snprintf(b->mistake, sizeof(b->mistake), "%s", text);
}

static void free_handle(uv_handle_t *handle)
{
	free(handle);
}

// The control socket: one question a connection, small, local, without waiting.

static void hang_up(struct bird *b)
{
	if (b->fd < 0)
		return;
	uv_timer_stop(&b->patience);
	uv_poll_stop(b->poll);
	uv_close((uv_handle_t *)b->poll, free_handle);
	close(b->fd);
	b->fd = -1;
	free(b->answer);
	b->answer = NULL;
	b->answer_bytes = 0;
	bird_rows_clear(b->next);
}

static void take_rows(struct bird *b)
{
	struct bird_rows *before = b->rows;

	b->rows = b->next;
	b->next = before;
}

// The end of the answer has come, with this code.
static void answered(struct bird *b, unsigned code, const char *line, size_t length)
{
	char text[300];

	if (b->configuring) {
		snprintf(text, sizeof(text), "the configuration is not taken: %.*s", (int)length,
			line);
		set_mistake(b, code >= 8000 ? text : "");
		hang_up(b);
		b->telling = false;
		advance(b);
	} else {
		take_rows(b);
		hang_up(b);
	}
}

// "1002-text" goes on, as " text" does; "0013 text" ends. False: the question is over.
static bool take_line(struct bird *b, const char *line, size_t length)
{
	unsigned code = 0;
	bool more;

	if (length > 0 && line[0] == ' ') { // goes on with the code before
		line++;
		length--;
		code = b->code;
		more = true;
	} else if (length >= 5) {
		for (unsigned i = 0; i < 4; i++)
			code = code * 10 + (unsigned)(line[i] - '0');
		more = line[4] == '-';
		line += 5;
		length -= 5;
	} else {
		return true;
	}
	b->code = code;
	if (code == 1) // the greeting
		return true;
	bird_rows_add(b->next, code, line, length);
	if (more || code == 2 || code == 1002 || code == 2002)
		return true;
	if (!b->configuring && ++b->parts < PARTS)
		return true;
	answered(b, code, line, length);
	return false;
}

static void failed(struct bird *b, const char *why)
{
	bool configuring = b->configuring;

	hang_up(b);
	if (!configuring)
		return;
	b->telling = false;
	set_mistake(b, why);
	free(b->used); // nobody knows what it has
	b->used = NULL;
	advance(b);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct bird *b = poll->data;
	char *end, *line = b->answer;
	ssize_t n;

	(void)status;
	(void)events;
	n = read(b->fd, b->answer + b->answer_bytes, ANSWER_MAX - b->answer_bytes);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		failed(b, "its control socket broke off");
		return;
	}
	b->answer_bytes += (size_t)n;
	while ((end = memchr(line, '\n', b->answer_bytes - (size_t)(line - b->answer)))) {
		if (!take_line(b, line, (size_t)(end - line)))
			return;
		line = end + 1;
	}
	b->answer_bytes -= (size_t)(line - b->answer);
	memmove(b->answer, line, b->answer_bytes);
}

static void on_patience(uv_timer_t *timer)
{
	failed(timer->data, "its control socket does not answer");
}

static int ask(struct bird *b, const char *question)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(name.sun_path, sizeof(name.sun_path), "%s", b->socket);
	if (fd < 0 || connect(fd, (struct sockaddr *)&name, sizeof(name)) < 0 ||
		write(fd, question, strlen(question)) != (ssize_t)strlen(question)) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	b->answer = malloc(ANSWER_MAX);
	b->poll = calloc(1, sizeof(*b->poll));
	if (!b->answer || !b->poll || uv_poll_init(b->loop, b->poll, fd)) {
		free(b->answer);
		free(b->poll);
		b->answer = NULL;
		close(fd);
		return -1;
	}
	b->fd = fd;
	b->poll->data = b;
	b->answer_bytes = 0;
	b->parts = 0;
	uv_poll_start(b->poll, UV_READABLE, on_readable);
	uv_timer_start(&b->patience, on_patience, PATIENCE_MS, 0);
	return 0;
}

// While BIRD starts its socket is not there yet: the next look tells it.
static void tell(struct bird *b)
{
	if (b->fd >= 0 && !b->configuring)
		hang_up(b);
	if (b->fd >= 0 || !program_running(b->program))
		return;
	b->configuring = true;
	if (ask(b, "configure\n") < 0)
		b->configuring = false;
}

static void on_look(uv_timer_t *timer)
{
	struct bird *b = timer->data;

	if (b->fd >= 0 || !program_running(b->program))
		return;
	if (b->telling) {
		tell(b);
		return;
	}
	b->configuring = false;
	ask(b, "show protocols all\nshow bfd sessions\n");
}

// The text is tried

static void read_said(struct bird *b)
{
	FILE *file = fopen(b->said, "re");
	char line[300] = "", text[400];

	if (file) {
		if (!fgets(line, sizeof(line), file))
			line[0] = '\0';
		fclose(file);
	}
	line[strcspn(line, "\n")] = '\0';
	snprintf(text, sizeof(text), "`bird -p` refuses the configuration, the old one stays: %s",
		*line ? line : "it says nothing");
	set_mistake(b, text);
}

static void on_tried(uv_process_t *process, int64_t status, int number)
{
	struct bird *b = process->data;

	uv_close((uv_handle_t *)process, free_handle);
	if (!b) // it was released meanwhile
		return;
	b->process = NULL;
	if (status || number) {
		read_said(b);
		free(b->trying);
		b->trying = NULL;
	} else if (rename(b->beside, b->conf) < 0) {
		set_mistake(b, strerror(errno));
		free(b->trying);
		b->trying = NULL;
	} else {
		set_mistake(b, "");
		free(b->used);
		b->used = b->trying;
		b->trying = NULL;
		b->telling = b->wanted && program_run(b->program);
		if (b->telling)
			tell(b);
	}
	advance(b);
}

static bool write_beside(struct bird *b)
{
	int fd = open(b->beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	size_t size = strlen(b->trying);
	bool ok = fd >= 0 && write(fd, b->trying, size) == (ssize_t)size;

	if (fd >= 0)
		close(fd);
	return ok;
}

static void try_text(struct bird *b)
{
	char *arguments[] = {"bird", "-p", "-c", b->beside, NULL};
	uv_process_t *process = calloc(1, sizeof(*process));
	int fd = open(b->said, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640), error = -ENOMEM;
	uv_stdio_container_t files[3] = {{.flags = UV_IGNORE},
		{.flags = UV_INHERIT_FD, .data.fd = fd}, {.flags = UV_INHERIT_FD, .data.fd = fd}};
	uv_process_options_t options = {.file = "bird",
		.args = arguments,
		.exit_cb = on_tried,
		.stdio_count = 3,
		.stdio = files};

	if (process && fd >= 0 && write_beside(b)) {
		process->data = b;
		error = uv_spawn(b->loop, process, &options);
		if (error)
			uv_close((uv_handle_t *)process, free_handle);
		else
			b->process = process;
	} else {
		free(process);
	}
	if (fd >= 0)
		close(fd);
	if (!error)
		return;
	set_mistake(b, error == UV_ENOENT ? "the program bird is not installed"
					  : "its configuration cannot be written or tried");
	free(b->trying);
	b->trying = NULL;
}

static void advance(struct bird *b)
{
	if (b->trying || b->telling || !b->waiting)
		return;
	b->trying = b->waiting;
	b->waiting = NULL;
	if (b->used && strcmp(b->used, b->trying) == 0) {
		free(b->trying);
		b->trying = NULL;
		program_run(b->program);
	} else {
		try_text(b);
	}
}

void bird_configure(struct bird *b, char *text)
{
	free(b->waiting);
	b->waiting = text;
	b->wanted = text != NULL;
	if (text) {
		if (!uv_is_active((uv_handle_t *)&b->look))
			uv_timer_start(&b->look, on_look, LOOK_MS / 4, LOOK_MS);
		advance(b);
		return;
	}
	program_stop(b->program);
	uv_timer_stop(&b->look);
	free(b->used);
	b->used = NULL;
	bird_rows_clear(b->rows);
	set_mistake(b, "");
}

static void on_program(void *arg, bool running)
{
	struct bird *b = arg;

	if (!running) {
		hang_up(b);
		b->telling = false;
		bird_rows_clear(b->rows);
		advance(b);
	}
}

const struct bird_protocol *bird_protocol(const struct bird *b, unsigned i)
{
	return i < b->rows->protocol_count ? &b->rows->protocols[i] : NULL;
}

const char *bird_bfd_state(const struct bird *b, const struct addr *address)
{
	for (unsigned i = 0; i < b->rows->session_count; i++)
		if (addr_compare(&b->rows->sessions[i].address, address) == 0)
			return b->rows->sessions[i].state;
	return "";
}

const char *bird_mistake(const struct bird *b)
{
	return b->mistake;
}

bool bird_running(const struct bird *b)
{
	return program_running(b->program);
}

static void bird_free(struct bird *b)
{
	free(b->conf);
	free(b->beside);
	free(b->said);
	free(b->socket);
	free(b->pid_file);
	free(b->waiting);
	free(b->trying);
	free(b->used);
	free(b->rows);
	free(b->next);
	free(b);
}

static void on_timer_closed(uv_handle_t *handle)
{
	struct bird *b = handle->data;

	if (--b->handles == 0)
		bird_free(b);
}

static char *path(const char *dir, const char *name)
{
	char *text;

	return asprintf(&text, "%s/%s", dir, name) < 0 ? NULL : text;
}

struct bird *bird_new(uv_loop_t *loop, const char *run_dir)
{
	struct bird *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->loop = loop;
	b->fd = -1;
	b->conf = path(run_dir, "bird.conf");
	b->beside = path(run_dir, "bird.conf.new");
	b->said = path(run_dir, "bird.said");
	b->socket = path(run_dir, "bird.ctl");
	b->pid_file = path(run_dir, "bird.pid");
	b->rows = calloc(1, sizeof(*b->rows));
	b->next = calloc(1, sizeof(*b->next));
	if (!b->conf || !b->beside || !b->said || !b->socket || !b->pid_file || !b->rows ||
		!b->next) {
		bird_free(b);
		return NULL;
	}
	// -R: who knew us before keeps our routes until we have said them again.
	const struct program_options options = {
		.arguments = (const char *const[]){"bird", "-f", "-R", "-c", b->conf, "-s",
			b->socket, NULL},
		.pid_file = b->pid_file,
		.arg = b,
		.changed = on_program,
	};
	b->program = program_new(loop, &options);
	if (!b->program) {
		bird_free(b);
		return NULL;
	}
	b->handles = 2;
	uv_timer_init(loop, &b->look);
	uv_timer_init(loop, &b->patience);
	b->look.data = b->patience.data = b;
	return b;
}

void bird_release(struct bird *b)
{
	if (!b)
		return;
	if (b->process)
		b->process->data = NULL;
	hang_up(b);
	program_release(b->program);
	uv_close((uv_handle_t *)&b->look, on_timer_closed);
	uv_close((uv_handle_t *)&b->patience, on_timer_closed);
}
