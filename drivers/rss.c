// SPDX-License-Identifier: BSD-3-Clause
// Receive side scaling: frames of one flow to one queue, and we know which.
//
// The same key everywhere, and an indirection table that goes round the queues. A device that
// cannot do TCP and UDP over both families with our key and table spreads as well as it can, but is
// not said to have PORT_RSS: nobody could tell the queue of a tuple. Main lcore.
#include <errno.h>
#include <string.h>

#include "log.h"
#include "port_internal.h"

#define FOUR_TUPLES                                                                                \
	(RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV4_UDP |                             \
		RTE_ETH_RSS_NONFRAG_IPV6_TCP | RTE_ETH_RSS_NONFRAG_IPV6_UDP)
#define TWO_TUPLES                                                                                 \
	(RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_FRAG_IPV4 | RTE_ETH_RSS_IPV6 | RTE_ETH_RSS_FRAG_IPV6)
#define KEY_MAX 64

// Microsoft's verification key, which every NIC takes; its choice matters to no one but that it is
// the same on all ports. Some (i40e, ice, iavf) have keys of 52 bytes: a tuple of two IPv6
// addresses and two ports needs no more than 40, and what follows may be zero.
static const uint8_t key[KEY_MAX] = {
	0x6d,
	0x5a,
	0x56,
	0xda,
	0x25,
	0x5b,
	0x0e,
	0xc2,
	0x41,
	0x67,
	0x25,
	0x3d,
	0x43,
	0xa3,
	0x8f,
	0xb0,
	0xd0,
	0xca,
	0x2b,
	0xcb,
	0xae,
	0x7b,
	0x30,
	0xb4,
	0x77,
	0xcb,
	0x2d,
	0xa3,
	0x80,
	0x30,
	0xf2,
	0x0c,
	0x6a,
	0x42,
	0xb7,
	0x3b,
	0xbe,
	0xac,
	0x01,
	0xfa,
};

const uint8_t *const port_rss_key = key;

// vmxnet3 does not say, and means the usual.
static uint8_t key_bytes(const struct rte_eth_dev_info *info)
{
	return info->hash_key_size ? info->hash_key_size : PORT_RSS_KEY_BYTES;
}

void rss_choose(
	const struct port *port, const struct rte_eth_dev_info *info, struct rte_eth_conf *conf)
{
	struct rte_eth_rss_conf *rss = &conf->rx_adv_conf.rss_conf;
	uint64_t tuples = info->flow_type_rss_offloads & (FOUR_TUPLES | TWO_TUPLES);

	if (port->queues < 2 || !tuples)
		return;
	conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
	conf->rxmode.offloads |= info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_RSS_HASH;
	rss->rss_hf = tuples;
	if (key_bytes(info) <= KEY_MAX) {
		rss->rss_key = (uint8_t *)(uintptr_t)key; // only read, also at a later start
		rss->rss_key_len = key_bytes(info);
	}
}

static int fill_table(const struct port *port, uint16_t size)
{
	struct rte_eth_rss_reta_entry64 reta[RTE_ETH_RSS_RETA_SIZE_512 / RTE_ETH_RETA_GROUP_SIZE];

	memset(reta, 0, sizeof(reta));
	for (uint16_t i = 0; i < size; i++) {
		struct rte_eth_rss_reta_entry64 *group = &reta[i / RTE_ETH_RETA_GROUP_SIZE];

		group->mask |= UINT64_C(1) << (i % RTE_ETH_RETA_GROUP_SIZE);
		group->reta[i % RTE_ETH_RETA_GROUP_SIZE] = i % PORT_RSS_TABLE % port->queues;
	}
	return rte_eth_dev_rss_reta_update(port->dpdk_id, reta, size);
}

// Some take the key when they are configured, some only afterwards; most can be asked.
static bool has_our_key(const struct port *port, const struct rte_eth_dev_info *info)
{
	uint8_t now[KEY_MAX] = {0};
	struct rte_eth_rss_conf rss = {
		.rss_key = (uint8_t *)(uintptr_t)key,
		.rss_key_len = key_bytes(info),
		.rss_hf = info->flow_type_rss_offloads & (FOUR_TUPLES | TWO_TUPLES),
	};

	rte_eth_dev_rss_hash_update(port->dpdk_id, &rss);
	rss = (struct rte_eth_rss_conf){.rss_key = now, .rss_key_len = key_bytes(info)};
	if (rte_eth_dev_rss_hash_conf_get(port->dpdk_id, &rss))
		return true;
	return memcmp(now, key, PORT_RSS_KEY_BYTES) == 0;
}

bool rss_finish(const struct port *port, const struct rte_eth_dev_info *info)
{
	uint16_t size = info->reta_size;
	const char *why;

	if ((info->flow_type_rss_offloads & FOUR_TUPLES) != FOUR_TUPLES)
		why = "it does not hash TCP and UDP of both families";
	else if (key_bytes(info) < PORT_RSS_KEY_BYTES || key_bytes(info) > KEY_MAX)
		why = "its key is of another size";
	else if (size == 0 || (size & (size - 1)) || size > RTE_ETH_RSS_RETA_SIZE_512)
		why = "its table is of another size";
	else if (fill_table(port, size))
		why = "its table cannot be written";
	else if (!has_our_key(port, info))
		why = "it does not take our key";
	else
		return true;
	log_notice("port",
		"%s: %s: spreads frames its own way (%s); flows are handed over in software",
		port->name, port->device, why);
	return false;
}
