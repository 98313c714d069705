// SPDX-License-Identifier: BSD-3-Clause
// Which certificate a client gets that asks for a name.
//
// A host of spec.tls gets the Secret of its entry; a host of the rules that no entry names gets the
// first whose certificate covers it. Where there is no Secret, or one that is none for TLS, it is
// the default certificate. A host may have one certificate for each kind of key, of several
// Ingresses too: of two of a kind the older Ingress wins.
#include <stdlib.h>
#include <string.h>

#include "front.h"
#include "limits.h"

#define DEFAULT_NAME "default-certificate"

const struct secret *front_secret(
	const struct planner *p, const char *cluster, const char *namespace, const char *name)
{
	return (const struct secret *)model_find(p->model, OBJECT_SECRET, cluster, namespace, name);
}

const struct secret *front_default_secret(const struct planner *p)
{
	return front_secret(p, SETTINGS_OWN_SOURCE, SETTINGS_OWN_SOURCE, DEFAULT_NAME);
}

static struct name_draft *name_take(struct front *f, const char *name)
{
	struct name_draft **slot = &f->names[front_hash(name) & f->name_mask], *draft;

	for (; *slot; slot = &(*slot)->next)
		if (strcmp((*slot)->name, name) == 0)
			return *slot;
	if (f->name_count == SLUICE_SERVER_NAMES_MAX)
		return NULL;
	draft = arena_take(&f->p->scratch, sizeof(*draft));
	if (!draft)
		return NULL;
	draft->name = arena_copy(f->p->arena, name);
	draft->pool = "";
	f->name_count++;
	*slot = draft;
	return draft;
}

static bool only_default(const struct front *f, const struct name_draft *draft)
{
	return draft->count == 1 && draft->secrets[0] == front_default_secret(f->p);
}

static void tell_taken(
	struct front *f, struct front_ingress *one, const struct name_draft *draft, unsigned line)
{
	problem_add(f->p, PROBLEM_WARNING, &one->ingress->object,
		"%shost \"%s\" has its certificate of this kind of key by Ingress %s, which "
		"is older; this one is not used",
		front_where(line, (char[FRONT_WHERE]){""}), draft->name, draft->owner->name);
}

static void add_secret(struct front *f, struct front_ingress *one, const char *host,
	const struct secret *secret, unsigned line) // house: what is said where, of what
{
	struct name_draft *draft = secret ? name_take(f, host) : NULL;

	if (!draft)
		return;
	if (draft->count && secret == front_default_secret(f->p))
		return; // a real one, or the same
	if (*draft->pool) {
		problem_add(f->p, PROBLEM_WARNING, &one->ingress->object,
			"%shost \"%s\" is passed through by Ingress %s, which is older; the "
			"certificate is not used",
			front_where(line, (char[FRONT_WHERE]){""}), host, draft->owner->name);
		return;
	}
	if (only_default(f, draft))
		draft->count = 0;
	for (unsigned i = 0; i < draft->count; i++)
		if (draft->secrets[i]->facts.key == secret->facts.key) {
			if (draft->secrets[i] != secret)
				tell_taken(f, one, draft, line);
			return;
		}
	if (draft->count == sizeof(draft->secrets) / sizeof(draft->secrets[0]))
		return;
	if (!draft->count)
		draft->owner = one;
	draft->secrets[draft->count++] = secret;
	if (secret != front_default_secret(f->p) && !secret_covers(&secret->facts, host))
		problem_add(f->p, PROBLEM_WARNING, &one->ingress->object,
			"%sthe certificate of Secret %s does not name host \"%s\": clients "
			"will refuse it",
			front_where(line, (char[FRONT_WHERE]){""}), secret->object.name, host);
}

// What an entry of spec.tls comes to; the default certificate where it comes to nothing.
static const struct secret *entry_secret(
	struct front *f, const struct front_ingress *one, const struct ingress_tls *tls, bool told)
{
	const struct object *object = &one->ingress->object;
	const struct secret *secret;

	if (!*tls->secret)
		return front_default_secret(f->p);
	secret = front_secret(f->p, object->cluster, object->namespace, tls->secret);
	if (secret && secret->chain_pem.length && secret->key_pem.length)
		return secret;
	if (!told)
		problem_add(f->p, PROBLEM_ERROR, object,
			"%sSecret %s %s; its hosts get the default certificate",
			front_where(tls->line, (char[FRONT_WHERE]){""}), tls->secret,
			secret ? "has no tls.crt and tls.key" : "is not there, or is not usable");
	return front_default_secret(f->p);
}

static bool is_named(const struct ingress *ingress, const char *host)
{
	for (unsigned i = 0; i < ingress->tls_count; i++)
		for (unsigned j = 0; j < ingress->tls[i].host_count; j++)
			if (strcmp(ingress->tls[i].hosts[j], host) == 0)
				return true;
	return false;
}

static void add_covered(struct front *f, struct front_ingress *one, const char *host)
{
	const struct ingress *ingress = one->ingress;

	for (unsigned i = 0; *host && i < ingress->tls_count; i++) {
		const struct secret *secret = entry_secret(f, one, &ingress->tls[i], true);

		if (secret && secret != front_default_secret(f->p) &&
			secret_covers(&secret->facts, host)) {
			add_secret(f, one, host, secret, ingress->tls[i].line);
			return;
		}
	}
}

static void add_entries(struct front *f, struct front_ingress *one)
{
	const struct ingress *ingress = one->ingress;

	for (unsigned i = 0; i < ingress->tls_count; i++) {
		const struct ingress_tls *tls = &ingress->tls[i];
		const struct secret *secret = entry_secret(f, one, tls, false);

		for (unsigned j = 0; j < tls->host_count; j++)
			if (*tls->hosts[j])
				add_secret(f, one, tls->hosts[j], secret, tls->line);
	}
	for (unsigned i = 0; ingress->tls_count && i < ingress->rule_count; i++)
		if (!is_named(ingress, ingress->rules[i].host))
			add_covered(f, one, ingress->rules[i].host);
}

