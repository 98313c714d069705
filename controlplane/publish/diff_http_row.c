// SPDX-License-Identifier: BSD-3-Clause
// What rows have of the proxy: compared, and as messages.
#include <string.h>

#include "diff_internal.h"

char *text_message(const char *text)
{
	return (char *)(uintptr_t)text;
}

bool bytes_equal(struct secret_bytes a, struct secret_bytes b)
{
	return a.length == b.length && (!a.length || memcmp(a.data, b.data, a.length) == 0);
}

ProtobufCBinaryData bytes_message(struct secret_bytes bytes)
{
	return (ProtobufCBinaryData){bytes.length, (uint8_t *)(uintptr_t)bytes.data};
}

static bool prefixes_equal(
	const struct prefix *a, unsigned a_count, const struct prefix *b, unsigned b_count)
{
	if (a_count != b_count)
		return false;
	for (unsigned i = 0; i < a_count; i++)
		if (a[i].length != b[i].length || addr_compare(&a[i].addr, &b[i].addr) != 0)
			return false;
	return true;
}

static Sluice__Prefix **prefixes_message(
	struct difference *d, const struct prefix *prefixes, unsigned count)
{
	Sluice__Prefix **list = difference_take(d, (count + 1) * sizeof(*list));

	for (unsigned i = 0; list && i < count; i++) {
		list[i] = difference_prefix(d, &prefixes[i]);
		if (!list[i])
			return NULL;
	}
	return list;
}

bool http_listener_equal(const struct plan_http_listener *a, const struct plan_http_listener *b)
{
	if (!a || !b)
		return a == b;
	return a->tls == b->tls && strcmp(a->site, b->site) == 0 &&
	       prefixes_equal(a->proxy_protocol, a->proxy_protocol_count, b->proxy_protocol,
		       b->proxy_protocol_count) &&
	       prefixes_equal(a->trusted, a->trusted_count, b->trusted, b->trusted_count);
}

Sluice__HttpListener *http_listener_message(
	struct difference *d, const struct plan_http_listener *listener)
{
	Sluice__HttpListener *message = difference_take(d, sizeof(*message));

	if (!message)
		return NULL;
	sluice__http_listener__init(message);
	message->site = text_message(listener->site);
	message->tls = listener->tls;
	message->proxy_protocol =
		prefixes_message(d, listener->proxy_protocol, listener->proxy_protocol_count);
	message->n_proxy_protocol = listener->proxy_protocol_count;
	message->trusted = prefixes_message(d, listener->trusted, listener->trusted_count);
	message->n_trusted = listener->trusted_count;
	return message->proxy_protocol && message->trusted ? message : NULL;
}

bool upstream_equal(const struct plan_upstream *a, const struct plan_upstream *b)
{
	if (!a || !b)
		return a == b;
	return a->tls == b->tls && a->tls_verify == b->tls_verify &&
	       a->proxy_protocol == b->proxy_protocol && a->hash_key == b->hash_key &&
	       a->idle_connections == b->idle_connections &&
	       a->idle_timeout_ms == b->idle_timeout_ms &&
	       strcmp(a->hash_name, b->hash_name) == 0 && strcmp(a->tls_name, b->tls_name) == 0 &&
	       strcmp(a->certificate, b->certificate) == 0 &&
	       bytes_equal((struct secret_bytes){a->ca_pem, a->ca_pem_length},
		       (struct secret_bytes){b->ca_pem, b->ca_pem_length});
}

Sluice__Upstream *upstream_message(struct difference *d, const struct plan_upstream *upstream)
{
	Sluice__Upstream *message = difference_take(d, sizeof(*message));

	if (!message)
		return NULL;
	sluice__upstream__init(message);
	message->tls = upstream->tls;
	message->tls_name = text_message(upstream->tls_name);
	message->tls_verify = upstream->tls_verify;
	message->tls_ca_pem =
		bytes_message((struct secret_bytes){upstream->ca_pem, upstream->ca_pem_length});
	message->tls_certificate = text_message(upstream->certificate);
	message->proxy_protocol = upstream->proxy_protocol;
	message->hash_key = (Sluice__HashKey)upstream->hash_key;
	message->hash_name = text_message(upstream->hash_name);
	message->idle_connections = upstream->idle_connections;
	message->idle_timeout_ms = upstream->idle_timeout_ms;
	return message;
}

bool policy_equal(const struct plan_policy *a, const struct plan_policy *b)
{
	return a == b ||
	       (a->ssl_redirect == b->ssl_redirect &&
		       a->force_ssl_redirect == b->force_ssl_redirect &&
		       a->preserve_trailing_slash == b->preserve_trailing_slash &&
		       a->redirect_code == b->redirect_code && a->body_bytes == b->body_bytes &&
		       a->connect_timeout_ms == b->connect_timeout_ms &&
		       a->send_timeout_ms == b->send_timeout_ms &&
		       a->read_timeout_ms == b->read_timeout_ms && a->retry_on == b->retry_on &&
		       a->retry_tries == b->retry_tries &&
		       a->retry_timeout_ms == b->retry_timeout_ms &&
		       strcmp(a->upstream_host, b->upstream_host) == 0 &&
		       strcmp(a->rewrite, b->rewrite) == 0 &&
		       strcmp(a->redirect_to, b->redirect_to) == 0 &&
		       a->redirect_to_code == b->redirect_to_code && a->denied == b->denied &&
		       prefixes_equal(a->allowed, a->allowed_count, b->allowed, b->allowed_count) &&
		       prefixes_equal(a->refused, a->refused_count, b->refused, b->refused_count));
}

Sluice__RulePolicy *policy_message(struct difference *d, const struct plan_policy *policy)
{
	Sluice__RulePolicy *message = difference_take(d, sizeof(*message));

	if (!message)
		return NULL;
	sluice__rule_policy__init(message);
	message->ssl_redirect = policy->ssl_redirect;
	message->force_ssl_redirect = policy->force_ssl_redirect;
	message->preserve_trailing_slash = policy->preserve_trailing_slash;
	message->redirect_code = policy->redirect_code;
	message->body_bytes = policy->body_bytes;
	message->connect_timeout_ms = policy->connect_timeout_ms;
	message->send_timeout_ms = policy->send_timeout_ms;
	message->read_timeout_ms = policy->read_timeout_ms;
	message->retry_on = policy->retry_on;
	message->retry_tries = policy->retry_tries;
	message->retry_timeout_ms = policy->retry_timeout_ms;
	message->upstream_host = text_message(policy->upstream_host);
	message->rewrite = text_message(policy->rewrite);
	message->redirect_to = text_message(policy->redirect_to);
	message->redirect_to_code = policy->redirect_to_code;
	message->denied = policy->denied;
	message->allowed = prefixes_message(d, policy->allowed, policy->allowed_count);
	message->n_allowed = policy->allowed_count;
	message->refused = prefixes_message(d, policy->refused, policy->refused_count);
	message->n_refused = policy->refused_count;
	return message->allowed && message->refused ? message : NULL;
}
