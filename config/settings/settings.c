// SPDX-License-Identifier: BSD-3-Clause
// sluice.conf -> struct settings: one function a group, in the order of the file.
//
// reader.c knows how a key is read and told when wrong; this file knows which keys there are and
// what they mean when they are absent; settings_check.c looks at what no single key shows.
#include "settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "reader.h"

#define RUN_DIR        "/run/sluice"
#define STATE_DIR      "/var/lib/sluice"
#define WEEK_S         604800
#define CPU_MAX        1023
#define NEIGHBOURS_MAX 1048576

// A count gives the CPUs after the main one, in turn, as many as this machine has.
static void count_workers(struct settings *s, unsigned count)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	s->dataplane.worker_count = count;
	for (unsigned i = 0; i < count; i++)
		s->dataplane.worker_cpus[i] =
			(s->dataplane.main_cpu + 1 + i) % (cpus > 0 ? (unsigned)cpus : 1);
}

// An array of CPUs; how many, 0 when it is none.
static int read_cpus(struct reader *r, const setting_t *setting, unsigned cpus[SLUICE_WORKERS_MAX],
	const char *what)
{
	int n = config_setting_is_aggregate(setting) ? config_setting_length(setting) : 0;

	if (!config_setting_is_array(setting) || n < 1 || n > SLUICE_WORKERS_MAX) {
		read_expected(r, setting, what);
		return 0;
	}
	for (int i = 0; i < n; i++) {
		const setting_t *element = config_setting_get_elem(setting, (unsigned)i);
		int cpu = config_setting_get_int(element);

		if (config_setting_type(element) != CONFIG_TYPE_INT || cpu < 0 || cpu > CPU_MAX)
			read_expected(r, element, what);
		else
			cpus[i] = (unsigned)cpu;
	}
	return n;
}

static void read_workers(struct reader *r, const setting_t *group, struct settings *s)
{
	static const char what[] = "a count of workers from 1 to 64, or an array of CPU numbers "
				   "from 0 to 1023 such as [1, 2]";
	const setting_t *setting = group ? read_member(group, "workers") : NULL;
	int n;

	count_workers(s, 1);
	if (!setting)
		return;
	if (config_setting_type(setting) == CONFIG_TYPE_INT) {
		n = config_setting_get_int(setting);
		if (n < 1 || n > SLUICE_WORKERS_MAX)
			read_expected(r, setting, what);
		else
			count_workers(s, (unsigned)n);
		return;
	}
	n = read_cpus(r, setting, s->dataplane.worker_cpus, what);
	if (n)
		s->dataplane.worker_count = (unsigned)n;
}

static void read_crypto(struct reader *r, const setting_t *group, struct settings *s)
{
	static const char what[] = "an array of CPU numbers from 0 to 1023 such as [3]";
	const setting_t *setting = group ? read_member(group, "crypto_cpus") : NULL;

	if (!setting || (config_setting_is_array(setting) && config_setting_length(setting) == 0))
		return;
	s->dataplane.crypto_count = (unsigned)read_cpus(r, setting, s->dataplane.crypto_cpus, what);
}

static void read_dataplane(struct reader *r, const setting_t *root, struct settings *s)
{
	static const char *const keys[] = {"workers", "main_cpu", "idle", "hugepages", "memory_mb",
		"flows", "buffers", "neighbours", "crypto_cpus", NULL};
	static const char *const idle[] = {
		[IDLE_ADAPTIVE] = "adaptive", [IDLE_POLL] = "poll", NULL};
	static const char *const hugepages[] = {[HUGEPAGES_AUTO] = "auto",
		[HUGEPAGES_REQUIRED] = "required",
		[HUGEPAGES_OFF] = "off",
		NULL};
	const setting_t *group = read_group(r, root, "dataplane");

	s->dataplane.flows = 262144;
	s->dataplane.neighbours = 4096;
	if (group) {
		read_known(r, group, keys);
		read_number(r, group, "main_cpu", 0, CPU_MAX, &s->dataplane.main_cpu);
		s->dataplane.idle =
			(enum idle_kind)read_choice(r, group, "idle", idle, IDLE_ADAPTIVE);
		s->dataplane.hugepages = (enum hugepages_kind)read_choice(
			r, group, "hugepages", hugepages, HUGEPAGES_AUTO);
		read_number(r, group, "memory_mb", 0, 1048576, &s->dataplane.memory_mb);
		read_number(r, group, "flows", 64, 1u << 27, &s->dataplane.flows);
		read_number(r, group, "buffers", 0, 1u << 24, &s->dataplane.buffers);
		read_number(r, group, "neighbours", 16, NEIGHBOURS_MAX, &s->dataplane.neighbours);
	}
	read_workers(r, group, s);
	read_crypto(r, group, s);
}

