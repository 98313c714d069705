// SPDX-License-Identifier: BSD-3-Clause
// pcap: packets from a file and to a file, for tests and for replaying what a customer sent.
//
// device = "<receive.pcap>,<transmit.pcap>", either of which may be empty. One queue. The file
// written is whole when the port is closed. Options: loop=yes reads the file for ever.
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "port_internal.h"

static const char *const known[] = {"loop", NULL};

static int probe(struct port *port, const struct port_settings *settings, struct reason *reason)
{
	struct rte_kvargs *options = port_options(settings, known, reason);
	const char *comma = strchr(port->device, ',');
	char receive[256] = "", arguments[600] = "";
	const char *transmit = comma ? comma + 1 : "";
	bool loop;
	int rc;

	if (!options)
		return -EINVAL;
	loop = rte_kvargs_get(options, "loop") &&
	       strcmp(rte_kvargs_get(options, "loop"), "yes") == 0;
	rte_kvargs_free(options);
	snprintf(receive, sizeof(receive), "%.*s",
		(int)(comma ? comma - port->device : (ptrdiff_t)strlen(port->device)),
		port->device);
	if (strchr(transmit, ',') || strlen(port->device) >= sizeof(receive) ||
		(!receive[0] && !transmit[0])) {
		reason_add(reason,
			"port %s: device \"%s\": expected <receive.pcap>,<transmit.pcap>",
			port->name, port->device);
		return -EINVAL;
	}
	if (receive[0] && access(receive, R_OK) < 0) {
		rc = -errno;
		reason_add(reason, "port %s: device: cannot read %s: %s", port->name, receive,
			strerror(-rc));
		return rc;
	}
	snprintf(arguments, sizeof(arguments), "%s%s%s%s%s%s", receive[0] ? "rx_pcap=" : "",
		receive, receive[0] && transmit[0] ? "," : "", transmit[0] ? "tx_pcap=" : "",
		transmit, receive[0] && loop ? ",infinite_rx=1" : "");
	port->max_queues = 1;
	return port_add_vdev(port, "net_pcap", arguments, reason);
}

// A file has no MTU; the buffers fit the port's.
static int configure(struct port *port, struct rte_eth_conf *conf, struct reason *reason)
{
	return 0;
}

static void remove_pcap(struct port *port)
{
	port_remove_vdev(port, "net_pcap");
}

const struct port_kind port_pcap = {
	.name = "pcap",
	.probe = probe,
	.configure = configure,
	.remove = remove_pcap,
};
