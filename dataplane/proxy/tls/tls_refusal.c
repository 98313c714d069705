// SPDX-License-Identifier: BSD-3-Clause
#include "tls_refusal.h"

static const struct {
	const char *name, *help;
} refusals[] = {
	[TLS_OK] = {"none", "Not refused."},
	[TLS_NOT_TLS] = {"not_tls", "The first bytes are no TLS handshake."},
	[TLS_PLAIN_HTTP] = {"plain_http", "An HTTP request in clear text to an https port."},
	[TLS_RECORD_VERSION] = {"record_version", "The first record is not of TLS or SSL 3."},
	[TLS_RECORD_LENGTH] = {"record_length",
		"A handshake record that is empty or longer than TLS allows."},
	[TLS_HELLO_MALFORMED] = {"hello_malformed", "The lengths in the ClientHello disagree."},
	[TLS_HELLO_TOO_LONG] = {"hello_too_long", "The ClientHello is longer than 16 KB."},
	[TLS_HELLO_NAME] = {"hello_name", "The server name asked for is no host name."},
	[TLS_HELLO_ALPN] = {"hello_alpn", "The list of protocols (ALPN) is malformed or too long."},
	[TLS_NO_CERTIFICATE] = {"no_certificate", "No certificate for the server name asked for."},
	[TLS_NO_VERSION] = {"no_version",
		"The remote speaks neither TLS 1.2 nor 1.3: it is too old, or set so."},
	[TLS_NO_CIPHER] = {"no_cipher", "No cipher suite in common with the remote."},
	[TLS_NO_GROUP] = {"no_group", "No key exchange group in common with the remote."},
	[TLS_NO_SIGNATURE] = {"no_signature",
		"The remote can check no signature of the certificate's kind of key: add a "
		"certificate of another kind."},
	[TLS_NO_ALPN] = {"no_alpn", "No protocol (ALPN) in common with the remote."},
	[TLS_HANDSHAKE_MALFORMED] = {"handshake_malformed",
		"A handshake message that is malformed or out of turn."},
	[TLS_HANDSHAKE_TOO_LONG] = {"handshake_too_long",
		"More handshake bytes than any real one has."},
	[TLS_RENEGOTIATION] = {"renegotiation", "The remote wanted to negotiate again."},
	[TLS_TOO_MANY_RECORDS] = {"too_many_records",
		"A flood of records without data: empty ones, warnings or key updates."},
	[TLS_BAD_RECORD] = {"bad_record",
		"A record that does not decrypt, or is longer than allowed: damaged or forged."},
	[TLS_TRUNCATED] = {"truncated", "The TCP connection ended within the handshake."},
	[TLS_ALERT_CERTIFICATE] = {"alert_certificate",
		"The remote did not accept the certificate: expired, its issuer unknown, or there "
		"was none."},
	[TLS_ALERT_HANDSHAKE] = {"alert_handshake", "The remote found nothing in common with us."},
	[TLS_ALERT_OTHER] = {"alert_other", "The remote ended the connection with another alert."},
	[TLS_PEER_UNTRUSTED] = {"peer_untrusted",
		"The backend's certificate is not from the authority it should be from."},
	[TLS_PEER_NAME] = {"peer_name", "The backend's certificate is for another name."},
	[TLS_PEER_EXPIRED] = {"peer_expired", "The backend's certificate is not valid now."},
	[TLS_OVERLOADED] = {"overloaded",
		"More handshakes under way than allowed: add dataplane.crypto_cpus."},
	[TLS_NO_MEMORY] = {"no_memory", "Out of memory."},
	[TLS_OTHER] = {"other", "A failure of another kind."},
};

_Static_assert(
	sizeof(refusals) / sizeof(refusals[0]) == TLS_REFUSAL_COUNT, "a row for every refusal");

const char *tls_refusal_name(enum tls_refusal refusal)
{
	return refusal < TLS_REFUSAL_COUNT ? refusals[refusal].name : "unknown";
}

const char *tls_refusal_help(enum tls_refusal refusal)
{
	return refusal < TLS_REFUSAL_COUNT ? refusals[refusal].help : "";
}
