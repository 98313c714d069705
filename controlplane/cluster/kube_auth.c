// SPDX-License-Identifier: BSD-3-Clause
#include "kube_auth.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "exec_plugin.h"

#define PLUGIN_MS 30000
#define AGAIN_MS  5000 // after a plugin failed
#define MARGIN_S  60   // before its end a credential is replaced

struct kube_auth {
	struct kube_auth_options options;
	bool has;
	int64_t ends; // of a plugin's credentials, seconds of the epoch; INT64_MAX = never
	uint64_t asked_ms;
	struct exec_plugin *plugin;
	uv_timer_t timer;
	char problem[1024];
};

static void on_timer(uv_timer_t *timer)
{
	struct kube_auth *a = timer->data;

	a->options.changed(a->options.arg);
}

static void plugin_done(void *arg, const struct exec_credential *credential, const char *problem)
{
	struct kube_auth *a = arg;

	a->plugin = NULL;
	snprintf(a->problem, sizeof(a->problem), "%s", problem ? problem : "");
	if (credential) {
		kube_http_credentials(a->options.http, credential->token, credential->cert_pem,
			credential->key_pem);
		a->ends = credential->ends_s;
		a->has = true;
	}
	uv_timer_start(&a->timer, on_timer, a->has ? 0 : AGAIN_MS, 0);
	if (!a->has)
		a->options.changed(a->options.arg);
}

static void run_plugin(struct kube_auth *a)
{
	const struct exec_plugin_options options = {.loop = a->options.loop,
		.config = a->options.config,
		.patience_ms = PLUGIN_MS,
		.arg = a,
		.done = plugin_done};

	a->asked_ms = uv_now(a->options.loop);
	a->plugin = exec_plugin_start(&options);
	if (!a->plugin)
		uv_timer_start(&a->timer, on_timer, AGAIN_MS, 0);
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
	if (!a->plugin && (!a->asked_ms || uv_now(a->options.loop) - a->asked_ms >= AGAIN_MS))
		run_plugin(a);
	else if (!a->plugin)
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
	kube_http_credentials(options->http, options->config->token, "", "");
	return a;
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void kube_auth_close(struct kube_auth *a)
{
	if (!a)
		return;
	exec_plugin_cancel(a->plugin);
	uv_close((uv_handle_t *)&a->timer, on_closed);
}
