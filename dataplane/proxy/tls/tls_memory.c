// SPDX-License-Identifier: BSD-3-Clause
// OpenSSL's memory: private keys, their copies in other forms, session secrets and decrypted data
// are all in one region that no core file shows (MADV_DONTDUMP). OpenSSL takes its allocator for
// the whole process and without an argument, hence the globals.
//
// The region is address space, filled from its start by spans of 64 KB. A span holds objects of one
// size class; a byte a span says which. Freed objects go to a list of the freeing thread, from
// there in batches to a list all threads share, and never back to the system. What is larger than
// half a span gets a mapping of its own.
#include <errno.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "provider.h"
#include "tls.h"

#define SPAN_BITS    16
#define SPAN_BYTES   (1ul << SPAN_BITS)
#define REGION_BYTES (1ul << 36) // address space only
#define SPANS        (REGION_BYTES >> SPAN_BITS)
#define SMALL_MAX    1024 // up to here a class every 16 bytes, above four a doubling
#define OBJECT_MAX   (SPAN_BYTES / 2)
#define CLASSES      (SMALL_MAX / 16 + 1 + 5 * 4)
#define BATCH_BYTES  16384
#define LARGE_HEAD   64

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#define SANITIZED __has_feature(address_sanitizer)
#else
#define SANITIZED 0
#endif

struct object {
	struct object *next;
	struct object *next_batch; // of the first of a batch
};

struct list {
	struct object *first;
	uint32_t count;
};

static struct {
	pthread_mutex_t lock;
	uint8_t *base, *end; // of the region; end: of the spans in use
	uint8_t *classes;    // of each span
	struct object *batches[CLASSES];
} shared = {.lock = PTHREAD_MUTEX_INITIALIZER};

static __thread struct list mine[CLASSES];

static unsigned class_of(size_t size)
{
	unsigned top, quarter;

	if (size <= SMALL_MAX)
		return (unsigned)((size + 15) / 16);
	top = 63 - (unsigned)__builtin_clzl(size - 1); // 2^top < size <= 2^(top+1)
	quarter = (unsigned)((size - 1) >> (top - 2)) & 3;
	return SMALL_MAX / 16 + 1 + (top - 10) * 4 + quarter;
}

static size_t class_bytes(unsigned class)
{
	unsigned above = class - SMALL_MAX / 16 - 1;

	if (class <= SMALL_MAX / 16)
		return class ? class * 16 : 16;
	return ((size_t)(5 + above % 4) << (10 + above / 4)) / 4;
}

static uint32_t batch_count(unsigned class)
{
	uint32_t count = (uint32_t)(BATCH_BYTES / class_bytes(class));

	return count < 2 ? 2 : count > 64 ? 64 : count;
}

// A batch from the others' list, or the whole of a new span. Under the lock.
static struct list refill(unsigned class)
{
	size_t bytes = class_bytes(class);
	struct list list = {shared.batches[class], batch_count(class)};
	uint8_t *span = shared.end;

	if (list.first) {
		shared.batches[class] = list.first->next_batch;
		return list;
	}
	list = (struct list){0};
	if (span == shared.base + REGION_BYTES)
		return list;
	shared.end += SPAN_BYTES;
	shared.classes[(size_t)(span - shared.base) >> SPAN_BITS] = (uint8_t) class;
	for (size_t at = SPAN_BYTES / bytes; at-- > 0;) {
		struct object *object = (struct object *)(void *)(span + at * bytes);

		object->next = list.first;
		list.first = object;
		list.count++;
	}
	return list;
}

// One batch of this thread's for the others.
static void give_back(unsigned class)
{
	struct list *list = &mine[class];
	struct object *first = list->first, *last = first;
	uint32_t count = batch_count(class);

	for (uint32_t i = 1; i < count; i++)
		last = last->next;
	list->first = last->next;
	list->count -= count;
	last->next = NULL;
	pthread_mutex_lock(&shared.lock);
	first->next_batch = shared.batches[class];
	shared.batches[class] = first;
	pthread_mutex_unlock(&shared.lock);
}

static void *large_alloc(size_t size)
{
	uint8_t *map = mmap(NULL, size + LARGE_HEAD, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED)
		return NULL;
	madvise(map, size + LARGE_HEAD, MADV_DONTDUMP);
	*(size_t *)(void *)map = size;
	return map + LARGE_HEAD;
}

static void *memory_alloc(size_t size, const char *file, int line)
{
	struct list *list;
	struct object *object;
	unsigned class;

	(void)file;
	(void)line;
	if (size > OBJECT_MAX)
		return size < REGION_BYTES ? large_alloc(size) : NULL;
	class = class_of(size ? size : 1);
	list = &mine[class];
	if (!list->first) {
		pthread_mutex_lock(&shared.lock);
		*list = refill(class);
		pthread_mutex_unlock(&shared.lock);
	}
	object = list->first;
	if (object) {
		list->first = object->next;
		list->count--;
	}
	return object;
}

static bool in_region(const void *memory)
{
	return (uintptr_t)memory - (uintptr_t)shared.base < REGION_BYTES;
}

static unsigned class_at(const void *memory)
{
	return shared.classes[((uintptr_t)memory - (uintptr_t)shared.base) >> SPAN_BITS];
}

static void memory_free(void *memory, const char *file, int line)
{
	struct object *object = memory;
	unsigned class;

	(void)file;
	(void)line;
	if (!memory)
		return;
	if (!in_region(memory)) {
		uint8_t *map = (uint8_t *)memory - LARGE_HEAD;

		munmap(map, *(size_t *)(void *)map + LARGE_HEAD);
		return;
	}
	class = class_at(memory);
	object->next = mine[class].first;
	mine[class].first = object;
	if (++mine[class].count >= 2 * batch_count(class) + 2)
		give_back(class);
}

static void *memory_realloc(void *memory, size_t size, const char *file, int line)
{
	size_t had;
	void *moved;

	if (!memory)
		return memory_alloc(size, file, line);
	if (in_region(memory))
		had = class_bytes(class_at(memory));
	else
		had = *(size_t *)(void *)((uint8_t *)memory - LARGE_HEAD);
	if (size <= had && size > had / 4)
		return memory;
	moved = memory_alloc(size, file, line);
	if (!moved)
		return NULL;
	memcpy(moved, memory, size < had ? size : had);
	OPENSSL_cleanse(memory, had);
	memory_free(memory, file, line);
	return moved;
}

static void *map_unfilled(size_t bytes)
{
	void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (map == MAP_FAILED)
		return NULL;
	madvise(map, bytes, MADV_DONTDUMP);
	return map;
}

// Not with sanitizers, which want to see every allocation.
static int memory_start(void)
{
	if (SANITIZED || shared.base)
		return 0;
	shared.classes = map_unfilled(SPANS);
	shared.base = map_unfilled(REGION_BYTES);
	if (!shared.classes || !shared.base)
		return -ENOMEM;
	shared.end = shared.base;
	if (!CRYPTO_set_mem_functions(memory_alloc, memory_realloc, memory_free))
		return -EBUSY; // OpenSSL was used before
	return 0;
}

int tls_start(void)
{
	int error = memory_start();

	// The system's openssl.cnf is for programs that do not say what they want.
	if (!error &&
		!OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL))
		error = -ENOMEM;
	return error ? error : provider_start();
}

void tls_cleanse(void *bytes, size_t length)
{
	if (bytes)
		OPENSSL_cleanse(bytes, length);
}
