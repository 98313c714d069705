// SPDX-License-Identifier: BSD-3-Clause
// The proxy's part of a transaction: sites, hosts and their rules, names for TLS, certificates, and
// what listeners and pools say of the proxy.
#include "plan_change_internal.h"

#include <stdlib.h>
#include <string.h>

#define TIMEOUT_MAX_MS 86400000u
#define WEIGHT_MAX     1000000u
#define HEAD_BYTES_MIN 1024u
#define HEAD_BYTES_MAX 65536u
#define REQUESTS_MAX   1000000000u

static const struct plan_rule no_rule;

static void check_range(struct decode *d, const char *what, const char *field, uint32_t value,
	const uint32_t range[static 2])
{
	if (value < range[0] || value > range[1])
		mistake(d, "%s: %s %u: expected %u to %u", what, field, value, range[0], range[1]);
}

static const uint32_t timeout_range[2] = {1, TIMEOUT_MAX_MS};
static const uint32_t optional_timeout_range[2] = {0, TIMEOUT_MAX_MS};

// Text that goes on to an endpoint, or names something there: no blank, nothing that ends a line.
static char *optional(
	struct decode *d, const char *what, const char *field, const char *text, size_t most)
{
	size_t length = 0;

	while (text[length] > ' ' && text[length] < 0x7f)
		length++;
	if (text[length] || length > most)
		mistake(d, "%s: %s: expected at most %zu visible characters of ASCII", what, field,
			most);
	return *text ? (char *)text : NULL;
}

static bool name_or_none(struct decode *d, const char *what, const char *field, const char *name)
{
	if (decode_name_ok(name, false))
		return true;
	mistake(d, "%s: %s: expected readable text of 1 to %u bytes", what, field,
		SLUICE_NAME_MAX - 1);
	return false;
}

static void decode_site(struct decode *d, const Sluice__Site *from, struct http_site *site)
{
	static const uint32_t head[2] = {HEAD_BYTES_MIN, HEAD_BYTES_MAX};
	static const uint32_t requests[2] = {0, REQUESTS_MAX};
	char what[sizeof(site->name) + 8];

	if (!decode_name_ok(from->name, false) || strlen(from->name) >= sizeof(site->name)) {
		mistake(d, "a site: name: expected readable text of 1 to %zu bytes",
			sizeof(site->name) - 1);
		return;
	}
	*site = (struct http_site){
		.hsts_s = from->hsts_s,
		.hsts_subdomains = from->hsts_subdomains,
		.hsts_preload = from->hsts_preload,
		.head_timeout_ms = from->head_timeout_ms,
		.idle_timeout_ms = from->idle_timeout_ms,
		.body_timeout_ms = from->body_timeout_ms,
		.head_bytes = from->head_bytes,
		.requests = from->requests,
		.log_sample = from->log_sample,
	};
	memcpy(site->name, from->name, strlen(from->name) + 1);
	snprintf(what, sizeof(what), "site %s", site->name);
	check_range(d, what, "head_timeout_ms", from->head_timeout_ms, timeout_range);
	check_range(d, what, "idle_timeout_ms", from->idle_timeout_ms, timeout_range);
	check_range(d, what, "body_timeout_ms", from->body_timeout_ms, timeout_range);
	check_range(d, what, "head_bytes", from->head_bytes, head);
	check_range(d, what, "requests", from->requests, requests);
}

static struct plan_backend *decode_backends(
	struct decode *d, const char *what, Sluice__Backend **from, size_t count)
{
	static const uint32_t weights[2] = {0, WEIGHT_MAX};
	struct plan_backend *backends = d->backends;

	d->backends += count;
	if (count > SLUICE_BACKENDS_MAX)
		mistake(d, "%s: %zu backends: expected at most %u", what, count,
			SLUICE_BACKENDS_MAX);
	for (size_t i = 0; i < count; i++) {
		backends[i] = (struct plan_backend){from[i]->pool, from[i]->weight};
		name_or_none(d, what, "pool of a backend", from[i]->pool);
		check_range(d, what, "weight of a backend", from[i]->weight, weights);
	}
	return count ? backends : NULL;
}

