// SPDX-License-Identifier: BSD-3-Clause
// A Secret becomes an identity, or every reason why it cannot.
#include "identity.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "identity_internal.h"
#include "pem.h"
#include "staple.h"

#define RSA_BITS_MIN  2048
#define RSA_BITS_MAX  8192 // one signature of more holds up a worker
#define CHAIN_MAX     10   // certificates
#define DAY_S         86400
#define SELF_SIGNED_S (3650ll * DAY_S)
#define WHY_TEXT      256

static const char *openssl_why(char text[WHY_TEXT])
{
	const char *reason = ERR_reason_error_string(ERR_peek_error());

	snprintf(text, WHY_TEXT, "%s", reason ? reason : "unknown");
	ERR_clear_error();
	return text;
}

static STACK_OF(X509) * read_chain(const struct tls_secret *secret, struct reason *reason)
{
	STACK_OF(X509) *chain = sk_X509_new_null();
	BIO *bio = BIO_new_mem_buf(secret->chain, (int)secret->chain_length);
	unsigned mistakes = reason->count;
	char why[WHY_TEXT];
	X509 *one;

	while (bio && chain && (one = pem_certificate(bio)) != NULL) {
		if (!sk_X509_push(chain, one))
			X509_free(one);
	}
	if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		reason_add(reason, "Secret %s: tls.crt: certificate %d is malformed (%s)",
			secret->name, sk_X509_num(chain) + 1, openssl_why(why));
	else if (sk_X509_num(chain) == 0)
		reason_add(reason, "Secret %s: tls.crt holds no certificate, expected PEM text",
			secret->name);
	else if (sk_X509_num(chain) > CHAIN_MAX)
		reason_add(reason, "Secret %s: tls.crt holds %d certificates, at most %d are sent",
			secret->name, sk_X509_num(chain), CHAIN_MAX);
	ERR_clear_error();
	BIO_free(bio);
	if (reason->count == mistakes)
		return chain;
	sk_X509_pop_free(chain, X509_free);
	return NULL;
}

static EVP_PKEY *read_key(const struct tls_secret *secret, struct reason *reason)
{
	bool encrypted = false;
	EVP_PKEY *key = pem_private_key(secret->key, secret->key_length, &encrypted);
	char why[WHY_TEXT];

	if (encrypted)
		reason_add(reason,
			"Secret %s: tls.key is encrypted, expected a key without password",
			secret->name);
	else if (!key && (ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE ||
				 ERR_GET_REASON(ERR_peek_last_error()) == ERR_R_UNSUPPORTED))
		reason_add(reason, "Secret %s: tls.key holds no private key, expected PEM text",
			secret->name);
	else if (!key)
		reason_add(reason, "Secret %s: tls.key is malformed (%s)", secret->name,
			openssl_why(why));
	ERR_clear_error();
	return key;
}

static bool is_curve_known(const EVP_PKEY *key, char name[static 64])
{
	size_t length = 0;

	name[0] = '\0';
	EVP_PKEY_get_group_name(key, name, 64, &length);
	return strcmp(name, "prime256v1") == 0 || strcmp(name, "secp384r1") == 0 ||
	       strcmp(name, "secp521r1") == 0;
}

static void check_key(const struct tls_secret *secret, const EVP_PKEY *key, struct reason *reason)
{
	int bits = EVP_PKEY_get_bits(key);
	char curve[64];

	switch (EVP_PKEY_get_base_id(key)) {
	case EVP_PKEY_RSA:
		if (bits < RSA_BITS_MIN)
			reason_add(reason,
				"Secret %s: tls.key: an RSA key of %d bits is too weak, expected "
				"%d at least",
				secret->name, bits, RSA_BITS_MIN);
		else if (bits > RSA_BITS_MAX)
			reason_add(reason,
				"Secret %s: tls.key: an RSA key of %d bits costs too much, "
				"expected %d at most",
				secret->name, bits, RSA_BITS_MAX);
		break;
	case EVP_PKEY_EC:
		if (!is_curve_known(key, curve))
			reason_add(reason,
				"Secret %s: tls.key: curve %s is not supported, expected P-256, "
				"P-384 or P-521",
				secret->name, curve);
		break;
	case EVP_PKEY_ED25519:
		break;
	default:
		reason_add(reason,
			"Secret %s: tls.key: keys of type %s are not supported, expected RSA, "
			"ECDSA or Ed25519",
			secret->name, EVP_PKEY_get0_type_name(key));
	}
}

