// SPDX-License-Identifier: BSD-3-Clause
// HTTP over the unix socket: libmicrohttpd without threads, its epoll descriptor watched by the
// loop. Connections are accepted here, so that the peer is checked before a byte of it is read.
//
//     request -> arguments checked -> [suspended: the dataplane is asked] -> handler -> answer
#include "api.h"

#include "api_internal.h"
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

struct api {
	struct api_options options;
	char *socket_path, *group;
	struct MHD_Daemon *daemon;
	int fd;
	uv_poll_t epoll;
	uv_timer_t timer; // when the daemon wants to run without an event
	unsigned open_handles;
};

struct http_request {
	struct api *api;
	struct MHD_Connection *connection;
	const struct api_command *command;
	struct api_request request;
	struct reason reason;
	bool answered; // the text below is the answer
	unsigned status;
	char *text;
};

static void set_answer(struct http_request *http, unsigned status, json_t *json)
{
	http->answered = true;
	http->status = status;
	http->text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	json_decref(json);
	if (!http->text) {
		http->status = MHD_HTTP_INTERNAL_SERVER_ERROR;
		http->text = strdup("{\"error\":\"out of memory\"}");
	}
}

static void set_error(struct http_request *http, unsigned status, const char *text)
{
	set_answer(http, status, json_pack("{s:s}", "error", text));
}

static void handle(struct http_request *http)
{
	const struct api_command *command = http->command;
	struct api_state state = {0};
	json_t *json;

	if ((command->need == NEED_STATS && !http->request.stats) ||
		(command->need == NEED_FLOWS && !http->request.flows) ||
		(command->need == NEED_EXPLANATION && !http->request.explained)) {
		set_error(http, MHD_HTTP_SERVICE_UNAVAILABLE, http->request.why);
		return;
	}
	http->api->options.state(http->api->options.arg, &state);
	http->request.state = &state;
	http->request.refused = &http->reason;
	json = command->handler(&http->request);
	http->request.state = NULL;
	if (http->reason.count) {
		json_decref(json);
		set_error(http, MHD_HTTP_BAD_REQUEST, reason_text(&http->reason));
		return;
	}
	set_answer(http, MHD_HTTP_OK, json);
}

static void run_soon(struct api *api);

static void resume(struct http_request *http)
{
	http->request.stats = NULL;
	http->request.flows = NULL;
	http->request.explained = NULL;
	MHD_resume_connection(http->connection);
	run_soon(http->api);
}

static void on_stats(void *arg, const Sluice__Stats *stats, const char *why)
{
	struct http_request *http = arg;

	http->request.stats = stats;
	http->request.why = why;
	handle(http);
	resume(http);
}

static void on_flows(void *arg, const Sluice__Flows *flows, const char *why)
{
	struct http_request *http = arg;

	http->request.flows = flows;
	http->request.why = why;
	handle(http);
	resume(http);
}

static void on_explained(void *arg, const Sluice__Explained *explained, const char *why)
{
	struct http_request *http = arg;

	http->request.explained = explained;
	http->request.why = why;
	handle(http);
	resume(http);
}

// Asks the dataplane what the row needs. 0: the answer will come.
static int ask(struct http_request *http, struct publish *publish)
{
	Sluice__ExplainRequest question;
	struct explain_text text;
	Sluice__FlowsRequest filter;
	struct addr address[3];

	if (!publish)
		return -ENOTCONN;
	switch (http->command->need) {
	case NEED_NOTHING:
		return -EALREADY;
	case NEED_STATS:
	case WANT_STATS:
		return publish_stats(publish, PUBLISH_TOTALS, on_stats, http);
	case WANT_ENDPOINT_STATS:
		return publish_stats(publish, PUBLISH_ENDPOINTS, on_stats, http);
	case WANT_RULE_STATS:
		return publish_stats(publish, PUBLISH_RULES, on_stats, http);
	case NEED_EXPLANATION:
		if (!api_explain_filter(&http->request, &text, &question))
			return -EINVAL;
		return publish_explain(publish, &question, on_explained, http);
	case NEED_FLOWS:
		api_flows_filter(&http->request, &filter, address);
		return publish_flows(publish, &filter, on_flows, http);
	}
	return -EINVAL;
}

