// SPDX-License-Identifier: BSD-3-Clause
// Two boxes that do not hear each other read one cluster and write to it, each in an order of its
// own: no address is given to two Services, and in the end both have what the cluster says.
#include "plan.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model.h"

#define BOXES    2
#define SERVICES 12
#define ROUNDS   300

struct box {
	struct settings *settings;
	struct model *model;
	struct planning *planning;
	struct plan *plan;
	struct addr row[SERVICES];                     // what its status writer was told last
	struct addr writing[SERVICES];                 // on the way to the cluster
	unsigned seen[SERVICES], written_of[SERVICES]; // versions
	bool is_writing[SERVICES], is_behind[SERVICES];
};

struct cluster {
	bool is_there[SERVICES];
	struct addr said[SERVICES];
	unsigned version[SERVICES];
};

static unsigned one_of(unsigned *seed, unsigned count)
{
	*seed = *seed * 1103515245 + 12345;
	return (*seed >> 16) % count;
}

static struct settings *settings_of(unsigned number, const char *pool)
{
	char text[1024];
	struct reason reason = {0};
	struct settings *settings;

	snprintf(text, sizeof(text),
		"ports = ( { name = \"wan\"; kind = \"tap\"; device = \"x\"; addresses = [ "
		"\"192.0.2.%u/24\" ]; } );\npools = ( { name = \"p\"; addresses = [ \"%s\" ]; } "
		");\npair = { interface = \"wan\"; peer = \"192.0.2.%u\"; };\n",
		2 + number, pool, 3 - number);
	settings = settings_parse(text, "t.conf", &reason);
	assert_non_null(settings);
	assert_int_equal(settings->pair.second, number == 1);
	return settings;
}

static struct object *service_of(unsigned i, const struct addr *said)
{
	char name[16];
	struct service *s;
	struct service_port *port;

	snprintf(name, sizeof(name), "s%u", i);
	s = (struct service *)object_new(OBJECT_SERVICE, "c", "default", name);
	port = arena_take(&s->object.arena, sizeof(*port));
	*port = (struct service_port){.name = "",
		.protocol_text = "TCP",
		.protocol = IPPROTO_TCP,
		.port = 80,
		.target_name = ""};
	s->type = SERVICE_LOAD_BALANCER;
	s->class = s->requested = "";
	s->ports = port;
	s->port_count = 1;
	s->object.created = i;
	s->object.digest = i + 1;
	s->object.status.said[0] = *said;
	return &s->object;
}

static struct addr address_of(const struct plan *plan, unsigned i)
{
	static const struct addr none;
	char name[32];

	snprintf(name, sizeof(name), "c/default/s%u", i);
	for (unsigned v = 0; plan && v < plan->vip_count; v++)
		for (unsigned n = 0; n < plan->vips[v]->service_count; n++)
			if (strcmp(plan->vips[v]->services[n], name) == 0)
				return plan->vips[v]->address;
	return none;
}

static const struct addr *said_in(const struct model *model, unsigned i)
{
	char name[16];

	snprintf(name, sizeof(name), "s%u", i);
	return &model_find(model, OBJECT_SERVICE, "c", "default", name)->status.said[0];
}

static void open_box(struct box *box, unsigned number, const char *pool)
{
	*box = (struct box){.settings = settings_of(number, pool),
		.model = model_new(),
		.planning = planning_new()};
}

static void close_box(struct box *box)
{
	plan_free(box->plan);
	planning_free(box->planning);
	model_free(box->model);
	settings_free(box->settings);
}

// As main.c and status/ do: rows that changed are written, but what the object says already.
static void plan_and_write(struct box *box)
{
	struct plan *plan = plan_next(box->planning, box->model, box->settings,
		box->plan ? box->plan->leases : NULL, box->plan ? box->plan->lease_count : 0);

	assert_non_null(plan);
	plan_free(box->plan);
	box->plan = plan;
	for (unsigned i = 0; i < SERVICES; i++) {
		struct addr address = address_of(plan, i);

		if (addr_is_zero(&address) || addr_compare(&address, &box->row[i]) == 0)
			continue;
		box->row[i] = address;
		if (addr_compare(&address, said_in(box->model, i)) == 0)
			continue;
		box->writing[i] = address;
		box->written_of[i] = box->seen[i];
		box->is_writing[i] = true;
	}
}

static void see(struct box *box, const struct cluster *cluster, unsigned i)
{
	struct object *object = service_of(i, &cluster->said[i]);
	char origin[16];

	snprintf(origin, sizeof(origin), "s%u", i);
	assert_int_equal(model_replace(box->model, "c", origin, &object, 1, NULL, 0), 0);
	box->is_behind[i] = false;
	box->seen[i] = cluster->version[i];
	plan_and_write(box);
}

