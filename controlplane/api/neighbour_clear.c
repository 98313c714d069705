// SPDX-License-Identifier: BSD-3-Clause
// POST /v1/neighbours/clear: the kernel forgets neighbours, and the dataplane with it. Whoever is
// still needed is asked for anew; packets wait meanwhile.
#include "api_internal.h"
#include "kernel.h"

#include <linux/neighbour.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

enum {
	INTERFACE,
	ADDRESS,
};

struct removal {
	struct nlmsghdr head;
	struct ndmsg body;
	struct rtattr attribute;
	uint8_t address[16];
};

struct clearing {
	unsigned index; // of the interface; 0 = all
	bool by_address;
	struct addr address;
	unsigned count;
	struct removal *list;
};

static void collect(void *arg, struct nlmsghdr *message)
{
	struct clearing *clearing = arg;
	const struct ndmsg *head = NLMSG_DATA(message);
	struct rtattr *attributes[NDA_MAX + 1], *dst;
	struct removal *list, *removal;
	struct addr address;

	if (message->nlmsg_type != RTM_NEWNEIGH ||
		message->nlmsg_len < NLMSG_LENGTH(sizeof(*head)) ||
		head->ndm_state & (NUD_NOARP | NUD_PERMANENT) ||
		(clearing->index && (int)clearing->index != head->ndm_ifindex))
		return;
	kernel_attributes(
		(struct rtattr *)((char *)NLMSG_DATA(message) + NLMSG_ALIGN(sizeof(*head))),
		NLMSG_PAYLOAD(message, sizeof(*head)), attributes, NDA_MAX);
	dst = attributes[NDA_DST];
	if (!dst || addr_from_bytes(&address, RTA_DATA(dst), RTA_PAYLOAD(dst)) ||
		(clearing->by_address && addr_compare(&address, &clearing->address) != 0))
		return;
	list = realloc(clearing->list, (clearing->count + 1) * sizeof(*list));
	if (!list)
		return;
	clearing->list = list;
	removal = &list[clearing->count++];
	*removal = (struct removal){
		.head = {.nlmsg_type = RTM_DELNEIGH,
			.nlmsg_len = (uint32_t)(NLMSG_LENGTH(sizeof(*head)) +
						RTA_LENGTH(RTA_PAYLOAD(dst)))},
		.body = {.ndm_family = head->ndm_family, .ndm_ifindex = head->ndm_ifindex},
		.attribute = {.rta_type = NDA_DST,
			.rta_len = (unsigned short)RTA_LENGTH(RTA_PAYLOAD(dst))},
	};
	memcpy(removal->address, RTA_DATA(dst), RTA_PAYLOAD(dst));
}

static json_t *clear(const struct api_request *request)
{
	const char *interface = request->values[INTERFACE];
	struct clearing clearing = {.by_address = request->values[ADDRESS] != NULL};
	unsigned cleared = 0;
	int error;

	if (clearing.by_address)
		addr_parse(&clearing.address, request->values[ADDRESS]);
	clearing.index = interface ? if_nametoindex(interface) : 0;
	if (interface && !clearing.index) {
		reason_add(request->refused, "interface: there is no %.40s", interface);
		return json_object();
	}
	error = kernel_dump(RTM_GETNEIGH, collect, &clearing);
	if (error)
		reason_add(request->refused, "the kernel does not tell: %s", strerror(-error));
	for (unsigned i = 0; i < clearing.count; i++)
		cleared += kernel_ask(&clearing.list[i].head) == 0; // or it has gone by itself
	free(clearing.list);
	return json_pack("{s:i}", "cleared", (int)cleared);
}

const struct api_command api_neighbours_clear = {
	.path = "/v1/neighbours/clear",
	.help = "forget neighbours: those that are needed are asked for anew",
	.arguments = {[INTERFACE] = {"interface", ARGUMENT_TEXT, "only on this interface"},
		[ADDRESS] = {"address", ARGUMENT_ADDRESS, "only this one"}},
	.need = NEED_NOTHING,
	.changes = true,
	.handler = clear,
	.answer = "{cleared: number}",
};
