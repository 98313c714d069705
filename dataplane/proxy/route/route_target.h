// SPDX-License-Identifier: BSD-3-Clause
// What a request is asked of the endpoint as instead: the target of rewrite-target, with what the
// groups of the rule's expression found in the path. Any thread; no state, no memory.
#pragma once

#include "pattern.h"

struct route_text {
	const char *text;
	size_t length;
};

struct route_target {
	const char *target; // "/a/$2?b=$1"
	struct route_text path;
	const struct pattern_group *groups; // of the path; NULL = none
};

// What the target comes to, with the groups in it, percent-encoded where a path or query must be;
// 0 when there is no room. `*query`: it has one, and that of the request is to be added to it;
// `*closed`: it ends in a ?, and nothing is to be added.
size_t route_target_write(
	const struct route_target *target, char *out, size_t room, bool *query, bool *closed);
// Does a $ stand ahead of a digit from 1 to 9 wherever there is one? What else is no group.
bool route_target_valid(const char *target);
bool route_target_is_url(const char *target); // of http or https: the client is sent there

// What stands for the variables in the target of a redirect.
struct route_redirect {
	struct route_text scheme, host, http_host, request_uri;
};

// 0 when there is no room.
size_t route_redirect_write(
	const char *target, const struct route_redirect *words, char *out, size_t room);
// A URL of http or https, or of $scheme, with no other variables than $scheme, $host, $http_host
// and $request_uri.
bool route_redirect_valid(const char *target);
