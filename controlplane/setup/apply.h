// SPDX-License-Identifier: BSD-3-Clause
// Effects of the first start: links brought up, files written, the password set, services started.
#pragma once

#include "first_conf.h"
#include "reason.h"
#include "wizard.h"

#define SETUP_CONF    "/etc/sluice/sluice.conf"
#define SETUP_NETWORK "/etc/systemd/network/10-management.network"
#define SETUP_KEYS    "/home/admin/.ssh/authorized_keys"
#define SETUP_DONE    "/var/lib/sluice/setup-done" // the first start is over

// Every NIC's link, so that it can be seen; returns when all are up or `wait_ms` is over.
uint64_t apply_links_up(const struct hardware *hardware, unsigned wait_ms);
// Those that it raised, as they were: a link that is up takes addresses from who offers them, and
// then the kernel uses it.
void apply_links_down(const struct hardware *hardware, uint64_t raised);
// Below `root`; sluice.conf is read back before it takes its place. 0 or -errno with the reasons.
int apply_files(const char *root, const struct first_conf *conf,
	const struct wizard_secrets *secrets, struct reason *reason);
// Of the running system.
int apply_password(const char *password, struct reason *reason);
// Last of what is written: who loses power before it is asked again.
int apply_done(const char *root, struct reason *reason);
int apply_services(struct reason *reason);
