// SPDX-License-Identifier: BSD-3-Clause
// A line of the console as words. Pure. See console.h.
#include "console.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// The word that begins at `in`; its text goes to `out`. Where both ended.
static const char *take_word(struct words *words, const char *in, char **out)
{
	char quote = '\0';

	for (; *in; in++) {
		if (quote ? *in == quote : *in == '"' || *in == '\'') {
			quote = quote ? '\0' : *in;
			continue;
		}
		if (!quote && (*in == ' ' || *in == '\t' || *in == '|'))
			break;
		if (*in == '\\' && quote != '\'' && in[1])
			in++;
		*(*out)++ = *in;
	}
	words->quote = quote;
	words->open = *in == '\0';
	return in;
}

int words_split(struct words *words, const char *line)
{
	const char *in = line;
	char *out;

	memset(words, 0, sizeof(*words));
	// Each word ends with a zero, which a | has no other room for.
	words->text = out = malloc(2 * strlen(line) + 2);
	if (!out)
		return -ENOMEM;
	for (;;) {
		in += strspn(in, " \t");
		if (!*in)
			return 0;
		if (words->count == WORDS_MAX) {
			words_free(words);
			return -E2BIG;
		}
		words->list[words->count] = out;
		words->starts[words->count] = (size_t)(in - line);
		words->open = false;
		words->piped[words->count] = *in == '|';
		if (*in == '|')
			*out++ = *in++;
		else
			in = take_word(words, in, &out);
		*out++ = '\0';
		words->count++;
		words->list[words->count] = NULL;
		if (words->open)
			return 0;
	}
}

void words_free(struct words *words)
{
	free(words->text);
	memset(words, 0, sizeof(*words));
}
