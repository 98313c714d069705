// SPDX-License-Identifier: BSD-3-Clause
// What the kernel knows, as far as the packet's way needs it, and the fib made of it.
//
// Routes and addresses are read whole whenever something about them changed: the kernel drops and
// replaces routes in ways of which its events tell only part (a link that goes down, a replaced
// multipath route, a next hop object), and an appliance has some thousands at most. Neighbours
// change all the time and are kept current one by one, see neighbours.c.
// The tables `local` and `main` are mirrored; other tables and their rules are for the kernel's own
// packets. A route out of a device that is not a twin means: not ours, give it to the kernel.
// Main lcore only.
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "host_internal.h"

#define DUMP_TRIES 5

int mirror_init(
	struct mirror *mirror, struct iface *ifaces, unsigned iface_count, uint32_t neighbours)
{
	*mirror = (struct mirror){.ifaces = ifaces, .iface_count = iface_count};
	return neighbours_init(&mirror->neighbours, neighbours);
}

void mirror_fini(struct mirror *mirror)
{
	neighbours_fini(&mirror->neighbours);
	free(mirror->routes);
	free(mirror->hops);
	free(mirror->sources);
}

struct iface *mirror_iface(const struct mirror *mirror, int kernel_index)
{
	for (unsigned i = 0; i < mirror->iface_count; i++)
		if (mirror->ifaces[i].kernel_index == kernel_index)
			return &mirror->ifaces[i];
	return NULL;
}

// Room for one more of `size` bytes in *list; NULL when there is no memory.
static void *one_more(
	struct mirror *mirror, void **list, uint32_t count, uint32_t *room, size_t size)
{
	if (count == *room) {
		uint32_t more = *room ? *room * 2 : 64;
		void *moved = reallocarray(*list, more, size);

		if (!moved) {
			mirror->no_memory = true;
			return NULL;
		}
		*list = moved;
		*room = more;
	}
	return (char *)*list + (size_t)count * size;
}

static void add_hop(struct mirror *mirror, struct kernel_route *route, int kernel_index,
	const struct addr *via, unsigned flags)
{
	const struct iface *iface = mirror_iface(mirror, kernel_index);
	struct next_hop *hop = one_more(mirror, (void **)&mirror->hops, mirror->hop_count,
		&mirror->hop_room, sizeof(*mirror->hops));

	if (!hop)
		return;
	*hop = (struct next_hop){
		.via = via ? *via : (struct addr){{0}},
		.iface = iface ? iface->index : IFACE_FOREIGN,
		.dead = flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN),
	};
	mirror->hop_count++;
	route->hop_count++;
}

// RTA_GATEWAY, or RTA_VIA, which names a gateway of the other family.
static bool get_gateway(
	const struct rtattr *gateway, const struct rtattr *via, struct addr *address)
{
	const struct rtvia *other;
	size_t length;

	if (gateway)
		return netlink_get_address(gateway, address);
	if (!via || RTA_PAYLOAD(via) < sizeof(*other))
		return false;
	other = RTA_DATA(via);
	length = RTA_PAYLOAD(via) - sizeof(*other);
	return addr_from_bytes(address, other->rtvia_addr, length) == 0;
}

static void add_multipath(
	struct mirror *mirror, struct kernel_route *route, const struct rtattr *paths)
{
	const struct rtnexthop *hop = RTA_DATA(paths);
	int left = RTA_PAYLOAD(paths);

	while (RTNH_OK(hop, left)) {
		const struct rtattr *attribute = RTNH_DATA(hop);
		int size = hop->rtnh_len - (int)sizeof(*hop);
		const struct rtattr *gateway = NULL, *via = NULL;
		struct addr address;
		bool found;

		for (; RTA_OK(attribute, size); attribute = RTA_NEXT(attribute, size)) {
			if (attribute->rta_type == RTA_GATEWAY)
				gateway = attribute;
			if (attribute->rta_type == RTA_VIA)
				via = attribute;
		}
		found = get_gateway(gateway, via, &address);
		add_hop(mirror, route, hop->rtnh_ifindex, found ? &address : NULL, hop->rtnh_flags);
		left -= NLMSG_ALIGN(hop->rtnh_len);
		hop = RTNH_NEXT(hop);
	}
}

