// SPDX-License-Identifier: BSD-3-Clause
// sluice.conf: what is read, and that every mistake is told where it is.
#include "settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct settings *parse_good(const char *text)
{
	struct reason reason = {0};
	struct settings *settings = settings_parse(text, "t.conf", &reason);

	if (!settings)
		print_error("%s\n", reason_text(&reason));
	assert_non_null(settings);
	assert_int_equal(reason.count, 0);
	return settings;
}

#define PORTS                                                                                      \
	"ports = ( { name = \"wan\"; kind = \"tap\"; device = \"x\"; addresses = [ "               \
	"\"192.0.2.2/24\", \"2001:db8::2/64\" ]; } );\n"

// The text has exactly the mistakes given, in any order; each is the beginning of a line.
static void check_mistakes(const char *text, const char *const *mistakes)
{
	struct reason reason = {0};
	struct settings *settings = settings_parse(text, "t.conf", &reason);
	unsigned count = 0;

	assert_null(settings);
	for (; mistakes[count]; count++) {
		const char *at = strstr(reason_text(&reason), mistakes[count]);

		if (!at || (at != reason_text(&reason) && at[-1] != '\n')) {
			print_error(
				"not told: %s\nbut:\n%s\n", mistakes[count], reason_text(&reason));
			fail();
		}
	}
	if (count != reason.count)
		print_error("expected %u mistakes:\n%s\n", count, reason_text(&reason));
	assert_int_equal(reason.count, count);
	reason_clear(&reason);
}

#define MISTAKES(text, ...) check_mistakes(text, (const char *const[]){__VA_ARGS__, NULL})

static void test_defaults(void **state)
{
	struct settings *s = parse_good(PORTS);

	(void)state;
	assert_string_equal(s->file, "t.conf");
	assert_int_equal(s->dataplane.worker_count, 1);
	assert_int_equal(s->dataplane.idle, IDLE_ADAPTIVE);
	assert_int_equal(s->dataplane.hugepages, HUGEPAGES_AUTO);
	assert_int_equal(s->dataplane.flows, 262144);
	assert_int_equal(s->dataplane.neighbours, 4096);
	assert_int_equal(s->port_count, 1);
	assert_int_equal(s->ports[0].mtu, 1500);
	assert_int_equal(s->ports[0].queues, 0);
	assert_string_equal(s->ports[0].options, "");
	assert_int_equal(s->ports[0].address_count, 2);
	assert_int_equal(s->ports[0].addresses[0].length, 24);
	assert_int_equal(s->ports[0].addresses[0].addr.byte[15], 2); // host bits are kept
	assert_int_equal(s->snat.range_count, 0);
	assert_int_equal(s->snat.port_first, 10000);
	assert_int_equal(s->snat.port_last, 59999);
	assert_int_equal(s->timeouts.tcp_established, 7800);
	assert_int_equal(s->timeouts.udp_unreplied, 30);
	assert_int_equal(s->source_count, 1);
	assert_string_equal(s->sources[0].name, "local");
	assert_string_equal(s->sources[0].kind, "manifests");
	assert_string_equal(s->sources[0].path, "/etc/sluice/manifests");
	assert_int_equal(s->defaults.mode, MODE_FULL_NAT);
	assert_int_equal(s->defaults.algorithm, ALGORITHM_MAGLEV);
	assert_true(s->defaults.classless);
	assert_string_equal(s->run_dir, "/run/sluice");
	assert_string_equal(s->state_dir, "/var/lib/sluice");
	assert_string_equal(s->group, "sluice");
	settings_free(s);
}

