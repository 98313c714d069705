// SPDX-License-Identifier: BSD-3-Clause
// See publish.h for the states. A plan is held by every role it has (newest, under way, in force,
// refused, on disk) and goes with the last one.
#include "publish.h"

#include "clock.h"
#include "log.h"
#include "plan_writer.h"
#include "publish_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FILE_LEAST_MS 20   // between two writes
#define FILE_MOST_MS  1000 // also what a plan waits that no dataplane has taken yet
#define FILE_SHARE    10   // of the time at most a tenth goes into writing

struct version { // a plan that was given to us
	struct plan *plan;
	unsigned holders;
};

struct publish {
	uv_loop_t *loop;
	struct publish_options options;
	char *socket_path, *plan_path;
	struct sealed_file plan_file;
	struct connection *connection;
	struct publish_state state; // its texts are the ones below
	char *down_reason, *refused_reason, *file_reason, *build;
	uint64_t generation; // the highest in use
	uint64_t sent_generation;
	struct version *newest;
	struct version *sent;    // under way
	struct version *applied; // in force; NULL when nobody knows what is
	struct version *refused; // or of an unknown fate: the dataplane died over it
	struct version *writing; // on its way to the disk
	struct version *on_disk;
	struct plan_writer *writer;
	bool closing;
	bool busy;  // a transaction is under way
	bool retry; // offer the refused one again: it is another dataplane
	uv_timer_t file_timer;
	usec_t file_us; // end of the last write
	unsigned file_interval_ms;
};

static void hold(struct publish *p, struct version **place, struct version *version)
{
	struct version *before = *place;

	if (version)
		version->holders++;
	*place = version;
	if (before && !--before->holders) {
		p->options.release(before->plan);
		free(before);
	}
}

static void set_text(char **place, const char *text)
{
	char *copy = strdup(text);

	if (copy) {
		free(*place);
		*place = copy;
	}
}

static void changed(struct publish *p)
{
	if (p->options.changed)
		p->options.changed(p->options.arg);
}

// What a dataplane that starts alone should find: what was in force last, or the newest while
// there is no dataplane to ask, unless one has refused it or did not survive it.
static struct version *for_disk(const struct publish *p)
{
	if (p->applied)
		return p->applied;
	return p->state.connected || p->newest == p->refused ? NULL : p->newest;
}

// Until the next write: soon, for what is not on disk is lost with both processes; but the disk and
// the core are not for us alone.
static unsigned write_interval(usec_t took_us, bool written)
{
	usec_t ms = took_us * FILE_SHARE / 1000;

	if (!written || ms > FILE_MOST_MS)
		return FILE_MOST_MS;
	return ms < FILE_LEAST_MS ? FILE_LEAST_MS : (unsigned)ms;
}

static void write_file(struct publish *p)
{
	struct version *version = for_disk(p);
	uint64_t generation = p->state.generation;

	if (!version || version == p->on_disk || plan_writer_busy(p->writer))
		return;
	if (version != p->applied)
		generation = ++p->generation;
	if (plan_writer_start(p->writer, version->plan, generation) == 0)
		hold(p, &p->writing, version);
}

static void on_file_timer(uv_timer_t *timer);

// Writes now or later. What no dataplane has taken yet waits in any case: one may be about to come
// and say.
static void file_is_behind(struct publish *p)
{
	usec_t since_ms = (clock_now_us() - p->file_us) / 1000;
	unsigned wait_ms = FILE_MOST_MS;

	if (p->applied && since_ms >= p->file_interval_ms)
		write_file(p);
	if (!for_disk(p) || for_disk(p) == p->on_disk || plan_writer_busy(p->writer))
		return; // on_written() looks again
	if (p->applied)
		wait_ms = p->file_interval_ms;
	else if (uv_is_active((uv_handle_t *)&p->file_timer))
		return; // each change would put it off
	uv_timer_start(&p->file_timer, on_file_timer, wait_ms, 0);
}

static void on_file_timer(uv_timer_t *timer)
{
	struct publish *p = timer->data;

	write_file(p);
	file_is_behind(p); // when it failed
}

