// SPDX-License-Identifier: BSD-3-Clause
// sluice cluster register|unregister|drain|undrain. What a kubeconfig says, and the files that it
// names, are read here and go to the API as one JSON text: the control plane reads no files of
// ours.
#include "cli.h"
#include "exec_plugin.h"
#include "kubeconfig.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATIENCE_S    90
#define PLUGIN_MS     30000
#define PLUGIN_ASK_MS 300000 // somebody has to answer it

enum { // arguments
	NAME,
	KUBECONFIG,
	CONTEXT,
	SERVER,
	CA,
	TOKEN,
	PROXY,
	NAMESPACES,
	SECRETS_IN,
	DRY_RUN
};

static void set(json_t *body, const char *key, const char *text)
{
	if (text && *text)
		json_object_set_new(body, key, json_string(text));
}

// The text itself, or what is in the file; false with the reason.
static bool set_text_or_file(
	json_t *body, const char *key, const char *text, const char *file, struct reason *reason)
{
	size_t length;
	char *content;

	if (*text || !*file) {
		set(body, key, text);
		return true;
	}
	content = kubeconfig_read_file(file, &length, reason);
	if (!content)
		return false;
	if (strcmp(key, "token") == 0)
		content[strcspn(content, " \r\n\t")] = '\0';
	set(body, key, content);
	explicit_bzero(content, length);
	free(content);
	return true;
}

struct taking {
	json_t *body;
	struct reason *reason;
	const char *file;
	bool ok;
};

static void take_credential(
	void *arg, const struct exec_credential *credential, const char *problem)
{
	struct taking *t = arg;

	if (!credential) {
		reason_add(t->reason, "%s: %s", t->file, problem);
		return;
	}
	set(t->body, "token", credential->token);
	set(t->body, "cert_pem", credential->cert_pem);
	set(t->body, "key_pem", credential->key_pem);
	t->ok = true;
}

// The plugin runs as whoever typed the command, here and not in the control plane: what it may read
// is that person's, and so is the kubeconfig that names it.
static bool take_from_plugin(json_t *body, const struct kubeconfig *config, struct reason *reason)
{
	struct taking taking = {body, reason, config->file, false};
	bool terminal = isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
	struct exec_plugin_options options = {.config = config,
		.terminal = terminal,
		.patience_ms = terminal ? PLUGIN_ASK_MS : PLUGIN_MS,
		.arg = &taking,
		.done = take_credential};
	uv_loop_t loop;

	if (uv_loop_init(&loop) < 0) {
		reason_add(reason, "out of memory");
		return false;
	}
	options.loop = &loop;
	if (exec_plugin_start(&options))
		uv_run(&loop, UV_RUN_DEFAULT);
	else
		reason_add(reason, "out of memory");
	uv_loop_close(&loop);
	return taking.ok;
}

static bool take_config(
	json_t *body, const struct kubeconfig *config, bool token_given, struct reason *reason)
{
	if (config->insecure) {
		reason_add(reason,
			"%s says insecure-skip-tls-verify: name the cluster's CA instead "
			"(certificate-authority)",
			config->file);
		return false;
	}
	set(body, "server", config->server);
	set(body, "tls_server_name", config->tls_server_name);
	set(body, "proxy", config->proxy);
	if (!set_text_or_file(body, "ca_pem", config->ca_pem, config->ca_file, reason))
		return false;
	if (token_given)
		return true;
	if (*config->exec_command)
		return take_from_plugin(body, config, reason);
	return set_text_or_file(body, "token", config->token, config->token_file, reason) &&
	       set_text_or_file(body, "cert_pem", config->cert_pem, config->cert_file, reason) &&
	       set_text_or_file(body, "key_pem", config->key_pem, config->key_file, reason);
}

static bool add_kubeconfig(json_t *body, const struct cli_call *call, struct reason *reason)
{
	const char *context = call->values[CONTEXT] ? call->values[CONTEXT] : "";
	struct kubeconfig config;
	bool ok;

	if (kubeconfig_load(&config, call->values[KUBECONFIG], context, reason))
		return false;
	ok = take_config(body, &config, call->values[TOKEN] != NULL, reason);
	kubeconfig_clear(&config);
	return ok;
}

static bool add_by_hand(json_t *body, const struct cli_call *call, struct reason *reason)
{
	if (!call->values[SERVER] || !call->values[TOKEN]) {
		reason_add(reason,
			"expected kubeconfig FILE, or, for an account that was made by hand, "
			"server URL, ca FILE and token TOKEN");
		return false;
	}
	json_object_set_new(body, "by_hand", json_true());
	return true;
}

static bool fill(json_t *body, const struct cli_call *call, struct reason *reason)
{
	const char *const *values = call->values;

	if (!values[NAME]) {
		reason_add(reason, "\"cluster register\" needs its NAME");
		return false;
	}
	if (values[KUBECONFIG] ? !add_kubeconfig(body, call, reason)
			       : !add_by_hand(body, call, reason))
		return false;
	set(body, "server", values[SERVER]);
	set(body, "proxy", values[PROXY]);
	set(body, "token", values[TOKEN]);
	set(body, "namespaces", values[NAMESPACES]);
	set(body, "secrets_in", values[SECRETS_IN]);
	return !values[CA] || set_text_or_file(body, "ca_pem", "", values[CA], reason);
}

