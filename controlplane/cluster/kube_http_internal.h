// SPDX-License-Identifier: BSD-3-Clause
// A request as kube_http.c has it, for kube_loop.c to carry and kube_explain.c to say what became
// of it.
#pragma once

#include <curl/curl.h>

#include "kube_http.h"

#define ERROR_BYTES   (CURL_ERROR_SIZE + 512)
#define REFUSED_BYTES 2048 // of an answer that is an error, kept for its message

struct socket_watch;

struct kube_call {
	struct kube_http *http;
	struct kube_call *next, **at;
	struct kube_question question;
	CURL *easy;
	struct curl_slist *headers, *connect_to;
	char *body;
	char refused[REFUSED_BYTES];
	size_t refused_length;
	int64_t server_time;
	uint64_t heard_ms; // when something came, or it was asked; loop's time
	char error[CURL_ERROR_SIZE];
};

struct kube_http {
	uv_loop_t *loop;
	const struct kubeconfig *config;
	CURLM *multi;
	uv_timer_t timer, stalls;
	unsigned open_handles;
	struct kube_call *calls;
	struct socket_watch *watches;
	char *token, *cert_pem, *key_pem;
	char *url, *connect_to; // "https://host:port", without a slash at its end
	long version;           // CURL_HTTP_VERSION_*, of the answer heard last; 0 = none yet
	uint64_t heard_ms;      // when something came; loop's time
	uint64_t patience_ms;   // how long nothing may
	bool closing;
	void (*closed)(void *arg);
	void *closed_arg;
};

void kube_http_finish(struct kube_http *http); // those whose answers are there, or never come
void kube_http_free(struct kube_http *http);
void kube_http_give_up(struct kube_http *http); // calls that stall; from the loop, now and then

// kube_loop.c
bool kube_loop_open(struct kube_http *http);
void kube_loop_close(struct kube_http *http); // the memory goes when the loop has let go
void kube_loop_renew(struct kube_http *http); // its connections end; no call may be on them
unsigned kube_loop_connections(const struct kube_http *http);
int kube_loop_socket(void *arg, curl_socket_t fd, curlsocktype purpose);

// One line: what is wrong and what to do about it.
void kube_explain(const struct kube_call *call, CURLcode code, char text[static ERROR_BYTES]);
void kube_explain_status(struct kube_call *call, long status, char text[static ERROR_BYTES]);
