// SPDX-License-Identifier: BSD-3-Clause
// The watched directory, on a real directory and a real loop: what appears, changes, breaks and
// goes.
#include "cluster.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "log.h"

#define WAIT_MS 8000

struct fixture {
	uv_loop_t loop;
	uv_timer_t guard;
	struct model *model;
	struct cluster *cluster;
	char root[64], path[96];
	struct source_settings source;
	unsigned changes;
	bool late;
};

static void on_changed(void *arg)
{
	((struct fixture *)arg)->changes++;
}

static void on_guard(uv_timer_t *timer)
{
	((struct fixture *)timer->data)->late = true;
}

static void put(const struct fixture *f, const char *name, const char *text)
{
	char path[256];
	FILE *stream;

	snprintf(path, sizeof(path), "%s/%s", f->path, name);
	stream = fopen(path, "we");
	assert_non_null(stream);
	assert_true(fputs(text, stream) >= 0);
	assert_int_equal(fclose(stream), 0);
}

static void drop(const struct fixture *f, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", f->path, name);
	assert_int_equal(unlink(path), 0);
}

#define SERVICE(name, port)                                                                        \
	"apiVersion: v1\nkind: Service\nmetadata: {name: " name "}\nspec: {ports: [{port: " port   \
	"}]}\n"