static void test_everything(void **state)
{
	struct settings *s = parse_good(
		"dataplane = { workers = [3, 1, 3]; main_cpu = 2; idle = \"poll\"; hugepages = "
		"\"off\"; memory_mb = 512; flows = 1024; buffers = 2048; neighbours = 64; "
		"crypto_cpus = [7, 9]; };\n"
		"ports = ( { name = \"wan\"; kind = \"af_xdp\"; device = \"eth0\"; options = "
		"\"a=b\"; mtu = 9000; queues = 2; vlans = ( { id = 4094; addresses = [ "
		"\"10.0.0.1/31\" ]; } ); },\n"
		"{ name = \"lan\"; kind = \"memif\"; device = \"/run/m.sock\"; addresses = [ "
		"\"2001:db8:5::1/64\" ]; } );\n"
		"routes = ( { to = \"0.0.0.0/0\"; via = \"10.0.0.0\"; }, { to = \"::/0\"; via = "
		"\"2001:db8:5::2\"; } );\n"
		"snat = { addresses = [ \"198.51.100.1\", \"198.51.100.8/30\" ]; ports = "
		"\"2000-2100\"; };\n"
		"timeouts = { tcp_syn = 1; tcp_established = 2; tcp_fin = 3; tcp_closed = 4; udp = "
		"5; udp_unreplied = 6; };\n"
		"pools = ( { name = \"p\"; addresses = [ \"192.0.2.1-192.0.2.9\", "
		"\"2001:db8::100/120\" ]; interfaces = [ \"wan.4094\", \"lan\" ]; } );\n"
		"sources = ( { name = \"a\"; kind = \"manifests\"; path = \"/a\"; } );\n"
		"defaults = { mode = \"dsr\"; algorithm = \"source-hash\"; classless = false; };\n"
		"run_dir = \"/r\"; state_dir = \"/s\"; group = \"g\";\n");
	struct addr addr;

	(void)state;
	assert_int_equal(s->dataplane.worker_count, 3);
	assert_int_equal(s->dataplane.worker_cpus[0], 3);
	assert_int_equal(s->dataplane.worker_cpus[2], 3);
	assert_int_equal(s->dataplane.main_cpu, 2);
	assert_int_equal(s->dataplane.idle, IDLE_POLL);
	assert_int_equal(s->dataplane.hugepages, HUGEPAGES_OFF);
	assert_int_equal(s->dataplane.memory_mb, 512);
	assert_int_equal(s->dataplane.flows, 1024);
	assert_int_equal(s->ports[0].mtu, 9000);
	assert_int_equal(s->ports[0].queues, 2);
	assert_int_equal(s->ports[0].line, 2);
	assert_int_equal(s->ports[1].line, 3);
	assert_int_equal(s->ports[0].vlans[0].id, 4094);
	assert_int_equal(s->ports[0].vlans[0].address_count, 1);
	assert_int_equal(s->route_count, 2);
	assert_int_equal(s->routes[1].to.length, 0);
	assert_int_equal(s->snat.range_count, 2);
	assert_int_equal(addr_parse(&addr, "198.51.100.11"), 0);
	assert_int_equal(addr_compare(&s->snat.ranges[1].last, &addr), 0);
	assert_int_equal(s->snat.port_last, 2100);
	assert_int_equal(s->timeouts.udp_unreplied, 6);
	assert_int_equal(addr_parse(&addr, "2001:db8::1ff"), 0);
	assert_int_equal(addr_compare(&s->pools[0].ranges[1].last, &addr), 0);
	assert_int_equal(s->pools[0].interface_count, 2);
	assert_int_equal(s->dataplane.crypto_count, 2);
	assert_int_equal(s->dataplane.crypto_cpus[1], 9);
	assert_string_equal(s->sources[0].path, "/a");
	assert_int_equal(s->defaults.mode, MODE_DSR);
	assert_int_equal(s->defaults.algorithm, ALGORITHM_SOURCE_HASH);
	assert_false(s->defaults.classless);
	settings_free(s);
}

static void test_worker_count(void **state)
{
	struct settings *s = parse_good("dataplane = { workers = 4; };\n" PORTS);

	(void)state;
	assert_int_equal(s->dataplane.worker_count, 4);
	for (unsigned i = 0; i < 4; i++)
		assert_true(s->dataplane.worker_cpus[i] < (unsigned)sysconf(_SC_NPROCESSORS_ONLN));
	settings_free(s);
}

