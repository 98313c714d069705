// SPDX-License-Identifier: BSD-3-Clause
// sluice-controlplane: one thread, one loop, and THE OBJECT'S WAY.
//
//     cluster  fills the model and says that it changed
//        |     (the first at once, then those of a few milliseconds together)
//     plan     = f(model, settings, leases, checks), pure, at the cost of what has changed
//        |     (leases go to the disk before anybody uses them)
//     vip      which VIPs are ours to answer for; routers are told when the dataplane serves them
//        |
//     publish  the difference to the dataplane; last-good to the disk
//        |
//     status   which addresses objects have, to the clusters they are of
//
// Nothing here empties the box: no plan is made before every source has been read, a configuration
// with mistakes changes nothing, and the end of this process is not the dataplane's affair.
#include "control.h"

#include "core_dump.h"
#include "log.h"
#include "open_files.h"
#include "service.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CONFIG_FILE "/etc/sluice/sluice.conf"
#define COALESCE_MS 5
#define RETRY_MS    1000

// THE OBJECT'S WAY

static void on_retry(uv_timer_t *timer);

// The disk first: an address that was announced once is the Service's also after a restart. A disk
// that cannot be written does not stop traffic: that is told, and tried again. True: some moved.
static bool keep_leases(struct control *c, const struct plan *plan)
{
	const struct plan first = {.leases = c->leases, .lease_count = c->lease_count};
	const struct plan *before = c->plan ? c->plan : &first;
	bool moved = !leases_same(before, plan);

	if (!c->leases_behind && !moved)
		return false;
	reason_clear(&c->store_mistakes);
	if (c->behind) // what was written last is of a plan that is no more
		store_leases(c->store)->known = false;
	c->leases_behind =
		leases_file_write(store_leases(c->store), before, plan, &c->store_mistakes);
	if (c->leases_behind) {
		log_error("main", "%s", reason_text(&c->store_mistakes));
		uv_timer_start(&c->retry, on_retry, RETRY_MS, 0);
	}
	return moved;
}

static void on_retry(uv_timer_t *timer)
{
	struct control *c = timer->data;

	if (c->plan)
		keep_leases(c, c->plan);
}

static void plan_and_publish(struct control *c)
{
	static const struct plan_delta everything = {.all = true};
	const struct plan_delta *delta = &everything;
	struct plan *plan;

	if (!sources_synced(c))
		return;
	plan = plan_next(c->planning, c->model, c->settings, c->plan ? c->plan->leases : c->leases,
		c->plan ? c->plan->lease_count : c->lease_count);
	if (!plan) {
		log_error("main", "out of memory: the plan stays what it was");
		return;
	}
	giving_planned(c, keep_leases(c, plan));
	announce_plan(c, plan);
	if (publish_plan(c->publish, plan) == 0) {
		if (!c->behind)
			delta = planning_delta(c->planning);
		c->plan = plan;
		recall_end(c);
		status_follow(c->status, plan, c->model, delta);
		events_follow(c->events, plan, c->model);
		health_follow(c->health, plan, delta);
		c->behind = false;
	} else {
		c->behind = true;
	}
	announce_serving(c);
	c->planned_ms = uv_now(&c->loop);
}

static void on_change(uv_timer_t *timer)
{
	plan_and_publish(timer->data);
}

void control_changed(struct control *c)
{
	uint64_t since_ms = uv_now(&c->loop) - c->planned_ms;

	if (!uv_is_active((uv_handle_t *)&c->change))
		uv_timer_start(&c->change, on_change,
			since_ms < COALESCE_MS ? COALESCE_MS - since_ms : 1, 0);
}

void control_now(struct control *c)
{
	uv_timer_stop(&c->change);
	plan_and_publish(c);
}

// The parts, in the order of their start.

static int start_logs(struct control *c, struct reason *reason)
{
	(void)reason;
	c->logs = logs_open(&c->loop);
	if (!c->logs)
		return -ENOMEM;
	logs_follow(c->logs, c->settings->syslogs, c->settings->syslog_count);
	return 0;
}

static void stop_logs(struct control *c)
{
	logs_close(c->logs);
}

static int start_model(struct control *c, struct reason *reason)
{
	(void)reason;
	c->model = model_new();
	c->planning = planning_new();
	return c->model && c->planning ? 0 : -ENOMEM;
}

static void stop_model(struct control *c)
{
	planning_free(c->planning);
	model_free(c->model);
}

