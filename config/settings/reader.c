// SPDX-License-Identifier: BSD-3-Clause
// Single keys of sluice.conf: looked up, typed, ranged, and told when they are wrong.
#include "reader.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_TEXT 256

// "ports[1].vlans[0].id"
static void path_of(const setting_t *setting, char *buf, size_t size)
{
	const setting_t *parent = config_setting_parent(setting);
	const char *name = config_setting_name(setting);
	size_t n;

	if (!parent) {
		buf[0] = '\0';
		return;
	}
	path_of(parent, buf, size);
	n = strlen(buf);
	if (name)
		snprintf(buf + n, size - n, "%s%s", n ? "." : "", name);
	else
		snprintf(buf + n, size - n, "[%d]", config_setting_index(setting));
}

const char *read_file_name(const struct reader *r, const char *file, char buf[static FILE_TEXT])
{
	if (!file)
		return r->file;
	if (!r->dir || *file == '/')
		return file;
	snprintf(buf, FILE_TEXT, "%s/%s", r->dir, file);
	return buf;
}

static void mistake_v(
	struct reader *r, const setting_t *near, const char *path, const char *format, va_list args)
{
	const char *file = near ? config_setting_source_file(near) : NULL;
	unsigned line = near ? config_setting_source_line(near) : 0;
	char text[1024];
	char name[FILE_TEXT];

	vsnprintf(text, sizeof(text), format, args);
	// The root has no line of its own: a key missing at the top is missing at the first line.
	reason_add(r->reason, "%s:%u: %s: %s", read_file_name(r, file, name), line ? line : 1, path,
		text);
}

__attribute__((format(printf, 3, 4))) static void mistake(
	struct reader *r, const setting_t *setting, const char *format, ...)
{
	char path[PATH_TEXT];
	va_list args;

	path_of(setting, path, sizeof(path));
	va_start(args, format);
	mistake_v(r, setting, path, format, args);
	va_end(args);
}

void settings_mistake(struct reader *r, const char *path, const char *format, ...)
{
	const setting_t *near = config_root_setting(&r->config);
	const char *p = path;
	va_list args;

	// Down the path as far as the file goes.
	while (near && *p) {
		size_t n = strcspn(p, ".[");
		const setting_t *next = NULL;
		char name[64];

		if (*p == '[') {
			next = config_setting_get_elem(near, (unsigned)strtoul(p + 1, NULL, 10));
			n = strcspn(p, "]") + 1;
		} else if (n < sizeof(name) && config_setting_is_group(near)) {
			memcpy(name, p, n);
			name[n] = '\0';
			next = config_setting_get_member(near, name);
		}
		if (!next)
			break;
		near = next;
		p += n;
		if (*p == '.')
			p++;
	}
	va_start(args, format);
	mistake_v(r, near, path, format, args);
	va_end(args);
}

// What stands there, for people: "found" in a mistake.
static const char *found(const setting_t *setting, char *buf, size_t size)
{
	switch (config_setting_type(setting)) {
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_INT64:
		snprintf(buf, size, "%lld", config_setting_get_int64(setting));
		break;
	case CONFIG_TYPE_FLOAT:
		snprintf(buf, size, "%g", config_setting_get_float(setting));
		break;
	case CONFIG_TYPE_STRING:
		snprintf(buf, size, "\"%.80s\"", config_setting_get_string(setting));
		break;
	case CONFIG_TYPE_BOOL:
		snprintf(buf, size, "%s", config_setting_get_bool(setting) ? "true" : "false");
		break;
	case CONFIG_TYPE_GROUP:
		snprintf(buf, size, "a group { ... }");
		break;
	case CONFIG_TYPE_ARRAY:
		snprintf(buf, size, "an array [ ... ]");
		break;
	case CONFIG_TYPE_LIST:
		snprintf(buf, size, "a list ( ... )");
		break;
	default:
		snprintf(buf, size, "nothing");
	}
	return buf;
}

void read_expected(struct reader *r, const setting_t *setting, const char *what)
{
	char buf[128];

	mistake(r, setting, "found %s, expected %s", found(setting, buf, sizeof(buf)), what);
}

static void missing(struct reader *r, const setting_t *group, const char *key, const char *what)
{
	char path[PATH_TEXT];
	size_t n;

	path_of(group, path, sizeof(path));
	n = strlen(path);
	snprintf(path + n, sizeof(path) - n, "%s%s", n ? "." : "", key);
	settings_mistake(r, path, "missing, expected %s", what);
}

// Zeroed; when there is no memory that is told and NULL given.
void *read_take(struct reader *r, size_t count, size_t size)
{
	void *memory = calloc(count ? count : 1, size);

	if (!memory) {
		r->starved = true;
		reason_add(r->reason, "%s: out of memory", r->file);
	}
	return memory;
}

