// SPDX-License-Identifier: BSD-3-Clause
// The ring between a worker and who writes the log: in order, whole, and lost when full.
#include "log_ring.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ENTRIES 200000

static bool put(struct log_ring *ring, uint32_t number)
{
	uint32_t bytes = number * 2654435761u % LOG_TEXT_MAX;
	struct log_entry *entry = log_ring_room(ring, LOG_TEXT_MAX);

	if (!entry)
		return false;
	entry->record = (struct access_record){.bytes_in = number, .bytes_out = bytes};
	memset(entry->text, (char)number, bytes);
	log_ring_put(ring, entry, bytes);
	return true;
}

static void check(const struct log_entry *entry, uint32_t number)
{
	assert_int_equal(entry->record.bytes_in, number);
	for (uint32_t i = 0; i < entry->record.bytes_out; i++)
		assert_int_equal(entry->text[i], (char)number);
}

static void test_full(void **state)
{
	struct log_ring *ring = log_ring_new();
	uint32_t held = 0;

	(void)state;
	assert_non_null(ring);
	assert_null(log_ring_first(ring));
	while (put(ring, held))
		held++;
	assert_in_range(held, LOG_RING_BYTES / LOG_ENTRY_MAX, LOG_RING_BYTES / 512);
	for (uint32_t i = 0; i < held; i++) {
		check(log_ring_first(ring), i);
		log_ring_drop(ring, log_ring_first(ring));
	}
	assert_null(log_ring_first(ring));
	assert_true(put(ring, 7));
	check(log_ring_first(ring), 7);
	log_ring_free(ring);
}

static void *produce(void *arg)
{
	for (uint32_t i = 0; i < ENTRIES; i++)
		while (!put(arg, i))
			sched_yield();
	return NULL;
}

static void test_two_threads(void **state)
{
	struct log_ring *ring = log_ring_new();
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, produce, ring), 0);
	for (uint32_t i = 0; i < ENTRIES; i++) {
		struct log_entry *entry;

		while (!(entry = log_ring_first(ring)))
			sched_yield();
		assert_int_equal(entry->record.bytes_in, i);
		if (entry->record.bytes_out)
			assert_int_equal(entry->text[entry->record.bytes_out - 1], (char)i);
		log_ring_drop(ring, entry);
	}
	pthread_join(thread, NULL);
	log_ring_free(ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_two_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