// Not a command: how the manifests are asked for.
static const struct cli_command cli_cluster_manifests = {
	.path = "/v1/cluster/manifests",
	.arguments = {{"namespaces", "A,B", ""}, {"secrets_in", "A,B", ""}},
};

// What stands in it is checked by whoever is asked.
static char *manifests_path(const struct cli_call *call)
{
	struct cli_call named = {.command = &cli_cluster_manifests};

	named.values[0] = call->values[NAMESPACES];
	named.values[1] = call->values[SECRETS_IN];
	return client_query(&named);
}

static bool compose(
	const struct cli_call *call, struct cli_question *question, struct reason *reason)
{
	struct cli_call named = {.command = call->command}; // the rest is no matter for logs
	json_t *body;

	if (call->values[DRY_RUN]) {
		question->path = manifests_path(call);
		if (!question->path)
			reason_add(reason, "out of memory");
		return question->path;
	}
	body = json_object();
	if (fill(body, call, reason)) {
		named.values[NAME] = call->values[NAME];
		question->path = client_query(&named);
		question->body = json_dumps(body, JSON_COMPACT);
	}
	json_decref(body);
	return question->path && question->body;
}

static void print_registered(json_t *answer, FILE *out)
{
	const char *manifests = json_string_value(json_object_get(answer, "manifests"));
	const char *name = row_text(answer, "registered");

	if (manifests)
		fputs(manifests, out);
	else
		fprintf(out, "%s is registered: %s\nnext: sluice cluster check %s\n", name,
			row_text(answer, "server"), name);
}

static void print_unregistered(json_t *answer, FILE *out)
{
	const char *namespaces = json_string_value(json_object_get(answer, "namespaces"));
	const char *secrets = json_string_value(json_object_get(answer, "secrets_in"));
	bool walled = namespaces && *namespaces, some = secrets && *secrets;

	fprintf(out,
		"%s is not served any more, and its credentials are gone from here\n"
		"in the cluster: sluice cluster register --dry-run%s%s%s%s | kubectl delete -f -\n",
		row_text(answer, "unregistered"), walled ? " --namespaces " : "",
		walled ? namespaces : "", some ? " --secrets-in " : "", some ? secrets : "");
}

static void print_drained(json_t *answer, FILE *out)
{
	bool drained = json_is_true(json_object_get(answer, "drained"));

	fprintf(out, "%s %s\n", row_text(answer, "what"),
		drained ? "is drained: it gets nothing new" : "gets traffic again");
}

const struct cli_command cli_cluster_register = {
	.words = {"cluster", "register"},
	.help = "serve a cluster: makes our account in it, and keeps that one's token",
	.path = "/v1/cluster/register",
	.arguments =
		{
			[NAME] = {"name", "NAME", "what the cluster is called here"},
			[KUBECONFIG] = {"kubeconfig", "FILE",
				"whose rights are used, this once, to make the account"},
			[CONTEXT] = {"context", "NAME",
				"of the kubeconfig; its current one without"},
			[SERVER] = {"server", "URL",
				"without kubeconfig: the API server, the account is there already"},
			[CA] = {"ca", "FILE", "the CA of its certificate, as PEM"},
			[TOKEN] = {"token", "TOKEN",
				"of the account; with kubeconfig: of its user"},
			[PROXY] = {"proxy", "URL", "by which the API server is reached"},
			[NAMESPACES] = {"namespaces", "A,B",
				"the only ones that are served and may be read"},
			[SECRETS_IN] = {"secrets-in", "A,B",
				"the only ones whose Secrets may be read"},
			[DRY_RUN] = {"dry-run", NULL, "print what would be made in the cluster"},
		},
	.changes = true,
	.bare = 1,
	.bare_spared = true,
	.compose = compose,
	.print = print_registered,
	.patience_s = PATIENCE_S,
};

const struct cli_command cli_cluster_unregister = {
	.words = {"cluster", "unregister"},
	.help = "serve a cluster no more and forget its credentials",
	.path = "/v1/cluster/unregister",
	.arguments = {{"name", "NAME", "of the cluster"}},
	.changes = true,
	.bare = 1,
	.print = print_unregistered,
	.values = {&cli_values_clusters},
};

const struct cli_command cli_cluster_drain = {
	.words = {"cluster", "drain"},
	.help = "send nothing new to a cluster; what goes on there goes on",
	.path = "/v1/cluster/drain",
	.arguments = {{"name", "NAME", "of the cluster"}},
	.changes = true,
	.bare = 1,
	.print = print_drained,
	.values = {&cli_values_clusters},
};

const struct cli_command cli_cluster_undrain = {
	.words = {"cluster", "undrain"},
	.help = "send to it again",
	.path = "/v1/cluster/undrain",
	.arguments = {{"name", "NAME", "of the cluster"}},
	.changes = true,
	.bare = 1,
	.print = print_drained,
	.values = {&cli_values_clusters},
};
