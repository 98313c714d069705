// SPDX-License-Identifier: BSD-3-Clause
// After the handshake: data both ways under backpressure, ends, damage.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tls_fixture.h"

#define BULK_BYTES 3000000u

static struct authority ca;

struct pair {
	struct end *server;
	struct client *client;
	uint8_t *data; // BULK_BYTES of no pattern
	uint32_t seed;
};

static uint32_t random_below(struct pair *pair, uint32_t bound)
{
	pair->seed = pair->seed * 1664525 + 1013904223;
	return (uint32_t)((uint64_t)pair->seed * bound >> 32);
}

static int setup(void **state)
{
	struct pair *pair = calloc(1, sizeof(*pair));
	struct tls_config config = {0};

	pair->server = end_new(&config);
	end_serve(pair->server, identity_made(&ca, MADE_P256, "shop.example.com"));
	pair->client = client_new();
	pair->data = malloc(BULK_BYTES);
	for (uint32_t i = 0; i < BULK_BYTES; i++)
		pair->data[i] = (uint8_t)random_below(pair, 256);
	*state = pair;
	return 0;
}

static int teardown(void **state)
{
	struct pair *pair = *state;

	end_free(pair->server);
	client_free(pair->client);
	free(pair->data);
	free(pair);
	return 0;
}

static void connected(struct pair *pair, int version)
{
	SSL_CTX_set_min_proto_version(pair->client->context, version);
	SSL_CTX_set_max_proto_version(pair->client->context, version);
	end_accept(pair->server);
	client_connect(pair->client, NULL, NULL);
	assert_true(handshake(pair->server, pair->client, 65536));
}

// Pieces of any size, room of any size, and memory to lend of any size, at times none.
static void send_bulk(struct pair *pair)
{
	uint8_t *got = malloc(BULK_BYTES);
	uint32_t sent = 0, arrived = 0;

	while (arrived < BULK_BYTES) {
		struct tls_piece pieces[8];
		uint32_t count = 1 + random_below(pair, 8), at = sent;
		int length;

		for (uint32_t i = 0; i < count; i++) {
			uint32_t most = BULK_BYTES - at, part = random_below(pair, 9000);

			pieces[i].data = pair->data + at;
			pieces[i].length = part < most ? part : most;
			at += pieces[i].length;
		}
		pair->server->lend_most = 1 + random_below(pair, 3000);
		pair->server->lend_none = random_below(pair, 4) == 0;
		if (at > sent) {
			uint32_t room = random_below(pair, 40000);

			length = tls_write(pair->server->connection, pieces, count, room);
			assert_true(length >= 0);
			assert_true(pair->server->lend_none || (uint32_t)length <= room);
			assert_true(length > 0 || room < 2048 || pair->server->lend_none);
			sent += (uint32_t)length;
		}
		pair->server->lend_none = false;
		if (random_below(pair, 2))
			tls_flush(pair->server->connection);
		to_client(pair->server, pair->client);
		while ((length = SSL_read(
				pair->client->ssl, got + arrived, (int)(BULK_BYTES - arrived))) > 0)
			arrived += (uint32_t)length;
	}
	assert_memory_equal(got, pair->data, BULK_BYTES);
	free(got);
}

static void receive_bulk(struct pair *pair)
{
	uint8_t *got = malloc(BULK_BYTES), *wire = malloc(WIRE_BYTES);
	uint32_t sent = 0, arrived = 0, wire_length = 0;

	while (arrived < BULK_BYTES) {
		uint32_t cut = 1 + random_below(pair, 20000), size = 1 + random_below(pair, 20000);
		struct tls_piece pieces[2];
		struct tls_input in = {pieces, 2, 0};
		uint32_t left = 0;
		int length = SSL_write(pair->client->ssl, pair->data + sent,
			(int)(BULK_BYTES - sent < 10000 ? BULK_BYTES - sent : 10000));

		sent += length > 0 ? (uint32_t)length : 0;
		if (wire_length < WIRE_BYTES - 65536)
			wire_length += from_client(
				pair->client, wire + wire_length, WIRE_BYTES - wire_length);
		cut = cut < wire_length ? cut : wire_length;
		pieces[0] = (struct tls_piece){wire, cut / 3};
		pieces[1] = (struct tls_piece){wire + cut / 3, cut - cut / 3};
		size = size < BULK_BYTES - arrived ? size : BULK_BYTES - arrived;
		length = tls_read(pair->server->connection, &in, got + arrived, size);
		assert_true(length > 0 || length == -EAGAIN);
		assert_true(length > 0 || in.count == 0 || cut == 0);
		arrived += length > 0 ? (uint32_t)length : 0;
		for (uint32_t i = 0; i < in.count; i++)
			left += in.pieces[i].length;
		left -= in.offset;
		memmove(wire, wire + cut - left, wire_length - (cut - left));
		wire_length -= cut - left;
	}
	assert_memory_equal(got, pair->data, BULK_BYTES);
	free(got);
	free(wire);
}

