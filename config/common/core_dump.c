// SPDX-License-Identifier: BSD-3-Clause
#include "core_dump.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

// Each is enough by itself where the others are undone or not there, so that none is checked.
void core_dump_forbid(void)
{
	const struct rlimit none = {0, 0};
	int filter = open("/proc/self/coredump_filter", O_WRONLY | O_CLOEXEC);

	if (filter >= 0) {
		ssize_t written = write(filter, "0", 1); // no kind of mapping

		(void)written;
		close(filter);
	}
	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0);
}
