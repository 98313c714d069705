// SPDX-License-Identifier: BSD-3-Clause
// What a certificate says, in words for the operator.
#include <errno.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "identity_internal.h"
#include "pem.h"

static char *name_text(const X509_NAME *name)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text = NULL, *data;
	long length;

	if (!bio)
		return NULL;
	if (X509_NAME_print_ex(bio, name, 0, XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB) >= 0) {
		length = BIO_get_mem_data(bio, &data);
		text = length > 0 ? strndup(data, (size_t)length) : strdup("");
	}
	BIO_free(bio);
	return text;
}

// A copy in lower case, or NULL where it is empty or holds what no name does.
static char *lower_copy(const unsigned char *bytes, int length)
{
	char *text = length > 0 && !memchr(bytes, '\0', (size_t)length)
			     ? strndup((const char *)bytes, (size_t)length)
			     : NULL;

	for (char *at = text; at && *at; at++)
		if (*at >= 'A' && *at <= 'Z')
			*at = (char)(*at + ('a' - 'A'));
	return text;
}

static char *address_text(const ASN1_OCTET_STRING *octets)
{
	char text[ADDR_TEXT];
	struct addr addr;

	if (addr_from_bytes(
		    &addr, ASN1_STRING_get0_data(octets), (size_t)ASN1_STRING_length(octets)))
		return NULL;
	return strdup(addr_format(&addr, text));
}

static void add_name(struct tls_facts *facts, char *name)
{
	const char **names = (const char **)(void *)facts->names;

	if (!name)
		return;
	names = realloc(names, (facts->name_count + 1) * sizeof(*names));
	if (!names) {
		free(name);
		return;
	}
	names[facts->name_count++] = name;
	facts->names = names;
}

// The common name stands in only where no alternative name is a DNS name.
static void note_names(struct tls_facts *facts, X509 *certificate)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	const X509_NAME *subject = X509_get_subject_name(certificate);
	bool dns = false;
	int at;

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

		if (name->type == GEN_DNS) {
			add_name(facts, lower_copy(ASN1_STRING_get0_data(name->d.dNSName),
						ASN1_STRING_length(name->d.dNSName)));
			dns = true;
		} else if (name->type == GEN_IPADD) {
			add_name(facts, address_text(name->d.iPAddress));
		}
	}
	GENERAL_NAMES_free(names);
	at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	if (!dns && at >= 0) {
		const ASN1_STRING *name =
			X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));

		add_name(facts, lower_copy(ASN1_STRING_get0_data(name), ASN1_STRING_length(name)));
	}
}

static int64_t seconds(const ASN1_TIME *time)
{
	struct tm parts;

	return ASN1_TIME_to_tm(time, &parts) ? (int64_t)timegm(&parts) : 0;
}

int identity_note_facts(struct tls_identity *identity)
{
	struct tls_facts *facts = &identity->facts;
	X509 *certificate = identity->certificate;
	int id = EVP_PKEY_get_base_id(identity->key);

	facts->subject = name_text(X509_get_subject_name(certificate));
	facts->issuer = name_text(X509_get_issuer_name(certificate));
	note_names(facts, certificate);
	facts->key_kind = id == EVP_PKEY_RSA       ? TLS_KEY_RSA
			  : id == EVP_PKEY_ED25519 ? TLS_KEY_ED25519
						   : TLS_KEY_ECDSA;
	facts->key_bits = (unsigned)EVP_PKEY_get_bits(identity->key);
	facts->chain_length = 1 + (unsigned)sk_X509_num(identity->chain);
	facts->not_before = seconds(X509_get0_notBefore(certificate));
	facts->not_after = seconds(X509_get0_notAfter(certificate));
	facts->self_signed = X509_NAME_cmp(X509_get_subject_name(certificate),
				     X509_get_issuer_name(certificate)) == 0;
	return pem_fingerprint(certificate, facts->fingerprint) && facts->subject && facts->issuer
		       ? 0
		       : -ENOMEM;
}

void identity_free_facts(struct tls_facts *facts)
{
	for (unsigned i = 0; i < facts->name_count; i++)
		free((char *)facts->names[i]);
	free((void *)facts->names);
	free((char *)facts->subject);
	free((char *)facts->issuer);
}

const char *tls_key_kind_name(enum tls_key_kind kind)
{
	static const char *const names[TLS_KEY_KINDS] = {
		[TLS_KEY_ECDSA] = "ECDSA",
		[TLS_KEY_ED25519] = "Ed25519",
		[TLS_KEY_RSA] = "RSA",
	};

	return kind < TLS_KEY_KINDS ? names[kind] : "unknown";
}

bool tls_identity_covers(const struct tls_identity *identity, const char *name)
{
	const char *rest = strchr(name, '.');

	for (unsigned i = 0; i < identity->facts.name_count; i++) {
		const char *own = identity->facts.names[i];

		if (strcmp(own, name) == 0)
			return true;
		if (own[0] == '*' && own[1] == '.' && rest && rest > name &&
			strcmp(own + 1, rest) == 0)
			return true;
	}
	return false;
}
