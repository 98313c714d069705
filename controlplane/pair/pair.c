// SPDX-License-Identifier: BSD-3-Clause
#include "pair.h"

#include "pem.h"
#include "staple.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 8192
#define CHAIN_MAX    10
#define NAMES_MAX    1000

static const char *openssl_why(void)
{
	const char *why = ERR_reason_error_string(ERR_peek_last_error());

	ERR_clear_error();
	return why ? why : "unreadable";
}

static BIO *open_bytes(struct secret_bytes bytes)
{
	return BIO_new_mem_buf(bytes.data, (int)bytes.length);
}

// All of them; `key` is where they stand in the Secret.
static STACK_OF(X509) *
	read_certificates(struct secret_bytes pem, const char *key, struct reason *reason)
{
	STACK_OF(X509) *chain = sk_X509_new_null();
	BIO *bio = open_bytes(pem);
	X509 *one;

	ERR_clear_error();
	while (bio && chain && (one = pem_certificate(bio)) != NULL)
		if (!sk_X509_push(chain, one))
			X509_free(one);
	BIO_free(bio);
	if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		reason_add(reason, "%s: certificate %d cannot be read (%s)", key,
			sk_X509_num(chain) + 1, openssl_why());
	else if (sk_X509_num(chain) < 1)
		reason_add(reason, "%s: no certificate in it, expected PEM text", key);
	ERR_clear_error();
	return chain;
}

static STACK_OF(X509) * read_chain(struct secret_bytes pem, struct reason *reason)
{
	STACK_OF(X509) *chain = read_certificates(pem, "tls.crt", reason);

	if (sk_X509_num(chain) > CHAIN_MAX)
		reason_add(reason, "tls.crt: %d certificates, expected at most %d",
			sk_X509_num(chain), CHAIN_MAX);
	return chain;
}

int pair_check_authority(struct secret_bytes pem, struct reason *reason)
{
	unsigned before = reason->count;

	sk_X509_pop_free(read_certificates(pem, "ca.crt", reason), X509_free);
	return reason->count == before ? 0 : -EINVAL;
}

static bool curve_is_known(const EVP_PKEY *key)
{
	char name[64] = "";
	size_t length = 0;

	EVP_PKEY_get_group_name(key, name, sizeof(name), &length);
	return strcmp(name, "prime256v1") == 0 || strcmp(name, "secp384r1") == 0 ||
	       strcmp(name, "secp521r1") == 0;
}

static enum key_kind check_key(const EVP_PKEY *key, struct reason *reason)
{
	int bits = EVP_PKEY_get_bits(key);

	switch (EVP_PKEY_get_base_id(key)) {
	case EVP_PKEY_RSA:
		if (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX)
			reason_add(reason,
				"tls.key: found an RSA key of %d bits, expected %d to %d", bits,
				RSA_BITS_MIN, RSA_BITS_MAX);
		return KEY_RSA;
	case EVP_PKEY_EC:
		if (!curve_is_known(key))
			reason_add(reason,
				"tls.key: found an EC key on another curve, expected P-256, P-384 "
				"or P-521");
		return KEY_ECDSA;
	case EVP_PKEY_ED25519:
		return KEY_OTHER;
	default:
		reason_add(reason, "tls.key: expected an RSA, ECDSA or Ed25519 key");
		return KEY_NONE;
	}
}

static EVP_PKEY *read_key(
	const struct secret *secret, struct secret_facts *facts, struct reason *reason)
{
	bool encrypted = false;
	EVP_PKEY *key = pem_private_key(secret->key_pem.data, secret->key_pem.length, &encrypted);

	ERR_clear_error();
	if (key)
		facts->key = check_key(key, reason);
	else if (encrypted)
		reason_add(reason, "tls.key: found a key with a password, expected one without");
	else
		reason_add(reason, "tls.key: no private key in it, expected PEM text");
	return key;
}

static char *name_text(const X509_NAME *name, struct arena *arena)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text = NULL, *data = NULL;
	long length;

	if (bio && X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) >= 0) {
		length = BIO_get_mem_data(bio, &data);
		if (length > 0) // a certificate may have no subject
			text = arena_copy_part(arena, data, (size_t)length);
	}
	BIO_free(bio);
	return text ? text : arena_copy(arena, "");
}

