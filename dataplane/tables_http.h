// SPDX-License-Identifier: BSD-3-Clause
// What the proxy reads of the tables: sites, hosts and their rules, names for TLS, certificates.
//
// Parts of the same snapshot as the rest (tables.h): immutable, read between two quiescent states.
// Whoever keeps something longer (a request under way) keeps slots and copies, never pointers. One
// object refers to another by its slot and checks the name's hash, for a slot may be given again:
// tables_backend_pool() and the like do that, and return NULL for what is gone.
#pragma once

#include "http_policy.h"
#include "route.h"
#include "tables.h"

struct tls_identity;
struct tls_backend;

struct http_site {
	uint32_t slot;
	uint32_t hsts_s; // 0: no such header
	bool hsts_subdomains, hsts_preload;
	uint32_t head_timeout_ms, idle_timeout_ms, body_timeout_ms;
	uint32_t head_bytes;
	uint32_t requests;   // of one connection; 0 = any number
	uint32_t log_sample; // one of so many; 0 = none but errors
	char name[64];
};

struct http_listener { // listener->http
	uint32_t site;
	bool tls;
	uint32_t proxy_protocol_count, trusted_count;
	const struct prefix *proxy_protocol; // who begins with a PROXY header
	const struct prefix *trusted;        // whose X-Forwarded-* are kept
};

struct rule_backend {
	uint32_t pool; // slot
	uint32_t weight;
	uint64_t hash; // of the pool's name
};

struct rule_policy {
	bool ssl_redirect, force_ssl_redirect, preserve_trailing_slash;
	uint16_t redirect_code;
	uint64_t body_bytes; // 0 = unlimited
	uint32_t connect_timeout_ms, send_timeout_ms, read_timeout_ms;
	uint32_t retry_on; // enum retry_on
	uint32_t retry_tries, retry_timeout_ms;
	const char *upstream_host; // NULL = the client's
	const char *rewrite;       // NULL = the path stays; or a URL to redirect to
	const char *redirect_to;   // NULL = none
	uint16_t redirect_to_code;
	bool denied; // to all
	uint32_t allowed_count, refused_count;
	const struct prefix *allowed, *refused; // none allowed: all but the refused
};

struct http_rule {
	uint32_t slot; // below SLUICE_RULES_MAX; the same as long as host, kind and path are
	enum route_kind kind;
	const char *path;   // "" for ROUTE_DEFAULT and ROUTE_CATCH_ALL
	const char *object; // "cluster/namespace/name" of the Ingress
	uint32_t backend_count;
	const struct rule_backend *backends;
	const struct rule_policy *policy;
	const struct http_host *host;
};

struct http_host {
	uint32_t slot;
	uint32_t site;
	uint32_t rule_count;
	const struct http_rule *rules;   // a block of its own
	const struct route_paths *paths; // in the host's block
	uint16_t name_length;
	char name[]; // "a.example", "*.example" or ""; small letters
};

// Where a host's block has its paths.
static inline size_t http_host_front(size_t name_length)
{
	size_t bytes = offsetof(struct http_host, name) + name_length + 1;

	return (bytes + ROUTE_FRONT - 1) / ROUTE_FRONT * ROUTE_FRONT;
}

struct http_found {
	const struct http_host *host; // NULL: no such host
	const struct http_rule *rule; // NULL: no route
	enum route_how how;
	struct pattern_group groups[PATTERN_GROUPS]; // of ROUTE_BY_PATTERN, in the path
};

struct certificate {
	uint32_t slot;
	uint64_t hash;                       // of the name
	uint64_t content[2];                 // hash of what it was made of
	const struct tls_identity *identity; // the tables hold a reference
	char name[];
};

struct certificate_reference {
	uint32_t slot;
	uint64_t hash; // of the certificate's name
};

struct server_name {
	uint32_t slot;
	uint32_t site;
	uint32_t certificate_count, backend_count;
	const struct certificate_reference *certificates;
	const struct rule_backend *backends; // passthrough
	const char *object;
	uint16_t name_length;
	char name[];
};

// How the proxy speaks with a pool's endpoints: pool->upstream.
struct upstream_policy {
	bool tls, tls_verify, proxy_protocol;
	uint8_t hash_key; // enum hash_key
	uint32_t idle_connections, idle_timeout_ms;
	const char *tls_name;  // "" = the request's host
	const char *hash_name; // "" = none
	const uint8_t *ca_pem;
	uint32_t ca_pem_length;
	struct certificate_reference certificate; // slot SLOT_NONE = none
	struct tls_backend *backend;              // with `tls`; the tables hold a reference
};

// NULL for what is gone.
const struct http_site *tables_site(const struct tables *tables, uint32_t slot);
// `host` as in the request, in any case, with or without port and trailing dot; `path` as
// http_path_normalise() leaves it.
struct http_found tables_rule(const struct tables *tables, uint32_t site, const char *host,
	size_t host_length, struct route_text path);
// Does a certificate serve this host? (The condition of ssl_redirect.) Name as in the request.
bool tables_has_certificate(
	const struct tables *tables, uint32_t site, const char *host, size_t host_length);
// What the ClientHello asks for; name_length 0: it names nobody. Its own name, else the wildcard
// of one label above, else "".
const struct server_name *tables_server_name(
	const struct tables *tables, uint32_t site, const char *name, size_t name_length);
bool tables_has_passthrough(const struct tables *tables, uint32_t site);
const struct certificate *tables_certificate(
	const struct tables *tables, const struct certificate_reference *reference);
const struct pool *tables_backend_pool(
	const struct tables *tables, const struct rule_backend *backend);
const struct http_rule *tables_rule_slot(
	const struct tables *tables, uint32_t slot, const struct http_host **host);
// As tables_each_removed(), of rules.
void tables_each_removed_rule(
	const struct tables_store *store, void (*rule)(uint32_t slot, void *), void *arg);
uint32_t tables_rule_slots(const struct tables *tables); // one past the highest ever used
void tables_each_host(
	const struct tables *tables, void (*visit)(const struct http_host *, void *), void *arg);
void tables_each_certificate(
	const struct tables *tables, void (*visit)(const struct certificate *, void *), void *arg);