static void test_wrong_values(void **state)
{
	(void)state;
	MISTAKES("dataplane = {\n workers = 0;\n idle = \"sleepy\";\n flows = \"many\";\n main_cpu "
		 "= "
		 "-1;\n memory_mb = 1.5;\n colour = 1;\n};\n" PORTS,
		"t.conf:2: dataplane.workers: found 0, expected a count of workers from 1 to 64",
		"t.conf:3: dataplane.idle: found \"sleepy\", expected one of \"adaptive\", "
		"\"poll\"",
		"t.conf:4: dataplane.flows: found \"many\", expected a number from 64 to",
		"t.conf:5: dataplane.main_cpu: found -1, expected a number from 0 to 1023",
		"t.conf:6: dataplane.memory_mb: found 1.5, expected a number",
		"t.conf:7: dataplane.colour: unknown key, expected one of: workers, main_cpu");
	MISTAKES("dataplane = { workers = [1, 9999]; };\n" PORTS,
		"t.conf:1: dataplane.workers[1]: found 9999, expected");
	MISTAKES("dataplane = { workers = []; };\n" PORTS,
		"t.conf:1: dataplane.workers: found an array");
	MISTAKES("dataplane = { crypto_cpus = 2; };\n" PORTS,
		"t.conf:1: dataplane.crypto_cpus: found 2, expected an array of CPU numbers");
	MISTAKES("dataplane = ( 1 );\nsnat = 5;\n" PORTS,
		"t.conf:1: dataplane: found a list ( ... ), expected a group",
		"t.conf:2: snat: found 5, expected a group");
	MISTAKES(PORTS "timeouts = { udp = 0; tcp_syn = 9999999; other = 1; };\n",
		"t.conf:2: timeouts.udp: found 0", "t.conf:2: timeouts.tcp_syn: found 9999999",
		"t.conf:2: timeouts.other: unknown key");
	MISTAKES(PORTS "defaults = { mode = \"nat\"; algorithm = 5; classless = \"no\"; };\n",
		"t.conf:2: defaults.mode: found \"nat\", expected one of \"full-nat\", \"dnat\", "
		"\"dsr\"",
		"t.conf:2: defaults.algorithm: found 5, expected one of \"maglev\"",
		"t.conf:2: defaults.classless: found \"no\", expected true or false");
	MISTAKES(PORTS "snat = { ports = \"1023-2000\"; addresses = ( \"a-b\", 7 ); };\n",
		"t.conf:2: snat.ports: found \"1023-2000\"",
		"t.conf:2: snat.addresses[0]: found \"a-b\"",
		"t.conf:2: snat.addresses[1]: found 7, expected a text");
}

static void test_wrong_ports(void **state)
{
	(void)state;
	MISTAKES("pools = ();\n", "t.conf:1: ports: no port, expected at least one");
	MISTAKES("ports = (\n{ kind = \"tap\"; device = \"x\"; },\n{ name = \"b\"; kind = \"tap\"; "
		 "device = \"y\"; mtu = 9001; queues = 65; adresses = []; } );\n",
		"t.conf:2: ports[0].name: missing, expected a name",
		"t.conf:3: ports[1].mtu: found 9001, expected a number from 576 to 9000",
		"t.conf:3: ports[1].queues: found 65", "t.conf:3: ports[1].adresses: unknown key");
	MISTAKES("ports = ( { name = \"Wan\"; kind = \"floppy\"; device = \"x\"; },\n{ name = "
		 "\"lo\"; "
		 "kind = \"tap\"; device = \"y\"; },\n{ name = \"twelve-chars\"; kind = \"tap\"; "
		 "device "
		 "= \"z\"; } );\n",
		"t.conf:1: ports[0].name: found \"Wan\", expected 1 to 11 characters",
		"t.conf:1: ports[0].kind: found \"floppy\", expected \"af_packet\"",
		"t.conf:2: ports[1].name: found \"lo\"",
		"t.conf:3: ports[2].name: found \"twelve-chars\"");
	MISTAKES("ports = ( { name = \"a\"; kind = \"tap\"; device = \"x\"; },\n{ name = \"a\"; "
		 "kind = "
		 "\"tap\"; device = \"x\"; },\n{ name = \"eth7\"; kind = \"af_packet\"; device = "
		 "\"eth7\"; } );\n",
		"t.conf:2: ports[1].name: found \"a\", which ports[0] has already",
		"t.conf:2: ports[1].device: found \"x\", which ports[0] drives already",
		"t.conf:3: ports[2].name: found \"eth7\", which is the network interface");
	MISTAKES("ports = ( { name = \"abcdefghijk\"; kind = \"tap\"; device = \"x\"; vlans = (\n{ "
		 "id "
		 "= 4095; },\n{ id = 1000; },\n{ id = 7; },\n{ id = 7; },\n{ } ); } );\n",
		"t.conf:2: ports[0].vlans[0].id: found 4095, expected a number from 1 to 4094",
		"t.conf:3: ports[0].vlans[1].id: the interface would be called "
		"\"abcdefghijk.1000\"",
		"t.conf:5: ports[0].vlans[3].id: found 7, which ports[0].vlans[2] has already",
		"t.conf:6: ports[0].vlans[4]: ");
}

