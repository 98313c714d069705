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
	FILE *file = fopen(store_leases_path(s->store), "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void none_at_first(void **state)
{
	struct stage *s = *state;
	struct reason reason = {0};
	struct plan_lease *leases;
	unsigned count = 7;

	assert_int_equal(store_leases_read(s->store, &leases, &count, &reason), 0);
	assert_int_equal(count, 0);
	assert_int_equal(reason.count, 0);
	store_leases_free(leases, count);
}

static void written_is_read(void **state)
{
	struct stage *s = *state;
	struct plan_lease leases[1000], *read;
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
		assert_int_equal(store_leases_write(s->store, leases, 1000, &reason), 0);
		assert_int_equal(store_leases_read(s->store, &read, &count, &reason), 0);
		assert_int_equal(count, 1000);
		for (unsigned i = 0; i < count; i++) {
			assert_string_equal(read[i].service, leases[i].service);
			assert_memory_equal(
				&read[i].address, &leases[i].address, sizeof(leases[i].address));
		}
		store_leases_free(read, count);
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
	assert_int_equal(store_leases_read(s->store, &leases, &count, &reason), 0);
	assert_int_equal(count, 2);
	assert_string_equal(leases[1].service, "local/kube-system/dns");
	assert_int_equal(reason.count, 4);
	assert_non_null(
		strstr(reason_text(&reason), "leases:3: found \"local/default/api 192.0.2\""));
	store_leases_free(leases, count);
	reason_clear(&reason);
}

static void a_failed_write_keeps_what_was(void **state)
{
	struct stage *s = *state;
	struct plan_lease lease = {(char *)(uintptr_t) "local/default/web", {{0}}}, *leases;
	struct reason reason = {0};
	char beside[120];
	unsigned count;

	assert_int_equal(store_leases_write(s->store, &lease, 1, &reason), 0);
	snprintf(beside, sizeof(beside), "%s.new", store_leases_path(s->store));
	assert_int_equal(mkdir(beside, 0700), 0);
	assert_int_equal(store_leases_write(s->store, NULL, 0, &reason), -EEXIST);
	assert_non_null(strstr(reason_text(&reason), "cannot be written"));
	reason_clear(&reason);
	assert_int_equal(store_leases_read(s->store, &leases, &count, &reason), 0);
	assert_int_equal(count, 1);
	store_leases_free(leases, count);
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
		TEST(a_bad_line_is_left_out_alone),
		TEST(a_failed_write_keeps_what_was),
		TEST(one_instance_at_a_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
