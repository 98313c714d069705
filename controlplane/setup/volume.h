// SPDX-License-Identifier: BSD-3-Clause
// What clouds and hypervisors give a new machine, NoCloud (`user-data`, `meta-data`) or a config
// drive
// (`openstack/latest/`), as the files that /usr/lib/sluice/provision takes. Blocking I/O.
#pragma once

#include "reason.h"

#include <stdio.h>

// Of the volume mounted at `from`, into the folder `into`, which is there and empty: `sluice.conf`,
// `manifests/`, `management.network` out of write_files, `authorized_keys`, `password-hash`,
// `hostname`. 0, or -errno with the reasons; what is not done here (packages, commands) is told on
// `told` by name.
struct volume {
	const char *from, *into;
	FILE *told;
};
int volume_unpack(const struct volume *volume, struct reason *reason);
