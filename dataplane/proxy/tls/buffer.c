// SPDX-License-Identifier: BSD-3-Clause
// Two small things: bytes that wait, and a queue between threads.
//
// The queue is an exchange of its head, then a link from the one before: a push is never held up
// by another thread, and a pop may miss one whose link is not set yet.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tls_internal.h"

bool buffer_append(struct buffer *buffer, const void *bytes, uint32_t length)
{
	uint32_t used = buffer->end - buffer->start;

	if (buffer->end + length > buffer->size) {
		uint32_t size = buffer->size ? buffer->size : 512;
		uint8_t *grown;

		while (size < used + length)
			size *= 2;
		grown = OPENSSL_malloc(size);
		if (!grown)
			return false;
		if (used)
			memcpy(grown, buffer->bytes + buffer->start, used);
		OPENSSL_free(buffer->bytes);
		*buffer = (struct buffer){grown, 0, used, size};
	}
	memcpy(buffer->bytes + buffer->end, bytes, length);
	buffer->end += length;
	return true;
}

void buffer_drop(struct buffer *buffer, uint32_t length)
{
	buffer->start += length;
	if (buffer->start == buffer->end)
		buffer_free(buffer);
}

void buffer_free(struct buffer *buffer)
{
	OPENSSL_free(buffer->bytes);
	*buffer = (struct buffer){0};
}

int queue_init(struct queue **result)
{
	struct queue *queue = calloc(1, sizeof(*queue));

	if (!queue)
		return -ENOMEM;
	queue->sentinel = calloc(1, sizeof(*queue->sentinel));
	if (!queue->sentinel) {
		free(queue);
		return -ENOMEM;
	}
	queue->head = queue->tail = queue->sentinel;
	*result = queue;
	return 0;
}

void queue_free(struct queue *queue)
{
	if (queue)
		free(queue->sentinel);
	free(queue);
}

void queue_push(struct queue *queue, struct tls_connection *connection)
{
	struct tls_connection *before;

	__atomic_store_n(&connection->next, NULL, __ATOMIC_RELAXED);
	before = __atomic_exchange_n(&queue->head, connection, __ATOMIC_ACQ_REL);
	__atomic_store_n(&before->next, connection, __ATOMIC_RELEASE);
}

struct tls_connection *queue_pop(struct queue *queue)
{
	struct tls_connection *tail = queue->tail;
	struct tls_connection *next = __atomic_load_n(&tail->next, __ATOMIC_ACQUIRE);

	if (tail == queue->sentinel) {
		if (!next)
			return NULL;
		queue->tail = tail = next;
		next = __atomic_load_n(&tail->next, __ATOMIC_ACQUIRE);
	}
	if (!next) {
		if (tail != __atomic_load_n(&queue->head, __ATOMIC_ACQUIRE))
			return NULL;
		queue_push(queue, queue->sentinel);
		next = __atomic_load_n(&tail->next, __ATOMIC_ACQUIRE);
		if (!next)
			return NULL;
	}
	queue->tail = next;
	return tail;
}