// Where they are from now on.
static struct prefix *decode_prefixes(
	struct decode *d, const char *what, Sluice__Prefix **from, size_t count)
{
	struct prefix *to = count ? d->sources : NULL;
	char text[PREFIX_TEXT + 16];

	for (size_t i = 0; i < count; i++)
		if (decode_prefix(d->sources++, from[i]) < 0)
			mistake(d, "%s: %s: expected a prefix without host bits", what,
				decode_show_prefix(from[i], text));
	return to;
}

size_t decode_http_prefixes(const Sluice__Transaction *message)
{
	size_t count = 0;

	for (size_t i = 0; i < message->n_listeners; i++) {
		const Sluice__HttpListener *http = message->listeners[i]->http;

		count += http ? http->n_proxy_protocol + http->n_trusted : 0;
	}
	for (size_t i = 0; i < message->n_hosts; i++) {
		for (size_t k = 0; k < message->hosts[i]->n_rules; k++) {
			const Sluice__RulePolicy *policy = message->hosts[i]->rules[k]->policy;

			count += policy ? policy->n_allowed + policy->n_refused : 0;
		}
	}
	return count;
}

static void decode_policy(struct decode *d, const char *what, const Sluice__RulePolicy *from,
	struct rule_policy *policy)
{
	static const uint32_t redirects[2] = {300, 308}, tries[2] = {1, 1000},
			      retry_on[2] = {0, 2 * RETRY_NON_IDEMPOTENT - 1};

	if (!from) {
		mistake(d, "%s: policy: expected one", what);
		return;
	}
	*policy = (struct rule_policy){
		.ssl_redirect = from->ssl_redirect,
		.force_ssl_redirect = from->force_ssl_redirect,
		.preserve_trailing_slash = from->preserve_trailing_slash,
		.redirect_code = (uint16_t)from->redirect_code,
		.body_bytes = from->body_bytes,
		.connect_timeout_ms = from->connect_timeout_ms,
		.send_timeout_ms = from->send_timeout_ms,
		.read_timeout_ms = from->read_timeout_ms,
		.retry_on = from->retry_on,
		.retry_tries = from->retry_tries,
		.retry_timeout_ms = from->retry_timeout_ms,
		.upstream_host = optional(
			d, what, "upstream_host", from->upstream_host, SLUICE_NAME_MAX - 1),
		.rewrite = optional(d, what, "rewrite", from->rewrite, SLUICE_PATH_LENGTH),
		.redirect_to =
			optional(d, what, "redirect_to", from->redirect_to, SLUICE_PATH_LENGTH),
		.redirect_to_code = (uint16_t)from->redirect_to_code,
		.denied = from->denied,
		.allowed_count = (uint32_t)from->n_allowed,
		.refused_count = (uint32_t)from->n_refused,
	};
	policy->allowed = decode_prefixes(d, what, from->allowed, from->n_allowed);
	policy->refused = decode_prefixes(d, what, from->refused, from->n_refused);
	check_range(d, what, "redirect_code", from->redirect_code, redirects);
	check_range(d, what, "connect_timeout_ms", from->connect_timeout_ms, timeout_range);
	check_range(d, what, "send_timeout_ms", from->send_timeout_ms, timeout_range);
	check_range(d, what, "read_timeout_ms", from->read_timeout_ms, timeout_range);
	check_range(d, what, "retry_on", from->retry_on, retry_on);
	check_range(d, what, "retry_tries", from->retry_tries, tries);
	check_range(d, what, "retry_timeout_ms", from->retry_timeout_ms, optional_timeout_range);
	if (policy->rewrite && policy->rewrite[0] != '/' && !route_target_is_url(policy->rewrite))
		mistake(d, "%s: rewrite: expected a path that begins with /, or a URL", what);
	if (policy->redirect_to) {
		check_range(d, what, "redirect_to_code", from->redirect_to_code, redirects);
		if (!route_redirect_valid(policy->redirect_to))
			mistake(d, "%s: redirect_to: expected a URL", what);
	}
	if (policy->rewrite && !route_target_valid(policy->rewrite))
		mistake(d, "%s: rewrite: expected a digit from 1 to 9 after each $", what);
}

