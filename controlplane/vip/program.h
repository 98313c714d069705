// SPDX-License-Identifier: BSD-3-Clause
// Another program that is kept running: BIRD, keepalived. For bird.c and vrrp.c.
//
// It is not bound to our life: it goes on when we end, whatever the reason, and who comes after us
// finds it by its pid file and watches over it as if it had started it. When it ends it is started
// again, soon and then less soon.
//
//     STOPPED --run--> RUNNING --ends--> WAITING --a while--> RUNNING
//        ^                |  adopted or started          |
//        +--- ends -- STOPPING <--------stop-------------+
//
// Loop thread only.
#pragma once

#include <stdbool.h>
#include <uv.h>

struct program;

#define PROGRAM_ARGUMENTS_MAX 20

struct program_options {
	const char *const *arguments; // the first is the program; ended by NULL; copied
	const char *pid_file;
	void *arg;
	void (*changed)(void *arg, bool running); // it runs, or it has ended
};

// NULL: out of memory.
struct program *program_new(uv_loop_t *loop, const struct program_options *options);
// changed() may be called from within. True: it ran already, with what it had read at its start.
bool program_run(struct program *program);
void program_stop(struct program *program); // SIGTERM
void program_signal(struct program *program, int number);
bool program_running(const struct program *program);
// Lets it run on. The loop frees the memory.
void program_release(struct program *program);
