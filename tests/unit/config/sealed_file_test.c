// SPDX-License-Identifier: BSD-3-Clause
// Files that are sealed: what was written comes back, no damage to the file goes unseen, and
// nothing of it can be read without the key.
#include "sealed_file.h"

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
	char directory[64], path[96], beside[96], key[96];
	struct seal *seal;
	struct sealed_file file;
};

static int set_up(void **state)
{
	struct place *place = calloc(1, sizeof(*place));
	struct reason reason = {0};

	snprintf(place->directory, sizeof(place->directory), "/tmp/sealed_file_test.XXXXXX");
	if (!mkdtemp(place->directory))
		return -1;
	snprintf(place->path, sizeof(place->path), "%s/plan", place->directory);
	snprintf(place->beside, sizeof(place->beside), "%s/plan.new", place->directory);
	snprintf(place->key, sizeof(place->key), "%s/" SEAL_KEY_FILE, place->directory);
	if (seal_open(&place->seal, place->directory, &reason))
		return -1;
	place->file = (struct sealed_file){place->path, place->seal, "test"};
	*state = place;
	return 0;
}

static int tear_down(void **state)
{
	struct place *place = *state;

	seal_close(place->seal);
	unlink(place->path);
	unlink(place->key);
	rmdir(place->beside); // where a test has made it a directory
	rmdir(place->directory);
	free(place);
	return 0;
}

static void write_plan(const struct place *place, const void *bytes, size_t length)
{
	struct reason reason = {0};

	assert_int_equal(sealed_file_write(&place->file, bytes, length, &reason), 0);
	assert_int_equal(reason.count, 0);
}

static int read_plan(const struct place *place, uint8_t **bytes, size_t *length)
{
	struct reason reason = {0};
	int error = sealed_file_read(&place->file, bytes, length, &reason);

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
	assert_int_equal(all, SEALED_FILE_HEADER + SEAL_EXTRA + 18);
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

// Another key, or another purpose, opens nothing.
static void test_for_its_purpose_alone(void **state)
{
	const struct place *place = *state;
	struct sealed_file other = place->file;
	struct reason reason = {0};
	char path[128];
	uint8_t *bytes;
	size_t length;

	write_plan(place, "the last good plan", 18);
	other.purpose = "credential";
	assert_int_equal(sealed_file_read(&other, &bytes, &length, &reason), -EBADMSG);
	reason_clear(&reason);
	other = place->file;
	snprintf(path, sizeof(path), "%s/other", place->directory);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(seal_open((struct seal **)&other.seal, path, &reason), 0);
	assert_int_equal(sealed_file_read(&other, &bytes, &length, &reason), -EBADMSG);
	assert_non_null(strstr(reason_text(&reason), "another key"));
	reason_clear(&reason);
	seal_close((struct seal *)other.seal);
	strcat(path, "/" SEAL_KEY_FILE);
	unlink(path);
	*strrchr(path, '/') = '\0';
	rmdir(path);
}

static void test_nothing_to_be_read(void **state)
{
	const struct place *place = *state;
	uint8_t file[256];
	struct stat stat_;
	size_t all;

	write_plan(place, "-----BEGIN PRIVATE KEY-----", 27);
	all = slurp(place->path, file, sizeof(file));
	assert_null(memmem(file, all, "PRIVATE", 7));
	assert_int_equal(stat(place->path, &stat_), 0);
	assert_int_equal(stat_.st_mode & 0777, 0600);
	assert_int_equal(stat(place->key, &stat_), 0);
	assert_int_equal(stat_.st_mode & 0777, 0600);
}

// The one that systemd gives goes before the file; a file that is no key is told.
static void test_which_key(void **state)
{
	const struct place *place = *state;
	struct reason reason = {0};
	struct sealed_file other = place->file;
	char path[128], credential[160];
	struct seal *seal;
	uint8_t *bytes;
	size_t length;

	write_plan(place, "plan", 4);
	snprintf(path, sizeof(path), "%s/given", place->directory);
	snprintf(credential, sizeof(credential), "%s/" SEAL_CREDENTIAL, path);
	assert_int_equal(mkdir(path, 0700), 0);
	spill(credential, (const uint8_t *)"0123456789abcdef0123456789abcdef", 32);
	setenv("CREDENTIALS_DIRECTORY", path, 1);
	assert_int_equal(seal_open(&seal, place->directory, &reason), 0);
	other.seal = seal;
	assert_int_equal(sealed_file_read(&other, &bytes, &length, &reason), -EBADMSG);
	reason_clear(&reason);
	seal_close(seal);
	spill(credential, (const uint8_t *)"short", 5);
	assert_int_equal(seal_open(&seal, place->directory, &reason), -EBADMSG);
	assert_non_null(strstr(reason_text(&reason), "not a key: expected 32 bytes"));
	reason_clear(&reason);
	unsetenv("CREDENTIALS_DIRECTORY");
	unlink(credential);
	rmdir(path);
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
	assert_int_equal(sealed_file_write(&place->file, "new", 3, &reason), -EEXIST);
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
	spill(place->beside, (const uint8_t *)"SLUICES1 half of a", 18);
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
		cmocka_unit_test_setup_teardown(test_for_its_purpose_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_nothing_to_be_read, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_which_key, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
