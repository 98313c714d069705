// SPDX-License-Identifier: BSD-3-Clause
// Stateless session tickets under keys that all workers share and the main lcore rotates.
//
// Readers are handshakes on any thread: they copy the keys and look again if a writer was at work
// meanwhile (a sequence, odd while one is). Writers are one thread.
#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <sched.h>
#include <string.h>

#include "tls_internal.h"

#define KEY_BYTES 80
#define WORDS     (KEY_BYTES / 8)

enum {
	KEY_PREVIOUS,
	KEY_CURRENT,
	KEYS,
};

union ticket_key {
	struct {
		uint8_t name[16], aes[32], mac[32];
	};
	uint8_t bytes[KEY_BYTES];
	uint64_t words[WORDS];
};

struct tls_tickets {
	uint32_t sequence; // atomic
	uint32_t lifetime_s;
	union ticket_key keys[KEYS]; // by words, atomic
	EVP_CIPHER *cipher;
};

static void write_keys(struct tls_tickets *tickets, const union ticket_key keys[KEYS])
{
	__atomic_add_fetch(&tickets->sequence, 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	for (unsigned i = 0; i < KEYS; i++)
		for (unsigned j = 0; j < WORDS; j++)
			__atomic_store_n(
				&tickets->keys[i].words[j], keys[i].words[j], __ATOMIC_RELAXED);
	__atomic_add_fetch(&tickets->sequence, 1, __ATOMIC_RELEASE);
}

static void read_keys(const struct tls_tickets *tickets, union ticket_key keys[KEYS])
{
	uint32_t before, after;

	do {
		before = __atomic_load_n(&tickets->sequence, __ATOMIC_ACQUIRE);
		for (unsigned i = 0; i < KEYS; i++)
			for (unsigned j = 0; j < WORDS; j++)
				keys[i].words[j] = __atomic_load_n(
					&tickets->keys[i].words[j], __ATOMIC_RELAXED);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		after = __atomic_load_n(&tickets->sequence, __ATOMIC_RELAXED);
	} while ((before & 1) || before != after);
}

static int seal(const struct tls_tickets *tickets, const union ticket_key *key, uint8_t *name,
	uint8_t *iv, EVP_CIPHER_CTX *cipher)
{
	memcpy(name, key->name, sizeof(key->name));
	return RAND_bytes(iv, 16) == 1 &&
	       EVP_EncryptInit_ex2(cipher, tickets->cipher, key->aes, iv, NULL) == 1;
}

static int set_mac(EVP_MAC_CTX *mac, union ticket_key *key)
{
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->mac, sizeof(key->mac)),
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
		OSSL_PARAM_construct_end(),
	};

	return EVP_MAC_CTX_set_params(mac, params);
}

// 0: not ours, handshake in full. 2: ours, and time for a new one.
static int use_key(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
	EVP_MAC_CTX *mac, int sealing) // house: OpenSSL's form
{
	const struct tls_tickets *tickets = connection_of(ssl)->tls->config.tickets;
	// A client of 1.3 shows a ticket once (RFC 8446 C.4) and is in want of the next.
	const bool once = SSL_version(ssl) >= TLS1_3_VERSION;
	union ticket_key keys[KEYS];
	int result = 0;

	read_keys(tickets, keys);
	if (sealing) {
		result = seal(tickets, &keys[KEY_CURRENT], name, iv, cipher) &&
					 set_mac(mac, &keys[KEY_CURRENT])
				 ? 1
				 : -1;
	} else {
		for (unsigned i = 0; i < KEYS; i++) {
			if (memcmp(name, keys[i].name, sizeof(keys[i].name)) != 0)
				continue;
			result = set_mac(mac, &keys[i]) &&
						 EVP_DecryptInit_ex2(cipher, tickets->cipher,
							 keys[i].aes, iv, NULL) == 1
					 ? (i == KEY_PREVIOUS || once ? 2 : 1)
					 : -1;
			break;
		}
	}
	OPENSSL_cleanse(keys, sizeof(keys));
	return result;
}

int tickets_setup(SSL_CTX *context, struct tls_tickets *tickets)
{
	if (!tickets) {
		SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
		return SSL_CTX_set_num_tickets(context, 0) ? 0 : -ENOMEM;
	}
	SSL_CTX_set_timeout(context, (long)tickets->lifetime_s);
	SSL_CTX_set_num_tickets(context, 1);
	return SSL_CTX_set_tlsext_ticket_key_evp_cb(context, use_key) ? 0 : -ENOMEM;
}

struct tls_tickets *tls_tickets_new(uint32_t lifetime_s)
{
	struct tls_tickets *tickets = OPENSSL_zalloc(sizeof(*tickets));

	if (!tickets)
		return NULL;
	tickets->lifetime_s = lifetime_s;
	tickets->cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
	if (!tickets->cipher ||
		RAND_bytes((unsigned char *)tickets->keys, sizeof(tickets->keys)) != 1) {
		tls_tickets_free(tickets);
		return NULL;
	}
	return tickets;
}

void tls_tickets_free(struct tls_tickets *tickets)
{
	if (!tickets)
		return;
	EVP_CIPHER_free(tickets->cipher);
	OPENSSL_clear_free(tickets, sizeof(*tickets));
}

void tls_tickets_rotate(struct tls_tickets *tickets)
{
	union ticket_key keys[KEYS];

	keys[KEY_PREVIOUS] = tickets->keys[KEY_CURRENT];
	if (RAND_bytes(keys[KEY_CURRENT].bytes, KEY_BYTES) == 1) // else: the keys stay
		write_keys(tickets, keys);
	OPENSSL_cleanse(keys, sizeof(keys));
}
