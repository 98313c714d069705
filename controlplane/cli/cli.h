// SPDX-License-Identifier: BSD-3-Clause
// The console `sluice`: one command a call, or a terminal's many; a client of the API and of
// nothing else.
//
// One table of commands {words, help, arguments, path, print}; matching, abbreviations, completion,
// help and usage come from it. A command asks the API one question and prints the answer as tables
// made for people, or with --json as it came. One process, one thread.
#pragma once

#include "reason.h"
#include "table.h"

#include <jansson.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define CLI_SOCKET        "/run/sluice/api.sock"
#define CLI_ARGUMENTS_MAX 10
#define CLI_WORDS_MAX     2
#define CLI_TAIL_SIZE     8192

enum cli_exit {
	CLI_OK = 0,
	CLI_ERROR = 1,
	CLI_USAGE = 2
};

// Where completion finds the values of an argument.
struct cli_values {
	const char *path;          // of the API
	const char *rows;          // in its answer: an array of texts, or of rows
	const char *member, *help; // of a row: the value, and what is said of it; NULL = no row
	bool typed;                // the API is told what was typed so far, as "typed"
};

struct cli_call;
struct cli_asker;

struct cli_argument {
	const char *name;  // also the API's
	const char *value; // what stands for its value in the usage; NULL = a flag
	const char *help;
};

struct cli_call;

struct cli_question {
	char *path; // with its arguments; to be freed, as the body
	char *body; // NULL: by GET
};

struct cli_command {
	const char *words[CLI_WORDS_MAX]; // "show", "vips"; the second may be NULL
	const char *help;
	const char *path; // of the API
	struct cli_argument arguments[CLI_ARGUMENTS_MAX];
	bool changes;     // by POST
	unsigned bare;    // so many arguments must come, and their values may without names
	bool bare_spared; // or may stay away
	void (*print)(json_t *answer, FILE *out);
	// Instead, where there may be very many rows: out of the text, which it may change. Gives
	// the warning in it, or NULL.
	const char *(*print_text)(char *bytes, size_t length, FILE *out);
	const char
		*shorter; // asked, too, when a table is printed: leaves out what it does not show
	unsigned own;     // this argument, counted from 1, is not the API's
	bool positional;  // the second word is the first argument's value
	unsigned tail;    // this argument, counted from 1, takes all words that are left
	bool raw;         // in the console with their quotes
	unsigned content; // this one, counted from 1, names a file whose content goes along
	const struct cli_values *values[CLI_ARGUMENTS_MAX];
	// Instead of one question and its answer: a command of several steps, or one that lasts. An
	// enum cli_exit.
	int (*run)(const struct cli_call *call, const struct cli_asker *asker);
	// Makes the question out of the call, where it is more than path and arguments. False with
	// the reason: it cannot be.
	bool (*compose)(
		const struct cli_call *call, struct cli_question *question, struct reason *reason);
	unsigned patience_s; // for the answer; 0 = the usual
};

extern const struct cli_command cli_status, cli_version, cli_vips, cli_services, cli_endpoints,
	cli_flows, cli_workers, cli_ports, cli_drops, cli_problems, cli_ingresses, cli_routes,
	cli_certificates, cli_requests, cli_explain, cli_explain_tcp, cli_explain_udp, cli_bgp,
	cli_clusters, cli_vrrp, cli_drain_vip, cli_drain_box, cli_undrain_vip, cli_undrain_box,
	cli_token_list, cli_token_create, cli_token_delete, cli_log, cli_log_level, cli_pools,
	cli_neighbours, cli_host_routes, cli_capture, cli_trace, cli_drain_endpoint,
	cli_undrain_endpoint, cli_ping, cli_traceroute, cli_clear_counters, cli_clear_flows,
	cli_clear_neighbours, cli_cluster_list, cli_cluster_show, cli_cluster_check,
	cli_cluster_register, cli_cluster_unregister, cli_cluster_drain, cli_cluster_undrain;
