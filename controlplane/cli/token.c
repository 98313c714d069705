// SPDX-License-Identifier: BSD-3-Clause
// sluice token list|create|delete
#include "cli.h"

static void print_list(json_t *answer, FILE *out)
{
	struct table *table = table_new("lll");
	json_t *row;
	size_t i;

	table_head(table, (const char *const[]){"NAME", "ROLE", "MADE"});
	json_array_foreach(json_object_get(answer, "tokens"), i, row)
	{
		table_cell(table, "%s", row_text(row, "name"));
		table_cell(table, "%s", row_text(row, "role"));
		table_cell(table, "%s", row_text(row, "made"));
	}
	table_print(table, "no tokens", out);
}

// The token alone, so that a script may take it as it is.
static void print_created(json_t *answer, FILE *out)
{
	fprintf(out, "%s\n", row_text(answer, "token"));
}

static void print_deleted(json_t *answer, FILE *out)
{
	fprintf(out, "%s is no token any more\n", row_text(answer, "deleted"));
}

const struct cli_command cli_token_list = {
	.words = {"token", "list"},
	.help = "tokens for the API over HTTPS, and their roles",
	.path = "/v1/tokens",
	.print = print_list,
};

const struct cli_command cli_token_create = {
	.words = {"token", "create"},
	.help = "make a token for the API over HTTPS; it is told this once",
	.path = "/v1/token/create",
	.arguments = {{"name", "NAME", "of the token, as it stands in the log"},
		{"role", "view|admin", "view asks, which is the default; admin changes"}},
	.changes = true,
	.bare = 1,
	.print = print_created,
};

static const struct cli_values tokens = {
	.path = "/v1/tokens", .rows = "tokens", .member = "name", .help = "role"};

const struct cli_command cli_token_delete = {
	.words = {"token", "delete"},
	.help = "let a token be no one's any more, at once",
	.path = "/v1/token/delete",
	.arguments = {{"name", "NAME", "of the token"}},
	.changes = true,
	.bare = 1,
	.print = print_deleted,
	.values = {&tokens},
};
