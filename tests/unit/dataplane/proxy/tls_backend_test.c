// SPDX-License-Identifier: BSD-3-Clause
// Our client against our server: whom it trusts, sessions, names; handshakes on crypto threads.
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tls_fixture.h"

static struct authority ca;

static int setup(void **state)
{
	struct tls_config config = {0};
	struct end *server = end_new(&config);

	end_serve(server, identity_made(&ca, MADE_P256, "shop.example.com"));
	*state = server;
	return 0;
}

static int teardown(void **state)
{
	end_free(*state);
	return 0;
}

// Moves what each sent to the other until nothing moves.
static void exchange(struct end *a, struct end *b)
{
	static uint8_t bytes[WIRE_BYTES];

	for (unsigned turn = 0; turn < 50; turn++) {
		struct end *from = turn % 2 ? a : b, *to = turn % 2 ? b : a;
		uint32_t length = from->wire_length;

		memcpy(bytes, from->wire, length);
		from->wire_length = 0;
		if (length && end_feed(to, bytes, length, 1000) == -EPROTO)
			to->failed++;
		tls_poll(to->tls, 4);
		tls_poll(from->tls, 4);
		sched_yield();
	}
}

static void target_handshake(
	struct end *server, struct end *client, const struct tls_target *target)
{
	end_accept(server);
	if (client->connection)
		tls_close(client->connection);
	client->wire_length = 0;
	client->ready = client->failed = 0;
	client->connection = tls_connect(client->tls, target, client);
	exchange(server, client);
}

static void backend_handshake(struct end *server, struct end *client, struct tls_backend *backend)
{
	target_handshake(
		server, client, &(struct tls_target){.backend = backend, .endpoint = 4711});
}

static void test_backend(void **state)
{
	static const struct {
		const char *name;
		bool verify;
		enum tls_refusal refusal;
	} cases[] = {
		{"shop.example.com", true, TLS_OK},
		{"shop.example.com", false, TLS_OK},
		{NULL, true, TLS_OK},
		{"other.example.com", true, TLS_PEER_NAME},
		{"192.0.2.1", true, TLS_PEER_NAME},
	};
	struct end *original = *state;
	struct tls_config config = {0};
	struct end *client = end_new(&config);
	struct reason reason = {0};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct tls_backend_config from = {.name = cases[i].name,
			.ca = cases[i].verify ? ca.pem : NULL,
			.ca_length = strlen(ca.pem)};
		struct tls_backend *backend = tls_backend_new(&from, &reason);

		assert_non_null(backend);
		backend_handshake(original, client, backend);
		assert_int_equal(client->ready, cases[i].refusal == TLS_OK);
		assert_int_equal(tls_refusal_of(client->connection), cases[i].refusal);
		tls_backend_release(backend);
	}
	end_free(client);
}

static void test_backend_of_another_authority(void **state)
{
	struct end *original = *state;
	struct authority stranger = authority_new("stranger");
	struct tls_config config = {0};
	struct end *client = end_new(&config);
	struct reason reason = {0};
	struct tls_backend_config from = {.ca = stranger.pem, .ca_length = strlen(stranger.pem)};
	struct tls_backend *backend = tls_backend_new(&from, &reason);

	backend_handshake(original, client, backend);
	assert_int_equal(tls_refusal_of(client->connection), TLS_PEER_UNTRUSTED);
	assert_int_equal(tls_refusal_of(original->connection), TLS_ALERT_CERTIFICATE);
	tls_backend_release(backend);
	from = (struct tls_backend_config){.ca = "none", .ca_length = 4};
	assert_null(tls_backend_new(&from, &reason));
	assert_non_null(strstr(reason_text(&reason), "no certificate"));
	reason_clear(&reason);
	authority_free(&stranger);
	end_free(client);
}

