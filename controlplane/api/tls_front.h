// SPDX-License-Identifier: BSD-3-Clause
// TLS in front of the HTTP server: takes connections of the network, and gives what they say in
// plain to a socket of its own that `accepted` gets, and back.
//
//     client <--TLS--> here <--socketpair--> web.c
//
// A client that is slow fills its own two buffers and nothing else. When there is no room for one
// more, the one that was silent longest ends. Loop thread only; handshakes are done here, too.
#pragma once

#include "reason.h"
#include "settings.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <uv.h>

struct tls_front;

struct tls_front_options {
	const char *certificate_pem, *key_pem; // borrowed for the call; NULL: without TLS
	size_t certificate_length, key_length;
	void *arg;
	// Takes the descriptor over in any case. False: the connection has ended.
	bool (*accepted)(void *arg, int fd, const struct sockaddr *client, socklen_t client_length);
};

int tls_front_open(struct tls_front **front, uv_loop_t *loop,
	const struct listen_settings *settings, const struct tls_front_options *options,
	struct reason *reason);
void tls_front_close(struct tls_front *front); // the memory goes when the loop has run