static int start_store(struct control *c, struct reason *reason)
{
	int error = store_open(&c->store, c->settings, reason);

	if (!error)
		error = restored_start(c, reason);
	if (error)
		return error;
	error = leases_file_read(
		store_leases(c->store), &c->leases, &c->lease_count, &c->store_mistakes);
	if (c->store_mistakes.count)
		log_error("main", "%s", reason_text(&c->store_mistakes));
	// Without them Services would get other addresses than they had.
	if (error)
		reason_add(reason, "%s", reason_text(&c->store_mistakes));
	return error;
}

static void stop_store(struct control *c)
{
	leases_free(c->leases, c->lease_count);
	store_close(c->store);
	reason_clear(&c->store_mistakes);
}

static void on_again(void *arg)
{
	struct control *c = arg;

	if (uv_loop_alive(&c->loop) && !c->again)
		log_notice("main", "starting anew");
	c->again = true;
	uv_stop(&c->loop);
}

static int start_api(struct control *c, struct reason *reason)
{
	struct api_options options = {.group = c->settings->group,
		.arg = c,
		.state = report,
		.again = on_again,
		.secrets = secrets_tell,
		.leave = handover_leave};
	char *path, *tokens;
	int error;

	if (asprintf(&path, "%s/api.sock", c->settings->run_dir) < 0)
		return -ENOMEM;
	if (asprintf(&tokens, "%s/tokens", c->settings->state_dir) < 0) {
		free(path);
		return -ENOMEM;
	}
	options.socket_path = path;
	options.tokens_path = tokens;
	error = api_open(&c->api, &c->loop, &options, reason);
	free(path);
	free(tokens);
	if (!error)
		https_follow(c, &c->config_mistakes);
	if (c->config_mistakes.count)
		log_error("main", "%s", reason_text(&c->config_mistakes));
	return error;
}

static void stop_api(struct control *c)
{
	api_close(c->api);
	report_free(c);
}

static int start_publish(struct control *c, struct reason *reason)
{
	struct publish_options options = {.plan_file = store_plan_file(c->store),
		.arg = c,
		.changed = announce_serving,
		.release = plan_free};
	char *path;
	int error;

	if (asprintf(&path, "%s/dataplane.sock", c->settings->run_dir) < 0)
		return -ENOMEM;
	options.socket_path = path;
	error = publish_open(&c->publish, &c->loop, &options, reason);
	free(path);
	return error;
}

static void stop_publish(struct control *c)
{
	if (c->plan && !c->behind)
		leases_file_close(store_leases(c->store), c->plan, &c->store_mistakes);
	publish_close(c->publish);
	c->publish = NULL;
	c->plan = NULL;
}

static int start_status(struct control *c, struct reason *reason)
{
	const struct status_options options = {
		.arg = c, .cluster = sources_find, .has_others = giving_has_others};

	(void)reason;
	c->status = status_open(&c->loop, &options);
	c->events = events_open(&c->loop, &options);
	return c->status && c->events ? 0 : -ENOMEM;
}

static void stop_status(struct control *c)
{
	events_close(c->events);
	status_close(c->status);
}

// A source that cannot be opened is a problem to be shown, not a reason to leave the console
// unanswered.
static int start_sources(struct control *c, struct reason *reason)
{
	(void)reason;
	if (sources_follow(c, &c->config_mistakes))
		log_error("main", "%s", reason_text(&c->config_mistakes));
	return 0;
}

static int start_timers(struct control *c, struct reason *reason)
{
	(void)reason;
	uv_timer_init(&c->loop, &c->change);
	uv_timer_init(&c->loop, &c->retry);
	c->change.data = c->retry.data = c;
	return 0;
}

static void stop_timers(struct control *c)
{
	uv_close((uv_handle_t *)&c->change, NULL);
	uv_close((uv_handle_t *)&c->retry, NULL);
}

static void on_signal(uv_signal_t *signal, int number)
{
	struct control *c = signal->data;

	if (number == SIGHUP) {
		conf_reload(c);
	} else {
		log_notice("main", "%s: stopping", strsignal(number));
		uv_stop(&c->loop);
	}
}

static void on_alive(uv_timer_t *timer)
{
	(void)timer;
	service_say("WATCHDOG=1");
}

static int start_service(struct control *c, struct reason *reason)
{
	uint64_t every_ms = service_watchdog_us() / 4000;

	(void)reason;
	uv_timer_init(&c->loop, &c->alive);
	if (every_ms)
		uv_timer_start(&c->alive, on_alive, every_ms, every_ms);
	service_say("READY=1");
	return 0;
}

