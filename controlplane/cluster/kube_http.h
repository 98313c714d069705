// SPDX-License-Identifier: BSD-3-Clause
// Requests to one API server: libcurl's multi interface on the loop, HTTP/2 where the server has
// it.
//
// A request ends once, with `done`, from the loop; or it is cancelled and nothing is called any
// more. What the answer holds is given as it comes. Loop thread only.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "kubeconfig.h"

struct kube_http;
struct kube_call;

struct kube_answer {
	long status;         // 0: there was none, or it broke off
	const char *error;   // for people, one line; NULL when the answer is whole
	bool unreachable;    // nobody answered at all: the server may have been started anew
	uint32_t retry_s;    // Retry-After; 0 = not said
	int64_t server_time; // its Date, seconds of the epoch; 0 = not said
};

struct kube_question {
	const char *method;              // NULL = GET
	const char *path;                // "/api/v1/nodes?limit=500"
	const char *body, *content_type; // body NULL = none
	uint32_t stall_s;                // given up when nothing at all came for so long; 0 = 30
	bool any_length;                 // a watch: it goes on
	bool of_one;                     // object: little comes at a time
	void *arg;
	// Part of an answer. Not 0 ends the request.
	int (*data)(void *arg, const struct kube_call *call, const char *bytes, size_t length);
	void (*begun)(void *arg); // the head of a good answer came; may be NULL
	void (*done)(void *arg, const struct kube_answer *answer);
	void (*dropped)(void *arg); // instead of done, when it is cancelled; may be NULL
};

// Borrows `config`. NULL: out of memory.
struct kube_http *kube_http_open(uv_loop_t *loop, const struct kubeconfig *config);
// Cancels what is open. The memory goes when the loop has let go; then `closed` is called.
void kube_http_close(struct kube_http *http, void (*closed)(void *arg), void *arg);
// What is sent from now on; "" = none. The PEMs are "" to use those of the kubeconfig.
void kube_http_credentials(
	struct kube_http *http, const char *token, const char *cert_pem, const char *key_pem);
// An answer did not come in time. When nothing else came for long either, what is open ends, and
// what is asked next goes over connections of its own: with HTTP/2 one that is dead or lost in a
// proxy holds all that is asked.
void kube_http_doubt(struct kube_http *http);

struct kube_http_state {
	const char *protocol; // of the answer heard last: "HTTP/2", "HTTP/1.1"; "" = none yet
	unsigned connections, requests;
};
void kube_http_state(const struct kube_http *http, struct kube_http_state *state);

struct kube_call *kube_http_ask(struct kube_http *http, const struct kube_question *question);
void kube_http_cancel(struct kube_call *call); // NULL is nothing
long kube_call_status(const struct kube_call *call);
char *kube_http_escape(const char *text); // as a value in a path; to be freed
