// SPDX-License-Identifier: BSD-3-Clause
// sluice show config, sluice show history, sluice configure ..., sluice commit
#include "cli.h"

#include <string.h>

static const struct cli_values paths = {
	.path = "/v1/config/complete",
	.rows = "words",
	.member = "word",
	.help = "help",
	.typed = true,
};

static const struct cli_values revisions = {
	.path = "/v1/config/history",
	.rows = "history",
	.member = "ago",
	.help = "comment",
};

static void print_text(json_t *answer, FILE *out)
{
	const char *text = json_string_value(json_object_get(answer, "text"));

	if (!text)
		return;
	fputs(text, out);
	if (*text && text[strlen(text) - 1] != '\n')
		fputc('\n', out);
}

static void print_compare(json_t *answer, FILE *out)
{
	const char *text = json_string_value(json_object_get(answer, "text"));

	fputs(text && *text ? text : "nothing differs\n", out);
}

static void print_history(json_t *answer, FILE *out)
{
	struct table *table = table_new("rrllll");
	json_t *row;
	size_t i;

	table_head(
		table, (const char *const[]){"AGO", "REVISION", "TIME", "WHO", "STATE", "COMMENT"});
	json_array_foreach(json_object_get(answer, "history"), i, row)
	{
		const char *undone = json_string_value(json_object_get(row, "undone_at"));
		const char *comment = json_string_value(json_object_get(row, "comment"));

		table_cell(table, "%llu", (unsigned long long)row_number(row, "ago"));
		table_cell(table, "%llu", (unsigned long long)row_number(row, "revision"));
		table_cell(table, "%s", row_text(row, "time"));
		table_cell(table, "%s", row_text(row, "who"));
		table_cell(table, "%s", undone ? "unconfirmed" : i ? "-" : "in use");
		table_cell(table, "%s", comment ? comment : "");
	}
	table_print(table, "no revision is kept", out);
}

static void print_undone(json_t *answer, FILE *out)
{
	const char *undone = json_string_value(json_object_get(answer, "undone_at"));

	if (undone)
		fprintf(out, "what is in use is undone at %s unless you `commit` once more\n",
			undone);
}

static void print_mistakes(json_t *answer, FILE *out)
{
	const char *mistakes = json_string_value(json_object_get(answer, "mistakes"));

	if (mistakes && *mistakes)
		fprintf(out, "cannot be committed yet:\n%s\n", mistakes);
}

static void print_status(json_t *answer, FILE *out)
{
	print_undone(answer, out);
	if (!json_is_true(json_object_get(answer, "changed")))
		return;
	fprintf(out, "there is a candidate of %s since %s, not committed: show | compare\n",
		row_text(answer, "who"), row_text(answer, "since"));
	if (json_is_true(json_object_get(answer, "behind")))
		fprintf(out, "another revision runs since it was begun: discard it, and set anew "
			     "what is still wanted\n");
	print_mistakes(answer, out);
}

static void print_whole_status(json_t *answer, FILE *out)
{
	print_status(answer, out);
	if (!json_is_true(json_object_get(answer, "changed")))
		fprintf(out, "there is no candidate that differs from what runs\n");
}

static void print_rollback(json_t *answer, FILE *out)
{
	if (json_is_true(json_object_get(answer, "changed")))
		fprintf(out, "this is the candidate now: show | compare, commit\n");
	else
		fprintf(out, "that is what runs: nothing differs\n");
	print_mistakes(answer, out);
}

static void print_discard(json_t *answer, FILE *out)
{
	fprintf(out, "the candidate is gone\n");
}

static void print_commit(json_t *answer, FILE *out)
{
	unsigned long long revision = row_number(answer, "revision");
	const char *result = row_text(answer, "result");
	json_t *key;
	size_t i = 0;

	if (strcmp(result, "confirmed") == 0)
		fprintf(out, "revision %llu is confirmed\n", revision);
	else if (strcmp(result, "nothing") == 0)
		fprintf(out, "nothing differs from revision %llu, which runs\n", revision);
	else
		fprintf(out, "revision %llu is in use\n", revision);
	json_array_foreach(json_object_get(answer, "waiting"), i, key)
		fprintf(out, "%s%s", i ? ", " : "", json_string_value(key));
	if (i)
		fprintf(out, ": once sluice-dataplane is started anew: systemctl restart "
			     "sluice-dataplane\n");
	print_undone(answer, out);
}

