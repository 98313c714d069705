// SPDX-License-Identifier: BSD-3-Clause
// Hosts and their rules, all Ingresses taken together: of two that want the same host, path and
// type the older one wins, then the one whose namespace and name come first.
//
// Two paths are the same when they are once made normal, as the dataplane compares them; and Prefix
// and ImplementationSpecific are one type to it.
#include <stdlib.h>
#include <string.h>

#include "front.h"
#include "http_path.h"
#include "limits.h"
#include "pattern.h"

uint64_t front_hash(const char *text)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	hash = (hash ^ hash >> 32) * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 29;
}

static struct host_draft **host_slot(const struct front *f, const char *name)
{
	struct host_draft **slot = &f->hosts[front_hash(name) & f->host_mask];

	while (*slot && strcmp((*slot)->name, name) != 0)
		slot = &(*slot)->next;
	return slot;
}

static struct host_draft *host_take(struct front *f, struct front_ingress *one, const char *name)
{
	struct host_draft **slot = host_slot(f, name), *host = *slot;

	if (host)
		return host;
	if (f->host_count == SLUICE_HOSTS_MAX) {
		problem_add(f->p, PROBLEM_ERROR, &one->ingress->object,
			"host \"%s\" is not served: there are %d hosts already", name,
			SLUICE_HOSTS_MAX);
		return NULL;
	}
	host = arena_take(&f->p->scratch, sizeof(*host));
	if (!host)
		return NULL;
	host->name = arena_copy(f->p->arena, name);
	f->host_count++;
	*slot = host;
	return host;
}

// As the dataplane does: a % that begins no escape means itself. NULL: a path it would not take.
static const char *make_normal(struct front *f, const char *path, size_t *length)
{
	static const char digits[] = "0123456789abcdefABCDEF";
	char *raw = arena_take(&f->p->scratch, 6 * strlen(path) + 2);
	const char *normal = NULL;
	size_t n = 0;

	for (const char *at = path; raw && *at; at++) {
		bool escape = *at == '%' && at[1] && strchr(digits, at[1]) && at[2] &&
			      strchr(digits, at[2]);

		raw[n++] = *at;
		if (*at == '%' && !escape) {
			raw[n++] = '2';
			raw[n++] = '5';
		}
	}
	if (!raw || http_path_normalise(raw, n, raw + n, &normal, length) != HTTP_OK || !*length)
		return NULL;
	return normal;
}

static struct rule_slot *rule_slot(struct front *f, const struct rule_slot *key)
{
	uint64_t hash = (uintptr_t)key->host >> 4 ^ (uint64_t)key->kind << 56;
	size_t at;

	for (size_t i = 0; i < key->length; i++)
		hash = (hash ^ (unsigned char)key->path[i]) * UINT64_C(0x100000001b3);
	hash = (hash ^ hash >> 32) * UINT64_C(0x9e3779b97f4a7c15);
	at = (hash ^ hash >> 29) & f->rule_mask;
	for (; f->rules[at].host; at = (at + 1) & f->rule_mask) {
		const struct rule_slot *slot = &f->rules[at];

		if (slot->host == key->host && slot->kind == key->kind &&
			slot->length == key->length &&
			memcmp(slot->path, key->path, key->length) == 0)
			break;
	}
	return &f->rules[at];
}

static void tell_lost(struct front *f, struct front_ingress *one, const struct rule_slot *slot,
	const char *path, unsigned line)
{
	char where[FRONT_WHERE];
	struct plan_rule *winner = &slot->host->rules[slot->rule];

	front_where(line, where);
	winner->lost =
		arena_grow(f->p->arena, winner->lost, winner->lost_count, sizeof(*winner->lost));
	if (winner->lost)
		winner->lost[winner->lost_count++] = arena_format(
			f->p->arena, "%s (%s:%u)", one->name, one->ingress->object.origin, line);
	one->row->lost_count++;
	if (slot->owner == one)
		problem_add(f->p, PROBLEM_WARNING, &one->ingress->object,
			"%shost \"%s\" has path \"%s\" twice; the first is used", where,
			slot->host->name, path);
	else
		problem_add(f->p, PROBLEM_WARNING, &one->ingress->object,
			"%shost \"%s\" %s%s%s is that of Ingress %s, which is older; this one is "
			"not used",
			where, slot->host->name, *path ? "path \"" : "default backend", path,
			*path ? "\"" : "", slot->owner->name);
}

static char *backend_text(struct front *f, const struct ingress_backend *backend)
{
	if (backend->resource)
		return arena_copy(f->p->arena, "a resource");
	if (*backend->port_name)
		return arena_format(f->p->arena, "%s:%s", backend->service, backend->port_name);
	return arena_format(f->p->arena, "%s:%u", backend->service, backend->port);
}

