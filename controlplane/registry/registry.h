// SPDX-License-Identifier: BSD-3-Clause
// Clusters that were registered: whose account in them we have, kept sealed in the state folder and
// renewed before it ends (TokenRequest, authentication.k8s.io/v1).
//
//     register: who may do it, once -> namespace, account, rights, class -> the account's own token
//     kept:     state_dir/registered, kubeconfigs with those tokens, sealed (sealed_file.h)
//     renewed:  when two thirds of its life are over, by itself, through the running source
//
// What was given to register with is forgotten when the answer is there. Also which clusters are
// drained, registered or not: they get nothing new, what goes on there goes on. Loop thread only.
#pragma once

#include "addr.h"
#include "cluster.h"
#include "reason.h"

#include <jansson.h>

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct registry;

struct registry_options {
	uv_loop_t *loop;
	const char *state_dir;
	void *arg;
	void (*changed)(void *arg); // there is one more, one less, or one is drained now or not
	struct cluster *(*cluster)(void *arg, const char *name); // the running one, or NULL
};

// Where the account's rights are: "a,b", the names of namespaces; "" = everywhere.
struct scope {
	const char *namespaces; // nothing else is served
	const char *secrets_in; // all is served, certificates from there
};

struct registered {             // borrowed until the loop runs on
	char *name;             // [a-z0-9-], at most 40
	char *kubeconfig;       // the text that the source goes by, with the token
	char *account;          // "namespace/name"; "" = not known: its token is not renewed
	uint64_t generation;    // another after another registration
	int64_t made_s, ends_s; // of the token, seconds of the epoch; ends_s 0 = it does not say
	struct scope scope;
	char *problem; // why it could not be renewed; "" = nothing
};

int registry_open(
	struct registry **registry, const struct registry_options *options, struct reason *reason);
// What is under way is told that it was given up. Before the loop ends.
void registry_close(struct registry *registry);

unsigned registry_count(const struct registry *registry);
const struct registered *registry_at(const struct registry *registry, unsigned i);
const struct registered *registry_find(const struct registry *registry, const char *name);

struct registration { // texts are copied; "" = none
	const char *name, *server, *ca_pem, *tls_server_name, *proxy;
	const char *token, *cert_pem, *key_pem; // whose rights are used for this
	// The account is there and `token` is its own; else both are made with the rights given.
	bool by_hand;
	struct scope scope;
	void *arg;
	// Once for each that returned 0, never from within: what went wrong, in one line, or NULL.
	void (*done)(void *arg, const char *error);
};

// One of that name is registered anew. -errno with the reason: it cannot be tried.
int registry_register(
	struct registry *registry, const struct registration *registration, struct reason *reason);
// The credentials are gone from the disk; the account stays in the cluster.
int registry_unregister(struct registry *registry, const char *name, struct reason *reason);

// Of any cluster, over restarts.
int registry_drain(struct registry *registry, const char *name, bool on, struct reason *reason);
bool registry_drained(const void *registry, const char *name);

struct registry_check {
	const char *name;
	const struct model *model;
	const char *const *namespaces; // that are served; none = all
	unsigned namespace_count;
	const char *mode, *why; // of its endpoints, as planned: "pod", "nodeport"; "" = not known
	bool automatic;         // nobody said so in sluice.conf
	unsigned own_count;
	const struct addr *own; // addresses of the dataplane's ports; none = not known
	void *arg;
	// Once for each that returned 0, never from within. The rows are an array of objects
	// {"what", "result": "ok", "warning" or "failed", "found", "mend"}, and taken over.
	void (*done)(void *arg, json_t *rows);
};

// Is the cluster as it should be: its API, our rights, its clock, what the dataplane reaches. Any
// running live cluster. -errno with the reason.
int registry_check(
	struct registry *registry, const struct registry_check *check, struct reason *reason);

// What an account of ours needs in a cluster, for kubectl apply -f; to be freed. NULL: out of
// memory.
char *registry_manifests(const struct scope *scope);
