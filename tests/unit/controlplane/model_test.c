// SPDX-License-Identifier: BSD-3-Clause
// The index of objects, and the memory objects are made of.
#include "model.h"
#include "told.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct object *make_at(const char *name, unsigned line)
{
	struct object *object = object_new(OBJECT_SERVICE, "c", "default", name);

	assert_non_null(object);
	object->line = line;
	return object;
}

static void say(
	struct model *model, const char *origin, struct object *const *objects, size_t count)
{
	assert_int_equal(model_replace(model, "c", origin, objects, count, NULL, 0), 0);
}

static const struct object *look(const struct model *model, const char *name)
{
	return model_find(model, OBJECT_SERVICE, "c", "default", name);
}

struct seen {
	unsigned count;
	char last[256];
};

static void see(const struct model_problem *problem, void *arg)
{
	struct seen *seen = arg;

	seen->count++;
	snprintf(seen->last, sizeof(seen->last), "%s|%s|%s", problem->object, problem->where,
		problem->text);
}

static unsigned problems(const struct model *model, char last[256])
{
	struct seen seen = {0};

	model_each_problem(model, see, &seen);
	if (last)
		memcpy(last, seen.last, sizeof(seen.last));
	return seen.count;
}

static void test_replace(void **state)
{
	struct model *model = model_new();
	struct object *two[] = {make_at("a", 1), make_at("b", 2)};
	struct object *one[] = {make_at("b", 7)};

	(void)state;
	say(model, "f", two, 2);
	assert_int_equal(model_count(model, OBJECT_SERVICE), 2);
	assert_non_null(look(model, "a"));
	say(model, "f", one, 1);
	assert_null(look(model, "a"));
	assert_int_equal(look(model, "b")->line, 7);
	assert_string_equal(look(model, "b")->origin, "f");
	assert_null(model_find(model, OBJECT_NODE, "c", "default", "b"));
	assert_null(model_find(model, OBJECT_SERVICE, "d", "default", "b"));
	assert_null(model_find(model, OBJECT_SERVICE, "c", "defaultb", ""));
	say(model, "f", NULL, 0);
	assert_int_equal(model_count(model, OBJECT_SERVICE), 0);
	model_free(model);
}

// Whatever the order in which files are read, the first by name wins.
static void test_winner(void **state)
{
	static const char *const orders[][3] = {
		{"1", "2", "3"}, {"3", "2", "1"}, {"2", "3", "1"}, {"2", "1", "3"}};

	(void)state;
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		struct model *model = model_new();
		char last[256];

		for (unsigned j = 0; j < 3; j++)
			say(model, orders[i][j], (struct object *[]){make_at("x", 5)}, 1);
		assert_int_equal(model_count(model, OBJECT_SERVICE), 1);
		assert_string_equal(look(model, "x")->origin, "1");
		assert_int_equal(problems(model, NULL), 2);
		assert_string_equal(
			model_find_in(model, "3", OBJECT_SERVICE, "c", "default", "x")->origin,
			"3");
		say(model, "1", NULL, 0);
		assert_string_equal(look(model, "x")->origin, "2");
		assert_int_equal(problems(model, last), 1);
		assert_string_equal(last, "Service c/default/x|3:5|the same object is in 2:5, "
					  "which is used; this one "
					  "is not: give it another name or remove it");
		say(model, "3", NULL, 0);
		assert_int_equal(problems(model, NULL), 0);
		assert_non_null(look(model, "x"));
		model_free(model);
	}
}

static void test_twice_in_one(void **state)
{
	struct model *model = model_new();

	(void)state;
	say(model, "f", (struct object *[]){make_at("x", 9), make_at("x", 3), make_at("x", 6)}, 3);
	assert_int_equal(look(model, "x")->line, 3);
	assert_int_equal(problems(model, NULL), 2);
	model_free(model);
}

// An object of the origin may be among what replaces it.
static void test_stays(void **state)
{
	struct model *model = model_new();
	struct object *kept = make_at("kept", 1);

	(void)state;
	say(model, "f", (struct object *[]){make_at("gone", 2), kept, make_at("gone-too", 3)}, 3);
	say(model, "f", (struct object *[]){make_at("new", 4), kept}, 2);
	assert_ptr_equal(look(model, "kept"), kept);
	assert_null(look(model, "gone"));
	assert_null(look(model, "gone-too"));
	assert_int_equal(model_count(model, OBJECT_SERVICE), 2);
	say(model, "f", (struct object *[]){kept}, 1);
	assert_int_equal(model_count(model, OBJECT_SERVICE), 1);
	model_free(model);
}