static void check_match(const struct tls_secret *secret, const EVP_PKEY *key,
	STACK_OF(X509) * chain, struct reason *reason)
{
	int place = pem_place(key, chain);

	if (place < 0)
		reason_add(reason, "Secret %s: tls.key does not match the certificate in tls.crt",
			secret->name);
	else if (place > 0)
		reason_add(reason,
			"Secret %s: tls.key belongs to certificate %d of tls.crt, which has to be "
			"the first",
			secret->name, place + 1);
}

// A staple is no reason to refuse: what is wrong with it is said, and it is left out.
static void take_staple(struct tls_identity *identity, const struct tls_secret *secret,
	int64_t now_s, struct reason *warnings)
{
	int64_t until = 0;
	const char *wrong = staple_mistake(
		secret->staple, secret->staple_length, identity->certificate, &until);

	if (!wrong && until < now_s)
		wrong = "is out of date";
	if (wrong) {
		reason_add(warnings, "Secret %s: tls.ocsp-staple %s: it is not sent", secret->name,
			wrong);
		return;
	}
	identity->facts.staple_until = until;
	identity->staple = OPENSSL_memdup(secret->staple, secret->staple_length);
	identity->staple_length = identity->staple ? secret->staple_length : 0;
}

static void warn_of_times(const struct tls_identity *identity, const char *name, int64_t now_s,
	struct reason *warnings)
{
	const struct tls_facts *facts = &identity->facts;
	int64_t past = now_s - facts->not_after, ahead = facts->not_before - now_s;

	if (past > 0)
		reason_add(warnings, "Secret %s: tls.crt expired %lld days ago", name,
			(long long)(past / DAY_S));
	if (ahead > 0)
		reason_add(warnings, "Secret %s: tls.crt is valid in %lld days only", name,
			(long long)(ahead / DAY_S));
	if (facts->name_count == 0)
		reason_add(warnings, "Secret %s: tls.crt names no host", name);
}

struct tls_identity *tls_identity_new(const struct tls_secret *secret, int64_t now_s,
	struct reason *mistakes, struct reason *warnings)
{
	unsigned before = mistakes->count;
	struct tls_identity *identity = calloc(1, sizeof(*identity));

	if (!identity) {
		reason_add(mistakes, "Secret %s: out of memory", secret->name);
		return NULL;
	}
	identity->holders = 1;
	ERR_clear_error();
	identity->chain = read_chain(secret, mistakes);
	identity->key = read_key(secret, mistakes);
	if (identity->key)
		check_key(secret, identity->key, mistakes);
	if (identity->key && identity->chain)
		check_match(secret, identity->key, identity->chain, mistakes);
	if (mistakes->count == before) {
		identity->certificate = sk_X509_shift(identity->chain);
		if (identity_note_facts(identity))
			reason_add(mistakes, "Secret %s: tls.crt: no subject, or out of memory",
				secret->name);
	}
	if (mistakes->count > before) {
		tls_identity_release(identity);
		return NULL;
	}
	warn_of_times(identity, secret->name, now_s, warnings);
	if (secret->staple_length)
		take_staple(identity, secret, now_s, warnings);
	return identity;
}