static void begin(struct fixture *f)
{
	const struct cluster_handlers handlers = {f, on_changed};
	struct reason reason = {0};

	f->source = (struct source_settings){.name = "local", .kind = "manifests", .path = f->path};
	assert_int_equal(
		cluster_open(&f->cluster, &f->loop, &f->source, f->model, &handlers, &reason), 0);
	assert_int_equal(f->changes, 0); // never from inside
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	log_set_level(LOG_LEVEL_ERROR);
	uv_loop_init(&f->loop);
	uv_timer_init(&f->loop, &f->guard);
	f->guard.data = f;
	f->model = model_new();
	strcpy(f->root, "/tmp/manifests-test.XXXXXX");
	assert_non_null(mkdtemp(f->root));
	snprintf(f->path, sizeof(f->path), "%s/m", f->root);
	assert_int_equal(mkdir(f->path, 0755), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char command[128];

	cluster_close(f->cluster);
	uv_close((uv_handle_t *)&f->guard, NULL);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	model_free(f->model);
	snprintf(command, sizeof(command), "rm -rf %s", f->root);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

// Of the first port; 0 = there is no such Service.
static unsigned port_of(const struct fixture *f, const char *name)
{
	const struct service *service = (const struct service *)model_find(
		f->model, OBJECT_SERVICE, "local", "default", name);

	return service ? service->ports[0].port : 0;
}

struct wanted {
	const char *where, *text;
	bool found;
	unsigned count;
};

static void match(const struct model_problem *problem, void *arg)
{
	struct wanted *wanted = arg;

	wanted->count++;
	if (strstr(problem->where, wanted->where) && strstr(problem->text, wanted->text))
		wanted->found = true;
}

static bool problem_at(const struct fixture *f, const char *where, const char *text)
{
	struct wanted wanted = {where, text, false, 0};

	model_each_problem(f->model, match, &wanted);
	return wanted.found;
}

static unsigned problem_count(const struct fixture *f)
{
	struct wanted wanted = {"", "", false, 0};

	model_each_problem(f->model, match, &wanted);
	return wanted.count;
}

#define UNTIL(f, condition)                                                                        \
	do {                                                                                       \
		(f)->late = false;                                                                 \
		uv_timer_start(&(f)->guard, on_guard, WAIT_MS, 0);                                 \
		while (!(condition) && !(f)->late)                                                 \
			uv_run(&(f)->loop, UV_RUN_ONCE);                                           \
		uv_timer_stop(&(f)->guard);                                                        \
		if (!(condition))                                                                  \
			fail_msg("never came true: %s", #condition);                               \
	} while (0)

// Lets the loop run for this long, to see that something does not happen.
static void pass(struct fixture *f, uint64_t ms)
{
	f->late = false;
	uv_timer_start(&f->guard, on_guard, ms, 0);
	while (!f->late)
		uv_run(&f->loop, UV_RUN_ONCE);
}

static void test_first_scan(void **state)
{
	struct fixture *f = *state;

	put(f, "a.yaml", SERVICE("a", "1"));
	put(f, "b.yml", SERVICE("b", "2"));
	put(f, "c.json",
		"{\"apiVersion\": \"v1\", \"kind\": \"Node\", \"metadata\": {\"name\": \"n\"}}");
	put(f, ".d.yaml", "no: [");
	put(f, "e.yaml~", "no: [");
	put(f, "f.txt", "no: [");
	begin(f);
	assert_true(cluster_synced(f->cluster));
	assert_int_equal(port_of(f, "a"), 1);
	assert_int_equal(port_of(f, "b"), 2);
	assert_non_null(model_find(f->model, OBJECT_NODE, "local", "", "n"));
	assert_int_equal(problem_count(f), 0);
}

static void test_add_change_remove(void **state)
{
	struct fixture *f = *state;
	char from[128], to[128];

	begin(f);
	put(f, "a.yaml", SERVICE("a", "1"));
	UNTIL(f, port_of(f, "a") == 1);
	assert_int_equal(f->changes, 1);
	put(f, "a.yaml", SERVICE("a", "2"));
	UNTIL(f, port_of(f, "a") == 2);
	// The same length within the same tick: told by the event, not by the times.
	put(f, "a.yaml", SERVICE("a", "3"));
	put(f, "a.yaml", SERVICE("a", "4"));
	UNTIL(f, port_of(f, "a") == 4);
	snprintf(from, sizeof(from), "%s/a.yaml", f->path);
	snprintf(to, sizeof(to), "%s/b.yaml", f->path);
	assert_int_equal(rename(from, to), 0);
	UNTIL(f, model_find_in(f->model, to, OBJECT_SERVICE, "local", "default", "a"));
	assert_null(model_find_in(f->model, from, OBJECT_SERVICE, "local", "default", "a"));
	assert_int_equal(problem_count(f), 0);
	drop(f, "b.yaml");
	UNTIL(f, port_of(f, "a") == 0);
}

// An editor's way: a new file is renamed over the old one.
static void test_replaced(void **state)
{
	struct fixture *f = *state;
	char from[128], to[128];

	put(f, "a.yaml", SERVICE("a", "1"));
	begin(f);
	put(f, ".a.yaml.swp", SERVICE("a", "2"));
	snprintf(from, sizeof(from), "%s/.a.yaml.swp", f->path);
	snprintf(to, sizeof(to), "%s/a.yaml", f->path);
	assert_int_equal(rename(from, to), 0);
	UNTIL(f, port_of(f, "a") == 2);
}

static void test_broken(void **state)
{
	struct fixture *f = *state;

	put(f, "a.yaml", SERVICE("a", "1"));
	put(f, "b.yaml", SERVICE("b", "2"));
	begin(f);
	put(f, "a.yaml", SERVICE("a", "3") "---\nx: [\n");
	UNTIL(f, problem_at(f, "/a.yaml:7", "what the file said before stays"));
	assert_int_equal(port_of(f, "a"), 1);
	assert_int_equal(port_of(f, "b"), 2);
	put(f, "a.yaml", SERVICE("a", "3"));
	UNTIL(f, port_of(f, "a") == 3);
	assert_int_equal(problem_count(f), 0);
	put(f, "new.yaml", "x: [\n");
	UNTIL(f, problem_at(f, "/new.yaml:2", "not YAML"));
	drop(f, "new.yaml");
	UNTIL(f, problem_count(f) == 0);
}

// One object with a mistake: the others are taken, it stays as it was.
static void test_quarantine(void **state)
{
	struct fixture *f = *state;

	put(f, "a.yaml", SERVICE("a", "1") "---\n" SERVICE("b", "2"));
	begin(f);
	put(f, "a.yaml", SERVICE("a", "99999") "---\n" SERVICE("b", "3"));
	UNTIL(f, port_of(f, "b") == 3);
	assert_int_equal(port_of(f, "a"), 1);
	assert_true(problem_at(f, "/a.yaml:4", "99999"));
	assert_true(problem_at(f, "/a.yaml:4", "until then it stays as it was before"));
	put(f, "a.yaml", SERVICE("a", "99998") "---\n" SERVICE("a", "99997"));
	UNTIL(f, problem_at(f, "/a.yaml:9", "99997"));
	assert_int_equal(port_of(f, "a"), 1);
	assert_int_equal(port_of(f, "b"), 0);
	put(f, "a.yaml", SERVICE("a", "99998") "---\n" SERVICE("a", "5"));
	UNTIL(f, port_of(f, "a") == 5);
	assert_int_equal(problem_count(f), 1);
}

// While somebody writes, nothing is read; what was there stays.
static void test_half_written(void **state)
{
	static const char text[] = SERVICE("a", "2") "---\n" SERVICE("b", "3");
	struct fixture *f = *state;
	char path[128];
	int fd;

	put(f, "a.yaml", SERVICE("a", "1"));
	begin(f);
	snprintf(path, sizeof(path), "%s/a.yaml", f->path);
	fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	for (size_t i = 0; i < sizeof(text) - 1; i += 20) {
		size_t n = sizeof(text) - 1 - i < 20 ? sizeof(text) - 1 - i : 20;

		assert_int_equal(write(fd, text + i, n), n);
		pass(f, 60); // longer than events are gathered
		assert_int_equal(port_of(f, "a"), 1);
		assert_int_equal(problem_count(f), 0);
	}
	close(fd);
	UNTIL(f, port_of(f, "b") == 3);
	assert_int_equal(port_of(f, "a"), 2);
}

// Who never closes is read all the same, when it has been quiet.
static void test_never_closed(void **state)
{
	struct fixture *f = *state;
	char path[128];
	int fd;

	begin(f);
	snprintf(path, sizeof(path), "%s/a.yaml", f->path);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_int_equal(write(fd, "x: [\n", 5), 5);
	UNTIL(f, problem_at(f, "/a.yaml", "not YAML"));
	close(fd);
}

static void test_not_there_yet(void **state)
{
	struct fixture *f = *state;

	snprintf(f->path, sizeof(f->path), "%s/x/y/z", f->root);
	begin(f);
	assert_false(cluster_synced(f->cluster));
	assert_true(problem_at(f, "x/y/z", "it is waited for"));
	snprintf(f->path, sizeof(f->path), "%s/x", f->root);
	assert_int_equal(mkdir(f->path, 0755), 0);
	pass(f, 50);
	assert_false(cluster_synced(f->cluster));
	snprintf(f->path, sizeof(f->path), "%s/x/y", f->root);
	assert_int_equal(mkdir(f->path, 0755), 0);
	snprintf(f->path, sizeof(f->path), "%s/x/y/z", f->root);
	assert_int_equal(mkdir(f->path, 0755), 0);
	put(f, "a.yaml", SERVICE("a", "1"));
	UNTIL(f, port_of(f, "a") == 1);
	assert_true(cluster_synced(f->cluster));
	assert_int_equal(problem_count(f), 0);
}

// What it held stays while the directory is away.
static void test_directory_goes(void **state)
{
	struct fixture *f = *state;
	char away[128];

	put(f, "a.yaml", SERVICE("a", "1"));
	begin(f);
	snprintf(away, sizeof(away), "%s/away", f->root);
	assert_int_equal(rename(f->path, away), 0);
	UNTIL(f, problem_at(f, "/m", "stays in force until it is back"));
	assert_int_equal(port_of(f, "a"), 1);
	assert_int_equal(mkdir(f->path, 0755), 0);
	UNTIL(f, port_of(f, "a") == 0);
	assert_int_equal(problem_count(f), 0);
	put(f, "b.yaml", SERVICE("b", "2"));
	UNTIL(f, port_of(f, "b") == 2);
	drop(f, "b.yaml");
	assert_int_equal(rmdir(f->path), 0);
	UNTIL(f, problem_count(f) == 1);
	assert_int_equal(rename(away, f->path), 0);
	UNTIL(f, port_of(f, "a") == 1);
	assert_int_equal(problem_count(f), 0);
}

static void point(const struct fixture *f, const char *target, const char *name)
{
	char path[160], temporary[160];

	snprintf(temporary, sizeof(temporary), "%s/..tmp", f->path);
	snprintf(path, sizeof(path), "%s/%s", f->path, name);
	assert_int_equal(symlink(target, temporary), 0);
	assert_int_equal(rename(temporary, path), 0);
}

// As kubelet shows a ConfigMap: links through ..data, which is switched at once.
static void test_links(void **state)
{
	struct fixture *f = *state;
	char path[160];

	for (const char *name = "12"; *name; name++) {
		snprintf(path, sizeof(path), "%s/..%c", f->path, *name);
		assert_int_equal(mkdir(path, 0755), 0);
	}
	put(f, "..1/a.yaml", SERVICE("a", "1"));
	put(f, "..2/a.yaml", SERVICE("a", "2"));
	point(f, "..1", "..data");
	point(f, "..data/a.yaml", "a.yaml");
	begin(f);
	assert_int_equal(port_of(f, "a"), 1);
	point(f, "..2", "..data");
	UNTIL(f, port_of(f, "a") == 2);
	put(f, "..2/a.yaml", SERVICE("a", "3")); // behind the link
	UNTIL(f, port_of(f, "a") == 3);
	drop(f, "..2/a.yaml");
	UNTIL(f, port_of(f, "a") == 0);
}

// What is no file is not waited for.
static void test_odd_files(void **state)
{
	struct fixture *f = *state;
	char path[160];

	snprintf(path, sizeof(path), "%s/fifo.yaml", f->path);
	assert_int_equal(mkfifo(path, 0644), 0);
	snprintf(path, sizeof(path), "%s/dir.yaml", f->path);
	assert_int_equal(mkdir(path, 0755), 0);
	point(f, "nowhere", "dangling.yaml");
	point(f, "ring.yaml", "ring.yaml");
	put(f, "a.yaml", SERVICE("a", "1"));
	put(f, "empty.yaml", "");
	begin(f);
	assert_int_equal(port_of(f, "a"), 1);
	assert_int_equal(problem_count(f), 0);
}

static void test_duplicates(void **state)
{
	struct fixture *f = *state;

	put(f, "b.yaml", SERVICE("x", "2"));
	begin(f);
	put(f, "a.yaml", SERVICE("x", "1"));
	UNTIL(f, port_of(f, "x") == 1);
	assert_true(problem_at(f, "/b.yaml:1", "/a.yaml:1"));
	drop(f, "a.yaml");
	UNTIL(f, port_of(f, "x") == 2);
	assert_int_equal(problem_count(f), 0);
}

static void test_many_at_once(void **state)
{
	struct fixture *f = *state;
	char name[32];

	begin(f);
	for (unsigned i = 0; i < 500; i++) {
		char text[256];

		snprintf(name, sizeof(name), "f%u.yaml", i);
		snprintf(text, sizeof(text),
			"apiVersion: v1\nkind: Service\nmetadata: {name: s%u}\nspec: {ports: "
			"[{port: "
			"7}]}\n",
			i);
		put(f, name, text);
	}
	UNTIL(f, model_count(f->model, OBJECT_SERVICE) == 500);
	assert_true(f->changes < 100); // gathered
}

static void test_wrong_kind(void **state)
{
	struct fixture *f = *state;
	const struct cluster_handlers handlers = {f, on_changed};
	struct source_settings wrong = {.name = "local", .kind = "floppy", .path = "/x"};
	struct reason reason = {0};
	struct cluster *cluster = NULL;

	assert_int_equal(
		cluster_open(&cluster, &f->loop, &wrong, f->model, &handlers, &reason), -EINVAL);
	assert_non_null(strstr(reason_text(&reason), "floppy"));
	reason_clear(&reason);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_first_scan),
		TEST(test_add_change_remove),
		TEST(test_replaced),
		TEST(test_broken),
		TEST(test_quarantine),
		TEST(test_half_written),
		TEST(test_never_closed),
		TEST(test_not_there_yet),
		TEST(test_directory_goes),
		TEST(test_links),
		TEST(test_odd_files),
		TEST(test_duplicates),
		TEST(test_many_at_once),
		TEST(test_wrong_kind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
