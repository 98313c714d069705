// SPDX-License-Identifier: BSD-3-Clause
// What a kubeconfig file says about one context: which server, whom it trusts, who we are.
//
// Files that it names are read when they are needed and not here, as they are renewed. Mistakes are
// told with file, line and field. Pure but for kubeconfig_load(); hostile input.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "arena.h"
#include "reason.h"

struct kubeconfig_env {
	const char *name, *value;
};

enum kubeconfig_exec { // may the plugin ask somebody
	EXEC_IF_AVAILABLE,
	EXEC_NEVER,
	EXEC_ALWAYS,
};

struct kubeconfig { // "" = not said
	struct arena arena;
	const char *file, *context, *server, *namespace;
	const char *ca_file, *tls_server_name, *proxy;
	const char *cert_file, *key_file, *token_file, *token;
	// What stood in the file itself, as PEM.
	const char *ca_pem, *cert_pem, *key_pem;
	bool insecure; // said so: the server's certificate is not looked at
	// The plugin that gives credentials: "" = none.
	const char *exec_command, *exec_api_version, *exec_hint; // how it is installed
	enum kubeconfig_exec exec_interactive;
	bool exec_cluster_info; // it wants to know which cluster
	unsigned exec_arg_count, exec_env_count;
	const char **exec_args;
	const struct kubeconfig_env *exec_env;
};

// The context named, or with "" the one that the file calls current. 0, or -errno with the reason.
int kubeconfig_parse(struct kubeconfig *config, const char *bytes, size_t length, const char *file,
	const char *context, struct reason *reason); // house: a text has its bytes and its name
int kubeconfig_load(
	struct kubeconfig *config, const char *file, const char *context, struct reason *reason);
void kubeconfig_clear(struct kubeconfig *config);

// The whole file, to be freed, with a zero byte behind it; NULL with the reason.
char *kubeconfig_read_file(const char *file, size_t *length, struct reason *reason);
