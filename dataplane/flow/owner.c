// SPDX-License-Identifier: BSD-3-Clause
#include "owner.h"

#include <rte_thash.h>

#include "flow_index.h"
#include "tables.h"

// Spreads a client's own bits; no secret is needed where the choice is among workers.
static uint16_t spread(
	const struct owner_rule *rule, const uint8_t *address, uint8_t family, uint16_t port)
{
	uint64_t words[2] = {0, 0};
	uint64_t hash;

	memcpy(words, address, family == 4 ? 4 : 16);
	hash = flow_mix(words[0] ^ 0x9e3779b97f4a7c15, words[1] ^ port ^ 0xbf58476d1ce4e5b9);
	return (uint16_t)(((hash >> 32) * rule->workers) >> 32);
}

// The 4-tuple as NICs feed it to Toeplitz: 32-bit words in host order.
static uint32_t tuple_hash(const struct owner_rule *rule, const struct flow_key *key)
{
	unsigned words = key->family == 4 ? 1 : 4;
	uint32_t tuple[9];

	for (unsigned i = 0; i < words; i++) {
		memcpy(&tuple[i], key->src + 4 * i, 4);
		memcpy(&tuple[words + i], key->dst + 4 * i, 4);
		tuple[i] = rte_be_to_cpu_32(tuple[i]);
		tuple[words + i] = rte_be_to_cpu_32(tuple[words + i]);
	}
	tuple[2 * words] = rte_be_to_cpu_32(key->ports);
	return rte_softrss(tuple, 2 * words + 1, rule->rss_key);
}

uint16_t owner_of_client(const struct owner_rule *rule, const struct flow_key *key, uint8_t flags,
	const uint32_t *nic_hash)
{
	uint32_t hash;

	if (rule->workers == 1)
		return 0;
	if (flags & LISTENER_OWNER_CLIENT_IP)
		return spread(rule, key->src, key->family, 0);
	if (flags & LISTENER_OWNER_CLIENT)
		return spread(rule, key->src, key->family, (uint16_t)key->ports);
	hash = nic_hash ? *nic_hash : tuple_hash(rule, key);
	return (uint16_t)(hash % OWNER_TABLE % rule->workers);
}

uint16_t owner_of_reply(const struct owner_rule *rule, const struct flow_key *key, uint8_t flags)
{
	uint16_t port = flags & LISTENER_OWNER_CLIENT_IP ? 0 : (uint16_t)(key->ports >> 16);

	return rule->workers == 1 ? 0 : spread(rule, key->dst, key->family, port);
}

uint16_t owner_of_fragment(const struct owner_rule *rule, const struct flow_key *key)
{
	return rule->workers == 1 ? 0 : spread(rule, key->src, key->family, 0);
}

uint16_t owner_proxy_part(const struct owner_rule *rule)
{
	uint32_t rows = (rule->port_last - rule->port_first + 1u) / rule->workers;

	// With a row or two there is nothing to share: layer 4 has them.
	if (rows < 4)
		return 0;
	return (uint16_t)(rule->port_first + rows * 3 / 4 * rule->workers);
}
