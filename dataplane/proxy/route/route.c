// SPDX-License-Identifier: BSD-3-Clause
#include "route_internal.h"

uint32_t route_find_host(const struct route_table *table, const char *name, size_t length)
{
	uint32_t hash = route_hash(0, name, length);

	for (uint32_t i = route_place(hash, table->host_mask);; i = (i + 1) & table->host_mask) {
		const struct route_slot *slot = &table->host_slots[i];
		const struct route_host *host;

		if (slot->index == ROUTE_NONE)
			return ROUTE_NONE;
		host = &table->hosts[slot->index];
		if (slot->hash == hash && host->length == length &&
			memcmp(host->name, name, length) == 0)
			return slot->index;
	}
}

uint32_t route_find_path(
	const struct route_table *table, uint32_t hash, const struct route_path *wanted)
{
	for (uint32_t i = route_place(hash, table->path_mask);; i = (i + 1) & table->path_mask) {
		const struct route_slot *slot = &table->path_slots[i];
		const struct route_path *path;

		if (slot->index == ROUTE_NONE)
			return ROUTE_NONE;
		path = &table->paths[slot->index];
		if (slot->hash == hash && path->host == wanted->host &&
			path->exact == wanted->exact && path->length == wanted->length &&
			memcmp(path->text, wanted->text, path->length) == 0)
			return slot->index;
	}
}

// In small letters, without port and trailing dot. Returns the length, 0 for what is no host.
static size_t fold_host(char *out, const char *host, size_t length)
{
	const char *colon;

	if (length && host[0] == '[') // an address, and rules have none
		return 0;
	colon = length ? memchr(host, ':', length) : NULL;
	if (colon)
		length = (size_t)(colon - host);
	if (length && host[length - 1] == '.')
		length--;
	if (length > ROUTE_HOST_LENGTH)
		return 0;
	for (size_t i = 0; i < length; i++) {
		uint8_t byte = (uint8_t)host[i];

		out[i] = (char)((uint8_t)(byte - 'A') < 26 ? byte | 0x20 : byte);
	}
	return length;
}

static uint32_t choose_host(const struct route_table *table, const char *host, size_t length)
{
	char name[ROUTE_HOST_LENGTH];
	const char *dot;
	uint32_t found;

	length = fold_host(name, host, length);
	if (!length || name[0] == '.')
		return table->no_host;
	found = route_find_host(table, name, length);
	if (found != ROUTE_NONE)
		return found;
	dot = memchr(name, '.', length);
	if (dot)
		found = route_find_host(table, dot, length - (size_t)(dot - name));
	return found != ROUTE_NONE ? found : table->no_host;
}

// The path among those of the host: prefixes from the shortest to the longest, the exact one last.
// A prefix with a slash at its end is longer than the exact path without it, and so goes first.
static uint32_t choose_path(
	const struct route_table *table, uint32_t index, const char *path, size_t length)
{
	const struct route_host *host = &table->hosts[index];
	const char *at = path, *end = path + length;
	uint32_t hash = route_hash_host(index);
	uint32_t best = ROUTE_NONE;

	for (uint32_t depth = 0;; depth++) {
		struct route_path wanted = {
			.text = path, .length = (uint32_t)(at - path), .host = index};

		if (depth <= host->deepest && host->depths >> (depth < 63 ? depth : 63) & 1) {
			uint32_t found = route_find_path(table, hash, &wanted);

			best = found != ROUTE_NONE ? found : best;
		}
		if (at == end || (depth >= host->deepest && !host->exact))
			break;
		at = route_element_end(at, end);
		hash = route_hash_element(
			hash, path + wanted.length + 1, (size_t)(at - path) - wanted.length - 1);
	}
	if (host->exact) {
		struct route_path wanted = {
			.text = path, .length = (uint32_t)length, .host = index, .exact = true};
		uint32_t found = route_find_path(table, route_hash_exact(hash), &wanted);
		bool longer = best != ROUTE_NONE && table->paths[best].slash &&
			      table->paths[best].length == length;

		if (found != ROUTE_NONE && !longer)
			best = found;
	}
	return best;
}

struct route_found route_lookup(const struct route_table *table, const char *host,
	size_t host_length, const char *path, size_t path_length)
{
	struct route_found found = {.how = ROUTE_NOT_FOUND, .rule = ROUTE_NONE};
	uint32_t index = choose_host(table, host, host_length);
	uint32_t chosen = ROUTE_NONE;

	if (index != ROUTE_NONE && path_length && path[0] == '/')
		chosen = choose_path(table, index, path, path_length);
	if (chosen != ROUTE_NONE) {
		found.how = table->paths[chosen].exact ? ROUTE_BY_EXACT : ROUTE_BY_PREFIX;
		found.rule = table->paths[chosen].rule;
	} else if (index != ROUTE_NONE && table->hosts[index].by_default != ROUTE_NONE) {
		found.how = ROUTE_BY_DEFAULT;
		found.rule = table->hosts[index].by_default;
	} else if (table->catch_all != ROUTE_NONE) {
		found.how = ROUTE_BY_CATCH_ALL;
		found.rule = table->catch_all;
	}
	if (found.how != ROUTE_NOT_FOUND)
		found.target = table->targets[found.rule];
	return found;
}

const struct route_conflict *route_conflicts(const struct route_table *table, uint32_t *count)
{
	*count = table->conflict_count;
	return table->conflicts;
}