char *read_copy(struct reader *r, const char *text)
{
	size_t size = strlen(text) + 1;
	char *memory = read_take(r, size, 1);

	return memory ? memcpy(memory, text, size) : NULL;
}

// Is every member of the group one we know?
void read_known(struct reader *r, const setting_t *group, const char *const *keys)
{
	for (const char *const *key = keys; *key; key++)
		read_note(r, group, *key, KEY_ANY, "");
	for (int i = 0; i < config_setting_length(group); i++) {
		const setting_t *member = config_setting_get_elem(group, (unsigned)i);
		char all[512] = "";
		size_t n = 0;
		bool is_known = false;

		for (const char *const *key = keys; *key; key++) {
			is_known |= strcmp(*key, config_setting_name(member)) == 0;
			n += (size_t)snprintf(
				all + n, sizeof(all) - n, "%s%s", n ? ", " : "", *key);
		}
		if (!is_known)
			mistake(r, member, "unknown key, expected one of: %s", all);
	}
}

const setting_t *read_member(const setting_t *group, const char *key)
{
	return config_setting_get_member(group, key);
}

void read_number(struct reader *r, const setting_t *group, const char *key, uint32_t least,
	uint32_t most, uint32_t *out) // house: limits beside the place; a struct would hide more
{
	const setting_t *setting = read_member(group, key);
	int type = setting ? config_setting_type(setting) : CONFIG_TYPE_NONE;
	char what[64];
	long long value;

	snprintf(what, sizeof(what), "a number from %u to %u", least, most);
	read_note(r, group, key, KEY_NUMBER, what);
	if (!setting)
		return;
	if (type != CONFIG_TYPE_INT && type != CONFIG_TYPE_INT64) {
		read_expected(r, setting, what);
		return;
	}
	value = config_setting_get_int64(setting);
	if (value < least || value > most)
		read_expected(r, setting, what);
	else
		*out = (uint32_t)value;
}

void read_bool(struct reader *r, const setting_t *group, const char *key, bool *out)
{
	const setting_t *setting = read_member(group, key);

	read_note(r, group, key, KEY_BOOL, "true or false");
	if (!setting)
		return;
	if (config_setting_type(setting) != CONFIG_TYPE_BOOL)
		read_expected(r, setting, "true or false");
	else
		*out = config_setting_get_bool(setting) != 0;
}

// `fallback` NULL: the key must be there. An empty text is a mistake unless it is the fallback.
char *read_text(struct reader *r, const setting_t *group, const char *key, const char *what,
	const char *fallback)
{
	const setting_t *setting = read_member(group, key);

	read_note_text(r, group, key, what);
	if (setting && config_setting_type(setting) == CONFIG_TYPE_STRING &&
		(config_setting_get_string(setting)[0] || (fallback && !fallback[0])))
		return read_copy(r, config_setting_get_string(setting));
	if (setting)
		read_expected(r, setting, what);
	else if (!fallback)
		missing(r, group, key, what);
	return read_copy(r, fallback ? fallback : "");
}

// The position of the text among `names`, or `fallback`.
unsigned read_choice(struct reader *r, const setting_t *group, const char *key,
	const char *const *names, unsigned fallback)
{
	const setting_t *setting = read_member(group, key);
	char what[256] = "one of";
	size_t n = strlen(what);

	read_note_choice(r, group, key, names);
	if (!setting)
		return fallback;
	for (unsigned i = 0; names[i]; i++) {
		if (config_setting_type(setting) == CONFIG_TYPE_STRING &&
			strcmp(config_setting_get_string(setting), names[i]) == 0)
			return i;
		n += (size_t)snprintf(
			what + n, sizeof(what) - n, "%s \"%s\"", i ? "," : "", names[i]);
	}
	read_expected(r, setting, what);
	return fallback;
}

const setting_t *read_group(struct reader *r, const setting_t *parent, const char *key)
{
	const setting_t *setting = read_member(parent, key);

	read_note(r, parent, key, KEY_GROUP, "a group { ... }");
	if (setting && !config_setting_is_group(setting)) {
		read_expected(r, setting, "a group { ... }");
		return NULL;
	}
	return setting;
}

// A list of groups; elements that are no group are told and counted, and have no member.
const setting_t *read_list(
	struct reader *r, const setting_t *parent, const char *key, unsigned *count)
{
	const setting_t *setting = read_member(parent, key);

