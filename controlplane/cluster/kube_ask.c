// SPDX-License-Identifier: BSD-3-Clause
#include "kube_ask.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_BYTES (1u << 20)

struct asking {
	void *arg;
	void (*done)(void *arg, const struct kube_answer *answer, const char *body);
	char *body;
	size_t length;
};

static int take(void *arg, const struct kube_call *call, const char *bytes, size_t length)
{
	struct asking *a = arg;
	char *bigger;

	(void)call;
	if (length > ANSWER_BYTES - a->length)
		return -EMSGSIZE;
	bigger = realloc(a->body, a->length + length + 1);
	if (!bigger)
		return -ENOMEM;
	a->body = bigger;
	memcpy(a->body + a->length, bytes, length);
	a->length += length;
	a->body[a->length] = '\0';
	return 0;
}

static void finished(void *arg, const struct kube_answer *answer)
{
	struct asking *a = arg;

	a->done(a->arg, answer, a->body ? a->body : "");
	if (a->body)
		explicit_bzero(a->body, a->length); // it may be a token
	free(a->body);
	free(a);
}

static void dropped(void *arg)
{
	const struct kube_answer answer = {.error = "the cluster was closed"};

	finished(arg, &answer);
}

int kube_ask(struct kube_http *http, const struct kube_ask *ask)
{
	struct asking *a = calloc(1, sizeof(*a));
	const struct kube_question question = {.method = ask->method,
		.path = ask->path,
		.body = ask->body,
		.content_type = ask->content_type,
		.stall_s = ask->stall_s,
		.arg = a,
		.data = take,
		.done = finished,
		.dropped = dropped};

	if (!a)
		return -ENOMEM;
	*a = (struct asking){.arg = ask->arg, .done = ask->done};
	if (kube_http_ask(http, &question))
		return 0;
	free(a);
	return -ENOMEM;
}
