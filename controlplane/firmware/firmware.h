// SPDX-License-Identifier: BSD-3-Clause
// The appliance's image: which one runs, and what changes it. RAUC does the work; it and systemd
// are asked by their programs, `rauc` and `systemctl`, which are found by PATH. What the image has
// to do around an update are RAUC's handlers (images/firmware).
//
//     IDLE --install--> INSTALLING --> INSTALLED   the other slot has it, and starts next
//      ^                    |
//      +--- install again --+--> FAILED            nothing of what runs has changed
//
// A box without rauc is no appliance. Loop thread only.
#pragma once

#include "reason.h"

#include <stdbool.h>
#include <uv.h>

#define FIRMWARE_TEXT 240

struct firmware;

enum firmware_state {
	FIRMWARE_IDLE,
	FIRMWARE_INSTALLING,
	FIRMWARE_INSTALLED,
	FIRMWARE_FAILED,
};

struct firmware_install {
	enum firmware_state state;
	unsigned percent;
	char doing[FIRMWARE_TEXT]; // of RAUC's words
	char error[FIRMWARE_TEXT]; // why it failed; "" = it did not
	char bundle[FIRMWARE_TEXT];
};

enum firmware_leave {
	LEAVE_REBOOT,
	LEAVE_ROLLBACK, // into the other slot
	LEAVE_RESET,    // and come back as new
};

// What came of a program: its output, or with NULL why there is none.
typedef void (*firmware_told)(void *arg, const char *output, const char *why);

// What is fetched is kept in `state_dir` as long as it is installed. NULL: out of memory.
struct firmware *firmware_new(uv_loop_t *loop, const char *state_dir);
// Who waits is told that there is no answer. An install goes on. The loop frees the memory.
void firmware_close(struct firmware *firmware);

// False with the reason: this is no appliance.
bool firmware_there(struct reason *reason);
// The image's version and the slot that runs; "" = not known.
void firmware_image(char version[static 64], char slot[static 16]);
// The slots as `rauc status` tells them in JSON. 0, and `told` is called later; or -errno: -EBUSY
// while one is installed.
int firmware_slots(struct firmware *firmware, firmware_told told, void *arg);
// A file of this box, or a URL (http, https), which is fetched before. 0, and firmware_progress()
// tells; or -errno with the reason.
int firmware_install(struct firmware *firmware, const char *bundle, struct reason *reason);
const struct firmware_install *firmware_progress(struct firmware *firmware);
// The machine restarts. `told` is called when it does not.
int firmware_leave(
	struct firmware *firmware, enum firmware_leave how, firmware_told told, void *arg);
