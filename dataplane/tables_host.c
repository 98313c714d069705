// SPDX-License-Identifier: BSD-3-Clause
// Hosts and their rules in a change of the tables.
//
// A host is two blocks: itself and its paths, which is what a lookup reads; and its rules, their
// backends and policies, and the text of all. A rule keeps its slot as long as its host has a rule
// of that kind and path, so that its counters go on.
#include "tables_internal.h"

#include <stdlib.h>
#include <string.h>

// Where the parts of the rules' block go, and where the next piece of each begins.
struct layout {
	struct http_rule *rules;
	struct rule_policy *policies;
	struct rule_backend *backends;
	char *text;
};

static const struct http_host *host_find(
	const struct tables *tables, uint32_t site, const char *name)
{
	const struct http_name key = {site, name, strlen(name)};

	return http_find(&tables->host_map, http_host_equal, &key);
}

bool backends_build(struct build *build, const char *what, const struct plan_backend *plan,
	struct rule_backend *backends, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		const struct pool *pool = pool_find(build->tables, plan[i].pool);

		if (!pool || !pool->upstream) {
			build_mistake(build, "%s: pool \"%s\" %s", what, plan[i].pool,
				pool ? "has no upstream: it is not the proxy's"
				     : "is not in the plan");
			return false;
		}
		backends[i] = (struct rule_backend){pool->slot, plan[i].weight, pool->name_hash};
	}
	return true;
}

static const char *text_or_empty(const char *text)
{
	return text ? text : "";
}

static const char *put_text(struct layout *layout, const char *text)
{
	const char *at = layout->text;

	if (!text)
		return NULL;
	memcpy(layout->text, text, strlen(text) + 1);
	layout->text += strlen(text) + 1;
	return at;
}

// Prefixes are bytes alone, so they may lie among texts.
static const struct prefix *put_prefixes(
	struct layout *layout, const struct prefix *prefixes, uint32_t count)
{
	char *at = layout->text;

	static_assert(_Alignof(struct prefix) == 1, "a prefix may be anywhere");
	if (count)
		memcpy(at, prefixes, count * sizeof(*prefixes));
	layout->text += count * sizeof(*prefixes);
	return (const struct prefix *)at;
}

static bool prefixes_same(
	const struct prefix *a, uint32_t a_count, const struct prefix *b, uint32_t b_count)
{
	return a_count == b_count && (!a_count || memcmp(a, b, a_count * sizeof(*a)) == 0);
}

static size_t text_bytes(const struct plan_rule *rule)
{
	return strlen(rule->path) + strlen(rule->object) + 4 +
	       strlen(text_or_empty(rule->policy.upstream_host)) +
	       strlen(text_or_empty(rule->policy.rewrite)) +
	       strlen(text_or_empty(rule->policy.redirect_to)) + 1 +
	       (rule->policy.allowed_count + rule->policy.refused_count) * sizeof(struct prefix);
}

static bool policy_same(const struct rule_policy *a, const struct rule_policy *b)
{
	return a->ssl_redirect == b->ssl_redirect &&
	       a->force_ssl_redirect == b->force_ssl_redirect &&
	       a->preserve_trailing_slash == b->preserve_trailing_slash &&
	       a->redirect_code == b->redirect_code && a->body_bytes == b->body_bytes &&
	       a->connect_timeout_ms == b->connect_timeout_ms &&
	       a->send_timeout_ms == b->send_timeout_ms &&
	       a->read_timeout_ms == b->read_timeout_ms && a->retry_on == b->retry_on &&
	       a->retry_tries == b->retry_tries && a->retry_timeout_ms == b->retry_timeout_ms &&
	       strcmp(text_or_empty(a->upstream_host), text_or_empty(b->upstream_host)) == 0 &&
	       strcmp(text_or_empty(a->rewrite), text_or_empty(b->rewrite)) == 0 &&
	       strcmp(text_or_empty(a->redirect_to), text_or_empty(b->redirect_to)) == 0 &&
	       a->redirect_to_code == b->redirect_to_code && a->denied == b->denied &&
	       prefixes_same(a->allowed, a->allowed_count, b->allowed, b->allowed_count) &&
	       prefixes_same(a->refused, a->refused_count, b->refused, b->refused_count);
}

static bool rule_same(const struct http_rule *a, const struct http_rule *b)
{
	if (a->kind != b->kind || a->backend_count != b->backend_count ||
		strcmp(a->path, b->path) != 0 || strcmp(a->object, b->object) != 0 ||
		!policy_same(a->policy, b->policy))
		return false;
	for (uint32_t i = 0; i < a->backend_count; i++)
		if (a->backends[i].pool != b->backends[i].pool ||
			a->backends[i].weight != b->backends[i].weight ||
			a->backends[i].hash != b->backends[i].hash)
			return false;
	return true;
}

