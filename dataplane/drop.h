// SPDX-License-Identifier: BSD-3-Clause
// Every drop has a name. A new one is a row here and a row in drop.c: then it is counted, exported
// and documented. Counters are per worker; only their sum is shown.
#pragma once

enum drop {
	DROP_NONE,
	DROP_L2_TRUNCATED,
	DROP_L2_VLAN_UNKNOWN,
	DROP_IP_TRUNCATED,
	DROP_IP_VERSION,
	DROP_IP_HEADER_LENGTH,
	DROP_IP_TOTAL_LENGTH,
	DROP_IP_CHECKSUM,
	DROP_IP_OPTIONS,
	DROP_IP_SOURCE,
	DROP_IP_EXTENSION,
	DROP_IP_LAND,
	DROP_TTL_EXPIRED,
	DROP_L4_TRUNCATED,
	DROP_L4_LENGTH,
	DROP_L4_PORT_ZERO,
	DROP_TCP_OFFSET,
	DROP_TCP_FLAGS,
	DROP_ICMP_CHECKSUM,
	DROP_ICMP_INNER,
	DROP_ICMP_NO_FLOW,
	DROP_ICMP_RATE,
	DROP_ICMP_UNSUPPORTED,
	DROP_FRAGMENT_INVALID,
	DROP_FRAGMENT_OVERLAP,
	DROP_FRAGMENT_TABLE_FULL,
	DROP_FRAGMENT_TIMEOUT,
	DROP_NO_LISTENER,
	DROP_SOURCE_RANGE,
	DROP_NO_ENDPOINT,
	DROP_NO_FLOW,
	DROP_FLOW_TABLE_FULL,
	DROP_SNAT_EXHAUSTED,
	DROP_SNAT_NO_ADDRESS,
	DROP_NO_ROUTE,
	DROP_NO_NEIGHBOUR,
	DROP_NEIGHBOUR_QUEUE_FULL,
	DROP_TOO_BIG,
	DROP_TX_FULL,
	DROP_HANDOFF_FULL,
	DROP_HANDOFF_LOOP,
	DROP_HOST_FULL,
	DROP_HOST_WRITE,
	DROP_NO_BUFFER,
	DROP_COUNT,
};

// "flow_table_full", as counted in `show drops` and /metrics.
const char *drop_name(enum drop drop);
// One sentence for the operator: what it means and what to do.
const char *drop_help(enum drop drop);