static bool add_alternative(X509 *certificate, const char *name)
{
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	GENERAL_NAME *one = GENERAL_NAME_new();
	ASN1_IA5STRING *text = ASN1_IA5STRING_new();
	bool done = names && one && text && ASN1_STRING_set(text, name, -1);

	if (done) {
		GENERAL_NAME_set0_value(one, GEN_DNS, text);
		sk_GENERAL_NAME_push(names, one);
		done = X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, 0, 0) == 1;
	} else {
		ASN1_IA5STRING_free(text);
		GENERAL_NAME_free(one);
	}
	GENERAL_NAMES_free(names);
	return done;
}

static bool sign_self(X509 *certificate, EVP_PKEY *key, const char *name, int64_t now_s)
{
	X509_NAME *subject = X509_get_subject_name(certificate);
	uint64_t serial;

	if (RAND_bytes((unsigned char *)&serial, sizeof(serial)) != 1)
		return false;
	ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1);
	X509_set_version(certificate, X509_VERSION_3);
	return ASN1_TIME_set(X509_getm_notBefore(certificate), now_s - DAY_S) &&
	       ASN1_TIME_set(X509_getm_notAfter(certificate), now_s + SELF_SIGNED_S) &&
	       X509_NAME_add_entry_by_txt(
		       subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1, -1, 0) &&
	       X509_set_issuer_name(certificate, subject) && X509_set_pubkey(certificate, key) &&
	       add_alternative(certificate, name) && X509_sign(certificate, key, EVP_sha256()) > 0;
}

struct tls_identity *tls_identity_self_signed(const char *name, int64_t now_s)
{
	struct tls_identity *identity = calloc(1, sizeof(*identity));

	if (!identity)
		return NULL;
	identity->holders = 1;
	identity->key = EVP_EC_gen("P-256");
	identity->certificate = X509_new();
	identity->chain = sk_X509_new_null();
	if (identity->key && identity->certificate && identity->chain &&
		sign_self(identity->certificate, identity->key, name, now_s) &&
		identity_note_facts(identity) == 0)
		return identity;
	tls_identity_release(identity);
	return NULL;
}

struct tls_identity *tls_identity_hold(struct tls_identity *identity)
{
	if (identity)
		__atomic_add_fetch(&identity->holders, 1, __ATOMIC_RELAXED);
	return identity;
}

static void whole_free(struct identity_whole *whole)
{
	if (!whole)
		return;
	X509_free(whole->certificate);
	sk_X509_pop_free(whole->chain, X509_free);
	free(whole);
}

static struct identity_whole *whole_make(const struct tls_identity *identity)
{
	struct identity_whole *whole = calloc(1, sizeof(*whole));
	bool done;

	if (!whole)
		return NULL;
	whole->certificate = pem_whole(identity->certificate);
	whole->chain = sk_X509_new_null();
	done = whole->certificate && whole->chain;
	for (int i = 0; done && i < sk_X509_num(identity->chain); i++) {
		X509 *one = pem_whole(sk_X509_value(identity->chain, i));

		done = one && sk_X509_push(whole->chain, one);
		if (!done)
			X509_free(one);
	}
	if (done)
		return whole;
	whole_free(whole);
	return NULL;
}

const struct identity_whole *identity_whole(struct tls_identity *identity)
{
	struct identity_whole *whole = __atomic_load_n(&identity->whole, __ATOMIC_ACQUIRE), *made;

	if (whole)
		return whole;
	made = whole_make(identity);
	if (!made || __atomic_compare_exchange_n(&identity->whole, &whole, made, false,
			     __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return made;
	whole_free(made); // another thread was first
	return whole;
}

void tls_identity_release(struct tls_identity *identity)
{
	if (!identity || __atomic_sub_fetch(&identity->holders, 1, __ATOMIC_ACQ_REL))
		return;
	X509_free(identity->certificate);
	EVP_PKEY_free(identity->key);
	sk_X509_pop_free(identity->chain, X509_free);
	whole_free(identity->whole);
	OPENSSL_free(identity->staple);
	identity_free_facts(&identity->facts);
	free(identity);
}

const struct tls_facts *tls_identity_facts(const struct tls_identity *identity)
{
	return &identity->facts;
}
