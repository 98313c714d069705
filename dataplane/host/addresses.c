// SPDX-License-Identifier: BSD-3-Clause
// Which addresses a twin has: those configured for its interface, and those of full NAT's source
// addresses that lie in its subnets, each as a host address. So the kernel answers ARP and
// neighbour discovery for them, and resets what comes to them and belongs to no flow. A source
// address that lies in no subnet of ours is routed to us by somebody: the first interface takes it.
#include <stdlib.h>
#include <string.h>

#include "host_internal.h"

static const struct prefix *configured(
	const struct settings *settings, const struct iface *iface, unsigned *count)
{
	const struct port_settings *port;

	*count = 0;
	if (iface->port >= settings->port_count)
		return NULL;
	port = &settings->ports[iface->port];
	if (!iface->vlan) {
		*count = port->address_count;
		return port->addresses;
	}
	for (unsigned i = 0; i < port->vlan_count; i++)
		if (port->vlans[i].id == iface->vlan) {
			*count = port->vlans[i].address_count;
			return port->vlans[i].addresses;
		}
	return NULL;
}

static bool in_subnet_of(
	const struct settings *settings, const struct iface *iface, const struct addr *address)
{
	unsigned count;
	const struct prefix *own = configured(settings, iface, &count);

	for (unsigned i = 0; i < count; i++) {
		struct prefix subnet = own[i];

		prefix_mask(&subnet);
		if (prefix_contains(&subnet, address))
			return true;
	}
	return false;
}

static unsigned iface_of_source(const struct settings *settings, const struct iface *ifaces,
	unsigned iface_count, const struct addr *address)
{
	for (unsigned i = 0; i < iface_count; i++)
		if (in_subnet_of(settings, &ifaces[i], address))
			return i;
	return 0;
}

static bool is_own(const struct prefix *own, unsigned count, const struct addr *address)
{
	for (unsigned i = 0; i < count; i++)
		if (addr_compare(&own[i].addr, address) == 0)
			return true;
	return false;
}

int addresses_of(const struct settings *settings, const struct iface *ifaces, unsigned iface_count,
	unsigned index, struct prefix **addresses)
{
	unsigned count, room;
	const struct prefix *own = configured(settings, &ifaces[index], &count);
	struct prefix *list;

	room = count + ADDRESSES_MAX;
	list = calloc(room, sizeof(*list));
	if (!list)
		return -1;
	if (count)
		memcpy(list, own, count * sizeof(*list));
	for (unsigned i = 0; i < settings->snat.range_count; i++) {
		const struct range_settings *range = &settings->snat.ranges[i];

		for (struct addr address = range->first; count < room;
			address = addr_next(&address)) {
			if (iface_of_source(settings, ifaces, iface_count, &address) == index &&
				!is_own(list, count, &address))
				list[count++] = (struct prefix){
					address, (uint8_t)(addr_is_v4(&address) ? 32 : 128)};
			if (addr_compare(&address, &range->last) == 0)
				break;
		}
	}
	*addresses = list;
	return (int)count;
}
