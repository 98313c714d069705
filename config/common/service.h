// SPDX-License-Identifier: BSD-3-Clause
// What a process tells the service manager that started it: that it is ready, that it is alive.
// The protocol is sd_notify(3)'s: one datagram to the socket that NOTIFY_SOCKET names. Without one
// nothing is told. Any thread; never blocks.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// Does a service manager run us, which starts again what has ended?
bool service_managed(void);

// "READY=1", "WATCHDOG=1", "RELOADING=1", "STOPPING=1".
void service_say(const char *what);

// How often the manager wants to hear WATCHDOG=1, in microseconds; half of it is a good pace.
// 0 = not at all.
uint64_t service_watchdog_us(void);
