// SPDX-License-Identifier: BSD-3-Clause
// One request and its answer, between web.c, which speaks HTTP, and exchange.c, which knows rows.
//
//     web: head   -> exchange_head()   who asks, which row, may it be
//          body   -> kept up to a bound
//          end    -> exchange_begin()  arguments; [suspended: the dataplane is asked]; handler
//          answer <- exchange.text
//
// Loop thread only.
#pragma once

#include "api_internal.h"
#include "baseline.h"
#include "rate.h"
#include "tls_front.h"
#include "token.h"

#include <sys/socket.h>

enum http_status {
	STATUS_OK = 200,
	STATUS_BAD_REQUEST = 400,
	STATUS_UNAUTHORIZED = 401,
	STATUS_FORBIDDEN = 403,
	STATUS_NOT_FOUND = 404,
	STATUS_METHOD_NOT_ALLOWED = 405,
	STATUS_TOO_LARGE = 413,
	STATUS_TOO_MANY = 429,
	STATUS_INTERNAL = 500,
	STATUS_UNAVAILABLE = 503,
};

enum web_kind {      // how who asks came here
	WEB_LOCAL,   // the unix socket: who the kernel says
	WEB_HTTPS,   // by a token
	WEB_METRICS, // anybody, for /metrics alone
};

struct aside;
struct web;
struct MHD_Connection;

struct api {
	uv_loop_t *loop;
	struct api_options options;
	char *socket_path, *group;
	struct web *webs[WEB_METRICS + 1];
	struct tls_front *https, *metrics; // NULL: not configured
	struct listen_settings https_settings, metrics_settings;
	char *pair; // certificate and key in use
	size_t pair_length;
	struct tokens *tokens;
	struct rate rate;
	struct baseline baseline;
	struct aside *asides; // under way
};

struct exchange {
	struct web *web;
	struct MHD_Connection *connection;
	const char *method, *path;                       // of the connection
	char who[PEER_NAME], from[ADDR_TEXT], what[256]; // of the log
	char *body;
	const struct api_command *command;
	struct api_request request;
	struct reason reason;
	bool large;            // it is made aside
	const uint8_t *packed; // what the dataplane answered, unread
	size_t packed_length;
	bool answered; // what follows is the answer
	enum http_status status;
	char *text;
	size_t length;
	int file; // 0 = none; has the text in place of `text`, in a child what goes ahead of it
};

// Where exchanges come from and are answered. It listens at the descriptor; with -1 it gets its
// connections by web_take(). 0 or -errno.
int web_open(struct web **web, struct api *api, enum web_kind kind, int fd);
bool web_take(void *web, int fd, const struct sockaddr *client, socklen_t length);
void web_close(struct web *web); // the memory goes when the loop has closed the handles
struct api *web_api(const struct web *web);
enum web_kind web_kind(const struct web *web);
int web_peer(const struct exchange *exchange); // the connection's descriptor
bool web_client(const struct exchange *exchange, struct addr *addr);
const char *web_header(const struct exchange *exchange, const char *name); // NULL: not there
// Calls `take` for each argument of the query, decoded; the value is NULL where there is none.
void web_arguments(struct exchange *exchange,
	void (*take)(struct exchange *exchange, const char *name, const char *value));
// The answer comes later: web_resume() then, after it was set.
void web_suspend(struct exchange *exchange);
void web_resume(struct exchange *exchange);

// The head has come: answered when it is refused already.
void exchange_head(struct exchange *exchange);
// All has come. Answers, or suspends until it can.
void exchange_begin(struct exchange *exchange);
void exchange_refuse(struct exchange *exchange, enum http_status status, const char *text);
void exchange_clear(struct exchange *exchange);
