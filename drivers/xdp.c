// SPDX-License-Identifier: BSD-3-Clause
// See xdp.h.
#include "xdp.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

// Of Linux 6.6, whose header Debian 12 has not.
#define TCX_EGRESS 47
#define TCX_NEXT   (-1)
#define TCX_DROP   2

static int bpf(enum bpf_cmd command, union bpf_attr *attributes)
{
	long rc = syscall(__NR_bpf, command, attributes, sizeof(*attributes));

	return rc < 0 ? -errno : (int)rc;
}

static int load(
	enum bpf_prog_type type, const struct bpf_insn *program, uint32_t count, uint32_t flags)
{
	union bpf_attr attributes;

	memset(&attributes, 0, sizeof(attributes));
	attributes.prog_type = type;
	attributes.insn_cnt = count;
	attributes.insns = (uintptr_t)program;
	attributes.license = (uintptr_t) "BSD";
	attributes.expected_attach_type = type == BPF_PROG_TYPE_XDP ? BPF_XDP : 0;
	attributes.prog_flags = flags;
	strcpy(attributes.prog_name, "sluice");
	return bpf(BPF_PROG_LOAD, &attributes);
}

static int attach(int program, int index, uint32_t type, uint32_t flags)
{
	union bpf_attr attributes;

	memset(&attributes, 0, sizeof(attributes));
	attributes.link_create.prog_fd = (uint32_t)program;
	attributes.link_create.target_ifindex = (uint32_t)index;
	attributes.link_create.attach_type = type;
	attributes.link_create.flags = flags;
	return bpf(BPF_LINK_CREATE, &attributes);
}

int xdp_attach_pass(int index)
{
	static const struct bpf_insn program[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS},
		{.code = BPF_JMP | BPF_EXIT},
	};
	const uint32_t count = sizeof(program) / sizeof(program[0]);
	int fd = load(BPF_PROG_TYPE_XDP, program, count, BPF_F_XDP_HAS_FRAGS), rc;

	if (fd == -EINVAL) // a kernel before 5.18, and no MTU above a page
		fd = load(BPF_PROG_TYPE_XDP, program, count, 0);
	if (fd < 0)
		return fd;
	rc = attach(fd, index, BPF_XDP, XDP_FLAGS_DRV_MODE);
	close(fd);
	return rc;
}

int xdp_attach_redirect(int index, int map, bool fragments)
{
	const struct bpf_insn program[] = {
		// return bpf_redirect_map(map, context->rx_queue_index, XDP_DROP)
		{.code = BPF_LDX | BPF_MEM | BPF_W,
			.dst_reg = BPF_REG_2,
			.src_reg = BPF_REG_1,
			.off = offsetof(struct xdp_md, rx_queue_index)},
		{.code = BPF_LD | BPF_IMM | BPF_DW,
			.dst_reg = BPF_REG_1,
			.src_reg = BPF_PSEUDO_MAP_FD,
			.imm = map},
		{0}, // the upper half of the map's address
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_3, .imm = XDP_DROP},
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect_map},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int fd = load(BPF_PROG_TYPE_XDP, program, sizeof(program) / sizeof(program[0]),
		fragments ? BPF_F_XDP_HAS_FRAGS : 0);
	int rc;

	if (fd < 0)
		return fd;
	rc = attach(fd, index, BPF_XDP, XDP_FLAGS_DRV_MODE);
	if (rc == -EOPNOTSUPP)
		rc = attach(fd, index, BPF_XDP, XDP_FLAGS_SKB_MODE);
	close(fd);
	return rc;
}

int tcx_attach_disown(int index)
{
	static const struct bpf_insn program[] = {
		// if (!skb->gso_size || !skb->sk || skb->sk->family != AF_PACKET) return TCX_NEXT
		{.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_6, .src_reg = BPF_REG_1},
		{.code = BPF_LDX | BPF_MEM | BPF_W,
			.dst_reg = BPF_REG_2,
			.src_reg = BPF_REG_6,
			.off = offsetof(struct __sk_buff, gso_size)},
		{.code = BPF_JMP | BPF_JEQ | BPF_K, .dst_reg = BPF_REG_2, .imm = 0, .off = 13},
		{.code = BPF_LDX | BPF_MEM | BPF_DW,
			.dst_reg = BPF_REG_2,
			.src_reg = BPF_REG_6,
			.off = offsetof(struct __sk_buff, sk)},
		{.code = BPF_JMP | BPF_JEQ | BPF_K, .dst_reg = BPF_REG_2, .imm = 0, .off = 11},
		{.code = BPF_LDX | BPF_MEM | BPF_W,
			.dst_reg = BPF_REG_2,
			.src_reg = BPF_REG_2,
			.off = offsetof(struct bpf_sock, family)},
		{.code = BPF_JMP | BPF_JNE | BPF_K,
			.dst_reg = BPF_REG_2,
			.imm = AF_PACKET,
			.off = 9},
		// bpf_get_hash_recalc(skb)
		{.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_1, .src_reg = BPF_REG_6},
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_get_hash_recalc},
		// if (bpf_clone_redirect(skb, skb->ifindex, 0) < 0) return TCX_NEXT
		{.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_1, .src_reg = BPF_REG_6},
		{.code = BPF_LDX | BPF_MEM | BPF_W,
			.dst_reg = BPF_REG_2,
			.src_reg = BPF_REG_6,
			.off = offsetof(struct __sk_buff, ifindex)},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_3, .imm = 0},
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_clone_redirect},
		{.code = BPF_JMP | BPF_JSLT | BPF_K, .dst_reg = BPF_REG_0, .imm = 0, .off = 2},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = TCX_DROP},
		{.code = BPF_JMP | BPF_EXIT},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = TCX_NEXT},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int fd = load(BPF_PROG_TYPE_SCHED_CLS, program, sizeof(program) / sizeof(program[0]), 0),
	    rc;

	if (fd < 0)
		return fd;
	rc = attach(fd, index, TCX_EGRESS, 0);
	close(fd);
	return rc;
}

int xdp_map_create(uint32_t queues)
{
	union bpf_attr attributes;

	memset(&attributes, 0, sizeof(attributes));
	attributes.map_type = BPF_MAP_TYPE_XSKMAP;
	attributes.key_size = sizeof(uint32_t);
	attributes.value_size = sizeof(uint32_t);
	attributes.max_entries = queues;
	return bpf(BPF_MAP_CREATE, &attributes);
}

int xdp_map_set(int map, uint32_t queue, int socket)
{
	uint32_t value = (uint32_t)socket;
	union bpf_attr attributes;

	memset(&attributes, 0, sizeof(attributes));
	attributes.map_fd = (uint32_t)map;
	attributes.key = (uintptr_t)&queue;
	attributes.value = (uintptr_t)&value;
	return bpf(BPF_MAP_UPDATE_ELEM, &attributes);
}
