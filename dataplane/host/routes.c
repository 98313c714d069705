// SPDX-License-Identifier: BSD-3-Clause
// The routes we want in the kernel, put there and kept there.
//
// They carry a protocol number of our own, which tells them from those of an operator or a routing
// daemon: only ours are ever removed. They are compared with what the kernel has whenever its
// routes, addresses or links change, so one that could not be set yet, or that the kernel dropped
// because its link went down, comes by itself. Main lcore only.
#include <errno.h>
#include <libmnl/libmnl.h>
#include <stdlib.h>
#include <string.h>

#include "host_internal.h"
#include "log.h"

static int compare_prefixes(const struct prefix *a, const struct prefix *b)
{
	int order = addr_compare(&a->addr, &b->addr);

	// Equal addresses are of one family, so the lengths are of one kind.
	return order ? order : (int)a->length - (int)b->length;
}

static int compare_wanted(const void *a, const void *b)
{
	const struct wanted_route *x = a, *y = b;

	return compare_prefixes(&x->to, &y->to);
}

static int compare_present(const void *a, const void *b)
{
	const struct kernel_route *x = a, *y = b;

	return compare_prefixes(&x->to, &y->to);
}

int wanted_set(struct wanted_routes *wanted, const struct fib_route *routes, unsigned count)
{
	struct wanted_route *list = calloc(count + 1, sizeof(*list));
	uint32_t kept = 0;

	if (!list)
		return -ENOMEM;
	for (unsigned i = 0; i < count; i++) {
		list[i] = (struct wanted_route){.to = routes[i].to, .via = routes[i].via};
		prefix_mask(&list[i].to);
	}
	qsort(list, count, sizeof(*list), compare_wanted);
	for (unsigned i = 0; i < count; i++)
		if (!kept || compare_wanted(&list[kept - 1], &list[i]))
			list[kept++] = list[i];
	free(wanted->list);
	wanted->list = list;
	wanted->count = kept;
	return 0;
}

// house: six parameters, what makes a route one's own.
static struct nlmsghdr *begin_route(struct netlink *netlink, const struct wanted_routes *wanted,
	uint16_t type, uint16_t flags, const struct prefix *to, uint32_t priority)
{
	const struct rtmsg header = {
		.rtm_family = addr_is_v4(&to->addr) ? AF_INET : AF_INET6,
		.rtm_dst_len = to->length,
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = wanted->protocol,
		.rtm_scope = type == RTM_DELROUTE ? RT_SCOPE_NOWHERE : RT_SCOPE_UNIVERSE,
		.rtm_type = type == RTM_DELROUTE ? RTN_UNSPEC : RTN_UNICAST,
	};
	struct nlmsghdr *message = netlink_begin(netlink, type, flags, &header, sizeof(header));

	if (to->length)
		netlink_put_address(message, RTA_DST, &to->addr);
	mnl_attr_put_u32(message, RTA_PRIORITY, priority);
	return message;
}

static int add_route(struct netlink *netlink, const struct wanted_routes *wanted,
	const struct wanted_route *route)
{
	struct nlmsghdr *message = begin_route(netlink, wanted, RTM_NEWROUTE,
		NLM_F_CREATE | NLM_F_REPLACE, &route->to, wanted->priority);

	if (addr_is_v4(&route->to.addr) == addr_is_v4(&route->via)) {
		netlink_put_address(message, RTA_GATEWAY, &route->via);
	} else { // IPv4 through an IPv6 gateway (RFC 5549)
		const uint16_t family = AF_INET6;
		uint8_t via[sizeof(family) + sizeof(route->via.byte)];

		memcpy(via, &family, sizeof(family));
		memcpy(via + sizeof(family), route->via.byte, sizeof(route->via.byte));
		mnl_attr_put(message, RTA_VIA, sizeof(via), via);
	}
	return netlink_talk(netlink, message);
}

