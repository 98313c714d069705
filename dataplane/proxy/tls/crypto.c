// SPDX-License-Identifier: BSD-3-Clause
// Threads that run handshake steps for the workers. A connection is handed over whole, to the
// thread with the least to do, and comes back through its instance's queue of done ones.
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "tls_internal.h"

struct crypto_thread {
	pthread_t thread;
	sem_t given;
	struct queue *queue;
	unsigned waiting; // atomic
	bool stop, started;
};

struct tls_crypto {
	unsigned count;
	struct crypto_thread threads[];
};

static void run_one(struct crypto_thread *thread)
{
	struct tls_connection *c = queue_pop(thread->queue);
	struct tls *tls;

	while (!c) { // the one that was counted is just being linked
		__builtin_ia32_pause();
		c = queue_pop(thread->queue);
	}
	tls = c->tls;
	// closed is the worker's to set at any time: then the step is only work in vain
	handshake_step(c);
	queue_push(tls->done, c); // the worker's again
	if (tls->ops.wake)
		tls->ops.wake(tls->io);
	__atomic_sub_fetch(&tls->away, 1, __ATOMIC_RELEASE);
	__atomic_sub_fetch(&thread->waiting, 1, __ATOMIC_RELAXED);
}

static void *crypto_main(void *arg)
{
	struct crypto_thread *thread = arg;

	for (;;) {
		while (sem_wait(&thread->given) && errno == EINTR)
			;
		if (__atomic_load_n(&thread->stop, __ATOMIC_ACQUIRE))
			return NULL;
		run_one(thread);
	}
}

void crypto_submit(struct tls_crypto *crypto, struct tls_connection *c)
{
	struct crypto_thread *best = &crypto->threads[0];

	for (unsigned i = 1; i < crypto->count; i++)
		if (__atomic_load_n(&crypto->threads[i].waiting, __ATOMIC_RELAXED) <
			__atomic_load_n(&best->waiting, __ATOMIC_RELAXED))
			best = &crypto->threads[i];
	__atomic_add_fetch(&best->waiting, 1, __ATOMIC_RELAXED);
	__atomic_add_fetch(&c->tls->away, 1, __ATOMIC_RELAXED);
	queue_push(best->queue, c);
	sem_post(&best->given);
}

static int start_thread(struct crypto_thread *thread, unsigned cpu)
{
	sigset_t all, before;
	char name[16];
	cpu_set_t cpus;
	int error = queue_init(&thread->queue);

	if (error)
		return error;
	sem_init(&thread->given, 0, 0);
	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = -pthread_create(&thread->thread, NULL, crypto_main, thread);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	thread->started = error == 0;
	if (error)
		return error;
	snprintf(name, sizeof(name), "crypto-%u", cpu);
	pthread_setname_np(thread->thread, name);
	return -pthread_setaffinity_np(thread->thread, sizeof(cpus), &cpus);
}

struct tls_crypto *tls_crypto_new(const unsigned *cpus, unsigned count, struct reason *reason)
{
	struct tls_crypto *crypto = calloc(1, sizeof(*crypto) + count * sizeof(crypto->threads[0]));

	if (!crypto) {
		reason_add(reason, "dataplane.crypto_cpus: out of memory");
		return NULL;
	}
	for (unsigned i = 0; i < count; i++) {
		int error = start_thread(&crypto->threads[i], cpus[i]);

		crypto->count = i + 1;
		if (!error)
			continue;
		reason_add(reason, "dataplane.crypto_cpus: CPU %u: %s", cpus[i], strerror(-error));
		tls_crypto_free(crypto);
		return NULL;
	}
	return crypto;
}

void tls_crypto_free(struct tls_crypto *crypto)
{
	if (!crypto)
		return;
	for (unsigned i = 0; i < crypto->count; i++) {
		struct crypto_thread *thread = &crypto->threads[i];

		if (thread->started) {
			__atomic_store_n(&thread->stop, true, __ATOMIC_RELEASE);
			sem_post(&thread->given);
			pthread_join(thread->thread, NULL);
			sem_destroy(&thread->given);
		}
		queue_free(thread->queue);
	}
	free(crypto);
}
