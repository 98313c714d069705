// SPDX-License-Identifier: BSD-3-Clause
// The envelope of a sluice.Request: its id and which body it carries, the body left as it is.
//
// Read by hand, because a request whose body is damaged shall still be answered under its id, and
// because a transaction then is parsed once, by plan_change.c. Wire format as in the protobuf
// encoding specification; fields not known are passed over. Pure; hostile input.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum request_kind {
	REQUEST_NONE, // nothing this program knows
	REQUEST_TRANSACTION,
	REQUEST_STATS,
	REQUEST_FLOWS,
	REQUEST_EXPLAIN,
	REQUEST_CAPTURE,
	REQUEST_LOG,
	REQUEST_LAST = REQUEST_LOG,
};

struct request {
	uint64_t id;
	bool has_id;
	enum request_kind kind;
	const uint8_t *body;
	size_t length;
};

// False when the message is damaged; what was read up to there is in *request all the same.
bool request_parse(struct request *request, const uint8_t *bytes, size_t length);
