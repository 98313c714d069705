// SPDX-License-Identifier: BSD-3-Clause
// Hears the adverts of other boxes' virtual routers (RFC 9568), as keepalived does beside it, which
// does not say with which priority a master spoke that is gone. For vrrp.c. Loop thread only.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct vrrp_heard;

// NULL when out of memory. Without the right to hear (CAP_NET_RAW) nothing is heard, which is told.
struct vrrp_heard *vrrp_heard_new(uv_loop_t *loop);
// The priority of the last advert for that virtual router; 0: none, or its master resigned.
unsigned vrrp_heard_priority(const struct vrrp_heard *heard, uint32_t id);
// The loop frees the memory.
void vrrp_heard_release(struct vrrp_heard *heard);

// An advert of version 3, from its first byte on. False: it is none. For the fuzzer, too.
bool vrrp_advert_parse(const uint8_t *bytes, size_t size, uint32_t *id, unsigned *priority);