static void read_vlans(struct reader *r, const setting_t *group, struct port_settings *port)
{
	static const char *const keys[] = {"id", "addresses", NULL};
	const setting_t *list = read_list(r, group, "vlans", &port->vlan_count);

	port->vlans = read_take(r, port->vlan_count, sizeof(*port->vlans));
	if (!port->vlans)
		port->vlan_count = 0;
	for (unsigned i = 0; i < port->vlan_count; i++) {
		const setting_t *element = config_setting_get_elem(list, i);
		struct vlan_settings *vlan = &port->vlans[i];
		uint32_t id = 0;

		read_known(r, element, keys);
		if (!read_member(element, "id"))
			read_expected(r, element, "a key \"id\", from 1 to 4094, in it");
		read_number(r, element, "id", 1, 4094, &id);
		vlan->id = (uint16_t)id;
		vlan->addresses = read_addresses(r, element, "addresses", &vlan->address_count);
	}
}

static void read_ports(struct reader *r, const setting_t *root, struct settings *s)
{
	static const char *const keys[] = {
		"name", "kind", "device", "options", "mtu", "queues", "addresses", "vlans", NULL};
	static const char what[] =
		"\"af_packet\", \"af_xdp\", \"tap\", \"memif\", \"pci\" or \"pcap\"";
	const setting_t *list = read_list(r, root, "ports", &s->port_count);

	s->ports = read_take(r, s->port_count, sizeof(*s->ports));
	if (!s->ports)
		s->port_count = 0;
	for (unsigned i = 0; i < s->port_count; i++) {
		const setting_t *group = config_setting_get_elem(list, i);
		struct port_settings *port = &s->ports[i];
		uint32_t mtu = 1500, queues = 0;

		read_known(r, group, keys);
		port->line = config_setting_source_line(group);
		port->name = read_text(r, group, "name", "a name such as \"wan\"", NULL);
		port->kind = read_text(r, group, "kind", what, NULL);
		port->device = read_text(r, group, "device",
			"what the kind drives: a network interface, PCI address, socket or file",
			NULL);
		port->options = read_text(r, group, "options", "\"key=value,...\"", "");
		read_number(r, group, "mtu", SLUICE_MTU_MIN, SLUICE_MTU_MAX, &mtu);
		read_number(r, group, "queues", 0, SLUICE_WORKERS_MAX, &queues);
		port->mtu = (uint16_t)mtu;
		port->queues = (uint16_t)queues;
		port->addresses = read_addresses(r, group, "addresses", &port->address_count);
		read_vlans(r, group, port);
	}
}

static void read_routes(struct reader *r, const setting_t *root, struct settings *s)
{
	static const char *const keys[] = {"to", "via", NULL};
	const setting_t *list = read_list(r, root, "routes", &s->route_count);

	s->routes = read_take(r, s->route_count, sizeof(*s->routes));
	if (!s->routes)
		s->route_count = 0;
	for (unsigned i = 0; i < s->route_count; i++) {
		const setting_t *group = config_setting_get_elem(list, i);
		struct route_settings *route = &s->routes[i];
		char *to, *via;

		read_known(r, group, keys);
		to = read_text(r, group, "to", "a prefix such as \"0.0.0.0/0\"", NULL);
		via = read_text(r, group, "via", "the address of a router", NULL);
		route->to.length = SETTINGS_NO_PREFIX;
		if (to && *to && prefix_parse(&route->to, to) < 0)
			read_expected(r, read_member(group, "to"),
				"a prefix without host bits, such as \"0.0.0.0/0\"");
		if (via && *via && addr_parse(&route->via, via) < 0)
			read_expected(r, read_member(group, "via"), "the address of a router");
		free(to);
		free(via);
	}
}

