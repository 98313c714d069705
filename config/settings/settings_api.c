// SPDX-License-Identifier: BSD-3-Clause
// Where the control plane is asked over the network, and where its log goes.
#include <stdio.h>
#include <stdlib.h>

#include "reader.h"

#define AT(path, ...) (snprintf(path, sizeof(path), __VA_ARGS__), path)

#define HTTPS_PORT   8443
#define METRICS_PORT 9100
#define SYSLOG_PORT  514

static const char *const transports[] = {"udp", "tcp", NULL};
static const char *const levels[] = {"error", "warning", "notice", "info", "debug", NULL};

static void read_listen(struct reader *r, const setting_t *group, struct listen_settings *out)
{
	uint32_t port = out->port;

	out->on = group != NULL;
	addr_parse(&out->address, "::");
	if (!group)
		return;
	read_address(r, group, "address", &out->address);
	read_number(r, group, "port", 1, UINT16_MAX, &port);
	out->port = (uint16_t)port;
}

static void read_syslog(struct reader *r, const setting_t *root, struct settings *s)
{
	static const char *const keys[] = {"address", "port", "transport", "level", NULL};
	const setting_t *list = read_list(r, root, "syslog", &s->syslog_count);
	char path[64];

	s->syslogs = read_take(r, s->syslog_count, sizeof(*s->syslogs));
	if (!s->syslogs)
		s->syslog_count = 0;
	for (unsigned i = 0; i < s->syslog_count; i++) {
		const setting_t *element = config_setting_get_elem(list, i);
		struct syslog_settings *out = &s->syslogs[i];

		out->port = SYSLOG_PORT;
		if (!element)
			continue;
		read_known(r, element, keys);
		if (!read_member(element, "address"))
			settings_mistake(r, AT(path, "syslog[%u].address", i),
				"missing, expected an IPv4 or IPv6 address");
		else
			read_address(r, element, "address", &out->address);
		read_number(r, element, "port", 1, UINT16_MAX, &out->port);
		out->transport =
			(enum syslog_transport)read_choice(r, element, "transport", transports, 0);
		out->level = 3 + read_choice(r, element, "level", levels, 3); // as syslog counts
	}
}

void settings_read_api(struct reader *r, const setting_t *root, struct settings *s)
{
	static const char *const keys[] = {"https", "metrics", "rate", NULL};
	static const char *const https_keys[] = {"address", "port", "certificate", "key", NULL};
	static const char *const metrics_keys[] = {"address", "port", NULL};
	const setting_t *group = read_group(r, root, "api");
	const setting_t *https = group ? read_group(r, group, "https") : NULL;
	const setting_t *metrics = group ? read_group(r, group, "metrics") : NULL;

	s->api = (struct api_settings){
		.https.port = HTTPS_PORT, .metrics.port = METRICS_PORT, .rate = 50};
	if (group) {
		read_known(r, group, keys);
		read_number(r, group, "rate", 1, 1000000, &s->api.rate);
	}
	read_listen(r, https, &s->api.https);
	read_listen(r, metrics, &s->api.metrics);
	if (metrics)
		read_known(r, metrics, metrics_keys);
	if (https) {
		read_known(r, https, https_keys);
		s->api.certificate = read_text(r, https, "certificate", "a file of PEM", "");
		s->api.key = read_text(r, https, "key", "a file of PEM", "");
		if (s->api.certificate && s->api.key && !*s->api.certificate != !*s->api.key)
			settings_mistake(r, *s->api.key ? "api.https.certificate" : "api.https.key",
				"missing, expected a file as the other of the two is there");
	} else {
		s->api.certificate = read_copy(r, "");
		s->api.key = read_copy(r, "");
	}
	read_syslog(r, root, s);
}

void settings_free_api(struct settings *s)
{
	free(s->api.certificate);
	free(s->api.key);
	free(s->syslogs);
}
