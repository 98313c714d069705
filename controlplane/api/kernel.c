// SPDX-License-Identifier: BSD-3-Clause
#include "kernel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define ROOM 32768 // as the kernel fills at most

void kernel_attributes(
	struct rtattr *attribute, size_t length, struct rtattr **by_type, unsigned short most)
{
	memset(by_type, 0, ((size_t)most + 1) * sizeof(*by_type));
	for (; RTA_OK(attribute, length); attribute = RTA_NEXT(attribute, length))
		if ((attribute->rta_type & NLA_TYPE_MASK) <= most)
			by_type[attribute->rta_type & NLA_TYPE_MASK] = attribute;
}

// 1 when the dump is over.
static int read_part(int fd, void (*each)(void *arg, struct nlmsghdr *message), void *arg)
{
	char bytes[ROOM] __attribute__((aligned(NLMSG_ALIGNTO)));
	ssize_t n = recv(fd, bytes, sizeof(bytes), 0);
	struct nlmsghdr *message = (struct nlmsghdr *)bytes;
	size_t left = n > 0 ? (size_t)n : 0;

	if (n < 0)
		return -errno;
	for (; NLMSG_OK(message, left); message = NLMSG_NEXT(message, left)) {
		if (message->nlmsg_type == NLMSG_DONE)
			return 1;
		if (message->nlmsg_type == NLMSG_ERROR)
			return -EIO;
		each(arg, message);
	}
	return n ? 0 : -EIO;
}

int kernel_dump(unsigned short what, void (*each)(void *arg, struct nlmsghdr *message), void *arg)
{
	struct {
		struct nlmsghdr head;
		struct rtmsg body; // as long as struct ndmsg, and zero but for the family
	} question = {
		.head = {.nlmsg_len = sizeof(question),
			.nlmsg_type = what,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
			.nlmsg_seq = 1},
	};
	const struct timeval patience = {.tv_sec = 1};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	int done = 0;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (send(fd, &question, sizeof(question), 0) < 0)
		done = -errno;
	while (!done)
		done = read_part(fd, each, arg);
	close(fd);
	return done < 0 ? done : 0;
}

int kernel_ask(struct nlmsghdr *message)
{
	const struct timeval patience = {.tv_sec = 1};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct {
		struct nlmsghdr head;
		struct nlmsgerr error;
		char rest[256];
	} answer;
	int error = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	message->nlmsg_seq = 1;
	n = send(fd, message, message->nlmsg_len, 0);
	if (n >= 0)
		n = recv(fd, &answer, sizeof(answer), 0);
	if (n < 0)
		error = -errno;
	else if ((size_t)n < sizeof(answer.head) + sizeof(answer.error) ||
		 answer.head.nlmsg_type != NLMSG_ERROR)
		error = -EIO;
	else
		error = answer.error.error;
	close(fd);
	return error;
}