static void test_problems(void **state)
{
	struct model *model = model_new();
	struct model_problem problem = {"o", "f:1", "wrong", false};
	char last[256];

	(void)state;
	say(model, "f", (struct object *[]){make_at("a", 1)}, 1);
	assert_int_equal(model_set_problems(model, "c", "f", &problem, 1), 0);
	assert_non_null(look(model, "a"));
	assert_int_equal(problems(model, last), 1);
	assert_string_equal(last, "o|f:1|wrong");
	assert_int_equal(model_set_problems(model, "c", "g", &problem, 1), 0);
	assert_int_equal(problems(model, NULL), 2);
	assert_int_equal(model_set_problems(model, "c", "g", NULL, 0), 0);
	assert_int_equal(model_set_problems(model, "c", "f", NULL, 0), 0);
	assert_int_equal(model_set_problems(model, "c", "h", NULL, 0), 0);
	assert_int_equal(problems(model, NULL), 0);
	assert_non_null(look(model, "a"));
	model_free(model);
}

static void test_forget(void **state)
{
	struct model *model = model_new();
	struct object *other = object_new(OBJECT_SERVICE, "d", "default", "a");

	(void)state;
	say(model, "f", (struct object *[]){make_at("a", 1)}, 1);
	say(model, "g", (struct object *[]){make_at("b", 1)}, 1);
	assert_int_equal(model_replace(model, "d", "f", &other, 1, NULL, 0), 0);
	model_forget(model, "c");
	assert_int_equal(model_count(model, OBJECT_SERVICE), 1);
	assert_non_null(model_find(model, OBJECT_SERVICE, "d", "default", "a"));
	model_free(model);
}

// Many, so that the tables grow; the list is sorted.
static void test_many(void **state)
{
	enum {
		MANY = 5000
	};
	struct model *model = model_new();
	const struct object **list = calloc(MANY, sizeof(*list));
	char name[16], origin[16];

	(void)state;
	for (unsigned i = 0; i < MANY; i++) {
		unsigned n = i * 7919 % MANY; // each once, not in order

		snprintf(name, sizeof(name), "n%05u", n);
		snprintf(origin, sizeof(origin), "f%u", n / 3);
		if (n % 3)
			continue;
		say(model, origin, (struct object *[]){make_at(name, 1)}, 1);
	}
	assert_int_equal(model_count(model, OBJECT_SERVICE), (MANY + 2) / 3);
	model_list(model, OBJECT_SERVICE, list);
	for (unsigned i = 0; i < (MANY + 2) / 3; i++) {
		snprintf(name, sizeof(name), "n%05u", i * 3);
		assert_string_equal(list[i]->name, name);
	}
	for (unsigned i = 0; i < MANY; i += 6) {
		snprintf(origin, sizeof(origin), "f%u", i / 3);
		say(model, origin, NULL, 0);
	}
	assert_null(look(model, "n00006"));
	assert_non_null(look(model, "n00009"));
	free(list);
	model_free(model);
}

static void test_arena(void **state)
{
	struct arena arena = {0};
	unsigned *numbers = NULL;
	char *text;

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		numbers = arena_grow(&arena, numbers, i, sizeof(*numbers));
		numbers[i] = i;
	}
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(numbers[i], i);
	text = arena_format(&arena, "%s-%d", "a", 7);
	assert_string_equal(text, "a-7");
	assert_null(arena_copy(&arena, NULL));
	assert_int_equal((uintptr_t)arena_take(&arena, 3) % _Alignof(max_align_t), 0);
	assert_false(arena.failed);
	assert_null(arena_take_array(&arena, SIZE_MAX / 2, 16));
	assert_true(arena.failed);
	arena_clear(&arena);
	assert_false(arena.failed);
	assert_int_equal(arena_bytes(&arena), 0);
}

// A cluster gave the object again, and only what was told of it differs.
static void test_told_alone_is_no_change(void **state)
{
	struct model *model = model_new();
	struct object *objects[] = {make_at("a", 1), make_at("a", 1), make_at("a", 1)};
	const struct object *first = objects[0];
	uint64_t changes;

	(void)state;
	objects[0]->digest = objects[1]->digest = 5;
	objects[1]->told = told_add(TOLD_NOTHING, "192.0.2.1", "");
	objects[2]->digest = 6;
	say(model, "f", &objects[0], 1);
	changes = model_changes(model);
	say(model, "f", &objects[1], 1);
	assert_ptr_equal(look(model, "a"), first);
	assert_true(first->told == told_add(TOLD_NOTHING, "192.0.2.1", ""));
	assert_true(first->told != told_add(TOLD_NOTHING, "192.0.2.1", "VIP"));
	assert_int_equal(model_changes(model), changes);
	say(model, "f", &objects[2], 1);
	assert_ptr_equal(look(model, "a"), objects[2]);
	assert_true(model_changes(model) > changes);
	model_free(model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replace),
		cmocka_unit_test(test_told_alone_is_no_change),
		cmocka_unit_test(test_winner),
		cmocka_unit_test(test_twice_in_one),
		cmocka_unit_test(test_stays),
		cmocka_unit_test(test_problems),
		cmocka_unit_test(test_forget),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_arena),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
