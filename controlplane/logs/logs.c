// SPDX-License-Identifier: BSD-3-Clause
// The syslog servers, and the log's sink. See logs.h.
#include "logs_internal.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TEXT_MAX  (2 * LOG_LINE_MAX)
#define QUEUE_MAX (1024 * 1024) // bytes that wait for one server
#define AGAIN_MS  5000

// A syslog server.
//
//     TCP: AWAY --timer--> CONNECTING --connected--> UP --error--> AWAY
struct server {
	struct logs *logs;
	struct syslog_settings settings;
	struct sockaddr_storage name;
	socklen_t name_length;
	int fd; // of UDP
	uv_tcp_t tcp;
	uv_connect_t connect;
	uv_timer_t again;
	bool has_tcp, up;
	bool ends;
	char ignored[64];
};

struct sending {
	uv_write_t write;
	char text[];
};

static void set_name(struct server *s)
{
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)(void *)&s->name;
	struct sockaddr_in *four = (struct sockaddr_in *)(void *)&s->name;
	size_t bytes;
	const uint8_t *address = addr_bytes(&s->settings.address, &bytes);

	if (bytes == 4) {
		four->sin_family = AF_INET;
		four->sin_port = htons((uint16_t)s->settings.port);
		memcpy(&four->sin_addr, address, bytes);
		s->name_length = sizeof(*four);
	} else {
		six->sin6_family = AF_INET6;
		six->sin6_port = htons((uint16_t)s->settings.port);
		memcpy(&six->sin6_addr, address, bytes);
		s->name_length = sizeof(*six);
	}
}

static void free_server(struct server *s)
{
	if (s->fd >= 0)
		close(s->fd);
	free(s);
}

static void again_closed(uv_handle_t *handle)
{
	free_server(handle->data);
}

static void tcp_closed(uv_handle_t *handle)
{
	struct server *s = handle->data;

	s->has_tcp = false;
	if (s->ends)
		uv_close((uv_handle_t *)&s->again, again_closed);
}

static void go_away(struct server *s)
{
	s->up = false;
	if (s->has_tcp && !uv_is_closing((uv_handle_t *)&s->tcp))
		uv_close((uv_handle_t *)&s->tcp, tcp_closed);
}

// Servers say nothing; what they say is their end.
static void on_space(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct server *s = handle->data;

	(void)suggested;
	*buf = uv_buf_init(s->ignored, sizeof(s->ignored));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	(void)buf;
	if (n < 0)
		go_away(stream->data);
}

static void on_connected(uv_connect_t *connect, int status)
{
	struct server *s = connect->data;

	if (status == UV_ECANCELED)
		return;
	if (status) {
		go_away(s);
		return;
	}
	s->up = true;
	uv_read_start((uv_stream_t *)&s->tcp, on_space, on_read);
}

static void on_again(uv_timer_t *timer)
{
	struct server *s = timer->data;

	if (s->has_tcp)
		return;
	uv_tcp_init(s->logs->loop, &s->tcp);
	s->tcp.data = s->connect.data = s;
	s->has_tcp = true;
	if (uv_tcp_connect(&s->connect, &s->tcp, (struct sockaddr *)&s->name, on_connected))
		go_away(s);
}

static void on_written(uv_write_t *write, int status)
{
	struct server *s = write->data;

	free(write);
	if (status && status != UV_ECANCELED)
		go_away(s);
}

static bool send_tcp(struct server *s, const char *text, size_t length)
{
	struct sending *sending;
	uv_buf_t buf;
	int n;

	if (!s->up || uv_stream_get_write_queue_size((uv_stream_t *)&s->tcp) > QUEUE_MAX)
		return false;
	sending = malloc(sizeof(*sending) + length + 24);
	if (!sending)
		return false;
	n = sprintf(sending->text, "%zu ", length);
	memcpy(sending->text + n, text, length);
	buf = uv_buf_init(sending->text, (unsigned)((size_t)n + length));
	sending->write.data = s;
	if (uv_write(&sending->write, (uv_stream_t *)&s->tcp, &buf, 1, on_written)) {
		free(sending);
		return false;
	}
	return true;
}

