// SPDX-License-Identifier: BSD-3-Clause
// One client of the channel: frames, and one request at a time.
//
//	               accepted
//	                  |  hello
//	                  v
//	+-----------> writing: nothing is read until all is written
//	|                 |
//	|                 v
//	|  reply      reading: 4 bytes of length, then so many: never beyond one message
//	|                 |  whole message
//	|                 v
//	+------------ working: `flows` stays here until channel_send_flows(), a transaction with
// many 	                  certificates until they are read
//
// So there is at most one message in and one out in memory for a client, replies are in order by
// nature, and a client that does not read hears nothing more and holds up nobody. The buffer for a
// message grows with what has come, not with what was announced.
#include "channel_internal.h"

#include "channel_request.h"
#include "limits.h"
#include "log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_BYTES    65536u // the first buffer for a message
#define FLOWS_DEFAULT 1000
#define FLOWS_MAX     100000

static void change_end(struct channel *channel, struct plan_change *change)
{
	if (change && channel->handlers.undo)
		channel->handlers.undo(change);
	plan_change_free(change);
}

void client_close(struct channel *channel, struct client *client)
{
	change_end(channel, client->change);
	close(client->fd); // leaves the epoll set with its last descriptor
	free(client->in);
	free(client->out);
	*client = (struct client){.state = CLIENT_FREE, .fd = -1};
}

static void client_enter(struct channel *channel, struct client *client, enum client_state state)
{
	struct epoll_event event = {.data.ptr = client};

	if (client->state == state)
		return;
	client->state = state;
	if (state == CLIENT_READING)
		event.events = EPOLLIN;
	else if (state == CLIENT_WRITING)
		event.events = EPOLLOUT;
	epoll_ctl(channel->epoll, EPOLL_CTL_MOD, client->fd, &event);
}

static void client_write(struct channel *channel, struct client *client)
{
	while (client->out_done < client->out_length) {
		ssize_t n = send(client->fd, client->out + client->out_done,
			client->out_length - client->out_done, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			client_enter(channel, client, CLIENT_WRITING);
			return;
		}
		if (n < 0) {
			client_close(channel, client);
			return;
		}
		client->out_done += (size_t)n;
	}
	free(client->out);
	client->out = NULL;
	client_enter(channel, client, CLIENT_READING);
}

// The answer to the request the client waits for, or the hello.
void client_answer(struct channel *channel, struct client *client, const Sluice__Reply *reply)
{
	Sluice__Result too_long = SLUICE__RESULT__INIT;
	Sluice__Reply instead = SLUICE__REPLY__INIT;
	size_t length = sluice__reply__get_packed_size(reply);
	uint32_t length_be;

	if (length > SLUICE_CHANNEL_MESSAGE) {
		too_long.reason = (char *)"the answer is longer than a message can be";
		instead.id = reply->id;
		instead.body_case = SLUICE__REPLY__BODY_RESULT;
		instead.result = &too_long;
		reply = &instead;
		length = sluice__reply__get_packed_size(reply);
	}
	client->out = malloc(HEAD_BYTES + length);
	if (!client->out) {
		log_error("channel", "no memory for an answer of %zu bytes: client closed", length);
		client_close(channel, client);
		return;
	}
	length_be = htonl((uint32_t)length);
	memcpy(client->out, &length_be, HEAD_BYTES);
	sluice__reply__pack(reply, client->out + HEAD_BYTES);
	client->out_length = HEAD_BYTES + length;
	client->out_done = 0;
	client->work = 0;
	client_write(channel, client);
}

void client_result(struct channel *channel, struct client *client, bool applied, const char *reason)
{
	Sluice__Reply reply = SLUICE__REPLY__INIT;
	Sluice__Result result = SLUICE__RESULT__INIT;
	Sluice__Hello hello = SLUICE__HELLO__INIT;

	channel->handlers.hello(channel->handlers.arg, &hello);
	result.applied = applied;
	result.generation = hello.generation;
	result.reason = (char *)reason;
	reply.id = client->request_id;
	reply.body_case = SLUICE__REPLY__BODY_RESULT;
	reply.result = &result;
	client_answer(channel, client, &reply);
}

static bool has_newer_writer(const struct channel *channel, const struct client *client)
{
	for (unsigned i = 0; i < CLIENTS_MAX; i++)
		if (channel->clients[i].state != CLIENT_FREE && channel->clients[i].wrote &&
			channel->clients[i].serial > client->serial)
			return true;
	return false;
}

static void refuse_older(struct channel *channel, struct client *client)
{
	client_result(channel, client, false,
		"another control plane has connected since and sends transactions");
}

// NULL: what does not parse, for `reason` says so.
static void finish(struct channel *channel, struct client *client, struct plan_change *change,
	struct reason *reason)
{
	const struct channel_handlers *handlers = &channel->handlers;
	int error = change ? handlers->apply(handlers->arg, change, reason) : -EINVAL;

