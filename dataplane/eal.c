// SPDX-License-Identifier: BSD-3-Clause
// Starting DPDK: which cores, how much memory, huge pages or not.
#include <errno.h>
#include <inttypes.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_mbuf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane.h"
#include "log.h"

#define BUFFERS_A_PORT_QUEUE 4096 // descriptors both ways, with what is on its way
#define BUFFERS_A_WORKER     4096
#define LENT_A_WORKER        4096 // mbufs without memory: what is sent in a round
#define POOL_CACHE           256

// What flows, buffers and tables need, in MB.
static unsigned memory_needed(const struct dataplane *dataplane, uint32_t buffer_bytes)
{
	const struct settings *settings = dataplane->settings;
	uint64_t flows =
		(uint64_t)settings->dataplane.flows * settings->dataplane.worker_count * 152;
	uint64_t buffers = (uint64_t)dataplane->buffer_count * (buffer_bytes + 512);
	uint64_t lent = (uint64_t)settings->dataplane.worker_count * LENT_A_WORKER * 256;

	return (unsigned)((flows + buffers + lent) >> 20) + 128;
}

static uint64_t read_number(const char *path)
{
	FILE *file = fopen(path, "re");
	uint64_t number = 0;

	if (!file)
		return 0;
	if (fscanf(file, "%" SCNu64, &number) != 1)
		number = 0;
	fclose(file);
	return number;
}

static uint64_t free_hugepage_mb(void)
{
	return read_number("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages") * 2 +
	       read_number("/sys/kernel/mm/hugepages/hugepages-1048576kB/free_hugepages") * 1024;
}

static uint32_t buffers_wanted(const struct settings *settings)
{
	uint32_t workers = settings->dataplane.worker_count;
	uint32_t wanted = settings->dataplane.buffers;

	if (!wanted)
		wanted = workers * BUFFERS_A_WORKER +
			 settings->port_count * workers * BUFFERS_A_PORT_QUEUE;
	return wanted;
}

static int choose_pages(struct dataplane *dataplane, unsigned needed, struct reason *reason)
{
	uint64_t free_mb = free_hugepage_mb();

	switch (dataplane->settings->dataplane.hugepages) {
	case HUGEPAGES_OFF:
		dataplane->hugepages = false;
		return 0;
	case HUGEPAGES_REQUIRED:
		if (free_mb < needed) {
			reason_add(reason,
				"%s: dataplane.hugepages is \"required\", but %" PRIu64
				" MB of huge pages are free and %u MB are needed: "
				"echo %u > /proc/sys/vm/nr_hugepages",
				dataplane->settings->file, free_mb, needed, needed / 2 + 1);
			return -ENOMEM;
		}
		dataplane->hugepages = true;
		return 0;
	case HUGEPAGES_AUTO:
		dataplane->hugepages = free_mb >= needed;
		if (!dataplane->hugepages)
			log_warning("memory",
				"%u MB are needed and %" PRIu64
				" MB of huge pages are free: using 4 kB pages, which are slower. "
				"For huge pages: echo %u > /proc/sys/vm/nr_hugepages",
				needed, free_mb, needed / 2 + 1);
		return 0;
	}
	return -EINVAL;
}

// "0@0,1@1,2@0": lcore 0 is the main one, lcore i + 1 is worker i; several may share a CPU.
static void lcores_text(const struct settings *settings, char *text, size_t size)
{
	int n = snprintf(text, size, "0@%u", settings->dataplane.main_cpu);

	for (unsigned i = 0; i < settings->dataplane.worker_count; i++)
		n += snprintf(text + n, size - (size_t)n, ",%u@%u", i + 1,
			settings->dataplane.worker_cpus[i]);
}

int eal_start(struct dataplane *dataplane, const char *program, struct reason *reason)
{
	const struct settings *settings = dataplane->settings;
	uint32_t buffer_bytes = port_buffer_bytes(settings->ports, settings->port_count);
	char lcores[SLUICE_WORKERS_MAX * 12], memory[16];
	const char *argv[24];
	unsigned needed;
	int argc = 0;
	int error;

	dataplane->buffer_count = buffers_wanted(settings);
	needed = settings->dataplane.memory_mb ? settings->dataplane.memory_mb
					       : memory_needed(dataplane, buffer_bytes);
	error = choose_pages(dataplane, needed, reason);
	if (error)
		return error;
	lcores_text(settings, lcores, sizeof(lcores));
	snprintf(memory, sizeof(memory), "%u", needed);
	argv[argc++] = program;
	argv[argc++] = "--lcores";
	argv[argc++] = lcores;
	argv[argc++] = "--no-telemetry";
	argv[argc++] = "--log-level=lib.*:warning";
	argv[argc++] = "--log-level=pmd.*:warning";
	argc += port_eal_arguments(settings->ports, settings->port_count, argv + argc);
	if (dataplane->hugepages) {
		argv[argc++] = "--in-memory";
		argv[argc++] = "--single-file-segments";
	} else {
		argv[argc++] = "--no-shconf";
		argv[argc++] = "--no-huge";
	}
	// All of it now: net_memif with zero-copy closes the file behind our huge pages once its
	// peer has it, and from then on no more can be had.
	argv[argc++] = "-m";
	argv[argc++] = memory;
	argv[argc] = NULL;
	// DPDK takes char * and writes to none of them.
	if (rte_eal_init(argc, (char **)(uintptr_t)argv) < 0) {
		reason_add(reason, "DPDK does not start (%s): lcores %s, %u MB of %s",
			rte_strerror(rte_errno), lcores, needed,
			dataplane->hugepages ? "huge pages" : "4 kB pages");
		return -rte_errno;
	}
	dataplane->pool = rte_pktmbuf_pool_create("packets", dataplane->buffer_count, POOL_CACHE,
		RTE_ALIGN(sizeof(struct note), RTE_CACHE_LINE_SIZE),
		(uint16_t)(RTE_PKTMBUF_HEADROOM + buffer_bytes), SOCKET_ID_ANY);
	dataplane->lent = rte_pktmbuf_pool_create("lent",
		settings->dataplane.worker_count * LENT_A_WORKER, POOL_CACHE, 0, 0, SOCKET_ID_ANY);
	if (!dataplane->pool || !dataplane->lent) {
		reason_add(reason,
			"%s: no memory for %u packet buffers of %u bytes (dataplane.buffers, "
			"dataplane.memory_mb)",
			settings->file, dataplane->buffer_count, buffer_bytes);
		return -ENOMEM;
	}
	return 0;
}