static void read_snat(struct reader *r, const setting_t *root, struct settings *s)
{
	static const char *const keys[] = {"addresses", "ports", NULL};
	static const char what[] = "\"<first>-<last>\", source ports from 1024 to 65535";
	const setting_t *group = read_group(r, root, "snat");
	unsigned first, last;
	char *ports;
	int end = 0;

	s->snat.port_first = 10000;
	s->snat.port_last = 59999;
	if (!group)
		return;
	read_known(r, group, keys);
	s->snat.ranges = read_ranges(r, group, "addresses", &s->snat.range_count);
	if (!read_member(group, "ports"))
		return;
	ports = read_text(r, group, "ports", what, NULL);
	if (ports && *ports) {
		if (sscanf(ports, "%5u-%5u%n", &first, &last, &end) != 2 || ports[end] ||
			first < 1024 || last > UINT16_MAX || first > last) {
			read_expected(r, read_member(group, "ports"), what);
		} else {
			s->snat.port_first = (uint16_t)first;
			s->snat.port_last = (uint16_t)last;
		}
	}
	free(ports);
}

static void read_timeouts(struct reader *r, const setting_t *root, struct settings *s)
{
	static const char *const keys[] = {"tcp_syn", "tcp_established", "tcp_fin", "tcp_closed",
		"udp", "udp_unreplied", NULL};
	const setting_t *group = read_group(r, root, "timeouts");
	struct timeouts_settings *t = &s->timeouts;
	uint32_t *const out[] = {&t->tcp_syn, &t->tcp_established, &t->tcp_fin, &t->tcp_closed,
		&t->udp, &t->udp_unreplied};

	*t = (struct timeouts_settings){.tcp_syn = 30,
		.tcp_established = 7800,
		.tcp_fin = 60,
		.tcp_closed = 2,
		.udp = 60,
		.udp_unreplied = 30};
	if (!group)
		return;
	read_known(r, group, keys);
	for (unsigned i = 0; keys[i]; i++)
		read_number(r, group, keys[i], 1, WEEK_S, out[i]);
}

static void read_defaults(struct reader *r, const setting_t *root, struct settings *s)
{
	static const char *const keys[] = {"mode", "algorithm", "classless", NULL};
	const char *modes[MODE_DSR + 1] = {NULL};
	const char *algorithms[ALGORITHM_SOURCE_HASH + 1] = {NULL};
	const setting_t *group = read_group(r, root, "defaults");

	for (unsigned i = MODE_FULL_NAT; i <= MODE_DSR; i++)
		modes[i - 1] = mode_name((enum mode)i);
	for (unsigned i = ALGORITHM_MAGLEV; i <= ALGORITHM_SOURCE_HASH; i++)
		algorithms[i - 1] = algorithm_name((enum algorithm)i);
	s->defaults.mode = MODE_FULL_NAT;
	s->defaults.algorithm = ALGORITHM_MAGLEV;
	s->defaults.classless = true;
	if (!group)
		return;
	read_known(r, group, keys);
	s->defaults.mode = (enum mode)(read_choice(r, group, "mode", modes, 0) + 1);
	s->defaults.algorithm =
		(enum algorithm)(read_choice(r, group, "algorithm", algorithms, 0) + 1);
	read_bool(r, group, "classless", &s->defaults.classless);
}

static void read_root(struct reader *r, struct settings *s)
{
	static const char *const keys[] = {"dataplane", "ports", "routes", "snat", "timeouts",
		"http", "access_log", "pools", "bgp", "pair", "health", "sources", "clusters",
		"shares", "defaults", "ingress", "api", "syslog", "run_dir", "state_dir", "group",
		NULL};
	const setting_t *root = config_root_setting(&r->config);

	s->file = read_copy(r, r->file);
	read_known(r, root, keys);
	read_dataplane(r, root, s);
	read_ports(r, root, s);
	read_routes(r, root, s);
	read_snat(r, root, s);
	read_timeouts(r, root, s);
	settings_read_http(r, root, s);
	settings_read_pools(r, root, s);
	settings_read_bgp(r, root, s);
	settings_read_pair(r, root, s);
	settings_read_health(r, root, s);
	settings_read_sources(r, root, s);
	settings_read_clusters(r, root, s);
	read_defaults(r, root, s);
	settings_read_ingress(r, root, &s->ingress);
	settings_read_api(r, root, s);
	s->run_dir = read_text(r, root, "run_dir", "a directory", RUN_DIR);
	s->state_dir = read_text(r, root, "state_dir", "a directory", STATE_DIR);
	s->group = read_text(r, root, "group", "the name of a group of users", "sluice");
}

