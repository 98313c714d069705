// SPDX-License-Identifier: BSD-3-Clause
// Ingress and IngressClass of networking.k8s.io/v1, as model objects (model.h).
#pragma once

#include "model.h"

enum path_type { // the numbers of channel.proto's RuleKind
	PATH_EXACT = 1,
	PATH_PREFIX,
	PATH_IMPLEMENTATION_SPECIFIC,
};

struct ingress_backend {
	const char *service;   // "" = none is named
	const char *port_name; // "" = by number
	uint16_t port;         // 0 = by name
	bool resource;         // names a resource instead, which we do not serve
	unsigned line;
};

struct ingress_path {
	enum path_type type;
	const char *path; // never empty
	struct ingress_backend backend;
	unsigned line;
};

struct ingress_rule {
	const char *host; // small letters; "" = all hosts
	unsigned path_count;
	const struct ingress_path *paths;
	unsigned line;
};

struct ingress_tls {
	unsigned host_count;
	const char *const *hosts; // small letters
	const char *secret;       // "" = the default certificate
	unsigned line;
};

struct ingress {
	struct object object;
	const char *class; // spec.ingressClassName; "" = not said
	bool has_default;
	struct ingress_backend default_backend;
	unsigned rule_count, tls_count;
	const struct ingress_rule *rules;
	const struct ingress_tls *tls;
};

struct ingress_class {
	struct object object; // namespace ""
	const char *controller;
	bool is_default;
};
