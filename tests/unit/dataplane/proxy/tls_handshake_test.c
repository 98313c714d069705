// SPDX-License-Identifier: BSD-3-Clause
// Handshakes: versions, choice of certificate, staple, ALPN, resumption, refusals by name.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "tls_fixture.h"

static const char *const http11[] = {"http/1.1", NULL};
static struct authority ca;

struct pair {
	struct tls_tickets *tickets;
	struct end *server;
	struct client *client;
};

static int setup(void **state)
{
	struct pair *pair = calloc(1, sizeof(*pair));
	struct tls_config config = {.alpn = http11};

	config.tickets = pair->tickets = tls_tickets_new(3600);
	pair->server = end_new(&config);
	end_serve(pair->server, identity_made(&ca, MADE_P256, "shop.example.com"));
	pair->client = client_new();
	end_accept(pair->server);
	*state = pair;
	return 0;
}

static int teardown(void **state)
{
	struct pair *pair = *state;

	end_free(pair->server);
	client_free(pair->client);
	tls_tickets_free(pair->tickets);
	free(pair);
	return 0;
}

static void only(SSL_CTX *context, int version)
{
	SSL_CTX_set_min_proto_version(context, version);
	SSL_CTX_set_max_proto_version(context, version);
}

static const char *served_name(struct client *client)
{
	static char name[128];
	X509 *certificate = SSL_get0_peer_certificate(client->ssl);

	X509_NAME_get_text_by_NID(
		X509_get_subject_name(certificate), NID_commonName, name, sizeof(name));
	return name;
}

static void test_versions(void **state)
{
	static const uint32_t cuts[] = {65536, 1, 3, 100, 517};
	struct pair *pair = *state;

	for (unsigned i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
		for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
			only(pair->client->context, version);
			end_accept(pair->server);
			client_connect(pair->client, "Shop.Example.com", NULL);
			assert_true(handshake(pair->server, pair->client, cuts[i]));
			assert_string_equal(tls_version(pair->server->connection),
				version == TLS1_3_VERSION ? "TLSv1.3" : "TLSv1.2");
			assert_string_equal(
				tls_server_name(pair->server->connection), "shop.example.com");
			assert_false(tls_is_resumed(pair->server->connection));
			assert_int_equal(pair->server->ready, 1);
		}
	}
	assert_string_equal(tls_cipher(pair->server->connection), "TLS_AES_128_GCM_SHA256");
	assert_int_equal(tls_count(pair->server->tls, TLS_COUNT_FULL), 10);
	assert_int_equal(tls_count(pair->server->tls, TLS_COUNT_TLS12), 5);
}

// The client's first guess is a group we have not: it is asked again.
static void test_retry(void **state)
{
	struct pair *pair = *state;

	SSL_CTX_set1_groups_list(pair->client->context, "P-521:P-256");
	client_connect(pair->client, "shop.example.com", NULL);
	assert_true(handshake(pair->server, pair->client, 100));
	assert_string_equal(tls_version(pair->server->connection), "TLSv1.3");
	assert_int_equal(pair->server->chosen, 1);
}

static void test_output_in_morsels(void **state)
{
	struct pair *pair = *state;

	pair->server->lend_most = 7;
	client_connect(pair->client, NULL, NULL);
	assert_true(handshake(pair->server, pair->client, 65536));
	assert_string_equal(tls_server_name(pair->server->connection), "");
}

static void test_old_version_is_refused(void **state)
{
	struct pair *pair = *state;

	SSL_CTX_set_security_level(pair->client->context, 0);
	SSL_CTX_set_cipher_list(pair->client->context, "ALL:@SECLEVEL=0");
	only(pair->client->context, TLS1_1_VERSION);
	client_connect(pair->client, NULL, NULL);
	assert_false(handshake(pair->server, pair->client, 65536));
	assert_int_equal(pair->server->failed, 1);
	assert_int_equal(tls_refusal_of(pair->server->connection), TLS_NO_VERSION);
	assert_int_equal(tls_refused(pair->server->tls, TLS_NO_VERSION), 1);
}

