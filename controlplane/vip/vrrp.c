// SPDX-License-Identifier: BSD-3-Clause
// keepalived's configuration, process and states. See vrrp.h.
#include "vrrp.h"

#include "log.h"
#include "program.h"
#include "vrrp_heard.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define IDS           256
#define PRIORITY_MOST 254 // 255 is an owner's

struct vrrp {
	uv_loop_t *loop;
	void (*changed)(void *arg);
	void *arg;
	char *conf, *beside, *fifo, *states_file, *pid_file;
	char *raise;                         // the group's id comes behind it
	char *own_pid_file, *child_pid_file; // keepalived writes them
	struct program *program;
	char *used;
	int fd;
	uv_poll_t poll;
	char line[256];
	size_t line_bytes;
	char mistake[200];
	struct vrrp_heard *heard;
	uint8_t priorities[IDS]; // as configured; 0: not to be raised
	enum vrrp_state states[IDS];
};

// keepalived looks at the file as it is written.
static void raise_by(const struct vrrp *v, uint32_t id, unsigned by)
{
	char *name;
	FILE *file;

	if (asprintf(&name, "%s%u", v->raise, id) < 0)
		return;
	file = fopen(name, "we");
	free(name);
	if (!file)
		return;
	fprintf(file, "%u\n", by);
	fclose(file);
}

static void follow_priority(const struct vrrp *v, uint32_t id)
{
	unsigned own = v->priorities[id], heard = vrrp_heard_priority(v->heard, id);
	bool higher = v->states[id] == VRRP_MASTER && own && heard >= own;

	raise_by(v, id, higher ? (heard < PRIORITY_MOST ? heard + 1 : heard) - own : 0);
}

static void keep_states(const struct vrrp *v)
{
	FILE *file = fopen(v->states_file, "we");

	if (!file)
		return;
	for (unsigned id = 1; id < IDS; id++)
		if (v->states[id] != VRRP_STOPPED)
			fprintf(file, "%u %u\n", id, v->states[id]);
	fclose(file);
}

static void read_states(struct vrrp *v)
{
	FILE *file = fopen(v->states_file, "re");
	unsigned id, state;

	if (!file)
		return;
	while (fscanf(file, "%u %u", &id, &state) == 2) // NOLINT(cert-err34-c): ranges are checked
		if (id < IDS && state <= VRRP_FAULT)
			v->states[id] = (enum vrrp_state)state;
	fclose(file);
}

static bool take_line(struct vrrp *v, const char *line, size_t length)
{
	enum vrrp_state state;
	uint32_t id;

	if (!vrrp_event_parse(line, length, &id, &state) || v->states[id] == state)
		return false;
	log_notice("vip", "virtual router %u is %s", id, vrrp_state_name(state));
	v->states[id] = state;
	follow_priority(v, id);
	return true;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct vrrp *v = poll->data;
	bool changed = false;
	ssize_t n;

	(void)status;
	(void)events;
	while ((n = read(v->fd, v->line + v->line_bytes, sizeof(v->line) - v->line_bytes)) > 0) {
		char *line = v->line, *end;

		v->line_bytes += (size_t)n;
		while ((end = memchr(line, '\n', v->line_bytes - (size_t)(line - v->line)))) {
			changed |= take_line(v, line, (size_t)(end - line));
			line = end + 1;
		}
		v->line_bytes -= (size_t)(line - v->line);
		memmove(v->line, line, v->line_bytes);
		if (v->line_bytes == sizeof(v->line))
			v->line_bytes = 0; // no line of keepalived's is so long
	}
	if (!changed)
		return;
	keep_states(v);
	v->changed(v->arg);
}

static void on_program(void *arg, bool running)
{
	struct vrrp *v = arg;

	if (!running) {
		memset(v->states, 0, sizeof(v->states));
		unlink(v->states_file);
		v->changed(v->arg);
	}
}

