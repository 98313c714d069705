// SPDX-License-Identifier: BSD-3-Clause
// What the machine says of itself. See bundle.h. A program that does not end, or says too much, is
// ended; one that is not there is told in its file.
#include "bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FILE_MOST  (4u << 20) // bytes of one; of programs too
#define PROGRAM_MS 10000

static const char *const files[] = {"/etc/os-release", "/proc/version", "/proc/cmdline",
	"/proc/cpuinfo", "/proc/meminfo", "/proc/interrupts", "/proc/loadavg", "/proc/uptime",
	"/proc/modules", "/proc/mounts", "/proc/net/dev", "/proc/net/snmp", "/proc/net/netstat",
	"/proc/softirqs", "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages",
	"/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages",
	"/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages",
	"/sys/kernel/mm/hugepages/hugepages-1048576kB/free_hugepages"};

struct program {
	const char *name; // of its file
	const char *words[10];
};

static const struct program programs[] = {
	{"journal/sluice", {"journalctl", "--no-pager", "-o", "short-iso", "-n", "20000", "-u",
				   "sluice-*", NULL}},
	{"journal/kernel",
		{"journalctl", "--no-pager", "-o", "short-iso", "-n", "5000", "-k", NULL}},
	{"journal/warnings", {"journalctl", "--no-pager", "-o", "short-iso", "-n", "2000", "-p",
				     "warning", "-b", NULL}},
	{"system/services", {"systemctl", "--no-pager", "status", "sluice-*", NULL}},
	{"system/failed", {"systemctl", "--no-pager", "--failed", NULL}},
	{"system/lspci", {"lspci", "-nnvv", NULL}},
	{"system/numa", {"lscpu", NULL}},
	{"system/disks", {"lsblk", "-o", "NAME,SIZE,TYPE,FSTYPE,PARTLABEL,MOUNTPOINT", NULL}},
	{"system/space", {"df", "-h", NULL}},
	{"system/addresses", {"ip", "-d", "-s", "address", NULL}},
	{"system/routes", {"ip", "route", "show", "table", "all", NULL}},
	{"system/neighbours", {"ip", "neighbour", NULL}},
	{"system/nftables", {"nft", "list", "ruleset", NULL}},
	{"system/processes", {"ps", "axo", "pid,stat,rss,psr,pcpu,etime,comm", NULL}},
	{"system/update", {"rauc", "status", "--detailed", NULL}},
};

void bundle_add(struct archive *archive, const char *name, const char *text, size_t length)
{
	char path[ARCHIVE_NAME_MAX + 1];

	snprintf(path, sizeof(path), ARCHIVE_SUPPORT "%s", name);
	if (length > FILE_MOST)
		length = FILE_MOST;
	(void)archive_add(archive, path, text, length);
}

static void add_file(struct archive *archive, const char *path)
{
	char name[200], *text = malloc(FILE_MOST);
	FILE *file = text ? fopen(path, "re") : NULL;

	if (file) {
		size_t length = fread(text, 1, FILE_MOST, file);

		snprintf(name, sizeof(name), "system%s", path);
		bundle_add(archive, name, text, length);
		fclose(file);
	}
	free(text);
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

// What comes of the pipe until it ends, or it is too much or too late, which ends the program.
static size_t read_output(int fd, char *text, pid_t child)
{
	int64_t until = now_ms() + PROGRAM_MS;
	size_t length = 0;

	while (length < FILE_MOST) {
		struct pollfd wait = {.fd = fd, .events = POLLIN};
		int64_t left = until - now_ms();
		ssize_t n;

		if (left <= 0 || poll(&wait, 1, (int)left) <= 0)
			break;
		n = read(fd, text + length, FILE_MOST - length);
		if (n <= 0)
			return length;
		length += (size_t)n;
	}
	kill(child, SIGKILL);
	return length;
}

static int start(const struct program *program, int output, pid_t *child)
{
	posix_spawn_file_actions_t actions;
	int error;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
	error = posix_spawnp(child, program->words[0], &actions, NULL,
		(char *const *)(uintptr_t)program->words, environ);
	posix_spawn_file_actions_destroy(&actions);
	return error;
}

static void add_program(struct archive *archive, const struct program *program)
{
	char *text = malloc(FILE_MOST + 200);
	size_t length = 0;
	int ends[2], error;
	pid_t child;

	if (!text || pipe2(ends, O_CLOEXEC) < 0) {
		free(text);
		return;
	}
	error = start(program, ends[1], &child);
	close(ends[1]);
	if (error) {
		length =
			(size_t)snprintf(text, 200, "%s: %s\n", program->words[0], strerror(error));
	} else {
		length = read_output(ends[0], text, child);
		while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
			;
	}
	close(ends[0]);
	bundle_add(archive, program->name, text, length);
	free(text);
}

void bundle_gather(struct archive *archive)
{
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		add_file(archive, files[i]);
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++)
		add_program(archive, &programs[i]);
}
