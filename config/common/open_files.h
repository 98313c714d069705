// SPDX-License-Identifier: BSD-3-Clause
// A process that speaks with thousands at once has thousands of files open. The limit that it is
// started with (1,024 is usual) is for programs that use select().
#pragma once

// First thing in main(): as many as it may have, OPEN_FILES_MOST of them.
void open_files_allow(void);

#define OPEN_FILES_MOST 65536