static void test_nothing_in_common(void **state)
{
	struct pair *pair = *state;

	only(pair->client->context, TLS1_2_VERSION);
	SSL_CTX_set_cipher_list(pair->client->context, "ECDHE-ECDSA-AES128-SHA");
	client_connect(pair->client, NULL, NULL);
	assert_false(handshake(pair->server, pair->client, 65536));
	assert_int_equal(tls_refusal_of(pair->server->connection), TLS_NO_CIPHER);

	only(pair->client->context, TLS1_3_VERSION);
	SSL_CTX_set1_groups_list(pair->client->context, "P-521");
	end_accept(pair->server);
	client_connect(pair->client, NULL, NULL);
	assert_false(handshake(pair->server, pair->client, 65536));
	assert_int_equal(tls_refusal_of(pair->server->connection), TLS_NO_GROUP);

	SSL_CTX_set1_groups_list(pair->client->context, "P-256");
	SSL_CTX_set1_sigalgs_list(pair->client->context, "rsa_pss_rsae_sha256");
	end_accept(pair->server);
	client_connect(pair->client, NULL, NULL);
	assert_false(handshake(pair->server, pair->client, 65536));
	assert_int_equal(tls_refusal_of(pair->server->connection), TLS_NO_SIGNATURE);
}

// With both kinds loaded the client's abilities decide, ECDSA first.
static void test_rsa_and_ecdsa(void **state)
{
	struct pair *pair = *state;

	end_serve(pair->server, identity_made(&ca, MADE_RSA2048, "rsa.example.com"));
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		only(pair->client->context, version);
		SSL_CTX_set1_sigalgs_list(
			pair->client->context, "rsa_pss_rsae_sha256:RSA+SHA256:ECDSA+SHA256");
		end_accept(pair->server);
		client_connect(pair->client, NULL, NULL);
		assert_true(handshake(pair->server, pair->client, 65536));
		assert_string_equal(served_name(pair->client), "shop.example.com");

		SSL_CTX_set1_sigalgs_list(pair->client->context, "rsa_pss_rsae_sha256:RSA+SHA256");
		end_accept(pair->server);
		client_connect(pair->client, NULL, NULL);
		assert_true(handshake(pair->server, pair->client, 65536));
		assert_string_equal(served_name(pair->client), "rsa.example.com");
	}
}

static void test_ed25519(void **state)
{
	struct pair *pair = *state;

	end_serve(pair->server, identity_made(&ca, MADE_ED25519, "ed.example.com"));
	SSL_CTX_set1_sigalgs_list(pair->client->context, "ed25519");
	client_connect(pair->client, NULL, NULL);
	assert_true(handshake(pair->server, pair->client, 65536));
	assert_string_equal(served_name(pair->client), "ed.example.com");
}

static bool choose_by_name(struct end *end, const char *name, struct tls_identity *found[])
{
	struct tls_identity *identity = end->found[TLS_KEY_ECDSA];

	if (strcmp(name, "") != 0 && !tls_identity_covers(identity, name))
		return false;
	found[TLS_KEY_ECDSA] = identity;
	return true;
}

static void test_name_decides(void **state)
{
	static const struct {
		const char *name;
		bool served;
	} cases[] = {
		{"exact.example.com", true},
		{"a.wild.example.com", true},
		{"wild.example.com", false},
		{"a.b.wild.example.com", false},
		{NULL, true},
		{"other.example.com", false},
	};
	struct pair *pair = *state;

	pair->server->choose = choose_by_name;
	end_serve(pair->server,
		identity_made(&ca, MADE_P256, "exact.example.com,*.wild.example.com"));
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		end_accept(pair->server);
		client_connect(pair->client, cases[i].name, NULL);
		assert_int_equal(handshake(pair->server, pair->client, 65536), cases[i].served);
		assert_int_equal(tls_refusal_of(pair->server->connection),
			cases[i].served ? TLS_OK : TLS_NO_CERTIFICATE);
		assert_string_equal(pair->server->asked, cases[i].name ? cases[i].name : "");
	}
}

// A new identity is for new handshakes; what began with the old one goes on.
static void test_rotated_identity(void **state)
{
	struct pair *pair = *state;
	struct client *second = client_new();
	struct tls_connection *first;
	struct tls_piece piece = {"still here", 10};
	char text[32];

	client_connect(pair->client, NULL, NULL);
	assert_true(handshake(pair->server, pair->client, 65536));
	first = pair->server->connection;
	end_serve(pair->server, identity_made(&ca, MADE_P256, "new.example.com"));
	pair->server->connection = NULL;
	end_accept(pair->server);
	client_connect(second, NULL, NULL);
	assert_true(handshake(pair->server, second, 65536));
	assert_string_equal(served_name(second), "new.example.com");
	assert_int_equal(tls_write(first, &piece, 1, 4096), 10);
	to_client(pair->server, pair->client);
	assert_int_equal(SSL_read(pair->client->ssl, text, sizeof(text)), 10);
	client_free(second);
}

