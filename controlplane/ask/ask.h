// SPDX-License-Identifier: BSD-3-Clause
// Questions on a terminal: each shows what Enter takes, and is asked again, with the reason, until
// its answer is one.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct terminal {
	FILE *in, *out;
	bool ended; // no more answers come; questions keep what they propose
};

// NULL when the text is an answer, else what was expected. `arg` is the question's.
typedef const char *(*ask_check)(const char *text, const void *arg);

struct question {
	const char *text;
	ask_check check; // NULL: everything is an answer
	const void *arg;
};

// `answer` holds what is proposed and gets the answer; `room` bytes.
void ask(struct terminal *terminal, struct question question, char *answer, size_t room);
bool ask_yes(struct terminal *terminal, const char *question, bool proposed);
// Not shown. False: none was given; Ctrl-C gives none.
bool ask_hidden(struct terminal *terminal, const char *question, char *text, size_t room);
// The same, at least 8 characters and asked twice.
bool ask_password(struct terminal *terminal, const char *question, char *password, size_t room);
