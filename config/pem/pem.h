// SPDX-License-Identifier: BSD-3-Clause
// Certificates and private keys out of PEM text, for a fifth of what OpenSSL 3.0 takes by itself:
// for each public and private key it lines up all its decoders anew, and tries one after the other.
// Any thread.
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>

// The next certificate, or NULL and OpenSSL's errors as by PEM_read_bio_X509(). Its public key is
// not there as a key: what is needed for a handshake has pem_whole().
X509 *pem_certificate(BIO *bio);
// The same certificate with its public key; NULL: out of memory.
X509 *pem_whole(const X509 *certificate);
// NULL and OpenSSL's errors, and *encrypted when it asks for a password.
EVP_PKEY *pem_private_key(const void *pem, size_t length, bool *encrypted);
// Whether the private key is the certificate's.
bool pem_belongs(const EVP_PKEY *key, const X509 *certificate);
// The first of these that the key is of, counted from 0; -1: none.
int pem_place(const EVP_PKEY *key, const STACK_OF(X509) * chain);
// SHA-256 of the certificate.
bool pem_fingerprint(const X509 *certificate, unsigned char digest[32]);
