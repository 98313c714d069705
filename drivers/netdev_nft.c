// SPDX-License-Identifier: BSD-3-Clause
// One nf_tables table a netdev, with one chain without rules, at the ingress hook, whose policy is
// to drop. Packet sockets are served before that hook, the kernel's stack after it. As a batch, so
// that there is no moment without it when it is put in anew. See netdev.h.
#include <arpa/inet.h> // before linux/netfilter.h, which has its own idea of these types
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "netdev.h"

struct batch {
	char buffer[4096];
	size_t length;
	uint32_t sequence;
	unsigned commands; // that ask for an acknowledgement
};

static struct nlmsghdr *add_message(
	struct batch *batch, uint16_t type, uint16_t flags, uint8_t family, uint16_t resource)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(batch->buffer + batch->length);
	struct nfgenmsg *head = mnl_nlmsg_put_extra_header(message, sizeof(*head));

	message->nlmsg_type = type;
	message->nlmsg_flags = NLM_F_REQUEST | flags;
	message->nlmsg_seq = batch->sequence++;
	head->nfgen_family = family;
	head->version = NFNETLINK_V0;
	head->res_id = htons(resource);
	return message;
}

static void end_message(struct batch *batch, const struct nlmsghdr *message)
{
	batch->length += NLMSG_ALIGN(message->nlmsg_len);
	if (message->nlmsg_flags & NLM_F_ACK)
		batch->commands++;
}

static void add_table(struct batch *batch, uint16_t command, uint16_t flags, const char *table)
{
	struct nlmsghdr *message = add_message(
		batch, NFNL_SUBSYS_NFTABLES << 8 | command, flags | NLM_F_ACK, NFPROTO_NETDEV, 0);

	mnl_attr_put_strz(message, NFTA_TABLE_NAME, table);
	end_message(batch, message);
}

static void add_chain(struct batch *batch, const char *table, const char *netdev)
{
	struct nlmsghdr *message = add_message(batch, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWCHAIN,
		NLM_F_CREATE | NLM_F_ACK, NFPROTO_NETDEV, 0);
	struct nlattr *hook;

	mnl_attr_put_strz(message, NFTA_CHAIN_TABLE, table);
	mnl_attr_put_strz(message, NFTA_CHAIN_NAME, "ours");
	hook = mnl_attr_nest_start(message, NFTA_CHAIN_HOOK);
	mnl_attr_put_u32(message, NFTA_HOOK_HOOKNUM, htonl(NF_NETDEV_INGRESS));
	mnl_attr_put_u32(message, NFTA_HOOK_PRIORITY, htonl((uint32_t)-500));
	mnl_attr_put_strz(message, NFTA_HOOK_DEV, netdev);
	mnl_attr_nest_end(message, hook);
	mnl_attr_put_strz(message, NFTA_CHAIN_TYPE, "filter");
	mnl_attr_put_u32(message, NFTA_CHAIN_POLICY, htonl(NF_DROP));
	end_message(batch, message);
}

// Every command is acknowledged, with 0 or its error; an error undoes the whole batch. Where the
// subsystem is missing there is a single answer.
static int send_batch(const struct batch *batch)
{
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	char buffer[4096];
	unsigned left = batch->commands;
	int rc = 0;

	if (!socket)
		return -errno;
	if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
		mnl_socket_sendto(socket, batch->buffer, batch->length) < 0)
		rc = -errno;
	while (rc == 0 && left) {
		ssize_t n = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));
		const struct nlmsghdr *message = (const void *)buffer;
		int rest = (int)n;

		if (n < 0) {
			rc = -errno;
			break;
		}
		for (; mnl_nlmsg_ok(message, rest); message = mnl_nlmsg_next(message, &rest)) {
			const struct nlmsgerr *error = mnl_nlmsg_get_payload(message);

			if (message->nlmsg_type != NLMSG_ERROR)
				continue;
			if (error->error && !rc)
				rc = error->error;
			left -= left > 0;
		}
	}
	mnl_socket_close(socket);
	return rc;
}

static int change(const char *name, bool block)
{
	struct batch batch = {.sequence = (uint32_t)time(NULL)};
	char table[16 + IFNAMSIZ];

	snprintf(table, sizeof(table), "sluice-%s", name);
	end_message(&batch,
		add_message(&batch, NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES));
	// Whatever an earlier run left is replaced: make it sure there is one, then remove it.
	add_table(&batch, NFT_MSG_NEWTABLE, NLM_F_CREATE, table);
	add_table(&batch, NFT_MSG_DELTABLE, 0, table);
	if (block) {
		add_table(&batch, NFT_MSG_NEWTABLE, NLM_F_CREATE, table);
		add_chain(&batch, table, name);
	}
	end_message(&batch,
		add_message(&batch, NFNL_MSG_BATCH_END, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES));
	return send_batch(&batch);
}

// The answer is the table, or an error.
bool netdev_blocked(const char *name)
{
	struct batch batch = {.sequence = (uint32_t)time(NULL)};
	char table[16 + IFNAMSIZ];

	snprintf(table, sizeof(table), "sluice-%s", name);
	add_table(&batch, NFT_MSG_GETTABLE, 0, table);
	return send_batch(&batch) == 0;
}

int netdev_block(const char *name)
{
	return change(name, true);
}

int netdev_unblock(const char *name)
{
	return change(name, false);
}
