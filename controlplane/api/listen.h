// SPDX-License-Identifier: BSD-3-Clause
// Sockets that listen: of the appliance's users on this machine, and of the network. Loop thread.
#pragma once

#include "reason.h"
#include "settings.h"

#define LISTEN_BACKLOG 128

// A descriptor, or -errno with the reason. Replaces what is at the path; 0660, root and the group.
int listen_unix(const char *path, const char *group, struct reason *reason);
// `key` of sluice.conf is told in the reason.
int listen_tcp(const struct listen_settings *settings, const char *key, struct reason *reason);
