// SPDX-License-Identifier: BSD-3-Clause
// Rows found by the hash of their key: what the dataplane counted is joined with the plan's rows
// by it, in one walk through each. Pure.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct index;

struct index *index_new(size_t most); // rows; NULL: out of memory
void index_free(struct index *index);
// Of a text, after what was hashed before; 0 at first.
uint64_t index_hash(uint64_t before, const char *text);
void index_add(struct index *index, uint64_t hash, size_t row);
// The next row with that hash, whose key is to be compared; `at` is 0 at first. False: no more.
bool index_next(const struct index *index, uint64_t hash, size_t *at, size_t *row);
