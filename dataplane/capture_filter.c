// SPDX-License-Identifier: BSD-3-Clause
#include "capture_filter.h"

#include <net/ethernet.h>
#include <string.h>

#define ETHER_BYTES    14
#define TAG_BYTES      4
#define TAGS_MAX       2
#define ARP_BYTES      28
#define IPV4_BYTES     20
#define IPV6_BYTES     40
#define EXTENSIONS_MAX 8
#define TUNNELS_MAX    2

struct view { // what is left of a frame
	const uint8_t *bytes;
	uint32_t length;
};

struct seen {
	struct addr src, dst;
	uint8_t protocol;
	bool has_ports;
	in_port_t src_port, dst_port;
};

const char *capture_stage_name(enum capture_stage stage)
{
	switch (stage) {
	case CAPTURE_IN:
		return "in";
	case CAPTURE_OUT:
		return "out";
	case CAPTURE_DROP:
		return "drop";
	case CAPTURE_STAGE_COUNT:
		break;
	}
	return "";
}

static uint16_t word(const uint8_t *bytes)
{
	return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static bool take(struct view *view, uint32_t bytes)
{
	if (bytes > view->length)
		return false;
	view->bytes += bytes;
	view->length -= bytes;
	return true;
}

static bool host_is(const struct capture_filter *filter, const struct addr *a, const struct addr *b)
{
	return !filter->by_host || addr_compare(&filter->host, a) == 0 ||
	       addr_compare(&filter->host, b) == 0;
}

static bool seen_fits(const struct capture_filter *filter, const struct seen *seen)
{
	bool icmp = seen->protocol == IPPROTO_ICMP || seen->protocol == IPPROTO_ICMPV6;

	if (filter->protocol && filter->protocol != seen->protocol &&
		!(filter->protocol == IPPROTO_ICMP && icmp))
		return false;
	if (filter->l4_port && !(seen->has_ports && (filter->l4_port == seen->src_port ||
							    filter->l4_port == seen->dst_port)))
		return false;
	return host_is(filter, &seen->src, &seen->dst);
}

static void see_ports(struct seen *seen, const struct view *view)
{
	if ((seen->protocol != IPPROTO_TCP && seen->protocol != IPPROTO_UDP) || view->length < 4)
		return;
	seen->has_ports = true;
	memcpy(&seen->src_port, view->bytes, 2);
	memcpy(&seen->dst_port, view->bytes + 2, 2);
}

// Afterwards the view is what is behind the header. False: there is none.
static bool see_ipv4(struct seen *seen, struct view *view)
{
	const uint8_t *ip = view->bytes;
	uint32_t header;

	if (view->length < IPV4_BYTES || ip[0] >> 4 != 4)
		return false;
	header = (ip[0] & 15u) * 4;
	addr_from_bytes(&seen->src, ip + 12, 4);
	addr_from_bytes(&seen->dst, ip + 16, 4);
	seen->protocol = ip[9];
	if (header < IPV4_BYTES || !take(view, header) || (word(ip + 6) & 0x1fff))
		view->length = 0; // what is behind it is not known
	see_ports(seen, view);
	return true;
}

static bool is_extension(uint8_t next)
{
	return next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_FRAGMENT ||
	       next == IPPROTO_DSTOPTS;
}

static bool see_ipv6(struct seen *seen, struct view *view)
{
	const uint8_t *ip = view->bytes;
	uint8_t next;

	if (view->length < IPV6_BYTES || ip[0] >> 4 != 6)
		return false;
	addr_from_bytes(&seen->src, ip + 8, 16);
	addr_from_bytes(&seen->dst, ip + 24, 16);
	next = ip[6];
	take(view, IPV6_BYTES);
	for (unsigned i = 0; i < EXTENSIONS_MAX && is_extension(next) && view->length >= 8; i++) {
		const uint8_t *extension = view->bytes;
		bool later = next == IPPROTO_FRAGMENT && (word(extension + 2) & 0xfff8);
		uint32_t bytes = next == IPPROTO_FRAGMENT ? 8 : (extension[1] + 1u) * 8;

		next = extension[0];
		if (!take(view, bytes) || later)
			view->length = 0;
	}
	seen->protocol = next;
	see_ports(seen, view);
	return true;
}

static bool arp_fits(const struct capture_filter *filter, const struct view *view)
{
	struct addr sender, target;

	if (filter->protocol || filter->l4_port || view->length < ARP_BYTES)
		return false;
	addr_from_bytes(&sender, view->bytes + 14, 4);
	addr_from_bytes(&target, view->bytes + 24, 4);
	return host_is(filter, &sender, &target);
}

static bool ip_fits(const struct capture_filter *filter, struct view *view)
{
	for (unsigned i = 0; i < TUNNELS_MAX && view->length; i++) {
		struct seen seen = {0};
		bool four = view->bytes[0] >> 4 == 4;

		if (!(four ? see_ipv4(&seen, view) : see_ipv6(&seen, view)))
			return false;
		if (seen_fits(filter, &seen))
			return true;
		if (seen.protocol != IPPROTO_IPIP && seen.protocol != IPPROTO_IPV6)
			return false;
	}
	return false;
}

bool capture_match(const struct capture_filter *filter, const uint8_t *frame, uint32_t length)
{
	struct view view = {frame, length};
	uint16_t type;

	if (!filter->by_host && !filter->protocol && !filter->l4_port)
		return true;
	if (!take(&view, ETHER_BYTES))
		return false;
	type = word(view.bytes - 2);
	for (unsigned i = 0; i < TAGS_MAX && (type == ETHERTYPE_VLAN || type == 0x88a8); i++) {
		if (!take(&view, TAG_BYTES))
			return false;
		type = word(view.bytes - 2);
	}
	if (type == ETHERTYPE_ARP)
		return arp_fits(filter, &view);
	return (type == ETHERTYPE_IP || type == ETHERTYPE_IPV6) && ip_fits(filter, &view);
}
