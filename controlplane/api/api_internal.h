// SPDX-License-Identifier: BSD-3-Clause
// What the files of api/ share: the row of a noun, and the request as a handler sees it. Everything
// here is pure; loop thread only.
#pragma once

#include "api.h"
#include "api_answer.h"
#include "api_rows.h"
#include "counters.h"
#include "text_out.h"

#include <jansson.h>

enum api_argument_kind {
	ARGUMENT_TEXT,
	ARGUMENT_ADDRESS,
	ARGUMENT_NUMBER,   // 1..4294967295
	ARGUMENT_PORT,     // 1..65535
	ARGUMENT_OFFSET,   // from 0 on
	ARGUMENT_PROTOCOL, // tcp, udp
	ARGUMENT_IP,       // tcp, udp, icmp
	ARGUMENT_STAGE,    // in, out, drop
	ARGUMENT_ENDPOINT, // an address, or one with a port
	ARGUMENT_SOCKET,   // an address with a port
	ARGUMENT_URL,      // http://host/path, https://host/path
	ARGUMENT_FLAG,     // given or not; its value does not matter
};

struct api_argument {
	const char *name;
	enum api_argument_kind kind;
	const char *help;
	bool needed; // without it the answer is 400
};

// "tcp|udp"; NULL: it is no choice.
const char *api_choices(enum api_argument_kind kind);

#define API_ARGUMENTS_MAX 8

// What the dataplane must be asked first.
enum api_need {
	NEED_NOTHING,
	NEED_STATS,          // 503 without them
	NEED_FLOWS,          // 503 without them
	WANT_STATS,          // answers without them too
	WANT_LISTENER_STATS, // with the listeners
	WANT_ENDPOINT_STATS, // with the pools and their endpoints
	WANT_RULE_STATS,     // with the rules
	WANT_SUMS,           // with listeners, pools and rules
	NEED_EXPLANATION,    // 503 without it
	NEED_CAPTURED,       // 503 without it
	WANT_LOG,            // the dataplane's, with a level of it that is to be set
};

enum api_role { // what who asks may do
	ROLE_NONE,
	ROLE_VIEW,  // ask
	ROLE_ADMIN, // ask and change
};

#define API_BODY_MAX (1024 * 1024) // bytes; a longer one is refused with 413

// A request whose answer comes later.
struct exchange;
// Answers: with the JSON, which is taken over, or with 400 when something was refused before.
void exchange_finish(struct exchange *exchange, json_t *answer);

struct api_request {
	struct exchange *exchange;
	const struct api_state *state;
	const char *who;    // the user's name by the socket's credentials, or the token's
	const char *from;   // "unix", or the client's address
	enum api_role role; // at least what the row needs
	struct tokens *tokens;
	struct baseline *baseline;
	const struct api_options *options;
	const char *body;                      // of a POST, with a zero behind it; "" = none
	size_t body_size;                      // without that zero
	const char *values[API_ARGUMENTS_MAX]; // in the order of the row's arguments; NULL = none
	const Sluice__Stats *stats;            // NULL: none came
	const Sluice__Flows *flows;
	const Sluice__Explained *explained;
	const Sluice__Captured *captured;
	const Sluice__LogLines *log;
	const char *told;       // by a program, of rows with `ask`; NULL = nothing
	const char *why;        // none came
	struct reason *refused; // what is in it after the handler is told with 400
};

struct api_command {
	const char *path; // "/v1/vips"
	const char *help;
	struct api_argument arguments[API_ARGUMENTS_MAX]; // up to the first without a name
	enum api_need need;
	bool changes; // asked by POST, not by GET; needs the role admin, and is audited
	bool cleared; // its counters are those since they were cleared
	bool admin;   // needs the role admin although it changes nothing
	bool local;   // asked by the socket alone: what it tells or takes is not for the network
	bool large;   // there may be very many rows: made aside then, and changes nothing
	bool again;   // when it was done, the control plane starts anew
	size_t body;  // most bytes; 0 = API_BODY_MAX
	// Asks a program first, whose answer is `told`; -errno: there will be none.
	int (*ask)(const struct api_request *request, firmware_told told, void *arg);
	json_t *(*handler)(const struct api_request *request); // NULL: out of memory
	// Instead, where there may be many rows: JSON, or what `type` says.
	void (*write)(const struct api_request *request, struct text *text);
	const char *type; // of the content; NULL = JSON
	// Instead: begins what takes its time. When nothing was refused, exchange_finish() is
	// called once for it, never from within.
	void (*begin)(struct api_request *request);
	const char *posted;      // what the body is, for the documents; NULL = there is none
	const char *posted_type; // its type; NULL = JSON
	const char *answer;      // what the JSON is, for the documents: see api_answer.h
};

