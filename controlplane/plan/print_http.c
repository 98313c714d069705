// SPDX-License-Identifier: BSD-3-Clause
// The proxy's rows of a plan as text. Of a certificate its fingerprint: never the key.
#include "print.h"

#include <string.h>

const char *rule_kind_name(enum rule_kind kind)
{
	switch (kind) {
	case RULE_EXACT:
		return "exact";
	case RULE_PREFIX:
		return "prefix";
	case RULE_IMPLEMENTATION_SPECIFIC:
		return "implementation-specific";
	case RULE_DEFAULT:
		return "default";
	case RULE_CATCH_ALL:
		return "catch-all";
	case RULE_PATTERN:
		return "regex";
	}
	return "?";
}

static const char *or_star(const char *name)
{
	return *name ? name : "*";
}

static void print_prefixes(
	const char *what, const struct prefix *prefixes, unsigned count, FILE *stream)
{
	char text[PREFIX_TEXT];

	if (count)
		fputs(what, stream);
	for (unsigned i = 0; i < count; i++)
		fprintf(stream, " %s", prefix_format(&prefixes[i], text));
}

static void print_policy(const struct plan_policy *p, FILE *stream)
{
	static const struct plan_policy usual = {
		.ssl_redirect = true,
		.redirect_code = 308,
		.body_bytes = 1 << 20,
		.connect_timeout_ms = 5000,
		.send_timeout_ms = 60000,
		.read_timeout_ms = 60000,
		.retry_on = RETRY_ERROR | RETRY_TIMEOUT,
		.retry_tries = 3,
	};

	if (!p->ssl_redirect)
		fputs(" no-ssl-redirect", stream);
	if (p->force_ssl_redirect)
		fputs(" force-ssl-redirect", stream);
	if (p->preserve_trailing_slash)
		fputs(" preserve-trailing-slash", stream);
	if (p->redirect_code != usual.redirect_code)
		fprintf(stream, " redirect-code %u", p->redirect_code);
	if (p->body_bytes != usual.body_bytes)
		fprintf(stream, " body %llu", (unsigned long long)p->body_bytes);
	if (p->connect_timeout_ms != usual.connect_timeout_ms)
		fprintf(stream, " connect %ums", p->connect_timeout_ms);
	if (p->send_timeout_ms != usual.send_timeout_ms)
		fprintf(stream, " send %ums", p->send_timeout_ms);
	if (p->read_timeout_ms != usual.read_timeout_ms)
		fprintf(stream, " read %ums", p->read_timeout_ms);
	if (p->retry_on != usual.retry_on)
		fprintf(stream, " retry-on %#x", p->retry_on);
	if (p->retry_tries != usual.retry_tries)
		fprintf(stream, " tries %u", p->retry_tries);
	if (p->retry_timeout_ms)
		fprintf(stream, " retry-timeout %ums", p->retry_timeout_ms);
	if (*p->upstream_host)
		fprintf(stream, " upstream-host %s", p->upstream_host);
	if (*p->rewrite)
		fprintf(stream, " rewrite %s", p->rewrite);
	if (*p->redirect_to)
		fprintf(stream, " redirect %u %s", p->redirect_to_code, p->redirect_to);
	if (p->denied)
		fputs(" denied", stream);
	print_prefixes(" allowed", p->allowed, p->allowed_count, stream);
	print_prefixes(" refused", p->refused, p->refused_count, stream);
}

void print_upstream(const struct plan_upstream *u, FILE *stream)
{
	static const char *const keys[] = {[HASH_NONE] = "",
		[HASH_CLIENT] = "client",
		[HASH_URI] = "uri",
		[HASH_HOST] = "host",
		[HASH_HEADER] = "header",
		[HASH_COOKIE] = "cookie"};

	fputs(u->tls ? " https" : " http", stream);
	if (u->hash_key != HASH_NONE)
		fprintf(stream, " by %s%s%s", keys[u->hash_key], *u->hash_name ? " " : "",
			u->hash_name);
	if (*u->tls_name)
		fprintf(stream, " name %s", u->tls_name);
	if (u->tls_verify)
		fputs(" verified", stream);
	if (*u->certificate)
		fprintf(stream, " certificate %s", u->certificate);
	if (u->proxy_protocol)
		fputs(" proxy-protocol", stream);
}

static void print_host(const struct plan_host *host, FILE *stream)
{
	fprintf(stream, "host %s\n", or_star(host->name));
	for (unsigned i = 0; i < host->rule_count; i++) {
		const struct plan_rule *rule = &host->rules[i];

		fprintf(stream, "\t%s%s%s", rule_kind_name(rule->kind), *rule->path ? " " : "",
			rule->path);
		fprintf(stream, " -> %s", *rule->pool ? rule->pool : "none");
		print_policy(rule->policy, stream);
		fprintf(stream, " (%s)\n", rule->object);
	}
}

static void print_server_name(const struct plan_server_name *name, FILE *stream)
{
	fprintf(stream, "server-name %s", or_star(name->name));
	for (unsigned i = 0; i < name->certificate_count; i++)
		fprintf(stream, " %s", name->certificates[i]);
	if (*name->pool)
		fprintf(stream, " passthrough %s", name->pool);
	fprintf(stream, "%s%s%s\n", *name->object ? " (" : "", name->object,
		*name->object ? ")" : "");
}

static void print_certificate(const struct plan_certificate *certificate, FILE *stream)
{
	static const char *const kinds[] = {[KEY_NONE] = "none",
		[KEY_RSA] = "rsa",
		[KEY_ECDSA] = "ecdsa",
		[KEY_OTHER] = "other"};

	fprintf(stream, "certificate %s %s %.16s", certificate->name, kinds[certificate->facts.key],
		certificate->facts.fingerprint);
	for (unsigned i = 0; i < certificate->facts.name_count; i++)
		fprintf(stream, "%s%s", i ? "," : " for ", certificate->facts.names[i]);
	fputs(certificate->ocsp_der.length ? " stapled\n" : "\n", stream);
}

static void print_ingress(const struct plan_ingress *ingress, FILE *stream)
{
	char text[ADDR_TEXT];

	fprintf(stream, "ingress %s %s: %s", ingress->name, ingress->ours ? "ours" : "not ours",
		ingress->why);
	for (unsigned i = 0; i < ingress->host_count; i++)
		fprintf(stream, "%s%s", i ? "," : "; hosts ", ingress->hosts[i]);
	for (unsigned i = 0; i < ingress->address_count; i++)
		fprintf(stream, "%s%s", i ? "," : "; at ",
			addr_format(&ingress->addresses[i], text));
	fprintf(stream, "\n");
}

void print_http(const struct plan *plan, FILE *stream)
{
	for (unsigned i = 0; i < plan->site_count; i++)
		fprintf(stream, "site %s hsts %u\n", plan->sites[i]->name, plan->sites[i]->hsts_s);
	for (unsigned i = 0; i < plan->host_count; i++)
		print_host(plan->hosts[i], stream);
	for (unsigned i = 0; i < plan->server_name_count; i++)
		print_server_name(plan->server_names[i], stream);
	for (unsigned i = 0; i < plan->certificate_count; i++)
		print_certificate(plan->certificates[i], stream);
	for (unsigned i = 0; i < plan->ingress_count; i++)
		print_ingress(plan->ingresses[i], stream);
}
