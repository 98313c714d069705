// SPDX-License-Identifier: BSD-3-Clause
// The two XDP programs we need, each a handful of instructions, by the bare system call.
//
// Programs are attached as links, which the kernel takes away with their last file descriptor:
// nothing is left after a crash. Main lcore.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// Passes everything. It does nothing, but a veth that has a program tells its peer not to send
// segments larger than the MTU. The file descriptor of the attachment, or -errno.
int xdp_attach_pass(int index);

// Gives every frame to the AF_XDP socket of its receive queue, and drops what has none.
// `fragments`: also frames larger than a page. Where the driver knows no XDP the kernel runs it
// itself, slower. The file descriptor of the attachment, or -errno.
int xdp_attach_redirect(int index, int map, bool fragments);

// The map from receive queue to socket: its file descriptor, or -errno.
int xdp_map_create(uint32_t queues);
int xdp_map_set(int map, uint32_t queue, int socket);
