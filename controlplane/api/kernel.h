// SPDX-License-Identifier: BSD-3-Clause
// What the kernel has of routes and neighbours: what the dataplane mirrors. Asked when somebody
// asks; the kernel answers at once. Loop thread only.
#pragma once

#include <linux/rtnetlink.h>

#include <stdbool.h>
#include <stddef.h>

// The attributes of a message by their type, up to `most`; NULL = it has none of that.
void kernel_attributes(
	struct rtattr *attribute, size_t length, struct rtattr **by_type, unsigned short most);
// Sends one message, whose type, length and body are set, and waits for its acknowledgement.
// 0 or -errno.
int kernel_ask(struct nlmsghdr *message);
// Calls `each` for every message of the dump: RTM_GETNEIGH or RTM_GETROUTE, both families.
// 0 or -errno.
int kernel_dump(unsigned short what, void (*each)(void *arg, struct nlmsghdr *message), void *arg);
