// SPDX-License-Identifier: BSD-3-Clause
// sluice start shell: root's shell, for whom the console runs as root already: on the appliance the
// administrator, at any terminal. It is told to the system's log; nobody gains rights by it.
#include "cli.h"

#include <errno.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

static void tell(const char *what)
{
	const char *user = getenv("SUDO_USER");
	const char *terminal = ttyname(STDIN_FILENO);

	openlog("sluice", LOG_PID, LOG_AUTHPRIV);
	syslog(LOG_NOTICE, "root's shell %s, by %s at %s", what, user && *user ? user : "root",
		terminal ? terminal : "?");
	closelog();
}

static int run(const struct cli_call *call, const struct cli_asker *asker)
{
	char *const words[] = {(char *)(uintptr_t) "bash", (char *)(uintptr_t) "-l", NULL};
	int status = 0, error;
	pid_t child;

	(void)call;
	if (geteuid() != 0 || !isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
		fprintf(asker->err, geteuid() ? "sluice: root's alone: sudo -i, if you may\n"
					      : "sluice: a shell needs a terminal\n");
		return CLI_ERROR;
	}
	fprintf(asker->out,
		"root's shell: what is changed here no commit undoes; `exit` leads back\n");
	fflush(asker->out);
	error = posix_spawn(&child, "/bin/bash", NULL, NULL, words, environ);
	if (error) {
		fprintf(asker->err, "sluice: /bin/bash: %s\n", strerror(error));
		return CLI_ERROR;
	}
	tell("begins");
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	tell("ends");
	return CLI_OK;
}

const struct cli_command cli_shell = {
	.words = {"start", "shell"},
	.help = "root's shell of the box, at a terminal",
	.run = run,
};
