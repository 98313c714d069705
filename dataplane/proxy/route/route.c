// SPDX-License-Identifier: BSD-3-Clause
#include "route_internal.h"

const struct route_path *route_find_path(
	const struct route_paths *paths, uint32_t hash, struct route_text text, bool exact)
{
	for (uint32_t i = route_place(hash, paths->mask);; i = (i + 1) & paths->mask) {
		uint32_t slot = paths->slots[i];
		const struct route_path *path;

		if (slot == ROUTE_NONE)
			return NULL;
		if ((slot ^ hash) >> 24)
			continue;
		path = route_path_at(paths, slot);
		if (path->hash == hash && path->exact == exact && path->length == text.length &&
			memcmp(path->text, text.text, text.length) == 0)
			return path;
	}
}

void route_paths_prefetch(const void *paths)
{
	for (uint32_t line = 0; line < 5; line++)
		__builtin_prefetch((const char *)paths + 64u * line);
}

size_t route_fold_host(char *out, const char *host, size_t length)
{
	const char *colon;

	if (length && host[0] == '[') // an address, and rules have none
		return 0;
	colon = length ? memchr(host, ':', length) : NULL;
	if (colon)
		length = (size_t)(colon - host);
	if (length && host[length - 1] == '.')
		length--;
	if (length > SLUICE_HOST_LENGTH)
		return 0;
	for (size_t i = 0; i < length; i++) {
		uint8_t byte = (uint8_t)host[i];

		out[i] = (char)((uint8_t)(byte - 'A') < 26 ? byte | 0x20 : byte);
	}
	return length;
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

bool route_host_valid(const char *name)
{
	size_t length = strlen(name);

	if (length == 0)
		return true;
	if (length > 2 && name[0] == '*' && name[1] == '.') {
		name += 2;
		length -= 2;
	}
	return length <= SLUICE_HOST_LENGTH && is_name(name, length);
}

// The path among those of the host: prefixes from the shortest to the longest, the exact one last:
// nothing that matches is longer than the path itself, also not a prefix with a slash at its end.
static const struct route_path *choose_path(const struct route_paths *paths, struct route_text path)
{
	const char *at = path.text, *end = path.text + path.length;
	const struct route_path *best = NULL;
	uint32_t hash = 0;

	for (uint32_t depth = 0;; depth++) {
		struct route_text prefix = {path.text, (size_t)(at - path.text)};

		if (depth <= paths->deepest && paths->depths >> (depth < 63 ? depth : 63) & 1) {
			const struct route_path *found =
				route_find_path(paths, hash, prefix, false);

			best = found ? found : best;
		}
		if (at == end || (depth >= paths->deepest && !paths->exact))
			break;
		at = route_element_end(at, end);
		hash = route_hash_element(hash, path.text + prefix.length + 1,
			(size_t)(at - path.text) - prefix.length - 1);
	}
	if (paths->exact) {
		const struct route_path *found =
			route_find_path(paths, route_hash_exact(hash), path, true);

		best = found ? found : best;
	}
	return best;
}

// Of the expressions that are longer than what is found so far, the first that matches. False: one
// of them was too costly.
static bool choose_pattern(const struct route_paths *paths, struct route_text path,
	uint32_t longer_than, struct route_found *found)
{
	for (uint32_t i = 0; i < paths->pattern_count; i++) {
		const struct route_pattern *it = route_pattern_at(paths, i);
		enum pattern_result result;

		if (it->length <= longer_than)
			break;
		result = pattern_match(it->pattern, path.text, path.length, found->groups);
		if (result == PATTERN_COSTLY)
			return false;
		if (result == PATTERN_YES) {
			found->how = ROUTE_BY_PATTERN;
			found->rule = it->rule;
			break;
		}
	}
	return true;
}

struct route_found route_paths_lookup(const struct route_paths *paths, struct route_text path)
{
	struct route_found found = {.how = ROUTE_NOT_FOUND, .rule = ROUTE_NONE};
	const struct route_path *chosen = NULL;
	uint32_t length = 0;

	if (path.length && path.text[0] == '/')
		chosen = choose_path(paths, path);
	if (chosen) {
		found.how = chosen->exact ? ROUTE_BY_EXACT : ROUTE_BY_PREFIX;
		found.rule = chosen->rule;
		length = chosen->length + chosen->slash;
	}
	if (paths->pattern_count && found.how != ROUTE_BY_EXACT && path.length &&
		path.text[0] == '/' && !choose_pattern(paths, path, length, &found)) {
		found.how = ROUTE_TOO_COSTLY;
		found.rule = ROUTE_NONE;
	}
	if (found.how == ROUTE_NOT_FOUND && paths->by_default != ROUTE_NONE) {
		found.how = paths->catches_all ? ROUTE_BY_CATCH_ALL : ROUTE_BY_DEFAULT;
		found.rule = paths->by_default;
	}
	return found;
}
