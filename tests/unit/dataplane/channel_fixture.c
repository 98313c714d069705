// SPDX-License-Identifier: BSD-3-Clause
#include "channel_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static int do_apply(void *arg, const struct plan_change *change, struct reason *reason)
{
	struct server *f = arg;

	if (f->refuse) {
		reason_add(reason, "the test says no");
		return f->refuse;
	}
	f->generation = change->generation;
	f->applied++;
	return 0;
}

static bool do_prepare(void *arg, struct plan_change *change)
{
	struct server *f = arg;

	change->certificates_ahead = 1;
	return f->to_prepare == 0 || --f->to_prepare == 0;
}

static void do_undo(struct plan_change *change)
{
	change->certificates_ahead = 0; // of a change that is still there
}

static void do_hello(void *arg, Sluice__Hello *hello)
{
	hello->version = SLUICE__VERSION__VERSION_CURRENT;
	hello->build = (char *)"test";
	hello->generation = ((struct server *)arg)->generation;
}

static void do_stats(
	void *arg, struct channel *channel, uint64_t id, const Sluice__StatsRequest *request)
{
	struct server *f = arg;
	unsigned count = f->big ? BIG_WORKERS : 1;
	Sluice__Stats stats = SLUICE__STATS__INIT;
	Sluice__WorkerStats worker = SLUICE__WORKER_STATS__INIT;
	Sluice__WorkerStats **workers = calloc(count, sizeof(Sluice__WorkerStats *));

	worker.packets = request->endpoints ? 1 : 1ull << 60;
	for (unsigned i = 0; i < count; i++)
		workers[i] = &worker;
	stats.n_workers = count;
	stats.workers = workers;
	channel_send_stats(channel, id, &stats);
	free(workers);
}

static void do_explain(
	void *arg, struct channel *channel, uint64_t id, const Sluice__ExplainRequest *request)
{
	Sluice__Explained explained = SLUICE__EXPLAINED__INIT;

	explained.host = request->host;
	channel_send_explained(channel, id, &explained);
}

static void do_flows(
	void *arg, struct channel *channel, uint64_t id, const struct flow_filter *filter)
{
	struct server *f = arg;

	f->filter = *filter;
	f->flows_id = id;
	if (!f->keep_flows)
		channel_send_flows(channel, id, NULL, 0, 0);
}

static const struct channel_handlers handlers = {.apply = do_apply,
	.prepare = do_prepare,
	.undo = do_undo,
	.hello = do_hello,
	.stats = do_stats,
	.flows = do_flows,
	.explain = do_explain};

int server_open(struct server *f, const char *group, struct reason *reason)
{
	struct channel_handlers mine = handlers;

	mine.arg = f;
	return channel_open(&f->channel, f->path, group, &mine, reason);
}

int server_set_up(void **state)
{
	struct server *f = calloc(1, sizeof(*f));
	struct reason reason = {0};

	snprintf(f->directory, sizeof(f->directory), "/tmp/channel_test.XXXXXX");
	if (!mkdtemp(f->directory) || chmod(f->directory, 0755) < 0)
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/sock", f->directory);
	*state = f;
	return server_open(f, "nogroup", &reason);
}

int server_tear_down(void **state)
{
	struct server *f = *state;

	channel_close(f->channel);
	unlink(f->path);
	rmdir(f->directory);
	free(f);
	return 0;
}