static void test_wrong_addresses(void **state)
{
	(void)state;
	MISTAKES("ports = ( { name = \"a\"; kind = \"tap\"; device = \"x\"; addresses = [\n"
		 "\"192.0.2.2/33\",\n\"192.0.2.2\",\n\"192.0.2.0/24\",\n\"224.0.0.1/"
		 "24\",\n\"127.0.0.1/"
		 "8\",\n\"192.0.2.7/24\",\n\"192.0.2.7/25\",\n\"::1/64\" ]; } );\n",
		"t.conf:2: ports[0].addresses[0]: found \"192.0.2.2/33\", expected an address with",
		"t.conf:3: ports[0].addresses[1]: found \"192.0.2.2\"",
		"t.conf:4: ports[0].addresses[2]: 192.0.2.0 is the network",
		"t.conf:5: ports[0].addresses[3]: 224.0.0.1 is a multicast",
		"t.conf:6: ports[0].addresses[4]: 127.0.0.1 is a loopback",
		"t.conf:8: ports[0].addresses[6]: found 192.0.2.7, which ports[0].addresses[5] has",
		"t.conf:9: ports[0].addresses[7]: ::1 is a loopback");
	MISTAKES(PORTS
		"routes = (\n{ to = \"10.0.0.1/8\"; via = \"192.0.2.1\"; },\n{ to = \"0.0.0.0/0\"; "
		"via = \"203.0.113.1\"; },\n{ to = \"10.0.0.0/8\"; via = \"2001:db8::1\"; },\n{ to "
		"= \"0.0.0.0/0\"; via = \"192.0.2.2\"; },\n{ to = \"::/0\"; via = \"fe80::1\"; } "
		");\n",
		"t.conf:3: routes[0].to: found \"10.0.0.1/8\", expected a prefix",
		"t.conf:4: routes[1].via: found 203.0.113.1, which is in the subnet of no "
		"interface",
		"t.conf:5: routes[2].via: found 2001:db8::1, expected an address of the family",
		"t.conf:6: routes[3].via: found 192.0.2.2, which is our own address",
		"t.conf:6: routes[3].to: found 0.0.0.0/0, which routes[1] has already",
		"t.conf:7: routes[4].via: found fe80::1, which is in the subnet of every "
		"interface");
}

static void test_wrong_pools(void **state)
{
	(void)state;
	MISTAKES(PORTS
		"pools = (\n{ name = \"a\"; addresses = [ \"192.0.2.0/28\" ]; interfaces = [ "
		"\"wan.5\" ]; },\n{ name = \"a\"; addresses = [ \"192.0.2.20-192.0.2.10\" ]; },\n{ "
		"name = \"c\"; },\n{ name = \"d d\"; addresses = [ \"192.0.2.8\", "
		"\"224.0.0.0/24\", "
		"\"198.51.100.0/24\" ]; } );\n"
		"snat = { addresses = [ \"198.51.100.7\" ]; };\n",
		"t.conf:3: pools[0].addresses[0]: holds 192.0.2.2, which is the appliance's own",
		"t.conf:3: pools[0].interfaces[0]: found \"wan.5\", expected the name of a port",
		"t.conf:4: pools[1].name: found \"a\", which pools[0] has already",
		"t.conf:4: pools[1].addresses[0]: found \"192.0.2.20-192.0.2.10\"",
		"t.conf:5: pools[2].addresses: no address",
		"t.conf:6: pools[3].name: found \"d d\"",
		"t.conf:6: pools[3].addresses[0]: overlaps pools[0].addresses[0]",
		"t.conf:6: pools[3].addresses[1]: 224.0.0.0 is a multicast",
		"t.conf:7: snat.addresses[0]: overlaps pools[3].addresses[2]");
	MISTAKES(PORTS "sources = (\n{ name = \"A\"; kind = \"docker\"; },\n{ name = \"x\"; kind = "
		       "\"manifests\"; path = \"/a\"; },\n{ name = \"x\"; path = \"\"; } );\n",
		"t.conf:3: sources[0].name: found \"A\"",
		"t.conf:3: sources[0].kind: found \"docker\", expected one of \"manifests\"",
		"t.conf:3: sources[0].path: missing",
		"t.conf:5: sources[2].name: found \"x\", which sources[1] has already",
		"t.conf:5: sources[2]: found a group { ... }, expected a key \"kind\"",
		"t.conf:5: sources[2].path: found \"\"");
}

