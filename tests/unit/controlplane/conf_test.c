// SPDX-License-Identifier: BSD-3-Clause
// The configuration's text changed key by key: what it says afterwards, and that all else stays.
// And the reader's own table of keys.
#include "conf_tree.h"

#include "settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TEXT                                                                                       \
	"// head\n"                                                                                \
	"dataplane = {\n"                                                                          \
	"\tworkers = 1; // one\n"                                                                  \
	"};\n"                                                                                     \
	"pools = (\n"                                                                              \
	"\t{\n"                                                                                    \
	"\t\tname = \"a\"; # the first\n"                                                          \
	"\t\taddresses = [ \"192.0.2.1\" ];\n"                                                     \
	"\t}\n"                                                                                    \
	");\n"                                                                                     \
	"routes = (\n"                                                                             \
	"\t// none\n"                                                                              \
	");\n"                                                                                     \
	"group = \"x\""

struct edit_row {
	const char *path, *value; // NULL: delete
	const char *from, *to;    // what becomes of a part of TEXT; or
	const char *reason;       // the beginning of why not
};

static const struct edit_row edits[] = {
	{"dataplane.workers", "2", "workers = 1; // one", "workers = 2; // one", NULL},
	{"dataplane.workers", "[1, 2]", "workers = 1;", "workers = [1, 2];", NULL},
	{"dataplane.idle", "poll", "// one\n", "// one\n\tidle = \"poll\";\n", NULL},
	{"group", "y z", "\"x\"", "\"y z\"", NULL},
	{"group", "\"a\\\"b\"", "\"x\"", "\"a\\\"b\"", NULL},
	{"group", "1", "\"x\"", "\"1\"", NULL},
	{"run_dir", "/r", "\"x\"", "\"x\";\nrun_dir = \"/r\";", NULL},
	{"pools.a.addresses", "192.0.2.0/28, 192.0.2.77", "[ \"192.0.2.1\" ]",
		"[ \"192.0.2.0/28\", \"192.0.2.77\" ]", NULL},
	{"pools[0].addresses", "[ \"1\" ]", "[ \"192.0.2.1\" ]", "[ \"1\" ]", NULL},
	{"pools.a.addresses[1]", "\"2\"", "[ \"192.0.2.1\" ]", "[ \"192.0.2.1\", \"2\" ]", NULL},
	{"pools.a.auto_assign", "false", "];\n\t}", "];\n\t\tauto_assign = false;\n\t}", NULL},
	{"pools.b.priority", "5", "\t}\n)",
		"\t},\n\t{\n\t\tname = \"b\";\n\t\tpriority = 5;\n\t}\n)", NULL},
	{"pools.b.name", "b", "\t}\n)", "\t},\n\t{\n\t\tname = \"b\";\n\t}\n)", NULL},
	{"pools.b", "{ name = \"b\"; }", "\t}\n)", "\t},\n\t{ name = \"b\"; }\n)", NULL},
	{"routes[0.0.0.0/0].via", "192.0.2.9", "none\n",
		"none\n\t{\n\t\tto = \"0.0.0.0/0\";\n\t\tvia = \"192.0.2.9\";\n\t}\n", NULL},
	{"bgp.peers.t.asn", "5", "\"x\"",
		"\"x\";\nbgp = {\n\tpeers = (\n\t\t{\n\t\t\tname = \"t\";\n\t\t\tasn = "
		"5;\n\t\t}\n\t);\n};",
		NULL},
	{"dataplane.workers", NULL, "\tworkers = 1; // one\n", "", NULL},
	{"pools.a.name", NULL, "\t\tname = \"a\"; # the first\n", "", NULL},
	{"pools.a.addresses[0]", NULL, "[ \"192.0.2.1\" ]", "[ ]", NULL},
	{"group", NULL, "group = \"x\"", "", NULL},
	{"nonsense.a", "1", NULL, NULL, "nonsense.a: unknown key, expected one of: dataplane,"},
	{"pools.a.x", "1", NULL, NULL, "pools.a.x: unknown key, expected one of: name, addresses"},
	{"ports[3].mtu", "1", NULL, NULL, "ports[3].mtu: there is no \"ports\""},
	{"group.x", "1", NULL, NULL, "group.x: unknown key"},
	{"group", "", NULL, NULL, "found nothing, expected the name of a group"},
	{"group", "\"a", NULL, NULL, "found \"a, expected a value"},
	{"group", "\"a\"; b = 1", NULL, NULL, "found \"a\"; b = 1, expected a value"},
	{"pools", "( { name = \"b\" } ) )", NULL, NULL, "found ( {"},
	{"a..b", "1", NULL, NULL, "found \"a..b\", expected a path"},
	{"[", "1", NULL, NULL, "found \"[\", expected a path"},
	{"", "1", NULL, NULL, "found \"\", expected a path"},
	{"pools.c", NULL, NULL, NULL, "pools.c: \"c\" is not in the configuration"},
};

