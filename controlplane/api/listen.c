// SPDX-License-Identifier: BSD-3-Clause
#include "listen.h"

#include "log.h"

#include <errno.h>
#include <grp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

// Binds beside the final name, so that nobody finds a socket with other rights than it shall have.
int listen_unix(const char *path, const char *group_name, struct reason *reason)
{
	const struct group *group = getgrnam(group_name);
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int error = 0, fd;

	if ((size_t)snprintf(name.sun_path, sizeof(name.sun_path), "%s.new", path) >=
		sizeof(name.sun_path)) {
		reason_add(
			reason, "%s: too long for a socket's name: choose a shorter run_dir", path);
		return -ENAMETOOLONG;
	}
	unlink(name.sun_path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&name, sizeof(name)) < 0 ||
		chmod(name.sun_path, 0660) < 0 || listen(fd, LISTEN_BACKLOG) < 0)
		error = -errno;
	if (!error && group && chown(name.sun_path, (uid_t)-1, group->gr_gid) < 0 && geteuid() == 0)
		error = -errno;
	if (!error && rename(name.sun_path, path) < 0)
		error = -errno;
	if (!error && !group)
		log_warning("api", "there is no group \"%s\": only root may connect", group_name);
	if (error)
		reason_add(reason, "%s: cannot listen: %s", path, strerror(-error));
	if (error && fd >= 0)
		close(fd);
	return error ? error : fd;
}

int listen_tcp(const struct listen_settings *settings, const char *key, struct reason *reason)
{
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(settings->port)};
	struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(settings->port)};
	const struct sockaddr *name = (const struct sockaddr *)&six;
	socklen_t length = sizeof(six);
	char word[ADDR_TEXT];
	int yes = 1, no = 0;
	size_t bytes;
	const void *address = addr_bytes(&settings->address, &bytes);
	int fd, error = 0;

	memcpy(bytes == 4 ? (void *)&four.sin_addr : (void *)&six.sin6_addr, address, bytes);
	if (bytes == 4) {
		name = (const struct sockaddr *)&four;
		length = sizeof(four);
	}
	fd = socket(name->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0) {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
		// The address may be one that this box has only later.
		setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &yes, sizeof(yes));
		if (bytes != 4)
			setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no));
	}
	if (fd < 0 || bind(fd, name, length) < 0 || listen(fd, LISTEN_BACKLOG) < 0) {
		error = -errno;
		reason_add(reason, "%s: cannot listen at %s port %u: %s", key,
			addr_format(&settings->address, word), settings->port, strerror(-error));
		if (fd >= 0)
			close(fd);
		return error;
	}
	return fd;
}