static enum MHD_Result take_argument(
	void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct http_request *http = arg;

	(void)kind;
	api_request_set(&http->request, http->command, name, value, &http->reason);
	return MHD_YES;
}

static bool method_allowed(const struct api_command *command, const char *method)
{
	if (command && command->changes)
		return strcmp(method, MHD_HTTP_METHOD_POST) == 0;
	return strcmp(method, MHD_HTTP_METHOD_GET) == 0 ||
	       strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
}

// Answers, or suspends the connection until it can be.
static void begin(struct http_request *http, const char *url, const char *method)
{
	struct api_state state = {0};
	int error;

	// Told as an answer, so that whoever asks reads why instead of a closed connection.
	if (!peer_allowed(
		    MHD_get_connection_info(http->connection, MHD_CONNECTION_INFO_CONNECTION_FD)
			    ->connect_fd,
		    http->api->group)) {
		set_error(http, MHD_HTTP_FORBIDDEN, "only root and the appliance's group may ask");
		return;
	}
	http->command = api_command_find(url);
	if (!method_allowed(http->command, method)) {
		set_error(http, MHD_HTTP_METHOD_NOT_ALLOWED,
			http->command && http->command->changes
				? "this changes something: only POST is understood"
				: "only GET is understood");
		return;
	}
	if (strcmp(url, "/v1") == 0 || strcmp(url, "/v1/") == 0) {
		set_answer(http, MHD_HTTP_OK, api_help());
		return;
	}
	if (!http->command) {
		set_error(http, MHD_HTTP_NOT_FOUND, "no such path: GET /v1 lists them");
		return;
	}
	MHD_get_connection_values(http->connection, MHD_GET_ARGUMENT_KIND, take_argument, http);
	if (http->reason.count) {
		set_error(http, MHD_HTTP_BAD_REQUEST, reason_text(&http->reason));
		return;
	}
	http->api->options.state(http->api->options.arg, &state);
	error = ask(http, state.dataplane);
	if (!error) {
		MHD_suspend_connection(http->connection);
		return;
	}
	http->request.why = error == -ENOTCONN && state.dataplane ? state.publish.down_reason
								  : strerror(-error);
	handle(http);
}

static enum MHD_Result queue_answer(struct http_request *http)
{
	struct MHD_Response *response;
	enum MHD_Result result;

	response = MHD_create_response_from_buffer(http->text ? strlen(http->text) : 0,
		http->text ? http->text : (void *)(uintptr_t) "", MHD_RESPMEM_MUST_COPY);
	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
	if (http->status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW,
			http->command && http->command->changes ? "POST" : "GET, HEAD");
	result = MHD_queue_response(http->connection, http->status, response);
	MHD_destroy_response(response);
	return result;
}

// Called when the head has come, for each part of a body, at its end, and after each resume.
// house: libmicrohttpd says which parameters
static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
	const char *method, const char *version, const char *upload, size_t *upload_bytes,
	void **place)
{
	struct http_request *http = *place;

	(void)version;
	(void)upload;
	if (!http) {
		http = calloc(1, sizeof(*http));
		if (!http)
			return MHD_NO;
		http->api = arg;
		http->connection = connection;
		*place = http;
		return MHD_YES;
	}
	if (*upload_bytes) { // nothing here takes a body
		*upload_bytes = 0;
		return MHD_YES;
	}
	if (!http->answered)
		begin(http, url, method);
	return http->answered ? queue_answer(http) : MHD_YES;
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **place,
	enum MHD_RequestTerminationCode code)
{
	struct http_request *http = *place;

	(void)arg;
	(void)connection;
	(void)code;
	if (!http)
		return;
	reason_clear(&http->reason);
	free(http->text);
	free(http);
	*place = NULL;
}

