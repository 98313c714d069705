// SPDX-License-Identifier: BSD-3-Clause
// Who we are for an API server: the credentials of a kubeconfig, kept fresh.
//
// A token of the file itself never changes; that of a token file is read again each time; those of
// a plugin are asked for when there are none or they are about to end, by a process of its own that
// nobody waits for. Loop thread only.
#pragma once

#include <stdbool.h>
#include <uv.h>

#include "kube_http.h"

struct kube_auth;

struct kube_auth_options {
	uv_loop_t *loop;
	const struct kubeconfig *config;
	struct kube_http *http; // is given the credentials
	void *arg;
	void (*changed)(void *arg); // there are new ones, or there is a problem
};

struct kube_auth *kube_auth_open(const struct kube_auth_options *options);
// The memory goes when the loop has let go.
void kube_auth_close(struct kube_auth *auth);
// Are there credentials? Else `changed` is called when there are.
bool kube_auth_ready(struct kube_auth *auth);
void kube_auth_refused(struct kube_auth *auth); // 401: those of a plugin are asked for anew
const char *kube_auth_problem(const struct kube_auth *auth); // "" = none
