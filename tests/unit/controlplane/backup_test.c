// SPDX-License-Identifier: BSD-3-Clause
// Backups: what was closed comes back with its passphrase alone; an archive is what was put in it;
// a box comes back whole or stays as it was, wherever the way ends.
#include "backup.h"
#include "envelope.h"
#include "sealed_file.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define PASSPHRASE "correct horse"

static void refused(const uint8_t *bytes, size_t length, const char *passphrase, const char *why)
{
	struct reason reason = {0};

	assert_null(envelope_open(passphrase, bytes, length, &reason));
	if (!strstr(reason_text(&reason), why))
		fail_msg("%s: expected %s", reason_text(&reason), why);
	assert_int_equal(reason.count, 1);
	reason_clear(&reason);
}

static void an_envelope_opens_with_its_passphrase_alone(void **state)
{
	static const char plain[] = "what is in it";
	size_t length = sizeof(plain) + ENVELOPE_EXTRA;
	uint8_t *closed = envelope_close(PASSPHRASE, plain, sizeof(plain)), *open;
	uint8_t *other = envelope_close(PASSPHRASE, plain, sizeof(plain));
	struct reason reason = {0};

	(void)state;
	assert_non_null(closed);
	assert_memory_not_equal(closed, other, length); // salt and nonce are new
	assert_null(memmem(closed, length, plain, 6));
	open = envelope_open(PASSPHRASE, closed, length, &reason);
	assert_non_null(open);
	assert_memory_equal(open, plain, sizeof(plain));
	free(open);
	refused(closed, length, "correct horsf", "the passphrase is not this backup's");
	refused(closed, length, "", "the passphrase is not this backup's");
	free(closed);
	free(other);
}

static void a_cut_or_changed_envelope_is_told(void **state)
{
	size_t length = 100 + ENVELOPE_EXTRA;
	uint8_t plain[100] = {1}, *closed = envelope_close(PASSPHRASE, plain, sizeof(plain));
	struct reason reason = {0};

	(void)state;
	for (size_t cut = 0; cut < length; cut++)
		refused(closed, cut, PASSPHRASE, cut < 9 ? "no backup" : "cut");
	closed[ENVELOPE_HEAD + 7] ^= 1;
	refused(closed, length, PASSPHRASE, "damaged");
	closed[ENVELOPE_HEAD + 7] ^= 1;
	closed[8] = 2;
	refused(closed, length, PASSPHRASE, "is of version 2: this program reads version 1");
	closed[8] = 1;
	closed[9] = 63; // memory that nobody has
	refused(closed, length, PASSPHRASE, "damaged");
	closed[9] = 16;
	assert_true(envelope_check(closed, length, &reason));
	closed[0] = 'X';
	refused(closed, length, PASSPHRASE, "no backup");
	free(closed);
}

static const char *const good_names[] = {"about", "sluice.conf", "conf/a",
	"conf/manifests/web.yaml", "state/leases", "state/revisions/00000001.conf", "conf/..a",
	"conf/a b"};
static const char *const bad_names[] = {"", "x", "/etc/shadow", "conf/", "conf/../shadow",
	"conf//a", "conf/a/..", "conf/.", "conf/a\nb", "state", "../conf/a", "about/a", "conf/a/"};

static void names_stay_in_their_folders(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good_names) / sizeof(good_names[0]); i++)
		assert_true(archive_name_ok(good_names[i]));
	for (size_t i = 0; i < sizeof(bad_names) / sizeof(bad_names[0]); i++)
		if (archive_name_ok(bad_names[i]))
			fail_msg("\"%s\" is no name", bad_names[i]);
}

static void an_archive_is_what_was_put_in_it(void **state)
{
	struct archive archive = {0}, read;
	struct reason reason = {0};
	uint8_t *bytes, *again;
	size_t length, length_again;

	(void)state;
	for (size_t i = 0; i < sizeof(good_names) / sizeof(good_names[0]); i++)
		assert_int_equal(archive_add(&archive, good_names[i], "bytes\0too", i), 0);
	assert_int_equal(archive_add(&archive, "conf/a", "x", 1), -EEXIST);
	assert_int_equal(archive_add(&archive, "conf/../a", "x", 1), -EINVAL);
	assert_int_equal(archive_add(&archive, "conf/large", "x", ARCHIVE_BYTES_MAX), -E2BIG);
	bytes = archive_write(&archive, &length);
	assert_int_equal(archive_read(&read, bytes, length, &reason), 0);
	assert_int_equal(read.count, sizeof(good_names) / sizeof(good_names[0]));
	for (size_t i = 0; i < read.count; i++)
		assert_int_equal(archive_find(&read, good_names[i])->length, i);
	again = archive_write(&read, &length_again);
	assert_int_equal(length, length_again);
	assert_memory_equal(bytes, again, length);
	archive_clear(&read);
	for (size_t cut = 0; cut < length; cut++)
		if (archive_read(&read, bytes, cut, &reason) == 0)
			archive_clear(&read); // where a file ends; the envelope tells of that
	assert_true(reason.count > length / 2);
	reason_clear(&reason);
	free(bytes);
	free(again);
	archive_clear(&archive);
}

