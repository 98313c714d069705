// SPDX-License-Identifier: BSD-3-Clause
// SipHash-2-4 over whole 64-bit words: the keyed hash behind initial sequence numbers, cookies and
// timestamp offsets, where a stranger must not foretell the value. Any thread.
#pragma once

#include <stdint.h>

uint64_t siphash(const uint64_t key[2], const uint64_t *words, unsigned count);
