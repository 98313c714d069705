// SPDX-License-Identifier: BSD-3-Clause
// Why a TLS connection, or the peek at a ClientHello, ended otherwise than by close_notify. Every
// one has a name: what is counted, logged and documented.
#pragma once

enum tls_refusal {
	TLS_OK,
	// The first bytes are no ClientHello; found before OpenSSL sees them.
	TLS_NOT_TLS,
	TLS_PLAIN_HTTP,
	TLS_RECORD_VERSION,
	TLS_RECORD_LENGTH,
	TLS_HELLO_MALFORMED,
	TLS_HELLO_TOO_LONG,
	TLS_HELLO_NAME,
	TLS_HELLO_ALPN,
	// Server and client have nothing in common.
	TLS_NO_CERTIFICATE,
	TLS_NO_VERSION,
	TLS_NO_CIPHER,
	TLS_NO_GROUP,
	TLS_NO_SIGNATURE,
	TLS_NO_ALPN,
	// The remote's mistakes.
	TLS_HANDSHAKE_MALFORMED,
	TLS_HANDSHAKE_TOO_LONG,
	TLS_RENEGOTIATION,
	TLS_TOO_MANY_RECORDS,
	TLS_BAD_RECORD,
	TLS_TRUNCATED,
	// The remote refused us, or is not who it should be (towards a backend).
	TLS_ALERT_CERTIFICATE,
	TLS_ALERT_HANDSHAKE,
	TLS_ALERT_OTHER,
	TLS_PEER_UNTRUSTED,
	TLS_PEER_NAME,
	TLS_PEER_EXPIRED,
	// Our own want.
	TLS_OVERLOADED,
	TLS_NO_MEMORY,
	TLS_OTHER,
	TLS_REFUSAL_COUNT,
};

// "hello_too_long", as counted and logged.
const char *tls_refusal_name(enum tls_refusal refusal);
// One sentence for the operator: what it means and what to do.
const char *tls_refusal_help(enum tls_refusal refusal);