static void on_timer(uv_timer_t *timer);

static void run(struct api *api)
{
	MHD_UNSIGNED_LONG_LONG wait_ms;

	MHD_run(api->daemon);
	if (MHD_get_timeout(api->daemon, &wait_ms) == MHD_YES)
		uv_timer_start(&api->timer, on_timer, wait_ms, 0);
	else
		uv_timer_stop(&api->timer);
}

static void on_timer(uv_timer_t *timer)
{
	run(timer->data);
}

static void run_soon(struct api *api)
{
	uv_timer_start(&api->timer, on_timer, 0, 0);
}

static void on_epoll(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	run(poll->data);
}

// Binds beside the final name, so that nobody finds a socket with other rights than it shall have.
static int listen_at(struct api *api, struct reason *reason)
{
	const struct group *group = getgrnam(api->group);
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int error = 0;

	if ((size_t)snprintf(name.sun_path, sizeof(name.sun_path), "%s.new", api->socket_path) >=
		sizeof(name.sun_path)) {
		reason_add(reason, "%s: too long for a socket's name: choose a shorter run_dir",
			api->socket_path);
		return -ENAMETOOLONG;
	}
	unlink(name.sun_path);
	api->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (api->fd < 0 || bind(api->fd, (struct sockaddr *)&name, sizeof(name)) < 0 ||
		chmod(name.sun_path, 0660) < 0 || listen(api->fd, CONNECTIONS_MAX) < 0)
		error = -errno;
	if (!error && group && chown(name.sun_path, (uid_t)-1, group->gr_gid) < 0 && geteuid() == 0)
		error = -errno;
	if (!error && rename(name.sun_path, api->socket_path) < 0)
		error = -errno;
	if (!error && !group)
		log_warning("api", "there is no group \"%s\": only root may connect", api->group);
	if (error)
		reason_add(reason, "%s: cannot listen: %s", api->socket_path, strerror(-error));
	return error;
}

static void handle_closed(uv_handle_t *handle)
{
	struct api *api = handle->data;

	if (--api->open_handles)
		return;
	free(api->socket_path);
	free(api->group);
	free(api);
}

int api_open(
	struct api **out, uv_loop_t *loop, const struct api_options *options, struct reason *reason)
{
	struct api *api = calloc(1, sizeof(*api));
	int error = -ENOMEM;

	if (!api)
		return -ENOMEM;
	api->options = *options;
	api->fd = -1;
	api->socket_path = strdup(options->socket_path);
	api->group = strdup(options->group);
	if (!api->socket_path || !api->group)
		goto failed;
	error = listen_at(api, reason);
	if (error)
		goto failed;
	api->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
		on_request, api, MHD_OPTION_LISTEN_SOCKET, api->fd, MHD_OPTION_NOTIFY_COMPLETED,
		on_completed, NULL, MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECONDS,
		MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX, MHD_OPTION_END);
	if (!api->daemon) {
		reason_add(reason, "%s: the HTTP server cannot start", api->socket_path);
		error = -EIO;
		goto failed;
	}
	api->epoll.data = api->timer.data = api;
	api->open_handles = 2;
	uv_poll_init(loop, &api->epoll,
		MHD_get_daemon_info(api->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd);
	uv_timer_init(loop, &api->timer);
	uv_poll_start(&api->epoll, UV_READABLE, on_epoll);
	*out = api;
	return 0;
failed:
	if (api->fd >= 0)
		close(api->fd);
	free(api->socket_path);
	free(api->group);
	free(api);
	return error;
}

void api_close(struct api *api)
{
	if (!api)
		return;
	unlink(api->socket_path);
	uv_poll_stop(&api->epoll);
	MHD_stop_daemon(api->daemon); // closes the socket, too
	uv_close((uv_handle_t *)&api->epoll, handle_closed);
	uv_close((uv_handle_t *)&api->timer, handle_closed);
}