static void decode_rule(
	struct decode *d, const char *what, const Sluice__Rule *from, struct plan_rule *rule)
{
	bool pathless = from->kind == SLUICE__RULE_KIND__RULE_DEFAULT ||
			from->kind == SLUICE__RULE_KIND__RULE_CATCH_ALL;

	*rule = no_rule;
	rule->kind = (enum route_kind)from->kind;
	rule->path = from->path;
	rule->object = from->object;
	if ((int)from->kind < SLUICE__RULE_KIND__RULE_EXACT ||
		from->kind > SLUICE__RULE_KIND__RULE_PATTERN)
		mistake(d, "%s: kind %d: expected 1 to %d", what, (int)from->kind,
			SLUICE__RULE_KIND__RULE_PATTERN);
	else if (pathless ? *from->path : from->path[0] != '/')
		mistake(d, "%s: path \"%.64s\": expected %s", what, from->path,
			pathless ? "none" : "one that begins with /");
	if (strlen(from->path) > SLUICE_PATH_LENGTH)
		mistake(d, "%s: path: expected at most %u bytes", what, SLUICE_PATH_LENGTH);
	if (!decode_name_ok(from->object, true))
		mistake(d, "%s: object: expected readable text below %u bytes", what,
			SLUICE_NAME_MAX);
	decode_policy(d, what, from->policy, &rule->policy);
	rule->backend_count = (uint32_t)from->n_backends;
	rule->backends = decode_backends(d, what, from->backends, from->n_backends);
}

static bool check_host(struct decode *d, const char *what, const char *site, const char *name)
{
	bool ok = name_or_none(d, what, "site", site);

	if (!route_host_valid(name)) {
		mistake(d, "%s: expected \"\", a DNS name in small letters, or *. and a DNS name",
			what);
		return false;
	}
	return ok;
}

static void decode_host(struct decode *d, const Sluice__Host *from, struct plan_host *host)
{
	char what[SLUICE_HOST_LENGTH + 64], rule[sizeof(what) + 96];

	snprintf(what, sizeof(what), "host \"%.*s\"", SLUICE_HOST_LENGTH, from->name);
	*host = (struct plan_host){from->site, from->name, (uint32_t)from->n_rules, d->rules};
	d->rules += from->n_rules;
	check_host(d, what, from->site, from->name);
	for (size_t i = 0; i < from->n_rules; i++) {
		snprintf(rule, sizeof(rule), "%s path \"%.64s\"", what, from->rules[i]->path);
		decode_rule(d, rule, from->rules[i], &host->rules[i]);
		if (from->rules[i]->kind == SLUICE__RULE_KIND__RULE_CATCH_ALL && *from->name)
			mistake(d, "%s: kind %d: expected of host \"\" alone", rule,
				SLUICE__RULE_KIND__RULE_CATCH_ALL);
	}
}

static void decode_server_name(
	struct decode *d, const Sluice__ServerName *from, struct plan_server_name *name)
{
	char what[SLUICE_HOST_LENGTH + 64];

	snprintf(what, sizeof(what), "server name \"%.*s\"", SLUICE_HOST_LENGTH, from->name);
	*name = (struct plan_server_name){
		.site = from->site,
		.name = from->name,
		.object = from->object,
		.certificate_count = (uint32_t)from->n_certificates,
		.certificates = from->certificates,
		.backend_count = (uint32_t)from->n_passthrough,
		.backends = decode_backends(d, what, from->passthrough, from->n_passthrough),
	};
	check_host(d, what, from->site, from->name);
	if (!decode_name_ok(from->object, true))
		mistake(d, "%s: object: expected readable text below %u bytes", what,
			SLUICE_NAME_MAX);
	if ((from->n_certificates == 0) == (from->n_passthrough == 0))
		mistake(d, "%s: expected either certificates or passthrough", what);
	if (from->n_certificates > SLUICE_BACKENDS_MAX)
		mistake(d, "%s: %zu certificates: expected at most %u", what, from->n_certificates,
			SLUICE_BACKENDS_MAX);
	for (size_t i = 0; i < from->n_certificates; i++)
		name_or_none(d, what, "certificate", from->certificates[i]);
}

