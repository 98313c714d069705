// SPDX-License-Identifier: BSD-3-Clause
// From a list of rules to the table: sort out what makes no sense, let the oldest come first, so
// that whoever finds a place taken has lost it.
#include "route_internal.h"

#include "http_path.h"

#include <errno.h>
#include <stdlib.h>

struct builder {
	struct route_table *table;
	const struct route_rule *rules;
	struct reason *reason;
	char *text; // what is free of the table's text
};

static const char *text_of(const char *text)
{
	return text ? text : "";
}

// By namespace, then name: the slash between them comes before anything.
static int compare_names(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	if (*a == *b)
		return 0;
	if (!*a || !*b)
		return *a ? 1 : -1;
	if (*a == '/' || *b == '/')
		return *a == '/' ? -1 : 1;
	return (uint8_t)*a < (uint8_t)*b ? -1 : 1;
}

static int compare_rules(const void *a, const void *b, void *arg)
{
	const struct route_rule *rules = arg;
	uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
	int names;

	if (rules[i].created != rules[j].created)
		return rules[i].created < rules[j].created ? -1 : 1;
	names = compare_names(text_of(rules[i].name), text_of(rules[j].name));
	return names ? names : (i > j) - (i < j);
}

static bool is_letter_or_digit(char byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9');
}

// A DNS name in small letters: labels of 1 to 63, with a letter or digit at both ends; the last
// one not of digits alone, or it were an address.
static bool is_name(const char *name, size_t length)
{
	size_t label = 0;
	bool digits = true;

	for (size_t i = 0; i <= length; i++) {
		if (i == length || name[i] == '.') {
			if (!label || label > 63 || !is_letter_or_digit(name[i - 1]))
				return false;
			if (i == length)
				return !digits;
			label = 0;
			digits = true;
			continue;
		}
		if (!is_letter_or_digit(name[i]) && (name[i] != '-' || !label))
			return false;
		digits = digits && name[i] >= '0' && name[i] <= '9';
		label++;
	}
	return false;
}

// The host as the table has it, in the builder's text; NULL for what is none.
static const char *take_host(struct builder *builder, const char *host, size_t *length)
{
	char *name = builder->text;
	size_t n = strlen(host);

	if (n > ROUTE_HOST_LENGTH + 1) // a star more than a name has
		return NULL;
	for (size_t i = 0; i < n; i++)
		name[i] = (char)((uint8_t)(host[i] - 'A') < 26 ? host[i] | 0x20 : host[i]);
	if (n && name[0] == '*') {
		if (n < 3 || name[1] != '.' || !is_name(name + 2, n - 2))
			return NULL;
		name++;
		n--;
	} else if (n && !is_name(name, n)) {
		return NULL;
	}
	*length = n;
	return name;
}

static uint32_t find_or_add_host(struct builder *builder, const char *name, size_t length)
{
	struct route_table *table = builder->table;
	uint32_t found = route_find_host(table, name, length);
	uint32_t hash = route_hash(0, name, length);
	uint32_t i = route_place(hash, table->host_mask);

	if (found != ROUTE_NONE)
		return found;
	while (table->host_slots[i].index != ROUTE_NONE)
		i = (i + 1) & table->host_mask;
	found = table->host_count++;
	table->host_slots[i] = (struct route_slot){hash, found};
	table->hosts[found] = (struct route_host){
		.name = name, .length = (uint32_t)length, .by_default = ROUTE_NONE};
	if (!length)
		table->no_host = found;
	builder->text = (char *)name + length;
	return found;
}

static void lose(struct builder *builder, uint32_t loser, uint32_t winner, bool shadowed)
{
	struct route_table *table = builder->table;

	table->conflicts[table->conflict_count++] =
		(struct route_conflict){loser, winner, shadowed};
}

// A rule's path may have a % that begins no escape: it means itself.
static const char *take_path(struct builder *builder, const char *path, size_t *length)
{
	size_t room = 3 * strlen(path) + 1;
	char *raw = malloc(2 * room);
	const char *normal;
	size_t n = 0;

	if (!raw)
		return NULL;
	for (const char *at = path; *at; at++) {
		static const char digits[] = "0123456789abcdefABCDEF";
		bool escape = *at == '%' && at[1] && strchr(digits, at[1]) && at[2] &&
			      strchr(digits, at[2]);

		raw[n++] = *at;
		if (*at == '%' && !escape) {
			raw[n++] = '2';
			raw[n++] = '5';
		}
	}
	*length = 0;
	if (http_path_normalise(raw, n, raw + room, &normal, &n) == HTTP_OK) {
		memcpy(builder->text, normal, n);
		*length = n;
	}
	free(raw);
	return builder->text;
}

static void add_path(struct builder *builder, uint32_t rule, struct route_path path)
{
	struct route_table *table = builder->table;
	struct route_host *host = &table->hosts[path.host];
	const char *end = path.text + path.length;
	uint32_t hash = route_hash_host(path.host);
	uint32_t depth = 0, found, i;

	for (const char *at = path.text, *next; at < end; at = next, depth++) {
		next = route_element_end(at, end);
		hash = route_hash_element(hash, at + 1, (size_t)(next - at) - 1);
	}
	if (path.exact)
		hash = route_hash_exact(hash);
	found = route_find_path(table, hash, &path);
	if (found != ROUTE_NONE) {
		struct route_path *old = &table->paths[found];

		// The older is the shorter: then age does not matter.
		if (path.slash && !old->slash) {
			lose(builder, old->rule, rule, true);
			old->slash = true;
			old->rule = rule;
		} else {
			lose(builder, rule, old->rule, path.slash != old->slash);
		}
		return;
	}
	for (i = route_place(hash, table->path_mask); table->path_slots[i].index != ROUTE_NONE;)
		i = (i + 1) & table->path_mask;
	table->path_slots[i] = (struct route_slot){hash, table->path_count};
	table->paths[table->path_count++] = path;
	builder->text = (char *)end;
	if (path.exact) {
		host->exact = true;
		return;
	}
	host->depths |= UINT64_C(1) << (depth < 63 ? depth : 63);
	host->deepest = depth > host->deepest ? depth : host->deepest;
}