static void test_bulk(void **state)
{
	struct pair *pair = *state;

	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		connected(pair, version);
		send_bulk(pair);
		receive_bulk(pair);
	}
}

// What comes together with the last of the handshake is there when READY is told.
static void test_data_behind_the_handshake(void **state)
{
	struct pair *pair = *state;
	uint8_t bytes[8192];
	struct tls_input none = {0};
	uint32_t length;

	end_accept(pair->server);
	client_connect(pair->client, NULL, NULL);
	SSL_do_handshake(pair->client->ssl);
	length = from_client(pair->client, bytes, sizeof(bytes));
	assert_int_equal(end_feed(pair->server, bytes, length, length), -EAGAIN);
	to_client(pair->server, pair->client);
	assert_int_equal(SSL_do_handshake(pair->client->ssl), 1);
	assert_int_equal(SSL_write(pair->client->ssl, "GET /", 5), 5);
	length = from_client(pair->client, bytes, sizeof(bytes));
	assert_int_equal(end_feed(pair->server, bytes, length, length), -EAGAIN);
	assert_int_equal(pair->server->ready, 1);
	assert_int_equal(tls_read(pair->server->connection, &none, bytes, sizeof(bytes)), 5);
	assert_memory_equal(bytes, "GET /", 5);
}

static void test_close_notify(void **state)
{
	struct pair *pair = *state;
	struct tls_piece piece = {"bye", 3};
	uint8_t bytes[4096];
	uint32_t length;

	connected(pair, TLS1_3_VERSION);
	assert_int_equal(SSL_write(pair->client->ssl, "last", 4), 4);
	SSL_shutdown(pair->client->ssl);
	length = from_client(pair->client, bytes, sizeof(bytes));
	assert_int_equal(end_feed(pair->server, bytes, length, length), 4);
	assert_true(tls_ended(pair->server->connection));
	assert_int_equal(tls_write(pair->server->connection, &piece, 1, 4096), 3);
	tls_finish(pair->server->connection);
	assert_int_equal(tls_write(pair->server->connection, &piece, 1, 4096), -EPIPE);
	to_client(pair->server, pair->client);
	assert_int_equal(SSL_read(pair->client->ssl, bytes, sizeof(bytes)), 3);
	assert_int_equal(SSL_read(pair->client->ssl, bytes, sizeof(bytes)), 0);
	assert_int_equal(
		SSL_get_shutdown(pair->client->ssl) & SSL_RECEIVED_SHUTDOWN, SSL_RECEIVED_SHUTDOWN);
}

static void test_damage(void **state)
{
	struct pair *pair = *state;
	uint8_t bytes[4096];
	uint32_t length;

	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		connected(pair, version);
		SSL_write(pair->client->ssl, "data", 4);
		length = from_client(pair->client, bytes, sizeof(bytes));
		bytes[length - 3] ^= 1;
		assert_int_equal(end_feed(pair->server, bytes, length, length), -EPROTO);
		assert_int_equal(tls_refusal_of(pair->server->connection), TLS_BAD_RECORD);
		to_client(pair->server, pair->client);
		assert_int_equal(SSL_get_error(pair->client->ssl,
					 SSL_read(pair->client->ssl, bytes, sizeof(bytes))),
			SSL_ERROR_SSL);
		assert_int_equal(end_feed(pair->server, bytes, 1, 1), -EPROTO);
	}
}

static void test_flood_of_key_updates(void **state)
{
	struct pair *pair = *state;
	uint8_t bytes[8192];
	int result = -EAGAIN;

	connected(pair, TLS1_3_VERSION);
	for (unsigned i = 0; i < 40 && result == -EAGAIN; i++) {
		uint32_t length;

		SSL_key_update(pair->client->ssl, SSL_KEY_UPDATE_REQUESTED);
		SSL_do_handshake(pair->client->ssl);
		length = from_client(pair->client, bytes, sizeof(bytes));
		result = end_feed(pair->server, bytes, length, length);
		pair->server->wire_length = 0;
	}
	assert_int_equal(result, -EPROTO);
	assert_int_equal(tls_refusal_of(pair->server->connection), TLS_TOO_MANY_RECORDS);
}