static struct plan_bytes bytes_of(ProtobufCBinaryData from)
{
	return (struct plan_bytes){from.data, from.len};
}

static void decode_certificate(
	struct decode *d, const Sluice__Certificate *from, struct plan_certificate *certificate)
{
	*certificate = (struct plan_certificate){
		.name = from->name,
		.chain = bytes_of(from->chain_pem),
		.key = bytes_of(from->key_pem),
		.ocsp = bytes_of(from->ocsp_der),
	};
	if (name_or_none(d, "a certificate", "name", from->name) &&
		(!from->chain_pem.len || !from->key_pem.len))
		mistake(d, "certificate %s: expected chain_pem and key_pem", from->name);
}

void decode_http_listener(struct decode *d, const char *where, const Sluice__HttpListener *from,
	struct plan_listener *listener)
{
	char what[256];

	snprintf(what, sizeof(what), "listener %s", where);
	listener->site = from->site;
	listener->tls = from->tls;
	listener->mode = MODE_FULL_NAT;
	listener->affinity_s = 0;
	listener->proxy_protocol_count = (uint32_t)from->n_proxy_protocol;
	listener->trusted_count = (uint32_t)from->n_trusted;
	listener->proxy_protocol =
		decode_prefixes(d, what, from->proxy_protocol, from->n_proxy_protocol);
	listener->trusted = decode_prefixes(d, what, from->trusted, from->n_trusted);
	if (listener->protocol != IPPROTO_TCP || *listener->pool)
		mistake(d, "listener %s: http: expected protocol 6 (tcp) and no pool", where);
	if (!decode_name_ok(from->site, false))
		mistake(d, "listener %s: site: expected readable text of 1 to %u bytes", where,
			SLUICE_NAME_MAX - 1);
}

struct plan_upstream *decode_upstream(
	struct decode *d, const char *pool, const Sluice__Upstream *from)
{
	static const uint32_t connections[2] = {0, 65536};
	struct plan_upstream *upstream = d->upstreams++;
	char what[SLUICE_NAME_MAX + 16];

	snprintf(what, sizeof(what), "pool \"%.*s\"", SLUICE_NAME_MAX, pool);
	*upstream = (struct plan_upstream){
		.policy =
			{
				.tls = from->tls,
				.tls_verify = from->tls_verify,
				.proxy_protocol = from->proxy_protocol,
				.hash_key = (uint8_t)from->hash_key,
				.idle_connections = from->idle_connections,
				.idle_timeout_ms = from->idle_timeout_ms,
				.tls_name = from->tls_name,
				.hash_name = from->hash_name,
				.ca_pem = from->tls_ca_pem.data,
				.ca_pem_length = (uint32_t)from->tls_ca_pem.len,
			},
		.certificate = from->tls_certificate,
	};
	optional(d, what, "tls_name", from->tls_name, SLUICE_HOST_LENGTH);
	optional(d, what, "hash_name", from->hash_name, SLUICE_NAME_MAX - 1);
	if (!decode_name_ok(from->tls_certificate, true))
		mistake(d, "%s: tls_certificate: expected readable text below %u bytes", what,
			SLUICE_NAME_MAX);
	if (from->tls_verify && !from->tls_ca_pem.len)
		mistake(d, "%s: tls_ca_pem: expected certificates to verify by", what);
	check_range(d, what, "idle_connections", from->idle_connections, connections);
	check_range(d, what, "idle_timeout_ms", from->idle_timeout_ms, optional_timeout_range);
	if ((int)from->hash_key < SLUICE__HASH_KEY__HASH_NONE ||
		from->hash_key > SLUICE__HASH_KEY__HASH_COOKIE)
		mistake(d, "%s: hash_key %d: expected 0 to %d", what, (int)from->hash_key,
			SLUICE__HASH_KEY__HASH_COOKIE);
	else if (from->hash_key >= SLUICE__HASH_KEY__HASH_HEADER && !*from->hash_name)
		mistake(d, "%s: hash_name: expected the header's or the cookie's", what);
	return upstream;
}