static void stop_service(struct control *c)
{
	if (!c->again)
		service_say("STOPPING=1");
	uv_close((uv_handle_t *)&c->alive, NULL);
}

static int start_signals(struct control *c, struct reason *reason)
{
	static const int numbers[] = {SIGHUP, SIGTERM, SIGINT};

	(void)reason;
	signal(SIGPIPE, SIG_IGN);
	for (unsigned i = 0; i < 3; i++) {
		uv_signal_init(&c->loop, &c->signals[i]);
		c->signals[i].data = c;
		uv_signal_start(&c->signals[i], on_signal, numbers[i]);
	}
	return 0;
}

static void stop_signals(struct control *c)
{
	for (unsigned i = 0; i < 3; i++)
		uv_close((uv_handle_t *)&c->signals[i], NULL);
}

static void stop_certificate(struct control *c)
{
	(void)c; // the model's
}

static const struct part {
	int (*start)(struct control *c, struct reason *reason);
	void (*stop)(struct control *c);
} parts[] = {
	{conf_start, conf_stop},
	{start_logs, stop_logs},
	{start_model, stop_model},
	{giving_start, giving_stop},
	{start_store, stop_store},
	{conf_keep, conf_keep_end},
	{certificate_start, stop_certificate},
	{recall_start, recall_end},
	{start_timers, stop_timers},
	{start_api, stop_api}, // stops after publish/, which answers what it waits for
	{announce_start, announce_stop},
	{handover_start, handover_stop}, // answers what api/ waits for
	{checks_start, checks_stop},
	{start_publish, stop_publish},
	{fetch_start, fetch_stop},
	{clusters_start, clusters_stop},
	{start_sources, sources_stop},
	{start_status, stop_status}, // sources end what it waits for
	{conf_watch, conf_unwatch},
	{start_signals, stop_signals},
	{start_service, stop_service},
};

#define PARTS (sizeof(parts) / sizeof(parts[0]))

// Until the end, or until all is to start anew.
static int run(struct control *c)
{
	struct reason reason = {0};
	struct timespec now;
	unsigned started = 0;
	int error = 0;

	clock_gettime(CLOCK_REALTIME, &now);
	c->started_us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
	uv_loop_init(&c->loop);
	while (!error && started < PARTS) {
		error = parts[started].start(c, &reason);
		started += !error;
	}
	if (error) {
		log_error("main", "%s", reason.count ? reason_text(&reason) : strerror(-error));
	} else {
		log_notice("main", "sluice-controlplane %s runs with %s", SLUICE_VERSION,
			c->config_file);
		control_changed(c);
		uv_run(&c->loop, UV_RUN_DEFAULT);
	}
	while (started)
		parts[--started].stop(c);
	uv_run(&c->loop, UV_RUN_DEFAULT); // what was closed
	uv_loop_close(&c->loop);
	reason_clear(&reason);
	return error;
}

static int run_on(const char *config_file)
{
	struct control control;
	int error;

	do {
		control = (struct control){.config_file = config_file};
		error = run(&control);
	} while (!error && control.again);
	return error;
}

static int check(const char *file)
{
	struct reason reason = {0};
	struct settings *settings = settings_read(file, &reason);

	if (settings)
		printf("%s: correct\n", file);
	else
		fprintf(stderr, "%s\n", reason_text(&reason));
	reason_clear(&reason);
	settings_free(settings);
	return settings ? 0 : 1;
}

static void usage(FILE *out)
{
	fputs("usage: sluice-controlplane [--config FILE] [--check]\n\n"
	      "  -c, --config FILE  the appliance's configuration (default " CONFIG_FILE ")\n"
	      "  -n, --check        check the configuration, say what is wrong, and end\n"
	      "  -v, --verbose      log more\n"
	      "  -V, --version      the version\n"
	      "  -h, --help         this\n",
		out);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"check", no_argument, NULL, 'n'},
		{"verbose", no_argument, NULL, 'v'},
		{"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	const char *config_file = CONFIG_FILE;
	bool only_check = false;
	int option;

	core_dump_forbid();
	open_files_allow();
	log_start("sluice-controlplane");
	while ((option = getopt_long(argc, argv, "c:nvVh", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			config_file = optarg;
			break;
		case 'n':
			only_check = true;
			break;
		case 'v':
			log_set_level(LOG_LEVEL_DEBUG);
			break;
		case 'V':
			printf("sluice-controlplane %s\n", SLUICE_VERSION);
			return 0;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (optind < argc) {
		usage(stderr);
		return 2;
	}
	if (only_check)
		return check(config_file);
	return run_on(config_file) ? 1 : 0;
}
