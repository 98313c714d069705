// SPDX-License-Identifier: BSD-3-Clause
// The channel over a real socket: hello, order, refusals, frames in pieces, clients that are slow,
// gone, too many or not allowed. The client's end and the server's take turns in one thread, by
// events.
#include "channel_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void test_transactions(void **state)
{
	struct server *f = *state;
	int fd = client_new(f);

	send_transaction(fd, 7, 3);
	expect_result(f, fd, 7, true, "");
	assert_int_equal(f->generation, 3);
	send_transaction(fd, 8, 0); // not even decoded
	expect_result(f, fd, 8, false, "generation 0: expected the plan's own, from 1");
	f->refuse = -EINVAL;
	send_transaction(fd, 9, 4);
	expect_result(f, fd, 9, false, "the test says no");
	assert_int_equal(f->applied, 1);
	close(fd);
}

static void test_many_at_once_in_order(void **state)
{
	struct server *f = *state;
	int fd = client_new(f);

	for (uint64_t id = 1; id <= 50; id++) {
		if (id % 3)
			send_stats(fd, id);
		else
			send_transaction(fd, id, id);
	}
	for (uint64_t id = 1; id <= 50; id++) {
		if (id % 3) {
			expect_stats(f, fd, id, 1);
		} else {
			Sluice__Reply *message = client_reply(f, fd);

			assert_int_equal(message->id, id);
			assert_int_equal(message->result->generation, id);
			reply_free(message);
		}
	}
	close(fd);
}

static void test_byte_by_byte(void **state)
{
	struct server *f = *state;
	int fd = client_new(f);
	uint8_t bytes[256];
	Sluice__Request request = SLUICE__REQUEST__INIT;
	Sluice__Transaction transaction = SLUICE__TRANSACTION__INIT;
	char *names[] = {(char *)"no-such-pool"};
	size_t length;

	transaction.since = 4;
	transaction.generation = 5;
	transaction.n_pools_removed = 1;
	transaction.pools_removed = names;
	request.id = 1234567890123;
	request.body_case = SLUICE__REQUEST__BODY_TRANSACTION;
	request.transaction = &transaction;
	length = request_frame(&request, bytes);
	for (size_t i = 0; i < length; i++) {
		assert_int_equal(f->applied, 0);
		send_bytes(fd, &bytes[i], 1);
		server_serve(f);
	}
	assert_int_equal(f->applied, 1);
	expect_result(f, fd, 1234567890123, true, "");
	close(fd);
}

static void test_large_message(void **state)
{
	struct server *f = *state;
	int fd = client_new(f);
	size_t length = 3 << 20, sent = 0;
	uint8_t *bytes = calloc(1, length + 4);
	uint32_t length_be = htonl((uint32_t)length);

	// id 5, then a transaction (field 2) that fills the rest and is no transaction.
	memcpy(bytes, &length_be, 4);
	memcpy(bytes + 4, (uint8_t[]){1 << 3, 5, 2 << 3 | 2}, 3);
	for (size_t i = 0, left = length - 7; i < 4; i++, left >>= 7)
		bytes[7 + i] = (uint8_t)((left & 0x7f) | (i < 3 ? 0x80 : 0));
	while (sent < length + 4) {
		ssize_t n = send(fd, bytes + sent, length + 4 - sent, MSG_NOSIGNAL);

		assert_true(n > 0 || errno == EAGAIN);
		sent += n > 0 ? (size_t)n : 0;
		server_serve(f);
	}
	expect_result(f, fd, 5, false, "transaction: its 3145721 bytes are no sluice.Transaction");
	free(bytes);
	close(fd);
}

// One that does not read its answer, of megabytes, holds up nobody, and gets it whole in the end.
static void test_slow_client(void **state)
{
	struct server *f = *state;
	int slow = client_new(f), quick = client_new(f);

	f->big = true;
	send_stats(slow, 1);
	send_stats(slow, 2); // not even read before the first is answered
	server_serve(f);
	f->big = false;
	for (uint64_t id = 1; id <= 20; id++) {
		send_stats(quick, id);
		expect_stats(f, quick, id, 1);
	}
	expect_stats(f, slow, 1, BIG_WORKERS);
	expect_stats(f, slow, 2, 1);
	close(slow);
	close(quick);
}

static void test_slow_client_leaves(void **state)
{
	struct server *f = *state;
	int slow = client_new(f), other;

	f->big = true;
	send_stats(slow, 1);
	server_serve(f);
	close(slow);
	server_serve(f);
	f->big = false;
	other = client_new(f);
	send_stats(other, 1);
	expect_stats(f, other, 1, 1);
	close(other);
}

