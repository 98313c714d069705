// SPDX-License-Identifier: BSD-3-Clause
#include "probe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct probe {
	uv_tcp_t tcp;
	uv_timer_t timer;
	uv_connect_t connect;
	unsigned open_handles;
	bool over;
	enum probe_result result;
	struct addr local;
	bool has_local;
	void (*done)(void *arg, enum probe_result result, const struct addr *local);
	void *arg;
};

static void on_closed(uv_handle_t *handle)
{
	struct probe *p = handle->data;

	if (--p->open_handles)
		return;
	p->done(p->arg, p->result, p->has_local ? &p->local : NULL);
	free(p);
}

static void read_local(struct probe *p)
{
	struct sockaddr_storage from;
	const struct sockaddr_in *four = (const struct sockaddr_in *)&from;
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)&from;
	int length = sizeof(from);

	if (uv_tcp_getsockname(&p->tcp, (struct sockaddr *)&from, &length))
		return;
	if (from.ss_family == AF_INET)
		p->local = addr_from_v4(four->sin_addr.s_addr);
	else if (addr_from_bytes(&p->local, &six->sin6_addr, sizeof(six->sin6_addr)))
		return;
	p->has_local = !addr_is_zero(&p->local);
}

static void finish(struct probe *p, enum probe_result result)
{
	if (p->over)
		return;
	p->over = true;
	p->result = result;
	read_local(p);
	uv_close((uv_handle_t *)&p->tcp, on_closed);
	uv_close((uv_handle_t *)&p->timer, on_closed);
}

static void on_connect(uv_connect_t *request, int status)
{
	struct probe *p = request->data;

	if (status == 0)
		finish(p, PROBE_OPEN);
	else if (status == UV_ECONNREFUSED || status == UV_ECONNRESET)
		finish(p, PROBE_REFUSED);
	else if (status == UV_ENETUNREACH || status == UV_EHOSTUNREACH)
		finish(p, PROBE_NO_ROUTE);
	else
		finish(p, status == UV_ETIMEDOUT ? PROBE_SILENT : PROBE_FAILED);
}

static void on_timer(uv_timer_t *timer)
{
	finish(timer->data, PROBE_SILENT);
}

static void to_sockaddr(const struct addr *address, uint16_t port, struct sockaddr_storage *to)
{
	struct sockaddr_in *four = (struct sockaddr_in *)to;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)to;

	memset(to, 0, sizeof(*to));
	if (addr_is_v4(address)) {
		four->sin_family = AF_INET;
		four->sin_port = htons(port);
		four->sin_addr.s_addr = addr_v4(address);
	} else {
		six->sin6_family = AF_INET6;
		six->sin6_port = htons(port);
		memcpy(&six->sin6_addr, address->byte, sizeof(six->sin6_addr));
	}
}

int probe_start(uv_loop_t *loop, const struct addr *address, uint16_t port,
	void (*done)(void *arg, enum probe_result result, const struct addr *local), void *arg)
{
	struct probe *p = calloc(1, sizeof(*p));
	struct sockaddr_storage to;

	if (!p)
		return -ENOMEM;
	*p = (struct probe){.done = done, .arg = arg, .open_handles = 2};
	uv_tcp_init(loop, &p->tcp);
	uv_timer_init(loop, &p->timer);
	p->tcp.data = p->timer.data = p->connect.data = p;
	to_sockaddr(address, port, &to);
	if (uv_tcp_connect(&p->connect, &p->tcp, (struct sockaddr *)&to, on_connect) < 0)
		finish(p, PROBE_FAILED);
	else
		uv_timer_start(&p->timer, on_timer, PROBE_MS, 0);
	return 0;
}