static void land(struct box *boxes, unsigned b, struct cluster *cluster, unsigned i)
{
	static const struct addr none;

	boxes[b].is_writing[i] = false;
	if (boxes[b].written_of[i] != cluster->version[i]) {
		boxes[b].row[i] = none; // 409: again, after it was seen
		return;
	}
	cluster->version[i]++;
	cluster->said[i] = boxes[b].writing[i];
	for (unsigned n = 0; n < BOXES; n++)
		boxes[n].is_behind[i] = true;
}

static void check_nothing_twice(const struct box *boxes)
{
	for (unsigned i = 0; i < SERVICES; i++)
		for (unsigned j = 0; j < SERVICES; j++) {
			struct addr a = address_of(boxes[0].plan, i);
			struct addr b = address_of(boxes[1].plan, j);

			if (i != j && !addr_is_zero(&a))
				assert_int_not_equal(addr_compare(&a, &b), 0);
		}
}

// False: there is nothing left to be done.
static bool step(struct box *boxes, struct cluster *cluster, unsigned *seed)
{
	unsigned from = one_of(seed, BOXES * SERVICES * 3);

	for (unsigned n = 0; n < BOXES * SERVICES * 3; n++) {
		unsigned at = (from + n) % (BOXES * SERVICES * 3);
		unsigned b = at % BOXES, i = at / BOXES % SERVICES, what = at / BOXES / SERVICES;

		if (what == 0 && !cluster->is_there[i]) {
			cluster->is_there[i] = true;
			boxes[0].is_behind[i] = boxes[1].is_behind[i] = true;
			return true;
		}
		if (what == 1 && boxes[b].is_behind[i]) {
			see(&boxes[b], cluster, i);
			return true;
		}
		if (what == 2 && boxes[b].is_writing[i]) {
			land(boxes, b, cluster, i);
			return true;
		}
	}
	return false;
}

static void check_settled(const struct box *boxes, const struct cluster *cluster)
{
	for (unsigned b = 0; b < BOXES; b++)
		for (unsigned i = 0; i < SERVICES; i++) {
			struct addr address = address_of(boxes[b].plan, i);

			assert_false(addr_is_zero(&address));
			assert_int_equal(addr_compare(&address, &cluster->said[i]), 0);
		}
}

static void test_two_boxes_agree(void **state)
{
	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct box boxes[BOXES];
		struct cluster cluster = {0};
		unsigned seed = round, steps = 0;

		for (unsigned b = 0; b < BOXES; b++)
			open_box(&boxes[b], b, "198.51.100.0/24");
		while (step(boxes, &cluster, &seed)) {
			check_nothing_twice(boxes);
			assert_true(++steps < 10000);
		}
		check_settled(boxes, &cluster);
		for (unsigned b = 0; b < BOXES; b++)
			close_box(&boxes[b]);
	}
}

static bool has_problem(const struct plan *plan, const char *object, const char *text)
{
	for (unsigned i = 0; i < plan->problem_count; i++)
		if (strcmp(plan->problems[i]->object, object) == 0 &&
			strstr(plan->problems[i]->text, text))
			return true;
	return false;
}

static void test_what_was_given_twice_the_older_keeps(void **state)
{
	struct box box;
	struct cluster cluster = {0};
	struct addr twice;

	(void)state;
	assert_int_equal(addr_parse(&twice, "198.51.100.7"), 0);
	open_box(&box, 0, "198.51.100.0/24");
	cluster.said[3] = cluster.said[5] = twice;
	see(&box, &cluster, 5);
	see(&box, &cluster, 3);
	assert_true(has_problem(box.plan, "Service c/default/s5", "given twice"));
	assert_false(has_problem(box.plan, "Service c/default/s3", "given twice"));
	assert_int_equal(addr_compare(&box.row[3], &twice), 0);
	assert_int_not_equal(addr_compare(&box.row[5], &twice), 0);
	assert_true(box.is_writing[5]);
	cluster.said[5] = box.writing[5];
	see(&box, &cluster, 5);
	assert_false(has_problem(box.plan, "Service c/default/s5", "given twice"));
	close_box(&box);
}

static bool never(void *arg)
{
	(void)arg;
	return false;
}

static void test_who_waits_takes_what_the_other_gives(void **state)
{
	struct box box;
	struct cluster cluster = {0};

	(void)state;
	open_box(&box, 1, "198.51.100.0/24");
	planning_ask_gives(box.planning, never, NULL);
	see(&box, &cluster, 1);
	assert_int_equal(box.plan->vip_count, 0);
	assert_false(has_problem(box.plan, "Service c/default/s1", "address"));
	assert_int_equal(addr_parse(&cluster.said[1], "198.51.100.9"), 0);
	see(&box, &cluster, 1);
	assert_int_equal(addr_compare(&box.row[1], &cluster.said[1]), 0);
	see(&box, &cluster, 2);
	planning_ask_gives(box.planning, NULL, NULL);
	planning_gives_changed(box.planning);
	plan_and_write(&box);
	assert_false(addr_is_zero(&box.row[2]));
	close_box(&box);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_boxes_agree),
		cmocka_unit_test(test_what_was_given_twice_the_older_keeps),
		cmocka_unit_test(test_who_waits_takes_what_the_other_gives),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
