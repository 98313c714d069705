// SPDX-License-Identifier: BSD-3-Clause
// Leases written and read again, damaged ones left out alone, and one instance at a time.
#include "store.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct stage {
	char root[64], run[80], state[80];
	struct settings settings;
	struct store *store;
};

static int setup(void **state)
{
	struct stage *s = calloc(1, sizeof(*s));
	struct reason reason = {0};

	strcpy(s->root, "/tmp/sluice-store-XXXXXX");
	assert_non_null(mkdtemp(s->root));
	snprintf(s->run, sizeof(s->run), "%s/a/run", s->root);
	snprintf(s->state, sizeof(s->state), "%s/a/state", s->root);
	s->settings = (struct settings){
		.run_dir = s->run, .state_dir = s->state, .group = (char *)(uintptr_t) "root"};
	assert_int_equal(store_open(&s->store, &s->settings, &reason), 0);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct stage *s = *state;
	char command[100];

	store_close(s->store);
	snprintf(command, sizeof(command), "rm -r %s", s->root);
	assert_int_equal(system(command), 0);
	free(s);
	return 0;
}

static void put(const struct stage *s, const char *text)
{
	FILE *file = fopen(store_leases(s->store)->path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static const struct plan none;

static int write_leases(
	const struct stage *s, const struct plan *before, struct plan_lease *leases, unsigned count)
{
	const struct plan plan = {.leases = leases, .lease_count = count};
	struct reason reason = {0};
	int error = leases_file_write(store_leases(s->store), before, &plan, &reason);

	assert_int_equal(reason.count, 0);
	return error;
}

static int compare(const void *left, const void *right)
{
	const struct plan_lease *a = left, *b = right;
	int order = strcmp(a->service, b->service);

	return order ? order : memcmp(&a->address, &b->address, sizeof(a->address));
}

static void check_file(const struct stage *s, const struct plan *plan)
{
	struct plan_lease *read;
	struct reason reason = {0};
	unsigned count;

	assert_int_equal(leases_file_read(store_leases(s->store), &read, &count, &reason), 0);
	assert_int_equal(reason.count, 0);
	assert_int_equal(count, plan->lease_count);
	if (count)
		qsort(read, count, sizeof(*read), compare);
	for (unsigned i = 0; i < count; i++) {
		assert_string_equal(read[i].service, plan->leases[i].service);
		assert_memory_equal(
			&read[i].address, &plan->leases[i].address, sizeof(read[i].address));
	}
	leases_free(read, count);
}

static off_t size_of(const struct stage *s)
{
	struct stat stat_;

	assert_int_equal(stat(store_leases(s->store)->path, &stat_), 0);
	return stat_.st_size;
}

// Any few changes are put at the end, and the file says the same as one that was written whole. Now
// and then it is; and at the close.
static void changes_are_appended(void **state)
{
	struct stage *s = *state;
	struct leases_file *file = store_leases(s->store);
	struct plan_lease lists[2][200];
	struct plan plans[2] = {{.leases = lists[0]}, {.leases = lists[1]}};
	struct reason reason = {0};
	char names[200][40];
	unsigned wholes = 0, random = 1;
	off_t size;

	for (unsigned i = 0; i < 200; i++)
		snprintf(names[i], sizeof(names[i]), "c/ns/web-%03u", i);
	for (unsigned round = 0; round < 400; round++) {
		struct plan *next = &plans[round % 2], *last = &plans[1 - round % 2];

		next->lease_count = 0;
		for (unsigned i = 0; i < 200; i++) {
			bool there = false;

			for (unsigned j = 0; j < last->lease_count; j++)
				if (strcmp(lists[1 - round % 2][j].service, names[i]) == 0) {
					lists[round % 2][next->lease_count] =
						lists[1 - round % 2][j];
					there = true;
				}
			random = random * 1103515245 + 12345;
			if ((random >> 16) % 30 == 0) { // it goes, comes, or gets another
				there = !there || (random >> 24) % 2;
				lists[round % 2][next->lease_count] = (struct plan_lease){names[i],
					{{0x20, 1, [14] = random >> 28, [15] = random >> 20}}};
			}
			next->lease_count += there;
		}
		assert_int_equal(leases_file_write(file, last, next, &reason), 0);
		wholes += file->appended == 0;
		check_file(s, next);
	}
	assert_true(wholes > 1 && wholes < 40);
	size = size_of(s);
	assert_int_equal(leases_file_close(file, &plans[1], &reason), 0);
	assert_true(size_of(s) < size);
	check_file(s, &plans[1]);
}

static void what_was_cut_off_never_was(void **state)
{
	struct stage *s = *state;
	struct plan_lease one = {(char *)(uintptr_t) "c/ns/a", {{0}}};
	const struct plan plan = {.leases = &one, .lease_count = 1};

	assert_int_equal(addr_parse(&one.address, "192.0.2.10"), 0);
	put(s, "c/ns/a 192.0.2.10\n+c/ns/b 192.0.2.1");
	check_file(s, &plan);
	put(s, "c/ns/a 192.0.2.10\n-c/ns/a 192.0.2.10");
	check_file(s, &plan);
	put(s, "c/ns/b 192.0.2.11\n+c/ns/a 192.0.2.10\n-c/ns/b 192.0.2.11\n");
	check_file(s, &plan);
}

static void none_at_first(void **state)
{
	struct stage *s = *state;
	struct reason reason = {0};
	struct plan_lease *leases;
	unsigned count = 7;

	assert_int_equal(leases_file_read(store_leases(s->store), &leases, &count, &reason), 0);
	assert_int_equal(count, 0);
	assert_int_equal(reason.count, 0);
	leases_free(leases, count);
}

static void written_is_read(void **state)
{
	struct stage *s = *state;
	struct plan_lease leases[1000], *read;
	const struct plan same = {.leases = leases, .lease_count = 1000};
	struct reason reason = {0};
	char names[1000][40];
	unsigned count;

	for (unsigned i = 0; i < 1000; i++) {
		snprintf(names[i], sizeof(names[i]), "local/ns%u/web-%u", i % 7, i);
		leases[i].service = names[i];
		leases[i].address = (struct addr){{0x20, 1, [14] = (uint8_t)(i >> 8), (uint8_t)i}};
	}
	assert_int_equal(addr_parse(&leases[3].address, "192.0.2.100"), 0);
	for (unsigned round = 0; round < 2; round++) {
		assert_int_equal(write_leases(s, round ? &same : &none, leases, 1000), 0);
		assert_int_equal(
			leases_file_read(store_leases(s->store), &read, &count, &reason), 0);
		assert_int_equal(count, 1000);
		for (unsigned i = 0; i < count; i++) {
			assert_string_equal(read[i].service, leases[i].service);
			assert_memory_equal(
				&read[i].address, &leases[i].address, sizeof(leases[i].address));
		}
		leases_free(read, count);
	}
	assert_int_equal(reason.count, 0);
}

static void a_bad_line_is_left_out_alone(void **state)
{
	struct stage *s = *state;
	struct reason reason = {0};
	struct plan_lease *leases;
	unsigned count;

	put(s, "# a note\n"
	       "local/default/web 192.0.2.100\n"
	       "local/default/api 192.0.2\n"
	       "local/default 192.0.2.101\n"
	       "local/default/dns\n"
	       "\n"
	       " 192.0.2.4\n"
	       "local/kube-system/dns 2001:db8::53");
	assert_int_equal(leases_file_read(store_leases(s->store), &leases, &count, &reason), 0);
	assert_int_equal(count, 2);
	assert_string_equal(leases[1].service, "local/kube-system/dns");
	assert_int_equal(reason.count, 4);
	assert_non_null(
		strstr(reason_text(&reason), "leases:3: found \"local/default/api 192.0.2\""));
	leases_free(leases, count);
	reason_clear(&reason);
}

static void a_failed_write_keeps_what_was(void **state)
{
	struct stage *s = *state;
	struct plan_lease lease = {(char *)(uintptr_t) "local/default/web", {{0}}}, *leases;
	struct reason reason = {0};
	char beside[120];
	unsigned count;

	assert_int_equal(write_leases(s, &none, &lease, 1), 0);
	snprintf(beside, sizeof(beside), "%s.new", store_leases(s->store)->path);
	assert_int_equal(mkdir(beside, 0700), 0);
	store_leases(s->store)->known = false;
	assert_int_equal(leases_file_write(store_leases(s->store), &none, &none, &reason), -EEXIST);
	assert_non_null(strstr(reason_text(&reason), "cannot be written"));
	reason_clear(&reason);
	assert_int_equal(leases_file_read(store_leases(s->store), &leases, &count, &reason), 0);
	assert_int_equal(count, 1);
	leases_free(leases, count);
}

static void one_instance_at_a_time(void **state)
{
	struct stage *s = *state;
	struct settings other = s->settings;
	struct reason reason = {0};
	struct store *second = NULL;
	char elsewhere[100];

	assert_int_equal(store_open(&second, &s->settings, &reason), -EBUSY);
	assert_non_null(strstr(reason_text(&reason), "another sluice-controlplane"));
	reason_clear(&reason);
	// Nor on one of the two directories.
	snprintf(elsewhere, sizeof(elsewhere), "%s/b", s->root);
	other.run_dir = elsewhere;
	assert_int_equal(store_open(&second, &other, &reason), -EBUSY);
	reason_clear(&reason);
	store_close(s->store);
	assert_int_equal(store_open(&s->store, &s->settings, &reason), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(none_at_first),
		TEST(written_is_read),
		TEST(changes_are_appended),
		TEST(what_was_cut_off_never_was),
		TEST(a_bad_line_is_left_out_alone),
		TEST(a_failed_write_keeps_what_was),
		TEST(one_instance_at_a_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