static uint32_t get_number(const struct rtattr *attribute, uint32_t otherwise)
{
	uint32_t number = otherwise;

	if (attribute && RTA_PAYLOAD(attribute) == sizeof(number))
		memcpy(&number, RTA_DATA(attribute), sizeof(number));
	return number;
}

static bool is_ambiguous(const struct prefix *to) // fe80::/10 is on every link
{
	return to->addr.byte[0] == 0xfe && (to->addr.byte[1] & 0xc0) == 0x80 && to->length < 128;
}

static void visit_route(void *arg, const struct nlmsghdr *message)
{
	const struct rtmsg *header = mnl_nlmsg_get_payload(message);
	const struct rtattr *attributes[RTA_MAX + 1];
	struct mirror *mirror = arg;
	struct kernel_route *route;
	struct addr via;
	struct prefix to = {0};
	uint32_t table;

	if (message->nlmsg_type != RTM_NEWROUTE ||
		mnl_nlmsg_get_payload_len(message) < sizeof(*header) ||
		(header->rtm_family != AF_INET && header->rtm_family != AF_INET6) ||
		(header->rtm_flags & RTM_F_CLONED))
		return;
	netlink_attributes(message, sizeof(*header), attributes, RTA_MAX);
	table = get_number(attributes[RTA_TABLE], header->rtm_table);
	if (table != RT_TABLE_MAIN && table != RT_TABLE_LOCAL)
		return;
	if (header->rtm_family == AF_INET)
		to.addr = addr_from_v4(0);
	if (attributes[RTA_DST] && !netlink_get_address(attributes[RTA_DST], &to.addr))
		return;
	to.length = header->rtm_dst_len;
	if (is_ambiguous(&to))
		return;
	route = one_more(mirror, (void **)&mirror->routes, mirror->route_count, &mirror->route_room,
		sizeof(*mirror->routes));
	if (!route)
		return;
	*route = (struct kernel_route){
		.to = to,
		.priority = get_number(attributes[RTA_PRIORITY], 0),
		.type = header->rtm_type,
		.protocol = header->rtm_protocol,
		.local_table = table == RT_TABLE_LOCAL,
		.first_hop = mirror->hop_count,
	};
	mirror->route_count++;
	if (attributes[RTA_MULTIPATH])
		add_multipath(mirror, route, attributes[RTA_MULTIPATH]);
	else
		add_hop(mirror, route, (int)get_number(attributes[RTA_OIF], 0),
			get_gateway(attributes[RTA_GATEWAY], attributes[RTA_VIA], &via) ? &via
											: NULL,
			header->rtm_flags);
}

static void visit_address(void *arg, const struct nlmsghdr *message)
{
	const struct ifaddrmsg *header = mnl_nlmsg_get_payload(message);
	const struct rtattr *attributes[IFA_MAX + 1];
	struct mirror *mirror = arg;
	struct fib_source *source;
	struct iface *iface;
	struct addr address;
	uint32_t flags;

	if (message->nlmsg_type != RTM_NEWADDR ||
		mnl_nlmsg_get_payload_len(message) < sizeof(*header))
		return;
	netlink_attributes(message, sizeof(*header), attributes, IFA_MAX);
	flags = get_number(attributes[IFA_FLAGS], header->ifa_flags);
	iface = mirror_iface(mirror, (int)header->ifa_index);
	// One that may still prove to be a duplicate, or did, is no source yet.
	if (!iface || (flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)) ||
		!netlink_get_address(
			attributes[IFA_LOCAL] ? attributes[IFA_LOCAL] : attributes[IFA_ADDRESS],
			&address))
		return;
	source = one_more(mirror, (void **)&mirror->sources, mirror->source_count,
		&mirror->source_room, sizeof(*mirror->sources));
	if (!source)
		return;
	*source = (struct fib_source){.address = address, .iface = iface->index};
	mirror->source_count++;
}

