// SPDX-License-Identifier: BSD-3-Clause
// The sockets that the API listens at. See api.h.
#include "api.h"

#include "aside.h"
#include "exchange.h"
#include "listen.h"
#include "log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void free_api(struct api *api)
{
	for (unsigned i = 0; i <= WEB_METRICS; i++)
		web_close(api->webs[i]);
	tokens_close(api->tokens);
	baseline_clear(&api->baseline);
	free(api->socket_path);
	free(api->group);
	if (api->pair)
		explicit_bzero(api->pair, api->pair_length);
	free(api->pair);
	free(api);
}

int api_open(
	struct api **out, uv_loop_t *loop, const struct api_options *options, struct reason *reason)
{
	struct api *api = calloc(1, sizeof(*api));
	struct reason mistakes = {0};
	int error = -ENOMEM, fd;

	if (!api)
		return -ENOMEM;
	api->loop = loop;
	api->options = *options;
	api->socket_path = strdup(options->socket_path);
	api->group = strdup(options->group);
	api->tokens = tokens_open(options->tokens_path, &mistakes);
	if (mistakes.count)
		log_error("api", "%s", reason_text(&mistakes));
	reason_clear(&mistakes);
	if (!api->socket_path || !api->group || !api->tokens)
		goto failed;
	fd = listen_unix(api->socket_path, api->group, reason);
	error = fd < 0 ? fd : web_open(&api->webs[WEB_LOCAL], api, WEB_LOCAL, fd);
	if (error && fd >= 0)
		close(fd);
	if (!error)
		error = web_open(&api->webs[WEB_HTTPS], api, WEB_HTTPS, -1);
	if (!error)
		error = web_open(&api->webs[WEB_METRICS], api, WEB_METRICS, -1);
	if (error)
		goto failed;
	*out = api;
	return 0;
failed:
	free_api(api);
	return error;
}

static bool same(const struct listen_settings *a, const struct listen_settings *b)
{
	return a->on == b->on &&
	       (!a->on || (a->port == b->port && addr_compare(&a->address, &b->address) == 0));
}

static int open_front(struct api *api, enum web_kind kind, const struct listen_settings *settings,
	struct tls_front **front, struct reason *reason)
{
	struct tls_front_options options = {.arg = api->webs[kind], .accepted = web_take};
	char word[ADDR_TEXT];
	int error;

	if (kind == WEB_HTTPS) { // each reader finds its own in the text
		options.certificate_pem = options.key_pem = api->pair;
		options.certificate_length = options.key_length = api->pair_length;
	}
	error = tls_front_open(front, api->loop, settings, &options, reason);
	if (!error)
		log_notice("api", "%s at %s port %u", kind == WEB_HTTPS ? "HTTPS" : "/metrics",
			addr_format(&settings->address, word), settings->port);
	return error;
}

static bool keep_pair(struct api *api, const char *pair, size_t length)
{
	char *copy = malloc(length + 1);

	if (!copy)
		return false;
	memcpy(copy, pair, length);
	copy[length] = '\0';
	if (api->pair)
		explicit_bzero(api->pair, api->pair_length);
	free(api->pair);
	api->pair = copy;
	api->pair_length = length;
	return true;
}

static int follow_https(struct api *api, const struct listen_settings *settings, const char *pair,
	size_t pair_length, struct reason *reason)
{
	bool same_pair = pair_length == api->pair_length &&
			 (!pair_length || memcmp(pair, api->pair, pair_length) == 0);
	int error = 0;

	if (same(settings, &api->https_settings) && (!settings->on || same_pair))
		return 0;
	tls_front_close(api->https);
	api->https = NULL;
	api->https_settings = (struct listen_settings){0};
	if (settings->on)
		error = keep_pair(api, pair, pair_length)
				? open_front(api, WEB_HTTPS, settings, &api->https, reason)
				: -ENOMEM;
	if (!error)
		api->https_settings = *settings;
	return error;
}

static int follow_metrics(
	struct api *api, const struct listen_settings *settings, struct reason *reason)
{
	int error = 0;

	if (same(settings, &api->metrics_settings))
		return 0;
	tls_front_close(api->metrics);
	api->metrics = NULL;
	api->metrics_settings = (struct listen_settings){0};
	if (settings->on)
		error = open_front(api, WEB_METRICS, settings, &api->metrics, reason);
	if (!error)
		api->metrics_settings = *settings;
	return error;
}

int api_follow(struct api *api, const struct api_settings *settings, const char *pair,
	size_t pair_length, struct reason *reason)
{
	int https, metrics;

	api->rate.per_second = settings->rate;
	https = follow_https(api, &settings->https, pair, pair_length, reason);
	metrics = follow_metrics(api, &settings->metrics, reason);
	return https ? https : metrics;
}

void api_close(struct api *api)
{
	if (!api)
		return;
	unlink(api->socket_path);
	aside_end(api);
	tls_front_close(api->https);
	tls_front_close(api->metrics);
	free_api(api);
}
