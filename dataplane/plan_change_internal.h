// SPDX-License-Identifier: BSD-3-Clause
// What the files that decode a transaction share. plan_change*.c only.
#pragma once

#include "channel.pb-c.h"
#include "plan_change.h"

struct decode {
	struct plan_change *change;
	const Sluice__Transaction *message;
	const struct iface *ifaces;
	unsigned iface_count;
	struct plan_endpoint *endpoints; // the next free one, for all pools; and so on
	struct prefix *sources;          // for all listeners
	struct plan_rule *rules;
	struct plan_backend *backends;
	struct plan_upstream *upstreams;
	struct reason *reason;
	unsigned mistakes_before;
};

// False when there are too many already.
bool decode_may_tell(struct decode *d);
#define mistake(d, ...)                                                                            \
	do {                                                                                       \
		if (decode_may_tell(d))                                                            \
			reason_add((d)->reason, __VA_ARGS__);                                      \
	} while (0)

// Readable UTF-8 below SLUICE_NAME_MAX bytes.
bool decode_name_ok(const char *name, bool may_be_empty);
int decode_prefix(struct prefix *prefix, const Sluice__Prefix *from);
const char *decode_show_prefix(const Sluice__Prefix *prefix, char buf[static PREFIX_TEXT + 16]);
// Zeroed, one more than `count`. *failed is set when out of memory.
void *decode_array(size_t count, size_t size, bool *failed);

// plan_change_http.c
size_t decode_http_prefixes(const Sluice__Transaction *message); // how many it has
bool decode_http_arrays(struct decode *d);                       // false: out of memory
void decode_http(struct decode *d);
void decode_http_listener(struct decode *d, const char *where, const Sluice__HttpListener *from,
	struct plan_listener *listener);
struct plan_upstream *decode_upstream(
	struct decode *d, const char *pool, const Sluice__Upstream *from);
void decode_http_free(struct plan_change *change);
