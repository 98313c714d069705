// SPDX-License-Identifier: BSD-3-Clause
// Does somebody answer at an address and port? A TCP connection is begun and ended. Loop thread.
#pragma once

#include "addr.h"

#include <stdint.h>
#include <uv.h>

#define PROBE_MS 2000

enum probe_result {
	PROBE_OPEN,
	PROBE_REFUSED,  // somebody is there, but nobody listens
	PROBE_NO_ROUTE, // told so, by us or by who is on the way
	PROBE_SILENT,   // nothing came within PROBE_MS
	PROBE_FAILED,   // it could not be tried
};

// `done` is called once, never from within; `local` is where it went out from, NULL = nowhere.
// -errno: it could not be begun.
int probe_start(uv_loop_t *loop, const struct addr *address, uint16_t port,
	void (*done)(void *arg, enum probe_result result, const struct addr *local), void *arg);
