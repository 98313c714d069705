// SPDX-License-Identifier: BSD-3-Clause
// What rtnetlink knows of a netdev, in the caller's network namespace. See netdev.h.
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netdev.h"

// Every request's fixed header fits, and begins with the family.
union header {
	struct rtgenmsg any;
	struct ifaddrmsg address;
	struct ifinfomsg link;
	struct rtmsg route;
};

static int query(
	uint16_t type, uint16_t flags, const union header *header, mnl_cb_t callback, void *data)
{
	char buffer[16384];
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	int rc = 0;

	if (!socket)
		return -errno;
	message->nlmsg_type = type;
	message->nlmsg_flags = NLM_F_REQUEST | flags;
	memcpy(mnl_nlmsg_put_extra_header(message, sizeof(*header)), header, sizeof(*header));
	if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
		mnl_socket_sendto(socket, message, message->nlmsg_len) < 0)
		rc = -errno;
	while (rc == 0) {
		ssize_t n = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));
		int more = n < 0 ? -1 : mnl_cb_run(buffer, (size_t)n, 0, 0, callback, data);

		if (more < 0)
			rc = -errno;
		if (more <= 0 || !(flags & NLM_F_DUMP))
			break;
	}
	mnl_socket_close(socket);
	return rc;
}

// What an address dump has found so far.
struct address_list {
	int index;
	unsigned count, size;
	char *text;
};

static int take_address(const struct nlmsghdr *message, void *data)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(message);
	struct address_list *list = data;
	const struct nlattr *attribute, *local = NULL;
	size_t length = strlen(list->text);
	char text[INET6_ADDRSTRLEN];

	// An IPv6 link-local address comes by itself and goes with disable_ipv6.
	if ((int)ifa->ifa_index != list->index || ifa->ifa_scope == RT_SCOPE_LINK)
		return MNL_CB_OK;
	mnl_attr_for_each (attribute, message, sizeof(*ifa)) {
		uint16_t type = mnl_attr_get_type(attribute);

		if (type == IFA_LOCAL || (type == IFA_ADDRESS && !local))
			local = attribute;
	}
	if (!local || mnl_attr_get_payload_len(local) < (ifa->ifa_family == AF_INET ? 4 : 16) ||
		!inet_ntop(ifa->ifa_family, mnl_attr_get_payload(local), text, sizeof(text)))
		return MNL_CB_OK;
	list->count++;
	snprintf(list->text + length, list->size - length, "%s%s/%u", length ? ", " : "", text,
		ifa->ifa_prefixlen);
	return MNL_CB_OK;
}

int netdev_addresses(int index, char *text, unsigned size)
{
	struct address_list list = {.index = index, .text = text, .size = size};
	union header header = {.address = {.ifa_family = AF_UNSPEC}};
	int rc;

	text[0] = 0;
	rc = query(RTM_GETADDR, NLM_F_DUMP, &header, take_address, &list);
	return rc < 0 ? rc : (int)list.count;
}

struct route_search {
	int index;
	bool found;
};

static int take_route(const struct nlmsghdr *message, void *data)
{
	const struct rtmsg *route = mnl_nlmsg_get_payload(message);
	const struct nlattr *attribute;
	struct route_search *search = data;

	if (route->rtm_dst_len != 0 || route->rtm_type != RTN_UNICAST)
		return MNL_CB_OK;
	mnl_attr_for_each (attribute, message, sizeof(*route)) {
		if (mnl_attr_get_type(attribute) == RTA_OIF &&
			mnl_attr_get_payload_len(attribute) == sizeof(uint32_t) &&
			(int)mnl_attr_get_u32(attribute) == search->index)
			search->found = true;
	}
	return MNL_CB_OK;
}

static bool has_default_route(int index)
{
	struct route_search search = {.index = index};
	union header header = {.route = {.rtm_family = AF_UNSPEC}};

	return query(RTM_GETROUTE, NLM_F_DUMP, &header, take_route, &search) == 0 && search.found;
}

static void append(char *text, unsigned size, const char *what, const char *more)
{
	size_t length = strlen(text);

	snprintf(text + length, size - length, "%s%s%s", length ? ", " : "", what, more);
}

bool netdev_in_use(const char *name, char *uses, unsigned size)
{
	struct ifreq ifr = {0};
	int index = (int)if_nametoindex(name);
	int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char addresses[256];
	size_t before = strlen(uses);

	if (control < 0 || !index) {
		if (control >= 0)
			close(control);
		return false;
	}
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (ioctl(control, SIOCGIFFLAGS, &ifr) == 0 && (ifr.ifr_flags & IFF_UP))
		append(uses, size, name, " is up");
	close(control);
	if (netdev_addresses(index, addresses, sizeof(addresses)) > 0)
		append(uses, size, "it has ", addresses);
	if (has_default_route(index))
		append(uses, size, "the default route goes there", "");
	return strlen(uses) > before;
}

static int take_statistics(const struct nlmsghdr *message, void *data)
{
	const struct nlattr *attribute;
	struct rtnl_link_stats64 statistics;

	mnl_attr_for_each (attribute, message, sizeof(struct ifinfomsg)) {
		if (mnl_attr_get_type(attribute) != IFLA_STATS64 ||
			mnl_attr_get_payload_len(attribute) <
				offsetof(struct rtnl_link_stats64, multicast))
			continue;
		memset(&statistics, 0, sizeof(statistics));
		memcpy(&statistics, mnl_attr_get_payload(attribute),
			RTE_MIN(sizeof(statistics), (size_t)mnl_attr_get_payload_len(attribute)));
		*(uint64_t *)data = statistics.tx_dropped;
	}
	return MNL_CB_OK;
}

uint64_t netdev_unsent(int index)
{
	union header header = {.link = {.ifi_family = AF_UNSPEC, .ifi_index = index}};
	uint64_t unsent = 0;

	query(RTM_GETLINK, 0, &header, take_statistics, &unsent);
	return unsent;
}
