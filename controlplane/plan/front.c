// SPDX-License-Identifier: BSD-3-Clause
#include "front.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "front_class.h"
#include "limits.h"

#define MS 1000

const char *front_where(unsigned line, char text[static FRONT_WHERE])
{
	text[0] = '\0';
	if (line)
		snprintf(text, FRONT_WHERE, "line %u: ", line);
	return text;
}

static void *copy_prefixes(struct arena *arena, const struct prefix *list, unsigned count)
{
	struct prefix *copy = arena_take_array(arena, count, sizeof(*copy));

	if (copy && count)
		memcpy(copy, list, count * sizeof(*copy));
	return copy;
}

void front_listeners_make(struct planner *p, struct want *want)
{
	const struct ingress_settings *s = &p->settings->ingress;

	for (unsigned family = 0; family < FAMILIES; family++)
		for (unsigned i = 0; want->family[family].got && i < want->port_count; i++) {
			struct plan_listener *listener = part_add(p->part, ROW_LISTENER);
			struct plan_http_listener *http = arena_take(p->arena, sizeof(*http));

			if (!listener || !http)
				return;
			p->listener_count++;
			want->listener_count++;
			*http = (struct plan_http_listener){
				.site = PLAN_SITE,
				.tls = strcmp(want->ports[i].name, "https") == 0,
				.proxy_protocol_count = s->proxy_protocol_count,
				.trusted_count = s->trusted_count,
				.proxy_protocol = copy_prefixes(
					p->arena, s->proxy_protocol, s->proxy_protocol_count),
				.trusted = copy_prefixes(p->arena, s->trusted, s->trusted_count),
			};
			*listener = (struct plan_listener){
				.vip = want->family[family].address,
				.protocol = IPPROTO_TCP,
				.port = want->ports[i].port,
				.service = arena_copy(p->arena, want->name),
				.pool = arena_copy(p->arena, ""),
				.mode = MODE_FULL_NAT,
				.http = http,
			};
		}
}

// The address of the Ingresses is asked for as that of a Service is.
static void describe(struct planner *p, struct service *service)
{
	const struct ingress_settings *s = &p->settings->ingress;
	struct arena *arena = &service->object.arena;
	struct label *labels = arena_take_array(arena, 3, sizeof(*labels));
	struct service_port *ports = arena_take_array(arena, 2, sizeof(*ports));
	char list[2 * ADDR_TEXT + 2] = "", text[ADDR_TEXT];
	unsigned n = 0;

	if (!labels || !ports)
		return;
	for (unsigned i = 0; i < s->address_count; i++)
		snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s", i ? "," : "",
			addr_format(&s->addresses[i], text));
	labels[n++] = (struct label){"sluice.dev/mode", mode_name(MODE_FULL_NAT)};
	if (*list)
		labels[n++] = (struct label){"metallb.io/loadBalancerIPs", arena_copy(arena, list)};
	if (*s->pool)
		labels[n++] = (struct label){"metallb.io/address-pool", arena_copy(arena, s->pool)};
	service->object.annotations = labels;
	service->object.annotation_count = n;
	service->type = SERVICE_LOAD_BALANCER;
	service->class = SERVICE_CLASS;
	service->requested = "";
	ports[0] = (struct service_port){
		.name = "http", .target_name = "", .protocol = IPPROTO_TCP, .port = s->http_port};
	ports[1] = (struct service_port){
		.name = "https", .target_name = "", .protocol = IPPROTO_TCP, .port = s->https_port};
	service->ports = ports;
	service->port_count = 2;
}

static bool has_family(const struct planner *p, unsigned family)
{
	for (unsigned i = 0; i < p->settings->pool_count; i++) {
		const struct pool_settings *pool = &p->settings->pools[i];

		if (*p->settings->ingress.pool &&
			strcmp(p->settings->ingress.pool, pool->name) != 0)
			continue;
		for (unsigned j = 0; j < pool->range_count; j++)
			if (family_of(&pool->ranges[j].first) == family)
				return true;
	}
	return false;
}

// Of both families that the pools have, unless addresses are asked for.
static const struct service *address_service(struct planner *p)
{
	struct front_kept *kept = &p->kept->front;
	struct service *service;

	if (kept->address)
		return (const struct service *)kept->address;
	kept->address =
		object_new(OBJECT_SERVICE, SETTINGS_OWN_SOURCE, SETTINGS_OWN_SOURCE, "ingress");
	service = (struct service *)kept->address;
	if (!service)
		return NULL;
	describe(p, service);
	for (unsigned i = 0; !p->settings->ingress.address_count && i < FAMILIES; i++)
		if (has_family(p, i))
			service->families[service->family_count++] =
				i == V4 ? FAMILY_V4 : FAMILY_V6;
	return service->object.arena.failed ? NULL : service;
}

static int compare_ages(const void *left, const void *right)
{
	const struct front_ingress *a = left, *b = right;
	int64_t made_a = a->ingress->object.created, made_b = b->ingress->object.created;

	if (made_a != made_b)
		return made_a < made_b ? -1 : 1;
	return strcmp(a->name, b->name);
}

// A name that everybody else can hold.
static bool name_fits(struct planner *p, const struct front_ingress *one)
{
	if (strlen(one->name) < SLUICE_NAME_MAX)
		return true;
	problem_add(p, PROBLEM_ERROR, &one->ingress->object,
		"not served: with cluster and namespace its name has more than %d characters",
		SLUICE_NAME_MAX - 1);
	return false;
}

// A row for each Ingress, and those that are ours in order of age.
static struct front *collect(struct planner *p)
{
	size_t count = model_count(p->model, OBJECT_INGRESS);
	struct front *f = arena_take(&p->scratch, sizeof(*f));
	const struct object **list = arena_take_array(&p->scratch, count, sizeof(*list));

