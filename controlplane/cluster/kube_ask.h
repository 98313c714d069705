// SPDX-License-Identifier: BSD-3-Clause
// One request to an API server whose answer is wanted whole, at most 1 MB of it. Loop thread only.
#pragma once

#include "kube_http.h"

struct kube_ask {
	const char *method, *path, *body, *content_type; // as in struct kube_question
	uint32_t stall_s;
	void *arg;
	// Once for each that returned 0, never from within; when the connection is closed before,
	// from there, with an error that says so. `body` is "" when there is none.
	void (*done)(void *arg, const struct kube_answer *answer, const char *body);
};

int kube_ask(struct kube_http *http, const struct kube_ask *ask); // 0 or -ENOMEM
