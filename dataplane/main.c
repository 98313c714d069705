// SPDX-License-Identifier: BSD-3-Clause
// sluice-dataplane: arguments, then the parts in order, then the loop. Nothing else.
#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <pwd.h>
#include <rte_malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core_dump.h"
#include "dataplane.h"
#include "log.h"
#include "open_files.h"
#include "tls.h"

static int start_host(struct dataplane *dataplane, struct reason *reason)
{
	return host_open(&dataplane->host, dataplane->ifaces, dataplane->iface_count,
		dataplane->settings, reason);
}

static void stop_host(struct dataplane *dataplane)
{
	host_close(dataplane->host);
}

static int start_tables(struct dataplane *dataplane, struct reason *reason)
{
	dataplane->store = tables_store_new();
	dataplane->doorbell.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return dataplane->store && dataplane->doorbell.fd >= 0 ? 0 : -ENOMEM;
}

static void stop_tables(struct dataplane *dataplane)
{
	tables_store_free(dataplane->store);
	close(dataplane->doorbell.fd);
}

static int start_channel(struct dataplane *dataplane, struct reason *reason)
{
	const struct channel_handlers handlers = {
		.arg = dataplane,
		.ifaces = dataplane->ifaces,
		.iface_count = dataplane->iface_count,
		.prepare = plan_prepare,
		.undo = tables_unprepare,
		.apply = plan_apply,
		.hello = stats_hello,
		.stats = stats_send,
		.flows = plan_flows,
		.explain = explain_request,
		.capture = capture_request,
		.log = log_answer,
	};
	char path[4096];

	mkdir(dataplane->settings->run_dir, 0755);
	snprintf(path, sizeof(path), "%s/dataplane.sock", dataplane->settings->run_dir);
	return channel_open(
		&dataplane->channel, path, dataplane->settings->group, &handlers, reason);
}

static void stop_channel(struct dataplane *dataplane)
{
	channel_close(dataplane->channel);
}

// Started downwards, stopped upwards.
static const struct {
	const char *name;
	int (*start)(struct dataplane *, struct reason *);
	void (*stop)(struct dataplane *);
} parts[] = {
	{"ports", start_ports, stop_ports},
	{"host", start_host, stop_host},
	{"tables", start_tables, stop_tables},
	{"access log", start_access_log, stop_access_log},
	{"workers", start_workers, stop_workers},
	{"plan", plan_start, NULL},
	{"channel", start_channel, stop_channel},
};

static int run(struct dataplane *dataplane, const char *program, struct reason *reason)
{
	const unsigned count = sizeof(parts) / sizeof(parts[0]);
	unsigned started = 0;
	int error = eal_start(dataplane, program, reason);

	while (!error && started < count) {
		error = parts[started].start(dataplane, reason);
		if (error && !reason->count)
			reason_add(reason, "%s: %s", parts[started].name, strerror(-error));
		if (!error || parts[started].start == start_ports ||
			parts[started].start == start_workers)
			started++; // these undo what they did of their work
	}
	if (!error) {
		log_notice("dataplane", "%s: %u workers, %u ports, %s", SLUICE_VERSION,
			dataplane->worker_count, dataplane->port_count,
			dataplane->hugepages ? "huge pages" : "4 kB pages");
		error = supervise(dataplane, reason);
	}
	while (started--)
		if (parts[started].stop)
			parts[started].stop(dataplane);
	return error;
}

// SIGTERM and SIGINT are read by supervise(). They are blocked before DPDK starts its threads,
// which inherit it: otherwise the kernel would end us through one of those.
static void block_signals(void)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigprocmask(SIG_BLOCK, &signals, NULL);
}

static int usage(const char *program, int status)
{
	fprintf(status ? stderr : stdout,
		"usage: %s [--config FILE] [--check] [--version]\n"
		"  --config FILE  the appliance's configuration (/etc/sluice/sluice.conf)\n"
		"  --check        read the configuration, say what is wrong with it, and exit\n"
		"  --debug        log more\n",
		program);
	return status;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"check", no_argument, NULL, 'C'},
		{"debug", no_argument, NULL, 'd'},
		{"version", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	const char *file = "/etc/sluice/sluice.conf";
	struct dataplane *dataplane;
	struct reason reason = {0};
	struct timespec now;
	bool check = false;
	int error, option;

	core_dump_forbid();
	open_files_allow();
	log_start("sluice-dataplane");
	while ((option = getopt_long(argc, argv, "c:dvh", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			file = optarg;
			break;
		case 'C':
			check = true;
			break;
		case 'd':
			log_set_level(LOG_LEVEL_DEBUG);
			break;
		case 'v':
			puts("sluice-dataplane " SLUICE_VERSION);
			return EXIT_SUCCESS;
		case 'h':
			return usage(argv[0], EXIT_SUCCESS);
		default:
			return usage(argv[0], 2);
		}
	}
	dataplane = calloc(1, sizeof(*dataplane));
	if (!dataplane)
		return EXIT_FAILURE;
	clock_gettime(CLOCK_REALTIME, &now);
	dataplane->started_realtime = (usec_t)now.tv_sec * 1000000;
	dataplane->run = dataplane->started_realtime + (uint64_t)now.tv_nsec / 1000;
	dataplane->settings = settings_read(file, &reason);
	if (!dataplane->settings || check) {
		bool right = dataplane->settings != NULL;

		if (reason.count)
			fprintf(stderr, "%s\n", reason_text(&reason));
		settings_free(dataplane->settings);
		free(dataplane);
		return right ? EXIT_SUCCESS : EXIT_FAILURE;
	}
	dataplane->worker_count = dataplane->settings->dataplane.worker_count;
	dataplane->log_keep = log_keep_new();
	error = tls_start();
	if (error) {
		fprintf(stderr, "sluice-dataplane: TLS: %s\n", strerror(-error));
		settings_free(dataplane->settings);
		free(dataplane);
		return EXIT_FAILURE;
	}
	signal(SIGPIPE, SIG_IGN);
	block_signals();
	error = run(dataplane, argv[0], &reason);
	if (error)
		fprintf(stderr, "sluice-dataplane: %s\n", reason_text(&reason));
	return error ? EXIT_FAILURE : EXIT_SUCCESS;
}
