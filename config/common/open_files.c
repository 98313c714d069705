// SPDX-License-Identifier: BSD-3-Clause
#include "open_files.h"

#include <sys/resource.h>

void open_files_allow(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= OPEN_FILES_MOST)
		return;
	limit.rlim_cur = limit.rlim_max < OPEN_FILES_MOST ? limit.rlim_max : OPEN_FILES_MOST;
	setrlimit(RLIMIT_NOFILE, &limit);
}
