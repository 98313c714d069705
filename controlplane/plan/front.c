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

static bool is_older(const struct object *a, const struct object *b)
{
	int order = a->created != b->created ? (a->created < b->created ? -1 : 1)
					     : strcmp(a->cluster, b->cluster);

	order = order ? order : strcmp(a->namespace, b->namespace);
	return (order ? order : strcmp(a->name, b->name)) < 0;
}

// The address that the oldest of them has in its cluster, where another box may have given it. They
// all wait to be made when there is no address yet.
static void say_address(const struct planner *p, struct object *address)
{
	const struct object *oldest[FAMILIES] = {NULL};

	for (unsigned i = 0; i < p->loose_count; i++) {
		const struct front_member *member = p->loose[i];
		const struct object *object =
			member->ours ? model_find(p->model, OBJECT_INGRESS, member->cluster,
					       member->namespace, member->name)
				     : NULL;

		for (unsigned k = 0; object && !object->line && k < FAMILIES; k++) {
			if (addr_is_zero(&object->status.said[k]) ||
				(oldest[k] && !is_older(object, oldest[k])))
				continue;
			oldest[k] = object;
			address->status.said[k] = object->status.said[k];
		}
	}
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
	say_address(p, kept->address);
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
bool front_name_fits(const struct front_member *member)
{
	return strlen(member->cluster) + strlen(member->namespace) + strlen(member->name) + 2 <
	       SLUICE_NAME_MAX;
}

// Its row. False: out of memory, or the Ingress is not ours.
static bool take_ingress(struct front *f, const struct front_member *member)
{
	struct planner *p = f->p;
	struct front_ingress *one = &f->ingresses[f->count];
	const struct object *object = model_find(
		p->model, OBJECT_INGRESS, member->cluster, member->namespace, member->name);
	struct plan_ingress *row = object ? part_add(p->part, ROW_INGRESS) : NULL;
	const char *class;

	if (!row)
		return false;
	*one = (struct front_ingress){.ingress = (const struct ingress *)object};
	one->name = arena_format(
		p->arena, "%s/%s/%s", object->cluster, object->namespace, object->name);
	one->where = object_where(object, p->arena);
	one->row = row;
	one->file = arena_copy(p->arena, object->line ? object->origin : "");
	row->ours = front_is_ours(p, one->ingress, &class, &row->why);
	row->name = one->name;
	row->where = one->where;
	row->class = arena_copy(p->arena, class);
	if (!one->name || !one->where || !one->file)
		return false;
	if (row->ours && !front_name_fits(member)) {
		row->ours = false;
		problem_add(p, PROBLEM_ERROR, object,
			"not served: with cluster and namespace its name has more than %d "
			"characters",
			SLUICE_NAME_MAX - 1);
	}
	return row->ours;
}

// A row for each Ingress, and those that are ours in order of age.
static struct front *collect(struct planner *p, struct front_knot *knot)
{
	struct front *f = arena_take(&p->scratch, sizeof(*f));

	if (!f)
		return NULL;
	*f = (struct front){.p = p, .knot = knot};
	f->ingresses =
		arena_take_array(&p->scratch, knot->member_count + 1u, sizeof(*f->ingresses));
	if (!f->ingresses)
		return NULL;
	for (unsigned i = 0; i < knot->member_count; i++)
		f->count += take_ingress(f, knot->members[i]);
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

static const struct plan_policy *root_policy(struct planner *p, const struct annotated *annotated)
{
	struct plan_policy *root = arena_take(p->arena, sizeof(*root));

	if (!root || !*annotated->app_root)
		return NULL;
	*root = annotated->policy;
	root->rewrite = "";
	root->redirect_to = arena_format(p->arena, "$scheme://$http_host%s", annotated->app_root);
	root->redirect_to_code = 302;
	return root->redirect_to ? root : NULL;
}

static void read_annotations(struct front *f, struct front_ingress *one)
{
	struct planner *p = f->p;
	struct reason reason = {0};
	char *line, *rest;

	annotations_read(one->ingress, &p->settings->ingress, p->arena, &one->annotated, &reason);
	rest = arena_copy(&p->scratch, reason_text(&reason));
	while (rest && (line = strsep(&rest, "\n")))
		if (*line)
			problem_add(p, PROBLEM_WARNING, &one->ingress->object, "%s", line);
	reason_clear(&reason);
}

static void make_policies(struct planner *p, struct front_ingress *one)
{
	struct plan_policy *policy = arena_take(p->arena, sizeof(*policy));
	struct plan_policy *plain = arena_take(p->arena, sizeof(*plain));

	if (policy && plain) {
		*policy = *plain = one->annotated.policy;
		plain->rewrite = "";
	}
	one->policy = policy;
	one->policy_plain = plain;
	one->policy_root = root_policy(p, &one->annotated);
}

static const char *const own = SETTINGS_OWN_SOURCE;

bool front_object_changed(struct planner *p, const struct model_change *change)
{
	if (!p->kept->front.made || p->front_changed)
		return true;
	if (change->kind == OBJECT_INGRESS)
		return knots_ingress_changed(p, change);
	if (change->kind == OBJECT_INGRESS_CLASS || strcmp(change->cluster, own) == 0)
		p->front_changed = true; // the default certificate, too
	else if (!front_certificate_changed(p, change))
		return knots_named_changed(p, change);
	return true;
}

bool step_front_ask(struct planner *p)
{
	struct front_kept *kept = &p->kept->front;
	const struct service *service;
	bool ok;

	p->front_changed |= !kept->made;
	ok = p->front_changed ? knots_know_all(p) : knots_gather(p);
	if (ok && !p->front_changed && p->loose_count && (kept->whole || knots_may_be_full(kept))) {
		p->front_changed = true;
		ok = knots_know_all(p);
	}
	if (!ok)
		return false;
	service = kept->ours ? address_service(p) : NULL;
	if (kept->ours && !service)
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

static void note_addresses(struct front_kept *kept, const struct want *want)
{
	for (unsigned i = 0; i < FAMILIES; i++) {
		kept->got[i] = want && want->family[i].got;
		if (kept->got[i])
			kept->addresses[i] = want->family[i].address;
	}
}

// The address is the same for all.
static void give_addresses(struct front *f)
{
	const struct front_kept *kept = &f->p->kept->front;

	for (unsigned i = 0; i < f->count; i++)
		for (unsigned family = 0; family < FAMILIES; family++) {
			struct plan_ingress *row = f->ingresses[i].row;

			if (kept->got[family])
				row->addresses[row->address_count++] = kept->addresses[family];
		}
}

static bool fill(struct planner *p, struct front_knot *knot)
{
	struct front_kept *kept = &p->kept->front;
	struct front *f = collect(p, knot);

	if (!f || !front_names_begin(f))
		return false;
	for (unsigned i = 0; i < f->count; i++) {
		read_annotations(f, &f->ingresses[i]);
		front_proxy_secret(f, &f->ingresses[i]);
		make_policies(p, &f->ingresses[i]);
	}
	give_addresses(f);
	front_hosts_make(f);
	front_names_make(f);
	if (knot == kept->site) {
		add_site(p);
		front_default_name_make(f);
	}
	return !p->scratch.failed;
}

// There may be thousands of knots: what one needs while it is made is not kept until the end.
bool front_make(struct planner *p, struct front_knot *knot)
{
	struct arena scratch = p->scratch;
	bool ok;

	if (!part_begin(p))
		return false;
	p->scratch = (struct arena){0};
	ok = fill(p, knot);
	arena_clear(&p->scratch);
	p->scratch = scratch;
	p->scratch.failed |= !ok;
	return part_replace(p, &knot->part) && ok;
}

// What there is once, when any Ingress is ours.
static bool make_site(struct planner *p)
{
	struct front_kept *kept = &p->kept->front;

	if (!p->front_changed && !kept->site == !kept->ours)
		return true;
	if (kept->site)
		knot_undo(p->kept, kept->site);
	else
		kept->site = calloc(1, sizeof(*kept->site));
	if (kept->site && kept->ours)
		return front_make(p, kept->site);
	free(kept->site);
	kept->site = NULL;
	return !kept->ours;
}

bool step_front(struct planner *p)
{
	struct front_kept *kept = &p->kept->front;
	const struct want *want =
		planning_find(p->kept, SETTINGS_OWN_SOURCE "/" SETTINGS_OWN_SOURCE "/ingress");

	if (!p->front_changed && !same_addresses(p, want)) {
		p->front_changed = true;
		if (!knots_know_all(p))
			return false;
	}
	note_addresses(kept, want);
	if (p->front_changed)
		kept->whole = knots_may_be_full(kept);
	if (!front_pools_begin(p) || !make_site(p) || !knots_tie(p, kept->whole))
		return false;
	kept->made = true;
	return front_certificates_serve(p) && front_pools_serve(p);
}

void front_clear(struct planning *g)
{
	knots_clear(g);
	if (g->front.site)
		knot_undo(g, g->front.site);
	free(g->front.site);
	front_certificates_clear(g);
	front_pools_clear(g);
	object_free(g->front.address);
	g->front = (struct front_kept){0};
}