static struct flow_view a_flow(void)
{
	struct flow_view view = {.worker = 2,
		.protocol = IPPROTO_TCP,
		.mode = MODE_FULL_NAT,
		.state = FLOW_TCP_ESTABLISHED,
		.client_port = htons(4242),
		.vip_port = htons(80),
		.endpoint_port = htons(8080),
		.source_port = htons(1025),
		.idle_ms = 5,
		.expires_ms = 600,
		.packets = 77};

	addr_parse(&view.client, "2001:db8::1");
	addr_parse(&view.vip, "192.0.2.10");
	addr_parse(&view.endpoint, "10.0.0.1");
	addr_parse(&view.source, "10.0.0.254");
	return view;
}

static void test_flows_later(void **state)
{
	struct server *f = *state;
	int asks = client_new(f), other = client_new(f);
	Sluice__FlowsRequest request = SLUICE__FLOWS_REQUEST__INIT;
	struct flow_view view = a_flow();
	Sluice__Reply *message;
	uint8_t vip[] = {192, 0, 2, 10};

	f->keep_flows = true;
	request.protocol = SLUICE__L4_PROTOCOL__L4_TCP;
	request.vip = (ProtobufCBinaryData){4, vip};
	request.vip_port = 80;
	send_flows(asks, 1, &request);
	send_stats(asks, 2);
	server_serve(f);
	assert_int_equal(f->filter.limit, 1000);
	assert_int_equal(f->filter.protocol, IPPROTO_TCP);
	assert_true(f->filter.by_vip && !f->filter.by_client && !f->filter.by_endpoint);
	assert_int_equal(addr_compare(&f->filter.vip, &view.vip), 0);
	assert_int_equal(f->filter.vip_port, htons(80));
	send_stats(other, 1);
	expect_stats(f, other, 1, 1);                                 // meanwhile
	channel_send_flows(f->channel, f->flows_id + 1, &view, 1, 1); // nobody's
	channel_send_flows(f->channel, f->flows_id, &view, 1, 99);
	message = client_reply(f, asks);
	assert_int_equal(message->id, 1);
	assert_int_equal(message->body_case, SLUICE__REPLY__BODY_FLOWS);
	assert_int_equal(message->flows->total, 99);
	assert_int_equal(message->flows->n_flows, 1);
	assert_int_equal(message->flows->flows[0]->client.len, 16);
	assert_int_equal(message->flows->flows[0]->client_port, 4242);
	assert_memory_equal(message->flows->flows[0]->vip.data, vip, 4);
	assert_string_equal(message->flows->flows[0]->state, flow_state_name(FLOW_TCP_ESTABLISHED));
	assert_int_equal(message->flows->flows[0]->packets, 77);
	reply_free(message);
	expect_stats(f, asks, 2, 1);                              // only then
	channel_send_flows(f->channel, f->flows_id, &view, 1, 1); // a second time: nobody's
	server_serve(f);
	close(asks);
	close(other);
}

static void test_flows_for_one_that_has_gone(void **state)
{
	struct server *f = *state;
	int asks = client_new(f), other;
	Sluice__FlowsRequest request = SLUICE__FLOWS_REQUEST__INIT;

	f->keep_flows = true;
	send_flows(asks, 1, &request);
	server_serve(f);
	close(asks);
	server_serve(f);
	other = client_new(f); // has the place of the one that has gone, not its answer
	channel_send_flows(f->channel, f->flows_id, NULL, 0, 0);
	send_stats(other, 5);
	expect_stats(f, other, 5, 1);
	close(other);
}

static void test_wrong_flows(void **state)
{
	struct server *f = *state;
	int fd = client_new(f);
	Sluice__FlowsRequest request = SLUICE__FLOWS_REQUEST__INIT;
	uint8_t bytes[5] = {0};

	request.client = (ProtobufCBinaryData){5, bytes};
	request.vip_port = 65536;
	request.protocol = 1;
	send_flows(fd, 1, &request);
	expect_result(f, fd, 1, false,
		"flows: client: 5 bytes: expected an IPv4 or IPv6 address\n"
		"flows: protocol 1: expected 6 (tcp), 17 (udp) or none\n"
		"flows: vip port 65536: expected at most 65535");
	close(fd);
}

