// SPDX-License-Identifier: BSD-3-Clause
// A command that lasts: begins something at the dataplane, asks again and again what has come of
// it, and ends it. Ctrl-C ends it early, and nothing is lost of what had come by then.
#pragma once

#include "cli.h"

#define TIME_TEXT 40
// "12:00:00.123456", of the terminal's time zone.
const char *time_text(uint64_t time_ns, char text[static TIME_TEXT]);

struct follower {
	const char *what; // "capturing": told when it has begun
	void *arg;
	// What has come; false: enough of it.
	bool (*take)(void *arg, json_t *answer);
	void (*meanwhile)(void *arg); // after each answer; NULL: nothing is to be done
};

// An enum cli_exit; what was wrong is told.
int follow_run(const struct cli_call *call, const struct cli_asker *asker,
	const struct follower *follower);