static bool is_as_wanted(const struct mirror *mirror, const struct wanted_routes *wanted,
	const struct kernel_route *present, const struct wanted_route *route)
{
	return present->type == RTN_UNICAST && present->priority == wanted->priority &&
	       present->hop_count == 1 &&
	       addr_compare(&mirror->hops[present->first_hop].via, &route->via) == 0;
}

static void tell(struct wanted_routes *wanted, struct wanted_route *route, int error,
	const struct netlink *netlink, struct reason *reason)
{
	const char *separator = netlink->said[0] ? ": " : "";
	char to[PREFIX_TEXT], via[ADDR_TEXT];

	prefix_format(&route->to, to);
	addr_format(&route->via, via);
	if (reason)
		reason_add(reason, "route %s via %s of %s: the kernel refuses it: %s%s%s", to, via,
			wanted->what, strerror(error), separator, netlink->said);
	else if (!route->refused)
		log_warning("host",
			"route %s via %s of %s: the kernel refuses it: %s%s%s; it is tried "
			"again when links or addresses change",
			to, via, wanted->what, strerror(error), separator, netlink->said);
	route->refused = true;
}

static int put_wanted(struct wanted_routes *wanted, struct wanted_route *route,
	struct netlink *netlink, struct reason *reason)
{
	int rc = add_route(netlink, wanted, route);

	if (rc < 0)
		tell(wanted, route, -rc, netlink, reason);
	else
		route->refused = false;
	return rc;
}

static void remove_present(const struct wanted_routes *wanted, struct netlink *netlink,
	const struct kernel_route *present)
{
	struct nlmsghdr *message =
		begin_route(netlink, wanted, RTM_DELROUTE, 0, &present->to, present->priority);
	int rc = netlink_talk(netlink, message);
	char to[PREFIX_TEXT];

	if (rc < 0 && rc != -ESRCH)
		log_warning("host", "cannot remove the route %s, which %s no longer has: %s",
			prefix_format(&present->to, to), wanted->what, strerror(-rc));
}

// Those of our protocol in the main table, sorted by prefix. NULL when there is no memory.
static struct kernel_route *list_present(
	const struct wanted_routes *wanted, const struct mirror *mirror, uint32_t *count)
{
	struct kernel_route *list = calloc((size_t)mirror->route_count + 1, sizeof(*list));

	*count = 0;
	if (!list)
		return NULL;
	for (uint32_t i = 0; i < mirror->route_count; i++)
		if (!mirror->routes[i].local_table &&
			mirror->routes[i].protocol == wanted->protocol)
			list[(*count)++] = mirror->routes[i];
	qsort(list, *count, sizeof(*list), compare_present);
	return list;
}

int wanted_apply(struct wanted_routes *wanted, const struct mirror *mirror, struct netlink *netlink,
	struct reason *reason)
{
	uint32_t count, p = 0, w = 0;
	struct kernel_route *present = list_present(wanted, mirror, &count);
	int first = 0;

	wanted->touched = false;
	if (!present)
		return -ENOMEM;
	while (p < count || w < wanted->count) {
		struct wanted_route *want = &wanted->list[w];
		bool right = false;
		int order, rc;

		if (p == count)
			order = 1;
		else if (w == wanted->count)
			order = -1;
		else
			order = compare_prefixes(&present[p].to, &want->to);
		if (order < 0) {
			remove_present(wanted, netlink, &present[p++]);
			wanted->touched = true;
			continue;
		}
		// Several of one prefix, with other metrics, are of no use to us.
		for (; p < count && compare_prefixes(&present[p].to, &want->to) == 0; p++) {
			if (is_as_wanted(mirror, wanted, &present[p], want))
				right = true;
			else if (present[p].priority != wanted->priority)
				remove_present(wanted, netlink, &present[p]);
		}
		rc = right ? 0 : put_wanted(wanted, want, netlink, reason);
		wanted->touched |= !right;
		first = first ? first : rc;
		w++;
	}
	free(present);
	return first;
}
