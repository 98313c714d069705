// SPDX-License-Identifier: BSD-3-Clause
// Is the kernel using this netdev, so that taking its device away would cut somebody off? By ioctl
// and rtnetlink, in the caller's network namespace. Main lcore.
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netdev.h"
#include "pci_bind.h"

static void append(char *text, unsigned size, const char *what, const char *more)
{
	size_t length = strlen(text);

	snprintf(text + length, size - length, "%s%s%s", length ? ", " : "", what, more);
}

static int take_route(const struct nlmsghdr *message, void *data)
{
	const struct rtmsg *route = mnl_nlmsg_get_payload(message);
	const struct nlattr *attribute;
	int *wanted = data;

	if (route->rtm_dst_len != 0 || route->rtm_type != RTN_UNICAST)
		return MNL_CB_OK;
	mnl_attr_for_each(attribute, message,
		sizeof(*route)) if (mnl_attr_get_type(attribute) == RTA_OIF &&
				    mnl_attr_get_payload_len(attribute) == 4 &&
				    (int)mnl_attr_get_u32(attribute) == *wanted) *wanted =
		0; // found
	return MNL_CB_OK;
}

static bool has_default_route(int index)
{
	char buffer[8192];
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct rtmsg *route;
	ssize_t n;
	int rc;

	if (!socket)
		return false;
	message->nlmsg_type = RTM_GETROUTE;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	route = mnl_nlmsg_put_extra_header(message, sizeof(*route));
	route->rtm_family = AF_UNSPEC;
	if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) == 0 &&
		mnl_socket_sendto(socket, message, message->nlmsg_len) > 0) {
		do {
			n = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));
			rc = n < 0 ? -1 : mnl_cb_run(buffer, (size_t)n, 0, 0, take_route, &index);
		} while (rc > 0);
	}
	mnl_socket_close(socket);
	return index == 0;
}

bool netdev_in_use(const char *name, char *uses, unsigned size)
{
	struct ifreq ifr = {0};
	int index = (int)if_nametoindex(name);
	int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char addresses[256];
	unsigned before = (unsigned)strlen(uses);

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
