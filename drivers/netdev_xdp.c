// SPDX-License-Identifier: BSD-3-Clause
// Two instructions of BPF: return XDP_PASS. By the bare system call, so that only the af_xdp kind
// depends on libbpf. As a link, which the kernel takes away with its last file descriptor: nothing
// is left after a crash. See netdev.h.
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "netdev.h"

static int bpf(enum bpf_cmd command, union bpf_attr *attributes)
{
	long rc = syscall(__NR_bpf, command, attributes, sizeof(*attributes));

	return rc < 0 ? -errno : (int)rc;
}

int netdev_attach_pass(int index)
{
	static const struct bpf_insn program[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS},
		{.code = BPF_JMP | BPF_EXIT},
	};
	union bpf_attr load = {
		.prog_type = BPF_PROG_TYPE_XDP,
		.insn_cnt = sizeof(program) / sizeof(program[0]),
		.insns = (uintptr_t)program,
		.license = (uintptr_t) "BSD",
		.expected_attach_type = BPF_XDP,
		.prog_flags = BPF_F_XDP_HAS_FRAGS, // MTU above a page
		.prog_name = "sluice_pass",
	};
	union bpf_attr link;
	int fd = bpf(BPF_PROG_LOAD, &load), rc;

	if (fd == -EINVAL) { // a kernel before 5.18
		load.prog_flags = 0;
		fd = bpf(BPF_PROG_LOAD, &load);
	}
	if (fd < 0)
		return fd;
	memset(&link, 0, sizeof(link));
	link.link_create.prog_fd = (uint32_t)fd;
	link.link_create.target_ifindex = (uint32_t)index;
	link.link_create.attach_type = BPF_XDP;
	link.link_create.flags = XDP_FLAGS_DRV_MODE;
	rc = bpf(BPF_LINK_CREATE, &link);
	close(fd);
	return rc;
}
