// SPDX-License-Identifier: BSD-3-Clause
// networking.k8s.io/v1 Ingress and IngressClass. What the API server would refuse is a mistake here
// too; names of hosts come out in small letters.
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "decode_field.h"
#include "ingress.h"
#include "limits.h"

#define RULES_MAX 10000 // and paths, and hosts of tls

static bool is_address(const char *text)
{
	unsigned char bytes[16];

	return inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1;
}

// Labels of at most 63 characters; a wildcard takes the place of the first and of no other.
static bool is_host(const char *host)
{
	const char *name = strncmp(host, "*.", 2) == 0 ? host + 2 : host;

	if (!name_is_subdomain(name) || is_address(name))
		return false;
	while (*name) {
		size_t n = strcspn(name, ".");

		if (n < 1 || n > 63 || name[0] == '-' || name[n - 1] == '-')
			return false;
		name += n + (name[n] == '.');
	}
	return strlen(host) <= SLUICE_HOST_LENGTH;
}

static const char *read_host(const struct field *in, const struct tree *item, const char *key)
{
	char *host;

	if (item->kind != TREE_TEXT) {
		field_wrong(in, item, key, "the name of a host");
		return "";
	}
	host = arena_copy(&in->object->arena, item->text);
	for (char *at = host; at && *at; at++)
		if (*at >= 'A' && *at <= 'Z')
			*at = (char)(*at + ('a' - 'A'));
	if (!host || (*host && !is_host(host))) {
		field_wrong(in, item, key,
			"the name of a host such as \"a.example.com\" or \"*.example.com\"");
		return "";
	}
	return host;
}

static void read_service(const struct field *in, struct ingress_backend *backend)
{
	char path[FIELD_PATH + 16];
	struct field port = {in->decode, in->object, field_map(in, "port"), path};
	int64_t number = 0;

	snprintf(path, sizeof(path), "%s.port", in->path);
	field_text(in, "name", &backend->service);
	field_text(&port, "name", &backend->port_name);
	field_number(&port, "number", 1, UINT16_MAX, &number);
	backend->port = (uint16_t)number;
	if (!name_is_label(backend->service))
		field_wrong(in, tree_get(in->map, "name"), "name", "the name of a Service");
	if ((*backend->port_name != '\0') == (number != 0))
		field_wrong(in, tree_get(in->map, "port"), "port",
			"either a number or a name of the Service's port");
}

static void read_backend(const struct field *in, const char *key, struct ingress_backend *backend)
{
	char path[FIELD_PATH], inner_path[FIELD_PATH + 16];
	const struct tree *map = field_map(in, key);
	struct field outer = {in->decode, in->object, map, path};
	struct field service = {in->decode, in->object, NULL, inner_path};

	*backend = (struct ingress_backend){.service = "",
		.port_name = "",
		.line = map       ? map->line
			: in->map ? in->map->line
				  : 0};
	snprintf(path, sizeof(path), "%s.%s", in->path, key);
	snprintf(inner_path, sizeof(inner_path), "%s.service", path);
	backend->resource = tree_get(map, "resource");
	service.map = field_map(&outer, "service");
	if (service.map && !backend->resource)
		read_service(&service, backend);
	else if (!service.map == !backend->resource)
		field_wrong(in, map, key, "either a service or a resource");
}

// As the API server has it for paths that are compared element by element.
static bool is_clean(const char *path)
{
	static const char *const within[] = {"//", "/./", "/../", "%2f", "%2F"};
	size_t n = strlen(path);

	for (unsigned i = 0; i < sizeof(within) / sizeof(within[0]); i++)
		if (strstr(path, within[i]))
			return false;
	return !(n >= 2 && strcmp(path + n - 2, "/.") == 0) &&
	       !(n >= 3 && strcmp(path + n - 3, "/..") == 0);
}

static void read_path(const struct field *in, struct ingress_path *path)
{
	static const char *const types[] = {"", "Exact", "Prefix", "ImplementationSpecific", NULL};
	const struct tree *at = tree_get(in->map, "path");
	unsigned type = 0;

	*path = (struct ingress_path){.path = "", .line = in->map->line};
	field_choice(in, "pathType", types, &type);
	field_text(in, "path", &path->path);
	if (!type && !tree_get(in->map, "pathType"))
		field_wrong(in, NULL, "pathType", "Exact, Prefix or ImplementationSpecific");
	path->type = (enum path_type)type;
	if (!*path->path)
		path->path = "/";
	if (*path->path != '/' || strlen(path->path) > SLUICE_PATH_LENGTH ||
		(type != PATH_IMPLEMENTATION_SPECIFIC && !is_clean(path->path)))
		field_wrong(in, at, "path",
			"a path that begins with / and has no //, /./, /../ or %2f in it");
	read_backend(in, "backend", &path->backend);
}

