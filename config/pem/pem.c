// SPDX-License-Identifier: BSD-3-Clause
#include "pem.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/decoder.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/provider.h>
#include <pthread.h>
#include <string.h>

#define POINT_MOST 133 // of P-521, with the octet ahead

// Without any algorithm, so that public keys are left as they are.
static struct {
	pthread_once_t once;
	OSSL_LIB_CTX *context; // NULL: could not be made; then everything takes longer
} bare = {.once = PTHREAD_ONCE_INIT};

static void make_bare(void)
{
	OSSL_LIB_CTX *context = OSSL_LIB_CTX_new();

	if (context && OSSL_PROVIDER_load(context, "null"))
		bare.context = context;
	else
		OSSL_LIB_CTX_free(context);
}

X509 *pem_certificate(BIO *bio)
{
	X509 *place, *certificate;

	pthread_once(&bare.once, make_bare);
	place = X509_new_ex(bare.context, NULL);
	certificate = PEM_read_bio_X509(bio, &place, NULL, NULL);
	if (!certificate)
		X509_free(place); // NULL when it was begun
	return certificate;
}

X509 *pem_whole(const X509 *certificate)
{
	unsigned char *der = NULL;
	int length = i2d_X509(certificate, &der);
	const unsigned char *at = der;
	X509 *whole = length > 0 ? d2i_X509(NULL, &at, length) : NULL;

	OPENSSL_free(der);
	return whole;
}

// Without it OpenSSL would ask at the terminal.
static int no_password(char *buffer, int size, int writing, void *arg)
{
	*(bool *)arg = true;
	return -1;
}

// The decoders of that kind alone.
static EVP_PKEY *decode(const unsigned char *der, size_t length, const char *form, const char *kind)
{
	EVP_PKEY *key = NULL;
	OSSL_DECODER_CTX *decoder = OSSL_DECODER_CTX_new_for_pkey(
		&key, "DER", form, kind, OSSL_KEYMGMT_SELECT_ALL, NULL, NULL);

	if (!decoder || !OSSL_DECODER_from_data(decoder, &der, &length)) {
		EVP_PKEY_free(key);
		key = NULL;
	}
	OSSL_DECODER_CTX_free(decoder);
	return key;
}

static const char *kind_inside(const unsigned char *der, long length)
{
	PKCS8_PRIV_KEY_INFO *info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &der, length);
	const ASN1_OBJECT *algorithm = NULL;
	const char *kind = NULL;

	if (info && PKCS8_pkey_get0(&algorithm, NULL, NULL, NULL, info))
		switch (OBJ_obj2nid(algorithm)) {
		case NID_X9_62_id_ecPublicKey:
			kind = "EC";
			break;
		case NID_rsaEncryption:
			kind = "RSA";
			break;
		case NID_ED25519:
			kind = "ED25519";
			break;
		}
	PKCS8_PRIV_KEY_INFO_free(info);
	return kind;
}

// NULL when the text begins with something less usual.
static EVP_PKEY *read_usual(BIO *bio)
{
	char *name = NULL, *header = NULL;
	unsigned char *der = NULL;
	EVP_PKEY *key = NULL;
	const char *kind;
	long length = 0;

	if (!PEM_read_bio(bio, &name, &header, &der, &length) || *header)
		kind = NULL;
	else if (strcmp(name, PEM_STRING_PKCS8INF) == 0 && (kind = kind_inside(der, length)))
		key = decode(der, (size_t)length, "PrivateKeyInfo", kind);
	else if (strcmp(name, PEM_STRING_ECPRIVATEKEY) == 0)
		key = decode(der, (size_t)length, "type-specific", "EC");
	else if (strcmp(name, PEM_STRING_RSA) == 0)
		key = decode(der, (size_t)length, "type-specific", "RSA");
	OPENSSL_free(name);
	OPENSSL_free(header);
	if (der)
		OPENSSL_clear_free(der, (size_t)length);
	return key;
}

EVP_PKEY *pem_private_key(const void *pem, size_t length, bool *encrypted)
{
	BIO *bio = BIO_new_mem_buf(pem, (int)length);
	EVP_PKEY *key = bio ? read_usual(bio) : NULL;

	ERR_clear_error();
	if (bio && !key && BIO_reset(bio) == 1)
		key = PEM_read_bio_PrivateKey(bio, NULL, no_password, encrypted);
	BIO_free(bio);
	return key;
}