// With a response that is in date for so many days, read so many days ago. To be freed.
static uint8_t *serve_stapled(
	struct pair *pair, const struct secret *secret, int days, int ago, size_t *length)
{
	struct tls_secret from = tls_secret_of(secret);
	struct reason mistakes = {0}, warnings = {0};
	uint8_t *staple = staple_new(&ca, secret, days, &from.staple_length);

	from.staple = staple;
	end_serve(pair->server,
		tls_identity_new(&from, time(NULL) - ago * 86400, &mistakes, &warnings));
	assert_int_equal(warnings.count + mistakes.count, 0);
	SSL_CTX_set_tlsext_status_type(pair->client->context, TLSEXT_STATUSTYPE_ocsp);
	*length = from.staple_length;
	return staple;
}

static void test_staple(void **state)
{
	struct pair *pair = *state;
	struct secret secret = secret_new(&ca, MADE_P256, "stapled.example.com", 90);
	size_t length;
	uint8_t *staple = serve_stapled(pair, &secret, 7, 0, &length);
	const unsigned char *got;

	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		only(pair->client->context, version);
		end_accept(pair->server);
		client_connect(pair->client, NULL, NULL);
		assert_true(handshake(pair->server, pair->client, 65536));
		assert_int_equal(SSL_get_tlsext_status_ocsp_resp(pair->client->ssl, &got), length);
		assert_memory_equal(got, staple, length);
	}
	OPENSSL_free(staple);
	secret_free(&secret);
}

// Taken while it was in date, and out of it since.
static void test_staple_grown_old(void **state)
{
	struct pair *pair = *state;
	struct secret secret = secret_new(&ca, MADE_P256, "stapled.example.com", 90);
	size_t length;
	uint8_t *staple = serve_stapled(pair, &secret, -1, 2, &length);
	const unsigned char *got;

	client_connect(pair->client, NULL, NULL);
	assert_true(handshake(pair->server, pair->client, 65536));
	assert_int_equal(SSL_get_tlsext_status_ocsp_resp(pair->client->ssl, &got), -1);
	OPENSSL_free(staple);
	secret_free(&secret);
}

static void test_alpn(void **state)
{
	struct pair *pair = *state;

	client_connect(pair->client, NULL, NULL);
	SSL_set_alpn_protos(pair->client->ssl, (const uint8_t *)"\2h2\10http/1.1", 12);
	assert_true(handshake(pair->server, pair->client, 65536));
	assert_string_equal(tls_alpn(pair->server->connection), "http/1.1");

	end_accept(pair->server);
	client_connect(pair->client, NULL, NULL);
	SSL_set_alpn_protos(pair->client->ssl, (const uint8_t *)"\2h2", 3);
	assert_false(handshake(pair->server, pair->client, 65536));
	assert_int_equal(tls_refusal_of(pair->server->connection), TLS_NO_ALPN);
	assert_int_equal(tls_refused(pair->server->tls, TLS_NO_ALPN), 1);
}

static void resume(struct pair *pair, struct end *server, SSL_SESSION *session, bool resumed)
{
	// A copy, because a client uses one of 1.3 once only.
	SSL_SESSION *copy = session ? SSL_SESSION_dup(session) : NULL;

	end_accept(server);
	client_connect(pair->client, "shop.example.com", copy);
	SSL_SESSION_free(copy);
	assert_true(handshake(server, pair->client, 65536));
	assert_int_equal(tls_is_resumed(server->connection), resumed);
	assert_int_equal(SSL_session_reused(pair->client->ssl), resumed);
}

