// SPDX-License-Identifier: BSD-3-Clause
// A line of the file of tokens, and the arguments of a question.
#include "token.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void as_argument(const char *text)
{
	for (unsigned i = 0; api_commands[i]; i++)
		for (unsigned j = 0; j < API_ARGUMENTS_MAX && api_commands[i]->arguments[j].name;
			j++) {
			struct api_request request = {0};
			struct reason reason = {0};

			api_request_set(&request, api_commands[i],
				api_commands[i]->arguments[j].name, text, &reason);
			if (!request.values[j] == !reason.count)
				abort();
			reason_clear(&reason);
		}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *line = malloc(size + 1);
	struct token token;
	enum api_role role;

	if (!line)
		return 0;
	memcpy(line, data, size);
	line[size] = '\0';
	if (token_parse(line, size, &token) &&
		(!token_name_ok(token.name) ||
			!token_role_parse(token_role_name(token.role), &role)))
		abort();
	as_argument(line);
	free(line);
	return 0;
}