static void test_syntax(void **state)
{
	struct reason reason = {0};

	(void)state;
	MISTAKES("dataplane = {\n\tworkers = ;\n};\n", "t.conf:2: syntax error");
	MISTAKES("group = \"a\";\ngroup = \"b\";\n" PORTS, "t.conf:2: duplicate setting name");
	assert_null(settings_read("/nonexistent/sluice.conf", &reason));
	assert_string_equal(reason_text(&reason),
		"/nonexistent/sluice.conf: cannot be read: No such file or directory");
	reason_clear(&reason);
}

static void write_file(const char *path, const char *text)
{
	FILE *stream = fopen(path, "we");

	assert_non_null(stream);
	assert_true(fputs(text, stream) >= 0);
	assert_int_equal(fclose(stream), 0);
}

// A mistake in an included file is told with that file's name, and it is looked for beside the
// first.
static void test_include(void **state)
{
	char dir[] = "/tmp/settings-test.XXXXXX";
	char first[64], second[64], expected[160];
	struct reason reason = {0};
	struct settings *settings;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(first, sizeof(first), "%s/a.conf", dir);
	snprintf(second, sizeof(second), "%s/b.conf", dir);
	write_file(first, PORTS "@include \"b.conf\"\n");
	write_file(second, "\n\ngroup = 7;\n");
	assert_null(settings_read(first, &reason));
	snprintf(expected, sizeof(expected), "%s:3: group: found 7", second);
	assert_ptr_equal(strstr(reason_text(&reason), expected), reason_text(&reason));
	reason_clear(&reason);
	write_file(second, "group = \"lb\";\n");
	settings = settings_read(first, &reason);
	assert_non_null(settings);
	assert_string_equal(settings->group, "lb");
	settings_free(settings);
	unlink(first);
	unlink(second);
	rmdir(dir);
}

static void test_shipped(void **state)
{
	struct reason reason = {0};
	struct settings *settings = settings_read(SLUICE_CONF, &reason);

	(void)state;
	if (!settings)
		print_error("%s\n", reason_text(&reason));
	assert_non_null(settings);
	settings_free(settings);
}

static void test_ranges(void **state)
{
	static const char *const wrong[] = {"", "-", "192.0.2.1-", "-192.0.2.1",
		"192.0.2.9-192.0.2.1", "192.0.2.1-2001:db8::1", "192.0.2.1/24", "192.0.2.0/33",
		"192.0.2.1-192.0.2.2-192.0.2.3", "x"};
	struct range_settings a, b;
	struct addr addr;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_false(range_parse(wrong[i], &a));
	assert_true(range_parse("192.0.2.1 - 192.0.2.9", &a));
	assert_true(range_parse("192.0.2.8/30", &b));
	assert_true(range_overlaps(&a, &b));
	addr_parse(&addr, "192.0.2.9");
	assert_true(range_contains(&a, &addr) && range_contains(&b, &addr));
	addr_parse(&addr, "192.0.2.10");
	assert_false(range_contains(&a, &addr));
	assert_true(range_parse("::/0", &b));
	assert_false(range_overlaps(&a, &b)); // families are apart
	assert_false(range_contains(&b, &addr));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_everything),
		cmocka_unit_test(test_worker_count),
		cmocka_unit_test(test_wrong_values),
		cmocka_unit_test(test_wrong_ports),
		cmocka_unit_test(test_wrong_addresses),
		cmocka_unit_test(test_wrong_pools),
		cmocka_unit_test(test_syntax),
		cmocka_unit_test(test_include),
		cmocka_unit_test(test_shipped),
		cmocka_unit_test(test_ranges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