// A ticket of one worker is good at another, through one rotation, not through two; at one that has
// keys of its own it is good for nothing.
static void test_resumption(void **state)
{
	struct pair *pair = *state;
	struct tls_config shared = {.tickets = pair->tickets, .worker = 1};
	struct tls_config own = {.tickets = tls_tickets_new(3600), .worker = 1};
	struct end *other = end_new(&shared), *stranger = end_new(&own);

	end_serve(other, tls_identity_hold(pair->server->found[TLS_KEY_ECDSA]));
	end_serve(stranger, tls_identity_hold(pair->server->found[TLS_KEY_ECDSA]));
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		SSL_SESSION *session;

		only(pair->client->context, version);
		resume(pair, pair->server, NULL, false);
		session = SSL_get1_session(pair->client->ssl);
		assert_true(SSL_SESSION_is_resumable(session));
		resume(pair, pair->server, session, true);
		resume(pair, stranger, session, false);
		resume(pair, other, session, true);
		tls_tickets_rotate(pair->tickets);
		resume(pair, other, session, true);
		tls_tickets_rotate(pair->tickets);
		resume(pair, other, session, false);
		SSL_SESSION_free(session);
	}
	end_free(other);
	end_free(stranger);
	tls_tickets_free(own.tickets);
	assert_int_equal(tls_count(pair->server->tls, TLS_COUNT_RESUMED), 2);
}

// No more will come: of nothing, of half a ClientHello, of what is to follow the server's part; and
// behind all that the handshake needs, before it has been looked at.
static void test_cut_off(void **state)
{
	struct pair *pair = *state;
	struct end *server = pair->server;
	uint8_t bytes[4096], plain[100];
	uint32_t length;
	struct tls_piece piece = {bytes};
	struct tls_input in = {&piece, 1, 0};

	assert_int_equal(tls_end(server->connection), 0);
	end_accept(server);
	client_connect(pair->client, NULL, NULL);
	SSL_do_handshake(pair->client->ssl);
	length = from_client(pair->client, bytes, sizeof(bytes));
	assert_int_equal(end_feed(server, bytes, 20, 20), -EAGAIN);
	assert_int_equal(tls_end(server->connection), -EPROTO);
	assert_int_equal(tls_refusal_of(server->connection), TLS_TRUNCATED);
	end_accept(server);
	assert_int_equal(end_feed(server, bytes, length, length), -EAGAIN);
	assert_int_equal(tls_end(server->connection), -EPROTO);
	end_accept(server);
	piece.length = length;
	assert_int_equal(tls_read(server->connection, &in, plain, sizeof(plain)), -EAGAIN);
	assert_int_equal(tls_end(server->connection), -EAGAIN);
	server->failed = 0;
	tls_poll(server->tls, 1);
	assert_int_equal(server->failed, 1);
	assert_int_equal(tls_refused(server->tls, TLS_TRUNCATED), 3);
	assert_int_equal(tls_end(server->connection), -EPROTO);
}

static void test_too_many_handshakes(void **state)
{
	struct tls_config config = {.handshakes = 1};
	struct pair *pair = *state;
	struct end *server = end_new(&config);
	struct tls_connection *first;

	end_serve(server, tls_identity_hold(pair->server->found[TLS_KEY_ECDSA]));
	end_accept(server);
	client_connect(pair->client, NULL, NULL);
	SSL_do_handshake(pair->client->ssl);
	{
		uint8_t bytes[4096];
		uint32_t length = from_client(pair->client, bytes, sizeof(bytes));

		assert_int_equal(end_feed(server, bytes, length, length), -EAGAIN);
		first = server->connection;
		server->connection = NULL;
		end_accept(server);
		assert_int_equal(end_feed(server, bytes, length, length), -EPROTO);
		assert_int_equal(tls_refusal_of(server->connection), TLS_OVERLOADED);
		tls_close(first);
		end_accept(server);
		assert_int_equal(end_feed(server, bytes, length, length), -EAGAIN);
	}
	end_free(server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_versions, setup, teardown),
		cmocka_unit_test_setup_teardown(test_retry, setup, teardown),
		cmocka_unit_test_setup_teardown(test_output_in_morsels, setup, teardown),
		cmocka_unit_test_setup_teardown(test_old_version_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nothing_in_common, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rsa_and_ecdsa, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ed25519, setup, teardown),
		cmocka_unit_test_setup_teardown(test_name_decides, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rotated_identity, setup, teardown),
		cmocka_unit_test_setup_teardown(test_staple, setup, teardown),
		cmocka_unit_test_setup_teardown(test_staple_grown_old, setup, teardown),
		cmocka_unit_test_setup_teardown(test_alpn, setup, teardown),
		cmocka_unit_test_setup_teardown(test_resumption, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cut_off, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_many_handshakes, setup, teardown),
	};
	int failed;

	if (tls_start())
		return 1;
	ca = authority_new("test authority");
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	authority_free(&ca);
	return failed;
}
