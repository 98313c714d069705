// SPDX-License-Identifier: BSD-3-Clause
// Questions to the dataplane, and their answers. See publish.h.
#include "publish.h"

#include "publish_internal.h"

#include <errno.h>
#include <stdlib.h>

struct question {
	publish_stats_fn stats;
	publish_flows_fn flows;
	publish_explain_fn explain;
	publish_capture_fn capture;
	publish_log_fn log;
	void *arg;
};

static void on_answer(void *arg, const Sluice__Reply *reply, const char *why)
{
	struct question *q = arg;
	const char *odd =
		"the dataplane's answer is of another kind: install both from one release";

	if (q->stats) {
		if (reply && reply->body_case == SLUICE__REPLY__BODY_STATS)
			q->stats(q->arg, reply->stats, "");
		else
			q->stats(q->arg, NULL, reply ? odd : why);
	} else if (q->explain) {
		if (reply && reply->body_case == SLUICE__REPLY__BODY_EXPLAINED)
			q->explain(q->arg, reply->explained, "");
		else
			q->explain(q->arg, NULL, reply ? odd : why);
	} else if (q->capture) {
		if (reply && reply->body_case == SLUICE__REPLY__BODY_CAPTURED)
			q->capture(q->arg, reply->captured, "");
		else
			q->capture(q->arg, NULL, reply ? odd : why);
	} else if (q->log) {
		if (reply && reply->body_case == SLUICE__REPLY__BODY_LOG)
			q->log(q->arg, reply->log, "");
		else
			q->log(q->arg, NULL, reply ? odd : why);
	} else {
		if (reply && reply->body_case == SLUICE__REPLY__BODY_FLOWS)
			q->flows(q->arg, reply->flows, "");
		else
			q->flows(q->arg, NULL, reply ? odd : why);
	}
	free(q);
}

static int ask(struct publish *p, Sluice__Request *request, struct question question)
{
	struct question *q = malloc(sizeof(*q));
	int error;

	if (!q)
		return -ENOMEM;
	*q = question;
	error = publish_request(p, request, &(struct reply_to){.done = on_answer, .arg = q});
	if (error)
		free(q);
	return error;
}

static void stats_question(
	Sluice__Request *request, Sluice__StatsRequest *stats, enum publish_detail detail)
{
	sluice__request__init(request);
	sluice__stats_request__init(stats);
	stats->members = detail == PUBLISH_ENDPOINTS;
	stats->rules = detail == PUBLISH_RULES || detail == PUBLISH_SUMS;
	stats->listeners = detail == PUBLISH_SUMS || detail == PUBLISH_LISTENERS;
	stats->pools = detail == PUBLISH_SUMS || detail == PUBLISH_ENDPOINTS;
	request->body_case = SLUICE__REQUEST__BODY_STATS;
	request->stats = stats;
}

int publish_stats(struct publish *p, enum publish_detail detail, publish_stats_fn done, void *arg)
{
	Sluice__StatsRequest stats;
	Sluice__Request request;

	stats_question(&request, &stats, detail);
	return ask(p, &request, (struct question){.stats = done, .arg = arg});
}

int publish_stats_packed(
	struct publish *p, enum publish_detail detail, publish_packed_fn done, void *arg)
{
	Sluice__StatsRequest stats;
	Sluice__Request request;

	stats_question(&request, &stats, detail);
	return publish_request(p, &request, &(struct reply_to){.packed = done, .arg = arg});
}

static void *take(void *arena, size_t size)
{
	return arena_take(arena, size);
}

static void leave(void *arena, void *piece)
{
	(void)arena;
	(void)piece;
}

Sluice__Stats *publish_stats_read(const uint8_t *bytes, size_t length, struct arena *arena)
{
	ProtobufCAllocator allocator = {take, leave, arena};
	const Sluice__Reply *reply = sluice__reply__unpack(&allocator, length, bytes);

	return reply && reply->body_case == SLUICE__REPLY__BODY_STATS ? reply->stats : NULL;
}

int publish_flows(
	struct publish *p, const Sluice__FlowsRequest *filter, publish_flows_fn done, void *arg)
{
	Sluice__Request request = SLUICE__REQUEST__INIT;

	request.body_case = SLUICE__REQUEST__BODY_FLOWS;
	request.flows = (Sluice__FlowsRequest *)(uintptr_t)filter;
	return ask(p, &request, (struct question){.flows = done, .arg = arg});
}

int publish_explain(struct publish *p, const Sluice__ExplainRequest *question,
	publish_explain_fn done, void *arg)
{
	Sluice__Request request = SLUICE__REQUEST__INIT;

	request.body_case = SLUICE__REQUEST__BODY_EXPLAIN;
	request.explain = (Sluice__ExplainRequest *)(uintptr_t)question;
	return ask(p, &request, (struct question){.explain = done, .arg = arg});
}

int publish_capture(struct publish *p, const Sluice__CaptureRequest *question,
	publish_capture_fn done, void *arg)
{
	Sluice__Request request = SLUICE__REQUEST__INIT;

	request.body_case = SLUICE__REQUEST__BODY_CAPTURE;
	request.capture = (Sluice__CaptureRequest *)(uintptr_t)question;
	return ask(p, &request, (struct question){.capture = done, .arg = arg});
}

int publish_log(
	struct publish *p, const Sluice__LogRequest *question, publish_log_fn done, void *arg)
{
	Sluice__Request request = SLUICE__REQUEST__INIT;

	request.body_case = SLUICE__REQUEST__BODY_LOG;
	request.log = (Sluice__LogRequest *)(uintptr_t)question;
	return ask(p, &request, (struct question){.log = done, .arg = arg});
}
