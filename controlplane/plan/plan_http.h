// SPDX-License-Identifier: BSD-3-Clause
// The rows of a plan that the proxy is for: what Ingresses and their Secrets come to. A part of
// plan.h.
#pragma once

#include "addr.h"
#include "annotation.h"
#include "secret.h"
#include "settings.h"

#define PLAN_SITE "ingress" // there is one

struct plan_site {
	const char *name;
	uint32_t hsts_s;
	bool hsts_subdomains, hsts_preload;
	uint32_t head_timeout_ms, idle_timeout_ms, body_timeout_ms;
	uint32_t head_bytes, requests, log_sample;
};

struct plan_http_listener { // of a plan_listener
	const char *site;
	bool tls;
	unsigned proxy_protocol_count, trusted_count;
	const struct prefix *proxy_protocol, *trusted;
};

enum rule_kind { // the numbers of channel.proto
	RULE_EXACT = 1,
	RULE_PREFIX,
	RULE_IMPLEMENTATION_SPECIFIC,
	RULE_DEFAULT,
	RULE_CATCH_ALL,
	RULE_PATTERN, // a regular expression
};

struct plan_rule {
	enum rule_kind kind;
	const char *path;   // "" of RULE_DEFAULT and RULE_CATCH_ALL
	const char *object; // "cluster/namespace/name" of the Ingress
	const char *file;   // where it is written; "" = not in a file
	unsigned line;
	const char *service;   // "name:port" as the Ingress has it, for people
	const char *pool;      // "" = none: 503
	const char *kind_name; // "exact"
	unsigned lost_count;   // others that want the same, and where they are written
	const char **lost;
	const struct plan_policy *policy;
};

struct plan_host {
	const char *site, *name; // "" = all other hosts
	unsigned rule_count;
	struct plan_rule *rules; // by path and kind
};

struct plan_server_name {
	const char *site, *name; // "" = all that have none of their own
	const char *object;      // of the Ingress; "" = none
	unsigned certificate_count;
	const char **certificates;
	const char *pool; // passthrough; "" = it is ended here
};

struct plan_certificate {
	const char *name; // "cluster/namespace/secret"
	const char *where;
	struct secret_bytes chain_pem, key_pem, ocsp_der; // the key is never shown
	struct secret_facts facts;
};

struct plan_ingress {     // what became of an Ingress
	const char *name; // "cluster/namespace/name"
	const char *where;
	const char *class; // as it says; "" = none
	const char *why;   // it is ours, or not
	bool ours;
	unsigned host_count, rule_count, lost_count, address_count;
	const char **hosts; // "*" = all
	struct addr addresses[2];
};

const char *rule_kind_name(enum rule_kind kind); // "exact"
