// SPDX-License-Identifier: BSD-3-Clause
// TCP and UDP checksums that a sender on the same machine left for hardware that does not exist.
//
// The kernel hands a packet to a veth, or to an XDP program, with only the sum of the pseudo-header
// in the checksum's place (CHECKSUM_PARTIAL). What leaves by a real wire must have it whole.
// Pure functions on bytes, hostile input, any thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// Completes the checksum whose sum starts at `start` and whose place is `offset` behind it, as the
// kernel says in a virtio_net_hdr. False, with nothing changed, when it is not within the frame.
bool partial_checksum_complete(uint8_t *frame, uint32_t length, uint32_t start, uint32_t offset);

// Where the kernel does not say: looks for a TCP or UDP checksum that equals the pseudo-header's
// sum and completes it. True when it did. A packet whose whole checksum happens to be that value
// is left the same by completing it.
bool partial_checksum_repair(uint8_t *frame, uint32_t length);
