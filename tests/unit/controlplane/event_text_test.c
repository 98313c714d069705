// SPDX-License-Identifier: BSD-3-Clause
// Which object a problem is about, and the Event that tells it.
#include "event_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_objects(void **state)
{
	static const struct {
		const char *text;
		bool is;
		enum object_kind kind;
		const char *cluster, *namespace, *name;
	} rows[] = {
		{"Service prod/shop/web", true, OBJECT_SERVICE, "prod", "shop", "web"},
		{"Ingress a/b/c.d-e", true, OBJECT_INGRESS, "a", "b", "c.d-e"},
		{"Node prod/node-1", true, OBJECT_NODE, "prod", "", "node-1"},
		{"IngressClass prod/sluice", true, OBJECT_INGRESS_CLASS, "prod", "", "sluice"},
		{"cluster prod", false, 0, "", "", ""},
		{"Pod prod/shop/web", false, 0, "", "", ""},
		{"Service prod", false, 0, "", "", ""},
		{"Service prod/", false, 0, "", "", ""},
		{"Service /shop/web", false, 0, "", "", ""},
		{"Service prod/shop/", false, 0, "", "", ""},
		{"Service prod/shop/web ?", false, 0, "", "", ""},
		{"", false, 0, "", "", ""},
		{"the address of the Ingresses", false, 0, "", "", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct event_object object;

		assert_int_equal(event_object_of(rows[i].text, &object), rows[i].is);
		if (!rows[i].is)
			continue;
		assert_int_equal(object.kind, rows[i].kind);
		assert_string_equal(object.cluster, rows[i].cluster);
		assert_string_equal(object.namespace, rows[i].namespace);
		assert_string_equal(object.name, rows[i].name);
	}
}

static void test_the_event(void **state)
{
	struct plan_problem problem = {.level = PROBLEM_ERROR,
		.object = (char *)(uintptr_t) "Service prod/shop/web",
		.text = (char *)(uintptr_t) "found \"a\\b\"\nexpected c"};
	struct event_object object;
	uint64_t hash = event_hash(&problem);
	char *path, *body;

	(void)state;
	assert_true(event_object_of(problem.object, &object));
	path = event_path(&object);
	assert_string_equal(path, "/api/v1/namespaces/shop/events");
	body = event_body(&object, &problem, "u-1", 1714557600);
	assert_non_null(strstr(body, "\"message\":\"found \\\"a\\\\b\\\" expected c\""));
	assert_non_null(strstr(body, "\"uid\":\"u-1\""));
	assert_non_null(strstr(body, "\"reason\":\"NotServed\""));
	assert_non_null(strstr(body, "\"lastTimestamp\":\"2024-05-01T10:00:00Z\""));
	assert_non_null(strstr(body, "\"name\":\"web."));
	free(body);
	free(path);
	problem.text = (char *)(uintptr_t) "another";
	assert_true(event_hash(&problem) != hash);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_objects),
		cmocka_unit_test(test_the_event),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
