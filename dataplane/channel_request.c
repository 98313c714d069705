// SPDX-License-Identifier: BSD-3-Clause
#include "channel_request.h"

enum wire {
	WIRE_VARINT = 0,
	WIRE_64 = 1,
	WIRE_BYTES = 2,
	WIRE_32 = 5
};

#define FIELD_ID 1 // the numbers of channel.proto; bodies follow in the order of enum request_kind

struct cursor {
	const uint8_t *at, *end;
};

static bool varint(struct cursor *cursor, uint64_t *value)
{
	*value = 0;
	for (unsigned shift = 0; shift < 64 && cursor->at < cursor->end; shift += 7) {
		uint8_t byte = *cursor->at++;

		*value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return true;
	}
	return false;
}

static bool skip(struct cursor *cursor, uint64_t bytes)
{
	if (bytes > (uint64_t)(cursor->end - cursor->at))
		return false;
	cursor->at += bytes;
	return true;
}

static bool field(struct cursor *cursor, struct request *request)
{
	uint64_t tag, value;

	if (!varint(cursor, &tag) || tag >> 3 == 0 || tag > UINT32_MAX)
		return false;
	switch (tag & 7) {
	case WIRE_VARINT:
		if (!varint(cursor, &value))
			return false;
		if (tag >> 3 == FIELD_ID) {
			request->id = value;
			request->has_id = true;
		}
		return true;
	case WIRE_BYTES:
		if (!varint(cursor, &value) || !skip(cursor, value))
			return false;
		if (tag >> 3 > FIELD_ID && tag >> 3 <= FIELD_ID + REQUEST_LAST) {
			request->kind = (enum request_kind)((tag >> 3) - FIELD_ID);
			request->body = cursor->at - value;
			request->length = (size_t)value;
		}
		return true;
	case WIRE_64:
		return skip(cursor, 8);
	case WIRE_32:
		return skip(cursor, 4);
	default:
		return false;
	}
}

bool request_parse(struct request *request, const uint8_t *bytes, size_t length)
{
	struct cursor cursor = {bytes, bytes + length};

	*request = (struct request){0};
	while (cursor.at < cursor.end)
		if (!field(&cursor, request))
			return false;
	return true;
}