static void on_written(void *arg, int error, const char *why, usec_t took_us)
{
	struct publish *p = arg;

	if (error == 0)
		hold(p, &p->on_disk, p->writing);
	else if (strcmp(p->file_reason, why) != 0)
		log_error("publish", "%s", why);
	hold(p, &p->writing, NULL);
	set_text(&p->file_reason, why);
	p->file_us = clock_now_us();
	p->file_interval_ms = write_interval(took_us, error == 0);
	if (!p->closing)
		file_is_behind(p);
}

static void push(struct publish *p);

static void on_applied(struct publish *p, uint64_t generation)
{
	p->state.transactions++;
	p->state.generation = generation;
	hold(p, &p->applied, p->sent);
	hold(p, &p->refused, NULL);
	set_text(&p->refused_reason, "");
	file_is_behind(p);
}

static void on_refused(struct publish *p, const Sluice__Result *result)
{
	bool whole = !p->applied;

	p->state.refusals++;
	if (result->generation > p->generation)
		p->generation = result->generation;
	hold(p, &p->applied, NULL);
	if (!whole) {
		log_notice("publish", "the dataplane refused a difference, sending the whole: %s",
			result->reason);
		return;
	}
	log_error("publish", "the dataplane refused the plan: %s", result->reason);
	hold(p, &p->refused, p->sent);
	set_text(&p->refused_reason, result->reason);
}

static void on_result(void *arg, const Sluice__Reply *reply, const char *why)
{
	struct publish *p = arg;

	(void)why;
	p->busy = false;
	if (!reply) { // down() follows
		hold(p, &p->refused, p->sent);
		hold(p, &p->sent, NULL);
		return;
	}
	if (reply->body_case != SLUICE__REPLY__BODY_RESULT) {
		static const Sluice__Result none = SLUICE__RESULT__INIT;
		Sluice__Result odd = none;

		odd.reason = "its answer is not a result: install both from one release";
		on_refused(p, &odd);
	} else if (reply->result->applied) {
		on_applied(p, p->sent_generation);
	} else {
		on_refused(p, reply->result);
	}
	hold(p, &p->sent, NULL);
	push(p);
	changed(p);
}

// Sends what the dataplane lacks, if anything and if it may be sent now.
static void push(struct publish *p)
{
	Sluice__Request request = SLUICE__REQUEST__INIT;
	struct difference *difference;
	int error;

	if (!p->state.connected || p->busy || !p->newest || p->newest == p->applied ||
		(p->newest == p->refused && !p->retry))
		return;
	difference = publish_diff(p->applied ? p->applied->plan : NULL, p->newest->plan,
		p->applied ? p->state.generation : 0, p->generation + 1);
	if (!difference) {
		log_error("publish", "out of memory: the change waits for the next one");
		return;
	}
	if (p->applied && difference_empty(difference)) {
		if (p->on_disk == p->applied)
			hold(p, &p->on_disk, p->newest);
		hold(p, &p->applied, p->newest);
		difference_free(difference);
		return;
	}
	request.body_case = SLUICE__REQUEST__BODY_TRANSACTION;
	request.transaction = (Sluice__Transaction *)(uintptr_t)difference_transaction(difference);
	error = connection_request(p->connection, &request, PATIENCE_CHANGE,
		&(struct reply_to){.done = on_result, .arg = p});
	difference_free(difference);
	if (error) {
		log_error("publish", "the plan was not sent: %s", strerror(-error));
		return;
	}
	p->sent_generation = ++p->generation;
	p->busy = true;
	p->retry = false;
	hold(p, &p->sent, p->newest);
}

static void on_up(void *arg, const Sluice__Hello *hello)
{
	struct publish *p = arg;

	log_notice("publish", "connected to the dataplane %s, generation %llu", hello->build,
		(unsigned long long)hello->generation);
	p->state.connected = true;
	p->state.started_us = hello->started_us;
	p->state.generation = hello->generation;
	set_text(&p->build, hello->build);
	set_text(&p->down_reason, "");
	if (hello->generation > p->generation)
		p->generation = hello->generation;
	p->retry = true;
	push(p);
	changed(p);
}

static void on_down(void *arg, const char *why)
{
	struct publish *p = arg;

	if (p->state.connected || strcmp(p->down_reason, why) != 0)
		log_warning("publish", "%s", why);
	p->state.connected = false;
	hold(p, &p->applied, NULL);
	set_text(&p->down_reason, why);
	if (p->newest)
		file_is_behind(p);
	changed(p);
}

