// SPDX-License-Identifier: BSD-3-Clause
// One request as one line of JSON. Whatever clients and endpoints wrote, it is one line of valid
// UTF-8 and at most ACCESS_LINE bytes: long texts are cut, bytes that are no UTF-8 escaped. Pure
// function; any thread; no memory of its own.
#pragma once

#include <stdint.h>

#define ACCESS_LINE 8192

struct access_text { // length 0: there is none, and so no member in the line
	const char *bytes;
	uint32_t length;
};

struct access_record {
	int64_t time_us; // CLOCK_REALTIME, of the request's first byte
	uint64_t bytes_in, bytes_out;
	// Microseconds; UINT64_MAX: it did not come to that.
	uint64_t total_us, connect_us, header_us; // upstream: until connected; until its head came
	struct access_text client, vip, upstream; // addresses as text
	struct access_text scheme, method, host, path, version;
	struct access_text ingress, rule, pool, request_id, refusal;
	struct access_text upstream_tls; // why TLS with the endpoint failed
	struct access_text tls_version, tls_cipher, user_agent, referer;
	uint16_t client_port, vip_port, upstream_port;
	uint16_t status;          // 0: none was sent
	uint16_t upstream_status; // 0: none came
	uint16_t retries;
};

// Bytes written with the newline; 0 when `room` is below ACCESS_LINE.
uint32_t access_log_write(const struct access_record *record, char *out, uint32_t room);