// Do the clusters of both serve the same Service together? Then there is no loser.
static bool is_shared(struct front *f, const struct front_ingress *one,
	const struct rule_slot *slot, const struct ingress_backend *backend)
{
	const struct object *a = &one->ingress->object, *b;
	const struct share_settings *share;
	char *text;

	if (!slot->owner || slot->owner == one || backend->resource || !backend->service)
		return false;
	b = &slot->owner->ingress->object;
	share = share_find(f->p->settings, a->cluster, a->namespace, backend->service);
	if (!share || strcmp(a->cluster, b->cluster) == 0 ||
		share_find(f->p->settings, b->cluster, b->namespace, backend->service) != share)
		return false;
	text = backend_text(f, backend);
	return text && strcmp(text, slot->host->rules[slot->rule].service) == 0;
}

static bool same_backend(const struct ingress_backend *a, const struct ingress_backend *b)
{
	// What is wrong with one is told for each, with its line.
	return a->service && a->port == b->port && strcmp(a->service, b->service) == 0 &&
	       strcmp(a->port_name, b->port_name) == 0 && !a->resource && !b->resource;
}

static void look_up(
	struct front *f, struct front_ingress *one, const struct ingress_backend *backend)
{
	if (same_backend(&one->backend, backend) && *one->pool)
		return;
	one->backend = *backend;
	one->pool = front_pool(f, one, backend);
	one->service = backend_text(f, backend);
}

// Paths of ImplementationSpecific are regular expressions where the Ingress says so; those of the
// other types if they look like one, too.
static bool is_pattern(const struct front_ingress *one, const struct host_draft *host,
	const struct ingress_path *path, enum rule_kind kind)
{
	const struct annotated *annotated = &one->annotated;

	if (kind > RULE_IMPLEMENTATION_SPECIFIC)
		return false;
	if (host->regex || (annotated->regex && kind == RULE_IMPLEMENTATION_SPECIFIC))
		return true;
	return (annotated->regex || *annotated->policy.rewrite) && pattern_is_one(path->path);
}

// Fills in path and length; false when it is none that can be used, which is told.
static bool take_path(struct front *f, const struct front_ingress *one,
	const struct ingress_path *path, struct rule_slot *key)
{
	char error[128] = "";
	struct pattern *pattern;

	key->path = "";
	if (key->kind == RULE_PATTERN) {
		key->path = *path->path ? path->path : "/";
		key->length = strlen(key->path);
		pattern = pattern_new(key->path, error);
		pattern_free(pattern);
		if (!pattern)
			problem_add(f->p, PROBLEM_ERROR, &one->ingress->object,
				"%spath \"%.64s\" is no regular expression: %s; it is not "
				"used",
				front_where(path->line, (char[FRONT_WHERE]){""}), path->path,
				*error ? error : "out of memory");
		return pattern;
	}
	if (*path->path)
		key->path = make_normal(f, path->path, &key->length);
	if (!key->path)
		problem_add(f->p, PROBLEM_ERROR, &one->ingress->object,
			"%spath \"%.64s\" is none that a request can have; it is not used",
			front_where(path->line, (char[FRONT_WHERE]){""}), path->path);
	return key->path;
}

static void add_rule(struct front *f, struct front_ingress *one, struct host_draft *host,
	const struct ingress_path *path, enum rule_kind kind)
{
	struct rule_slot key = {.host = host, .owner = one};
	struct rule_slot *slot;
	struct plan_rule *rule;

	if (one->policy != one->policy_root && is_pattern(one, host, path, kind))
		kind = RULE_PATTERN;
	key.kind = kind == RULE_IMPLEMENTATION_SPECIFIC ? RULE_PREFIX : kind;
	if (!take_path(f, one, path, &key))
		return;
	if (f->rule_count == SLUICE_RULES_MAX) {
		problem_add(f->p, PROBLEM_ERROR, &one->ingress->object,
			"path \"%.64s\" is not served: there are %d already", path->path,
			SLUICE_RULES_MAX);
		return;
	}
	slot = rule_slot(f, &key);
	if (slot->host) {
		if (!is_shared(f, one, slot, &path->backend))
			tell_lost(f, one, slot, path->path, path->line);
		return;
	}
	key.rule = host->rule_count;
	*slot = key;
	look_up(f, one, &path->backend);
	host->rules =
		arena_grow(&f->p->scratch, host->rules, host->rule_count, sizeof(*host->rules));
	if (!host->rules)
		return;
	f->rule_count++;
	one->row->rule_count++;
	rule = &host->rules[host->rule_count++];
	*rule = (struct plan_rule){
		.kind = kind,
		.path = arena_copy(f->p->arena, kind == RULE_PATTERN ? key.path : path->path),
		.object = one->name,
		.file = one->file,
		.line = path->line,
		.service = one->service,
		.pool = one->pool,
		.kind_name = rule_kind_name(kind),
		.policy = strcmp(path->path, one->policy->rewrite) == 0 ? one->policy_plain
									: one->policy,
	};
}

static void note_host(struct front *f, struct front_ingress *one, const char *name)
{
	struct plan_ingress *row = one->row;

	for (unsigned i = 0; i < row->host_count; i++)
		if (strcmp(row->hosts[i], *name ? name : "*") == 0)
			return;
	row->hosts = arena_grow(f->p->arena, row->hosts, row->host_count, sizeof(*row->hosts));
	if (row->hosts)
		row->hosts[row->host_count++] = arena_copy(f->p->arena, *name ? name : "*");
}

