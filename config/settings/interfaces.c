// SPDX-License-Identifier: BSD-3-Clause
#include "interfaces.h"

#include <stdio.h>

static void take(struct interface_walk *walk, const struct prefix *addresses, unsigned count)
{
	walk->addresses = addresses;
	walk->address_count = count;
	walk->part++;
}

bool interface_next(struct interface_walk *walk)
{
	const struct settings *s = walk->settings;

	for (; walk->port < s->port_count; walk->port++, walk->part = 0) {
		const struct port_settings *port = &s->ports[walk->port];
		const struct vlan_settings *vlan;

		if (!port->name || walk->part > port->vlan_count)
			continue;
		if (!walk->part) {
			snprintf(walk->name, sizeof(walk->name), "%s", port->name);
			take(walk, port->addresses, port->address_count);
			return true;
		}
		vlan = &port->vlans[walk->part - 1];
		snprintf(walk->name, sizeof(walk->name), "%.15s.%u", port->name, vlan->id);
		take(walk, vlan->addresses, vlan->address_count);
		return true;
	}
	return false;
}
