// SPDX-License-Identifier: BSD-3-Clause
// Output longer than the terminal goes through less, which ends by itself when nothing is left. It
// is asked to start no other program. See console.h.
#include "console.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

static bool fits(const char *text)
{
	struct winsize size = {0};
	unsigned rows = 0, columns = 0;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || !size.ws_row || !size.ws_col)
		return true;
	for (; *text; text++) {
		bool end = *text == '\n' || ++columns > size.ws_col;

		rows += end;
		if (end)
			columns = *text != '\n';
	}
	return rows < size.ws_row;
}

static void write_all(int fd, const char *text)
{
	size_t left = strlen(text);

	while (left) {
		ssize_t n = write(fd, text, left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return; // less was left before the end
		text += n;
		left -= (size_t)n;
	}
}

static void run_less(int fd)
{
	dup2(fd, STDIN_FILENO);
	close(fd);
	setenv("LESSSECURE", "1", 1);
	setenv("LESSHISTFILE", "-", 1);
	execlp("less", "less", "-FRX", (char *)NULL);
	_exit(127);
}

void pager_show(const char *text, bool all_at_once)
{
	int ends[2], status = 0;
	pid_t child;

	if (all_at_once || fits(text) || pipe(ends) < 0) {
		write_all(STDOUT_FILENO, text);
		return;
	}
	child = fork();
	if (child == 0) {
		close(ends[1]);
		run_less(ends[0]);
	}
	close(ends[0]);
	if (child > 0)
		write_all(ends[1], text);
	close(ends[1]);
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
		continue;
	if (child < 0 || (WIFEXITED(status) && WEXITSTATUS(status) == 127))
		write_all(STDOUT_FILENO, text); // there is no less here
}