const struct cli_command cli_config = {
	.words = {"show", "config"},
	.help = "the configuration that runs, or ran before",
	.path = "/v1/config",
	.arguments = {{"path", "PATH", "only this part: pools.default"},
		{"revision", "AGO", "as it was so many revisions ago"}},
	.bare = 1,
	.bare_spared = true,
	.print = print_text,
	.values = {&paths, &revisions},
};

const struct cli_command cli_history = {
	.words = {"show", "history"},
	.help = "who changed the configuration when",
	.path = "/v1/config/history",
	.print = print_history,
};

const struct cli_command cli_set = {
	.words = {"configure", "set"},
	.help = "set a key in the candidate: set pools.default.priority 50",
	.path = "/v1/config/set",
	.arguments = {{"path", "PATH", "the key: pools.default.priority, ports[0].mtu"},
		{"value", "VALUE", "50, true, \"text\", [ \"a\", \"b\" ], { key = value; }"}},
	.changes = true,
	.bare = 2,
	.print = print_mistakes,
	.tail = 2,
	.raw = true,
	.values = {&paths, &paths},
};

const struct cli_command cli_delete = {
	.words = {"configure", "delete"},
	.help = "delete a key, a group or an element in the candidate",
	.path = "/v1/config/delete",
	.arguments = {{"path", "PATH", "what: pools.default.priority, pools[2]"}},
	.changes = true,
	.bare = 1,
	.print = print_mistakes,
	.values = {&paths},
};

const struct cli_command cli_candidate = {
	.words = {"configure", "show"},
	.help = "the candidate, or what runs while there is none; | compare",
	.path = "/v1/config/candidate",
	.arguments = {{"path", "PATH", "only this part: pools.default"}},
	.bare = 1,
	.bare_spared = true,
	.print = print_text,
	.values = {&paths},
};

const struct cli_command cli_compare = {
	.words = {"configure", "compare"},
	.help = "what the candidate changes, beside what runs or a revision",
	.path = "/v1/config/compare",
	.arguments = {{"revision", "AGO", "beside so many revisions ago"}},
	.bare = 1,
	.bare_spared = true,
	.print = print_compare,
	.values = {&revisions},
};

const struct cli_command cli_configure_status = {
	.words = {"configure", "status"},
	.help = "whose the candidate is and what is wrong with it",
	.path = "/v1/config/candidate",
	.print = print_whole_status,
};

// What the console says by itself: nothing when there is nothing to commit.
const struct cli_command cli_candidate_left = {
	.words = {"configure", "status"},
	.path = "/v1/config/candidate",
	.print = print_status,
};

const struct cli_command cli_rollback = {
	.words = {"configure", "rollback"},
	.help = "make an earlier revision the candidate: rollback 1",
	.path = "/v1/config/rollback",
	.arguments = {{"revision", "AGO", "so many revisions ago, as `show history` counts"}},
	.changes = true,
	.bare = 1,
	.print = print_rollback,
	.values = {&revisions},
};

const struct cli_command cli_discard = {
	.words = {"configure", "discard"},
	.help = "drop the candidate",
	.path = "/v1/config/discard",
	.changes = true,
	.print = print_discard,
};

#define COMMIT_ARGUMENTS                                                                           \
	{                                                                                          \
		{"confirmed", "MINUTES", "undo it then unless another commit confirms it"},        \
			{"file", "FILE", "this file in place of the candidate"},                   \
			{"comment", "TEXT", "what for; the rest of the line"},                     \
	}

const struct cli_command cli_configure_commit = {
	.words = {"configure", "commit"},
	.help = "use the candidate from now on, or confirm what is in use",
	.path = "/v1/config/commit",
	.arguments = COMMIT_ARGUMENTS,
	.changes = true,
	.print = print_commit,
	.tail = 3,
	.content = 2,
};

const struct cli_command cli_commit = {
	.words = {"commit"},
	.help = "use the candidate, or a file, from now on",
	.path = "/v1/config/commit",
	.arguments = COMMIT_ARGUMENTS,
	.changes = true,
	.print = print_commit,
	.tail = 3,
	.content = 2,
};