void logs_send(struct logs *logs, const struct log_line *line, enum log_process from, int pid)
{
	const struct syslog_origin origin = {logs->host, from, pid};
	char text[TEXT_MAX];
	size_t length = 0;

	for (unsigned i = 0; i < logs->server_count; i++) {
		struct server *s = logs->servers[i];
		bool sent;

		if ((unsigned)line->level > s->settings.level)
			continue;
		if (!length)
			length = syslog_format(line, &origin, text, sizeof(text));
		if (s->settings.transport == SYSLOG_TCP)
			sent = send_tcp(s, text, length);
		else
			sent = sendto(s->fd, text, length, MSG_DONTWAIT | MSG_NOSIGNAL,
				       (struct sockaddr *)&s->name, s->name_length) >= 0;
		logs->unsent += !sent;
	}
}

static void on_line(void *arg, const struct log_line *line)
{
	struct logs *logs = arg;

	kept_add(&logs->kept[LOG_CONTROLPLANE], line);
	logs_send(logs, line, LOG_CONTROLPLANE, (int)getpid());
}

struct logs *logs_open(uv_loop_t *loop)
{
	struct logs *logs = calloc(1, sizeof(*logs));

	if (!logs)
		return NULL;
	logs->loop = loop;
	gethostname(logs->host, sizeof(logs->host) - 1);
	log_set_sink(on_line, logs);
	return logs;
}

static void end_server(struct server *s)
{
	s->ends = true;
	if (s->settings.transport == SYSLOG_UDP)
		free_server(s);
	else if (s->has_tcp)
		go_away(s);
	else
		uv_close((uv_handle_t *)&s->again, again_closed);
}

static void end_servers(struct logs *logs)
{
	for (unsigned i = 0; i < logs->server_count; i++)
		end_server(logs->servers[i]);
	free(logs->servers);
	logs->servers = NULL;
	logs->server_count = 0;
}

void logs_close(struct logs *logs)
{
	if (!logs)
		return;
	log_set_sink(NULL, NULL);
	end_servers(logs);
	for (unsigned i = 0; i < LOG_PROCESSES; i++)
		kept_free(&logs->kept[i]);
	free(logs);
}

static struct server *begin_server(struct logs *logs, const struct syslog_settings *settings)
{
	struct server *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->logs = logs;
	s->settings = *settings;
	s->fd = -1;
	set_name(s);
	if (settings->transport == SYSLOG_UDP) {
		s->fd = socket(s->name.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	} else {
		uv_timer_init(logs->loop, &s->again);
		s->again.data = s;
		uv_timer_start(&s->again, on_again, 0, AGAIN_MS);
	}
	return s;
}

static bool same(const struct logs *logs, const struct syslog_settings *servers, unsigned count)
{
	if (count != logs->server_count)
		return false;
	for (unsigned i = 0; i < count; i++) {
		const struct syslog_settings *now = &logs->servers[i]->settings;

		if (addr_compare(&now->address, &servers[i].address) != 0 ||
			now->port != servers[i].port || now->level != servers[i].level ||
			now->transport != servers[i].transport)
			return false;
	}
	return true;
}

void logs_follow(struct logs *logs, const struct syslog_settings *servers, unsigned count)
{
	if (same(logs, servers, count))
		return;
	end_servers(logs);
	logs->servers = calloc(count + 1, sizeof(*logs->servers));
	for (unsigned i = 0; logs->servers && i < count; i++) {
		logs->servers[logs->server_count] = begin_server(logs, &servers[i]);
		logs->server_count += logs->servers[logs->server_count] != NULL;
	}
}

uint64_t logs_unsent(const struct logs *logs)
{
	return logs->unsent;
}
