// SPDX-License-Identifier: BSD-3-Clause
// What is in a frame, on one line, for people. Pure; the frame is hostile input.
#pragma once

#include <stdint.h>
#include <stdio.h>

// "tcp 198.51.100.7:40000 > 192.0.2.10:80 S seq 1 length 0"; without a newline.
void frame_print(const uint8_t *frame, size_t length, FILE *out);
