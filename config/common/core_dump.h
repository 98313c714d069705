// SPDX-License-Identifier: BSD-3-Clause
// Both processes hold private keys: none of them may end in a core file.
#pragma once

// First thing in main(). The kernel writes no core file of this process, whatever ulimit and
// core_pattern say; only root may attach a debugger, and what such a one dumps by itself (gcore)
// leaves this process's memory out.
void core_dump_forbid(void);
