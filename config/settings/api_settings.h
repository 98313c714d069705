// SPDX-License-Identifier: BSD-3-Clause
// Where the control plane is asked beside its unix socket, and where its log goes. A part of
// settings.h.
#pragma once

#include "addr.h"

#include <stdbool.h>
#include <stdint.h>

struct listen_settings {
	bool on;
	struct addr address; // "::" = all of both families
	uint16_t port;
};

struct api_settings {
	struct listen_settings https, metrics; // metrics: /metrics alone, without TLS
	char *certificate, *key;               // files of PEM; "" = a pair of our own making
	uint32_t rate;                         // requests a second of one address
};

enum syslog_transport {
	SYSLOG_UDP,
	SYSLOG_TCP
};

struct syslog_settings { // RFC 5424
	struct addr address;
	uint32_t port;
	enum syslog_transport transport;
	unsigned level; // of enum log_level: this and worse
};