static int compare_routes(const void *a, const void *b)
{
	const struct kernel_route *x = a, *y = b;

	if (x->local_table != y->local_table)
		return x->local_table ? -1 : 1;
	if (x->priority != y->priority)
		return x->priority < y->priority ? -1 : 1;
	return x->first_hop < y->first_hop ? -1 : 1;
}

static int dump_table(struct mirror *mirror, struct netlink *netlink, uint8_t family, uint8_t table)
{
	const struct rtmsg header = {.rtm_family = family, .rtm_table = table};
	struct nlmsghdr *message = netlink_begin(netlink, RTM_GETROUTE, 0, &header, sizeof(header));
	int rc;

	mnl_attr_put_u32(message, RTA_TABLE, table);
	rc = netlink_dump(netlink, message, visit_route, mirror);
	// A family the kernel has not, or a table nobody put anything in yet.
	return rc == -ENOENT || rc == -EAFNOSUPPORT || rc == -EOPNOTSUPP ? 0 : rc;
}

static int dump_routes_once(struct mirror *mirror, struct netlink *netlink)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};
	static const uint8_t tables[] = {RT_TABLE_LOCAL, RT_TABLE_MAIN};
	const struct ifaddrmsg addresses = {.ifa_family = AF_UNSPEC};
	int rc = 0;

	mirror->route_count = 0;
	mirror->hop_count = 0;
	mirror->source_count = 0;
	mirror->no_memory = false;
	for (unsigned i = 0; rc == 0 && i < 4; i++)
		rc = dump_table(mirror, netlink, families[i / 2], tables[i % 2]);
	if (rc == 0)
		rc = netlink_dump(netlink,
			netlink_begin(netlink, RTM_GETADDR, 0, &addresses, sizeof(addresses)),
			visit_address, mirror);
	return mirror->no_memory ? -ENOMEM : rc;
}

int mirror_dump_routes(struct mirror *mirror, struct netlink *netlink)
{
	int rc = -EINTR;

	for (unsigned i = 0; rc == -EINTR && i < DUMP_TRIES; i++)
		rc = dump_routes_once(mirror, netlink);
	// A kernel that does not filter by table tells of one route in several dumps: harmless, the
	// first said counts.
	if (mirror->route_count)
		qsort(mirror->routes, mirror->route_count, sizeof(*mirror->routes), compare_routes);
	return rc;
}

bool mirror_neighbour(struct mirror *mirror, const struct nlmsghdr *message)
{
	const struct ndmsg *header = mnl_nlmsg_get_payload(message);
	const struct rtattr *attributes[NDA_LLADDR + 1];
	struct fib_neighbour neighbour = {.state = HOP_UNRESOLVED};
	const struct iface *iface;

	if (mnl_nlmsg_get_payload_len(message) < sizeof(*header) ||
		(header->ndm_family != AF_INET && header->ndm_family != AF_INET6) ||
		(header->ndm_flags & NTF_PROXY))
		return false;
	iface = mirror_iface(mirror, header->ndm_ifindex);
	netlink_attributes(message, sizeof(*header), attributes, NDA_LLADDR);
	if (!iface || !netlink_get_address(attributes[NDA_DST], &neighbour.address) ||
		addr_is_zero(&neighbour.address))
		return false;
	neighbour.iface = iface->index;
	if (message->nlmsg_type == RTM_DELNEIGH || header->ndm_state == NUD_NONE)
		return neighbours_remove(&mirror->neighbours, neighbour.iface, &neighbour.address);
	if (header->ndm_state == NUD_FAILED)
		neighbour.state = HOP_FAILED;
	if (header->ndm_state &
		(NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE)) {
		if (!attributes[NDA_LLADDR] ||
			RTA_PAYLOAD(attributes[NDA_LLADDR]) != sizeof(neighbour.mac))
			return false;
		memcpy(&neighbour.mac, RTA_DATA(attributes[NDA_LLADDR]), sizeof(neighbour.mac));
		if (rte_is_multicast_ether_addr(&neighbour.mac))
			return false; // the kernel's entries for groups and broadcasts
		neighbour.state = HOP_REACHABLE;
	}
	return neighbours_put(
		&mirror->neighbours, &neighbour, header->ndm_state & (NUD_PERMANENT | NUD_NOARP));
}