// The configuration's.
extern const struct cli_command cli_config, cli_history, cli_set, cli_delete, cli_candidate,
	cli_compare, cli_configure_status, cli_rollback, cli_discard, cli_configure_commit,
	cli_commit, cli_candidate_left;
// The box's.
extern const struct cli_command cli_backup, cli_restore, cli_support, cli_upgrade,
	cli_upgrade_install, cli_upgrade_rollback, cli_reboot, cli_factory_reset, cli_shell;
extern const struct cli_command *const cli_commands[]; // the last is NULL

// What several commands complete.
extern const struct cli_values cli_values_vips, cli_values_services, cli_values_clusters,
	cli_values_endpoints, cli_values_ports, cli_values_interfaces;

// The whole program. Answers to `out`, mistakes to `err`. An enum cli_exit.
int cli_run(int argc, char **argv, FILE *out, FILE *err);

// What the words of a call mean. The texts are borrowed from the words.
struct cli_call {
	const struct cli_command *command;
	const char *values[CLI_ARGUMENTS_MAX]; // "" for a flag
	char tail[CLI_TAIL_SIZE];
};

// Words may be abbreviated as long as one command remains; -EINVAL with the reason when none or
// several do, or when the arguments are not the command's.
int cli_parse(struct cli_call *call, char *const *words, unsigned count, struct reason *reason);
bool cli_begins(const char *whole, const char *word);
// The words of the command that these begin, 1 or 2.
unsigned cli_depth(const struct cli_command *command);
// Does the command fit the first `count` words, abbreviated or not?
bool cli_fits(const struct cli_command *command, char *const *words, unsigned count);
// The command that the words mean, or NULL with the reason.
const struct cli_command *cli_find(char *const *words, unsigned count, struct reason *reason);
void cli_usage(FILE *out);
void cli_man(FILE *out); // sluice(1), as roff
void cli_command_usage(const struct cli_command *command, FILE *out);

// What a call is asked with.
struct cli_asker {
	unsigned patience_s; // 0 = the usual
	const char *socket;
	bool json;
	FILE *out, *err;
	int (*interrupted)(void); // NULL: nothing does
	// Of a console: the edit of the candidate that it has seen last. NULL: it is none.
	uint64_t *seen;
};

struct client_text {
	char *bytes; // with a zero behind them
	size_t length;
};

// Ctrl-C ends what lasts, and no program, from interrupt_catch() on.
void interrupt_catch(void);
int interrupt_seen(void);
void interrupt_forget(void);

// An answer as JSON for people, while it is not too long for them.
void cli_print_json(const struct client_text *text, FILE *out);
// Asks and prints. An enum cli_exit.
int cli_ask(const struct cli_call *call, const struct cli_asker *asker);

// Asks the API behind the socket. CLI_OK with the answer (to be released), CLI_USAGE when it does
// not like the question, else CLI_ERROR; both with the reason.
// `body` NULL: by GET.
enum cli_exit client_ask(const struct cli_asker *asker, const char *path_and_query,
	const struct client_text *body, json_t **answer, struct reason *reason);
// The same with the answer as it came, to be freed.
enum cli_exit client_fetch(const struct cli_asker *asker, const char *path_and_query,
	const struct client_text *body, struct client_text *answer, struct reason *reason);
// "/v1/flows?client=198.51.100.7"; to be freed.
char *client_query(const struct cli_call *call);

// Before what cannot be taken back: asked at the terminal, unless `yes` was given. False, which is
// told, when it is not to be.
bool confirm(const struct cli_asker *asker, const char *yes, const char *question);
// PASSPHRASE_MAX bytes: the first line of the file ("-": of what comes in), or asked at the
// terminal, twice when it is a new one. False with the reason.
bool passphrase_take(const char *file, bool new_one, char *passphrase, struct reason *reason);