static void add_default(
	struct front *f, struct front_ingress *one, struct host_draft *host, enum rule_kind kind)
{
	const struct ingress_path path = {
		.path = "",
		.backend = one->ingress->default_backend,
		.line = one->ingress->default_backend.line,
	};

	add_rule(f, one, host, &path, kind);
}

// The path / alone, ahead of the rules, is sent to app-root.
static void add_root(struct front *f, struct front_ingress *one, struct host_draft *host,
	const struct ingress_rule *rule)
{
	const struct plan_policy *policy = one->policy;
	struct ingress_path path = {.path = "/", .line = rule->line};

	if (!one->policy_root || !rule->path_count)
		return;
	path.backend = rule->paths[0].backend;
	one->policy = one->policy_root;
	add_rule(f, one, host, &path, RULE_EXACT);
	one->policy = policy;
}

static void add_ingress(struct front *f, struct front_ingress *one)
{
	const struct ingress *ingress = one->ingress;
	struct host_draft *host;

	if (!one->policy || !one->policy_plain || one->annotated.aside)
		return;
	for (unsigned i = 0; i < ingress->rule_count; i++) {
		const struct ingress_rule *rule = &ingress->rules[i];
		bool again = false;

		host = host_take(f, one, rule->host);
		if (!host)
			continue;
		note_host(f, one, rule->host);
		add_root(f, one, host, rule);
		for (unsigned j = 0; j < rule->path_count; j++)
			add_rule(
				f, one, host, &rule->paths[j], (enum rule_kind)rule->paths[j].type);
		for (unsigned j = 0; j < i; j++)
			again |= strcmp(ingress->rules[j].host, rule->host) == 0;
		if (ingress->has_default && !again)
			add_default(f, one, host, RULE_DEFAULT);
	}
	if (ingress->rule_count || !ingress->has_default)
		return;
	host = host_take(f, one, "");
	if (!host)
		return;
	note_host(f, one, "");
	add_default(f, one, host, RULE_CATCH_ALL);
}

static int compare_rules(const void *left, const void *right)
{
	const struct plan_rule *a = left, *b = right;
	int order = strcmp(a->path, b->path);

	return order ? order : (int)a->kind - (int)b->kind;
}

static void add_host_row(struct front *f, const struct host_draft *host)
{
	struct plan_host *row = part_add(f->p->part, ROW_HOST);

	if (!row)
		return;
	row->site = PLAN_SITE;
	row->name = host->name;
	row->rules = arena_take_array(f->p->arena, host->rule_count, sizeof(*row->rules));
	if (!row->rules)
		return;
	row->rule_count = host->rule_count;
	if (host->rule_count)
		memcpy(row->rules, host->rules, host->rule_count * sizeof(*row->rules));
	if (host->rule_count > 1)
		qsort(row->rules, row->rule_count, sizeof(*row->rules), compare_rules);
}

size_t front_mask_for(size_t count)
{
	size_t mask = 3;

	while (mask < 2 * count)
		mask = mask * 2 + 1;
	return mask;
}

// As ingress-nginx does, if the settings want it: one Ingress with expressions, and all paths of
// its hosts are such, whoever has them.
static void mark_hosts(struct front *f, struct front_ingress *one)
{
	const struct ingress *ingress = one->ingress;

	if (!f->p->settings->ingress.regex_hosts || one->annotated.aside ||
		!(one->annotated.regex || *one->annotated.policy.rewrite))
		return;
	for (unsigned i = 0; i < ingress->rule_count; i++) {
		struct host_draft *host = host_take(f, one, ingress->rules[i].host);

		if (host)
			host->regex = true;
	}
}

void front_hosts_make(struct front *f)
{
	size_t rules = 0, hosts = 0;

	for (unsigned i = 0; i < f->count; i++) {
		const struct ingress *ingress = f->ingresses[i].ingress;

		hosts += ingress->rule_count + 1;
		rules += ingress->rule_count + 1;
		for (unsigned j = 0; j < ingress->rule_count; j++)
			rules += ingress->rules[j].path_count;
	}
	f->host_mask = front_mask_for(hosts);
	f->rule_mask = front_mask_for(rules);
	f->hosts = arena_take_array(&f->p->scratch, f->host_mask + 1, sizeof(*f->hosts));
	f->rules = arena_take_array(&f->p->scratch, f->rule_mask + 1, sizeof(*f->rules));
	if (!f->hosts || !f->rules)
		f->p->scratch.failed = true;
	for (unsigned i = 0; !f->p->scratch.failed && i < f->count; i++)
		mark_hosts(f, &f->ingresses[i]);
	for (unsigned i = 0; !f->p->scratch.failed && i < f->count; i++)
		add_ingress(f, &f->ingresses[i]);
	for (size_t i = 0; !f->p->scratch.failed && i <= f->host_mask; i++)
		for (const struct host_draft *host = f->hosts[i]; host; host = host->next)
			add_host_row(f, host);
}