static void visit_neighbour(void *arg, const struct nlmsghdr *message)
{
	if (message->nlmsg_type == RTM_NEWNEIGH)
		mirror_neighbour(arg, message);
}

int mirror_dump_neighbours(struct mirror *mirror, struct netlink *netlink)
{
	const struct ndmsg header = {.ndm_family = AF_UNSPEC};
	int rc = -EINTR;

	for (unsigned i = 0; rc == -EINTR && i < DUMP_TRIES; i++) {
		neighbours_clear(&mirror->neighbours);
		rc = netlink_dump(netlink,
			netlink_begin(netlink, RTM_GETNEIGH, 0, &header, sizeof(header)),
			visit_neighbour, mirror);
	}
	return rc;
}

// Of several next hops the first that is alive and not known to be silent; else the first alive.
static const struct next_hop *choose_hop(
	const struct mirror *mirror, const struct kernel_route *route)
{
	const struct next_hop *best = NULL;

	for (uint32_t i = 0; i < route->hop_count; i++) {
		const struct next_hop *hop = &mirror->hops[route->first_hop + i];
		const struct fib_neighbour *neighbour;

		if (hop->dead)
			continue;
		if (!best)
			best = hop;
		if (hop->iface == IFACE_FOREIGN || addr_is_zero(&hop->via))
			return hop;
		neighbour = neighbours_find(&mirror->neighbours, hop->iface, &hop->via);
		if (!neighbour || neighbour->state != HOP_FAILED)
			return hop;
	}
	return best;
}

static bool translate(
	const struct mirror *mirror, const struct kernel_route *from, struct fib_route *to)
{
	const struct next_hop *hop;

	*to = (struct fib_route){.to = from->to, .result = FIB_REJECT};
	switch (from->type) {
	case RTN_LOCAL:
	case RTN_BROADCAST:
	case RTN_ANYCAST:
	case RTN_MULTICAST:
		to->result = FIB_LOCAL;
		return true;
	case RTN_UNICAST:
		break;
	default: // blackhole, unreachable, prohibit, throw: kernel's own numbers, no enum
		return from->type != RTN_THROW;
	}
	if (!addr_is_v4(&from->to.addr) && from->to.length >= 8 && from->to.addr.byte[0] == 0xff) {
		to->result = FIB_LOCAL; // multicast, as older kernels put it
		return true;
	}
	hop = choose_hop(mirror, from);
	if (!hop)
		return false; // dead: the next best route counts
	if (hop->iface != IFACE_FOREIGN) {
		to->result = FIB_HOP;
		to->iface = hop->iface;
		to->via = hop->via;
	}
	return true;
}

struct fib *mirror_build(const struct mirror *mirror, const struct fib *previous)
{
	struct fib_route *routes = calloc((size_t)mirror->route_count + 1, sizeof(*routes));
	struct fib *fib = NULL;
	unsigned count = 0;

	if (!routes)
		return NULL;
	for (uint32_t i = 0; i < mirror->route_count; i++)
		if (translate(mirror, &mirror->routes[i], &routes[count]))
			count++;
	fib = fib_build(previous, routes, count, mirror->neighbours.list, mirror->neighbours.count,
		mirror->sources, mirror->source_count);
	free(routes);
	return fib;
}
