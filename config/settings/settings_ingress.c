// SPDX-License-Identifier: BSD-3-Clause
// The group "ingress": how Ingresses are served.
#include <stdlib.h>

#include "limits.h"
#include "reader.h"

#define DAY_S  86400
#define YEAR_S 31536000

#define CLASS      "sluice"
#define CONTROLLER "sluice.dev/ingress"

static void read_port(struct reader *r, const setting_t *group, const char *key, uint16_t *out)
{
	uint32_t port = *out;

	read_number(r, group, key, 1, UINT16_MAX, &port);
	*out = (uint16_t)port;
}

static struct prefix *read_prefixes(
	struct reader *r, const setting_t *group, const char *key, unsigned *count)
{
	struct prefix *list = read_addresses(r, group, key, count);

	for (unsigned i = 0; list && i < *count; i++)
		if (list[i].length != SETTINGS_NO_PREFIX)
			prefix_mask(&list[i]);
	return list;
}

static void read_vips(struct reader *r, const setting_t *group, struct ingress_settings *s)
{
	static const char what[] = "at most one IPv4 and one IPv6 address, out of the pools";
	unsigned n = group ? read_text_count(r, group, "addresses") : 0;

	for (unsigned i = 0; i < n; i++) {
		const setting_t *element;
		const char *text = read_text_at(r, group, "addresses", i, &element);
		struct addr address;

		if (!text)
			continue;
		if (s->address_count == 2 || addr_parse(&address, text) < 0 ||
			(s->address_count && addr_is_v4(&address) == addr_is_v4(&s->addresses[0])))
			read_expected(r, element, what);
		else
			s->addresses[s->address_count++] = address;
	}
}

void settings_read_ingress(struct reader *r, const setting_t *root, struct ingress_settings *s)
{
	static const char *const keys[] = {"class", "controller", "classless", "addresses", "pool",
		"http_port", "https_port", "hsts", "hsts_subdomains", "hsts_preload",
		"head_timeout", "idle_timeout", "body_timeout", "connect_timeout", "send_timeout",
		"read_timeout", "head_bytes", "body_mb", "requests", "log_sample", "proxy_protocol",
		"trusted", "regex_hosts", NULL};
	const setting_t *group = read_group(r, root, "ingress");

	*s = (struct ingress_settings){
		.classless = true,
		.http_port = 80,
		.https_port = 443,
		.hsts_s = YEAR_S,
		.hsts_subdomains = true,
		.head_timeout_s = 60,
		.idle_timeout_s = 75,
		.body_timeout_s = 60,
		.connect_timeout_s = 5,
		.send_timeout_s = 60,
		.read_timeout_s = 60,
		.head_bytes = SLUICE_HEAD_BYTES,
		.body_mb = 1,
		.log_sample = 1,
	};
	if (!group) {
		s->class = read_copy(r, CLASS);
		s->controller = read_copy(r, CONTROLLER);
		s->pool = read_copy(r, "");
		return;
	}
	s->class = read_text(r, group, "class", "the name of an IngressClass", CLASS);
	s->controller =
		read_text(r, group, "controller", "the controller of an IngressClass", CONTROLLER);
	s->pool = read_text(r, group, "pool", "the name of a pool", "");
	read_known(r, group, keys);
	read_bool(r, group, "classless", &s->classless);
	read_bool(r, group, "regex_hosts", &s->regex_hosts);
	read_vips(r, group, s);
	read_port(r, group, "http_port", &s->http_port);
	read_port(r, group, "https_port", &s->https_port);
	read_number(r, group, "hsts", 0, 10 * YEAR_S, &s->hsts_s);
	read_bool(r, group, "hsts_subdomains", &s->hsts_subdomains);
	read_bool(r, group, "hsts_preload", &s->hsts_preload);
	read_number(r, group, "head_timeout", 1, DAY_S, &s->head_timeout_s);
	read_number(r, group, "idle_timeout", 1, DAY_S, &s->idle_timeout_s);
	read_number(r, group, "body_timeout", 1, DAY_S, &s->body_timeout_s);
	read_number(r, group, "connect_timeout", 1, DAY_S, &s->connect_timeout_s);
	read_number(r, group, "send_timeout", 1, DAY_S, &s->send_timeout_s);
	read_number(r, group, "read_timeout", 1, DAY_S, &s->read_timeout_s);
	read_number(r, group, "head_bytes", 1024, SLUICE_HEAD_BYTES, &s->head_bytes);
	read_number(r, group, "body_mb", 0, 1u << 20, &s->body_mb);
	read_number(r, group, "requests", 0, 1000000000, &s->requests);
	read_number(r, group, "log_sample", 0, 1000000000, &s->log_sample);
	s->proxy_protocol = read_prefixes(r, group, "proxy_protocol", &s->proxy_protocol_count);
	s->trusted = read_prefixes(r, group, "trusted", &s->trusted_count);
}

void settings_free_ingress(struct ingress_settings *s)
{
	free(s->class);
	free(s->controller);
	free(s->pool);
	free(s->proxy_protocol);
	free(s->trusted);
}