// So that generations go on from those of the control plane before us.
static void read_generation(struct publish *p)
{
	Sluice__Transaction *last;
	struct reason reason = {0};
	uint8_t *bytes;
	size_t length;

	if (sealed_file_read(&p->plan_file, &bytes, &length, &reason) == 0) {
		last = sluice__transaction__unpack(NULL, length, bytes);
		if (last)
			p->generation = last->generation;
		else
			reason_add(&reason, "%s: not a transaction", p->plan_path);
		sluice__transaction__free_unpacked(last, NULL);
		explicit_bzero(bytes, length);
		free(bytes);
	}
	if (reason.count)
		log_warning("publish", "%s", reason_text(&reason));
	reason_clear(&reason);
}

static void publish_free(struct publish *p)
{
	free(p->socket_path);
	free(p->plan_path);
	free(p->down_reason);
	free(p->refused_reason);
	free(p->file_reason);
	free(p->build);
	plan_writer_free(p->writer);
	free(p);
}

int publish_open(struct publish **publish, uv_loop_t *loop, const struct publish_options *options,
	struct reason *reason)
{
	struct publish *p = calloc(1, sizeof(*p));
	const struct connection_handlers handlers = {p, on_up, on_down};

	if (!p)
		return -ENOMEM;
	p->loop = loop;
	p->options = *options;
	p->socket_path = strdup(options->socket_path);
	p->plan_path = strdup(options->plan_file.path);
	p->plan_file = options->plan_file;
	p->plan_file.path = p->plan_path;
	p->down_reason = strdup("not connected to the dataplane yet");
	p->refused_reason = strdup("");
	p->file_reason = strdup("");
	p->build = strdup("");
	p->writer = plan_writer_new(loop, &p->plan_file, on_written, p);
	if (!p->writer || !p->socket_path || !p->plan_path || !p->down_reason ||
		!p->refused_reason || !p->file_reason || !p->build) {
		publish_free(p);
		return -ENOMEM;
	}
	read_generation(p);
	p->connection = connection_open(loop, p->socket_path, &handlers);
	if (!p->connection) {
		reason_add(reason,
			"%s: too long for a socket's name, at most 107 bytes: choose a "
			"shorter run_dir",
			p->socket_path);
		publish_free(p);
		return -ENAMETOOLONG;
	}
	uv_timer_init(loop, &p->file_timer);
	p->file_timer.data = p;
	*publish = p;
	return 0;
}

static void file_timer_closed(uv_handle_t *handle)
{
	publish_free(handle->data);
}

void publish_close(struct publish *p)
{
	if (!p)
		return;
	p->closing = true;
	plan_writer_wait(p->writer);
	write_file(p); // what became newer meanwhile
	plan_writer_wait(p->writer);
	connection_close(p->connection);
	hold(p, &p->newest, NULL);
	hold(p, &p->sent, NULL);
	hold(p, &p->applied, NULL);
	hold(p, &p->refused, NULL);
	hold(p, &p->on_disk, NULL);
	uv_close((uv_handle_t *)&p->file_timer, file_timer_closed);
}

int publish_plan(struct publish *p, struct plan *plan)
{
	struct version *version = calloc(1, sizeof(*version));

	if (!version) {
		log_error("publish", "out of memory: a plan was dropped");
		p->options.release(plan);
		return -ENOMEM;
	}
	version->plan = plan;
	hold(p, &p->newest, version);
	set_text(&p->refused_reason, "");
	push(p);
	if (!p->state.connected)
		file_is_behind(p);
	return 0;
}

struct publish_state publish_state(const struct publish *p)
{
	struct publish_state state = p->state;

	state.down_reason = p->down_reason;
	state.refused_reason = p->refused_reason;
	state.file_reason = p->file_reason;
	state.build = p->build;
	state.current = p->newest && p->newest == p->applied;
	state.kept = p->on_disk && p->on_disk == for_disk(p);
	return state;
}

int publish_request(struct publish *p, Sluice__Request *request, const struct reply_to *to)
{
	return connection_request(p->connection, request, PATIENCE_ASK, to);
}
