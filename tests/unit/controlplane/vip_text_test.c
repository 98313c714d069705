// SPDX-License-Identifier: BSD-3-Clause
// What BIRD and keepalived are told, and what they say.
#include "vip_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PORTS                                                                                      \
	"ports = ( { name = \"wan\"; kind = \"tap\"; device = \"x\"; addresses = [ "               \
	"\"192.0.2.2/24\" ]; } );\n"                                                               \
	"pools = ( { name = \"a\"; addresses = [ \"192.0.2.100\" ]; },\n"                          \
	"{ name = \"b\"; addresses = [ \"2001:db8::1\" ]; interfaces = [ \"wan\" ]; } );\n"

static struct settings *parse(const char *text)
{
	struct reason reason = {0};
	struct settings *s = settings_parse(text, "t.conf", &reason);

	assert_string_equal(reason_text(&reason), "");
	assert_non_null(s);
	return s;
}

static void has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" is not in:\n%s", part, text);
}

static void bird_is_told(void **state)
{
	struct settings *s = parse(PORTS
		"bgp = { asn = 65001; router_id = \"192.0.2.2\"; peers = ( { name = \"tor\"; "
		"address "
		"= \"192.0.2.1\"; asn = 65000; password = \"x y\"; bfd = true; }, { address = "
		"\"2001:db8::9\"; graceful_restart = true; } );\n"
		"pools = ( { name = \"a\"; communities = [ \"65001:7\", \"65001:1:2\" ]; med = 5; "
		"peers = [ \"tor\" ]; }, { name = \"b\"; } ); };");
	struct route_row rows[2] = {{.pool = &s->pools[0]}, {.pool = &s->pools[1]}};
	struct route_list list = {2, rows};
	char *text;

	(void)state;
	assert_int_equal(prefix_parse(&rows[0].to, "192.0.2.100/32"), 0);
	assert_int_equal(prefix_parse(&rows[1].to, "2001:db8::1/128"), 0);
	text = bird_text(s, &list);
	assert_non_null(text);
	has(text, "router id 192.0.2.2;");
	has(text, "route 192.0.2.100/32 via \"wan\";");
	has(text, "route 2001:db8::1/128 via \"wan\";");
	has(text, "neighbor 192.0.2.1 port 179 as 65000;\n\tpassword \"x y\";");
	has(text, "if proto = \"vips0_v4\" then { bgp_community.add((65001, 7)); "
		  "bgp_large_community.add((65001, 1, 2)); bgp_med = 5; accept; }\n"
		  "\t\t\tif proto = \"vips1_v4\" then { accept; }\n\t\t\treject;");
	// The second peer gets no "a".
	has(text, "filter {\n\t\t\tif proto = \"vips1_v6\" then { accept; }\n\t\t\treject;");
	has(text, "graceful restart yes;");
	assert_null(bgp_policy_of(s, "c"));
	assert_string_equal(bgp_policy_of(s, "a")->pool, "a");
	free(text);
	settings_free(s);
}

static const struct keepalived_files files = {"/run/x.fifo", "/run/x.raise."};

static void groups_are_found(void **state)
{
	struct settings *s =
		parse(PORTS "bgp = { asn = 1; router_id = \"192.0.2.2\"; pools = ( { "
			    "name = \"b\"; } ); };\n"
			    "pair = { interface = \"wan\"; peer = \"192.0.2.3\"; id = 9; };");
	char *text = keepalived_text(s, &files);

	(void)state;
	assert_int_equal(pair_group_of(s, "a", NULL), 0);
	assert_int_equal(pair_group_of(s, "b", NULL), -1); // BGP has it
	assert_null(strstr(text, "track_interface"));
	has(text, "vrrp_instance group9 {\n\tstate BACKUP\n\tnopreempt\n\tinterface wan\n");
	has(text, "advert_int 0.10\n");
	has(text, "unicast_src_ip 192.0.2.2\n");
	has(text, "vrrp_notify_fifo /run/x.fifo\n");
	has(text, "track_file raise9 {\n\tfile \"/run/x.raise.9\"\n\tweight 1\n}\n");
	has(text, "\ttrack_file {\n\t\traise9\n\t}\n");
	free(text);
	settings_free(s);
}

