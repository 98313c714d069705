// SPDX-License-Identifier: BSD-3-Clause
// Who is at the other end of the socket, as the kernel says. See api_internal.h.
#include "api_internal.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

// The peer's supplementary groups as they were when it connected;
static bool in_groups(int fd, gid_t wanted)
{
	socklen_t bytes = 64 * sizeof(gid_t);
	gid_t *groups = malloc(bytes);
	bool found = false;
	int failed;

	failed = !groups || getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &bytes) < 0;
	if (groups && failed && errno == ERANGE) { // `bytes` now says how many
		free(groups);
		groups = malloc(bytes);
		failed = !groups || getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &bytes) < 0;
	}
	for (size_t i = 0; !failed && i < bytes / sizeof(gid_t); i++)
		found |= groups[i] == wanted;
	free(groups);
	return found;
}

// Names come from the users this machine has; one that has none is told by its number.
static void name_of(uid_t uid, char name[static PEER_NAME])
{
	char space[1024];
	struct passwd entry, *found = NULL;

	if (uid == 0)
		snprintf(name, PEER_NAME, "root");
	else if (getpwuid_r(uid, &entry, space, sizeof(space), &found) == 0 && found)
		snprintf(name, PEER_NAME, "%s", found->pw_name);
	else
		snprintf(name, PEER_NAME, "uid %u", (unsigned)uid);
}

bool peer_allowed(int fd, const char *group, char name[static PEER_NAME])
{
	const struct group *entry = getgrnam(group);
	struct ucred peer;
	socklen_t length = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0)
		return false;
	name_of(peer.uid, name);
	if (peer.uid == 0)
		return true;
	return entry && (peer.gid == entry->gr_gid || in_groups(fd, entry->gr_gid));
}
