// SPDX-License-Identifier: BSD-3-Clause
#include "kube_auth.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "decode.h"
#include "json_tree.h"

#define OUTPUT_BYTES (1u << 20)
#define PLUGIN_MS    30000
#define AGAIN_MS     5000 // after a plugin failed
#define MARGIN_S     60   // before its end a credential is replaced
#define ENV_MOST     256

struct kube_auth {
	struct kube_auth_options options;
	bool has, running, closing;
	int64_t ends; // of a plugin's credentials, seconds of the epoch; INT64_MAX = never
	uint64_t asked_ms;
	uv_process_t process;
	uv_pipe_t out;
	uv_timer_t timer;
	unsigned open_handles;
	char *output;
	size_t length;
	int64_t exit_status;
	char problem[512];
};

static void auth_free(struct kube_auth *a)
{
	if (a->output)
		explicit_bzero(a->output, a->length);
	free(a->output);
	free(a);
}

static const char *text_at(const struct tree *map, const char *key)
{
	const struct tree *tree = tree_get(map, key);

	return tree && tree->kind == TREE_TEXT ? tree->text : "";
}

static void take_output(struct kube_auth *a)
{
	struct arena arena = {0};
	struct json_error error;
	const struct tree *root, *status;
	const char *token, *cert, *key, *ends;

	a->problem[0] = '\0';
	if (a->exit_status < 0)
		snprintf(a->problem, sizeof(a->problem), "the plugin %s cannot be run: %s",
			a->options.config->exec_command, strerror((int)-a->exit_status));
	else if (a->exit_status != 0)
		snprintf(a->problem, sizeof(a->problem),
			"the plugin %s ended with %lld: run it by hand to see why",
			a->options.config->exec_command, (long long)a->exit_status);
	else if (json_read(a->output ? a->output : "", a->length, &arena, &root, &error) != 0 ||
		 !(status = tree_get(root, "status")))
		snprintf(a->problem, sizeof(a->problem),
			"the plugin %s wrote no ExecCredential with a status",
			a->options.config->exec_command);
	else {
		token = text_at(status, "token");
		cert = text_at(status, "clientCertificateData");
		key = text_at(status, "clientKeyData");
		ends = text_at(status, "expirationTimestamp");
		a->ends = *ends ? decode_time(ends) : INT64_MAX;
		if (!*token && (!*cert || !*key))
			snprintf(a->problem, sizeof(a->problem),
				"the plugin %s gave neither a token nor a certificate with its key",
				a->options.config->exec_command);
		else {
			kube_http_credentials(a->options.http, token, cert, key);
			a->has = true;
		}
	}
	arena_clear(&arena);
	if (a->output)
		explicit_bzero(a->output, a->length);
	free(a->output);
	a->output = NULL;
	a->length = 0;
}

static void on_timer(uv_timer_t *timer)
{
	struct kube_auth *a = timer->data;

	if (a->running)
		uv_process_kill(&a->process, SIGKILL);
	else
		a->options.changed(a->options.arg);
}

static void on_closed(uv_handle_t *handle)
{
	struct kube_auth *a = handle->data;

	a->open_handles--;
	if (a->closing) {
		if (!a->open_handles)
			auth_free(a);
		return;
	}
	if (a->open_handles > 1) // the timer stays
		return;
	a->running = false;
	take_output(a);
	uv_timer_start(&a->timer, on_timer, a->has ? 0 : AGAIN_MS, 0);
	if (!a->has)
		a->options.changed(a->options.arg);
}

static void on_ended(uv_process_t *process, int64_t status, int signal)
{
	struct kube_auth *a = process->data;

	a->exit_status = signal ? 128 + signal : status;
	uv_timer_stop(&a->timer);
	uv_close((uv_handle_t *)process, on_closed);
}

static void on_buffer(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
	(void)handle;
	// NOLINTNEXTLINE(clang-analyzer-unix.Malloc): on_read() frees it
	*buf = uv_buf_init(malloc(size), (unsigned)size);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct kube_auth *a = stream->data;

	if (n > 0 && a->length + (size_t)n < OUTPUT_BYTES) {
		char *bigger = realloc(a->output, a->length + (size_t)n + 1);

		if (bigger) {
			a->output = bigger;
			memcpy(a->output + a->length, buf->base, (size_t)n);
			a->length += (size_t)n;
		}
	}
	if (buf->base) {
		explicit_bzero(buf->base, buf->len);
		free(buf->base);
	}
	if (n < 0 && !uv_is_closing((uv_handle_t *)stream))
		uv_close((uv_handle_t *)stream, on_closed);
}

