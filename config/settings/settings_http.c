// SPDX-License-Identifier: BSD-3-Clause
// What the proxy of each worker may use, and where its requests are logged.
#include "reader.h"

void settings_read_http(struct reader *r, const setting_t *root, struct settings *s)
{
	static const char *const keys[] = {"connections", "idle_upstreams", "congestion", NULL};
	static const char *const controls[] = {
		[CONGESTION_BBR] = "bbr", [CONGESTION_CUBIC] = "cubic", NULL};
	static const char *const log_keys[] = {"path", "rate", "max_mb", NULL};
	const setting_t *group = read_group(r, root, "http");
	const setting_t *log = read_group(r, root, "access_log");

	s->http.connections = 131072;
	s->http.idle_upstreams = 16384;
	s->access_log.rate = 10000;
	s->access_log.max_mb = 256;
	if (group) {
		read_known(r, group, keys);
		read_number(r, group, "connections", 1024, 1u << 20, &s->http.connections);
		read_number(r, group, "idle_upstreams", 0, 1u << 20, &s->http.idle_upstreams);
		s->http.congestion = (enum congestion_control)read_choice(
			r, group, "congestion", controls, CONGESTION_BBR);
	}
	if (!log) {
		s->access_log.path = read_copy(r, "");
		return;
	}
	read_known(r, log, log_keys);
	s->access_log.path =
		read_text(r, log, "path", "the name of a file, or \"-\" for the output", "");
	read_number(r, log, "rate", 0, 100000000, &s->access_log.rate);
	read_number(r, log, "max_mb", 0, 1u << 20, &s->access_log.max_mb);
}
