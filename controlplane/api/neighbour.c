// SPDX-License-Identifier: BSD-3-Clause
// GET /v1/neighbours, /v1/host-routes: the way of the box's own packets and of those it forwards,
// as the kernel has it and the dataplane mirrors it.
#include "api_internal.h"
#include "kernel.h"
#include "limits.h"

#include <linux/neighbour.h>
#include <net/if.h>
#include <string.h>

enum {
	INTERFACE
};

struct rows {
	json_t *array;
	const char *interface; // only of it; NULL = all
};

static json_t *address_of(const struct rtattr *attribute)
{
	ProtobufCBinaryData bytes = {0};

	if (!attribute)
		return json_null();
	bytes.len = RTA_PAYLOAD(attribute);
	bytes.data = RTA_DATA(attribute);
	return json_bytes(&bytes);
}

static const char *state_name(unsigned state)
{
	static const struct {
		unsigned state;
		const char *name;
	} names[] = {
		{NUD_PERMANENT, "permanent"},
		{NUD_REACHABLE, "reachable"},
		{NUD_STALE, "stale"},
		{NUD_DELAY, "delay"},
		{NUD_PROBE, "probe"},
		{NUD_INCOMPLETE, "incomplete"},
		{NUD_FAILED, "failed"},
		{NUD_NOARP, "noarp"},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (state & names[i].state)
			return names[i].name;
	return "none";
}

static json_t *mac_of(const struct rtattr *attribute)
{
	const uint8_t *mac = attribute ? RTA_DATA(attribute) : NULL;

	if (!mac || RTA_PAYLOAD(attribute) != 6)
		return json_null();
	return json_sprintf(MAC_FORMAT, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

// False when its rows are not asked for.
static bool interface_name(const struct rows *rows, unsigned index, char name[static IF_NAMESIZE])
{
	if (!if_indextoname(index, name))
		strcpy(name, "-");
	return !rows->interface || strcmp(rows->interface, name) == 0;
}

static void add_neighbour(void *arg, struct nlmsghdr *message)
{
	struct rows *rows = arg;
	const struct ndmsg *head = NLMSG_DATA(message);
	struct rtattr *attributes[NDA_MAX + 1];
	char name[IF_NAMESIZE];
	json_t *row;

	if (message->nlmsg_type != RTM_NEWNEIGH || message->nlmsg_len < NLMSG_LENGTH(sizeof(*head)))
		return;
	if (head->ndm_state & NUD_NOARP || !interface_name(rows, (unsigned)head->ndm_ifindex, name))
		return;
	kernel_attributes(
		(struct rtattr *)((char *)NLMSG_DATA(message) + NLMSG_ALIGN(sizeof(*head))),
		NLMSG_PAYLOAD(message, sizeof(*head)), attributes, NDA_MAX);
	row = json_object();
	json_object_set_new(row, "address", address_of(attributes[NDA_DST]));
	json_object_set_new(row, "mac", mac_of(attributes[NDA_LLADDR]));
	json_object_set_new(row, "interface", json_string(name));
	json_object_set_new(row, "state", json_string(state_name(head->ndm_state)));
	json_object_set_new(row, "router", json_boolean(head->ndm_flags & NTF_ROUTER));
	json_array_append_new(rows->array, row);
}

struct sought {
	unsigned interface;
	const struct addr *address;
	bool silent;
};

static void look_for(void *arg, struct nlmsghdr *message)
{
	struct sought *sought = arg;
	const struct ndmsg *head = NLMSG_DATA(message);
	struct rtattr *attributes[NDA_MAX + 1];
	struct addr address;

	if (message->nlmsg_type != RTM_NEWNEIGH ||
		message->nlmsg_len < NLMSG_LENGTH(sizeof(*head)) ||
		(unsigned)head->ndm_ifindex != sought->interface ||
		!(head->ndm_state & (NUD_INCOMPLETE | NUD_FAILED)))
		return;
	kernel_attributes(
		(struct rtattr *)((char *)NLMSG_DATA(message) + NLMSG_ALIGN(sizeof(*head))),
		NLMSG_PAYLOAD(message, sizeof(*head)), attributes, NDA_MAX);
	if (attributes[NDA_DST] &&
		addr_from_bytes(&address, RTA_DATA(attributes[NDA_DST]),
			RTA_PAYLOAD(attributes[NDA_DST])) == 0 &&
		addr_compare(&address, sought->address) == 0)
		sought->silent = true;
}

bool api_peer_silent(const struct api_state *state, unsigned group)
{
	const struct pair_settings *pair = &state->settings->pair;
	struct sought sought = {if_nametoindex(pair->interface), &pair->peer, false};

	if (pair->has_peer && strcmp(vip_group_state(state->vip, group), "master") == 0)
		kernel_dump(RTM_GETNEIGH, look_for, &sought);
	return sought.silent;
}

static json_t *prefix_of(const struct rtmsg *head, const struct rtattr *to)
{
	const char *all = head->rtm_family == AF_INET ? "0.0.0.0" : "::";
	json_t *address = to ? address_of(to) : json_string(all), *prefix;

	prefix = json_sprintf("%s/%u",
		json_string_value(address) ? json_string_value(address) : all, head->rtm_dst_len);
	json_decref(address);
	return prefix;
}

static const char *origin_name(unsigned protocol)
{
	switch (protocol) {
	case RTPROT_KERNEL:
		return "kernel";
	case RTPROT_BOOT:
		return "boot";
	case RTPROT_STATIC:
		return "static";
	case RTPROT_BIRD:
		return "bird";
	case RTPROT_RA:
		return "ra";
	case SLUICE_ROUTES_SETTINGS:
		return "sluice.conf";
	case SLUICE_ROUTES_PLAN:
		return "pods";
	default:
		return "other";
	}
}

static void add_hop(struct rows *rows, const struct rtmsg *head, struct rtattr **attributes,
	unsigned index, const struct rtattr *via)
{
	const struct rtattr *metric = attributes[RTA_PRIORITY];
	char name[IF_NAMESIZE];
	json_t *row;

	if (!interface_name(rows, index, name))
		return;
	row = json_object();
	json_object_set_new(row, "prefix", prefix_of(head, attributes[RTA_DST]));
	json_object_set_new(row, "via", address_of(via));
	json_object_set_new(row, "interface", json_string(name));
	json_object_set_new(row, "source", address_of(attributes[RTA_PREFSRC]));
	json_object_set_new(
		row, "metric", json_integer(metric ? *(const uint32_t *)RTA_DATA(metric) : 0));
	json_object_set_new(row, "origin",
		json_string(head->rtm_type == RTN_UNICAST ? origin_name(head->rtm_protocol)
							  : "rejected"));
	json_array_append_new(rows->array, row);
}

static void add_route(void *arg, struct nlmsghdr *message)
{
	const struct rtmsg *head = NLMSG_DATA(message);
	struct rtattr *attributes[RTA_MAX + 1], *inner[RTA_MAX + 1];
	struct rtnexthop *hop;
	size_t left;

	if (message->nlmsg_type != RTM_NEWROUTE || message->nlmsg_len < NLMSG_LENGTH(sizeof(*head)))
		return;
	if (head->rtm_table != RT_TABLE_MAIN || head->rtm_flags & RTM_F_CLONED)
		return;
	kernel_attributes(RTM_RTA(NLMSG_DATA(message)), RTM_PAYLOAD(message), attributes, RTA_MAX);
	if (!attributes[RTA_MULTIPATH]) {
		const struct rtattr *out = attributes[RTA_OIF];

		add_hop(arg, head, attributes, out ? *(const uint32_t *)RTA_DATA(out) : 0,
			attributes[RTA_GATEWAY]);
		return;
	}
	hop = RTA_DATA(attributes[RTA_MULTIPATH]);
	left = RTA_PAYLOAD(attributes[RTA_MULTIPATH]);
	while (left >= sizeof(*hop) && hop->rtnh_len >= sizeof(*hop) && hop->rtnh_len <= left) {
		size_t used = RTNH_ALIGN(hop->rtnh_len);

		kernel_attributes(RTNH_DATA(hop), hop->rtnh_len - sizeof(*hop), inner, RTA_MAX);
		add_hop(arg, head, attributes, (unsigned)hop->rtnh_ifindex, inner[RTA_GATEWAY]);
		left -= used < left ? used : left;
		hop = RTNH_NEXT(hop);
	}
}

static json_t *dump(const struct api_request *request, unsigned short what, const char *noun,
	void (*each)(void *arg, struct nlmsghdr *message))
{
	struct rows rows = {json_array(), request->values[INTERFACE]};
	int error = kernel_dump(what, each, &rows);

	if (error)
		reason_add(request->refused, "the kernel does not tell: %s", strerror(-error));
	return answer_rows(request, noun, rows.array);
}

static json_t *neighbours(const struct api_request *request)
{
	return dump(request, RTM_GETNEIGH, "neighbours", add_neighbour);
}

static json_t *host_routes(const struct api_request *request)
{
	return dump(request, RTM_GETROUTE, "host_routes", add_route);
}

const struct api_command api_neighbours = {
	.path = "/v1/neighbours",
	.help = "neighbours on the links, and their MACs",
	.arguments = {[INTERFACE] = {"interface", ARGUMENT_TEXT, "only on this interface"}},
	.need = NEED_NOTHING,
	.handler = neighbours,
	.answer = "{neighbours: [{address, mac: text?, interface, state, router: bool}]}",
};

const struct api_command api_host_routes = {
	.path = "/v1/host-routes",
	.help = "the box's routes, by which packets leave it",
	.arguments = {[INTERFACE] = {"interface", ARGUMENT_TEXT, "only out of this interface"}},
	.need = NEED_NOTHING,
	.handler = host_routes,
	.answer = "{host_routes: [{prefix, via: text?, interface: text?, source: text?, metric: "
		  "number, origin}]}",
};
