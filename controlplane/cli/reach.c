// SPDX-License-Identifier: BSD-3-Clause
// sluice ping, sluice traceroute: Debian's programs, run here and so on the box's own way to the
// network, through the twins of its ports. A box that runs in another network namespace, as a
// lab's, is entered for it. What they say is passed on line by line.
#include "cli.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define COUNT_DEFAULT "5"
#define WORDS         7 // of a program
#define ENTER         5 // nsenter -t PID -n --

enum {
	HOST,
	COUNT,
};

struct run {
	const struct cli_asker *asker;
	pid_t child;
	FILE *said; // what the program prints
	json_t *lines;
	bool interrupted;
};

// A name or an address, and no option.
static bool is_host(const char *text)
{
	const char *letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:_-%";

	return *text && *text != '-' && strlen(text) < 256 && strspn(text, letters) == strlen(text);
}

static bool is_count(const char *text)
{
	return strspn(text, "0123456789") == strlen(text) && strlen(text) < 7 && atoi(text) > 0;
}

static char *constant(const char *text)
{
	return (char *)(uintptr_t)text;
}

// The control plane behind the socket, when its network is another than ours; else 0.
static pid_t elsewhere(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t size = sizeof(struct ucred);
	struct stat ours, theirs;
	struct ucred peer = {0};
	char name[40];

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) ||
		getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size))
		peer.pid = 0;
	if (fd >= 0)
		close(fd);
	snprintf(name, sizeof(name), "/proc/%d/ns/net", (int)peer.pid);
	if (!peer.pid || stat("/proc/self/ns/net", &ours) || stat(name, &theirs))
		return 0;
	return ours.st_ino == theirs.st_ino && ours.st_dev == theirs.st_dev ? 0 : peer.pid;
}

// Its output and its complaints into `said`. 0 or -errno.
static int begin(struct run *run, char *const *words)
{
	pid_t box = elsewhere(run->asker->socket);
	char pid[16], *all[ENTER + WORDS] = {constant("nsenter"), constant("-t"), pid,
			      constant("-n"), constant("--")};
	posix_spawn_file_actions_t actions;
	int ends[2], error;

	snprintf(pid, sizeof(pid), "%d", (int)box);
	memcpy(all + ENTER, words, WORDS * sizeof(*words));
	words = box ? all : all + ENTER;
	if (pipe(ends))
		return -errno;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
	posix_spawn_file_actions_addclose(&actions, ends[0]);
	posix_spawn_file_actions_addclose(&actions, ends[1]);
	error = posix_spawnp(&run->child, words[0], &actions, NULL, words, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	run->said = error ? NULL : fdopen(ends[0], "r");
	if (!run->said)
		close(ends[0]);
	return error ? -error : 0;
}

static void pass_on(struct run *run, const char *line)
{
	if (run->asker->json) {
		json_array_append_new(run->lines, json_stringn(line, strcspn(line, "\n")));
		return;
	}
	fputs(line, run->asker->out);
	fflush(run->asker->out);
}

// Ctrl-C ends the program, which then says what it has found so far.
static void read_all(struct run *run)
{
	char *line = NULL;
	size_t size = 0;

	for (bool more = true; more;) {
		errno = 0;
		if (getline(&line, &size, run->said) >= 0)
			pass_on(run, line);
		else
			more = errno == EINTR;
		clearerr(run->said);
		if (interrupt_seen() && !run->interrupted) {
			run->interrupted = true;
			kill(run->child, SIGINT);
		}
	}
	free(line);
}

static int finish(struct run *run, const char *host)
{
	int status = 0;
	bool reached;

	while (waitpid(run->child, &status, 0) < 0 && errno == EINTR)
		;
	reached = WIFEXITED(status) && WEXITSTATUS(status) == 0;
	if (run->asker->json) {
		json_t *answer = json_pack(
			"{s:s, s:b, s:O}", "host", host, "reached", reached, "lines", run->lines);

		json_dumpf(answer, run->asker->out, JSON_INDENT(2));
		fputc('\n', run->asker->out);
		json_decref(answer);
	}
	return reached ? CLI_OK : CLI_ERROR;
}

static int reach(const struct cli_call *call, const struct cli_asker *asker, char *const *words)
{
	struct run run = {.asker = asker, .lines = json_array()};
	const char *host = call->values[HOST];
	int result = CLI_ERROR, error;

	interrupt_catch();
	error = begin(&run, words);
	if (error == 0 && run.said) {
		read_all(&run);
		fclose(run.said);
		result = finish(&run, host);
	} else {
		fprintf(asker->err, "sluice: %s: %s: install Debian's package of that name\n",
			words[0], strerror(-error));
	}
	json_decref(run.lines);
	return result;
}

static bool right_host(const struct cli_call *call, const struct cli_asker *asker)
{
	if (is_host(call->values[HOST]))
		return true;
	fprintf(asker->err, "sluice: host: found \"%.80s\", expected a name or an address\n",
		call->values[HOST]);
	return false;
}

static int ping(const struct cli_call *call, const struct cli_asker *asker)
{
	const char *count = call->values[COUNT] ? call->values[COUNT] : COUNT_DEFAULT;
	char *const words[WORDS] = {constant("ping"), constant("-n"), constant("-c"),
		constant(count), constant("--"), constant(call->values[HOST])};

	if (!right_host(call, asker))
		return CLI_USAGE;
	if (!is_count(count)) {
		fprintf(asker->err,
			"sluice: count: found \"%.80s\", expected a number from 1 to "
			"999999\n",
			count);
		return CLI_USAGE;
	}
	return reach(call, asker, words);
}

static int traceroute(const struct cli_call *call, const struct cli_asker *asker)
{
	char *const words[WORDS] = {constant("traceroute"), constant("-n"), constant("--"),
		constant(call->values[HOST])};

	return right_host(call, asker) ? reach(call, asker, words) : CLI_USAGE;
}

const struct cli_command cli_ping = {
	.words = {"ping", "HOST"},
	.help = "echo requests of the box itself to a host",
	.arguments = {[HOST] = {"host", "HOST", "a name or an address"},
		[COUNT] = {"count", "NUMBER", "so many instead of 5"}},
	.positional = true,
	.run = ping,
};

const struct cli_command cli_traceroute = {
	.words = {"traceroute", "HOST"},
	.help = "the routers between the box itself and a host",
	.arguments = {[HOST] = {"host", "HOST", "a name or an address"}},
	.positional = true,
	.run = traceroute,
};