// A box in a folder.

#define CONF                                                                                       \
	"ports = ({ name = \"wan\"; kind = \"tap\"; device = \"x\"; addresses = "                  \
	"[ \"192.0.2.2/24\" ]; });\n"                                                              \
	"sources = ({ name = \"m\"; kind = \"manifests\"; path = \"%s/manifests\"; },\n"           \
	"{ name = \"k\"; kind = \"kube\"; path = \"%s/prod.kubeconfig\"; },\n"                     \
	"{ name = \"far\"; kind = \"kube\"; path = \"/nowhere/far.kubeconfig\"; });\n"             \
	"state_dir = \"%s/state\"; run_dir = \"%s/run\";\n"

struct box {
	char dir[64], state[80], conf[80];
	struct seal *seal;
	struct settings *settings;
	struct backup_place place;
};

static void path_in(const struct box *box, const char *name, char path[static 256])
{
	snprintf(path, 256, "%s/%s", box->dir, name);
}

static void put(const struct box *box, const char *name, const char *text)
{
	char path[256];
	FILE *file;

	path_in(box, name, path);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

// What the file says; "" when it is not there.
static const char *get(const struct box *box, const char *name, char text[static 2048])
{
	char path[256];
	size_t n = 0;
	FILE *file;

	path_in(box, name, path);
	file = fopen(path, "r");
	if (file) {
		n = fread(text, 1, 2047, file);
		fclose(file);
	}
	text[n] = '\0';
	return text;
}

static void seal_up(const struct box *box, const char *name, const char *text)
{
	struct reason reason = {0};
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", box->state, name);
	assert_int_equal(sealed_file_write(&(struct sealed_file){path, box->seal, name}, text,
				 strlen(text), &reason),
		0);
}

static void make_box(struct box *box, const char *dir)
{
	static const char *const folders[] = {"manifests", "state", "state/revisions", "run"};
	struct reason reason = {0};
	char path[256], text[2048];

	snprintf(box->dir, sizeof(box->dir), "%s", dir);
	snprintf(box->state, sizeof(box->state), "%s/state", dir);
	snprintf(box->conf, sizeof(box->conf), "%s/box.conf", dir);
	for (unsigned i = 0; i < 4; i++) {
		path_in(box, folders[i], path);
		mkdir(path, 0755);
	}
	snprintf(text, sizeof(text), CONF, dir, dir, dir, dir);
	put(box, "box.conf", text);
	assert_int_equal(seal_open(&box->seal, box->state, &reason), 0);
	box->settings = settings_read(box->conf, &reason);
	if (!box->settings)
		fail_msg("%s", reason_text(&reason));
	box->place = (struct backup_place){box->conf, box->state, box->seal, box->settings};
}

static void end_box(struct box *box)
{
	seal_close(box->seal);
	settings_free(box->settings);
}

static void remove_all(const char *dir)
{
	char command[100];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	assert_int_equal(system(command), 0); // NOLINT: of a test's own folder
}

static void fill(const struct box *box)
{
	put(box, "manifests/web.yaml", "kind: Service\n");
	put(box, "manifests/.half", "no\n");
	put(box, "prod.kubeconfig", "users: [{name: a, user: {token: t0k3n}}]\n");
	put(box, "state/leases", "k/default/web 192.0.2.100\n");
	put(box, "state/tokens", "chief admin 00 1\n");
	put(box, "state/revisions/00000001.conf", "first\n");
	put(box, "state/revisions/00000002.conf", "second\n");
	put(box, "state/plan", "not kept\n");
	seal_up(box, "api-certificate", "-----BEGIN PRIVATE KEY-----");
}

// The archive of a box that was filled, and a folder of the same name with another box in it, whose
// key is another.
static void other_box(struct box *box, struct archive *archive, const char *dir)
{
	struct reason reason = {0};

	make_box(box, dir);
	fill(box);
	assert_int_equal(backup_collect(&box->place, archive, &reason), 0);
	end_box(box);
	remove_all(dir);
	mkdir(dir, 0755);
	make_box(box, dir);
	put(box, "box.conf", "its own\n");
	put(box, "state/leases", "k/default/other 192.0.2.7\n");
	put(box, "state/drained", "box\n");
	put(box, "state/revisions/00000009.conf", "ninth\n");
	put(box, "state/revisions/unconfirmed", "9 8 1\n");
	put(box, "manifests/mine.yaml", "kind: Node\n");
}

static void is_its_own(const struct box *box)
{
	char text[2048];

	assert_string_equal(get(box, "box.conf", text), "its own\n");
	assert_string_equal(get(box, "state/leases", text), "k/default/other 192.0.2.7\n");
	assert_string_equal(get(box, "state/drained", text), "box\n");
	assert_string_equal(get(box, "state/revisions/00000009.conf", text), "ninth\n");
	assert_string_equal(get(box, "state/revisions/00000001.conf", text), "");
	assert_string_equal(get(box, "manifests/web.yaml", text), "");
	assert_string_equal(get(box, "box.conf.restored", text), "");
	assert_string_equal(get(box, "state/leases.restored", text), "");
	assert_string_equal(get(box, "prod.kubeconfig.restored", text), "");
}

static void is_the_other(const struct box *box)
{
	struct reason reason = {0};
	char text[2048], path[256];
	struct stat info;
	uint8_t *bytes;
	size_t length;

	assert_non_null(strstr(get(box, "box.conf", text), "prod.kubeconfig"));
	assert_string_equal(get(box, "state/leases", text), "k/default/web 192.0.2.100\n");
	assert_string_equal(get(box, "state/drained", text), "");
	assert_string_equal(get(box, "state/revisions/00000009.conf", text), "");
	assert_string_equal(get(box, "state/revisions/unconfirmed", text), "");
	assert_string_equal(get(box, "state/revisions/00000002.conf", text), "second\n");
	assert_string_equal(get(box, "manifests/web.yaml", text), "kind: Service\n");
	assert_string_equal(get(box, "manifests/mine.yaml", text), "kind: Node\n");
	assert_string_equal(get(box, "state/restoring", text), "");
	path_in(box, "prod.kubeconfig", path);
	assert_int_equal(stat(path, &info), 0);
	assert_int_equal(info.st_mode & 0777, 0600);
	snprintf(path, sizeof(path), "%s/api-certificate", box->state);
	assert_int_equal(sealed_file_read(&(struct sealed_file){path, box->seal, "api-certificate"},
				 &bytes, &length, &reason),
		0);
	assert_memory_equal(bytes, "-----BEGIN PRIVATE KEY-----", length);
	free(bytes);
}

static void a_box_is_taken_as_it_is(void **state)
{
	char dir[] = "/tmp/sluice-backup-XXXXXX";
	struct reason reason = {0};
	struct archive archive;
	struct box box;
	size_t length;
	const char *left;

	(void)state;
	assert_non_null(mkdtemp(dir));
	make_box(&box, dir);
	fill(&box);
	assert_int_equal(backup_collect(&box.place, &archive, &reason), 0);
	assert_int_equal(archive.count, 9);
	assert_non_null(archive_find(&archive, "sluice.conf"));
	assert_non_null(archive_find(&archive, "conf/manifests/web.yaml"));
	assert_string_equal(archive_find(&archive, "state/api-certificate")->bytes,
		"-----BEGIN PRIVATE KEY-----");
	assert_null(archive_find(&archive, "state/plan"));
	left = archive_about(&archive, "left-out", 0, &length);
	assert_memory_equal(left, "/nowhere/far.kubeconfig", length);
	assert_null(archive_about(&archive, "left-out", 1, &length));
	archive_clear(&archive);
	end_box(&box);
	remove_all(dir);
}

static void a_box_becomes_the_other_at_its_next_start(void **state)
{
	char dir[] = "/tmp/sluice-backup-XXXXXX";
	struct reason reason = {0};
	struct archive archive;
	struct box box;

	(void)state;
	assert_non_null(mkdtemp(dir));
	other_box(&box, &archive, dir);
	assert_int_equal(restore_stage(&box.place, &archive, true, &reason), 0);
	assert_int_equal(restore_finish(box.state, &reason), RESTORED_DATAPLANE);
	assert_int_equal(reason.count, 0);
	is_the_other(&box);
	assert_int_equal(restore_finish(box.state, &reason), RESTORED_NOTHING);
	archive_clear(&archive);
	end_box(&box);
	remove_all(dir);
}

// The power fails after some of the moves: the next start does the rest.
static void a_second_start_goes_on(void **state)
{
	char dir[] = "/tmp/sluice-backup-XXXXXX", from[256], to[256];
	struct reason reason = {0};
	struct archive archive;
	struct box box;

	(void)state;
	assert_non_null(mkdtemp(dir));
	other_box(&box, &archive, dir);
	assert_int_equal(restore_stage(&box.place, &archive, false, &reason), 0);
	path_in(&box, "box.conf.restored", from);
	path_in(&box, "box.conf", to);
	assert_int_equal(rename(from, to), 0);
	assert_int_equal(restore_finish(box.state, &reason), RESTORED);
	is_the_other(&box);
	archive_clear(&archive);
	end_box(&box);
	remove_all(dir);
}

// It fails before the list is whole: nothing has happened.
static void what_was_only_begun_goes(void **state)
{
	char dir[] = "/tmp/sluice-backup-XXXXXX", text[2048], list[2048];
	struct reason reason = {0};
	struct archive archive;
	struct box box;

	(void)state;
	assert_non_null(mkdtemp(dir));
	other_box(&box, &archive, dir);
	assert_int_equal(restore_stage(&box.place, &archive, false, &reason), 0);
	snprintf(list, sizeof(list), "begun%s", get(&box, "state/restoring", text) + 5);
	put(&box, "state/restoring", list);
	assert_int_equal(restore_finish(box.state, &reason), RESTORED_NOTHING);
	is_its_own(&box);
	assert_string_equal(get(&box, "state/restoring", text), "");
	archive_clear(&archive);
	end_box(&box);
	remove_all(dir);
}

static void set_conf(struct archive *archive, const char *text)
{
	struct archive_file *conf = (struct archive_file *)archive_find(archive, ARCHIVE_CONF);

	free(conf->bytes);
	conf->bytes = (uint8_t *)strdup(text);
	conf->length = strlen(text);
}

static void what_is_refused_changes_nothing(void **state)
{
	char dir[] = "/tmp/sluice-backup-XXXXXX", path[256], text[2048];
	struct reason reason = {0};
	struct archive archive;
	struct box box;

	(void)state;
	assert_non_null(mkdtemp(dir));
	other_box(&box, &archive, dir);

	// A file cannot be written: a folder stands where it would go first.
	path_in(&box, "prod.kubeconfig.restored.new", path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_not_equal(restore_stage(&box.place, &archive, false, &reason), 0);
	assert_int_equal(reason.count, 1);
	is_its_own(&box);
	assert_string_equal(get(&box, "state/restoring", text), "");
	rmdir(path);
	reason_clear(&reason);

	assert_int_equal(archive_add(&archive, "state/state.key", "x", 1), 0);
	assert_int_not_equal(restore_stage(&box.place, &archive, false, &reason), 0);
	assert_non_null(strstr(reason_text(&reason), "state/state.key"));
	reason_clear(&reason);
	archive_clear(&archive);
	remove_all(dir);
	end_box(&box);

	mkdir(dir, 0755);
	other_box(&box, &archive, dir);
	set_conf(&archive, "pools = ( { name = \"a\"; addresses = [ \"nonsense\" ]; } );\n");
	assert_int_not_equal(restore_stage(&box.place, &archive, false, &reason), 0);
	assert_non_null(strstr(reason_text(&reason), "the backup's sluice.conf:1"));
	reason_clear(&reason);
	is_its_own(&box);
	archive_clear(&archive);
	end_box(&box);
	remove_all(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_envelope_opens_with_its_passphrase_alone),
		cmocka_unit_test(a_cut_or_changed_envelope_is_told),
		cmocka_unit_test(names_stay_in_their_folders),
		cmocka_unit_test(an_archive_is_what_was_put_in_it),
		cmocka_unit_test(a_box_is_taken_as_it_is),
		cmocka_unit_test(a_box_becomes_the_other_at_its_next_start),
		cmocka_unit_test(a_second_start_goes_on),
		cmocka_unit_test(what_was_only_begun_goes),
		cmocka_unit_test(what_is_refused_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
