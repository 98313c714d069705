// SPDX-License-Identifier: BSD-3-Clause
// What the API has, the console has, the OpenAPI document has and the manual page has.
#include "api_internal.h"
#include "cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static bool has_argument(const struct api_command *row, const char *name)
{
	for (unsigned i = 0; i < API_ARGUMENTS_MAX && row->arguments[i].name; i++)
		if (strcmp(row->arguments[i].name, name) == 0)
			return true;
	return false;
}

static void every_command_asks_a_row(void **state)
{
	(void)state;
	for (unsigned i = 0; cli_commands[i]; i++) {
		const struct cli_command *command = cli_commands[i];
		const struct api_command *row;

		if (!command->path) // the console's own
			continue;
		row = api_command_find(command->path);
		if (!row || row->changes != command->changes) {
			fail_msg("%s is no such row", command->path);
			continue;
		}
		for (unsigned j = 0; j < CLI_ARGUMENTS_MAX && command->arguments[j].name; j++)
			if (!command->run && !command->compose && command->content != j + 1 &&
				!has_argument(row, command->arguments[j].name))
				fail_msg("%s has no %s", row->path, command->arguments[j].name);
	}
}

static void every_row_is_in_the_console(void **state)
{
	(void)state;
	for (unsigned i = 0; api_commands[i]; i++) {
		const struct api_command *row = api_commands[i];
		bool found = row == &api_metrics || row == &api_openapi || // of programs
			     row == &api_complete ||                       // of Tab and ?
			     row == &api_capture_next || row == &api_capture_end ||
			     row == &api_requests_log ||    // of capture
			     row == &api_cluster_manifests; // register dry-run

		for (unsigned j = 0; cli_commands[j]; j++)
			found |= cli_commands[j]->path &&
				 strcmp(cli_commands[j]->path, row->path) == 0;
		if (!found)
			fail_msg("no command asks %s", row->path);
	}
}

static void every_row_is_in_openapi(void **state)
{
	struct api_request request = {0};
	struct text text = {0};
	json_t *document, *paths;

	(void)state;
	api_openapi.write(&request, &text);
	document = json_loadb(text.bytes, text.length, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(document);
	paths = json_object_get(document, "paths");
	for (unsigned i = 0; api_commands[i]; i++) {
		const struct api_command *row = api_commands[i];
		json_t *operation = json_object_get(
			json_object_get(paths, row->path), row->changes ? "post" : "get");
		size_t count = 0;

		assert_string_equal(
			json_string_value(json_object_get(operation, "summary")), row->help);
		while (count < API_ARGUMENTS_MAX && row->arguments[count].name)
			count++;
		assert_int_equal(json_array_size(json_object_get(operation, "parameters")), count);
		if (!row->type && !row->answer)
			fail_msg("%s does not say what it answers", row->path);
	}
	json_decref(document);
	free(text.bytes);
}

static void every_command_is_in_the_manual(void **state)
{
	char *page, line[300];
	size_t size;
	FILE *out = open_memstream(&page, &size);

	(void)state;
	cli_man(out);
	fclose(out);
	for (unsigned i = 0; cli_commands[i]; i++) {
		const struct cli_command *command = cli_commands[i];

		snprintf(line, sizeof(line), ".TP\n.B %s%s%s", command->words[0],
			command->words[1] ? " " : "", command->words[1] ? command->words[1] : "");
		if (!strchr(line, '-') && !strstr(page, line))
			fail_msg("the manual has no %s", line);
	}
	free(page);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_command_asks_a_row),
		cmocka_unit_test(every_row_is_in_the_console),
		cmocka_unit_test(every_row_is_in_openapi),
		cmocka_unit_test(every_command_is_in_the_manual),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
