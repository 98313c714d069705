// SPDX-License-Identifier: BSD-3-Clause
#include "ask.h"

#include <signal.h>
#include <string.h>
#include <strings.h>
#include <termios.h>
#include <unistd.h>

// A line without its end. False at the end of what comes.
static bool read_answer(struct terminal *terminal, char *text, size_t room)
{
	if (terminal->ended || !fgets(text, (int)room, terminal->in)) {
		terminal->ended = true;
		return false;
	}
	if (!strchr(text, '\n')) {
		int c = 0;

		while (c != '\n' && c != EOF)
			c = fgetc(terminal->in);
	}
	text[strcspn(text, "\r\n")] = '\0';
	return true;
}

static char *trimmed(char *text)
{
	size_t length;

	text += strspn(text, " \t");
	length = strlen(text);
	while (length && (text[length - 1] == ' ' || text[length - 1] == '\t'))
		text[--length] = '\0';
	return text;
}

void ask(struct terminal *terminal, struct question question, char *answer, size_t room)
{
	char line[512];

	for (;;) {
		const char *text, *expected;

		fprintf(terminal->out, "%s [%s]: ", question.text, *answer ? answer : "none");
		fflush(terminal->out);
		if (!read_answer(terminal, line, sizeof(line))) {
			fputc('\n', terminal->out);
			return;
		}
		text = trimmed(line);
		if (!*text)
			text = answer;
		else if (strcasecmp(text, "none") == 0)
			text = "";
		if (strlen(text) >= room) {
			fprintf(terminal->out, "  at most %zu characters\n", room - 1);
			continue;
		}
		expected = question.check ? question.check(text, question.arg) : NULL;
		if (!expected) {
			memmove(answer, text, strlen(text) + 1);
			return;
		}
		fprintf(terminal->out, "  \"%s\": expected %s\n", text, expected);
	}
}

static const char *is_yes_or_no(const char *text, const void *arg)
{
	(void)arg;
	return strcasecmp(text, "yes") == 0 || strcasecmp(text, "y") == 0 ||
			       strcasecmp(text, "no") == 0 || strcasecmp(text, "n") == 0
		       ? NULL
		       : "yes or no";
}

bool ask_yes(struct terminal *terminal, const char *question, bool proposed)
{
	char answer[8];

	snprintf(answer, sizeof(answer), "%s", proposed ? "yes" : "no");
	ask(terminal, (struct question){question, is_yes_or_no, NULL}, answer, sizeof(answer));
	return answer[0] == 'y' || answer[0] == 'Y';
}

// Turns the echo on or off; what is no terminal has none.
static void echo(struct terminal *terminal, bool on)
{
	struct termios mode;
	int fd = fileno(terminal->in);

	if (tcgetattr(fd, &mode))
		return;
	if (on)
		mode.c_lflag |= ECHO;
	else
		mode.c_lflag &= ~(tcflag_t)ECHO;
	tcsetattr(fd, TCSAFLUSH, &mode);
}

// Ends what is read, and nothing else.
static void on_interrupt(int number)
{
	(void)number;
}

bool ask_hidden(struct terminal *terminal, const char *question, char *text, size_t room)
{
	const struct sigaction ends = {.sa_handler = on_interrupt};
	struct sigaction before;
	bool came;

	sigaction(SIGINT, &ends, &before); // who goes has the echo back
	echo(terminal, false); // first: who types at once is not shown, and loses nothing
	fprintf(terminal->out, "%s: ", question);
	fflush(terminal->out);
	came = read_answer(terminal, text, room);
	echo(terminal, true);
	sigaction(SIGINT, &before, NULL);
	fputc('\n', terminal->out);
	return came && *text;
}

bool ask_password(struct terminal *terminal, const char *question, char *password, size_t room)
{
	char again[256];

	for (;;) {
		if (!ask_hidden(terminal, question, password, room))
			return false;
		if (strlen(password) < 8) {
			fputs("  at least 8 characters\n", terminal->out);
			continue;
		}
		if (!ask_hidden(terminal, "The same again", again, sizeof(again)))
			return false;
		if (strcmp(password, again) == 0) {
			explicit_bzero(again, sizeof(again));
			return true;
		}
		fputs("  the two are not the same\n", terminal->out);
	}
}
