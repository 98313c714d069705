// SPDX-License-Identifier: BSD-3-Clause
// The BPF programs we need, each a handful of instructions, by the bare system call.
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

// For gso.h: a packet socket's large segment goes out as a copy that belongs to no socket, and the
// sender is told ENOBUFS. The kernel would account the last frame that it cuts with the memory of
// all (skb_segment(), since the socket is to be told when it is done), so that a receiver's buffer
// of so many bytes would be full at half of them. From Linux 6.6 on. The file descriptor of the
// attachment, or -errno.
int tcx_attach_disown(int index);

// The map from receive queue to socket: its file descriptor, or -errno.
int xdp_map_create(uint32_t queues);
int xdp_map_set(int map, uint32_t queue, int socket);
