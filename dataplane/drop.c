// SPDX-License-Identifier: BSD-3-Clause
#include "drop.h"

#include <stddef.h>

static const struct {
	const char *name, *help;
} drops[] = {
	[DROP_NONE] = {"none", "Not dropped."},
	[DROP_L2_TRUNCATED] = {"l2_truncated",
		"The frame is shorter than its Ethernet or VLAN header."},
	[DROP_L2_ADDRESS] = {"l2_address",
		"The frame was for another station (the port is promiscuous)."},
	[DROP_L2_VLAN_UNKNOWN] = {"l2_vlan_unknown",
		"The frame has a VLAN tag that its port is not configured for: add it to the "
		"port's vlans."},
	[DROP_IP_TRUNCATED] = {"ip_truncated", "The frame is shorter than its IP header."},
	[DROP_IP_VERSION] = {"ip_version", "The IP version does not agree with the Ethernet type."},
	[DROP_IP_HEADER_LENGTH] = {"ip_header_length", "The IPv4 header length is impossible."},
	[DROP_IP_TOTAL_LENGTH] = {"ip_total_length", "The IP length does not fit header or frame."},
	[DROP_IP_CHECKSUM] = {"ip_checksum",
		"The IPv4 header checksum is wrong: a faulty link or sender."},
	[DROP_IP_OPTIONS] = {"ip_options", "Malformed IPv4 options, or source routing."},
	[DROP_IP_SOURCE] = {"ip_source",
		"An address that no host has (multicast or zero as source, loopback, "
		"IPv4-mapped)."},
	[DROP_IP_EXTENSION] = {"ip_extension",
		"IPv6 extension headers that are malformed, too many, or source routing."},
	[DROP_IP_LAND] = {"ip_land", "Source and destination address are the same."},
	[DROP_TTL_EXPIRED] = {"ttl_expired",
		"TTL or hop limit at its end; the sender is told by ICMP."},
	[DROP_L4_TRUNCATED] = {"l4_truncated",
		"The packet is shorter than its TCP, UDP or ICMP header."},
	[DROP_L4_LENGTH] = {"l4_length", "The UDP length does not fit the packet."},
	[DROP_L4_PORT_ZERO] = {"l4_port_zero", "TCP or UDP port zero."},
	[DROP_TCP_OFFSET] = {"tcp_offset", "The TCP header length does not fit the packet."},
	[DROP_TCP_FLAGS] = {"tcp_flags", "A combination of TCP flags that no host sends."},
	[DROP_ICMP_CHECKSUM] = {"icmp_checksum", "The checksum of an ICMP message is wrong."},
	[DROP_ICMP_INNER] = {"icmp_inner",
		"An ICMP error that quotes too little, or nothing sensible."},
	[DROP_ICMP_NO_FLOW] = {"icmp_no_flow",
		"An ICMP error about a connection that is not there."},
	[DROP_ICMP_RATE] = {"icmp_rate",
		"An answer of our own (ICMP or reset) was held back by its rate bound."},
	[DROP_ICMP_UNSUPPORTED] = {"icmp_unsupported",
		"Another ICMP message or protocol for a VIP."},
	[DROP_FRAGMENT_INVALID] = {"fragment_invalid",
		"An IP fragment of impossible size or place."},
	[DROP_FRAGMENT_OVERLAP] = {"fragment_overlap", "A fragment that overlaps, or repeats, what "
						       "came before of its datagram (RFC 5722)."},
	[DROP_FRAGMENT_TABLE_FULL] = {"fragment_table_full",
		"More datagrams in fragments than are kept track of."},
	[DROP_FRAGMENT_TIMEOUT] = {"fragment_timeout",
		"The first fragment of a datagram did not come in time."},
	[DROP_NO_LISTENER] = {"no_listener",
		"For a VIP, but no Service has this protocol and port."},
	[DROP_SOURCE_RANGE] = {"source_range", "The client is not in loadBalancerSourceRanges."},
	[DROP_NO_ENDPOINT] = {"no_endpoint", "The Service has no ready endpoint."},
	[DROP_NO_FLOW] = {"no_flow", "A TCP segment that opens no connection and belongs to none: "
				     "answered with a reset."},
	[DROP_ANSWER_UNSURE] = {"answer_unsure",
		"From an endpoint, of a connection that began on another box and may be of two "
		"Services of mode dnat: it goes on when its client sends."},
	[DROP_FLOW_TABLE_FULL] = {"flow_table_full",
		"A new connection was refused: raise dataplane.flows in sluice.conf."},
	[DROP_SNAT_EXHAUSTED] = {"snat_exhausted", "No source port left towards this endpoint: add "
						   "addresses to snat.addresses in sluice.conf."},
	[DROP_SNAT_NO_ADDRESS] = {"snat_no_address",
		"No source address of this family towards the endpoint: give the interface one, or "
		"snat.addresses."},
	[DROP_NO_ROUTE] = {"no_route",
		"The kernel has no route there: see `ip route` and routes in sluice.conf."},
	[DROP_NO_NEIGHBOUR] = {"no_neighbour",
		"The next hop did not answer ARP or neighbour discovery."},
	[DROP_NEIGHBOUR_QUEUE_FULL] = {"neighbour_queue_full",
		"Too many packets were waiting for ARP or neighbour discovery."},
	[DROP_TOO_BIG] = {"too_big", "Larger than the next hop's MTU; the sender is told by ICMP."},
	[DROP_TX_FULL] = {"tx_full", "The port could not send as fast as packets came."},
	[DROP_HANDOFF_FULL] = {"handoff_full", "The worker that owns the flow is overloaded."},
	[DROP_HANDOFF_LOOP] = {"handoff_loop",
		"A packet was handed over twice: a defect, please report it."},
	[DROP_HOST_FULL] = {"host_full",
		"More packets for the appliance itself than the kernel path takes."},
	[DROP_HOST_WRITE] = {"host_write", "The kernel refused a packet for the appliance itself."},
	[DROP_NO_BUFFER] = {"no_buffer",
		"Out of packet buffers: raise dataplane.buffers in sluice.conf."},
	[DROP_L4_CHECKSUM] = {"l4_checksum",
		"A TCP segment for the proxy with a wrong checksum: damaged on its way."},
	[DROP_TCP_HEADER] = {"tcp_header",
		"A TCP segment for the proxy whose header or options are malformed."},
	[DROP_PROXY_FRAGMENT] = {"proxy_fragment",
		"An IP fragment of a TCP segment for the proxy: TCP should not need them; is some "
		"link's MTU too small?"},
};

_Static_assert(sizeof(drops) / sizeof(drops[0]) == DROP_COUNT, "a row for every drop");

const char *drop_name(enum drop drop)
{
	return drop < DROP_COUNT ? drops[drop].name : "unknown";
}

const char *drop_help(enum drop drop)
{
	return drop < DROP_COUNT ? drops[drop].help : "";
}
