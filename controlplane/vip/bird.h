// SPDX-License-Identifier: BSD-3-Clause
// BIRD: its configuration file, its process, its control socket. For vip.c. Loop thread only.
//
// A text is written beside the configuration, tried with `bird -p`, and takes its place only when
// BIRD finds nothing wrong. Then BIRD, if it runs, is told to look: it keeps its sessions and says
// only what has changed.
//
//     IDLE --new text--> TRYING --correct--> renamed --running--> TELLING --> IDLE
//       ^                   | wrong: the old one stays, the reason is kept     |
//       +-------------------+---- while under way the newest text waits <------+
#pragma once

#include "vip_text.h"

#include <uv.h>

struct bird;

struct bird *bird_new(uv_loop_t *loop, const char *run_dir);
// Takes the text over. NULL: BIRD is to end.
void bird_configure(struct bird *bird, char *text);
// BIRD's own protocols, as it last said; asked again every second while it runs.
const struct bird_protocol *bird_protocol(const struct bird *bird, unsigned i); // NULL: no more
// State of the BFD session with that router: "Up", "Down", "Init"; "" = there is none.
const char *bird_bfd_state(const struct bird *bird, const struct addr *address);
const char *bird_mistake(const struct bird *bird); // "" = none
bool bird_running(const struct bird *bird);
// BIRD goes on. The loop frees the memory.
void bird_release(struct bird *bird);