static bool same(const unsigned char *bytes, size_t length, const ASN1_BIT_STRING *other)
{
	return length && length == (size_t)ASN1_STRING_length(other) &&
	       memcmp(bytes, ASN1_STRING_get0_data(other), length) == 0;
}

static bool same_curve(const EVP_PKEY *key, const X509 *certificate)
{
	X509_ALGOR *algorithm = NULL;
	const void *curve = NULL;
	char name[64] = "";
	size_t length = 0;
	int type = V_ASN1_UNDEF;

	X509_PUBKEY_get0_param(NULL, NULL, NULL, &algorithm, X509_get_X509_PUBKEY(certificate));
	X509_ALGOR_get0(NULL, &type, &curve, algorithm);
	return type == V_ASN1_OBJECT &&
	       EVP_PKEY_get_group_name(key, name, sizeof(name), &length) == 1 &&
	       OBJ_sn2nid(name) == OBJ_obj2nid(curve);
}

static bool same_point(const EVP_PKEY *key, const X509 *certificate)
{
	unsigned char point[POINT_MOST];
	size_t length = 0;

	return same_curve(key, certificate) &&
	       EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, point,
		       sizeof(point), &length) == 1 &&
	       same(point, length, X509_get0_pubkey_bitstr(certificate));
}

static bool same_raw(const EVP_PKEY *key, const X509 *certificate)
{
	unsigned char bytes[POINT_MOST];
	size_t length = sizeof(bytes);

	return EVP_PKEY_get_raw_public_key(key, bytes, &length) == 1 &&
	       same(bytes, length, X509_get0_pubkey_bitstr(certificate));
}

static bool same_number(
	const EVP_PKEY *key, const char *name, const unsigned char **der, long length)
{
	ASN1_INTEGER *integer = d2i_ASN1_INTEGER(NULL, der, length);
	BIGNUM *other = integer ? ASN1_INTEGER_to_BN(integer, NULL) : NULL, *number = NULL;
	bool is = other && EVP_PKEY_get_bn_param(key, name, &number) == 1 &&
		  BN_cmp(number, other) == 0;

	BN_free(number);
	BN_free(other);
	ASN1_INTEGER_free(integer);
	return is;
}

// The bit string is a sequence of modulus and exponent.
static bool same_modulus(const EVP_PKEY *key, const X509 *certificate)
{
	const ASN1_BIT_STRING *public = X509_get0_pubkey_bitstr(certificate);
	const unsigned char *at = ASN1_STRING_get0_data(public);
	const unsigned char *end = at + ASN1_STRING_length(public);
	long length = 0;
	int tag = 0, class = 0;

	return !(ASN1_get_object(&at, &length, &tag, &class, end - at) & 0x80) &&
	       tag == V_ASN1_SEQUENCE && same_number(key, OSSL_PKEY_PARAM_RSA_N, &at, end - at) &&
	       same_number(key, OSSL_PKEY_PARAM_RSA_E, &at, end - at);
}

// As OpenSSL sees it: keys can be written in more ways than one.
static bool same_key(const EVP_PKEY *key, const X509 *certificate)
{
	X509 *whole = pem_whole(certificate);
	EVP_PKEY *public = whole ? X509_get0_pubkey(whole) : NULL;
	bool is = public && EVP_PKEY_eq(public, key) == 1;

	X509_free(whole);
	ERR_clear_error();
	return is;
}

bool pem_belongs(const EVP_PKEY *key, const X509 *certificate)
{
	int kind = EVP_PKEY_get_base_id(key);

	if (kind == EVP_PKEY_EC && same_point(key, certificate))
		return true;
	if (kind == EVP_PKEY_RSA && same_modulus(key, certificate))
		return true;
	if (kind == EVP_PKEY_ED25519 && same_raw(key, certificate))
		return true;
	return same_key(key, certificate);
}

int pem_place(const EVP_PKEY *key, const STACK_OF(X509) * chain)
{
	for (int i = 0; i < sk_X509_num(chain); i++)
		if (pem_belongs(key, sk_X509_value(chain, i)))
			return i;
	return -1;
}

bool pem_fingerprint(const X509 *certificate, unsigned char digest[32])
{
	unsigned char *der = NULL;
	int length = i2d_X509(certificate, &der);
	bool done = length > 0 &&
		    EVP_Digest(der, (size_t)length, digest, NULL, EVP_sha256(), NULL) == 1;

	OPENSSL_free(der);
	return done;
}
