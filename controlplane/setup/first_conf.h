// SPDX-License-Identifier: BSD-3-Clause
// The first configuration: what is proposed for a machine, and the text of what was agreed on.
#pragma once

#include "hardware.h"

#include <stdio.h>

#define SETUP_TEXT 256

struct first_port {
	const struct nic *nic;
	char name[12];            // "wan", "lan", "port3"
	char address[SETUP_TEXT]; // "192.0.2.2/24, 2001:db8::2/64"; "" = none
	char gateway[SETUP_TEXT]; // "" = none
};

struct first_conf {
	const struct nic *management;        // stays with the kernel; NULL = none
	char management_address[SETUP_TEXT]; // "dhcp" or "192.0.2.10/24"
	char management_gateway[SETUP_TEXT]; // "" = none
	unsigned port_count;
	struct first_port ports[HARDWARE_NICS_MAX];
	unsigned main_cpu, first_worker, worker_count;
	unsigned memory_mb;    // huge pages for the dataplane
	char vips[SETUP_TEXT]; // "192.0.2.100-192.0.2.120, 2001:db8::100/120"; "" = none
	char peer[SETUP_TEXT]; // of the pair; "" = none
};

// The way out stays with the kernel, else what somebody may be connected through, else the first
// that is linked, else the first; an only NIC becomes a port. The linked ones of the others become
// ports, or all of them when none is. CPU 0 does the slow work and the others forward; with one CPU
// they share it.
void first_conf_propose(struct first_conf *conf, const struct hardware *hardware);

// The name of the port of that number, from 0.
void first_conf_name(struct first_port *port, unsigned number);

// sluice.conf.
void first_conf_write(const struct first_conf *conf, FILE *out);
// The .network file of systemd-networkd for the management NIC.
void first_conf_write_network(const struct first_conf *conf, FILE *out);
// Which NIC is which: a row each, with its link.
void first_conf_picture(const struct first_conf *conf, const struct hardware *hardware, FILE *out);