// Every row; the last has no path.
extern const struct api_command *const api_commands[];
const struct api_command *api_command_find(const char *path);
// What a client gets from GET /v1: the rows.
json_t *api_help(void);
// Sets one value; -EINVAL with the reason when the row has no such argument or takes no such value.
int api_request_set(struct api_request *request, const struct api_command *command,
	const char *name, const char *value, struct reason *reason);
// Tells of each argument that the row needs and that has no value.
void api_request_check(const struct api_request *request, const struct api_command *command,
	struct reason *reason);
// The question to the dataplane that the values ask for. `address` has room for three addresses.
// False: those to be ended are not named.
bool api_flows_filter(const struct api_command *command, const struct api_request *request,
	Sluice__FlowsRequest *filter, struct addr address[static 3]);

// False: it is not to be asked, or a value is wrong, which is told.
bool api_log_question(const struct api_command *command, const struct api_request *request,
	Sluice__LogRequest *question, struct reason *reason);
void api_capture_question(const struct api_command *command, const struct api_request *request,
	Sluice__CaptureRequest *question, struct addr address[static 2]);

struct explain_text { // what an ExplainRequest refers to
	char host[512], path[8192];
	struct addr client, vip;
};

// From a URL; false when it is none.
bool api_explain_question(
	const char *url, struct explain_text *text, Sluice__ExplainRequest *question);
// From the request's values.
bool api_explain_filter(const struct api_command *command, const struct api_request *request,
	struct explain_text *text, Sluice__ExplainRequest *question);
// Of "192.0.2.1:80", "[2001:db8::1]:80".
bool api_address_port(const char *text, struct addr *addr, uint16_t *port);

#define PEER_NAME 64
// Root, or with `group` among its groups: then its name, else false.
bool peer_allowed(int fd, const char *group, char name[static PEER_NAME]);

// What the rows of metrics.c share with metrics_rows.c.
void metrics_family(struct text *text, const char *name, const char *type, const char *help);
void metrics_label(struct text *text, const char *name, const char *value);
void metrics_rows(const struct api_request *request, struct text *text);

// A rule and the endpoints behind it.
json_t *rule_json(
	const struct plan *plan, const struct plan_host *host, const struct plan_rule *rule);
// We speak to the other box as master, and it does not even say its MAC. Where we are not, or know
// no address of it, false. neighbour.c
bool api_peer_silent(const struct api_state *state, unsigned group);
// Does traffic flow, why not, and what to type next. traffic.c
json_t *traffic_json(const struct api_request *request);
// What of two configurations differs and is read by the dataplane at its start alone.
json_t *config_waiting(const char *before, const char *now);
// False, which is told, when revisions of the configuration cannot be kept.
bool revisions_kept(const struct api_request *request);
// The value as a number of revisions ago; false when there is none, or it is wrong, which is told.
bool revisions_number(const struct api_request *request, unsigned at, unsigned *number);
// The source of that name, or NULL, which is told.
const struct api_source *find_source(const struct api_request *request, const char *name);
// {noun: rows}, with "warning" when the dataplane was asked and did not answer.
json_t *answer_rows(const struct api_request *request, const char *noun, json_t *rows);
// The same behind rows that were written as text.
void end_rows(struct text *text, const struct api_request *request);
json_t *json_addr(const struct addr *addr);
json_t *json_bytes(const ProtobufCBinaryData *address); // null when it is no address
json_t *json_texts(char *const *texts, unsigned count);
json_t *json_time(uint64_t realtime_us);     // "2026-01-31T12:00:00Z"
const char *protocol_name(uint8_t protocol); // "tcp"
// The pool of that name, or NULL.
const struct plan_pool *plan_pool_find(const struct plan *plan, const char *name);
// Of this Service? "web", "default/web" or "local/default/web".
bool plan_pool_is_of(const struct plan_pool *pool, const char *wanted);