static void test_damaged(void **state)
{
	struct server *f = *state;
	int fd = client_new(f);

	send_bytes(fd, "\0\0\0\4\x08\x2a\x12\x05", 8); // id 42, then a body cut off
	expect_result(f, fd, 42, false, "does not parse");
	send_bytes(fd, "\0\0\0\5\x08\x2b\x1a\x01\xff", 9); // id 43, stats that are none
	expect_result(f, fd, 43, false, "stats: does not parse");
	send_bytes(fd, "\0\0\0\2\x08\x2c", 6); // id 44 and nothing
	expect_result(f, fd, 44, false, "a request this dataplane does not know");
	send_bytes(fd, "\0\0\0\0", 4); // nothing at all
	expect_result(f, fd, 0, false, "a request this dataplane does not know");
	send_bytes(fd, "\0\0\0\6\xfa\x01\0\x08\x2d\x05", 10); // a field to come, id 45, cut off
	expect_result(f, fd, 45, false, "does not parse");
	send_stats(fd, 46);
	expect_stats(f, fd, 46, 1);
	send_bytes(fd, "\0\0\0\2\xff\xff", 6); // no id to answer to
	assert_true(client_closed(f, fd));
	fd = client_new(f);
	send_bytes(fd, "\x10\0\0\1", 4); // one more than a message can be
	assert_true(client_closed(f, fd));
}

// The old control plane still sends while its successor is there.
static void test_newer_writer(void **state)
{
	struct server *f = *state;
	int old = client_new(f), new = client_new(f), reader = client_new(f);

	send_transaction(old, 1, 1); // the new one has not sent any yet
	expect_result(f, old, 1, true, "");
	send_transaction(new, 1, 2);
	expect_result(f, new, 1, true, "");
	send_stats(reader, 1);
	expect_stats(f, reader, 1, 1);
	send_transaction(old, 2, 3);
	expect_result(f, old, 2, false,
		"another control plane has connected since and sends transactions");
	send_transaction(new, 2, 4);
	expect_result(f, new, 2, true, "");
	close(new);
	server_serve(f);
	send_transaction(old, 3, 5);
	expect_result(f, old, 3, true, "");
	close(old);
	close(reader);
}

// What takes many steps holds up nobody.
static void test_prepared(void **state)
{
	struct server *f = *state;
	int fd = client_new(f), other = client_new(f);

	f->to_prepare = 3;
	send_transaction(fd, 1, 1);
	server_serve(f);
	send_stats(other, 1);
	expect_stats(f, other, 1, 1);
	assert_true(channel_step(f->channel));
	assert_int_equal(f->applied, 0);
	assert_false(channel_step(f->channel));
	assert_int_equal(f->applied, 1);
	expect_result(f, fd, 1, true, "");
	close(fd);
	close(other);
}

// Nothing comes of it when its sender leaves, or a newer one was faster.
static void test_prepared_in_vain(void **state)
{
	struct server *f = *state;
	int fd = client_new(f), old = client_new(f), new = client_new(f);

	f->to_prepare = 2;
	send_transaction(fd, 1, 1);
	server_serve(f);
	close(fd);
	server_serve(f);
	assert_false(channel_step(f->channel));
	assert_int_equal(f->applied, 0);
	f->to_prepare = 2;
	send_transaction(old, 1, 2);
	server_serve(f);
	f->to_prepare = 0;
	send_transaction(new, 1, 3);
	expect_result(f, new, 1, true, "");
	assert_false(channel_step(f->channel));
	expect_result(f, old, 1, false,
		"another control plane has connected since and sends transactions");
	assert_int_equal(f->generation, 3);
	close(old);
	close(new);
}

static void test_eight_clients(void **state)
{
	struct server *f = *state;
	int fds[8];

	for (int i = 0; i < 8; i++)
		fds[i] = client_new(f);
	assert_true(client_closed(f, client_connect(f)));
	close(fds[3]);
	server_serve(f);
	fds[3] = client_new(f);
	for (int i = 0; i < 8; i++)
		close(fds[i]);
}