static bool rules_same(const struct http_host *host, const struct http_rule *rules, uint32_t count)
{
	if (host->rule_count != count)
		return false;
	for (uint32_t i = 0; i < count; i++)
		if (!rule_same(&host->rules[i], &rules[i]))
			return false;
	return true;
}

// The rules' block without slots and host; NULL after telling why, or when out of memory.
static struct http_rule *rules_make(
	struct build *build, const struct plan_host *plan, const char *what)
{
	size_t backends = 0, text = 0, bytes;
	struct http_rule *rules;
	struct layout at;

	for (uint32_t i = 0; i < plan->rule_count; i++) {
		backends += plan->rules[i].backend_count;
		text += text_bytes(&plan->rules[i]);
	}
	bytes = plan->rule_count * (sizeof(struct http_rule) + sizeof(struct rule_policy)) +
		backends * sizeof(struct rule_backend) + text + 1;
	rules = edit_make(&build->edit, bytes);
	if (!rules)
		return NULL;
	at.rules = rules;
	at.policies = (struct rule_policy *)(at.rules + plan->rule_count);
	at.backends = (struct rule_backend *)(at.policies + plan->rule_count);
	at.text = (char *)(at.backends + backends);
	for (uint32_t i = 0; i < plan->rule_count; i++) {
		const struct plan_rule *from = &plan->rules[i];

		at.policies[i] = from->policy;
		at.policies[i].upstream_host = put_text(&at, from->policy.upstream_host);
		at.policies[i].rewrite = put_text(&at, from->policy.rewrite);
		at.policies[i].redirect_to = put_text(&at, from->policy.redirect_to);
		at.policies[i].allowed =
			put_prefixes(&at, from->policy.allowed, from->policy.allowed_count);
		at.policies[i].refused =
			put_prefixes(&at, from->policy.refused, from->policy.refused_count);
		at.rules[i] = (struct http_rule){
			.slot = SLOT_NONE,
			.kind = from->kind,
			.path = put_text(&at, from->path),
			.object = put_text(&at, from->object),
			.backend_count = from->backend_count,
			.backends = at.backends,
			.policy = &at.policies[i],
		};
		if (!backends_build(build, what, from->backends, at.backends, from->backend_count))
			return NULL;
		at.backends += from->backend_count;
	}
	return rules;
}

static void host_end(void *block)
{
	const struct http_host *host = block;

	route_paths_end((struct route_paths *)host->paths);
}

// The host's block without a slot, which its rules then know; NULL as above.
static struct http_host *host_make(struct build *build, const struct plan_host *plan, uint32_t site,
	struct http_rule *rules, const char *what)
{
	size_t name = strlen(plan->name), front = http_host_front(name);
	struct route_rule *kinds = calloc(plan->rule_count + 1, sizeof(*kinds));
	struct route_paths *paths = NULL;
	struct reason mistakes = {0};
	struct http_host *host;

	for (uint32_t i = 0; kinds && i < plan->rule_count; i++)
		kinds[i] = (struct route_rule){rules[i].path, rules[i].kind};
	if (!kinds || route_paths_build(&paths, front, kinds, plan->rule_count, &mistakes))
		build->edit.failed = true;
	free(kinds);
	if (mistakes.count)
		build_mistake(build, "%s: %s", what, reason_text(&mistakes));
	reason_clear(&mistakes);
	if (!paths)
		return NULL;
	host = edit_adopt(&build->edit, (char *)paths - front);
	if (!host)
		return NULL;
	*host = (struct http_host){
		.site = site,
		.rule_count = plan->rule_count,
		.rules = rules,
		.paths = paths,
		.name_length = (uint16_t)name,
	};
	memcpy(host->name, plan->name, name + 1);
	edit_made_ends(&build->edit, host_end);
	for (uint32_t i = 0; i < plan->rule_count; i++)
		rules[i].host = host;
	return host;
}

// The rule of the former host that has this kind and path. Mostly they stand in the same order.
static const struct http_rule *former(
	const struct http_host *before, const struct http_rule *rule, uint32_t *at)
{
	for (uint32_t i = 0; before && i < before->rule_count; i++) {
		uint32_t index = (*at + i) % before->rule_count;
		const struct http_rule *old = &before->rules[index];

		if (old->kind == rule->kind && strcmp(old->path, rule->path) == 0) {
			*at = index + 1;
			return old;
		}
	}
	return NULL;
}

