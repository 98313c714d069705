// SPDX-License-Identifier: BSD-3-Clause
// The certificate for where no Secret serves: clients are told at once that it is nobody's.
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "pair.h"

#define DAY_S   86400
#define VALID_S (3650ll * DAY_S)

static bool sign(X509 *certificate, EVP_PKEY *key, const char *name, int64_t now)
{
	X509_NAME *subject = X509_get_subject_name(certificate);
	char alternative[300];
	X509_EXTENSION *extension;
	uint64_t serial;
	bool ok;

	if (RAND_bytes((unsigned char *)&serial, sizeof(serial)) != 1)
		return false;
	snprintf(alternative, sizeof(alternative), "DNS:%.253s", name);
	extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, alternative);
	ok = extension && X509_add_ext(certificate, extension, -1) == 1;
	X509_EXTENSION_free(extension);
	return ok && X509_set_version(certificate, X509_VERSION_3) &&
	       ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1) &&
	       ASN1_TIME_set(X509_getm_notBefore(certificate), now - DAY_S) &&
	       ASN1_TIME_set(X509_getm_notAfter(certificate), now + VALID_S) &&
	       X509_NAME_add_entry_by_txt(
		       subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1, -1, 0) &&
	       X509_set_issuer_name(certificate, subject) && X509_set_pubkey(certificate, key) &&
	       X509_sign(certificate, key, EVP_sha256()) > 0;
}

static bool take_text(BIO *bio, struct arena *arena, struct secret_bytes *out)
{
	char *data = NULL;
	long length = BIO_get_mem_data(bio, &data);

	out->data = (uint8_t *)arena_copy_part(arena, data, (size_t)length);
	out->length = (size_t)length;
	return out->data;
}

int pair_self_signed(const char *name, int64_t now, struct arena *arena, struct secret_bytes *chain,
	struct secret_bytes *key_pem)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate = X509_new();
	BIO *first = BIO_new(BIO_s_mem()), *second = BIO_new(BIO_s_secmem());
	bool ok = key && certificate && first && second && sign(certificate, key, name, now) &&
		  PEM_write_bio_X509(first, certificate) == 1 &&
		  PEM_write_bio_PKCS8PrivateKey(second, key, NULL, NULL, 0, NULL, NULL) == 1 &&
		  take_text(first, arena, chain) && take_text(second, arena, key_pem);

	BIO_free(first);
	BIO_free(second);
	X509_free(certificate);
	EVP_PKEY_free(key);
	ERR_clear_error();
	return ok ? 0 : -ENOMEM;
}
