// SPDX-License-Identifier: BSD-3-Clause
// What is asked of a cluster by others than its own lists and watches: what is written to it.
#include <errno.h>
#include <stdlib.h>

#include "kube_ask.h"
#include "kube_internal.h"

struct writing {
	struct kube *kube;
	void *arg;
	void (*done)(void *arg, long status, const char *error, const char *body);
};

static void finished(void *arg, const struct kube_answer *answer, const char *body)
{
	struct writing *w = arg;

	if (answer->status == 401)
		kube_auth_refused(w->kube->auth);
	w->done(w->arg, answer->status, answer->error, body);
	free(w);
}

int kube_write(struct cluster *cluster, const struct cluster_write *write)
{
	struct kube *k = cluster->state;
	struct kube_ask ask = {.method = write->method,
		.path = write->path,
		.body = write->body,
		.content_type = write->content_type,
		.done = finished};
	struct writing *w;
	int error;

	if (!kube_auth_ready(k->auth))
		return -EAGAIN;
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	*w = (struct writing){.kube = k, .arg = write->arg, .done = write->done};
	ask.arg = w;
	error = kube_ask(k->http, &ask);
	if (error)
		free(w);
	return error;
}