// TEXT with `from` replaced.
static char *expected(const struct edit_row *row)
{
	const char *at = strstr(TEXT, row->from);
	char *text = NULL;

	assert_non_null(at);
	if (asprintf(&text, "%.*s%s%s", (int)(at - TEXT), TEXT, row->to, at + strlen(row->from)) <
		0)
		return NULL;
	return text;
}

static void one_key_changes(void **state)
{
	struct settings_keys *keys = settings_keys_new();
	const char *constant = TEXT;

	(void)state;
	assert_non_null(keys);
	for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
		const struct edit_row *row = &edits[i];
		struct reason reason = {0};
		char *text = row->value ? conf_set(constant, row->path, row->value, keys, &reason)
					: conf_delete(constant, row->path, &reason);

		if (row->reason) {
			assert_null(text);
			if (strncmp(reason_text(&reason), row->reason, strlen(row->reason)) != 0)
				fail_msg("%s: %s", row->path, reason_text(&reason));
		} else {
			char *wanted = expected(row);

			if (!text)
				fail_msg("%s: %s", row->path, reason_text(&reason));
			assert_string_equal(text, wanted);
			free(wanted);
		}
		reason_clear(&reason);
		free(text);
	}
	settings_keys_free(keys);
}

static void parts_are_shown(void **state)
{
	static const char *const rows[][2] = {
		{"dataplane.workers", "workers = 1;"},
		{"pools.a.addresses", "addresses = [ \"192.0.2.1\" ];"},
		{"routes", "routes = (\n\t// none\n);"},
		{"group", "group = \"x\""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct reason reason = {0};
		char *text = conf_show(TEXT, rows[i][0], &reason);

		assert_string_equal(text, rows[i][1]);
		free(text);
	}
}

static void texts_that_are_none(void **state)
{
	static const char *const rows[] = {"a", "a = ", "a = {", "a = ( 1", "a = [1 2];", "= 1",
		"a = \"", "a 1", "a = }", "a = b/* no end", "/* no end"};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct reason reason = {0};

		assert_null(conf_parse(rows[i], &reason));
		assert_int_equal(reason.count, 1);
		reason_clear(&reason);
	}
}

static void differences_are_lines(void **state)
{
	static const char *const rows[][3] = {
		{"a\nb\n", "a\nb\n", ""},
		{"a\nb\n", "a\nc\n", "@@ line 1 @@\n a\n-b\n+c\n"},
		{"", "a\n", "@@ line 1 @@\n+a\n"},
		{"a\n", "", "@@ line 1 @@\n-a\n"},
		{"1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\n6\n7\n8\n9\n",
			"@@ line 3 @@\n 3\n 4\n-5\n 6\n 7\n"},
		{"1\n2\n3\n4\n5\n6\n7\n8\n", "0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n",
			"@@ line 1 @@\n+0\n 1\n 2\n@@ line 8 @@\n 7\n 8\n+9\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *text = conf_compare(rows[i][0], rows[i][1]);

		assert_string_equal(text, rows[i][2]);
		free(text);
	}
}

static void the_reader_tells_its_keys(void **state)
{
	static const struct {
		const char *path;
		enum settings_key_kind kind;
		const char *what;
	} rows[] = {
		{"dataplane", KEY_GROUP, NULL},
		{"dataplane.workers", KEY_ANY, NULL},
		{"dataplane.idle", KEY_CHOICE, "adaptive|poll"},
		{"ports[].vlans[].id", KEY_NUMBER, "a number from 1 to 4094"},
		{"ports[].kind", KEY_CHOICE, "af_packet|af_xdp|tap|memif|pci|pcap"},
		{"pools[].auto_assign", KEY_BOOL, "true or false"},
		{"pools[].addresses", KEY_TEXTS, NULL},
		{"bgp.peers[].address", KEY_TEXT, "an address, IPv4 or IPv6"},
		{"shares[].clusters[].weight", KEY_NUMBER, NULL},
		{"ingress.hsts", KEY_NUMBER, NULL},
		{"state_dir", KEY_TEXT, "a directory"},
	};
	struct settings_keys *keys = settings_keys_new();

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct settings_key *key = settings_keys_find(keys, rows[i].path);

		if (!key) {
			fail_msg("no key %s", rows[i].path);
			return;
		}
		assert_int_equal(key->kind, rows[i].kind);
		if (rows[i].what)
			assert_string_equal(key->what, rows[i].what);
	}
	settings_keys_free(keys);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_key_changes),
		cmocka_unit_test(parts_are_shown),
		cmocka_unit_test(texts_that_are_none),
		cmocka_unit_test(differences_are_lines),
		cmocka_unit_test(the_reader_tells_its_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
