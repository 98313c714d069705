// SPDX-License-Identifier: BSD-3-Clause
// rtnetlink (RFC 3549), by libmnl: one socket asks and waits for the answer, which the kernel has
// ready when send() returns; one socket hears what changes. Main lcore only.
//
// Messages come from the kernel, yet lengths are checked all the same. An answer is told from the
// leavings of an earlier, broken off question by its sequence number.
#include "host_internal.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#define EVENT_BUFFER (8 << 20)
#define EVENT_READS  64 // reads a poll, so that a storm of events does not hold up the rest

// The kernel has the name of no group in a mask beyond 31, so they are joined one by one.
static const int event_groups[] = {
	RTNLGRP_LINK,
	RTNLGRP_NEIGH,
	RTNLGRP_IPV4_IFADDR,
	RTNLGRP_IPV4_ROUTE,
	RTNLGRP_IPV6_IFADDR,
	RTNLGRP_IPV6_ROUTE,
	RTNLGRP_NEXTHOP,
};

static int open_events(struct netlink *netlink)
{
	int size = EVENT_BUFFER;
	int fd;

	netlink->events = mnl_socket_open2(NETLINK_ROUTE, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (!netlink->events || mnl_socket_bind(netlink->events, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	fd = mnl_socket_get_fd(netlink->events);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)); // as much as there is
	for (unsigned i = 0; i < sizeof(event_groups) / sizeof(event_groups[0]); i++) {
		int group = event_groups[i];

		if (mnl_socket_setsockopt(
			    netlink->events, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
			return -errno;
	}
	return 0;
}

int netlink_open(struct netlink *netlink)
{
	struct timeval patience = {.tv_sec = 2};
	int on = 1;
	int fd;

	netlink->request = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!netlink->request || mnl_socket_bind(netlink->request, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	fd = mnl_socket_get_fd(netlink->request);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	// Without them dumps are not filtered and refusals have no text: both are lived with.
	mnl_socket_setsockopt(netlink->request, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	mnl_socket_setsockopt(netlink->request, NETLINK_EXT_ACK, &on, sizeof(on));
	return open_events(netlink);
}

void netlink_close(struct netlink *netlink)
{
	if (netlink->request)
		mnl_socket_close(netlink->request);
	if (netlink->events)
		mnl_socket_close(netlink->events);
	netlink->request = NULL;
	netlink->events = NULL;
}

struct nlmsghdr *netlink_begin(
	struct netlink *netlink, uint16_t type, uint16_t flags, const void *header, size_t length)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(netlink->message);

	message->nlmsg_type = type;
	message->nlmsg_flags = NLM_F_REQUEST | flags;
	message->nlmsg_seq = ++netlink->sequence;
	memcpy(mnl_nlmsg_put_extra_header(message, length), header, length);
	return message;
}

static void keep_words(struct netlink *netlink, const struct nlmsghdr *answer)
{
	const struct nlmsgerr *error = mnl_nlmsg_get_payload(answer);
	size_t header = sizeof(*error);
	const struct nlattr *attribute;

	if (!(answer->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	if (!(answer->nlmsg_flags & NLM_F_CAPPED) && error->msg.nlmsg_len > NLMSG_HDRLEN)
		header += NLMSG_ALIGN(error->msg.nlmsg_len) - NLMSG_HDRLEN;
	if (mnl_nlmsg_get_payload_len(answer) < header)
		return;
	mnl_attr_for_each (attribute, answer, header)
		if (mnl_attr_get_type(attribute) == NLMSGERR_ATTR_MSG &&
			mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0)
			snprintf(netlink->said, sizeof(netlink->said), "%s",
				mnl_attr_get_str(attribute));
}

// One read of the request socket. 1 = more is to come, 0 or -errno = the verdict.
static int read_answers(struct netlink *netlink, netlink_visit visit, void *arg, bool *interrupted)
{
	ssize_t got =
		mnl_socket_recvfrom(netlink->request, netlink->buffer, sizeof(netlink->buffer));
	const struct nlmsghdr *message = (const struct nlmsghdr *)netlink->buffer;
	int left = (int)got;

	if (got < 0)
		return errno == EINTR ? 1 : -errno;
	for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
		if (message->nlmsg_seq != netlink->sequence)
			continue;
		if (message->nlmsg_flags & NLM_F_DUMP_INTR)
			*interrupted = true;
		if (message->nlmsg_type == NLMSG_ERROR) {
			if (mnl_nlmsg_get_payload_len(message) < sizeof(struct nlmsgerr))
				return -EBADMSG;
			keep_words(netlink, message);
			return ((const struct nlmsgerr *)mnl_nlmsg_get_payload(message))->error;
		}
		if (message->nlmsg_type == NLMSG_DONE) {
			int error = 0;

			if (mnl_nlmsg_get_payload_len(message) >= sizeof(error))
				memcpy(&error, mnl_nlmsg_get_payload(message), sizeof(error));
			return error;
		}
		if (message->nlmsg_type >= NLMSG_MIN_TYPE && visit)
			visit(arg, message);
	}
	return 1;
}

static int ask(struct netlink *netlink, struct nlmsghdr *message, netlink_visit visit, void *arg)
{
	bool interrupted = false;
	int rc;

	netlink->said[0] = '\0';
	if (mnl_socket_sendto(netlink->request, message, message->nlmsg_len) < 0)
		return -errno;
	do {
		rc = read_answers(netlink, visit, arg, &interrupted);
	} while (rc > 0);
	return rc == 0 && interrupted ? -EINTR : rc;
}

int netlink_talk(struct netlink *netlink, struct nlmsghdr *message)
{
	message->nlmsg_flags |= NLM_F_ACK;
	return ask(netlink, message, NULL, NULL);
}

int netlink_dump(struct netlink *netlink, struct nlmsghdr *message, netlink_visit visit, void *arg)
{
	message->nlmsg_flags |= NLM_F_DUMP;
	return ask(netlink, message, visit, arg);
}

int netlink_events(struct netlink *netlink, netlink_visit visit, void *arg)
{
	for (unsigned i = 0; i < EVENT_READS; i++) {
		ssize_t got = mnl_socket_recvfrom(
			netlink->events, netlink->buffer, sizeof(netlink->buffer));
		const struct nlmsghdr *message = (const struct nlmsghdr *)netlink->buffer;
		int left = (int)got;

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return errno == EAGAIN ? 0 : -errno;
		for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left))
			if (message->nlmsg_type >= NLMSG_MIN_TYPE)
				visit(arg, message);
	}
	return 1;
}

int netlink_events_fd(const struct netlink *netlink)
{
	return mnl_socket_get_fd(netlink->events);
}

void netlink_put_address(struct nlmsghdr *message, uint16_t type, const struct addr *address)
{
	size_t length;
	const uint8_t *bytes = addr_bytes(address, &length);

	mnl_attr_put(message, type, length, bytes);
}

bool netlink_get_address(const struct rtattr *attribute, struct addr *address)
{
	return attribute &&
	       addr_from_bytes(address, RTA_DATA(attribute), RTA_PAYLOAD(attribute)) == 0;
}

void netlink_attributes(
	const struct nlmsghdr *message, size_t header, const struct rtattr **table, unsigned most)
{
	const struct nlattr *attribute;

	for (unsigned i = 0; i <= most; i++)
		table[i] = NULL;
	if (mnl_nlmsg_get_payload_len(message) < header)
		return;
	mnl_attr_for_each (attribute, message, header)
		if (mnl_attr_get_type(attribute) <= most)
			table[mnl_attr_get_type(attribute)] = (const struct rtattr *)attribute;
}
