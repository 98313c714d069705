// SPDX-License-Identifier: BSD-3-Clause
// Between reading the file (settings.c) and checking what was read (settings_check.c).
#pragma once

#include "settings.h"

#define SETTINGS_NO_PREFIX UINT8_MAX // length of a prefix that was wrong

struct reader; // the file being read; opaque, so that libconfig stays in settings.c

// A mistake at "ports[1].vlans[0].id", which is looked up for its line; what is not in the file is
// told at the line of the nearest key around it. The text says what was found and expected.
void settings_mistake(struct reader *reader, const char *path, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
// What no single key shows: names, duplicates, overlaps, reachability.
void settings_check(struct reader *reader, const struct settings *settings);
// By priority.
void settings_sort_pools(struct settings *settings);
void settings_free_pools(struct settings *settings);
void settings_free_clusters(struct settings *settings);
void settings_free_ingress(struct ingress_settings *settings);
void settings_free_announcing(struct settings *settings);
void settings_free_api(struct settings *settings);
// The pool of that name is there.
bool settings_has_pool(const struct settings *settings, const char *name);
void settings_free_sources(struct settings *settings);
struct settings_keys;
// Reads the text only to note which keys are looked for.
void settings_note_keys(struct settings_keys *keys, const char *text, struct reason *reason);