// Ours, the kubeconfig's, and what the plugin is told. To be freed with its texts behind `mine`.
static unsigned make_env(const struct kubeconfig *config, char *env[static ENV_MOST + 1])
{
	unsigned n = 0;

	for (unsigned i = 0; i < config->exec_env_count && n < ENV_MOST / 2; i++)
		if (asprintf(&env[n], "%s=%s", config->exec_env[i].name,
			    config->exec_env[i].value) > 0)
			n++;
	if (asprintf(&env[n],
		    "KUBERNETES_EXEC_INFO={\"kind\":\"ExecCredential\",\"apiVersion\":\"%s\","
		    "\"spec\":{\"interactive\":false}}",
		    *config->exec_api_version ? config->exec_api_version
					      : "client.authentication.k8s.io/v1") > 0)
		n++;
	for (unsigned i = 0; environ[i] && n < ENV_MOST; i++)
		env[n++] = strdup(environ[i]);
	env[n] = NULL;
	return n;
}

static void run_plugin(struct kube_auth *a)
{
	const struct kubeconfig *config = a->options.config;
	char *env[ENV_MOST + 1];
	unsigned count = make_env(config, env);
	char **args = calloc(config->exec_arg_count + 2u, sizeof(*args));
	uv_stdio_container_t stdio[3] = {{.flags = UV_IGNORE},
		{.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&a->out},
		{.flags = UV_INHERIT_FD, .data.fd = 2}};
	uv_process_options_t options = {.exit_cb = on_ended,
		.file = config->exec_command,
		.args = args,
		.env = env,
		.stdio_count = 3,
		.stdio = stdio};
	int rc = UV_ENOMEM;

	uv_pipe_init(a->options.loop, &a->out, 0);
	a->out.data = a->process.data = a;
	a->open_handles++;
	a->asked_ms = uv_now(a->options.loop);
	a->running = true;
	if (args) {
		args[0] = (char *)(uintptr_t)config->exec_command;
		for (unsigned i = 0; i < config->exec_arg_count; i++)
			args[i + 1] = (char *)(uintptr_t)config->exec_args[i];
		rc = uv_spawn(a->options.loop, &a->process, &options);
		a->open_handles++; // also when it failed
	}
	if (rc < 0) {
		a->exit_status = rc;
		if (args)
			uv_close((uv_handle_t *)&a->process, on_closed);
		uv_close((uv_handle_t *)&a->out, on_closed);
	} else {
		uv_read_start((uv_stream_t *)&a->out, on_buffer, on_read);
		uv_timer_start(&a->timer, on_timer, PLUGIN_MS, 0);
	}
	for (unsigned i = 0; i < count; i++)
		free(env[i]);
	free(args);
}

static bool read_token(struct kube_auth *a)
{
	struct reason reason = {0};
	size_t length;
	char *token = kubeconfig_read_file(a->options.config->token_file, &length, &reason);

	a->problem[0] = '\0';
	if (token) {
		token[strcspn(token, " \r\n\t")] = '\0';
		kube_http_credentials(a->options.http, token, "", "");
		explicit_bzero(token, length);
		free(token);
	} else {
		snprintf(a->problem, sizeof(a->problem), "the token: %.400s", reason_text(&reason));
	}
	reason_clear(&reason);
	a->has = true; // as good as it gets: the server says more
	return true;
}

bool kube_auth_ready(struct kube_auth *a)
{
	const struct kubeconfig *config = a->options.config;

	if (*config->token_file)
		return read_token(a);
	if (!*config->exec_command)
		return true;
	if (a->has && (int64_t)time(NULL) < a->ends - MARGIN_S)
		return true;
	if (!a->running && (!a->asked_ms || uv_now(a->options.loop) - a->asked_ms >= AGAIN_MS))
		run_plugin(a);
	else if (!a->running)
		uv_timer_start(&a->timer, on_timer, AGAIN_MS, 0);
	// What is about to end serves until the new ones are there.
	return a->has && (int64_t)time(NULL) < a->ends;
}

void kube_auth_refused(struct kube_auth *a)
{
	if (*a->options.config->exec_command)
		a->has = false;
}

const char *kube_auth_problem(const struct kube_auth *a)
{
	return a->problem;
}

struct kube_auth *kube_auth_open(const struct kube_auth_options *options)
{
	struct kube_auth *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->options = *options;
	uv_timer_init(options->loop, &a->timer);
	a->timer.data = a;
	a->open_handles = 1;
	kube_http_credentials(options->http, options->config->token, "", "");
	return a;
}

void kube_auth_close(struct kube_auth *a)
{
	if (!a)
		return;
	a->closing = true;
	uv_close((uv_handle_t *)&a->timer, on_closed);
	if (!a->running)
		return;
	if (!uv_is_closing((uv_handle_t *)&a->out))
		uv_close((uv_handle_t *)&a->out, on_closed);
	if (!uv_is_closing((uv_handle_t *)&a->process)) {
		uv_process_kill(&a->process, SIGKILL);
		uv_close((uv_handle_t *)&a->process, on_closed);
	}
}