static bool slots_give(struct build *build, const struct http_host *before, struct http_host *after)
{
	bool *kept = calloc(before ? before->rule_count + 1 : 1, sizeof(*kept));
	uint32_t at = 0;

	if (!kept) {
		build->edit.failed = true;
		return false;
	}
	for (uint32_t i = 0; i < after->rule_count; i++) {
		struct http_rule *rule = (struct http_rule *)&after->rules[i];
		const struct http_rule *old = former(before, rule, &at);

		if (old && !kept[old - before->rules]) {
			kept[old - before->rules] = true;
			rule->slot = old->slot;
		} else {
			rule->slot = build_slot(build, &build->store->rules, "rules of all hosts");
		}
		if (rule->slot == SLOT_NONE)
			break;
		slots_set(&build->rules, rule->slot, rule);
	}
	for (uint32_t i = 0; before && i < before->rule_count; i++)
		if (!kept[i]) {
			slots_set(&build->rules, before->rules[i].slot, NULL);
			slot_numbers_remove(&build->store->rules, before->rules[i].slot);
		}
	free(kept);
	return true;
}

// In the place of another, or of none; NULL: of none itself.
static void host_put(
	struct build *build, const struct http_host *before, const struct http_host *after)
{
	const struct http_host *either = after ? after : before;

	rows_put(build, &build->hosts,
		http_name_hash(either->site, either->name, either->name_length), either->slot,
		before, after);
	if (!before)
		return;
	edit_replaced_ends(&build->edit, host_end);
	edit_replace(&build->edit, before->rules);
}

static void host_set(struct build *build, const struct plan_host *plan)
{
	const struct http_site *site = site_find(build->tables, plan->site);
	const struct http_host *before =
		site ? host_find(build->tables, site->slot, plan->name) : NULL;
	struct http_rule *rules;
	struct http_host *after;
	char what[SLUICE_HOST_LENGTH + 16];

	snprintf(what, sizeof(what), "host \"%s\"", plan->name);
	if (!site) {
		build_mistake(build, "%s: site \"%s\" is not in the plan", what, plan->site);
		return;
	}
	if (before && rows_seen(build, &build->hosts, before->slot)) {
		build_mistake(build, "%s: named twice", what);
		return;
	}
	if (before)
		rows_see(build, &build->hosts, before->slot);
	rules = rules_make(build, plan, what);
	if (rules && before && rules_same(before, rules, plan->rule_count)) {
		edit_replace(&build->edit, rules);
		return;
	}
	after = rules ? host_make(build, plan, site->slot, rules, what) : NULL;
	if (!after)
		return;
	after->slot = before ? before->slot : build_slot(build, &build->store->hosts, "hosts");
	if (after->slot == SLOT_NONE || !slots_give(build, before, after))
		return;
	host_put(build, before, after);
}

static void host_remove(struct build *build, const struct http_host *host)
{
	for (uint32_t i = 0; i < host->rule_count; i++) {
		slots_set(&build->rules, host->rules[i].slot, NULL);
		slot_numbers_remove(&build->store->rules, host->rules[i].slot);
	}
	host_put(build, host, NULL);
}

static void host_remove_named(struct build *build, const struct plan_host_key *key)
{
	const struct http_site *site = site_find(build->store->current, key->site);
	const struct http_host *host =
		site ? host_find(build->tables, site->slot, key->name) : NULL;

	if (!host)
		build_mistake(build, "host \"%s\": to be removed, but not in the plan", key->name);
	else if (rows_seen(build, &build->hosts, host->slot))
		build_mistake(build, "host \"%s\": both set and removed", key->name);
	else
		host_remove(build, host);
}

void hosts_build(struct build *build)
{
	const struct plan_change *change = build->change;
	const struct tables *before = build->store->current;

	for (uint32_t i = 0; i < change->host_count && !build->edit.failed; i++)
		host_set(build, &change->hosts[i]);
	for (uint32_t i = 0; i < change->host_removed_count && !build->edit.failed; i++)
		host_remove_named(build, &change->hosts_removed[i]);
	for (uint32_t slot = 0; change->base == 0 && slot < before->host_end; slot++) {
		const struct http_host *host = slots_get(&before->hosts, slot);

		if (host && !rows_seen(build, &build->hosts, slot))
			host_remove(build, host);
	}
}

void host_free(const void *value)
{
	const struct http_host *host = value;

	host_end((void *)host);
	free((void *)host->rules);
	free((void *)host);
}
