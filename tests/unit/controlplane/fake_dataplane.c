// SPDX-License-Identifier: BSD-3-Clause
#include "fake_dataplane.h"

#include <assert.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct fake_client {
	uv_pipe_t pipe;
	struct fake_dataplane *fake; // NULL: given up
	uint8_t *bytes;
	size_t used, size;
};

struct outgoing {
	uv_write_t write;
	uint8_t bytes[];
};

static void written(uv_write_t *write, int status)
{
	(void)status;
	free(write->data);
}

static void send_bytes(struct fake_client *client, struct outgoing *out, size_t length)
{
	uv_buf_t buf = uv_buf_init((char *)out->bytes, (unsigned)length);

	out->write.data = out;
	assert(uv_write(&out->write, (uv_stream_t *)&client->pipe, &buf, 1, written) == 0);
}

static void send_reply(struct fake_client *client, const Sluice__Reply *reply)
{
	size_t length = sluice__reply__get_packed_size(reply);
	struct outgoing *out = malloc(sizeof(*out) + 4 + length);
	uint32_t be = htobe32((uint32_t)length);

	assert(out);
	memcpy(out->bytes, &be, 4);
	sluice__reply__pack(reply, out->bytes + 4);
	send_bytes(client, out, 4 + length);
}

static void send_garbage(struct fake_client *client)
{
	static const uint8_t garbage[] = {0, 0, 0, 3, 0xff, 0xff, 0xff};
	struct outgoing *out = malloc(sizeof(*out) + sizeof(garbage));

	assert(out);
	memcpy(out->bytes, garbage, sizeof(garbage));
	send_bytes(client, out, sizeof(garbage));
}

static void closed(uv_handle_t *handle)
{
	struct fake_client *client = handle->data;

	free(client->bytes);
	free(client);
}

static void drop(struct fake_client *client)
{
	if (client->fake && client->fake->client == client)
		client->fake->client = NULL;
	client->fake = NULL;
	if (!uv_is_closing((uv_handle_t *)&client->pipe))
		uv_close((uv_handle_t *)&client->pipe, closed);
}

static void on_transaction(struct fake_client *client, uint64_t id, const Sluice__Transaction *t)
{
	struct fake_dataplane *fake = client->fake;
	Sluice__Result result = SLUICE__RESULT__INIT;
	Sluice__Reply reply = SLUICE__REPLY__INIT;

	fake->transactions++;
	fake->whole += t->since == 0;
	if (fake->dies) {
		fake_stop(fake);
		return;
	}
	reply.id = id;
	reply.body_case = SLUICE__REPLY__BODY_RESULT;
	reply.result = &result;
	if (fake->refuse) {
		result.reason = (char *)(uintptr_t)fake->refuse;
	} else if (t->since && (t->since != fake->shadow.generation || fake->refuse_differences)) {
		result.reason = (char *)(uintptr_t) "not what I have";
	} else {
		shadow_apply(&fake->shadow, t);
		result.applied = true;
	}
	fake->refused += !result.applied;
	result.generation = fake->shadow.generation;
	send_reply(client, &reply);
}

static void on_request(struct fake_client *client, const Sluice__Request *request)
{
	struct fake_dataplane *fake = client->fake;
	Sluice__Reply reply = SLUICE__REPLY__INIT;

	reply.id = request->id;
	if (fake->garbage) {
		send_garbage(client);
	} else if (fake->silent) {
		return;
	} else if (request->body_case == SLUICE__REQUEST__BODY_TRANSACTION) {
		on_transaction(client, request->id, request->transaction);
	} else if (request->body_case == SLUICE__REQUEST__BODY_STATS) {
		reply.body_case = SLUICE__REPLY__BODY_STATS;
		reply.stats = (Sluice__Stats *)(uintptr_t)fake->stats;
		send_reply(client, &reply);
	} else if (request->body_case == SLUICE__REQUEST__BODY_FLOWS) {
		ProtobufCBinaryData copy = {
			sluice__flows_request__get_packed_size(request->flows), NULL};

		copy.data = malloc(copy.len + 1);
		sluice__flows_request__pack(request->flows, copy.data);
		sluice__flows_request__free_unpacked(fake->asked, NULL);
		fake->asked = sluice__flows_request__unpack(NULL, copy.len, copy.data);
		free(copy.data);
		reply.body_case = SLUICE__REPLY__BODY_FLOWS;
		reply.flows = (Sluice__Flows *)(uintptr_t)fake->flows;
		send_reply(client, &reply);
	}
}

static void space(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct fake_client *client = handle->data;

	if (client->size - client->used < suggested) {
		client->size = (client->size + suggested) * 2;
		client->bytes = realloc(client->bytes, client->size);
		assert(client->bytes);
	}
	*buf = uv_buf_init(
		(char *)client->bytes + client->used, (unsigned)(client->size - client->used));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct fake_client *client = stream->data;

	(void)buf;
	if (n < 0) {
		drop(client);
		return;
	}
	client->used += (size_t)n;
	while (client->fake && client->used >= 4) {
		Sluice__Request *request;
		uint32_t be, length;

		memcpy(&be, client->bytes, 4);
		length = be32toh(be);
		if (client->used - 4 < length)
			break;
		request = sluice__request__unpack(NULL, length, client->bytes + 4);
		assert(request);
		client->used -= 4 + length;
		memmove(client->bytes, client->bytes + 4 + length, client->used);
		on_request(client, request);
		sluice__request__free_unpacked(request, NULL);
	}
}

static void on_connection(uv_stream_t *listener, int status)
{
	struct fake_dataplane *fake = listener->data;
	struct fake_client *client = calloc(1, sizeof(*client));
	Sluice__Hello hello = SLUICE__HELLO__INIT;
	Sluice__Reply reply = SLUICE__REPLY__INIT;

	assert(client && status == 0);
	uv_pipe_init(fake->loop, &client->pipe, 0);
	client->pipe.data = client;
	client->fake = fake;
	assert(uv_accept(listener, (uv_stream_t *)&client->pipe) == 0);
	if (fake->client)
		drop(fake->client);
	fake->client = client;
	fake->connects++;
	uv_read_start((uv_stream_t *)&client->pipe, space, on_read);
	hello.version = fake->version ? fake->version : SLUICE__VERSION__VERSION_CURRENT;
	hello.build = (char *)(uintptr_t) "fake";
	hello.generation = fake->shadow.generation;
	hello.started_us = 1000000;
	reply.body_case = SLUICE__REPLY__BODY_HELLO;
	reply.hello = &hello;
	send_reply(client, &reply);
}

void fake_start(struct fake_dataplane *fake, uv_loop_t *loop, const char *path)
{
	fake->loop = loop;
	fake->path = path;
	unlink(path);
	uv_pipe_init(loop, &fake->listener, 0);
	fake->listener.data = fake;
	assert(uv_pipe_bind(&fake->listener, path) == 0);
	assert(uv_listen((uv_stream_t *)&fake->listener, 8, on_connection) == 0);
}

void fake_stop(struct fake_dataplane *fake)
{
	if (fake->client)
		drop(fake->client);
	if (!uv_is_closing((uv_handle_t *)&fake->listener))
		uv_close((uv_handle_t *)&fake->listener, NULL);
	sluice__flows_request__free_unpacked(fake->asked, NULL);
	fake->asked = NULL;
}