	if (!f || !list)
		return NULL;
	*f = (struct front){.p = p};
	f->ingresses = arena_take_array(&p->scratch, count, sizeof(*f->ingresses));
	model_list(p->model, OBJECT_INGRESS, list);
	for (size_t i = 0; f->ingresses && i < count; i++) {
		struct front_ingress *one = &f->ingresses[f->count];
		struct plan_ingress *row = part_add(p->part, ROW_INGRESS);
		const char *class;

		if (!row)
			return NULL;
		*one = (struct front_ingress){.ingress = (const struct ingress *)list[i]};
		one->name = arena_format(
			p->arena, "%s/%s/%s", list[i]->cluster, list[i]->namespace, list[i]->name);
		one->where = object_where(list[i], p->arena);
		one->row = row;
		one->file = arena_copy(p->arena, list[i]->line ? list[i]->origin : "");
		row->ours = front_is_ours(p, one->ingress, &class, &row->why);
		row->name = one->name;
		row->where = one->where;
		row->class = arena_copy(p->arena, class);
		if (!one->name || !one->where || !one->file)
			return NULL;
		row->ours = row->ours && name_fits(p, one);
		f->count += row->ours;
	}
	if (f->count > 1)
		qsort(f->ingresses, f->count, sizeof(*f->ingresses), compare_ages);
	return f;
}

static void add_site(struct planner *p)
{
	const struct ingress_settings *s = &p->settings->ingress;
	struct plan_site *site = part_add(p->part, ROW_SITE);

	if (site)
		*site = (struct plan_site){
			.name = PLAN_SITE,
			.hsts_s = s->hsts_s,
			.hsts_subdomains = s->hsts_subdomains,
			.hsts_preload = s->hsts_preload,
			.head_timeout_ms = s->head_timeout_s * MS,
			.idle_timeout_ms = s->idle_timeout_s * MS,
			.body_timeout_ms = s->body_timeout_s * MS,
			.head_bytes = s->head_bytes,
			.requests = s->requests,
			.log_sample = s->log_sample,
		};
}

static void read_annotations(struct front *f, struct front_ingress *one)
{
	struct planner *p = f->p;
	struct reason reason = {0};
	struct plan_policy *policy = arena_take(p->arena, sizeof(*policy));
	struct plan_policy *plain = arena_take(p->arena, sizeof(*plain));
	char *line, *rest;

	annotations_read(one->ingress, &p->settings->ingress, p->arena, &one->annotated, &reason);
	if (policy && plain) {
		*policy = *plain = one->annotated.policy;
		plain->rewrite = "";
	}
	one->policy = policy;
	one->policy_plain = plain;
	rest = arena_copy(&p->scratch, reason_text(&reason));
	while (rest && (line = strsep(&rest, "\n")))
		if (*line)
			problem_add(p, PROBLEM_WARNING, &one->ingress->object, "%s", line);
	reason_clear(&reason);
}

bool step_front_ask(struct planner *p)
{
	struct planning *g = p->kept;
	const struct service *service;

	if (!p->front_changed && g->front.part)
		return true;
	p->front_changed = true;
	if (!part_begin(p))
		return false;
	p->front_part = p->part;
	p->front = collect(p);
	service = p->front && p->front->count ? address_service(p) : NULL;
	if (!p->front || (p->front->count && !service))
		return false;
	return step_ask_front(p, service);
}

static bool same_addresses(const struct planner *p, const struct want *want)
{
	const struct front_kept *kept = &p->kept->front;

	for (unsigned i = 0; i < FAMILIES; i++) {
		bool got = want && want->family[i].got;

		if (got != kept->got[i] ||
			(got && addr_compare(&want->family[i].address, &kept->addresses[i]) != 0))
			return false;
	}
	return true;
}

// The address is the same for all.
static void note_addresses(struct planner *p, const struct want *want)
{
	struct front_kept *kept = &p->kept->front;

	for (unsigned i = 0; i < FAMILIES; i++) {
		kept->got[i] = want && want->family[i].got;
		if (kept->got[i])
			kept->addresses[i] = want->family[i].address;
	}
	for (unsigned i = 0; i < p->front->count; i++)
		for (unsigned family = 0; family < FAMILIES; family++) {
			struct plan_ingress *row = p->front->ingresses[i].row;

			if (kept->got[family])
				row->addresses[row->address_count++] = kept->addresses[family];
		}
}

bool step_front(struct planner *p)
{
	struct want *want =
		planning_find(p->kept, SETTINGS_OWN_SOURCE "/" SETTINGS_OWN_SOURCE "/ingress");

	if (!p->front_changed && !same_addresses(p, want)) {
		p->front_changed = true;
		if (!part_begin(p))
			return false;
		p->front_part = p->part;
		p->front = collect(p);
	}
	if (!p->front_changed)
		return front_pools_serve(p);
	if (!p->front)
		return false;
	p->part = p->front_part;
	p->arena = &p->part->arena;
	if (!front_names_begin(p->front))
		return false;
	for (unsigned i = 0; i < p->front->count; i++) {
		read_annotations(p->front, &p->front->ingresses[i]);
		front_proxy_secret(p->front, &p->front->ingresses[i]);
	}
	note_addresses(p, want);
	if (p->front->count)
		add_site(p);
	front_hosts_make(p->front);
	front_names_make(p->front);
	p->front_part = NULL;
	return !p->scratch.failed && part_replace(p, &p->kept->front.part) && front_pools_serve(p);
}

void front_clear(struct planning *g)
{
	front_pools_clear(g);
	planning_remove(g, g->front.part);
	object_free(g->front.address);
	g->front = (struct front_kept){0};
}
