// SPDX-License-Identifier: BSD-3-Clause
// The memory of a proxy: pools of equal pieces, and the bytes of connections in them. A slice's
// owner is released once, by whoever takes the slice or by TCP when the remote has it.
#pragma once

#include <rte_mbuf.h>
#include <stddef.h>
#include <stdint.h>

#define CHUNK_SMALL 1984
#define CHUNK_LARGE 33792

// Equal pieces of memory that is not touched before it is needed. One thread.
struct pieces {
	char *base;
	void *free; // a list through the first word of each
	size_t bytes;
	uint32_t used, count; // used: ever given
};

struct chunk { // memory for bytes that did not come in a packet
	struct pieces *home;
	struct chunk *next;                   // of those that are kept
	struct rte_mbuf_ext_shared_info lent; // all mbufs it is lent to have one reference
	uint32_t references;
	uint32_t room;
	char data[];
};

// Owners are what tcp.h hands back: an mbuf, or a chunk with its lowest bit set.
struct slice {
	struct slice *next;
	const char *data;
	void *owner;
	uint32_t length;
};

struct slices {
	struct slice *first, **last;
	uint32_t length; // of all
};
