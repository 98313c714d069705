// SPDX-License-Identifier: BSD-3-Clause
// HTTP: libmicrohttpd without threads, its epoll descriptor watched by the loop. It appears nowhere
// else. See exchange.h.
#include "exchange.h"

#include <microhttpd.h>

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define IDLE_SECONDS    60
#define CONNECTIONS_MAX 256

struct web {
	struct api *api;
	enum web_kind kind;
	struct MHD_Daemon *daemon;
	uv_poll_t epoll;
	uv_timer_t timer; // when the daemon wants to run without an event
	unsigned open_handles;
};

struct api *web_api(const struct web *web)
{
	return web->api;
}

enum web_kind web_kind(const struct web *web)
{
	return web->kind;
}

int web_peer(const struct exchange *x)
{
	return MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_CONNECTION_FD)
		->connect_fd;
}

bool web_client(const struct exchange *x, struct addr *addr)
{
	const struct sockaddr *client =
		MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)
			->client_addr;

	if (client && client->sa_family == AF_INET)
		return addr_from_bytes(addr,
			       (const uint8_t *)&((const struct sockaddr_in *)(const void *)client)
				       ->sin_addr,
			       4) == 0;
	if (client && client->sa_family == AF_INET6) {
		const uint8_t *six =
			((const struct sockaddr_in6 *)(const void *)client)->sin6_addr.s6_addr;
		static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

		if (memcmp(six, mapped, sizeof(mapped)) == 0)
			return addr_from_bytes(addr, six + 12, 4) == 0;
		return addr_from_bytes(addr, six, 16) == 0;
	}
	return false;
}

const char *web_header(const struct exchange *x, const char *name)
{
	return MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, name);
}

struct taker {
	struct exchange *exchange;
	void (*take)(struct exchange *exchange, const char *name, const char *value);
};

static enum MHD_Result take_argument(
	void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
	const struct taker *taker = arg;

	(void)kind;
	taker->take(taker->exchange, name, value);
	return MHD_YES;
}

void web_arguments(struct exchange *x,
	void (*take)(struct exchange *exchange, const char *name, const char *value))
{
	struct taker taker = {x, take};

	MHD_get_connection_values(x->connection, MHD_GET_ARGUMENT_KIND, take_argument, &taker);
}

static void run_soon(struct web *web);

void web_suspend(struct exchange *x)
{
	MHD_suspend_connection(x->connection);
}

void web_resume(struct exchange *x)
{
	MHD_resume_connection(x->connection);
	run_soon(x->web);
}

static enum MHD_Result queue_answer(struct exchange *x)
{
	struct MHD_Response *response;
	enum MHD_Result result;

	if (x->file)
		response = MHD_create_response_from_fd64(x->length, x->file);
	else
		response = MHD_create_response_from_buffer(x->length,
			x->text ? x->text : (void *)(uintptr_t) "", MHD_RESPMEM_MUST_FREE);
	if (!response)
		return MHD_NO;
	x->text = NULL; // the response's, as the file
	x->file = 0;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
		x->status == STATUS_OK && x->command && x->command->type ? x->command->type
									 : "application/json");
	if (x->status == STATUS_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW,
			x->command && x->command->changes ? "POST" : "GET, HEAD");
	if (x->status == STATUS_UNAUTHORIZED)
		MHD_add_response_header(
			response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer realm=\"sluice\"");
	if (x->status == STATUS_TOO_MANY)
		MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, "1");
	MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	result = MHD_queue_response(x->connection, x->status, response);
	MHD_destroy_response(response);
	return result;
}

static size_t body_max(const struct exchange *x)
{
	return x->command && x->command->body ? x->command->body : API_BODY_MAX;
}

// More than the bound is read no further.
static enum MHD_Result keep_body(struct exchange *x, const char *bytes, size_t *count)
{
	size_t size = x->request.body_size;
	char *grown;

	if (*count > body_max(x) - size)
		return MHD_NO;
	grown = realloc(x->body, size + *count + 1);
	if (!grown)
		return MHD_NO;
	memcpy(grown + size, bytes, *count);
	x->body = grown;
	x->request.body_size = size + *count;
	x->body[x->request.body_size] = '\0';
	*count = 0;
	return MHD_YES;
}