	change_end(channel, change);
	if (error < 0 && !reason->text)
		reason_add(reason, "the transaction: %s", strerror(-error));
	client_result(channel, client, error == 0, error < 0 ? reason_text(reason) : "");
	reason_clear(reason);
}

bool client_step(struct channel *channel, struct client *client)
{
	struct plan_change *change = client->change;
	struct reason reason = {0};

	if (!change)
		return false;
	if (!channel->handlers.prepare(channel->handlers.arg, change))
		return true;
	client->change = NULL;
	if (!has_newer_writer(channel, client)) {
		finish(channel, client, change, &reason);
		return false;
	}
	change_end(channel, change);
	refuse_older(channel, client);
	return false;
}

static void do_transaction(
	struct channel *channel, struct client *client, const struct request *request)
{
	const struct channel_handlers *handlers = &channel->handlers;
	struct plan_change *change;
	struct reason reason = {0};

	if (has_newer_writer(channel, client)) {
		refuse_older(channel, client);
		return;
	}
	client->wrote = true;
	change = plan_change_decode(
		request->body, request->length, handlers->ifaces, handlers->iface_count, &reason);
	if (change && handlers->prepare && !handlers->prepare(handlers->arg, change))
		client->change = change;
	else
		finish(channel, client, change, &reason);
}

static void do_stats(struct channel *channel, struct client *client, const struct request *request)
{
	Sluice__StatsRequest *message =
		sluice__stats_request__unpack(NULL, request->length, request->body);

	if (!message) {
		client_result(channel, client, false, "stats: does not parse");
		return;
	}
	channel->handlers.stats(channel->handlers.arg, channel, client->work, message);
	sluice__stats_request__free_unpacked(message, NULL);
}

// An address to filter by; none when there are no bytes.
static void filter_address(ProtobufCBinaryData bytes, bool *by, struct addr *address,
	const char *field, struct reason *reason)
{
	*by = bytes.len != 0;
	if (*by && addr_from_bytes(address, bytes.data, bytes.len) < 0)
		reason_add(reason, "flows: %s: %zu bytes: expected an IPv4 or IPv6 address", field,
			bytes.len);
}

static void do_flows(struct channel *channel, struct client *client, const struct request *request)
{
	Sluice__FlowsRequest *message =
		sluice__flows_request__unpack(NULL, request->length, request->body);
	struct flow_filter filter = {0};
	struct reason reason = {0};

	if (!message) {
		client_result(channel, client, false, "flows: does not parse");
		return;
	}
	filter.limit = message->limit ? message->limit : FLOWS_DEFAULT;
	if (filter.limit > FLOWS_MAX)
		filter.limit = FLOWS_MAX;
	filter.clear = message->clear;
	filter.protocol = (uint8_t)message->protocol;
	filter.vip_port = htons((uint16_t)message->vip_port);
	filter_address(message->client, &filter.by_client, &filter.client, "client", &reason);
	filter_address(message->vip, &filter.by_vip, &filter.vip, "vip", &reason);
	filter_address(
		message->endpoint, &filter.by_endpoint, &filter.endpoint, "endpoint", &reason);
	if (message->protocol != SLUICE__L4_PROTOCOL__L4_NONE &&
		message->protocol != SLUICE__L4_PROTOCOL__L4_TCP &&
		message->protocol != SLUICE__L4_PROTOCOL__L4_UDP)
		reason_add(&reason, "flows: protocol %d: expected 6 (tcp), 17 (udp) or none",
			(int)message->protocol);
	if (message->vip_port > 65535)
		reason_add(
			&reason, "flows: vip port %u: expected at most 65535", message->vip_port);
	sluice__flows_request__free_unpacked(message, NULL);
	if (reason.count)
		client_result(channel, client, false, reason_text(&reason));
	else
		channel->handlers.flows(channel->handlers.arg, channel, client->work, &filter);
	reason_clear(&reason);
}

static void do_explain(
	struct channel *channel, struct client *client, const struct request *request)
{
	Sluice__ExplainRequest *message =
		sluice__explain_request__unpack(NULL, request->length, request->body);

	if (!message) {
		client_result(channel, client, false, "explain: does not parse");
		return;
	}
	channel->handlers.explain(channel->handlers.arg, channel, client->work, message);
	sluice__explain_request__free_unpacked(message, NULL);
}

static void do_capture(
	struct channel *channel, struct client *client, const struct request *request)
{
	Sluice__CaptureRequest *message =
		sluice__capture_request__unpack(NULL, request->length, request->body);

	if (!message) {
		client_result(channel, client, false, "capture: does not parse");
		return;
	}
	channel->handlers.capture(channel->handlers.arg, channel, client->work, message);
	sluice__capture_request__free_unpacked(message, NULL);
}

