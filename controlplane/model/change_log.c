// SPDX-License-Identifier: BSD-3-Clause
// Two halves: when the newer is full the older goes. Whoever looks in time misses nothing, whoever
// comes too late is told so.
#include "change_log.h"

#define HALF 8192

void change_log_add(struct change_log *log, const struct object *object)
{
	struct change_half *half = &log->halves[1];
	const char *name = object->name;

	if (object->kind == OBJECT_ENDPOINT_SLICE)
		name = ((const struct endpoint_slice *)object)->service;
	if (half->count == HALF || !half->list) {
		arena_clear(&log->halves[0].arena);
		log->halves[0] = *half;
		*half = (struct change_half){.first = log->count};
		half->list = arena_take_array(&half->arena, HALF, sizeof(*half->list));
	}
	log->count++;
	if (half->list)
		half->list[half->count++] = (struct model_change){
			.kind = object->kind,
			.cluster = arena_copy(&half->arena, object->cluster),
			.namespace = arena_copy(&half->arena, object->namespace),
			.name = arena_copy(&half->arena, name),
		};
	if (half->arena.failed) { // then nobody knows any more
		uint64_t count = log->count;

		change_log_clear(log);
		log->count = count;
	}
}

bool change_log_each(const struct change_log *log, uint64_t since,
	void (*visit)(const struct model_change *change, void *arg), void *arg)
{
	const struct change_half *older = &log->halves[0], *newer = &log->halves[1];

	if (since == log->count)
		return true;
	if (since > log->count || !newer->list ||
		since < (older->list ? older->first : newer->first))
		return false;
	for (unsigned i = 0; i < 2; i++) {
		const struct change_half *half = &log->halves[i];
		uint64_t from = since > half->first ? since - half->first : 0;

		for (; half->list && from < half->count; from++)
			visit(&half->list[from], arg);
	}
	return true;
}

void change_log_clear(struct change_log *log)
{
	arena_clear(&log->halves[0].arena);
	arena_clear(&log->halves[1].arena);
	*log = (struct change_log){0};
}
