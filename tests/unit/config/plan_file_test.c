// SPDX-License-Identifier: BSD-3-Clause
// The plan on disk: what was written comes back, and no damage to the file goes unseen.
#include "plan_file.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct place {
	char directory[64], path[96], beside[96];
};

static int set_up(void **state)
{
	struct place *place = calloc(1, sizeof(*place));

	snprintf(place->directory, sizeof(place->directory), "/tmp/plan_file_test.XXXXXX");
	if (!mkdtemp(place->directory))
		return -1;
	snprintf(place->path, sizeof(place->path), "%s/plan", place->directory);
	snprintf(place->beside, sizeof(place->beside), "%s/plan.new", place->directory);
	*state = place;
	return 0;
}

static int tear_down(void **state)
{
	struct place *place = *state;

	unlink(place->path);
	rmdir(place->beside); // where a test has made it a directory
	rmdir(place->directory);
	free(place);
	return 0;
}

static void write_plan(const struct place *place, const void *bytes, size_t length)
{
	struct reason reason = {0};

	assert_int_equal(plan_file_write(place->path, bytes, length, &reason), 0);
	assert_int_equal(reason.count, 0);
}

static int read_plan(const struct place *place, uint8_t **bytes, size_t *length)
{
	struct reason reason = {0};
	int error = plan_file_read(place->path, bytes, length, &reason);

	// Damage has its words; no file needs none.
	assert_int_equal(reason.count, error == -EBADMSG);
	if (error == -EBADMSG)
		assert_non_null(strstr(reason_text(&reason), place->path));
	reason_clear(&reason);
	return error;
}

static void test_comes_back(void **state)
{
	static const size_t lengths[] = {0, 1, 100, 1 << 20};
	uint8_t *wrote = malloc(1 << 20);

	for (size_t i = 0; i < 1 << 20; i++)
		wrote[i] = (uint8_t)(i * 7 + i / 256);
	for (unsigned i = 0; i < 4; i++) {
		uint8_t *bytes;
		size_t length;

		write_plan(*state, wrote, lengths[i]);
		assert_int_equal(read_plan(*state, &bytes, &length), 0);
		assert_int_equal(length, lengths[i]);
		assert_memory_equal(bytes, wrote, length);
		free(bytes);
	}
	free(wrote);
	assert_int_not_equal(access(((struct place *)*state)->beside, F_OK), 0);
}

static void test_no_file(void **state)
{
	uint8_t *bytes;
	size_t length;

	assert_int_equal(read_plan(*state, &bytes, &length), -ENOENT);
}

static size_t slurp(const char *path, uint8_t *bytes, size_t most)
{
	FILE *file = fopen(path, "rb");
	size_t length = fread(bytes, 1, most, file);

	fclose(file);
	return length;
}

static void spill(const char *path, const uint8_t *bytes, size_t length)
{
	FILE *file = fopen(path, "wb");

	assert_int_equal(fwrite(bytes, 1, length, file), length);
	assert_int_equal(fclose(file), 0);
}

// Cut anywhere, any bit turned, anything appended.
static void test_damage(void **state)
{
	const struct place *place = *state;
	uint8_t file[128], *bytes;
	size_t length, all;

	write_plan(place, "the last good plan", 18);
	all = slurp(place->path, file, sizeof(file));
	assert_int_equal(all, PLAN_FILE_HEADER + 18);
	for (size_t cut = 0; cut < all; cut++) {
		spill(place->path, file, cut);
		assert_int_equal(read_plan(place, &bytes, &length), -EBADMSG);
	}
	for (size_t bit = 0; bit < all * 8; bit++) {
		file[bit / 8] ^= (uint8_t)(1 << bit % 8);
		spill(place->path, file, all);
		assert_int_equal(read_plan(place, &bytes, &length), -EBADMSG);
		file[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	spill(place->path, file, all + 1);
	assert_int_equal(read_plan(place, &bytes, &length), -EBADMSG);
	spill(place->path, file, all);
	assert_int_equal(read_plan(place, &bytes, &length), 0);
	free(bytes);
}

// What cannot be written leaves what there was.
static void test_failed_write_keeps_the_old(void **state)
{
	const struct place *place = *state;
	struct reason reason = {0};
	uint8_t *bytes;
	size_t length;

	write_plan(place, "old", 3);
	assert_int_equal(mkdir(place->beside, 0700), 0);
	assert_int_equal(plan_file_write(place->path, (const uint8_t *)"new", 3, &reason), -EEXIST);
	assert_non_null(strstr(reason_text(&reason), "cannot be written: File exists"));
	reason_clear(&reason);
	assert_int_equal(read_plan(place, &bytes, &length), 0);
	assert_memory_equal(bytes, "old", 3);
	free(bytes);
}

// A file that a power failure left half written beside the good one does no harm.
static void test_left_over(void **state)
{
	const struct place *place = *state;
	uint8_t *bytes;
	size_t length;

	write_plan(place, "old", 3);
	spill(place->beside, (const uint8_t *)"SLUICEP1 half of a", 18);
	assert_int_equal(read_plan(place, &bytes, &length), 0);
	free(bytes);
	write_plan(place, "newer", 5);
	assert_int_equal(read_plan(place, &bytes, &length), 0);
	assert_memory_equal(bytes, "newer", 5);
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_comes_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_file, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_damage, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_failed_write_keeps_the_old, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_left_over, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