// The backend of the host's whole: of path "/".
static const struct ingress_backend *root_backend(const struct ingress_rule *rule)
{
	for (unsigned i = 0; i < rule->path_count; i++)
		if (strcmp(rule->paths[i].path, "/") == 0 && rule->paths[i].type != PATH_EXACT)
			return &rule->paths[i].backend;
	return NULL;
}

static void add_passthrough(struct front *f, struct front_ingress *one)
{
	for (unsigned i = 0; i < one->ingress->rule_count; i++) {
		const struct ingress_rule *rule = &one->ingress->rules[i];
		const struct ingress_backend *backend = root_backend(rule);
		struct name_draft *draft;

		if (!*rule->host || !backend) {
			problem_add(f->p, PROBLEM_WARNING, &one->ingress->object,
				"%sssl-passthrough needs a host and a backend of its path "
				"\"/\"; it is not passed through",
				front_where(rule->line, (char[FRONT_WHERE]){""}));
			continue;
		}
		draft = name_take(f, rule->host);
		if (!draft)
			return;
		if (draft->count || *draft->pool) {
			problem_add(f->p, PROBLEM_WARNING, &one->ingress->object,
				"%shost \"%s\" has TLS by Ingress %s, which is older; it is "
				"not passed through",
				front_where(rule->line, (char[FRONT_WHERE]){""}), rule->host,
				draft->owner->name);
			continue;
		}
		draft->owner = one;
		draft->pool = front_pool(f, one, backend);
	}
}

static void add_row(struct front *f, const struct name_draft *draft)
{
	struct plan_server_name *row;

	if (!draft->count && !*draft->pool)
		return;
	row = part_add(f->p->part, ROW_SERVER_NAME);
	if (!row)
		return;
	*row = (struct plan_server_name){.site = PLAN_SITE,
		.name = draft->name,
		.object = draft->owner ? draft->owner->name : "",
		.pool = draft->pool};
	row->certificates = arena_take_array(f->p->arena, draft->count, sizeof(char *));
	for (unsigned i = 0; row->certificates && i < draft->count; i++) {
		const char *name = front_use_certificate(f, draft->secrets[i]);

		if (name)
			row->certificates[row->certificate_count++] = name;
	}
}

// NULL with what is told of it: it is not there, or another namespace's.
static const struct secret *proxy_secret(struct front *f, const struct front_ingress *one)
{
	const struct object *object = &one->ingress->object;
	const char *name = one->annotated.proxy_secret, *slash = strchr(name, '/');
	size_t length = slash ? (size_t)(slash - name) : 0;
	const struct secret *secret;

	if (!*name)
		return NULL;
	if (slash && (strlen(object->namespace) != length ||
			     strncmp(name, object->namespace, length) != 0)) {
		problem_add(f->p, PROBLEM_ERROR, object,
			"annotation proxy-ssl-secret: Secret %s is of another namespace than the "
			"Ingress: it is not used",
			name);
		return NULL;
	}
	secret = front_secret(f->p, object->cluster, object->namespace, slash ? slash + 1 : name);
	if (!secret)
		problem_add(f->p, PROBLEM_ERROR, object,
			"annotation proxy-ssl-secret: Secret %s is not there, or is not usable",
			name);
	return secret;
}

void front_proxy_secret(struct front *f, struct front_ingress *one)
{
	struct plan_upstream *upstream = &one->annotated.upstream;
	const struct secret *secret = proxy_secret(f, one);

	if (secret && secret->chain_pem.length && secret->key_pem.length) {
		const char *certificate = front_use_certificate(f, secret);

		upstream->certificate = certificate ? certificate : "";
	}
	if (secret) {
		upstream->ca_pem = secret->ca_pem.data;
		upstream->ca_pem_length = secret->ca_pem.length;
	}
	if (upstream->tls && upstream->tls_verify && !upstream->ca_pem_length) {
		one->annotated.policy.denied = true;
		problem_add(f->p, PROBLEM_ERROR, &one->ingress->object,
			"annotation proxy-ssl-verify: there is no proxy-ssl-secret with ca.crt to "
			"verify endpoints by: its paths are answered 503");
	}
	upstream->tls_verify = upstream->tls_verify && upstream->ca_pem_length;
}

bool front_names_begin(struct front *f)
{
	size_t names = 1;

	for (unsigned i = 0; i < f->count; i++) {
		names += f->ingresses[i].ingress->rule_count;
		for (unsigned j = 0; j < f->ingresses[i].ingress->tls_count; j++)
			names += f->ingresses[i].ingress->tls[j].host_count;
	}
	f->name_mask = front_mask_for(names);
	f->names = arena_take_array(&f->p->scratch, f->name_mask + 1, sizeof(*f->names));
	return f->names;
}

void front_names_make(struct front *f)
{
	struct name_draft *draft;

	for (unsigned i = 0; i < f->count; i++)
		if (f->ingresses[i].annotated.passthrough)
			add_passthrough(f, &f->ingresses[i]);
		else
			add_entries(f, &f->ingresses[i]);
	for (size_t i = 0; i <= f->name_mask; i++)
		for (draft = f->names[i]; draft; draft = draft->next)
			add_row(f, draft);
}

void front_default_name_make(struct front *f)
{
	struct name_draft draft = {.name = "", .pool = "", .count = 1};

	draft.secrets[0] = front_default_secret(f->p);
	if (draft.secrets[0])
		add_row(f, &draft);
}
