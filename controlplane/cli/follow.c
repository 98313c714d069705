// SPDX-License-Identifier: BSD-3-Clause
// See follow.h.
#include "follow.h"

#include <stdlib.h>
#include <time.h>

#define WAIT_NS 100000000

static const struct client_text nothing; // a POST's body

const char *time_text(uint64_t time_ns, char text[static TIME_TEXT])
{
	time_t seconds = (time_t)(time_ns / 1000000000);
	struct tm tm = {0};
	size_t n;

	localtime_r(&seconds, &tm);
	n = strftime(text, TIME_TEXT, "%H:%M:%S", &tm);
	snprintf(text + n, TIME_TEXT - n, ".%06u", (unsigned)(time_ns / 1000 % 1000000));
	return text;
}

// {"capture": 7} of the begin; 0: it was refused, which is told.
static json_int_t begin(
	const struct cli_call *call, const struct cli_asker *asker, struct reason *reason)
{
	char *query = client_query(call);
	json_t *answer = NULL;
	json_int_t number = 0;

	if (query && client_ask(asker, query, &nothing, &answer, reason) == CLI_OK)
		number = json_integer_value(json_object_get(answer, "capture"));
	json_decref(answer);
	free(query);
	return number;
}

static enum cli_exit ask(const struct cli_asker *asker, json_int_t number, bool end,
	json_t **answer, struct reason *reason)
{
	char query[80];

	snprintf(query, sizeof(query), "/v1/capture/%s?capture=%lld", end ? "end" : "next",
		(long long)number);
	return client_ask(asker, query, end ? &nothing : NULL, answer, reason);
}

int follow_run(
	const struct cli_call *call, const struct cli_asker *asker, const struct follower *follower)
{
	struct cli_asker steady = *asker;
	struct reason reason = {0};
	enum cli_exit result = CLI_OK;
	bool over = false, enough = false, ended = false;
	json_int_t number;

	interrupt_catch();
	steady.interrupted = NULL; // it is ended in good order
	number = begin(call, &steady, &reason);
	if (number)
		fprintf(asker->err, "%s: Ctrl-C ends it\n", follower->what);
	else
		result = CLI_USAGE;
	while (number && !over && result == CLI_OK) {
		bool end = (enough || interrupt_seen()) && !ended;
		json_t *answer = NULL;

		result = ask(&steady, number, end, &answer, &reason);
		ended |= end;
		if (result != CLI_OK)
			break;
		over = json_is_true(json_object_get(answer, "over"));
		enough |= !follower->take(follower->arg, answer);
		if (follower->meanwhile)
			follower->meanwhile(follower->arg);
		if (!over && !json_is_true(json_object_get(answer, "more")) && !enough &&
			!interrupt_seen())
			nanosleep(&(struct timespec){0, WAIT_NS}, NULL);
		json_decref(answer);
	}
	if (result != CLI_OK)
		fprintf(asker->err, "sluice: %s\n", reason_text(&reason));
	reason_clear(&reason);
	return result;
}