static int take_paths(struct builder *builder, uint32_t rule, uint32_t host)
{
	const struct route_rule *it = &builder->rules[rule];
	const char *text = it->path && *it->path ? it->path : "/";
	struct route_path path = {.host = host, .rule = rule, .exact = it->kind == ROUTE_EXACT};
	size_t length = 0;

	if (text[0] == '/' && strlen(text) <= ROUTE_PATH_LENGTH) {
		path.text = take_path(builder, text, &length);
		if (!path.text)
			return -ENOMEM;
	}
	if (!length) {
		reason_add(builder->reason,
			"%s: path \"%.64s\": expected a path that begins with / and stays below "
			"it, "
			"of at most %d bytes",
			text_of(it->name), text, ROUTE_PATH_LENGTH);
		return 0;
	}
	if (!path.exact && path.text[length - 1] == '/') {
		path.slash = true;
		length--;
	}
	path.length = (uint32_t)length;
	add_path(builder, rule, path);
	return 0;
}

static int take_rule(struct builder *builder, uint32_t rule)
{
	struct route_table *table = builder->table;
	const struct route_rule *it = &builder->rules[rule];
	uint32_t *place = &table->catch_all;
	const char *name;
	size_t length = 0;
	uint32_t host;

	if (it->kind != ROUTE_CATCH_ALL) {
		name = take_host(builder, text_of(it->host), &length);
		if (!name) {
			reason_add(builder->reason,
				"%s: host \"%.255s\": expected a DNS name, or *. and a DNS name",
				text_of(it->name), text_of(it->host));
			return 0;
		}
		host = find_or_add_host(builder, name, length);
		if (it->kind == ROUTE_HOST)
			return 0;
		if (it->kind != ROUTE_DEFAULT)
			return take_paths(builder, rule, host);
		place = &table->hosts[host].by_default;
	}
	if (*place == ROUTE_NONE)
		*place = rule;
	else
		lose(builder, rule, *place, false);
	return 0;
}

static int compare_conflicts(const void *a, const void *b)
{
	const struct route_conflict *left = a, *right = b;

	return (left->loser > right->loser) - (left->loser < right->loser);
}

static struct route_slot *slots_new(uint32_t count, uint32_t *mask)
{
	uint32_t size = 4;
	struct route_slot *slots;

	while (size < 2 * count)
		size *= 2;
	slots = malloc(size * sizeof(*slots));
	for (uint32_t i = 0; slots && i < size; i++)
		slots[i] = (struct route_slot){0, ROUTE_NONE};
	*mask = size - 1;
	return slots;
}

static struct route_table *table_new(const struct route_rule *rules, uint32_t count)
{
	struct route_table *table = calloc(1, sizeof(*table));
	size_t text = ROUTE_HOST_LENGTH + 3 * ROUTE_PATH_LENGTH + 2;

	if (!table)
		return NULL;
	for (uint32_t i = 0; i < count; i++)
		text += strlen(text_of(rules[i].host)) + 3 * strlen(text_of(rules[i].path)) + 1;
	table->hosts = calloc(count + 1, sizeof(*table->hosts));
	table->paths = calloc(count + 1, sizeof(*table->paths));
	table->targets = calloc(count + 1, sizeof(*table->targets));
	table->conflicts = calloc(count + 1, sizeof(*table->conflicts));
	table->host_slots = slots_new(count, &table->host_mask);
	table->path_slots = slots_new(count, &table->path_mask);
	table->text = malloc(text);
	table->no_host = table->catch_all = ROUTE_NONE;
	if (table->hosts && table->paths && table->targets && table->conflicts &&
		table->host_slots && table->path_slots && table->text)
		return table;
	route_free(table);
	return NULL;
}

int route_build(struct route_table **table, const struct route_rule *rules, uint32_t count,
	struct reason *reason)
{
	struct builder builder = {.rules = rules, .reason = reason};
	uint32_t *order = calloc(count + 1, sizeof(*order));
	int result = 0;

	builder.table = order ? table_new(rules, count) : NULL;
	if (!builder.table) {
		free(order);
		return -ENOMEM;
	}
	builder.text = builder.table->text;
	for (uint32_t i = 0; i < count; i++) {
		order[i] = i;
		builder.table->targets[i] = rules[i].target;
	}
	qsort_r(order, count, sizeof(*order), compare_rules, (void *)rules);
	for (uint32_t i = 0; i < count && !result; i++)
		result = take_rule(&builder, order[i]);
	free(order);
	if (result) {
		route_free(builder.table);
		return result;
	}
	qsort(builder.table->conflicts, builder.table->conflict_count,
		sizeof(*builder.table->conflicts), compare_conflicts);
	*table = builder.table;
	return 0;
}

void route_free(struct route_table *table)
{
	if (!table)
		return;
	free(table->hosts);
	free(table->paths);
	free(table->host_slots);
	free(table->path_slots);
	free(table->targets);
	free(table->conflicts);
	free(table->text);
	free(table);
}