	read_note(r, parent, key, KEY_LIST, "a list of groups ( { ... }, ... )");
	*count = 0;
	if (!setting)
		return NULL;
	if (!config_setting_is_list(setting) &&
		!(config_setting_is_array(setting) && config_setting_length(setting) == 0)) {
		read_expected(r, setting, "a list of groups ( { ... }, { ... } )");
		return NULL;
	}
	for (int i = 0; i < config_setting_length(setting); i++) {
		const setting_t *element = config_setting_get_elem(setting, (unsigned)i);

		if (!config_setting_is_group(element)) {
			read_expected(r, element, "a group { ... }");
			return NULL;
		}
	}
	*count = (unsigned)config_setting_length(setting);
	return setting;
}

// An array of texts; a single text will do for an array of one. Visits each with its setting.
unsigned read_text_count(struct reader *r, const setting_t *group, const char *key)
{
	const setting_t *setting = read_member(group, key);

	read_note(r, group, key, KEY_TEXTS, "an array of texts [ \"...\", ... ]");
	if (!setting)
		return 0;
	if (!config_setting_is_array(setting) && !config_setting_is_list(setting)) {
		read_expected(r, setting, "an array of texts [ \"...\", \"...\" ]");
		return 0;
	}
	return (unsigned)config_setting_length(setting);
}

const char *read_text_at(struct reader *r, const setting_t *group, const char *key, unsigned i,
	const setting_t **element)
{
	*element = config_setting_get_elem(read_member(group, key), i);
	if (config_setting_type(*element) == CONFIG_TYPE_STRING)
		return config_setting_get_string(*element);
	read_expected(r, *element, "a text \"...\"");
	return NULL;
}

char **read_texts(struct reader *r, const setting_t *group, const char *key, unsigned *count)
{
	unsigned n = read_text_count(r, group, key);
	char **list = read_take(r, n, sizeof(*list));

	*count = 0;
	for (unsigned i = 0; list && i < n; i++) {
		const setting_t *element;
		const char *text = read_text_at(r, group, key, i, &element);

		list[i] = read_copy(r, text ? text : "");
		++*count;
	}
	return list;
}

bool read_address(struct reader *r, const setting_t *group, const char *key, struct addr *out)
{
	const setting_t *setting = read_member(group, key);

	read_note(r, group, key, KEY_TEXT, "an address, IPv4 or IPv6");
	if (!setting)
		return false;
	if (config_setting_type(setting) == CONFIG_TYPE_STRING &&
		addr_parse(out, config_setting_get_string(setting)) == 0 && !addr_is_zero(out))
		return true;
	*out = (struct addr){0};
	read_expected(r, setting, "an address, IPv4 or IPv6");
	return false;
}

// Addresses of an interface, "192.0.2.5/24": host bits are kept.
struct prefix *read_addresses(
	struct reader *r, const setting_t *group, const char *key, unsigned *count)
{
	unsigned n = read_text_count(r, group, key);
	struct prefix *list = read_take(r, n, sizeof(*list));

	*count = 0;
	for (unsigned i = 0; list && i < n; i++) {
		const setting_t *element;
		const char *text = read_text_at(r, group, key, i, &element);
		const char *slash = text ? strchr(text, '/') : NULL;
		struct addr address;
		struct prefix whole;
		char net[PREFIX_TEXT];

		(*count)++;
		if (!text)
			continue;
		// The length is checked by prefix_parse() on a prefix that has no host bits to set.
		if (slash && (size_t)(slash - text) < ADDR_TEXT) {
			memcpy(net, text, (size_t)(slash - text));
			net[slash - text] = '\0';
			if (addr_parse(&address, net) == 0) {
				bool v4 = addr_is_v4(&address);

				snprintf(net, sizeof(net), "%s%.5s", v4 ? "0.0.0.0" : "::", slash);
				if (prefix_parse(&whole, net) == 0 && whole.length > 0) {
					list[i] = (struct prefix){address, whole.length};
					continue;
				}
			}
		}
		read_expected(r, element, "an address with its prefix length, \"192.0.2.5/24\"");
	}
	return list;
}

struct range_settings *read_ranges(
	struct reader *r, const setting_t *group, const char *key, unsigned *count)
{
	unsigned n = read_text_count(r, group, key);
	struct range_settings *list = read_take(r, n, sizeof(*list));

	*count = 0;
	for (unsigned i = 0; list && i < n; i++) {
		const setting_t *element;
		const char *text = read_text_at(r, group, key, i, &element);

		(*count)++;
		if (text && (!range_parse(text, &list[i]) || addr_is_zero(&list[i].first))) {
			list[i] = (struct range_settings){0};
			read_expected(r, element,
				"\"192.0.2.10-192.0.2.20\" (first to last, of one family), "
				"\"192.0.2.0/24\" (without host bits) or \"192.0.2.1\"");
		}
	}
	return list;
}