static void decode_http_removed(struct decode *d)
{
	const Sluice__Transaction *message = d->message;
	struct plan_change *change = d->change;

	for (size_t i = 0; i < message->n_hosts_removed; i++)
		change->hosts_removed[i] = (struct plan_host_key){
			message->hosts_removed[i]->site, message->hosts_removed[i]->name};
	for (size_t i = 0; i < message->n_server_names_removed; i++)
		change->server_names_removed[i] =
			(struct plan_host_key){message->server_names_removed[i]->site,
				message->server_names_removed[i]->name};
	change->sites_removed = message->sites_removed;
	change->certificates_removed = message->certificates_removed;
}

bool decode_http_arrays(struct decode *d)
{
	const Sluice__Transaction *message = d->message;
	struct plan_change *change = d->change;
	size_t rules = 0, backends = 0, upstreams = 0;
	bool failed = false;

	for (size_t i = 0; i < message->n_hosts; i++) {
		rules += message->hosts[i]->n_rules;
		for (size_t j = 0; j < message->hosts[i]->n_rules; j++)
			backends += message->hosts[i]->rules[j]->n_backends;
	}
	for (size_t i = 0; i < message->n_server_names; i++)
		backends += message->server_names[i]->n_passthrough;
	for (size_t i = 0; i < message->n_pools; i++)
		upstreams += message->pools[i]->upstream != NULL;
	change->site_count = (uint32_t)message->n_sites;
	change->host_count = (uint32_t)message->n_hosts;
	change->server_name_count = (uint32_t)message->n_server_names;
	change->certificate_count = (uint32_t)message->n_certificates;
	change->site_removed_count = (uint32_t)message->n_sites_removed;
	change->host_removed_count = (uint32_t)message->n_hosts_removed;
	change->server_name_removed_count = (uint32_t)message->n_server_names_removed;
	change->certificate_removed_count = (uint32_t)message->n_certificates_removed;
	change->sites = decode_array(message->n_sites, sizeof(*change->sites), &failed);
	change->hosts = decode_array(message->n_hosts, sizeof(*change->hosts), &failed);
	change->server_names =
		decode_array(message->n_server_names, sizeof(*change->server_names), &failed);
	change->certificates =
		decode_array(message->n_certificates, sizeof(*change->certificates), &failed);
	change->hosts_removed =
		decode_array(message->n_hosts_removed, sizeof(*change->hosts_removed), &failed);
	change->server_names_removed = decode_array(
		message->n_server_names_removed, sizeof(*change->server_names_removed), &failed);
	change->all_rules = d->rules = decode_array(rules, sizeof(*d->rules), &failed);
	change->all_backends = d->backends = decode_array(backends, sizeof(*d->backends), &failed);
	change->all_upstreams = d->upstreams =
		decode_array(upstreams, sizeof(*d->upstreams), &failed);
	return !failed;
}

void decode_http(struct decode *d)
{
	const Sluice__Transaction *message = d->message;
	struct plan_change *change = d->change;

	for (size_t i = 0; i < message->n_sites; i++)
		decode_site(d, message->sites[i], &change->sites[i]);
	for (size_t i = 0; i < message->n_hosts; i++)
		decode_host(d, message->hosts[i], &change->hosts[i]);
	for (size_t i = 0; i < message->n_server_names; i++)
		decode_server_name(d, message->server_names[i], &change->server_names[i]);
	for (size_t i = 0; i < message->n_certificates; i++)
		decode_certificate(d, message->certificates[i], &change->certificates[i]);
	decode_http_removed(d);
}

void decode_http_free(struct plan_change *change)
{
	free(change->sites);
	free(change->hosts);
	free(change->server_names);
	free(change->certificates);
	free(change->hosts_removed);
	free(change->server_names_removed);
	free(change->all_rules);
	free(change->all_backends);
	free(change->all_upstreams);
}
