// SPDX-License-Identifier: BSD-3-Clause
#include "trace_text.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define HEADER_TEXT 176

struct telling {
	const struct dataplane *dataplane;
	const struct traced *traced;
	struct trace_step *steps;
	unsigned count;
};

static __attribute__((format(printf, 3, 4))) void step(
	struct telling *t, const char *stage, const char *format, ...)
{
	va_list args;

	if (t->count == TRACE_STEPS_MAX)
		return;
	t->steps[t->count].stage = stage;
	va_start(args, format);
	vsnprintf(t->steps[t->count].text, TRACE_TEXT, format, args);
	va_end(args);
	t->count++;
}

static const char *protocol_text(uint8_t protocol, char text[static 16])
{
	switch (protocol) {
	case IPPROTO_TCP:
		return "tcp";
	case IPPROTO_UDP:
		return "udp";
	case IPPROTO_ICMP:
		return "icmp";
	case IPPROTO_ICMPV6:
		return "icmp6";
	case IPPROTO_IPIP:
	case IPPROTO_IPV6:
		return "tunnel";
	default:
		snprintf(text, 16, "protocol %u", protocol);
		return text;
	}
}

static const char *flags_text(uint8_t flags, char text[static 16])
{
	static const char letters[] = "FSRPAUEC"; // by bit
	unsigned n = 0;

	text[n++] = ' ';
	for (unsigned i = 0; i < 8; i++)
		if (flags >> i & 1)
			text[n++] = letters[i];
	text[n > 1 ? n : 0] = '\0';
	return text;
}

// "192.0.2.1:80", "[2001:db8::1]:80"; without a port the address alone.
static void end_text(const struct addr *addr, in_port_t port, char text[static 64])
{
	char address[ADDR_TEXT];
	bool bracket = port && !addr_is_v4(addr);

	addr_format(addr, address);
	if (port)
		snprintf(text, 64, "%s%s%s:%u", bracket ? "[" : "", address, bracket ? "]" : "",
			ntohs(port));
	else
		snprintf(text, 64, "%s", address);
}

static const char *header_text(const struct trace_header *header, char text[static HEADER_TEXT])
{
	char src[64], dst[64], protocol[16], flags[16];

	if (!header->family)
		return "no IP packet";
	end_text(&header->src, header->src_port, src);
	end_text(&header->dst, header->dst_port, dst);
	snprintf(text, HEADER_TEXT, "%s %s > %s%s", protocol_text(header->protocol, protocol), src,
		dst, flags_text(header->tcp_flags, flags));
	return text;
}

static const char *class_text(enum packet_next next)
{
	switch (next) {
	case PACKET_FLOW:
		return "for a flow";
	case PACKET_FRAGMENT:
		return "a fragment: its ports are looked for";
	case PACKET_ICMP_ERROR:
		return "an ICMP error: the flow it is about is looked for";
	case PACKET_ECHO:
		return "an echo request";
	case PACKET_NEIGHBOUR:
		return "asks for a MAC address";
	case PACKET_HOST:
		return "not for a VIP or flow";
	case PACKET_DROP:
		return "malformed, or not for us";
	case PACKET_REWRITE:
	case PACKET_ROUTE:
	case PACKET_TRANSMIT:
	case PACKET_HAND:
	case PACKET_PROXY:
	case PACKET_TAKEN:
		break;
	}
	return "";
}

static void tell_received(struct telling *t, unsigned worker)
{
	const struct traced *traced = t->traced;
	char text[HEADER_TEXT];

	step(t, "packet", "%s", header_text(&traced->before, text));
	if (traced->handed)
		step(t, "received", "from another worker, by worker %u", worker);
	else
		step(t, "received", "on %s, by worker %u, %u bytes, TTL %u",
			t->dataplane->ifaces[traced->iface].name, worker, traced->before.length,
			traced->before.ttl);
	step(t, "classified", "%s", class_text(traced->next[TRACE_CLASSIFIED]));
}