int client_connect(const struct server *f)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	memcpy(name.sun_path, f->path, sizeof(f->path));
	assert_int_equal(connect(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	return fd;
}

void server_serve(struct server *f)
{
	struct pollfd ready = {.fd = channel_fd(f->channel), .events = POLLIN};

	while (poll(&ready, 1, 0) == 1)
		channel_poll(f->channel);
}

// Reads so many bytes, the server working meanwhile. False at the end of the stream.
static bool receive(struct server *f, int fd, void *bytes, size_t length)
{
	char *at = bytes;

	while (length) {
		struct pollfd ready[2] = {{.fd = fd, .events = POLLIN},
			{.fd = channel_fd(f->channel), .events = POLLIN}};
		ssize_t n;

		if (poll(ready, 2, 10000) < 1)
			fail_msg("nothing happens for ten seconds");
		if (ready[1].revents)
			channel_poll(f->channel);
		if (!ready[0].revents)
			continue;
		n = read(fd, at, length);
		if (n == 0 || (n < 0 && errno == ECONNRESET))
			return false;
		assert_true(n > 0 || errno == EAGAIN);
		at += n > 0 ? n : 0;
		length -= n > 0 ? (size_t)n : 0;
	}
	return true;
}

Sluice__Reply *client_reply(struct server *f, int fd)
{
	Sluice__Reply *message;
	uint32_t length_be;
	uint8_t *bytes;

	if (!receive(f, fd, &length_be, sizeof(length_be)))
		return NULL;
	bytes = malloc(ntohl(length_be) + 1);
	assert_true(receive(f, fd, bytes, ntohl(length_be)));
	message = sluice__reply__unpack(NULL, ntohl(length_be), bytes);
	assert_non_null(message);
	free(bytes);
	return message;
}

void reply_free(Sluice__Reply *message)
{
	sluice__reply__free_unpacked(message, NULL);
}

int client_new(struct server *f)
{
	int fd = client_connect(f);
	Sluice__Reply *hello = client_reply(f, fd);

	assert_non_null(hello);
	assert_int_equal(hello->id, 0);
	assert_int_equal(hello->body_case, SLUICE__REPLY__BODY_HELLO);
	assert_int_equal(hello->hello->version, SLUICE__VERSION__VERSION_CURRENT);
	assert_int_equal(hello->hello->generation, f->generation);
	reply_free(hello);
	return fd;
}

bool client_closed(struct server *f, int fd)
{
	char byte;
	bool more = receive(f, fd, &byte, 1);

	close(fd);
	return !more;
}

size_t request_frame(const Sluice__Request *request, uint8_t *to)
{
	size_t length = sluice__request__pack(request, to + 4);
	uint32_t length_be = htonl((uint32_t)length);

	memcpy(to, &length_be, 4);
	return length + 4;
}

void send_bytes(int fd, const void *bytes, size_t length)
{
	assert_int_equal(send(fd, bytes, length, MSG_NOSIGNAL), length);
}

static void send_request(int fd, const Sluice__Request *request)
{
	uint8_t bytes[1024];

	send_bytes(fd, bytes, request_frame(request, bytes));
}

void send_transaction(int fd, uint64_t id, uint64_t generation)
{
	Sluice__Request request = SLUICE__REQUEST__INIT;
	Sluice__Transaction transaction = SLUICE__TRANSACTION__INIT;

	transaction.generation = generation;
	request.id = id;
	request.body_case = SLUICE__REQUEST__BODY_TRANSACTION;
	request.transaction = &transaction;
	send_request(fd, &request);
}

void send_stats(int fd, uint64_t id)
{
	Sluice__Request request = SLUICE__REQUEST__INIT;
	Sluice__StatsRequest stats = SLUICE__STATS_REQUEST__INIT;

	request.id = id;
	request.body_case = SLUICE__REQUEST__BODY_STATS;
	request.stats = &stats;
	send_request(fd, &request);
}

void send_flows(int fd, uint64_t id, Sluice__FlowsRequest *flows)
{
	Sluice__Request request = SLUICE__REQUEST__INIT;

	request.id = id;
	request.body_case = SLUICE__REQUEST__BODY_FLOWS;
	request.flows = flows;
	send_request(fd, &request);
}

void expect_result(struct server *f, int fd, uint64_t id, bool applied, const char *reason)
{
	Sluice__Reply *message = client_reply(f, fd);

	assert_non_null(message);
	assert_int_equal(message->id, id);
	assert_int_equal(message->body_case, SLUICE__REPLY__BODY_RESULT);
	assert_string_equal(message->result->reason, reason);
	assert_int_equal(message->result->applied, applied);
	assert_int_equal(message->result->generation, f->generation);
	reply_free(message);
}

void expect_stats(struct server *f, int fd, uint64_t id, size_t workers)
{
	Sluice__Reply *message = client_reply(f, fd);

	assert_non_null(message);
	assert_int_equal(message->id, id);
	assert_int_equal(message->body_case, SLUICE__REPLY__BODY_STATS);
	assert_int_equal(message->stats->n_workers, workers);
	reply_free(message);
}
