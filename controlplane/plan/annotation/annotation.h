// SPDX-License-Identifier: BSD-3-Clause
// What the annotations of an Ingress mean: one file for each group of them, one row for each in
// annotation.c. Pure. A value that makes no sense is told and leaves the default.
#pragma once

#include "addr.h"
#include "arena.h"
#include "ingress.h"
#include "http_policy.h"
#include "reason.h"
#include "settings.h"

struct plan_policy { // of a rule
	bool ssl_redirect, force_ssl_redirect, preserve_trailing_slash;
	uint16_t redirect_code;
	uint32_t retry_on;   // enum retry_on
	uint64_t body_bytes; // 0 = unlimited
	uint32_t connect_timeout_ms, send_timeout_ms, read_timeout_ms;
	uint32_t retry_tries, retry_timeout_ms;
	const char *upstream_host; // "" = the client's
	const char *rewrite;       // "" = the path stays; $1 to $9: groups; a URL: redirected to
	const char *redirect_to;   // "" = nobody is sent away
	uint16_t redirect_to_code;
	bool denied;                            // to all: whom it is for is not understood
	const struct prefix *allowed, *refused; // none allowed: all but the refused
	unsigned allowed_count, refused_count;
};

struct plan_upstream { // how the proxy speaks with the endpoints of a pool
	bool tls, tls_verify, proxy_protocol;
	enum hash_key hash_key;
	const char *hash_name;   // "" = none
	const char *tls_name;    // "" = the request's host
	const char *certificate; // "cluster/namespace/secret" to show; "" = none
	const char *ca;          // the same, with ca.crt
	const uint8_t *ca_pem;
	size_t ca_pem_length;
	uint32_t idle_connections, idle_timeout_ms;
};

struct annotated {
	struct plan_policy policy;
	struct plan_upstream upstream;
	enum algorithm algorithm;
	bool passthrough;
	bool aside;           // it is not to take anything from others: not served
	bool regex;           // its paths may be regular expressions
	const char *app_root; // where / is sent to; "" = nowhere
	uint16_t permanent_code, temporal_code;
	const char *proxy_secret; // proxy-ssl-secret, "namespace/name"; "" = none
};

struct annotation {      // one being read
	const char *key; // as written
	const char *value;
	struct arena *arena; // of the texts that come out
	struct reason *reason;
};

// Texts that come out lie in the arena, or in the Ingress.
void annotations_read(const struct ingress *ingress, const struct ingress_settings *settings,
	struct arena *arena, struct annotated *out, struct reason *reason);
// The defaults, of an Ingress without annotations.
void annotations_default(const struct ingress_settings *settings, struct annotated *out);
