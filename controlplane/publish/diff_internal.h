// SPDX-License-Identifier: BSD-3-Clause
// What the kinds of row share that a difference is made of: diff.c has those of layer 4,
// diff_http.c those of the proxy.
#pragma once

#include "arena.h"
#include "publish.h"

struct difference {
	Sluice__Transaction transaction;
	const struct plan *to;
	struct arena arena; // says whether memory ran out on the way
};

struct row_kind_of {                                  // one kind of row
	int (*compare)(const void *a, const void *b); // by key
	bool (*equal)(const void *a, const void *b);
	bool (*add)(struct difference *d, const void *row);
	bool (*remove)(struct difference *d, const void *row);
};

struct row_list {
	const void *rows; // array of pointers to rows
	unsigned count;
};

void *difference_take(struct difference *d, size_t bytes);
ProtobufCBinaryData difference_address(const struct addr *addr);
Sluice__Prefix *difference_prefix(struct difference *d, const struct prefix *prefix);
void difference_walk(struct difference *d, const struct row_kind_of *kind, struct row_list from,
	struct row_list to);

// diff_http.c
void difference_http(struct difference *d, const struct plan *from, const struct plan *to);
// diff_http_row.c: what rows of layer 4 have of the proxy.
bool http_listener_equal(const struct plan_http_listener *a, const struct plan_http_listener *b);
Sluice__HttpListener *http_listener_message(
	struct difference *d, const struct plan_http_listener *listener);
bool upstream_equal(const struct plan_upstream *a, const struct plan_upstream *b);
Sluice__Upstream *upstream_message(struct difference *d, const struct plan_upstream *upstream);
bool policy_equal(const struct plan_policy *a, const struct plan_policy *b);
Sluice__RulePolicy *policy_message(struct difference *d, const struct plan_policy *policy);
bool bytes_equal(struct secret_bytes a, struct secret_bytes b);
ProtobufCBinaryData bytes_message(struct secret_bytes bytes);
char *text_message(const char *text); // protobuf-c has no const
