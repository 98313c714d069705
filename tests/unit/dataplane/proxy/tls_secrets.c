// SPDX-License-Identifier: BSD-3-Clause
// Keys, certificates and staples for the tests, made on the spot.
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tls_fixture.h"

static EVP_PKEY *key_new(enum made_key kind)
{
	switch (kind) {
	case MADE_P256:
		return EVP_EC_gen("P-256");
	case MADE_P384:
		return EVP_EC_gen("P-384");
	case MADE_SECP256K1:
		return EVP_EC_gen("secp256k1");
	case MADE_ED25519:
		return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	case MADE_RSA1024:
		return EVP_RSA_gen(1024);
	case MADE_RSA2048:
		return EVP_RSA_gen(2048);
	}
	return NULL;
}

static char *text_of(BIO *bio)
{
	char *data, *text;
	long length = BIO_get_mem_data(bio, &data);

	text = strndup(data, (size_t)length);
	BIO_free(bio);
	return text;
}

static void add_extension(X509 *certificate, int kind, const char *text)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, kind, text);

	X509_add_ext(certificate, extension, -1); // a copy
	X509_EXTENSION_free(extension);
}

static X509 *certificate_new(EVP_PKEY *key, const char *names, int days)
{
	X509 *certificate = X509_new();
	X509_NAME *subject = X509_get_subject_name(certificate);
	char first[128], alternative[512] = "";
	static long serial = 100;

	snprintf(first, sizeof(first), "%.*s", (int)strcspn(names, ","), names);
	X509_set_version(certificate, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
	X509_gmtime_adj(X509_getm_notBefore(certificate), -864000);
	X509_gmtime_adj(X509_getm_notAfter(certificate), days * 86400l);
	X509_set_pubkey(certificate, key);
	X509_NAME_add_entry_by_txt(
		subject, "CN", MBSTRING_UTF8, (const unsigned char *)first, -1, -1, 0);
	for (const char *at = names; *at;) {
		size_t length = strcspn(at, ",");

		snprintf(alternative + strlen(alternative),
			sizeof(alternative) - strlen(alternative), "%sDNS:%.*s",
			*alternative ? "," : "", (int)length, at);
		at += length + (at[length] == ',');
	}
	add_extension(certificate, NID_subject_alt_name, alternative);
	return certificate;
}

struct authority authority_new(const char *name)
{
	struct authority authority = {.key = key_new(MADE_P256)};
	BIO *bio = BIO_new(BIO_s_mem());
	X509 *certificate = certificate_new(authority.key, name, 3650);

	add_extension(certificate, NID_basic_constraints, "critical,CA:TRUE");
	X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
	X509_sign(certificate, authority.key, EVP_sha256());
	PEM_write_bio_X509(bio, certificate);
	authority.certificate = certificate;
	authority.pem = text_of(bio);
	return authority;
}

void authority_free(struct authority *authority)
{
	X509_free(authority->certificate);
	EVP_PKEY_free(authority->key);
	free(authority->pem);
}

struct secret secret_new(
	const struct authority *authority, enum made_key kind, const char *names, int days)
{
	BIO *chain = BIO_new(BIO_s_mem()), *text = BIO_new(BIO_s_mem());
	EVP_PKEY *key = key_new(kind);
	X509 *certificate = certificate_new(key, names, days);

	X509_set_issuer_name(certificate, X509_get_subject_name(authority->certificate));
	X509_sign(certificate, authority->key, EVP_sha256());
	PEM_write_bio_X509(chain, certificate);
	PEM_write_bio_X509(chain, authority->certificate);
	PEM_write_bio_PrivateKey(text, key, NULL, NULL, 0, NULL, NULL);
	X509_free(certificate);
	EVP_PKEY_free(key);
	return (struct secret){text_of(chain), text_of(text)};
}

void secret_free(struct secret *secret)
{
	free(secret->chain);
	free(secret->key);
}

struct tls_secret tls_secret_of(const struct secret *secret)
{
	return (struct tls_secret){
		.name = "lab/default/web",
		.chain = secret->chain,
		.chain_length = strlen(secret->chain),
		.key = secret->key,
		.key_length = strlen(secret->key),
	};
}

struct tls_identity *identity_of(const struct secret *secret)
{
	const struct tls_secret from = tls_secret_of(secret);
	struct reason mistakes = {0}, warnings = {0};
	struct tls_identity *identity = tls_identity_new(&from, time(NULL), &mistakes, &warnings);

	if (!identity)
		fprintf(stderr, "%s\n", reason_text(&mistakes));
	reason_clear(&mistakes);
	reason_clear(&warnings);
	return identity;
}

struct tls_identity *identity_made(
	const struct authority *authority, enum made_key kind, const char *names)
{
	struct secret secret = secret_new(authority, kind, names, 90);
	struct tls_identity *identity = identity_of(&secret);

	secret_free(&secret);
	return identity;
}

uint8_t *staple_new(
	const struct authority *authority, const struct secret *secret, int days, size_t *length)
{
	BIO *bio = BIO_new_mem_buf(secret->chain, -1);
	X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
	OCSP_CERTID *id = OCSP_cert_to_id(NULL, certificate, authority->certificate);
	ASN1_TIME *from = X509_gmtime_adj(NULL, -864000),
		  *until = X509_gmtime_adj(NULL, days * 86400l);
	OCSP_RESPONSE *response;
	uint8_t *der = NULL;

	OCSP_basic_add1_status(basic, id, V_OCSP_CERTSTATUS_GOOD, 0, NULL, from, until);
	OCSP_basic_sign(
		basic, authority->certificate, authority->key, EVP_sha256(), NULL, OCSP_NOCERTS);
	response = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
	*length = (size_t)i2d_OCSP_RESPONSE(response, &der);
	OCSP_RESPONSE_free(response);
	OCSP_BASICRESP_free(basic);
	OCSP_CERTID_free(id);
	ASN1_TIME_free(from);
	ASN1_TIME_free(until);
	X509_free(certificate);
	BIO_free(bio);
	return der;
}