static bool write_conf(struct vrrp *v, const char *text)
{
	int fd = open(v->beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	size_t size = strlen(text);
	bool ok = fd >= 0 && write(fd, text, size) == (ssize_t)size;

	if (fd >= 0)
		close(fd);
	ok = ok && rename(v->beside, v->conf) == 0;
	snprintf(v->mistake, sizeof(v->mistake), "%s%s", ok ? "" : v->conf,
		ok ? "" : ": cannot be written");
	return ok;
}

void vrrp_configure(struct vrrp *v, char *text, const struct pair_settings *pair)
{
	bool same = text && v->used && strcmp(text, v->used) == 0;

	memset(v->priorities, 0, sizeof(v->priorities));
	for (unsigned i = 0; i < pair->group_count && !pair->preempt; i++)
		v->priorities[pair->groups[i].id] = (uint8_t)pair->groups[i].priority;
	if (same) {
		free(text);
		return;
	}
	free(v->used);
	v->used = text;
	if (!text) {
		program_stop(v->program);
		return;
	}
	if (!write_conf(v, text))
		return;
	if (program_run(v->program)) {
		program_signal(v->program, SIGHUP);
	} else {
		memset(v->states, 0, sizeof(v->states)); // those were of another
		for (unsigned i = 0; i < pair->group_count; i++)
			raise_by(v, pair->groups[i].id, 0);
		keep_states(v);
	}
}

enum vrrp_state vrrp_state(const struct vrrp *v, uint32_t id)
{
	return id < IDS ? v->states[id] : VRRP_STOPPED;
}

struct keepalived_files vrrp_files(const struct vrrp *v)
{
	return (struct keepalived_files){v->fifo, v->raise};
}

const char *vrrp_mistake(const struct vrrp *v)
{
	return v->mistake;
}

static void vrrp_free(struct vrrp *v)
{
	if (v->fd >= 0)
		close(v->fd);
	free(v->conf);
	free(v->beside);
	free(v->raise);
	free(v->fifo);
	free(v->states_file);
	free(v->pid_file);
	free(v->own_pid_file);
	free(v->child_pid_file);
	free(v->used);
	free(v);
}

static void on_closed(uv_handle_t *handle)
{
	vrrp_free(handle->data);
}

static char *path(const char *dir, const char *name)
{
	char *text;

	return asprintf(&text, "%s/%s", dir, name) < 0 ? NULL : text;
}

static int open_fifo(struct vrrp *v)
{
	struct stat is;

	if (mkfifo(v->fifo, 0600) < 0 && errno == EEXIST &&
		(stat(v->fifo, &is) < 0 || !S_ISFIFO(is.st_mode))) {
		unlink(v->fifo);
		(void)mkfifo(v->fifo, 0600);
	}
	v->fd = open(v->fifo, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	return v->fd < 0 ? -errno : 0;
}

struct vrrp *vrrp_new(uv_loop_t *loop, const char *run_dir, void (*changed)(void *arg), void *arg)
{
	struct vrrp *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	v->loop = loop;
	v->changed = changed;
	v->arg = arg;
	v->fd = -1;
	v->conf = path(run_dir, "keepalived.conf");
	v->beside = path(run_dir, "keepalived.conf.new");
	v->fifo = path(run_dir, "keepalived.fifo");
	v->raise = path(run_dir, "keepalived.raise.");
	v->states_file = path(run_dir, "keepalived.states");
	v->pid_file = path(run_dir, "keepalived.pid");
	v->own_pid_file = path(run_dir, "keepalived.own.pid");
	v->child_pid_file = path(run_dir, "keepalived.vrrp.pid");
	if (!v->conf || !v->beside || !v->fifo || !v->raise || !v->states_file || !v->pid_file ||
		!v->own_pid_file || !v->child_pid_file || open_fifo(v) < 0) {
		vrrp_free(v);
		return NULL;
	}
	// A half that was killed takes the whole down: its end is what we wait for.
	const struct program_options options = {
		.arguments = (const char *const[]){"keepalived", "--dont-fork", "--log-console",
			"--vrrp", "--dont-respawn", "-f", v->conf, "-p", v->own_pid_file, "-r",
			v->child_pid_file, NULL},
		.pid_file = v->pid_file,
		.arg = v,
		.changed = on_program,
	};
	v->program = program_new(loop, &options);
	if (!v->program || uv_poll_init(loop, &v->poll, v->fd)) {
		program_release(v->program);
		vrrp_free(v);
		return NULL;
	}
	v->heard = vrrp_heard_new(loop);
	v->poll.data = v;
	read_states(v);
	uv_poll_start(&v->poll, UV_READABLE, on_readable);
	return v;
}

void vrrp_release(struct vrrp *v)
{
	if (!v)
		return;
	program_release(v->program);
	vrrp_heard_release(v->heard);
	uv_poll_stop(&v->poll);
	uv_close((uv_handle_t *)&v->poll, on_closed);
}
