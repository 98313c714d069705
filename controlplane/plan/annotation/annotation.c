// SPDX-License-Identifier: BSD-3-Clause
// The table of annotations, in the order in which they take effect, and what reading them has in
// common.
#include "annotation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "annotation_internal.h"

#define NGINX "nginx.ingress.kubernetes.io/"
#define OURS  "sluice.dev/"

#define REDIRECT_CODE    308
#define RETRY_TRIES      3
#define IDLE_CONNECTIONS 320
#define IDLE_TIMEOUT_MS  60000
#define TIMEOUT_MAX_S    86400

// `read` NULL: known, and not supported.
static const struct row {
	const char *name;
	void (*read)(const struct annotation *a, struct annotated *out);
	bool ours_too; // also as sluice.dev/...
} rows[] = {
	{"ssl-redirect", annotation_ssl_redirect, true},
	{"force-ssl-redirect", annotation_force_ssl_redirect, true},
	{"preserve-trailing-slash", annotation_preserve_trailing_slash, true},
	{"app-root", annotation_app_root, true},
	{"permanent-redirect-code", annotation_permanent_code, true},
	{"permanent-redirect", annotation_permanent_redirect, true},
	{"temporal-redirect-code", annotation_temporal_code, true},
	{"temporal-redirect", annotation_temporal_redirect, true}, // wins over it
	{"use-regex", annotation_use_regex, true},
	{"rewrite-target", annotation_rewrite_target, true},
	{"upstream-vhost", annotation_upstream_vhost, true},
	{"proxy-connect-timeout", annotation_connect_timeout, true},
	{"proxy-send-timeout", annotation_send_timeout, true},
	{"proxy-read-timeout", annotation_read_timeout, true},
	{"proxy-next-upstream", annotation_next_upstream, true},
	{"proxy-next-upstream-tries", annotation_next_upstream_tries, true},
	{"proxy-next-upstream-timeout", annotation_next_upstream_timeout, true},
	{"proxy-body-size", annotation_body_size, true},
	{"load-balance", annotation_load_balance, true},
	{"upstream-hash-by", annotation_hash_by, true}, // wins over load-balance
	{"backend-protocol", annotation_backend_protocol, true},
	{"proxy-ssl-verify", annotation_proxy_ssl_verify, true},
	{"proxy-ssl-name", annotation_proxy_ssl_name, true},
	{"proxy-ssl-server-name", annotation_proxy_ssl_server_name, true},
	{"proxy-ssl-secret", annotation_proxy_ssl_secret, true},
	{"proxy-protocol", annotation_proxy_protocol, true},
	{"ssl-passthrough", annotation_ssl_passthrough, true},
	{"affinity", NULL, false},
	{"auth-secret", annotation_deny, false},
	{"auth-signin", NULL, false},
	{"auth-tls-secret", annotation_deny, false},
	{"auth-type", annotation_deny, false},
	{"auth-url", annotation_deny, false},
	{"canary", annotation_canary, false},
	{"configuration-snippet", NULL, false},
	{"custom-headers", NULL, false},
	{"custom-http-errors", NULL, false},
	{"default-backend", NULL, false},
	{"denylist-source-range", annotation_refuse, true},
	{"enable-cors", NULL, false},
	{"from-to-www-redirect", NULL, false},
	{"limit-connections", NULL, false},
	{"limit-rate", NULL, false},
	{"limit-rpm", NULL, false},
	{"limit-rps", NULL, false},
	{"mirror-target", NULL, false},
	{"modsecurity-snippet", NULL, false},
	{"proxy-cookie-domain", NULL, false},
	{"proxy-cookie-path", NULL, false},
	{"proxy-redirect-from", NULL, false},
	{"server-alias", NULL, false},
	{"server-snippet", NULL, false},
	{"service-upstream", NULL, false},
	{"whitelist-source-range", annotation_allow, true},
	{"allowlist-source-range", annotation_allow, true}, // wins over it
	{"x-forwarded-prefix", NULL, false},
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

void annotation_wrong(const struct annotation *a, const char *expected)
{
	reason_add(a->reason, "annotation %s: found \"%.60s\", expected %s; the default is used",
		a->key, a->value, expected);
}

void annotation_unsupported(const struct annotation *a, const char *what)
{
	reason_add(a->reason, "annotation %s: %s", a->key, what);
}

bool annotation_is(const struct annotation *a, const char *value)
{
	return strcasecmp(a->value, value) == 0;
}

// As Go reads it, from which these annotations come.
bool annotation_bool(const struct annotation *a, bool *out)
{
	static const char *const yes[] = {"1", "t", "T", "true", "TRUE", "True"};
	static const char *const no[] = {"0", "f", "F", "false", "FALSE", "False"};

	for (unsigned i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
		if (strcmp(a->value, yes[i]) == 0 || strcmp(a->value, no[i]) == 0) {
			*out = strcmp(a->value, yes[i]) == 0;
			return true;
		}
	}
	annotation_wrong(a, "\"true\" or \"false\"");
	return false;
}

bool annotation_number(const struct annotation *a, uint32_t least, uint32_t most, uint32_t *out)
{
	unsigned long value;
	char expected[64];
	char *end;

	value = strtoul(a->value, &end, 10);
	if (*a->value >= '0' && *a->value <= '9' && !*end && value >= least && value <= most) {
		*out = (uint32_t)value;
		return true;
	}
	snprintf(expected, sizeof(expected), "a number from %u to %u", least, most);
	annotation_wrong(a, expected);
	return false;
}

void annotation_seconds(const struct annotation *a, uint32_t *out_ms)
{
	uint32_t seconds;

	if (annotation_number(a, 1, TIMEOUT_MAX_S, &seconds))
		*out_ms = seconds * 1000;
}

bool annotation_text(const struct annotation *a, size_t most, const char **out)
{
	size_t n = 0;

	while (a->value[n] > ' ' && a->value[n] < 0x7f)
		n++;
	if (a->value[n] || n > most) {
		annotation_wrong(a, "visible characters of ASCII");
		return false;
	}
	*out = arena_copy(a->arena, a->value);
	return *out;
}

void annotations_default(const struct ingress_settings *settings, struct annotated *out)
{
	*out = (struct annotated){
		.policy =
			{
				.ssl_redirect = true,
				.redirect_code = REDIRECT_CODE,
				.body_bytes = (uint64_t)settings->body_mb << 20,
				.connect_timeout_ms = settings->connect_timeout_s * 1000,
				.send_timeout_ms = settings->send_timeout_s * 1000,
				.read_timeout_ms = settings->read_timeout_s * 1000,
				.retry_on = RETRY_ERROR | RETRY_TIMEOUT,
				.retry_tries = RETRY_TRIES,
				.upstream_host = "",
				.rewrite = "",
				.redirect_to = "",
			},
		.upstream =
			{
				.hash_name = "",
				.tls_name = "",
				.certificate = "",
				.ca = "",
				.idle_connections = IDLE_CONNECTIONS,
				.idle_timeout_ms = IDLE_TIMEOUT_MS,
			},
		.algorithm = ALGORITHM_ROUND_ROBIN,
		.app_root = "",
		.permanent_code = 301,
		.temporal_code = 302,
		.proxy_secret = "",
	};
}

static const char *find(
	const struct object *object, const char *prefix, const char *name, char key[static 128])
{
	snprintf(key, 128, "%s%s", prefix, name);
	return object_annotation(object, key);
}

// Those of ingress-nginx that have no row: an Ingress is not what its author thinks it is.
static void tell_others(const struct object *object, struct arena *arena, struct reason *reason)
{
	for (unsigned i = 0; i < object->annotation_count; i++) {
		const struct label *it = &object->annotations[i];
		const struct annotation a = {it->key, it->value, arena, reason};
		unsigned row = 0;

		if (strncmp(it->key, NGINX, sizeof(NGINX) - 1) != 0)
			continue;
		while (row < ROWS && strcmp(it->key + sizeof(NGINX) - 1, rows[row].name) != 0)
			row++;
		if (row == ROWS)
			annotation_unsupported(&a, "not supported, and without effect");
	}
}

void annotations_read(const struct ingress *ingress, const struct ingress_settings *settings,
	struct arena *arena, struct annotated *out, struct reason *reason)
{
	const struct object *object = &ingress->object;

	annotations_default(settings, out);
	tell_others(object, arena, reason);
	for (unsigned i = 0; object->annotation_count && i < ROWS; i++) {
		char key[128];
		struct annotation a = {key, NULL, arena, reason};

		if (rows[i].ours_too)
			a.value = find(object, OURS, rows[i].name, key);
		if (!a.value)
			a.value = find(object, NGINX, rows[i].name, key);
		if (a.value && rows[i].read)
			rows[i].read(&a, out);
		else if (a.value)
			annotation_unsupported(
				&a, "not supported yet; the Ingress is served without");
	}
}
