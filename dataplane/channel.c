// SPDX-License-Identifier: BSD-3-Clause
// The channel's server: the socket, who may connect, and the epoll set behind channel_fd().
// channel_client.c speaks with each client.
#include "channel.h"

#include "channel_internal.h"
#include "log.h"

#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define FRESH   ".new" // behind the socket's name while it is made
#define BACKLOG 16

static bool in_group(int fd, gid_t group)
{
	gid_t groups[1024];
	socklen_t length = sizeof(groups);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &length) < 0)
		return false;
	for (size_t i = 0; i < length / sizeof(groups[0]); i++)
		if (groups[i] == group)
			return true;
	return false;
}

static bool may_connect(const struct channel *channel, int fd)
{
	struct ucred peer;
	socklen_t length = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0)
		return false;
	if (peer.uid == 0 || peer.uid == geteuid() ||
		(channel->has_group &&
			(peer.gid == channel->group || in_group(fd, channel->group))))
		return true;
	log_warning("channel", "process %d of user %u refused: neither root nor in the group",
		(int)peer.pid, (unsigned)peer.uid);
	return false;
}

static void accept_client(struct channel *channel)
{
	int fd = accept4(channel->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct client *client = channel->clients;

	if (fd < 0)
		return;
	while (client < channel->clients + CLIENTS_MAX && client->state != CLIENT_FREE)
		client++;
	if (client == channel->clients + CLIENTS_MAX) {
		log_warning("channel", "%u clients are connected: one more refused", CLIENTS_MAX);
		close(fd);
	} else if (!may_connect(channel, fd)) {
		close(fd);
	} else {
		client_open(channel, client, fd);
	}
}

void channel_poll(struct channel *channel)
{
	struct epoll_event events[CLIENTS_MAX + 1];
	int n = epoll_wait(channel->epoll, events, CLIENTS_MAX + 1, 0);

	for (int i = 0; i < n; i++) {
		if (events[i].data.ptr)
			client_event(channel, events[i].data.ptr, events[i].events);
		else
			accept_client(channel);
	}
}

bool channel_step(struct channel *channel)
{
	bool more = false;

	for (unsigned i = 0; i < CLIENTS_MAX; i++)
		more |= client_step(channel, &channel->clients[i]);
	return more;
}

int channel_fd(const struct channel *channel)
{
	return channel->epoll;
}

// A socket nobody listens on any more is taken away; one that somebody does stays.
static int remove_stale(const struct sockaddr_un *name, struct reason *reason)
{
	struct stat status;
	int error = 0;
	int fd;

	if (lstat(name->sun_path, &status) < 0)
		return 0;
	if (!S_ISSOCK(status.st_mode)) {
		reason_add(reason, "%s: is there and is no socket: remove it", name->sun_path);
		return -EEXIST;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)name, sizeof(*name)) == 0 || errno == EAGAIN) {
		reason_add(reason, "%s: another dataplane listens on it: stop that first",
			name->sun_path);
		error = -EADDRINUSE;
	} else {
		unlink(name->sun_path);
	}
	close(fd);
	return error;
}

// Nobody but root can connect before the socket has its group and mode.
// The socket gets its name when it listens already, so that whoever finds it can connect.
static int listen_on(struct channel *channel, const struct sockaddr_un *name, struct reason *reason)
{
	struct sockaddr_un fresh = {.sun_family = AF_UNIX};
	mode_t mask;
	int error;

	error = remove_stale(name, reason);
	if (error)
		return error;
	memcpy(fresh.sun_path, name->sun_path, strlen(name->sun_path) + 1);
	memcpy(fresh.sun_path + strlen(name->sun_path), FRESH, sizeof(FRESH));
	unlink(fresh.sun_path);
	channel->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (channel->listener < 0)
		return -errno;
	mask = umask(0177);
	error = bind(channel->listener, (const struct sockaddr *)&fresh, sizeof(fresh)) < 0 ? -errno
											    : 0;
	umask(mask);
	if (error)
		return error;
	if ((channel->has_group && chown(fresh.sun_path, (uid_t)-1, channel->group) < 0) ||
		chmod(fresh.sun_path, 0660) < 0 || listen(channel->listener, BACKLOG) < 0 ||
		rename(fresh.sun_path, name->sun_path) < 0) {
		error = -errno;
		unlink(fresh.sun_path);
		return error;
	}
	channel->bound = true;
	return 0;
}

static void find_group(struct channel *channel, const char *group)
{
	struct group *found = *group ? getgrnam(group) : NULL;

	if (found) {
		channel->has_group = true;
		channel->group = found->gr_gid;
	} else {
		log_warning("channel",
			"there is no group \"%s\": only root may connect (groupadd --system %s, or "
			"group in sluice.conf)",
			group, group);
	}
}

int channel_open(struct channel **channel, const char *path, const char *group,
	const struct channel_handlers *handlers, struct reason *reason)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	struct epoll_event event = {.events = EPOLLIN}; // data.ptr NULL is the listener
	struct channel *opened;
	int error;

	if (strlen(path) + sizeof(FRESH) > sizeof(name.sun_path)) {
		reason_add(reason, "%s: a socket's path has at most %zu characters", path,
			sizeof(name.sun_path) - sizeof(FRESH));
		return -ENAMETOOLONG;
	}
	memcpy(name.sun_path, path, strlen(path) + 1);
	opened = calloc(1, sizeof(*opened));
	if (!opened)
		return -ENOMEM;
	opened->handlers = *handlers;
	opened->listener = -1;
	opened->path = strdup(path);
	opened->epoll = epoll_create1(EPOLL_CLOEXEC);
	find_group(opened, group);
	if (!opened->path)
		error = -ENOMEM;
	else if (opened->epoll < 0)
		error = -errno;
	else
		error = listen_on(opened, &name, reason);
	if (!error && epoll_ctl(opened->epoll, EPOLL_CTL_ADD, opened->listener, &event) < 0)
		error = -errno;
	if (error) {
		if (!reason->count)
			reason_add(reason, "%s: cannot listen: %s", path, strerror(-error));
		channel_close(opened);
		return error;
	}
	*channel = opened;
	return 0;
}

void channel_close(struct channel *channel)
{
	if (!channel)
		return;
	for (unsigned i = 0; i < CLIENTS_MAX; i++)
		if (channel->clients[i].state != CLIENT_FREE)
			client_close(channel, &channel->clients[i]);
	if (channel->bound)
		unlink(channel->path);
	if (channel->listener >= 0)
		close(channel->listener);
	if (channel->epoll >= 0)
		close(channel->epoll);
	free(channel->path);
	free(channel);
}
