// SPDX-License-Identifier: BSD-3-Clause
// The program that a kubeconfig names to get credentials from (client.authentication.k8s.io/v1 and
// v1beta1): run once, its answer read.
//
// It runs as whoever runs us, so only a kubeconfig of that person's own may name one: that of a
// source is root's, that of a registration is read by the console, which runs the plugin itself.
// Loop thread only.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "arena.h"
#include "kubeconfig.h"

struct exec_plugin;

struct exec_credential { // "" = none
	const char *token, *cert_pem, *key_pem;
	int64_t ends_s; // of the epoch; INT64_MAX = never
};

struct exec_plugin_options {
	uv_loop_t *loop;
	const struct kubeconfig *config;
	bool terminal; // there is somebody at our standard input, whom the plugin may ask
	uint64_t patience_ms;
	void *arg;
	// Once, never from within: what it gave, or what is wrong in one line. Borrowed.
	void (*done)(void *arg, const struct exec_credential *credential, const char *problem);
};

struct exec_plugin *exec_plugin_start(const struct exec_plugin_options *options); // NULL: no memory
// It is killed, and nothing is told any more. The memory goes when the loop has let go.
void exec_plugin_cancel(struct exec_plugin *plugin);

// What a plugin wrote. The texts are the arena's. False: it is no such answer.
bool exec_credential_read(const char *bytes, size_t length, const char *api_version,
	struct arena *arena, struct exec_credential *credential);
