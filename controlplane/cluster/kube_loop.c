// SPDX-License-Identifier: BSD-3-Clause
// The loop's side of libcurl: it says which sockets and which timer it wants watched, and the loop
// watches them.
#include "kube_http_internal.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>

#define STALLS_MS  1000  // between looks at who stalls
#define UNACKED_MS 20000 // what we sent; then the connection is dead

struct socket_watch {
	uv_poll_t poll;
	struct kube_http *http;
	curl_socket_t fd;
	struct socket_watch *next, **at;
};

static void handle_closed(struct kube_http *http)
{
	if (--http->open_handles)
		return;
	if (http->closed)
		http->closed(http->closed_arg);
	kube_http_free(http);
}

static void on_timer(uv_timer_t *timer)
{
	struct kube_http *http = timer->data;
	int running;

	curl_multi_socket_action(http->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	kube_http_finish(http);
}

static void on_stalls(uv_timer_t *timer)
{
	kube_http_give_up(timer->data);
}

static int want_timer(CURLM *multi, long timeout_ms, void *arg)
{
	struct kube_http *http = arg;

	(void)multi;
	if (timeout_ms < 0)
		uv_timer_stop(&http->timer);
	else if (!http->closing)
		uv_timer_start(&http->timer, on_timer, (uint64_t)timeout_ms, 0);
	return 0;
}

static void on_socket(uv_poll_t *poll, int status, int events)
{
	struct socket_watch *watch = poll->data;
	struct kube_http *http = watch->http;
	int running, flags = status < 0 ? CURL_CSELECT_ERR : 0;

	if (events & UV_READABLE)
		flags |= CURL_CSELECT_IN;
	if (events & UV_WRITABLE)
		flags |= CURL_CSELECT_OUT;
	curl_multi_socket_action(http->multi, watch->fd, flags, &running);
	kube_http_finish(http);
}

static void on_socket_closed(uv_handle_t *handle)
{
	struct socket_watch *watch = handle->data;

	handle_closed(watch->http);
	free(watch);
}

static void watch_end(struct socket_watch *watch)
{
	*watch->at = watch->next;
	if (watch->next)
		watch->next->at = watch->at;
	uv_poll_stop(&watch->poll);
	uv_close((uv_handle_t *)&watch->poll, on_socket_closed);
}

// house: libcurl says which parameters
static int want_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *place)
{
	struct kube_http *http = arg;
	struct socket_watch *watch = place;
	int events = 0;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (watch) {
			curl_multi_assign(http->multi, fd, NULL);
			watch_end(watch);
		}
		return 0;
	}
	if (!watch) {
		watch = calloc(1, sizeof(*watch));
		if (!watch)
			return -1;
		watch->http = http;
		watch->fd = fd;
		if (uv_poll_init_socket(http->loop, &watch->poll, fd) < 0) {
			free(watch);
			return -1;
		}
		watch->poll.data = watch;
		watch->next = http->watches;
		watch->at = &http->watches;
		if (watch->next)
			watch->next->at = &watch->next;
		http->watches = watch;
		http->open_handles++;
		curl_multi_assign(http->multi, fd, watch);
	}
	if (what & CURL_POLL_IN)
		events |= UV_READABLE;
	if (what & CURL_POLL_OUT)
		events |= UV_WRITABLE;
	return uv_poll_start(&watch->poll, events, on_socket) < 0 ? -1 : 0;
}

// Keepalive looks after an idle connection; one that has something to send would else be held for
// a quarter of an hour after the other end has gone, with all that is asked over it.
int kube_loop_socket(void *arg, curl_socket_t fd, curlsocktype purpose)
{
	int unacked_ms = UNACKED_MS;

	(void)arg;
	(void)purpose;
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacked_ms, sizeof(unacked_ms));
	return CURL_SOCKOPT_OK;
}

static CURLM *multi_new(struct kube_http *http)
{
	CURLM *multi = curl_multi_init();

	if (!multi)
		return NULL;
	curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, want_socket);
	curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, http);
	curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, want_timer);
	curl_multi_setopt(multi, CURLMOPT_TIMERDATA, http);
	curl_multi_setopt(multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
	return multi;
}

static void multi_end(struct kube_http *http)
{
	curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, NULL);
	curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, NULL);
	uv_timer_stop(&http->timer);
	while (http->watches)
		watch_end(http->watches);
	curl_multi_cleanup(http->multi);
}

bool kube_loop_open(struct kube_http *http)
{
	http->multi = multi_new(http);
	if (!http->multi)
		return false;
	uv_timer_init(http->loop, &http->timer);
	uv_timer_init(http->loop, &http->stalls);
	http->timer.data = http->stalls.data = http;
	uv_timer_start(&http->stalls, on_stalls, STALLS_MS, STALLS_MS);
	http->open_handles = 2;
	return true;
}

void kube_loop_renew(struct kube_http *http)
{
	CURLM *fresh = multi_new(http);

	if (!fresh)
		return; // the old connections have to do
	multi_end(http);
	http->multi = fresh;
}

unsigned kube_loop_connections(const struct kube_http *http)
{
	unsigned count = 0;

	for (const struct socket_watch *watch = http->watches; watch; watch = watch->next)
		count++;
	return count;
}

static void on_timer_closed(uv_handle_t *handle)
{
	handle_closed(handle->data);
}

void kube_loop_close(struct kube_http *http)
{
	multi_end(http);
	uv_close((uv_handle_t *)&http->timer, on_timer_closed);
	uv_close((uv_handle_t *)&http->stalls, on_timer_closed);
}
