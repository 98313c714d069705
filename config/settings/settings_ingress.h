// SPDX-License-Identifier: BSD-3-Clause
// How Ingresses are served: the group "ingress" of sluice.conf. A part of settings.h.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "addr.h"

struct ingress_settings {
	char *class;      // of this name is ours, also when no IngressClass says so
	char *controller; // IngressClasses with it are ours
	bool classless;   // Ingresses without a class are ours
	bool regex_hosts; // an Ingress with expressions makes all paths of its hosts such
	unsigned address_count;
	struct addr addresses[2]; // asked for, one of a family at most; none = any of the pools
	char *pool;               // the only one to take an address from; "" = any
	uint16_t http_port, https_port;
	uint32_t hsts_s; // 0 = no such header
	bool hsts_subdomains, hsts_preload;
	uint32_t head_timeout_s, idle_timeout_s, body_timeout_s;    // of clients
	uint32_t connect_timeout_s, send_timeout_s, read_timeout_s; // of endpoints
	uint32_t head_bytes, body_mb, requests; // most of each; 0 = any, but of head_bytes
	uint32_t log_sample;                    // one request of so many; 0 = errors alone
	unsigned proxy_protocol_count, trusted_count;
	struct prefix *proxy_protocol, *trusted;
};
