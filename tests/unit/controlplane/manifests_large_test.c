// SPDX-License-Identifier: BSD-3-Clause
// A look through a large directory of manifests lets the loop go on again and again, and what is
// told meanwhile does not wait for its end.
#include "cluster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "log.h"

#define LARGE 8000
#define TURNS 20000 // no more than this many

struct fixture {
	uv_loop_t loop;
	uv_prepare_t prepare;
	struct model *model;
	struct cluster *cluster;
	char path[64];
	struct source_settings source;
	unsigned changes, turns;
};

static void on_changed(void *arg)
{
	((struct fixture *)arg)->changes++;
}

static void count_turn(uv_prepare_t *prepare)
{
	((struct fixture *)prepare->data)->turns++;
}

static void put(const struct fixture *f, const char *name, unsigned port)
{
	char path[128];
	FILE *stream;

	snprintf(path, sizeof(path), "%s/%s.yaml", f->path, name);
	stream = fopen(path, "we");
	assert_non_null(stream);
	if (port)
		fprintf(stream,
			"apiVersion: v1\nkind: Service\nmetadata: {name: %s}\n"
			"spec: {ports: [{port: %u}]}\n",
			name, port);
	assert_int_equal(fclose(stream), 0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const struct cluster_handlers handlers = {f, on_changed};
	struct reason reason = {0};
	char name[32];

	log_set_level(LOG_LEVEL_ERROR);
	uv_loop_init(&f->loop);
	f->model = model_new();
	strcpy(f->path, "/tmp/manifests-large.XXXXXX");
	assert_non_null(mkdtemp(f->path));
	for (unsigned i = 0; i < LARGE; i++) {
		snprintf(name, sizeof(name), "f%u", i);
		put(f, name, 0);
	}
	put(f, "a", 1);
	put(f, "b", 1);
	f->source = (struct source_settings){.name = "local", .kind = "manifests", .path = f->path};
	assert_int_equal(
		cluster_open(&f->cluster, &f->loop, &f->source, f->model, &handlers, &reason), 0);
	uv_prepare_init(&f->loop, &f->prepare);
	f->prepare.data = f;
	uv_prepare_start(&f->prepare, count_turn);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char command[128];

	cluster_close(f->cluster);
	uv_close((uv_handle_t *)&f->prepare, NULL);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	model_free(f->model);
	snprintf(command, sizeof(command), "rm -rf %s", f->path);
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

static void run_until_port(struct fixture *f, const char *name, unsigned port)
{
	while (port_of(f, name) != port && f->turns < TURNS)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_int_equal(port_of(f, name), port);
}

static void test_in_slices(void **state)
{
	struct fixture *f = *state;
	char path[128];

	snprintf(path, sizeof(path), "%s/b.yaml", f->path);
	assert_int_equal(unlink(path), 0); // where is it now? The directory is looked through
	while (f->turns < 3)
		uv_run(&f->loop, UV_RUN_ONCE); // told of, begun
	put(f, "a", 2);
	run_until_port(f, "a", 2);
	assert_int_equal(port_of(f, "b"), 1);
	run_until_port(f, "b", 0);
	assert_true(f->turns >= 3 + LARGE / 2048);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_in_slices, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