static void test_backend_session(void **state)
{
	struct end *original = *state;
	struct tls_config config = {.tickets = tls_tickets_new(3600)};
	struct end *server = end_new(&config), *client = end_new(&config);
	struct tls_backend_config from = {.name = "shop.example.com"};
	struct reason reason = {0};
	struct tls_backend *backend = tls_backend_new(&from, &reason);

	end_serve(server, tls_identity_hold(original->found[TLS_KEY_ECDSA]));
	for (unsigned i = 0; i < 3; i++) {
		backend_handshake(server, client, backend);
		assert_int_equal(client->ready, 1);
		assert_int_equal(tls_is_resumed(client->connection), i > 0);
	}
	assert_int_equal(tls_count(client->tls, TLS_COUNT_BACKEND_RESUMED), 2);
	// Who shows something else is somebody else.
	for (unsigned i = 0; i < 2; i++) {
		target_handshake(server, client,
			&(struct tls_target){.backend = backend,
				.endpoint = 4711,
				.identity = original->found[TLS_KEY_ECDSA]});
		assert_int_equal(tls_is_resumed(client->connection), i > 0);
	}
	tls_backend_release(backend);
	end_free(client);
	end_free(server);
	tls_tickets_free(config.tickets);
}

// A session is for the name it was checked with.
static void test_backend_names(void **state)
{
	static const struct {
		const char *name;
		bool resumed;
		enum tls_refusal refusal;
	} cases[] = {
		{"shop.example.com", false, TLS_OK},
		{"shop.example.com", true, TLS_OK},
		{"other.example.com", false, TLS_PEER_NAME},
		{"shop.example.com", true, TLS_OK},
	};
	struct end *original = *state;
	struct tls_config config = {.tickets = tls_tickets_new(3600)};
	struct end *server = end_new(&config), *client = end_new(&config);
	struct tls_backend_config from = {.ca = ca.pem, .ca_length = strlen(ca.pem)};
	struct reason reason = {0};
	struct tls_backend *backend = tls_backend_new(&from, &reason);

	end_serve(server, tls_identity_hold(original->found[TLS_KEY_ECDSA]));
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		target_handshake(server, client,
			&(struct tls_target){.backend = backend, .name = cases[i].name});
		assert_int_equal(tls_refusal_of(client->connection), cases[i].refusal);
		assert_int_equal(tls_is_resumed(client->connection), cases[i].resumed);
		for (unsigned j = 0; j < sizeof(cases) / sizeof(cases[0]); j++)
			assert_int_equal(tls_fits(client->connection,
						 &(struct tls_target){.backend = backend,
							 .name = cases[j].name}),
				strcmp(cases[i].name, cases[j].name) == 0);
		assert_false(
			tls_fits(client->connection, &(struct tls_target){.backend = backend}));
	}
	tls_backend_release(backend);
	end_free(client);
	end_free(server);
	tls_tickets_free(config.tickets);
}

// Both sides' handshakes on threads; connections closed at any moment of it.
static void test_crypto_threads(void **state)
{
	struct end *original = *state;
	const unsigned cpus[] = {0, 0};
	struct reason reason = {0};
	struct tls_config config = {.tickets = tls_tickets_new(3600)};
	struct tls_backend_config from = {.name = "shop.example.com"};
	struct tls_backend *backend = tls_backend_new(&from, &reason);
	struct end *server, *client;

	config.crypto = tls_crypto_new(cpus, 2, &reason);
	assert_non_null(config.crypto);
	server = end_new(&config);
	client = end_new(&config);
	end_serve(server, tls_identity_hold(original->found[TLS_KEY_ECDSA]));
	for (unsigned i = 0; i < 40; i++) {
		backend_handshake(server, client, backend);
		for (unsigned turn = 0; i % 2 && turn < 100000; turn++) {
			if (client->ready && server->ready)
				break;
			exchange(server, client);
		}
		exchange(server, client); // the ticket
		assert_true(client->ready || i % 2 == 0);
	}
	assert_true(tls_count(client->tls, TLS_COUNT_BACKEND_RESUMED) >= 10);
	tls_backend_release(backend);
	end_free(client);
	end_free(server);
	tls_crypto_free(config.crypto);
	tls_tickets_free(config.tickets);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_backend, setup, teardown),
		cmocka_unit_test_setup_teardown(test_backend_of_another_authority, setup, teardown),
		cmocka_unit_test_setup_teardown(test_backend_session, setup, teardown),
		cmocka_unit_test_setup_teardown(test_backend_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_crypto_threads, setup, teardown),
	};
	int failed;

	if (tls_start())
		return 1;
	ca = authority_new("test authority");
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	authority_free(&ca);
	return failed;
}
