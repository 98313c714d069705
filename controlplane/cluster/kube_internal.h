// SPDX-License-Identifier: BSD-3-Clause
// A live cluster as its files see it: kube.c has the cluster, kube_resource.c what it holds,
// kube_secret.c which Secrets are read.
#pragma once

#include "cluster_internal.h"
#include "kube_auth.h"
#include "kube_follow.h"
#include "kube_http.h"
#include "kube_journal.h"
#include "kube_names.h"
#include "kubeconfig.h"

struct kube_kind { // of objects
	enum object_kind kind;
	const char *plural;
	const char *groups[2]; // "/apis/discovery.k8s.io/v1", and an older one that may be there
	bool namespaced, labelled; // the cluster's namespaces and labels select them
	uint32_t page;
};

struct resource { // one list and watch
	struct kube *kube;
	const struct kube_kind *kind;
	char *namespace, *secret; // "" = all
	struct follow *follow;
	struct kube_names names;
	struct journal *journal;
	bool tried;     // it has been listed, or it was told why not
	bool loaded;    // from the disk
	unsigned users; // of a Secret: how often Ingresses name it
};

struct kube {
	struct cluster *cluster;
	uv_loop_t *loop;
	const struct source_settings *settings;
	struct kubeconfig config;
	struct kube_http *http;
	struct kube_auth *auth;
	unsigned resource_count, secret_count, secret_capacity;
	struct resource *resources;
	struct resource **secrets; // sorted by namespace, then name
	char *folder;              // of journals; NULL = none
	struct seal *seal;         // of those of Secrets
	uv_timer_t gather, slow, patience;
	struct kube_call *ping;
	bool secrets_counted; // each by how often Ingresses name it
	bool secrets_changed, problems_changed, closing;
	unsigned open_handles, slow_turns;
	char ping_problem[1024];
	char version[64];
	int64_t skew_s;
	uint64_t since_us;
	enum cluster_health health;
};

extern const struct kube_kind kube_kinds[];
extern const unsigned kube_kind_count;
extern const struct kube_kind kube_secret;

// Reads the journal and starts to follow. -ENOMEM leaves it to be ended all the same.
int resource_start(struct resource *resource);
void resource_end(struct resource *resource);
// Its objects leave the model, too.
void resource_drop(struct resource *resource);

// The Secrets that the cluster's Ingresses name are followed, and no others. Those of the model's
// Ingresses to begin with; then of each Ingress that comes, or goes, and with update() it is so.
void kube_secrets_begin(struct kube *kube);
void kube_secrets_count(struct kube *kube, const char *namespace, const char *ingress, bool comes);
void kube_secrets_update(struct kube *kube);
void kube_secrets_end(struct kube *kube);

void kube_changed(struct kube *kube); // soon the owner is told
// Who answers next may know less than we, or other things: nothing goes on where it was.
void kube_was_away(struct kube *kube);

int kube_write(struct cluster *cluster, const struct cluster_write *write);