// Connects as another user; what a child cannot assert it tells by its exit: 0 when it got a hello.
static int exit_of_stranger(struct server *f, gid_t extra_group)
{
	int alive[2]; // the child's end closes when it ends
	pid_t child;
	int status;

	assert_int_equal(pipe(alive), 0);
	child = fork();
	if (child == 0) {
		gid_t groups[] = {extra_group};
		struct pollfd ready;
		char byte;

		if (setgroups(1, groups) < 0 || setgid(54321) < 0 || setuid(54321) < 0)
			_exit(2);
		ready = (struct pollfd){.fd = client_connect(f), .events = POLLIN};
		poll(&ready, 1, 10000);
		_exit(read(ready.fd, &byte, 1) == 1 ? 0 : 1);
	}
	close(alive[1]);
	for (;;) {
		struct pollfd ready[2] = {{.fd = channel_fd(f->channel), .events = POLLIN},
			{.fd = alive[0], .events = POLLIN}};

		assert_true(poll(ready, 2, 10000) > 0);
		if (ready[0].revents)
			channel_poll(f->channel);
		else if (ready[1].revents)
			break;
	}
	close(alive[0]);
	waitpid(child, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_who_may_connect(void **state)
{
	struct server *f = *state;
	struct group *group = getgrnam("nogroup");
	struct stat status;

	assert_non_null(group);
	assert_int_equal(stat(f->path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0660);
	if (geteuid() != 0)
		skip();
	assert_int_equal(status.st_gid, group->gr_gid);
	// The mode alone would keep a stranger out: without it, the credentials must.
	assert_int_equal(chmod(f->path, 0666), 0);
	assert_int_equal(exit_of_stranger(f, 54322), 1);
	assert_int_equal(exit_of_stranger(f, group->gr_gid), 0);
}

static void test_unknown_group_leaves_root(void **state)
{
	struct server *f = *state;
	struct reason reason = {0};
	struct stat status;

	channel_close(f->channel);
	assert_int_equal(server_open(f, "no-such-group", &reason), 0);
	assert_int_equal(stat(f->path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0660);
	close(client_new(f));
	if (geteuid() != 0)
		return;
	assert_int_equal(chmod(f->path, 0666), 0);
	assert_int_equal(exit_of_stranger(f, 54322), 1);
}

static void test_socket_file(void **state)
{
	struct server *f = *state, second = *f;
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	struct reason reason = {0};
	int stale;

	assert_int_equal(server_open(&second, "nogroup", &reason), -EADDRINUSE);
	assert_non_null(strstr(reason_text(&reason), "another dataplane listens on it"));
	reason_clear(&reason);
	close(client_new(f)); // the first is unharmed
	channel_close(f->channel);
	f->channel = NULL;
	assert_int_not_equal(access(f->path, F_OK), 0);
	// Left behind by a process that was killed.
	stale = socket(AF_UNIX, SOCK_STREAM, 0);
	memcpy(name.sun_path, f->path, sizeof(f->path));
	assert_int_equal(bind(stale, (struct sockaddr *)&name, sizeof(name)), 0);
	close(stale);
	assert_int_equal(server_open(f, "nogroup", &reason), 0);
	close(client_new(f));
	channel_close(f->channel);
	f->channel = NULL;
	close(creat(f->path, 0600));
	assert_int_equal(server_open(f, "nogroup", &reason), -EEXIST);
	assert_non_null(strstr(reason_text(&reason), "is there and is no socket"));
	reason_clear(&reason);
	assert_int_equal(access(f->path, F_OK), 0); // somebody else's file is not taken away
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_transactions, server_set_up, server_tear_down),
		cmocka_unit_test_setup_teardown(
			test_many_at_once_in_order, server_set_up, server_tear_down),
		cmocka_unit_test_setup_teardown(test_byte_by_byte, server_set_up, server_tear_down),
		cmocka_unit_test_setup_teardown(
			test_large_message, server_set_up, server_tear_down),
		cmocka_unit_test_setup_teardown(test_slow_client, server_set_up, server_tear_down),
		cmocka_unit_test_setup_teardown(
			test_slow_client_leaves, server_set_up, server_tear_down),
		cmocka_unit_test_setup_teardown(test_flows_later, server_set_up, server_tear_down),
		cmocka_unit_test_setup_teardown(
			test_flows_for_one_that_has_gone, server_set_up, server_tear_down),
		cmocka_unit_test_setup_teardown(test_wrong_flows, server_set_up, server_tear_down),
		cmocka_unit_test_setup_teardown(test_damaged, server_set_up, server_tear_down),
		cmocka_unit_test_setup_teardown(test_newer_writer, server_set_up, server_tear_down),
		cmocka_unit_test_setup_teardown(test_prepared, server_set_up, server_tear_down),
		cmocka_unit_test_setup_teardown(
			test_prepared_in_vain, server_set_up, server_tear_down),
		cmocka_unit_test_setup_teardown(
			test_eight_clients, server_set_up, server_tear_down),
		cmocka_unit_test_setup_teardown(
			test_who_may_connect, server_set_up, server_tear_down),
		cmocka_unit_test_setup_teardown(
			test_unknown_group_leaves_root, server_set_up, server_tear_down),
		cmocka_unit_test_setup_teardown(test_socket_file, server_set_up, server_tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