// A length that is told is refused before the body comes; without one the connection ends.
static bool too_large(const struct exchange *x)
{
	const char *length = MHD_lookup_connection_value(
		x->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);

	return length && strtoull(length, NULL, 10) > body_max(x);
}

// Called when the head has come, for each part of a body, at its end, and after each resume.
// house: libmicrohttpd says which parameters
static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
	const char *method, const char *version, const char *upload, size_t *upload_bytes,
	void **place)
{
	struct exchange *x = *place;

	(void)version;
	if (!x) {
		x = calloc(1, sizeof(*x));
		if (!x)
			return MHD_NO;
		*x = (struct exchange){
			.web = arg, .connection = connection, .method = method, .path = url};
		*place = x;
		exchange_head(x);
		if (!x->answered && too_large(x))
			exchange_refuse(x, STATUS_TOO_LARGE,
				x->command && x->command->body ? "the body has more than 64 MiB"
							       : "the body has more than 1 MiB");
		return x->answered ? queue_answer(x) : MHD_YES;
	}
	if (*upload_bytes)
		return keep_body(x, upload, upload_bytes);
	if (!x->answered)
		exchange_begin(x);
	return x->answered ? queue_answer(x) : MHD_YES;
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **place,
	enum MHD_RequestTerminationCode code)
{
	struct exchange *x = *place;

	(void)arg;
	(void)connection;
	(void)code;
	if (!x)
		return;
	exchange_clear(x);
	free(x);
	*place = NULL;
}

static void on_timer(uv_timer_t *timer);

static void run(struct web *web)
{
	MHD_UNSIGNED_LONG_LONG wait_ms;

	MHD_run(web->daemon);
	if (MHD_get_timeout(web->daemon, &wait_ms) == MHD_YES)
		uv_timer_start(&web->timer, on_timer, wait_ms, 0);
	else
		uv_timer_stop(&web->timer);
}

static void on_timer(uv_timer_t *timer)
{
	run(timer->data);
}

static void run_soon(struct web *web)
{
	uv_timer_start(&web->timer, on_timer, 0, 0);
}

static void on_epoll(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	run(poll->data);
}

static void handle_closed(uv_handle_t *handle)
{
	struct web *web = handle->data;

	if (--web->open_handles == 0)
		free(web);
}

int web_open(struct web **out, struct api *api, enum web_kind kind, int fd)
{
	struct web *web = calloc(1, sizeof(*web));
	unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME;

	if (!web)
		return -ENOMEM;
	web->api = api;
	web->kind = kind;
	web->daemon = MHD_start_daemon(fd < 0 ? flags | MHD_USE_NO_LISTEN_SOCKET : flags, 0, NULL,
		NULL, on_request, web, MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
		MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECONDS, MHD_OPTION_CONNECTION_LIMIT,
		CONNECTIONS_MAX, fd < 0 ? MHD_OPTION_END : MHD_OPTION_LISTEN_SOCKET, fd,
		MHD_OPTION_END);
	if (!web->daemon) {
		free(web);
		return -EIO;
	}
	web->epoll.data = web->timer.data = web;
	web->open_handles = 2;
	uv_poll_init(api->loop, &web->epoll,
		MHD_get_daemon_info(web->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd);
	uv_timer_init(api->loop, &web->timer);
	uv_poll_start(&web->epoll, UV_READABLE, on_epoll);
	*out = web;
	return 0;
}

bool web_take(void *arg, int fd, const struct sockaddr *client, socklen_t length)
{
	struct web *web = arg;

	if (MHD_add_connection(web->daemon, fd, client, length) != MHD_YES)
		return false;
	run_soon(web);
	return true;
}

void web_close(struct web *web)
{
	if (!web)
		return;
	uv_poll_stop(&web->epoll);
	MHD_stop_daemon(web->daemon); // closes the socket, too
	uv_close((uv_handle_t *)&web->epoll, handle_closed);
	uv_close((uv_handle_t *)&web->timer, handle_closed);
}
