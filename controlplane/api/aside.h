// SPDX-License-Identifier: BSD-3-Clause
// A long answer, made aside: by a child, out of the memory as it is at that moment, while the loop
// goes on. What the loop pays is the copy of the page tables.
//
// The child makes the answer, writes it to a file in memory, says so, and ends; it is killed when
// it takes too long or when we end. Nobody waits for its end: to give back what it had of our
// memory takes it as long as a fork does. Loop thread only.
#pragma once

#include "exchange.h"

// `make` answers the exchange, in the child. Then it is answered here, too, and resumed: it must be
// suspended until then. False: it is not begun, and the caller must make it.
bool aside_begin(struct exchange *exchange, void (*make)(struct exchange *exchange));
// Ends them all; each is answered.
void aside_end(struct api *api);