static void endpoint_text(const struct telling *t, uint32_t slot, char text[static TRACE_TEXT])
{
	const struct endpoint *endpoint =
		tables_endpoint(tables_current(t->dataplane->store), slot);
	char address[64];

	if (!endpoint) {
		snprintf(text, TRACE_TEXT, "an endpoint that is gone");
		return;
	}
	end_text(&endpoint->address, endpoint->port, address);
	snprintf(text, TRACE_TEXT, "%s%s%s", address, *endpoint->name ? " " : "", endpoint->name);
}

static void tell_listener(struct telling *t)
{
	const struct listener *listener =
		t->traced->listener == SLOT_NONE
			? NULL
			: tables_listener_slot(
				  tables_current(t->dataplane->store), t->traced->listener);
	char where[LISTENER_TEXT];

	if (listener)
		step(t, "listener", "%s, %s",
			listener_format(&listener->vip, listener->protocol, listener->port, where),
			listener->http ? "for the proxy" : listener->service);
}

static void tell_flow(struct telling *t)
{
	const struct traced *traced = t->traced;
	const struct trace_flow *flow = &traced->flow;
	char endpoint[TRACE_TEXT];

	if (traced->next[TRACE_CLASSIFIED] != PACKET_FLOW)
		return;
	if (!flow->known) {
		step(t, "flow", "none");
		return;
	}
	endpoint_text(t, flow->endpoint, endpoint);
	step(t, "flow", "%s: %s, %s, %s %.300s", traced->hit ? "found" : "opened",
		mode_name((enum mode)flow->mode), flow_state_name((enum flow_state)flow->state),
		flow->direction ? "from endpoint" : "to endpoint", endpoint);
}

static void tell_sent(struct telling *t)
{
	const struct traced *traced = t->traced;
	const uint8_t *mac = traced->mac.addr_bytes;
	char text[HEADER_TEXT], neighbour[ADDR_TEXT];

	if (traced->drop || traced->next[TRACE_CLASSIFIED] == PACKET_ECHO)
		step(t, "answered", "%s", header_text(&traced->after, text));
	else
		step(t, "rewritten", "%s, TTL %u", header_text(&traced->after, text),
			traced->after.ttl);
	if (traced->next[TRACE_DONE] == PACKET_DROP || !traced->routed)
		return;
	addr_format(&traced->neighbour, neighbour);
	if (traced->reachable)
		step(t, "sent", "out of %s to %s, " MAC_FORMAT,
			t->dataplane->ifaces[traced->out_iface].name, neighbour, mac[0], mac[1],
			mac[2], mac[3], mac[4], mac[5]);
	else
		step(t, "held", "until %s of %s is found", neighbour,
			t->dataplane->ifaces[traced->out_iface].name);
}

static void tell_end(struct telling *t)
{
	const struct traced *traced = t->traced;
	enum packet_next before = traced->next[TRACE_REWRITTEN];
	enum packet_next sending = traced->next[TRACE_SENDING];

	if (traced->drop)
		step(t, "dropped", "%s: %s", drop_name(traced->drop), drop_help(traced->drop));
	if (sending == PACKET_TRANSMIT || sending == PACKET_ROUTE)
		tell_sent(t);
	else if (traced->drop)
		return;
	else if (before == PACKET_HAND)
		step(t, "handed", "to worker %u, whose flow it is", traced->to_worker);
	else if (before == PACKET_PROXY)
		step(t, "proxy", "takes it: TCP ends here");
	else if (before == PACKET_HOST || before == PACKET_ECHO)
		step(t, "host", "given to the kernel");
	else if (before == PACKET_NEIGHBOUR)
		step(t, "neighbour", "answered for a VIP, or given to the kernel");
	else if (traced->next[TRACE_CLASSIFIED] == PACKET_FRAGMENT)
		step(t, "held", "until its datagram's ports are known");
}

unsigned trace_text(const struct dataplane *dataplane, const struct traced *traced, unsigned worker,
	struct trace_step steps[static TRACE_STEPS_MAX])
{
	struct telling t = {.dataplane = dataplane, .traced = traced, .steps = steps};

	tell_received(&t, worker);
	tell_listener(&t);
	tell_flow(&t);
	tell_end(&t);
	return t.count;
}
