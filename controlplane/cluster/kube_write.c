// SPDX-License-Identifier: BSD-3-Clause
// What is written to a cluster: one request, its answer given back whole.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kube_internal.h"

#define ANSWER_BYTES (1u << 20)

struct writing {
	struct kube *kube;
	void *arg;
	void (*done)(void *arg, long status, const char *error, const char *body);
	char *body;
	size_t length;
};

static int take(void *arg, const struct kube_call *call, const char *bytes, size_t length)
{
	struct writing *w = arg;
	char *bigger;

	(void)call;
	if (length > ANSWER_BYTES - w->length)
		return -EMSGSIZE;
	bigger = realloc(w->body, w->length + length + 1);
	if (!bigger)
		return -ENOMEM;
	w->body = bigger;
	memcpy(w->body + w->length, bytes, length);
	w->length += length;
	w->body[w->length] = '\0';
	return 0;
}

static void finished(void *arg, const struct kube_answer *answer)
{
	struct writing *w = arg;

	if (answer->status == 401)
		kube_auth_refused(w->kube->auth);
	w->done(w->arg, answer->status, answer->error, w->body ? w->body : "");
	free(w->body);
	free(w);
}

static void dropped(void *arg)
{
	struct writing *w = arg;

	w->done(w->arg, 0, "the cluster was closed", "");
	free(w->body);
	free(w);
}

int kube_write(struct cluster *cluster, const struct cluster_write *write)
{
	struct kube *k = cluster->state;
	struct kube_question question = {.method = write->method,
		.path = write->path,
		.body = write->body,
		.content_type = write->content_type,
		.data = take,
		.done = finished,
		.dropped = dropped};
	struct writing *w;

	if (!kube_auth_ready(k->auth))
		return -EAGAIN;
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	*w = (struct writing){.kube = k, .arg = write->arg, .done = write->done};
	question.arg = w;
	if (kube_http_ask(k->http, &question))
		return 0;
	free(w);
	return -ENOMEM;
}