// The items of a list, each a map; NULL when there are none.
static const struct tree *read_list(const struct field *in, const char *key)
{
	const struct tree *list = field_list(in, key);

	if (!list || !list->count)
		return NULL;
	if (list->count > RULES_MAX) {
		field_wrong(in, list, key, "at most 10000");
		return NULL;
	}
	for (unsigned i = 0; i < list->count; i++)
		if (list->items[i]->kind != TREE_MAP) {
			field_wrong(in, list->items[i], key, "a list of maps");
			return NULL;
		}
	return list;
}

static void read_rule(const struct field *in, struct ingress_rule *rule)
{
	char http_path[FIELD_PATH];
	struct field http = {in->decode, in->object, field_map(in, "http"), http_path};
	const struct tree *host = tree_get(in->map, "host"), *list;
	struct ingress_path *paths;

	*rule = (struct ingress_rule){.host = "", .line = in->map->line};
	snprintf(http_path, sizeof(http_path), "%s.http", in->path);
	if (host)
		rule->host = read_host(in, host, "host");
	list = read_list(&http, "paths");
	if (http.map && !list)
		field_wrong(&http, tree_get(http.map, "paths"), "paths", "at least one path");
	if (!list)
		return;
	paths = arena_take_array(&in->object->arena, list->count, sizeof(*paths));
	for (unsigned i = 0; paths && i < list->count; i++) {
		char text[FIELD_PATH];
		struct field path = {in->decode, in->object, list->items[i], text};

		snprintf(text, sizeof(text), "%.100s.http.paths[%u]", in->path, i);
		read_path(&path, &paths[i]);
	}
	rule->paths = paths;
	rule->path_count = paths ? list->count : 0;
}

static void read_tls(const struct field *in, struct ingress_tls *tls)
{
	const struct tree *list = field_list(in, "hosts");
	const char **hosts;

	*tls = (struct ingress_tls){.secret = "", .line = in->map->line};
	field_text(in, "secretName", &tls->secret);
	if (*tls->secret && !name_is_subdomain(tls->secret))
		field_wrong(
			in, tree_get(in->map, "secretName"), "secretName", "the name of a Secret");
	if (!list || list->count > RULES_MAX)
		return;
	hosts = arena_take_array(&in->object->arena, list->count, sizeof(*hosts));
	for (unsigned i = 0; hosts && i < list->count; i++)
		hosts[i] = read_host(in, list->items[i], "hosts");
	tls->hosts = hosts;
	tls->host_count = hosts ? list->count : 0;
}

static void read_rules(const struct field *spec, struct ingress *ingress)
{
	const struct tree *list = read_list(spec, "rules");
	struct ingress_rule *rules =
		list ? arena_take_array(&spec->object->arena, list->count, sizeof(*rules)) : NULL;

	for (unsigned i = 0; rules && i < list->count; i++) {
		char path[FIELD_PATH];
		struct field in = {spec->decode, spec->object, list->items[i], path};

		snprintf(path, sizeof(path), "spec.rules[%u]", i);
		read_rule(&in, &rules[i]);
	}
	ingress->rules = rules;
	ingress->rule_count = rules ? list->count : 0;
}

static void read_tls_list(const struct field *spec, struct ingress *ingress)
{
	const struct tree *list = read_list(spec, "tls");
	struct ingress_tls *tls =
		list ? arena_take_array(&spec->object->arena, list->count, sizeof(*tls)) : NULL;

	for (unsigned i = 0; tls && i < list->count; i++) {
		char path[FIELD_PATH];
		struct field in = {spec->decode, spec->object, list->items[i], path};

		snprintf(path, sizeof(path), "spec.tls[%u]", i);
		read_tls(&in, &tls[i]);
	}
	ingress->tls = tls;
	ingress->tls_count = tls ? list->count : 0;
}

void decode_ingress(const struct field *spec, struct ingress *ingress)
{
	ingress->class = "";
	ingress->default_backend = (struct ingress_backend){.service = "", .port_name = ""};
	field_text(spec, "ingressClassName", &ingress->class);
	ingress->has_default = tree_get(spec->map, "defaultBackend");
	if (ingress->has_default)
		read_backend(spec, "defaultBackend", &ingress->default_backend);
	read_rules(spec, ingress);
	read_tls_list(spec, ingress);
	if (!ingress->has_default && !ingress->rule_count && !spec->decode->mistakes)
		field_wrong(spec, tree_get(spec->map, "rules"), "rules",
			"rules, or a defaultBackend beside them");
}

void decode_ingress_class(const struct field *spec, struct ingress_class *class)
{
	const char *is_default =
		object_annotation(&class->object, "ingressclass.kubernetes.io/is-default-class");

	class->controller = "";
	class->is_default = is_default && strcmp(is_default, "true") == 0;
	field_text(spec, "controller", &class->controller);
}
