// SPDX-License-Identifier: BSD-3-Clause
// Follows one resource of an API server: a consistent list, in pages, then a watch from there on.
//
//            +----------------------- 410 ----------------------+
//            v                                                  |
//     +--> LIST --page--> LIST --the last page--> listed --> WATCH --its time is over--+
//     |      |                                                  ^                      |
//     |      | error                                      error |                      |
//     |      v                                                  v <--------------------+
//     +--- WAIT, longer each time <---------------------------- WAIT
//
// A watch that broke off goes on where it was; a server that could not be reached at all may be
// another one when it is back (or the same, from a backup), so it is listed anew. Before `listed`
// absence means nothing. Loop thread only.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "kube_http.h"
#include "tree.h"

struct follow;

enum follow_state {
	FOLLOW_STARTING, // never listed
	FOLLOW_LISTED,   // and watched, or about to be
	FOLLOW_MISSING,  // the server does not know this kind; it is asked again now and then
	FOLLOW_FAILING,  // see follow_problem()
};

struct follow_options {
	uv_loop_t *loop;
	struct kube_http *http;
	const char *paths[2]; // the first that the server knows; the second may be NULL
	const char *selector; // "labelSelector=a%3Db", or ""
	bool of_one;          // object, that it selects
	uint32_t page;        // objects in a page
	uint32_t watch_s;     // a watch is opened anew after this
	void *arg;
	bool (*ready)(void *arg); // credentials are there; else follow_retry() comes
	void (*begin)(void *arg); // of a list
	// An object as it is now; `listed`: of a list.
	void (*object)(void *arg, const struct tree *object, const char *bytes, size_t length,
		bool listed);
	void (*gone)(void *arg, const struct tree *object, const char *bytes, size_t length);
	void (*listed)(void *arg);  // what did not come since begin() is not there
	void (*changed)(void *arg); // some of the above was called, and that is all for now
	void (*state)(void *arg);   // it changed, or the problem did
	void (*answered)(void *arg, const struct kube_answer *answer);
};

struct follow *follow_open(const struct follow_options *options); // NULL = out of memory
void follow_close(struct follow *follow);
void follow_retry(struct follow *follow);  // now, if it waits, and as if nothing had failed
void follow_relist(struct follow *follow); // soon
enum follow_state follow_state(const struct follow *follow);
const char *follow_problem(const struct follow *follow); // "" = none
