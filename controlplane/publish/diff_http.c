// SPDX-License-Identifier: BSD-3-Clause
// The proxy's rows of a difference: sites, hosts, names for TLS, certificates. See diff.c.
#include <string.h>

#include "diff_internal.h"

static int site_compare(const void *a, const void *b)
{
	const struct plan_site *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static bool site_equal(const void *a, const void *b)
{
	const struct plan_site *x = a, *y = b;

	return x->hsts_s == y->hsts_s && x->hsts_subdomains == y->hsts_subdomains &&
	       x->hsts_preload == y->hsts_preload && x->head_timeout_ms == y->head_timeout_ms &&
	       x->idle_timeout_ms == y->idle_timeout_ms &&
	       x->body_timeout_ms == y->body_timeout_ms && x->head_bytes == y->head_bytes &&
	       x->requests == y->requests && x->log_sample == y->log_sample;
}

static bool site_add(struct difference *d, const void *row)
{
	const struct plan_site *site = row;
	Sluice__Site *message = difference_take(d, sizeof(*message));

	if (!message)
		return false;
	sluice__site__init(message);
	message->name = text_message(site->name);
	message->hsts_s = site->hsts_s;
	message->hsts_subdomains = site->hsts_subdomains;
	message->hsts_preload = site->hsts_preload;
	message->head_timeout_ms = site->head_timeout_ms;
	message->idle_timeout_ms = site->idle_timeout_ms;
	message->body_timeout_ms = site->body_timeout_ms;
	message->head_bytes = site->head_bytes;
	message->requests = site->requests;
	message->log_sample = site->log_sample;
	d->transaction.sites[d->transaction.n_sites++] = message;
	return true;
}

static bool site_remove(struct difference *d, const void *row)
{
	const struct plan_site *site = row;

	d->transaction.sites_removed[d->transaction.n_sites_removed++] = text_message(site->name);
	return true;
}

static Sluice__HostKey *key_message(struct difference *d, const char *site, const char *name)
{
	Sluice__HostKey *message = difference_take(d, sizeof(*message));

	if (!message)
		return NULL;
	sluice__host_key__init(message);
	message->site = text_message(site);
	message->name = text_message(name);
	return message;
}

static int host_compare(const void *a, const void *b)
{
	const struct plan_host *x = a, *y = b;
	int order = strcmp(x->site, y->site);

	return order ? order : strcmp(x->name, y->name);
}

static bool host_equal(const void *a, const void *b)
{
	const struct plan_host *x = a, *y = b;

	if (x->rule_count != y->rule_count)
		return false;
	for (unsigned i = 0; i < x->rule_count; i++) {
		const struct plan_rule *r = &x->rules[i], *s = &y->rules[i];

		if (r->kind != s->kind || strcmp(r->path, s->path) != 0 ||
			strcmp(r->object, s->object) != 0 || strcmp(r->pool, s->pool) != 0 ||
			!policy_equal(r->policy, s->policy))
			return false;
	}
	return true;
}

// One backend, or none.
static bool backend_message(
	struct difference *d, const char *pool, Sluice__Backend ***list, size_t *count)
{
	Sluice__Backend **one, *message;

	*count = 0;
	if (!*pool)
		return true;
	one = difference_take(d, sizeof(*one));
	message = difference_take(d, sizeof(*message));
	if (!one || !message)
		return false;
	sluice__backend__init(message);
	message->pool = text_message(pool);
	message->weight = 1;
	*one = message;
	*list = one;
	*count = 1;
	return true;
}

static bool host_add(struct difference *d, const void *row)
{
	const struct plan_host *host = row;
	Sluice__Host *message = difference_take(d, sizeof(*message));
	Sluice__Rule **list = difference_take(d, (host->rule_count + 1) * sizeof(*list));
	Sluice__Rule *rules = difference_take(d, (host->rule_count + 1) * sizeof(*rules));

	if (!message || !list || !rules)
		return false;
	sluice__host__init(message);
	message->site = text_message(host->site);
	message->name = text_message(host->name);
	message->rules = list;
	message->n_rules = host->rule_count;
	for (unsigned i = 0; i < host->rule_count; i++) {
		const struct plan_rule *rule = &host->rules[i];

		sluice__rule__init(&rules[i]);
		rules[i].kind = (Sluice__RuleKind)rule->kind;
		rules[i].path = text_message(rule->path);
		rules[i].object = text_message(rule->object);
		rules[i].policy = policy_message(d, rule->policy);
		if (!rules[i].policy ||
			!backend_message(d, rule->pool, &rules[i].backends, &rules[i].n_backends))
			return false;
		list[i] = &rules[i];
	}
	d->transaction.hosts[d->transaction.n_hosts++] = message;
	return true;
}

static bool host_remove(struct difference *d, const void *row)
{
	const struct plan_host *host = row;
	Sluice__HostKey *message = key_message(d, host->site, host->name);

	d->transaction.hosts_removed[d->transaction.n_hosts_removed++] = message;
	return message;
}

static int name_compare(const void *a, const void *b)
{
	const struct plan_server_name *x = a, *y = b;
	int order = strcmp(x->site, y->site);

	return order ? order : strcmp(x->name, y->name);
}

static bool name_equal(const void *a, const void *b)
{
	const struct plan_server_name *x = a, *y = b;

	if (strcmp(x->object, y->object) != 0 || strcmp(x->pool, y->pool) != 0 ||
		x->certificate_count != y->certificate_count)
		return false;
	for (unsigned i = 0; i < x->certificate_count; i++)
		if (strcmp(x->certificates[i], y->certificates[i]) != 0)
			return false;
	return true;
}

static bool name_add(struct difference *d, const void *row)
{
	const struct plan_server_name *name = row;
	Sluice__ServerName *message = difference_take(d, sizeof(*message));
	char **certificates =
		difference_take(d, (name->certificate_count + 1) * sizeof(*certificates));

	if (!message || !certificates)
		return false;
	sluice__server_name__init(message);
	message->site = text_message(name->site);
	message->name = text_message(name->name);
	message->object = text_message(name->object);
	message->certificates = certificates;
	message->n_certificates = name->certificate_count;
	for (unsigned i = 0; i < name->certificate_count; i++)
		certificates[i] = text_message(name->certificates[i]);
	if (!backend_message(d, name->pool, &message->passthrough, &message->n_passthrough))
		return false;
	d->transaction.server_names[d->transaction.n_server_names++] = message;
	return true;
}

static bool name_remove(struct difference *d, const void *row)
{
	const struct plan_server_name *name = row;
	Sluice__HostKey *message = key_message(d, name->site, name->name);

	d->transaction.server_names_removed[d->transaction.n_server_names_removed++] = message;
	return message;
}

static int certificate_compare(const void *a, const void *b)
{
	const struct plan_certificate *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static bool certificate_equal(const void *a, const void *b)
{
	const struct plan_certificate *x = a, *y = b;

	return bytes_equal(x->chain_pem, y->chain_pem) && bytes_equal(x->key_pem, y->key_pem) &&
	       bytes_equal(x->ocsp_der, y->ocsp_der);
}

static bool certificate_add(struct difference *d, const void *row)
{
	const struct plan_certificate *certificate = row;
	Sluice__Certificate *message = difference_take(d, sizeof(*message));

	if (!message)
		return false;
	sluice__certificate__init(message);
	message->name = text_message(certificate->name);
	message->chain_pem = bytes_message(certificate->chain_pem);
	message->key_pem = bytes_message(certificate->key_pem);
	message->ocsp_der = bytes_message(certificate->ocsp_der);
	d->transaction.certificates[d->transaction.n_certificates++] = message;
	return true;
}

static bool certificate_remove(struct difference *d, const void *row)
{
	const struct plan_certificate *certificate = row;

	d->transaction.certificates_removed[d->transaction.n_certificates_removed++] =
		text_message(certificate->name);
	return true;
}

static const struct row_kind_of site_rows = {site_compare, site_equal, site_add, site_remove};
static const struct row_kind_of host_rows = {host_compare, host_equal, host_add, host_remove};
static const struct row_kind_of name_rows = {name_compare, name_equal, name_add, name_remove};
static const struct row_kind_of certificate_rows = {
	certificate_compare, certificate_equal, certificate_add, certificate_remove};

void difference_http(struct difference *d, const struct plan *from, const struct plan *to)
{
	Sluice__Transaction *t = &d->transaction;

	t->sites = difference_take(d, (to->site_count + 1) * sizeof(void *));
	t->hosts = difference_take(d, (to->host_count + 1) * sizeof(void *));
	t->server_names = difference_take(d, (to->server_name_count + 1) * sizeof(void *));
	t->certificates = difference_take(d, (to->certificate_count + 1) * sizeof(void *));
	t->sites_removed = difference_take(d, (from->site_count + 1) * sizeof(void *));
	t->hosts_removed = difference_take(d, (from->host_count + 1) * sizeof(void *));
	t->server_names_removed =
		difference_take(d, (from->server_name_count + 1) * sizeof(void *));
	t->certificates_removed =
		difference_take(d, (from->certificate_count + 1) * sizeof(void *));
	if (d->arena.failed)
		return;
	difference_walk(d, &site_rows, (struct row_list){from->sites, from->site_count},
		(struct row_list){to->sites, to->site_count});
	difference_walk(d, &host_rows, (struct row_list){from->hosts, from->host_count},
		(struct row_list){to->hosts, to->host_count});
	difference_walk(d, &name_rows,
		(struct row_list){from->server_names, from->server_name_count},
		(struct row_list){to->server_names, to->server_name_count});
	difference_walk(d, &certificate_rows,
		(struct row_list){from->certificates, from->certificate_count},
		(struct row_list){to->certificates, to->certificate_count});
}
