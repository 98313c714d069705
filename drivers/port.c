// SPDX-License-Identifier: BSD-3-Clause
// Opening and closing ports: the table of kinds, and what is the same for all of them.
//
// The work on DPDK's devices is in ethdev.c; a kind with an engine never gets there.
// Main lcore, except port_rx/port_tx, which are in the header.
#include "port.h"

#include <errno.h>
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "port_internal.h"

static const struct port_kind *const kinds[] = {
	&port_pci,
	&port_af_xdp,
	&port_af_packet,
	&port_memif,
	&port_tap,
	&port_pcap,
};

uint32_t port_buffer_bytes(const struct port_settings *ports, unsigned count)
{
	uint32_t bytes = 2048;

	for (unsigned i = 0; i < count; i++) {
		// NICs take receive buffers in steps of 1 KB.
		uint32_t frame = (ports[i].mtu + ETHERNET_OVERHEAD + 1023u) & ~1023u;

		if (frame > bytes)
			bytes = frame;
	}
	return bytes;
}

int port_eal_arguments(const struct port_settings *ports, unsigned count,
	const char *arguments[static PORT_EAL_ARGUMENTS])
{
	for (unsigned i = 0; i < count; i++) {
		if (strcmp(ports[i].kind, port_pci.name) != 0)
			continue;
		// Only who is named is probed, and here nobody is: a device is bound first, then
		// probed.
		arguments[0] = "-a";
		arguments[1] = "ffff:ff:1f.7";
		return 2;
	}
	arguments[0] = "--no-pci";
	return 1;
}

struct rte_kvargs *port_options(
	const struct port_settings *settings, const char *const known[], struct reason *reason)
{
	const char *text = settings->options ? settings->options : "";
	struct rte_kvargs *options = rte_kvargs_parse(text, NULL);
	unsigned before = reason->count;

	if (!options) {
		reason_add(reason, "port %s: options \"%s\": expected key=value,...",
			settings->name, text);
		return NULL;
	}
	for (unsigned i = 0; i < options->count; i++) {
		const char *key = options->pairs[i].key;
		char list[128] = "";
		unsigned k, length = 0;

		for (k = 0; known[k] && strcmp(known[k], key) != 0; k++) {
			int n = snprintf(list + length, sizeof(list) - length, " %s", known[k]);

			length += n > 0 && length + n < sizeof(list) ? (unsigned)n : 0;
		}
		if (!known[k])
			reason_add(reason, "port %s: options: unknown \"%s\"; kind %s knows:%s",
				settings->name, key, settings->kind, length ? list : " none");
		else if (!options->pairs[i].value || rte_kvargs_count(options, key) > 1)
			reason_add(reason, "port %s: options: \"%s\" needs one value",
				settings->name, key);
	}
	if (reason->count != before) {
		rte_kvargs_free(options);
		return NULL;
	}
	return options;
}

// FNV-1a
static uint64_t hash_text(uint64_t hash, const char *text)
{
	for (; *text; text++)
		hash = (hash ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
	return hash;
}

void port_make_mac(const struct port *port, const char *role, struct rte_ether_addr *mac)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	char host[64] = "";

	gethostname(host, sizeof(host) - 1);
	hash = hash_text(hash_text(hash_text(hash, host), port->device), role);
	hash ^= hash >> 48;
	for (unsigned i = 0; i < RTE_ETHER_ADDR_LEN; i++)
		mac->addr_bytes[i] = (uint8_t)(hash >> 8 * i);
	mac->addr_bytes[0] = 0x02;
}

int port_add_vdev(
	struct port *port, const char *driver, const char *arguments, struct reason *reason)
{
	char name[RTE_ETH_NAME_MAX_LEN];
	int rc;

	snprintf(name, sizeof(name), "%s_%s", driver, port->name);
	rc = rte_eal_hotplug_add("vdev", name, arguments);
	if (rc == 0) {
		rc = rte_eth_dev_get_port_by_name(name, &port->dpdk_id);
		if (rc == 0)
			return 0;
		rte_eal_hotplug_remove("vdev", name);
	}
	reason_add(reason, "port %s: device %s: DPDK cannot create %s with \"%s\": %s", port->name,
		port->device, driver, arguments, rte_strerror(-rc));
	return rc < 0 ? rc : -EIO;
}

void port_remove_vdev(struct port *port, const char *driver)
{
	char name[RTE_ETH_NAME_MAX_LEN];

	snprintf(name, sizeof(name), "%s_%s", driver, port->name);
	rte_eal_hotplug_remove("vdev", name);
}

static const struct port_kind *find_kind(
	const struct port_settings *settings, struct reason *reason)
{
	char list[128] = "";

	for (unsigned i = 0; i < RTE_DIM(kinds); i++) {
		size_t length = strlen(list);

		if (strcmp(kinds[i]->name, settings->kind) == 0)
			return kinds[i];
		snprintf(list + length, sizeof(list) - length, " %s", kinds[i]->name);
	}
	reason_add(reason, "port %s: unknown kind \"%s\"; expected one of:%s", settings->name,
		settings->kind, list);
	return NULL;
}

int port_open(struct port *port, const struct port_settings *settings, uint16_t queues,
	struct rte_mempool *pool, struct reason *reason)
{
	const struct port_kind *kind = find_kind(settings, reason);
	uint16_t index = port->index;
	int rc;

	if (!kind)
		return -EINVAL;
	memset(port, 0, sizeof(*port));
	snprintf(port->name, sizeof(port->name), "%s", settings->name);
	port->dpdk_id = UINT16_MAX;
	port->index = index;
	port->queues = settings->queues && settings->queues < queues ? settings->queues : queues;
	port->mtu = settings->mtu;
	port->kind = kind;
	port->device = settings->device;
	port->pool = pool;
	port->max_mtu = SLUICE_MTU_MAX;

	rc = kind->probe(port, settings, reason);
	if (rc)
		return rc;
	if (port->mtu > port->max_mtu) {
		reason_add(reason, "port %s: device %s: mtu %u is more than it can; at most %u",
			port->name, port->device, port->mtu, port->max_mtu);
		rc = -EINVAL;
		goto remove;
	}
	if (port->queues > port->max_queues)
		port->queues = port->max_queues;
	rc = kind->engine ? kind->engine->start(port, reason) : ethdev_open(port, reason);
	if (rc)
		goto remove;
	return 0;
remove:
	kind->remove(port);
	return rc;
}

void port_close(struct port *port)
{
	if (!port->kind)
		return;
	if (!port->kind->engine)
		ethdev_close(port);
	port->kind->remove(port);
	port->kind = NULL;
}

struct port_link port_link(struct port *port)
{
	if (port->kind->engine)
		return port->kind->engine->link(port);
	return ethdev_link(port);
}

int port_counters(const struct port *port, struct rte_eth_stats *stats)
{
	memset(stats, 0, sizeof(*stats));
	if (!port->kind->engine)
		return rte_eth_stats_get(port->dpdk_id, stats);
	port->kind->engine->counters(port, stats);
	return 0;
}

int port_rx_fd(const struct port *port, uint16_t queue)
{
	return port->kind->engine && port->kind->engine->rx_fd
		       ? port->kind->engine->rx_fd(port, queue)
		       : -1;
}
