// SPDX-License-Identifier: BSD-3-Clause
// What the files of registry/ share: the record of a cluster and the job that makes one.
#pragma once

#include "registry.h"

#include "kube_ask.h"
#include "sealed_file.h"

#include <jansson.h>

#define REGISTRY_STALL_S 10

struct record { // what is kept of a cluster; texts are owned
	char *server, *ca_pem, *tls_server_name, *proxy;
	char *token, *cert_pem, *key_pem;
	char *account;                 // "namespace/name", ""
	char *namespaces, *secrets_in; // as of struct scope
	int64_t made_s, ends_s;
};

int record_copy(struct record *record, const struct registration *registration);
int record_again(struct record *record, const struct record *from); // a copy
void record_clear(struct record *record);
// As the text of a kubeconfig, to be freed; NULL: out of memory.
char *record_text(const struct record *record);
int record_parse(struct record *record, const char *text, size_t length, const char *file,
	struct reason *reason);

// What a service account's token says of itself (RFC 7519, unproven): "namespace/name" to be freed,
// "" when it is none of those; and when it ends, 0 = it does not say. NULL: out of memory.
char *token_account(const char *token, int64_t *ends_s);
// Takes token and times out of the answer to a TokenRequest. False: they are not there.
bool token_answer(struct record *record, const char *body);
// The path to ask for the account's token, to be freed; and what is asked.
char *token_path(const char *account);
#define TOKEN_REQUEST                                                                              \
	"{\"apiVersion\":\"authentication.k8s.io/v1\",\"kind\":\"TokenRequest\","                  \
	"\"spec\":{\"expirationSeconds\":2592000}}"

// A document of the manifests, and where it belongs.
struct manifest {
	char *path, *text;
};

// The i-th that is applied; 0, -ENOENT after the last, or -errno.
int manifest_at(const char *text, unsigned i, struct manifest *manifest);
void manifest_clear(struct manifest *manifest);
extern const char manifests_text[];
// The paths of bindings that give more than is meant now, one a line; to be freed. NULL: out of
// memory.
char *manifests_over(const struct scope *before, const struct scope *now);

// The cluster is there or changed, and on the disk; the record is taken over.
int registry_keep(
	struct registry *registry, const char *name, struct record *record, struct reason *reason);
const struct registry_options *registry_options(const struct registry *registry);

struct job; // a registration under way
struct job *job_start(
	struct registry *registry, const struct registration *registration, struct reason *reason);
void job_give_up(struct job *job);
void registry_job_ended(struct registry *registry, struct job *job);
