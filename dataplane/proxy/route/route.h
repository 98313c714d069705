// SPDX-License-Identifier: BSD-3-Clause
// Which rule a host and a path take, as Ingress v1 says it. Built whole from a list of rules, then
// never changed; any thread may look up. A lookup costs one probe for the host and one for each
// depth at which that host has paths, however many hosts and paths there are.
//
// The host is chosen first: its very name, else the wildcard of one label above it, else the rules
// without host. Then the path, within that host only: the longest, and of equal ones the exact.
// Else the host's default, else the catch-all, else there is no route.
#pragma once

#include "reason.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ROUTE_HOST_LENGTH 253
#define ROUTE_PATH_LENGTH 4096

enum route_kind {
	ROUTE_EXACT,
	ROUTE_PREFIX,
	ROUTE_IMPLEMENTATION_SPECIFIC, // ours: the same as prefix
	ROUTE_DEFAULT,                 // what no path of the host takes; the path is not looked at
	ROUTE_HOST,                    // there is such a host, though this rule has no path
	ROUTE_CATCH_ALL, // what nothing else takes, of any host; neither host nor path
};

struct route_rule {
	const char *host; // "a.example", "*.example", "" or NULL: all that have none of their own
	const char *path; // as in a URL; "" or NULL is "/"
	enum route_kind kind;
	uint32_t target;  // the caller's: what is found
	uint64_t created; // of the object; the older one wins
	const char *name; // "namespace/name" of the object; of equal age the first one wins
};

// A rule that lost, by its index in the list, and the one that won.
struct route_conflict {
	uint32_t loser, winner;
	bool shadowed; // not the same path: "/a" beside "/a/", which takes all that "/a" would
};

enum route_how {
	ROUTE_NOT_FOUND,
	ROUTE_BY_EXACT,
	ROUTE_BY_PREFIX,
	ROUTE_BY_DEFAULT,
	ROUTE_BY_CATCH_ALL,
};

struct route_found {
	enum route_how how;
	uint32_t rule;   // its index in the list
	uint32_t target; // of the rule
};

struct route_table;

// 0 or -ENOMEM. A rule that makes no sense is left out, with a line in `reason`; one that loses
// to another is a conflict (see below). The rules may go away afterwards.
int route_build(struct route_table **table, const struct route_rule *rules, uint32_t count,
	struct reason *reason);
void route_free(struct route_table *table);

// In the order of the losers.
const struct route_conflict *route_conflicts(const struct route_table *table, uint32_t *count);

// `host` as in the request, in any case, with or without port and trailing dot; `path` as
// http_path_normalise() leaves it ("*" takes no path, only a default).
struct route_found route_lookup(const struct route_table *table, const char *host,
	size_t host_length, const char *path, size_t path_length);
