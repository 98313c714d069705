// SPDX-License-Identifier: BSD-3-Clause
// What OpenSSL says went wrong -> the refusal's name; and the alert for what is refused before it.
#include <openssl/err.h>
#include <openssl/x509_vfy.h>

#include "tls_internal.h"

static enum tls_refusal refusal_of_alert(int alert)
{
	switch (alert) {
	case SSL_AD_BAD_CERTIFICATE:
	case SSL_AD_UNSUPPORTED_CERTIFICATE:
	case SSL_AD_CERTIFICATE_REVOKED:
	case SSL_AD_CERTIFICATE_EXPIRED:
	case SSL_AD_CERTIFICATE_UNKNOWN:
	case SSL_AD_UNKNOWN_CA:
	case SSL_AD_BAD_CERTIFICATE_STATUS_RESPONSE:
	case SSL_AD_CERTIFICATE_REQUIRED:
		return TLS_ALERT_CERTIFICATE;
	case SSL_AD_HANDSHAKE_FAILURE:
	case SSL_AD_PROTOCOL_VERSION:
	case SSL_AD_INSUFFICIENT_SECURITY:
	case SSL_AD_NO_APPLICATION_PROTOCOL:
	case SSL_AD_UNRECOGNIZED_NAME:
		return TLS_ALERT_HANDSHAKE;
	default:
		return TLS_ALERT_OTHER;
	}
}

static enum tls_refusal refusal_of_verify(const SSL *ssl)
{
	switch (SSL_get_verify_result(ssl)) {
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		return TLS_PEER_NAME;
	case X509_V_ERR_CERT_NOT_YET_VALID:
	case X509_V_ERR_CERT_HAS_EXPIRED:
		return TLS_PEER_EXPIRED;
	default:
		return TLS_PEER_UNTRUSTED;
	}
}

static const struct {
	int reason;
	enum tls_refusal refusal;
} reasons[] = {
	{SSL_R_UNSUPPORTED_PROTOCOL, TLS_NO_VERSION},
	{SSL_R_UNKNOWN_PROTOCOL, TLS_NO_VERSION},
	{SSL_R_VERSION_TOO_LOW, TLS_NO_VERSION},
	{SSL_R_VERSION_TOO_HIGH, TLS_NO_VERSION},
	{SSL_R_BAD_LEGACY_VERSION, TLS_NO_VERSION},
	{SSL_R_INAPPROPRIATE_FALLBACK, TLS_NO_VERSION},
	{SSL_R_NO_SHARED_CIPHER, TLS_NO_CIPHER},
	{SSL_R_NO_CIPHERS_SPECIFIED, TLS_NO_CIPHER},
	{SSL_R_NO_SUITABLE_KEY_SHARE, TLS_NO_GROUP},
	{SSL_R_NO_SUITABLE_GROUPS, TLS_NO_GROUP},
	{SSL_R_NO_SHARED_GROUPS, TLS_NO_GROUP},
	{SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM, TLS_NO_SIGNATURE},
	{SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS, TLS_NO_SIGNATURE},
	{SSL_R_NO_APPLICATION_PROTOCOL, TLS_NO_ALPN},
	{SSL_R_NO_RENEGOTIATION, TLS_RENEGOTIATION},
	{SSL_R_TOO_MANY_KEY_UPDATES, TLS_TOO_MANY_RECORDS},
	{SSL_R_TOO_MANY_WARN_ALERTS, TLS_TOO_MANY_RECORDS},
	{SSL_R_RECORD_TOO_SMALL, TLS_TOO_MANY_RECORDS},
	{SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC, TLS_BAD_RECORD},
	{SSL_R_DECRYPTION_FAILED, TLS_BAD_RECORD},
	{SSL_R_BAD_RECORD_TYPE, TLS_BAD_RECORD},
	{SSL_R_UNEXPECTED_RECORD, TLS_BAD_RECORD},
	{SSL_R_WRONG_VERSION_NUMBER, TLS_BAD_RECORD},
	{SSL_R_PACKET_LENGTH_TOO_LONG, TLS_BAD_RECORD},
	{SSL_R_DATA_LENGTH_TOO_LONG, TLS_BAD_RECORD},
	{SSL_R_ENCRYPTED_LENGTH_TOO_LONG, TLS_BAD_RECORD},
	{SSL_R_LENGTH_TOO_SHORT, TLS_BAD_RECORD},
	{SSL_R_LENGTH_TOO_LONG, TLS_BAD_RECORD},
	{SSL_R_EXCESSIVE_MESSAGE_SIZE, TLS_HANDSHAKE_TOO_LONG},
	{SSL_R_CERTIFICATE_VERIFY_FAILED, TLS_PEER_UNTRUSTED},
};

enum tls_refusal refusal_of_errors(const SSL *ssl, bool handshake)
{
	unsigned long error = ERR_peek_last_error();
	int reason = ERR_GET_REASON(error);

	ERR_clear_error();
	if (reason == ERR_R_MALLOC_FAILURE || error == 0)
		return error ? TLS_NO_MEMORY : TLS_OTHER;
	if (ERR_GET_LIB(error) != ERR_LIB_SSL)
		return handshake ? TLS_HANDSHAKE_MALFORMED : TLS_OTHER;
	if (reason >= SSL_AD_REASON_OFFSET)
		return refusal_of_alert(reason - SSL_AD_REASON_OFFSET);
	if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED)
		return refusal_of_verify(ssl);
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].reason == reason)
			return reasons[i].refusal;
	return handshake ? TLS_HANDSHAKE_MALFORMED : TLS_OTHER;
}

uint8_t alert_of_refusal(enum tls_refusal refusal)
{
	switch (refusal) {
	case TLS_HELLO_MALFORMED:
	case TLS_HELLO_ALPN:
	case TLS_HELLO_NAME:
		return SSL_AD_DECODE_ERROR;
	case TLS_HELLO_TOO_LONG:
	case TLS_HANDSHAKE_TOO_LONG:
		return SSL_AD_ILLEGAL_PARAMETER;
	case TLS_RECORD_LENGTH:
		return SSL_AD_RECORD_OVERFLOW;
	case TLS_NO_CERTIFICATE:
		return SSL_AD_UNRECOGNIZED_NAME;
	case TLS_NO_VERSION:
	case TLS_RECORD_VERSION:
		return SSL_AD_PROTOCOL_VERSION;
	case TLS_OVERLOADED:
	case TLS_NO_MEMORY:
		return SSL_AD_INTERNAL_ERROR;
	default: // house: what is no TLS gets no alert, and OpenSSL sends its own
		return 0;
	}
}