void settings_note_keys(struct settings_keys *keys, const char *text, struct reason *reason)
{
	struct reader r = {.file = "", .reason = reason, .keys = keys};
	struct settings *s = read_take(&r, 1, sizeof(*s));

	config_init(&r.config);
	if (s && config_read_string(&r.config, text) == CONFIG_TRUE)
		read_root(&r, s);
	config_destroy(&r.config);
	settings_free(s);
}

// Of `text` when given, else of the file itself, which mistakes call by `name`.
static struct settings *read_whole(
	const char *text, const char *file, const char *name_told, struct reason *reason)
{
	struct reader r = {.file = name_told, .reason = reason};
	unsigned before = reason->count;
	const char *slash = strrchr(file, '/');
	char *dir = slash ? strndup(file, (size_t)(slash - file) + (slash == file)) : NULL;
	struct settings *s = NULL;
	FILE *stream = NULL;
	int parsed = CONFIG_FALSE;
	char name[FILE_TEXT];

	r.dir = dir;
	config_init(&r.config);
	if (dir)
		config_set_include_dir(&r.config, dir);
	if (text) {
		parsed = config_read_string(&r.config, text);
	} else {
		stream = fopen(file, "re");
		if (!stream) {
			reason_add(reason, "%s: cannot be read: %s", file, strerror(errno));
			goto out;
		}
		parsed = config_read(&r.config, stream);
		fclose(stream);
	}
	if (parsed != CONFIG_TRUE) {
		const char *where = config_error_file(&r.config);
		const char *what = config_error_text(&r.config);

		reason_add(reason,
			"%s:%d: %s; expected `key = value;` lines, groups in { }, lists in ( )",
			read_file_name(&r, where, name), config_error_line(&r.config),
			what ? what : "syntax error");
		goto out;
	}
	s = read_take(&r, 1, sizeof(*s));
	if (s) {
		read_root(&r, s);
		if (!r.starved)
			settings_check(&r, s);
	}
	if (s && reason->count == before)
		settings_sort_pools(s); // only now: mistakes are told by the file's own order
	if (reason->count != before) {
		settings_free(s);
		s = NULL;
	}
out:
	config_destroy(&r.config);
	free(dir);
	return s;
}

struct settings *settings_read(const char *file, struct reason *reason)
{
	return read_whole(NULL, file, file, reason);
}

struct settings *settings_parse(const char *text, const char *file, struct reason *reason)
{
	return read_whole(text, file, file, reason);
}

bool settings_check_text(
	const char *text, const char *file, const char *name, struct reason *reason)
{
	struct settings *s = read_whole(text, file, name, reason);

	settings_free(s);
	return s != NULL;
}

void settings_free(struct settings *s)
{
	if (!s)
		return;
	for (unsigned i = 0; i < s->port_count; i++) {
		struct port_settings *port = &s->ports[i];

		for (unsigned j = 0; j < port->vlan_count; j++)
			free(port->vlans[j].addresses);
		free(port->vlans);
		free(port->addresses);
		free(port->name);
		free(port->kind);
		free(port->device);
		free(port->options);
	}
	settings_free_announcing(s);
	settings_free_api(s);
	settings_free_pools(s);
	settings_free_clusters(s);
	settings_free_ingress(&s->ingress);
	settings_free_sources(s);
	free(s->ports);
	free(s->routes);
	free(s->snat.ranges);
	free(s->access_log.path);
	free(s->run_dir);
	free(s->state_dir);
	free(s->group);
	free(s->file);
	free(s);
}
