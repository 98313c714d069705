// SPDX-License-Identifier: BSD-3-Clause
// Which of a host's rules a path takes, as Ingress v1 says it. Built whole from the host's rules,
// one block of memory, then never changed; any thread may look up. A lookup costs one probe for
// each depth at which the host has paths, however many there are.
//
// The longest path wins, and of equal ones the exact. Else the host's default. A path that is a
// regular expression is as long as it is written: it wins over a shorter prefix, never over an
// exact path. Each that could win is tried, the longest first.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "limits.h"
#include "reason.h"
#include "route_target.h"

enum route_kind { // the numbers of channel.proto
	ROUTE_EXACT = 1,
	ROUTE_PREFIX,
	ROUTE_IMPLEMENTATION_SPECIFIC, // ours: the same as prefix
	ROUTE_DEFAULT,                 // what no path of the host takes; the path is not looked at
	ROUTE_CATCH_ALL, // the same, of the host without name: what nothing else takes
	ROUTE_PATTERN,   // a regular expression
};

struct route_rule {
	const char *path; // as in a URL; "" or NULL is "/"
	enum route_kind kind;
};

enum route_how {
	ROUTE_NOT_FOUND,
	ROUTE_BY_EXACT,
	ROUTE_BY_PREFIX,
	ROUTE_BY_DEFAULT,
	ROUTE_BY_CATCH_ALL,
	ROUTE_BY_PATTERN,
	ROUTE_TOO_COSTLY, // an expression came to no end within its bound: none is found
};

struct route_found {
	enum route_how how;
	uint32_t rule;                               // its index in the list
	struct pattern_group groups[PATTERN_GROUPS]; // of ROUTE_BY_PATTERN, in the path
};

struct route_paths; // one block of malloc(), and the expressions

// What the block begins with that is not ours: in whole cache lines.
#define ROUTE_FRONT 64u

// 0 or -ENOMEM. The block begins `front` bytes before *paths, a multiple of ROUTE_FRONT, with
// zeros. A rule that makes no sense is left out, with a line in `reason`. Of two that are
// the same once their paths are made normal the first in the list wins; "/a/" wins over "/a" for
// all that both take.
int route_paths_build(struct route_paths **paths, size_t front, const struct route_rule *rules,
	uint32_t count, struct reason *reason);
void route_paths_end(void *paths);                // ahead of free()
void route_paths_free(struct route_paths *paths); // both, of one without a front
// To be asked for before there is something else to do, as what `paths` will be.
void route_paths_prefetch(const void *paths);
// `path` as http_path_normalise() leaves it; "*" takes no path, only a default.
struct route_found route_paths_lookup(const struct route_paths *paths, struct route_text path);

// The host of a request as rules have it: small letters, without port and trailing dot. Its length,
// 0 for what is no host or an address in brackets. `out` has room for SLUICE_HOST_LENGTH.
size_t route_fold_host(char *out, const char *host, size_t length);
// "a.example", "*.example" or "" in small letters: what a rule's host may be.
bool route_host_valid(const char *name);
