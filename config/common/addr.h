// SPDX-License-Identifier: BSD-3-Clause
// Addresses and prefixes of both families in one shape.
//
// An IPv4 address is kept as its IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2), in network
// order, so that one table, one hash and one comparison serve both. A text that spells the mapped
// form ("::ffff:192.0.2.1") is refused, so that each address has one text and one value.
// Pure functions, any thread.
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct addr {
	uint8_t byte[16];
};

struct prefix {
	struct addr addr; // host bits are zero
	uint8_t length;   // in the family's own terms: 0..32 or 0..128
};

#define ADDR_TEXT   46 // bytes that hold any address as text, with its zero
#define PREFIX_TEXT 50

#define MAC_FORMAT "%02x:%02x:%02x:%02x:%02x:%02x" // of printf, for its six bytes

// 0, or -EINVAL when the text is no address.
int addr_parse(struct addr *addr, const char *text);
// Writes the canonical text (RFC 5952) and returns buf.
const char *addr_format(const struct addr *addr, char buf[static ADDR_TEXT]);
// 0, or -EINVAL: no prefix, or host bits set. "192.0.2.1" alone is 192.0.2.1/32.
int prefix_parse(struct prefix *prefix, const char *text);
const char *prefix_format(const struct prefix *prefix, char buf[static PREFIX_TEXT]);
bool prefix_contains(const struct prefix *prefix, const struct addr *addr);
// Does one of them?
bool prefixes_contain(const struct prefix *prefixes, uint32_t count, const struct addr *addr);
// Clears the host bits.
void prefix_mask(struct prefix *prefix);

bool addr_is_v4(const struct addr *addr);
bool addr_is_zero(const struct addr *addr); // 0.0.0.0 or ::
int addr_compare(const struct addr *a, const struct addr *b);
struct addr addr_from_v4(in_addr_t v4_be);
in_addr_t addr_v4(const struct addr *addr);     // network order; only when addr_is_v4()
struct addr addr_next(const struct addr *addr); // plus one; wraps
struct addr addr_previous(const struct addr *addr);
// From 4 or 16 bytes as they stand on the wire or in the channel; -EINVAL for any other length.
int addr_from_bytes(struct addr *addr, const void *bytes, size_t length);
// The bytes of the family's own form; sets *length to 4 or 16.
const uint8_t *addr_bytes(const struct addr *addr, size_t *length);
