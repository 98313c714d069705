// SPDX-License-Identifier: BSD-3-Clause
#include "random_http.h"

#include <stdio.h>
#include <string.h>

#include "ingress.h"
#include "secret.h"

static unsigned one_of(unsigned *seed, unsigned count)
{
	*seed = *seed * 1103515245 + 12345;
	return (*seed >> 16) % count;
}

static char *numbered(struct arena *arena, const char *letter, unsigned number)
{
	return arena_format(arena, "%s%u", letter, number);
}

static struct ingress_backend random_backend(struct arena *arena, unsigned *seed)
{
	struct ingress_backend backend = {.service = numbered(arena, "s", one_of(seed, 7)),
		.port_name = one_of(seed, 3) ? "" : "a",
		.line = one_of(seed, 3)};

	backend.port = *backend.port_name ? 0 : (uint16_t)(80 + one_of(seed, 3));
	backend.resource = one_of(seed, 12) == 0;
	return backend;
}

static void annotate(struct ingress *ingress, unsigned *seed)
{
	static const struct label all[] = {
		{"nginx.ingress.kubernetes.io/rewrite-target", "/"},
		{"nginx.ingress.kubernetes.io/load-balance", "ewma"},
		{"nginx.ingress.kubernetes.io/upstream-hash-by", "$host"},
		{"nginx.ingress.kubernetes.io/ssl-passthrough", "true"},
		{"nginx.ingress.kubernetes.io/proxy-ssl-secret", "default/x1"},
		{"nginx.ingress.kubernetes.io/canary", "true"},
		{"kubernetes.io/ingress.class", "k1"},
		{"nginx.ingress.kubernetes.io/proxy-body-size", "none"},
	};
	struct label *list = arena_take_array(&ingress->object.arena, 2, sizeof(*list));

	ingress->object.annotation_count = one_of(seed, 3);
	for (unsigned i = 0; i < ingress->object.annotation_count; i++)
		list[i] = all[one_of(seed, sizeof(all) / sizeof(all[0]))];
	ingress->object.annotations = list;
}

static void add_rules(struct ingress *ingress, unsigned *seed)
{
	static const char *const hosts[] = {"", "a.example", "*.example", "b.example", "c.example",
		"d.example", "e.example", "f.example"};
	static const char *const paths[] = {"/", "/x", "/x/", "/x/../y", "/%zz", "/../up"};
	struct arena *arena = &ingress->object.arena;
	struct ingress_rule *rules = arena_take_array(arena, 3, sizeof(*rules));

	ingress->rule_count = one_of(seed, 4);
	ingress->rules = rules;
	for (unsigned i = 0; i < ingress->rule_count; i++) {
		struct ingress_path *list = arena_take_array(arena, 3, sizeof(*list));

		rules[i] = (struct ingress_rule){
			.host = hosts[one_of(seed, 2) ? 4 + one_of(seed, 4) : one_of(seed, 4)],
			.path_count = one_of(seed, 4),
			.paths = list};
		for (unsigned j = 0; j < rules[i].path_count; j++)
			list[j] =
				(struct ingress_path){.type = (enum path_type)(1 + one_of(seed, 3)),
					.path = paths[one_of(seed, 6)],
					.backend = random_backend(arena, seed),
					.line = one_of(seed, 9)};
	}
}

static void add_tls(struct ingress *ingress, unsigned *seed)
{
	static const char *const lists[][2] = {
		{"a.example", "b.example"}, {"c.example", "d.example"}, {"g.example", "e.example"}};
	struct arena *arena = &ingress->object.arena;
	struct ingress_tls *tls = arena_take_array(arena, 2, sizeof(*tls));

	ingress->tls_count = one_of(seed, 3);
	ingress->tls = tls;
	for (unsigned i = 0; i < ingress->tls_count; i++)
		tls[i] = (struct ingress_tls){.hosts = lists[one_of(seed, 3)],
			.host_count = one_of(seed, 3),
			.secret = one_of(seed, 4) ? numbered(arena, "x", one_of(seed, 3)) : ""};
}

struct object *random_ingress(const char *cluster, unsigned *seed)
{
	char name[8];
	struct ingress *ingress;

	snprintf(name, sizeof(name), "i%u", one_of(seed, 5));
	ingress = (struct ingress *)object_new(OBJECT_INGRESS, cluster, "default", name);
	ingress->object.created = one_of(seed, 3);
	ingress->class = one_of(seed, 3) ? "" : one_of(seed, 2) ? "k0" : "k1";
	ingress->has_default = one_of(seed, 3) == 0;
	ingress->default_backend = random_backend(&ingress->object.arena, seed);
	annotate(ingress, seed);
	add_rules(ingress, seed);
	add_tls(ingress, seed);
	return &ingress->object;
}

struct object *random_class(const char *cluster, unsigned *seed)
{
	struct ingress_class *class = (struct ingress_class *)object_new(
		OBJECT_INGRESS_CLASS, cluster, "", one_of(seed, 2) ? "k0" : "k1");

	class->controller = one_of(seed, 2) ? "sluice.dev/ingress" : "example.com/other";
	class->is_default = one_of(seed, 2);
	return &class->object;
}

struct object *random_secret(const char *cluster, unsigned *seed)
{
	static const char *const names[] = {"a.example", "*.example"};
	static const uint8_t bytes[] = "abcdefgh";
	char name[8];
	struct secret *secret;

	snprintf(name, sizeof(name), "x%u", one_of(seed, 3));
	secret = (struct secret *)object_new(OBJECT_SECRET, cluster, "default", name);
	secret->type = "kubernetes.io/tls";
	secret->facts = (struct secret_facts){.key = (enum key_kind)(1 + one_of(seed, 3)),
		.names = names,
		.name_count = one_of(seed, 3),
		.issuer = "",
		.subject = "",
		.fingerprint = numbered(&secret->object.arena, "f", one_of(seed, 4))};
	if (one_of(seed, 4))
		secret->chain_pem = secret->key_pem =
			(struct secret_bytes){bytes, 1 + one_of(seed, 8)};
	if (one_of(seed, 2))
		secret->ca_pem = (struct secret_bytes){bytes, 1 + one_of(seed, 8)};
	return &secret->object;
}
