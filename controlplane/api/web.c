// SPDX-License-Identifier: BSD-3-Clause
// HTTP over the unix socket: libmicrohttpd without threads, its epoll descriptor watched by the
// loop. It appears nowhere else. See exchange.h.
#include "exchange.h"

#include "log.h"

#include <microhttpd.h>

#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define IDLE_SECONDS    60
#define CONNECTIONS_MAX 64

struct web {
	struct api_options options;
	char *socket_path, *group;
	struct MHD_Daemon *daemon;
	int fd;
	uv_poll_t epoll;
	uv_timer_t timer; // when the daemon wants to run without an event
	unsigned open_handles;
};

const struct api_options *web_options(const struct web *web)
{
	return &web->options;
}

int web_peer(const struct exchange *x)
{
	return MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_CONNECTION_FD)
		->connect_fd;
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

	response = MHD_create_response_from_buffer(
		x->length, x->text ? x->text : (void *)(uintptr_t) "", MHD_RESPMEM_MUST_FREE);
	if (!response)
		return MHD_NO;
	x->text = NULL; // the response's
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
		x->status == STATUS_OK && x->command && x->command->type ? x->command->type
									 : "application/json");
	if (x->status == STATUS_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW,
			x->command && x->command->changes ? "POST" : "GET, HEAD");
	result = MHD_queue_response(x->connection, x->status, response);
	MHD_destroy_response(response);
	return result;
}

// More than the bound is read no further.
static enum MHD_Result keep_body(struct exchange *x, const char *bytes, size_t *count)
{
	size_t size = x->request.body_size;
	char *grown;

	if (*count > API_BODY_MAX - size)
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
static bool too_large(struct exchange *x)
{
	const char *length = MHD_lookup_connection_value(
		x->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);

	return length && strtoull(length, NULL, 10) > API_BODY_MAX;
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
			exchange_refuse(x, STATUS_TOO_LARGE, "the body has more than 1 MiB");
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

// Binds beside the final name, so that nobody finds a socket with other rights than it shall have.
static int listen_at(struct web *web, struct reason *reason)
{
	const struct group *group = getgrnam(web->group);
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int error = 0;

	if ((size_t)snprintf(name.sun_path, sizeof(name.sun_path), "%s.new", web->socket_path) >=
		sizeof(name.sun_path)) {
		reason_add(reason, "%s: too long for a socket's name: choose a shorter run_dir",
			web->socket_path);
		return -ENAMETOOLONG;
	}
	unlink(name.sun_path);
	web->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (web->fd < 0 || bind(web->fd, (struct sockaddr *)&name, sizeof(name)) < 0 ||
		chmod(name.sun_path, 0660) < 0 || listen(web->fd, CONNECTIONS_MAX) < 0)
		error = -errno;
	if (!error && group && chown(name.sun_path, (uid_t)-1, group->gr_gid) < 0 && geteuid() == 0)
		error = -errno;
	if (!error && rename(name.sun_path, web->socket_path) < 0)
		error = -errno;
	if (!error && !group)
		log_warning("api", "there is no group \"%s\": only root may connect", web->group);
	if (error)
		reason_add(reason, "%s: cannot listen: %s", web->socket_path, strerror(-error));
	return error;
}

static void handle_closed(uv_handle_t *handle)
{
	struct web *web = handle->data;

	if (--web->open_handles)
		return;
	free(web->socket_path);
	free(web->group);
	free(web);
}

int web_open(
	struct web **out, uv_loop_t *loop, const struct api_options *options, struct reason *reason)
{
	struct web *web = calloc(1, sizeof(*web));
	int error = -ENOMEM;

	if (!web)
		return -ENOMEM;
	web->options = *options;
	web->fd = -1;
	web->socket_path = strdup(options->socket_path);
	web->group = strdup(options->group);
	if (!web->socket_path || !web->group)
		goto failed;
	error = listen_at(web, reason);
	if (error)
		goto failed;
	web->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
		on_request, web, MHD_OPTION_LISTEN_SOCKET, web->fd, MHD_OPTION_NOTIFY_COMPLETED,
		on_completed, NULL, MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECONDS,
		MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX, MHD_OPTION_END);
	if (!web->daemon) {
		reason_add(reason, "%s: the HTTP server cannot start", web->socket_path);
		error = -EIO;
		goto failed;
	}
	web->epoll.data = web->timer.data = web;
	web->open_handles = 2;
	uv_poll_init(loop, &web->epoll,
		MHD_get_daemon_info(web->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd);
	uv_timer_init(loop, &web->timer);
	uv_poll_start(&web->epoll, UV_READABLE, on_epoll);
	*out = web;
	return 0;
failed:
	if (web->fd >= 0)
		close(web->fd);
	free(web->socket_path);
	free(web->group);
	free(web);
	return error;
}

void web_close(struct web *web)
{
	if (!web)
		return;
	unlink(web->socket_path);
	uv_poll_stop(&web->epoll);
	MHD_stop_daemon(web->daemon); // closes the socket, too
	uv_close((uv_handle_t *)&web->epoll, handle_closed);
	uv_close((uv_handle_t *)&web->timer, handle_closed);
}
