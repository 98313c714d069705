// SPDX-License-Identifier: BSD-3-Clause
// X-Forwarded-For: a list of addresses, to which each proxy on the way adds whom it heard from at
// the end. Any thread.
#pragma once

#include "addr.h"

#include <stdbool.h>
#include <stdint.h>

// The last address of the list, and its port where it has one (else 0). *length becomes that of
// what is ahead of it. False: there is none, or it is none; 'a, , b' has two.
bool forwarded_last(const char *list, uint32_t *length, struct addr *address, uint16_t *port);
