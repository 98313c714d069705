// SPDX-License-Identifier: BSD-3-Clause
// Which Services are ours, and what each asks for.
#include <stdlib.h>
#include <string.h>

#include "plan_internal.h"

#define WEIGHTS_MAX 1024

// MetalLB's annotations have had two prefixes; the newer goes first.
static const char *metallb(const struct service *service, const char *suffix)
{
	static const char *const prefixes[] = {"metallb.io/", "metallb.universe.tf/"};
	char key[96];

	for (unsigned i = 0; i < 2; i++) {
		const char *value;

		snprintf(key, sizeof(key), "%s%s", prefixes[i], suffix);
		value = object_annotation(&service->object, key);
		if (value && *value)
			return value;
	}
	return NULL;
}

// The next piece of a list with commas, without the spaces around it; NULL at the end.
static char *next_piece(struct arena *arena, const char **rest)
{
	const char *begin = *rest;
	size_t n;

	if (!begin)
		return NULL;
	n = strcspn(begin, ",");
	*rest = begin[n] ? begin + n + 1 : NULL;
	while (n > 0 && strchr(" \t\n", *begin)) {
		begin++;
		n--;
	}
	while (n > 0 && strchr(" \t\n", begin[n - 1]))
		n--;
	return arena_copy_part(arena, begin, n);
}

static void read_ports(struct planner *p, struct want *want)
{
	const struct service *service = want->service;

	want->ports = arena_take_array(&want->arena, service->port_count, sizeof(*want->ports));
	for (unsigned i = 0; want->ports && i < service->port_count; i++) {
		const struct service_port *port = &service->ports[i];

		if (port->protocol == IPPROTO_TCP || port->protocol == IPPROTO_UDP)
			want->ports[want->port_count++] = *port;
		else
			problem_add(p, PROBLEM_ERROR, &service->object,
				"spec.ports[%u].protocol: found SCTP, expected TCP or UDP; the "
				"port is "
				"not served",
				i);
	}
}

static void read_request(struct planner *p, struct want *want, const char *text, const char *where)
{
	const struct service *service = want->service;
	struct addr address;
	unsigned family;

	if (addr_parse(&address, text) < 0) {
		want->refused = true;
		problem_add(p, PROBLEM_ERROR, &service->object,
			"%s: found \"%.60s\", expected an address such as 192.0.2.100", where,
			text);
		return;
	}
	family = family_of(&address);
	if (want->family[family].requested) {
		want->refused = true;
		problem_add(p, PROBLEM_ERROR, &service->object,
			"%s: found \"%s\", expected at most one %s address", where, text,
			family_name(family));
		return;
	}
	want->family[family].requested = true;
	want->family[family].request = address;
}

static void read_requests(struct planner *p, struct want *want)
{
	const struct service *service = want->service;
	const char *list = metallb(service, "loadBalancerIPs");
	const char *pool = metallb(service, "address-pool");
	const char *share = metallb(service, "allow-shared-ip");
	const char *single = list;
	char *piece;

	want->share = arena_copy(&want->arena, share ? share : "");
	while ((piece = next_piece(&want->arena, &list)))
		read_request(p, want, piece, "annotation metallb.io/loadBalancerIPs");
	if (!single && *service->requested)
		read_request(p, want, service->requested, "spec.loadBalancerIP");
	else if (*service->requested && strcmp(single, service->requested) != 0)
		problem_add(p, PROBLEM_WARNING, &service->object,
			"spec.loadBalancerIP \"%.60s\" is not looked at, because annotation "
			"metallb.io/loadBalancerIPs says \"%.100s\"",
			service->requested, single);
	for (unsigned i = 0; pool && i < p->settings->pool_count; i++)
		if (strcmp(p->settings->pools[i].name, pool) == 0)
			want->pool = &p->settings->pools[i];
	if (pool && !want->pool) {
		want->refused = true;
		problem_add(p, PROBLEM_ERROR, &service->object,
			"annotation metallb.io/address-pool: found \"%.60s\", expected the name of "
			"a "
			"pool in sluice.conf",
			pool);
	}
}

static bool holds(char *const *list, unsigned count, const char *text)
{
	for (unsigned i = 0; i < count; i++)
		if (strcmp(list[i], text) == 0)
			return true;
	return count == 0;
}