static void add_name(
	struct arena *arena, struct secret_facts *facts, const unsigned char *bytes, int length)
{
	const char **names = (const char **)(uintptr_t)facts->names;
	char *name;

	if (length < 1 || length > 253 || facts->name_count == NAMES_MAX)
		return;
	name = arena_copy_part(arena, (const char *)bytes, (size_t)length);
	names = arena_grow(arena, names, facts->name_count, sizeof(*names));
	if (!name || !names)
		return;
	for (char *at = name; *at; at++)
		if (*at >= 'A' && *at <= 'Z')
			*at = (char)(*at + ('a' - 'A'));
		else if (*at <= ' ' || *at > '~')
			return; // no name of a host
	names[facts->name_count++] = name;
	facts->names = names;
}

static void note_names(X509 *certificate, struct arena *arena, struct secret_facts *facts)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	const X509_NAME *subject = X509_get_subject_name(certificate);
	int at;

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

		if (name->type == GEN_DNS)
			add_name(arena, facts, ASN1_STRING_get0_data(name->d.dNSName),
				ASN1_STRING_length(name->d.dNSName));
	}
	at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	if (!names && at >= 0) {
		const ASN1_STRING *text =
			X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));

		add_name(arena, facts, ASN1_STRING_get0_data(text), ASN1_STRING_length(text));
	}
	GENERAL_NAMES_free(names);
}

static int64_t time_of(const ASN1_TIME *time)
{
	struct tm tm;

	return ASN1_TIME_to_tm(time, &tm) ? timegm(&tm) : 0;
}

static void note_facts(X509 *certificate, struct arena *arena, struct secret_facts *facts)
{
	unsigned char digest[32] = {0};
	char *text;

	note_names(certificate, arena, facts);
	facts->subject = name_text(X509_get_subject_name(certificate), arena);
	facts->issuer = name_text(X509_get_issuer_name(certificate), arena);
	facts->not_before = time_of(X509_get0_notBefore(certificate));
	facts->not_after = time_of(X509_get0_notAfter(certificate));
	pem_fingerprint(certificate, digest);
	text = arena_take(arena, sizeof(digest) * 2 + 1);
	for (unsigned i = 0; text && i < sizeof(digest); i++)
		snprintf(text + (size_t)i * 2, 3, "%02x", digest[i]);
	facts->fingerprint = text;
}

static void check_match(const EVP_PKEY *key, STACK_OF(X509) * chain, struct reason *reason)
{
	int place = pem_place(key, chain);

	if (place < 0)
		reason_add(reason, "tls.key does not belong to the certificate in tls.crt");
	else if (place > 0)
		reason_add(reason,
			"tls.key belongs to certificate %d of tls.crt, which has to be the first",
			place + 1);
}

static unsigned misplaced(STACK_OF(X509) * chain)
{
	for (int i = 1; i < sk_X509_num(chain); i++)
		if (X509_NAME_cmp(X509_get_issuer_name(sk_X509_value(chain, i - 1)),
			    X509_get_subject_name(sk_X509_value(chain, i))) != 0)
			return (unsigned)i + 1;
	return 0;
}

int pair_check(const struct secret *secret, struct arena *arena, struct secret_facts *facts,
	struct reason *reason)
{
	unsigned before = reason->count;
	STACK_OF(X509) *chain = read_chain(secret->chain_pem, reason);
	EVP_PKEY *key = read_key(secret, facts, reason);
	X509 *certificate = sk_X509_num(chain) > 0 ? sk_X509_value(chain, 0) : NULL;

	if (certificate && key)
		check_match(key, chain, reason);
	if (reason->count == before) {
		note_facts(certificate, arena, facts);
		facts->misplaced = misplaced(chain);
	}
	sk_X509_pop_free(chain, X509_free);
	EVP_PKEY_free(key);
	ERR_clear_error();
	if (arena->failed)
		return -ENOMEM;
	return reason->count == before ? 0 : -EINVAL;
}

const char *pair_staple_mistake(
	struct secret_bytes staple, struct secret_bytes chain_pem, int64_t *until)
{
	BIO *bio = open_bytes(chain_pem);
	X509 *certificate = bio ? pem_certificate(bio) : NULL;
	const char *wrong = "is about another certificate";

	if (certificate)
		wrong = staple_mistake(staple.data, staple.length, certificate, until);
	X509_free(certificate);
	BIO_free(bio);
	ERR_clear_error();
	return wrong;
}
