// SPDX-License-Identifier: BSD-3-Clause
// memif: a shared-memory link to another process that speaks memif (DPDK, VPP, the benchmarks).
//
// device = the path of the control socket. Options: role=client|server (client), id=, rsize= (log2
// of the ring), bsize= (bytes of a ring buffer; from the MTU), zero-copy=yes|no (client only; no),
// secret=. A client whose server is not there yet, or that went away, asks again from port_link();
// but one with zero-copy, once connected, cannot: the driver closed EAL's own file descriptors of
// the memory it shared. Nor does it give back, when closed, the buffers that were in its rings.
// The driver's MAC address is the same for every device, so each port is given one of its own.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "port_internal.h"

#define RECONNECT_US 500000

struct client { // state of a port in this role
	usec_t tried_us;
	bool zero_copy, lost;
};

static const char *const known[] = {
	"role", "id", "rsize", "bsize", "zero-copy", "secret", "mac", NULL};

static const char *option(const struct rte_kvargs *options, const char *key, const char *otherwise)
{
	const char *value = rte_kvargs_get(options, key);

	return value ? value : otherwise;
}

static unsigned long number(const struct port *port, const struct rte_kvargs *options,
	const char *key, unsigned long range[static 3], struct reason *reason)
{
	const char *text = rte_kvargs_get(options, key);
	unsigned long value;
	char *end;

	if (!text)
		return range[2];
	value = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || value < range[0] || value > range[1]) {
		reason_add(reason, "port %s: options: %s=%s: expected a number from %lu to %lu",
			port->name, key, text, range[0], range[1]);
		return range[2];
	}
	return value;
}

static int check(const struct port *port, const struct rte_kvargs *options, struct reason *reason)
{
	const char *role = option(options, "role", "client");
	const char *zero_copy = option(options, "zero-copy", "no");
	unsigned before = reason->count;

	if (strcmp(role, "client") != 0 && strcmp(role, "server") != 0)
		reason_add(reason, "port %s: options: role=%s: expected client or server",
			port->name, role);
	if (strcmp(zero_copy, "yes") != 0 && strcmp(zero_copy, "no") != 0)
		reason_add(reason, "port %s: options: zero-copy=%s: expected yes or no", port->name,
			zero_copy);
	if (port->device[0] != '/' ||
		strlen(port->device) >= sizeof(((struct sockaddr_un *)0)->sun_path) ||
		strchr(port->device, ','))
		reason_add(reason,
			"port %s: device \"%s\": expected the absolute path of a socket, at most "
			"107 "
			"characters, no comma",
			port->name, port->device);
	return reason->count == before ? 0 : -EINVAL;
}

static int remember(struct port *port, bool zero_copy)
{
	struct client *client = calloc(1, sizeof(*client));

	if (!client) {
		port_remove_vdev(port, "net_memif");
		return -ENOMEM;
	}
	client->zero_copy = zero_copy;
	port->state = client;
	return 0;
}

static int probe(struct port *port, const struct port_settings *settings, struct reason *reason)
{
	struct rte_kvargs *options = port_options(settings, known, reason);
	unsigned before = reason->count;
	unsigned long frame = port->mtu + ETHERNET_OVERHEAD;
	unsigned long id, rsize, bsize;
	char arguments[512], mac[RTE_ETHER_ADDR_FMT_SIZE];
	struct rte_ether_addr address;
	const char *role;
	bool client, zero_copy;
	int rc;

	if (!options)
		return -EINVAL;
	rc = check(port, options, reason);
	role = option(options, "role", "client");
	port_make_mac(port, role, &address);
	rte_ether_format_addr(mac, sizeof(mac), &address);
	id = number(port, options, "id", (unsigned long[]){0, UINT32_MAX, 0}, reason);
	rsize = number(port, options, "rsize", (unsigned long[]){1, 14, 10}, reason);
	// Frames may span buffers of the ring, but one a frame is faster.
	bsize = number(port, options, "bsize",
		(unsigned long[]){256, UINT16_MAX, frame <= 2048 ? 2048 : (frame + 63) & ~63ul},
		reason);
	if (rc || reason->count != before) {
		rte_kvargs_free(options);
		return -EINVAL;
	}
	if (strcmp(role, "server") == 0)
		unlink(port->device); // what an earlier run left would refuse us
	snprintf(arguments, sizeof(arguments),
		"role=%s,socket=%s,socket-abstract=no,id=%lu,rsize=%lu,bsize=%lu,zero-copy=%s,mac=%"
		"s%s%s",
		role, port->device, id, rsize, bsize, option(options, "zero-copy", "no"),
		option(options, "mac", mac), rte_kvargs_get(options, "secret") ? ",secret=" : "",
		option(options, "secret", ""));
	client = strcmp(role, "client") == 0;
	zero_copy = strcmp(option(options, "zero-copy", "no"), "yes") == 0;
	rte_kvargs_free(options);
	port->max_queues = UINT16_MAX;
	rc = port_add_vdev(port, "net_memif", arguments, reason);
	if (rc == 0 && client)
		return remember(port, zero_copy);
	return rc;
}

// The driver says 1518 bytes at most, but only its ring buffers limit it, and these fit the MTU.
static int configure(struct port *port, struct rte_eth_conf *conf, struct reason *reason)
{
	return 0;
}

// A server goes on listening by itself. A client is given time for its handshake, which is done by
// another thread. Workers may go on polling: without a link the driver touches nothing of theirs.
static void reconnect(struct port *port)
{
	struct client *client = port->state;
	usec_t now = clock_now_us();

	if (!client || client->lost || now - client->tried_us < RECONNECT_US)
		return;
	if (client->zero_copy && !port->detached) {
		log_error("port",
			"%s: %s: the peer is gone, and zero-copy connects only once: restart",
			port->name, port->device);
		client->lost = true;
		return;
	}
	client->tried_us = now;
	port->detached = true;
	rte_eth_dev_stop(port->dpdk_id);
	if (rte_eth_dev_start(port->dpdk_id) == 0)
		port->detached = false;
}

static void remove_memif(struct port *port)
{
	port_remove_vdev(port, "net_memif");
	free(port->state);
	port->state = NULL;
}

const struct port_kind port_memif = {
	.name = "memif",
	.probe = probe,
	.configure = configure,
	.reconnect = reconnect,
	.remove = remove_memif,
};