static void do_log(struct channel *channel, struct client *client, const struct request *request)
{
	Sluice__LogRequest *message =
		sluice__log_request__unpack(NULL, request->length, request->body);

	if (!message) {
		client_result(channel, client, false, "log: does not parse");
		return;
	}
	channel->handlers.log(channel->handlers.arg, channel, client->work, message);
	sluice__log_request__free_unpacked(message, NULL);
}

static void do_request(
	struct channel *channel, struct client *client, const uint8_t *in, size_t length)
{
	struct request request;
	bool whole = request_parse(&request, in, length);

	client_enter(channel, client, CLIENT_WORKING);
	client->work = ++channel->works;
	client->request_id = request.id;
	if (!whole && !request.has_id) {
		log_warning(
			"channel", "a message of %zu bytes cannot be read: client closed", length);
		client_close(channel, client);
		return;
	}
	if (!whole)
		request.kind = REQUEST_NONE;
	switch (request.kind) {
	case REQUEST_NONE:
		client_result(channel, client, false,
			whole ? "a request this dataplane does not know" : "does not parse");
		break;
	case REQUEST_TRANSACTION:
		do_transaction(channel, client, &request);
		break;
	case REQUEST_STATS:
		do_stats(channel, client, &request);
		break;
	case REQUEST_FLOWS:
		do_flows(channel, client, &request);
		break;
	case REQUEST_EXPLAIN:
		do_explain(channel, client, &request);
		break;
	case REQUEST_CAPTURE:
		do_capture(channel, client, &request);
		break;
	case REQUEST_LOG:
		do_log(channel, client, &request);
		break;
	}
}

// Room for what is still to come of the message, as far as what has come lets one expect.
static bool reserve_in(struct client *client)
{
	size_t capacity = client->in_capacity ? client->in_capacity * 2 : READ_BYTES;
	uint8_t *in;

	if (client->in_have < client->in_capacity)
		return true;
	if (capacity > client->in_length)
		capacity = client->in_length;
	in = realloc(client->in, capacity ? capacity : 1);
	if (!in)
		return false;
	client->in = in;
	client->in_capacity = capacity;
	return true;
}

// Reads what has come of one message. True when it is whole.
static bool client_read(struct channel *channel, struct client *client)
{
	for (;;) {
		bool head = client->head_have < HEAD_BYTES;
		uint32_t length_be;
		ssize_t n;

		if (!head && client->in_have == client->in_length)
			return true;
		if (!head && !reserve_in(client)) {
			log_error("channel", "no memory for a message of %zu bytes: client closed",
				client->in_length);
			break;
		}
		n = head ? read(client->fd, client->head + client->head_have,
				   HEAD_BYTES - client->head_have)
			 : read(client->fd, client->in + client->in_have,
				   client->in_capacity - client->in_have);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return false;
		if (n <= 0)
			break;
		if (!head) {
			client->in_have += (size_t)n;
			continue;
		}
		client->head_have += (size_t)n;
		if (client->head_have < HEAD_BYTES)
			continue;
		memcpy(&length_be, client->head, HEAD_BYTES);
		client->in_length = ntohl(length_be);
		if (client->in_length > SLUICE_CHANNEL_MESSAGE) {
			log_warning("channel",
				"a message of %zu bytes announced, at most %u can be: client "
				"closed",
				client->in_length, SLUICE_CHANNEL_MESSAGE);
			break;
		}
	}
	client_close(channel, client);
	return false;
}

void client_event(struct channel *channel, struct client *client, uint32_t events)
{
	const uint8_t nothing = 0; // of an empty message
	uint8_t *in;
	size_t length;

	switch (client->state) {
	case CLIENT_FREE:
		return;
	case CLIENT_WORKING: // nothing was asked for: the client has gone
		if (events & (EPOLLHUP | EPOLLERR))
			client_close(channel, client);
		return;
	case CLIENT_WRITING:
		client_write(channel, client);
		return;
	case CLIENT_READING:
		break;
	}
	if (!client_read(channel, client))
		return;
	in = client->in;
	length = client->in_length;
	client->in = NULL;
	client->head_have = client->in_have = client->in_length = client->in_capacity = 0;
	do_request(channel, client, in ? in : &nothing, length);
	free(in);
}

void client_open(struct channel *channel, struct client *client, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
	Sluice__Reply reply = SLUICE__REPLY__INIT;
	Sluice__Hello hello = SLUICE__HELLO__INIT;

	if (epoll_ctl(channel->epoll, EPOLL_CTL_ADD, fd, &event) < 0) {
		log_error("channel", "a client cannot be watched: %s", strerror(errno));
		close(fd);
		return;
	}
	*client = (struct client){.state = CLIENT_READING, .fd = fd, .serial = ++channel->serials};
	channel->handlers.hello(channel->handlers.arg, &hello);
	reply.body_case = SLUICE__REPLY__BODY_HELLO;
	reply.hello = &hello;
	client_answer(channel, client, &reply);
}
