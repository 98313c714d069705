// SPDX-License-Identifier: BSD-3-Clause
// What the proxy of each worker may use, and where its requests are logged.
#pragma once

#include <stdint.h>

enum congestion_control {
	CONGESTION_BBR,
	CONGESTION_CUBIC
};

struct http_settings {
	uint32_t connections;    // clients' and endpoints' together
	uint32_t idle_upstreams; // kept for the next request
	enum congestion_control congestion;
};

struct access_log_settings {
	char *path;      // "" = no log, "-" = standard output
	uint32_t rate;   // lines a second; 0 = any number
	uint32_t max_mb; // of the file, until it is put aside as path.1; 0 = any number
};
