// SPDX-License-Identifier: BSD-3-Clause
// What both processes say of requests by number: those of channel.proto.
#pragma once

enum retry_on {
	RETRY_ERROR = 1,
	RETRY_TIMEOUT = 2,
	RETRY_500 = 4,
	RETRY_502 = 8,
	RETRY_503 = 16,
	RETRY_504 = 32,
	RETRY_403 = 64,
	RETRY_404 = 128,
	RETRY_429 = 256,
	RETRY_INVALID_HEADER = 512,
	RETRY_NON_IDEMPOTENT = 1024,
};

enum hash_key {
	HASH_NONE,
	HASH_CLIENT,
	HASH_URI,
	HASH_HOST,
	HASH_HEADER,
	HASH_COOKIE,
};
