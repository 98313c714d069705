// SPDX-License-Identifier: BSD-3-Clause
// GET /v1/problems: everything that is not as its owner wants it, in one list: objects that could
// not be taken, the configuration, the dataplane, its ports and its memory.
#include "api_internal.h"

#include <string.h>
#include <time.h>

#define ALMOST_FULL 0.9
#define DAY_S       86400

static void add(
	json_t *rows, enum problem_level level, const char *object, const char *where, json_t *text)
{
	json_t *row = json_object();

	json_object_set_new(
		row, "level", json_string(level == PROBLEM_ERROR ? "error" : "warning"));
	json_object_set_new(row, "object", json_string(object));
	json_object_set_new(row, "where", json_string(where));
	json_object_set_new(row, "text", text);
	json_array_append_new(rows, row);
}

static void add_problem(json_t *rows, const struct plan_problem *problem)
{
	add(rows, problem->level, problem->object, problem->where, json_string(problem->text));
}

static void add_publish(json_t *rows, const struct publish_state *state)
{
	if (!state->connected)
		add(rows, PROBLEM_ERROR, "dataplane", "", json_string(state->down_reason));
	if (state->refused_reason[0])
		add(rows, PROBLEM_ERROR, "dataplane", "",
			json_sprintf("the plan was refused, the last good one stays in force: %s",
				state->refused_reason));
	if (state->file_reason[0])
		add(rows, PROBLEM_ERROR, "plan file", "",
			json_sprintf("%s: a dataplane that restarts alone finds an older plan",
				state->file_reason));
}

static void add_peers(json_t *rows, const struct vip *vip)
{
	struct vip_peer peer;
	char address[ADDR_TEXT], object[64];

	for (unsigned i = 0; vip_peer(vip, i, &peer); i++) {
		bool up = vip_peer_is_up(&peer);

		if (up && (!peer.settings->bfd || vip_peer_bfd_is_up(&peer)))
			continue;
		snprintf(object, sizeof(object), "BGP peer %s", peer.settings->name);
		addr_format(&peer.settings->address, address);
		add(rows, PROBLEM_WARNING, object, "",
			up ? json_sprintf("no BFD with %s: a box that dies is found by the hold "
					  "time alone",
				     address)
			   : json_sprintf("the session with %s is not up: %s", address, peer.info));
	}
}

// One line, however many groups.
static void add_pair(json_t *rows, const struct api_state *state)
{
	const struct pair_settings *pair = &state->settings->pair;
	char address[ADDR_TEXT];

	for (unsigned i = 0; *pair->interface && i < pair->group_count; i++)
		if (api_peer_silent(state, i)) {
			add(rows, PROBLEM_WARNING, "pair", "",
				json_sprintf("the peer %s does not answer on %s: nobody is there "
					     "to take over",
					addr_format(&pair->peer, address), pair->interface));
			return;
		}
}

static void add_stats(json_t *rows, const Sluice__Stats *stats)
{
	char object[40];

	for (size_t i = 0; i < stats->n_ports; i++)
		if (!stats->ports[i]->link_up)
			add(rows, PROBLEM_WARNING, "port", stats->ports[i]->name,
				json_string("its link is down"));
	for (size_t i = 0; i < stats->n_workers; i++) {
		const Sluice__WorkerStats *worker = stats->workers[i];

		snprintf(object, sizeof(object), "worker %u", worker->worker);
		if ((double)worker->flows > ALMOST_FULL * (double)worker->flows_capacity)
			add(rows, PROBLEM_WARNING, object, "",
				json_sprintf("%llu of %llu flows are in use; new ones are refused "
					     "when there are no more: raise dataplane.flows",
					(unsigned long long)worker->flows,
					(unsigned long long)worker->flows_capacity));
	}
	if (stats->buffers &&
		(double)stats->buffers_free < (1 - ALMOST_FULL) * (double)stats->buffers)
		add(rows, PROBLEM_WARNING, "dataplane", "",
			json_sprintf("%llu of %llu packet buffers are left: raise "
				     "dataplane.buffers",
				(unsigned long long)stats->buffers_free,
				(unsigned long long)stats->buffers));
}

// What becomes wrong by itself, as time goes by.
static void add_times(json_t *rows, const struct plan_certificate *certificate, int64_t now)
{
	const struct secret_facts *facts = &certificate->facts;
	char object[SLUICE_NAME_MAX + 8];

	snprintf(object, sizeof(object), "Secret %s", certificate->name);
	if (facts->not_after < now)
		add(rows, PROBLEM_WARNING, object, certificate->where,
			json_sprintf("tls.crt expired %lld days ago: clients will refuse it",
				(long long)(now - facts->not_after) / DAY_S));
	if (facts->not_before > now)
		add(rows, PROBLEM_WARNING, object, certificate->where,
			json_sprintf("tls.crt is not valid before %lld days have passed: clients "
				     "will refuse it",
				(long long)(facts->not_before - now + DAY_S - 1) / DAY_S));
	if (facts->staple_until && facts->staple_until < now)
		add(rows, PROBLEM_WARNING, object, certificate->where,
			json_string("tls.ocsp-staple is out of date: it is not sent"));
}

static json_t *problems(const struct api_request *request)
{
	const struct api_state *state = request->state;
	json_t *rows = json_array(), *answer;

	for (unsigned i = 0; i < state->problem_count; i++)
		add_problem(rows, &state->problems[i]);
	add_publish(rows, &state->publish);
	for (unsigned i = 0; i < state->source_count; i++)
		if (!state->sources[i].synced)
			add(rows, PROBLEM_ERROR, state->sources[i].name, state->sources[i].path,
				json_string("this source of objects has not been read yet"));
	for (unsigned i = 0; i < state->source_count; i++)
		if (state->sources[i].registered && *state->sources[i].registered->problem)
			add(rows, PROBLEM_WARNING, state->sources[i].name, "",
				json_string(state->sources[i].registered->problem));
	for (unsigned i = 0; state->plan && i < state->plan->problem_count; i++)
		add_problem(rows, state->plan->problems[i]);
	for (unsigned i = 0; state->plan && i < state->plan->certificate_count; i++)
		add_times(rows, state->plan->certificates[i], time(NULL));
	if (state->vip)
		add_peers(rows, state->vip);
	if (state->vip)
		add_pair(rows, state);
	if (request->stats)
		add_stats(rows, request->stats);
	answer = json_object();
	json_object_set_new(answer, "problems", rows);
	return answer;
}

const struct api_command api_problems = {
	.path = "/v1/problems",
	.help = "what is not as it should be, where, and how to mend it",
	.need = WANT_STATS,
	.handler = problems,
	.large = true,
	.answer = "{problems: [{level, object, where, text}]}",
};