// "key=value"
static bool has_label(const struct object *object, const char *label)
{
	size_t n = strcspn(label, "=");

	for (unsigned i = 0; i < object->label_count; i++)
		if (strlen(object->labels[i].key) == n &&
			memcmp(object->labels[i].key, label, n) == 0)
			return strcmp(object->labels[i].value, label + n + 1) == 0;
	return false;
}

static bool is_for(const struct pool_settings *pool, const struct object *object)
{
	bool is = holds(pool->clusters, pool->cluster_count, object->cluster) &&
		  holds(pool->namespaces, pool->namespace_count, object->namespace);

	for (unsigned i = 0; is && i < pool->label_count; i++)
		is = has_label(object, pool->labels[i]);
	return is;
}

static void read_pools(struct planner *p, struct want *want)
{
	const struct object *object = &want->service->object;

	want->open = arena_take_array(&want->arena, p->settings->pool_count, sizeof(*want->open));
	for (unsigned i = 0; want->open && i < p->settings->pool_count; i++) {
		const struct pool_settings *pool = &p->settings->pools[i];

		want->open[i] = is_for(pool, object);
		if (want->pool != pool || want->open[i])
			continue;
		want->refused = true;
		problem_add(p, PROBLEM_ERROR, object,
			"annotation metallb.io/address-pool: pool %s is for other clusters, "
			"namespaces or labels; no address is given",
			pool->name);
	}
	want->open_count = p->settings->pool_count;
}

static void read_choices(struct planner *p, struct want *want)
{
	const struct object *object = &want->service->object;
	const char *mode = object_annotation(object, "sluice.dev/mode");
	const char *algorithm = object_annotation(object, "sluice.dev/algorithm");

	want->mode = p->settings->defaults.mode;
	want->algorithm = p->settings->defaults.algorithm;
	if (mode && !mode_parse(mode, &want->mode))
		problem_add(p, PROBLEM_ERROR, object,
			"annotation sluice.dev/mode: found \"%.60s\", expected full-nat, dnat or "
			"dsr; %s is used",
			mode, mode_name(want->mode));
	if (algorithm && !algorithm_parse(algorithm, &want->algorithm))
		problem_add(p, PROBLEM_ERROR, object,
			"annotation sluice.dev/algorithm: found \"%.60s\", expected maglev, "
			"round-robin, weighted, least-connections or source-hash; %s is used",
			algorithm, algorithm_name(want->algorithm));
}

static bool read_weight(char *piece, struct weight *weight)
{
	char *sign = strrchr(piece, '=');
	unsigned long value;
	char *end;

	if (!sign || sign == piece || sign[1] < '0' || sign[1] > '9')
		return false;
	*sign = '\0';
	value = strtoul(sign + 1, &end, 10);
	*weight = (struct weight){.node = piece, .weight = (uint16_t)value};
	if (addr_parse(&weight->address, piece) == 0)
		weight->node = "";
	*sign = *end || value < 1 || value > SLUICE_WEIGHT_MAX ? '='
							       : '\0'; // whole again when told
	return *sign == '\0';
}

static void read_weights(struct planner *p, struct want *want)
{
	const struct object *object = &want->service->object;
	const char *list = object_annotation(object, "sluice.dev/weights");
	struct weight *weights = NULL;
	char *piece;

	while ((piece = next_piece(&want->arena, &list))) {
		if (!*piece)
			continue;
		weights = arena_grow(&want->arena, weights, want->weight_count, sizeof(*weights));
		if (!weights)
			return;
		if (want->weight_count == WEIGHTS_MAX) {
			problem_add(p, PROBLEM_ERROR, object,
				"annotation sluice.dev/weights: more than %d weights; the rest is "
				"not used",
				WEIGHTS_MAX);
			break;
		}
		if (read_weight(piece, &weights[want->weight_count]))
			want->weight_count++;
		else
			problem_add(p, PROBLEM_ERROR, object,
				"annotation sluice.dev/weights: found \"%.60s\", expected "
				"\"<endpoint address or node name>=<weight from 1 to %d>\"; it is "
				"not "
				"used",
				piece, SLUICE_WEIGHT_MAX);
	}
	want->weights = weights;
}