// One cut anywhere into a handshake: refused or waiting, never ready.
static void test_hostile_bytes(void **state)
{
	struct pair *pair = *state;
	uint8_t hello[4096], bytes[4096];
	uint32_t length;

	client_connect(pair->client, "shop.example.com", NULL);
	SSL_do_handshake(pair->client->ssl);
	length = from_client(pair->client, hello, sizeof(hello));
	for (uint32_t i = 0; i < 2 * length; i++) {
		memcpy(bytes, hello, length);
		bytes[i / 2] ^= i % 2 ? 0x80 : 1;
		end_accept(pair->server);
		end_feed(pair->server, bytes, length, length);
		while (tls_poll(pair->server->tls, 1))
			;
		assert_false(tls_is_ready(pair->server->connection));
	}
	for (unsigned turn = 0; turn < 2000; turn++) {
		for (unsigned i = 0; i < 600; i++)
			bytes[i] = (uint8_t)random_below(pair, 256);
		memcpy(bytes, hello, random_below(pair, 60));
		end_accept(pair->server);
		end_feed(pair->server, bytes, 600, 1 + random_below(pair, 600));
		assert_false(tls_is_ready(pair->server->connection));
	}
}

static void test_refused_by_name(void **state)
{
	static const struct {
		const char *bytes;
		uint32_t length;
		enum tls_refusal refusal;
	} cases[] = {
		{"GET / HTTP/1.1\r\n", 16, TLS_PLAIN_HTTP},
		{"\x80\x2e\x01\x00\x02", 5, TLS_NOT_TLS},
		{"\x16\x02\x00\x00\x10", 5, TLS_RECORD_VERSION},
		{"\x16\x03\x01\x00\x00", 5, TLS_RECORD_LENGTH},
		{"\x16\x03\x01\x40\x01", 5, TLS_RECORD_LENGTH},
		{"\x16\x03\x01\x00\x10\x02\x00\x00\x0c", 9, TLS_NOT_TLS},
		{"\x16\x03\x01\x00\x10\x01\x00\x40\x01", 9, TLS_HELLO_TOO_LONG},
	};
	struct pair *pair = *state;

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		end_accept(pair->server);
		assert_int_equal(
			end_feed(pair->server, (const uint8_t *)cases[i].bytes, cases[i].length, 1),
			-EPROTO);
		assert_int_equal(tls_refusal_of(pair->server->connection), cases[i].refusal);
		assert_int_equal(tls_refused(pair->server->tls, cases[i].refusal) > 0, 1);
		assert_int_equal(pair->server->ready + pair->server->failed, 0);
	}
}

static void test_more_than_kept(void **state)
{
	struct pair *pair = *state;
	uint8_t bytes[8192], *rest = malloc(100000);
	struct tls_piece piece;
	struct tls_input in = {&piece, 1, 0};
	uint32_t length, total = 0;
	int result;

	end_accept(pair->server);
	client_connect(pair->client, NULL, NULL);
	SSL_do_handshake(pair->client->ssl);
	length = from_client(pair->client, bytes, sizeof(bytes));
	end_feed(pair->server, bytes, length, length);
	to_client(pair->server, pair->client);
	SSL_do_handshake(pair->client->ssl);
	for (unsigned i = 0; i < 10; i++)
		SSL_write(pair->client->ssl, pair->data + 8000 * i, 8000);
	piece = (struct tls_piece){rest, from_client(pair->client, rest, 100000)};
	assert_int_equal(tls_read(pair->server->connection, &in, bytes, 4096), -EAGAIN);
	assert_int_equal(in.count, 1); // not all was taken
	tls_poll(pair->server->tls, 1);
	assert_int_equal(pair->server->ready, 1);
	while ((result = tls_read(pair->server->connection, &in, bytes, 4096)) > 0) {
		assert_memory_equal(bytes, pair->data + total, (size_t)result);
		total += (uint32_t)result;
	}
	assert_int_equal(total, 80000);
	free(rest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_bulk, setup, teardown),
		cmocka_unit_test_setup_teardown(test_data_behind_the_handshake, setup, teardown),
		cmocka_unit_test_setup_teardown(test_close_notify, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damage, setup, teardown),
		cmocka_unit_test_setup_teardown(test_flood_of_key_updates, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hostile_bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused_by_name, setup, teardown),
		cmocka_unit_test_setup_teardown(test_more_than_kept, setup, teardown),
	};
	int failed;

	if (tls_start())
		return 1;
	ca = authority_new("test authority");
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	authority_free(&ca);
	return failed;
}
