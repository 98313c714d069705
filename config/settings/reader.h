// SPDX-License-Identifier: BSD-3-Clause
// One key of sluice.conf at a time, for settings.c.
//
// Each function reads one key of a group into the settings. A key that is wrong is told in the
// reason with file, line, path, what was found and what was expected, and what it was to fill keeps
// its default, so that reading goes on and tells every mistake. Lists keep their wrong elements as
// zeros, so that an index is the same in the file and in the settings.
#pragma once

#include <libconfig.h>

#include "settings_internal.h"
#include "settings_keys.h"

#define FILE_TEXT 4096 // bytes that hold the name of a file

typedef config_setting_t setting_t;

struct reader {
	config_t config;
	const char *file;
	const char *dir; // where @include looks; NULL: where we are
	struct reason *reason;
	struct settings_keys *keys; // what is looked for is noted here; NULL: nowhere
	bool starved;               // memory ran out: what was read has holes
};

// A file's name as a person finds it: libconfig gives that of an included one as it was written.
const char *read_file_name(const struct reader *r, const char *file, char buf[static FILE_TEXT]);

// Zeroed; when there is no memory that is told and NULL given. An array of none is not NULL.
void *read_take(struct reader *r, size_t count, size_t size);
char *read_copy(struct reader *r, const char *text);

const setting_t *read_member(const setting_t *group, const char *key);
// Tells every member of the group that is not among the keys (ended by NULL).
void read_known(struct reader *r, const setting_t *group, const char *const *keys);
void read_expected(struct reader *r, const setting_t *setting, const char *what);

// An absent key leaves *out alone.
void read_number(struct reader *r, const setting_t *group, const char *key, uint32_t least,
	uint32_t most, uint32_t *out);
void read_bool(struct reader *r, const setting_t *group, const char *key, bool *out);
// The position of the text among `names` (ended by NULL), or `fallback` when the key is absent.
unsigned read_choice(struct reader *r, const setting_t *group, const char *key,
	const char *const *names, unsigned fallback);
// `fallback` NULL: the key must be there. An empty text is a mistake unless it is the fallback.
char *read_text(struct reader *r, const setting_t *group, const char *key, const char *what,
	const char *fallback);
const setting_t *read_group(struct reader *r, const setting_t *parent, const char *key);
// A list of groups.
const setting_t *read_list(
	struct reader *r, const setting_t *parent, const char *key, unsigned *count);
// An array of texts: how many, and each (NULL when it is no text, which is told).
unsigned read_text_count(struct reader *r, const setting_t *group, const char *key);
const char *read_text_at(struct reader *r, const setting_t *group, const char *key, unsigned i,
	const setting_t **element);
// Texts of an array; those that are none are told, and empty.
char **read_texts(struct reader *r, const setting_t *group, const char *key, unsigned *count);
// An address; false when there is none or it is wrong.
bool read_address(struct reader *r, const setting_t *group, const char *key, struct addr *out);
struct prefix *read_addresses(
	struct reader *r, const setting_t *group, const char *key, unsigned *count);
struct range_settings *read_ranges(
	struct reader *r, const setting_t *group, const char *key, unsigned *count);

// settings_keys.c: notes a key that is looked for in the group. What was noted before stays.
void read_note(struct reader *r, const setting_t *group, const char *name,
	enum settings_key_kind kind, const char *what);
void read_note_text(struct reader *r, const setting_t *group, const char *name, const char *what);
void read_note_choice(
	struct reader *r, const setting_t *group, const char *name, const char *const *words);

// settings_pool.c, settings_http.c, settings_cluster.c, settings_source.c: the parts of the file
// that have one of their own.
void settings_read_pools(struct reader *r, const setting_t *root, struct settings *s);
void settings_read_http(struct reader *r, const setting_t *root, struct settings *s);
void settings_read_clusters(struct reader *r, const setting_t *root, struct settings *s);
void settings_read_ingress(struct reader *r, const setting_t *root, struct ingress_settings *s);
// settings_bgp.c, settings_pair.c: after the pools, which they name.
void settings_read_bgp(struct reader *r, const setting_t *root, struct settings *s);
void settings_read_pair(struct reader *r, const setting_t *root, struct settings *s);
// settings_gateway.c: the key "gateways" of `from` into the group.
void settings_read_gateways(struct reader *r, const setting_t *from, const struct settings *s,
	struct pair_group *group);
void settings_read_health(struct reader *r, const setting_t *root, struct settings *s);
// settings_api.c: the control plane on the network, and its log.
void settings_read_api(struct reader *r, const setting_t *root, struct settings *s);
void settings_read_sources(struct reader *r, const setting_t *root, struct settings *s);