// As Kubernetes reads a CIDR: the length must be there, host bits are no mistake.
static bool read_cidr(const char *text, struct prefix *prefix)
{
	char net[PREFIX_TEXT];
	const char *slash = strchr(text, '/');
	struct prefix whole;
	size_t n = slash ? (size_t)(slash - text) : 0;

	if (n == 0 || n >= ADDR_TEXT)
		return false;
	memcpy(net, text, n);
	net[n] = '\0';
	if (addr_parse(&prefix->addr, net) < 0)
		return false;
	// The length is checked on a prefix that has no host bits to set.
	snprintf(net, sizeof(net), "%s%.5s", addr_is_v4(&prefix->addr) ? "0.0.0.0" : "::", slash);
	if (prefix_parse(&whole, net) < 0)
		return false;
	prefix->length = whole.length;
	prefix_mask(prefix);
	return true;
}

static int compare_prefixes(const void *left, const void *right)
{
	const struct prefix *a = left, *b = right;
	int order = addr_compare(&a->addr, &b->addr);

	return order ? order : a->length - b->length;
}

static void add_source(struct planner *p, struct want *want, struct prefix **list, const char *text)
{
	char *spaces = arena_copy(&want->arena, text);
	const char *rest = spaces;
	const char *piece = next_piece(&want->arena, &rest);

	*list = arena_grow(&want->arena, *list, want->source_count, sizeof(**list));
	if (!*list || !piece)
		return;
	if (!rest && read_cidr(piece, &(*list)[want->source_count])) {
		want->source_count++;
		return;
	}
	want->denied = true;
	problem_add(p, PROBLEM_ERROR, &want->service->object,
		"spec.loadBalancerSourceRanges: found \"%.60s\", expected a prefix such as "
		"203.0.113.0/24; nobody is let in until it is mended",
		text);
}

static void read_sources(struct planner *p, struct want *want)
{
	const struct service *service = want->service;
	const char *older = object_annotation(
		&service->object, "service.beta.kubernetes.io/load-balancer-source-ranges");
	struct prefix *list = NULL;
	unsigned left = 0;
	char *piece;

	for (unsigned i = 0; i < service->source_count; i++)
		add_source(p, want, &list, service->sources[i]);
	while (!service->has_sources && older && *older &&
		(piece = next_piece(&want->arena, &older)))
		add_source(p, want, &list, piece);
	if (!list)
		return;
	if (want->source_count > 1)
		qsort(list, want->source_count, sizeof(*list), compare_prefixes);
	for (unsigned i = 0; i < want->source_count; i++)
		if (i == 0 || compare_prefixes(&list[i], &list[left - 1]) != 0)
			list[left++] = list[i];
	want->source_count = left;
	want->sources = list;
}

static void add_family(struct want *want, unsigned family, bool required)
{
	want->family[family].wanted = true;
	want->family[family].required = required;
}

static bool has_slices(const struct want *want, unsigned family)
{
	for (unsigned i = 0; i < want->slice_count; i++)
		if (want->slices[i]->family == (family == V4 ? FAMILY_V4 : FAMILY_V6))
			return true;
	return false;
}

// The first family of a Service: what it says, else what follows from all we know of it.
static unsigned first_family(const struct planner *p, const struct want *want)
{
	const struct service *service = want->service;
	bool single = service->family_policy == FAMILY_POLICY_NONE ||
		      service->family_policy == FAMILY_SINGLE;

	if (service->family_count)
		return service->families[0] == FAMILY_V4 ? V4 : V6;
	if (want->family[V4].requested != want->family[V6].requested)
		return want->family[V4].requested ? V4 : V6;
	if (has_slices(want, V4) != has_slices(want, V6))
		return has_slices(want, V4) ? V4 : V6;
	// With one family alone the lease says which was taken; with both it may only say which was
	// to be had.
	if (single && !ipam_lease(p, want, V4) != !ipam_lease(p, want, V6))
		return ipam_lease(p, want, V4) ? V4 : V6;
	return ipam_has_family(p, want, V4) || !ipam_has_family(p, want, V6) ? V4 : V6;
}