static void gateways_are_found(void **state)
{
	struct settings *s = parse(
		"ports = ( { name = \"wan\"; kind = \"tap\"; device = \"x\"; addresses = [ "
		"\"192.0.2.2/24\" ]; }, { name = \"lan\"; kind = \"tap\"; device = \"y\"; "
		"addresses = [ \"198.51.100.1/24\", \"2001:db8:2::1/64\" ]; } );\n"
		"pools = ( { name = \"a\"; addresses = [ \"192.0.2.100\" ]; }, { name = \"b\"; "
		"addresses = [ \"192.0.2.200\" ]; } );\n"
		"bgp = { asn = 1; router_id = \"192.0.2.2\"; };\n"
		"pair = { interface = \"wan\"; groups = ( { id = 51; pools = [ \"a\" ]; }, "
		"{ id = 52; pools = [ \"b\" ]; gateways = [ \"192.0.2.3\", \"198.51.100.3\", "
		"\"2001:db8:2::3\" ]; } ); };\n");
	char *text = keepalived_text(s, &files);
	const struct pair_gateway *gateways = s->pair.groups[1].gateways;

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(pair_group_of(s, "", &gateways[i].address), 1);
	assert_int_equal(pair_group_of(s, "", &(struct addr){.byte = {1}}), -1);
	assert_null(bgp_policy_of(s, "")); // no router is told
	// Once each, and not the interface of the instance itself, of the second group alone.
	has(text, "\ttrack_file {\n\t\traise52\n\t}\n\ttrack_interface {\n\t\tlan\n\t}\n\t"
		  "virtual_ipaddress");
	assert_ptr_equal(strstr(text, "track_interface"),
		strstr(strstr(text, "vrrp_instance group52"), "track_interface"));
	free(text);
	settings_free(s);
}

static void lines_are_read(void **state)
{
	static const struct {
		const char *line;
		uint32_t id;
		enum vrrp_state state;
	} rows[] = {
		{"INSTANCE \"group51\" MASTER 100", 51, VRRP_MASTER},
		{"INSTANCE \"group255\" BACKUP 1", 255, VRRP_BACKUP},
		{"INSTANCE \"group1\" FAULT 1", 1, VRRP_FAULT},
		{"INSTANCE \"group1\" STOP 1", 1, VRRP_STOPPED},
		{"INSTANCE \"group256\" MASTER 1", 0, 0},
		{"INSTANCE \"group0\" MASTER 1", 0, 0},
		{"INSTANCE \"group5", 0, 0},
		{"INSTANCE \"group5\" MASTERED 1", 0, 0},
		{"GROUP \"group5\" MASTER 1", 0, 0},
		{"", 0, 0},
	};
	static const char up[] = "tor1       BGP        ---        up     12:00:00.123  "
				 "Established   ";
	static const char down[] = "tor1       BGP        ---        start  12:00:00.123  "
				   "Active        Socket: Connection refused";
	static const char routes[] = "    Routes:         0 imported, 4 exported, 0 preferred";
	static const char session[] = "2001:db8:1::10            wan        Up         "
				      "10:21:09.627    0.050    0.150";
	static const char head[] = "IP address                Interface  State      Since";
	struct bird_protocol p;
	struct bird_session s;
	unsigned exported;

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		enum vrrp_state found;
		uint32_t id;

		assert_int_equal(vrrp_event_parse(rows[i].line, strlen(rows[i].line), &id, &found),
			rows[i].id != 0);
		if (!rows[i].id)
			continue;
		assert_int_equal(id, rows[i].id);
		assert_int_equal(found, rows[i].state);
	}
	assert_true(bird_protocol_parse(up, sizeof(up) - 1, &p));
	assert_string_equal(p.name, "tor1");
	assert_string_equal(p.kind, "BGP");
	assert_string_equal(p.state, "up");
	assert_string_equal(p.since, "12:00:00.123");
	assert_string_equal(p.info, "Established");
	assert_true(bird_protocol_parse(down, sizeof(down) - 1, &p));
	assert_string_equal(p.info, "Active Socket: Connection refused");
	assert_false(bird_protocol_parse("tor1 BGP", 8, &p));
	assert_true(bird_routes_parse(routes, sizeof(routes) - 1, &exported));
	assert_int_equal(exported, 4);
	assert_false(bird_routes_parse("Routes: 0 imported", 18, &exported));
	assert_false(bird_routes_parse(up, sizeof(up) - 1, &exported));
	assert_true(bird_session_parse(session, sizeof(session) - 1, &s));
	assert_string_equal(s.state, "Up");
	assert_false(addr_is_v4(&s.address));
	assert_false(bird_session_parse(head, sizeof(head) - 1, &s));
	assert_false(bird_protocol_parse("", 0, &p));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bird_is_told),
		cmocka_unit_test(groups_are_found),
		cmocka_unit_test(gateways_are_found),
		cmocka_unit_test(lines_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