static void read_families(struct planner *p, struct want *want)
{
	const struct service *service = want->service;
	unsigned first = first_family(p, want), second = first == V4 ? V6 : V4;
	bool both_asked = service->family_count == 2 ||
			  (want->family[V4].requested && want->family[V6].requested);

	add_family(want, first, true);
	switch (service->family_policy) {
	case FAMILY_POLICY_NONE:
		if (both_asked)
			add_family(want, second, true);
		break;
	case FAMILY_SINGLE:
		break;
	case FAMILY_PREFER_DUAL:
		// Where it is not said it is taken when something shows that pods have it.
		if (both_asked || want->family[second].requested || has_slices(want, second) ||
			ipam_lease(p, want, second))
			add_family(want, second, false);
		break;
	case FAMILY_REQUIRE_DUAL:
		add_family(want, second, true);
		break;
	}
	for (unsigned i = 0; i < FAMILIES; i++)
		if (want->family[i].requested && !want->family[i].wanted) {
			want->refused = true;
			problem_add(p, PROBLEM_ERROR, &service->object,
				"an %s address is asked for, but the Service is %s alone by its "
				"ipFamilies or ipFamilyPolicy",
				family_name(i), family_name(first));
		}
}

void want_find_slices(struct planner *p, struct want *want)
{
	const struct object *object = &want->service->object;
	size_t count = model_slices(p->model, object, NULL, 0);

	want->slices = arena_take_array(&p->scratch, count, sizeof(const struct endpoint_slice *));
	if (want->slices)
		want->slice_count = (unsigned)model_slices(p->model, object, want->slices, count);
}

bool want_is_ours(const struct planner *p, const struct service *service)
{
	if (service->type != SERVICE_LOAD_BALANCER)
		return false;
	if (*service->class)
		return strcmp(service->class, SERVICE_CLASS) == 0;
	return p->settings->defaults.classless;
}

int want_compare_ages(const void *left, const void *right)
{
	const struct want *a = *(struct want *const *)left, *b = *(struct want *const *)right;

	if (a->front != b->front)
		return a->front - b->front;
	if (a->created != b->created)
		return a->created < b->created ? -1 : 1;
	return strcmp(a->name, b->name);
}

bool want_asks_same(const struct want *a, const struct want *b)
{
	if (a->created != b->created || a->line != b->line || strcmp(a->origin, b->origin) != 0 ||
		a->port_count != b->port_count || strcmp(a->share, b->share) != 0 ||
		a->pool != b->pool || a->refused != b->refused)
		return false;
	if (a->open_count != b->open_count ||
		memcmp(a->open, b->open, a->open_count * sizeof(*a->open)) != 0)
		return false;
	for (unsigned i = 0; i < a->port_count; i++)
		if (a->ports[i].port != b->ports[i].port ||
			a->ports[i].protocol != b->ports[i].protocol)
			return false;
	for (unsigned i = 0; i < FAMILIES; i++)
		if (a->family[i].wanted != b->family[i].wanted ||
			a->family[i].required != b->family[i].required ||
			a->family[i].requested != b->family[i].requested ||
			addr_compare(&a->family[i].request, &b->family[i].request) != 0)
			return false;
	return true;
}

static struct want *want_new(const struct service *service)
{
	const struct object *object = &service->object;
	struct want *want = calloc(1, sizeof(*want));

	if (!want)
		return NULL;
	want->service = service;
	want->front = strcmp(object->cluster, SETTINGS_OWN_SOURCE) == 0;
	want->created = object->created;
	want->line = object->line;
	want->by_client_ip = service->client_ip_affinity;
	want->origin = arena_copy(&want->arena, object->origin);
	want->name = arena_format(
		&want->arena, "%s/%s/%s", object->cluster, object->namespace, object->name);
	if (!want->name || !want->origin) {
		want_free(want);
		return NULL;
	}
	return want;
}

struct want *want_make_proxied(struct planner *p, const struct service *service)
{
	struct want *want = want_new(service);

	if (!want)
		return NULL;
	want->proxied = true;
	read_weights(p, want);
	return want;
}

struct want *want_make(struct planner *p, const struct service *service)
{
	struct want *want = want_new(service);

	if (!want)
		return NULL;
	want_find_slices(p, want);
	read_ports(p, want);
	read_requests(p, want);
	read_pools(p, want);
	read_choices(p, want);
	read_weights(p, want);
	read_sources(p, want);
	read_families(p, want);
	if (want->arena.failed) {
		want_free(want);
		return NULL;
	}
	return want;
}

void want_free(struct want *want)
{
	if (!want)
		return;
	arena_clear(&want->arena);
	free(want);
}
