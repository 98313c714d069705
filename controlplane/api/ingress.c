// SPDX-License-Identifier: BSD-3-Clause
// GET /v1/ingresses: every Ingress there is, whose it is and why, and what became of it.
#include "api_internal.h"

#include <string.h>

static json_t *addresses_of(const struct plan_ingress *ingress)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < ingress->address_count; i++)
		json_array_append_new(list, json_addr(&ingress->addresses[i]));
	return list;
}

static unsigned problems_of(const struct plan *plan, const struct plan_ingress *ingress)
{
	unsigned count = 0;

	for (unsigned i = 0; i < plan->problem_count; i++) {
		const char *object = plan->problems[i]->object;

		count += strncmp(object, "Ingress ", 8) == 0 &&
			 strcmp(object + 8, ingress->name) == 0;
	}
	return count;
}

static json_t *ingresses(const struct api_request *request)
{
	const struct plan *plan = request->state->plan;
	json_t *rows = json_array();

	for (unsigned i = 0; plan && i < plan->ingress_count; i++) {
		const struct plan_ingress *ingress = plan->ingresses[i];
		json_t *row = json_object();

		json_object_set_new(row, "ingress", json_string(ingress->name));
		json_object_set_new(
			row, "class", *ingress->class ? json_string(ingress->class) : json_null());
		json_object_set_new(row, "served", json_boolean(ingress->ours));
		json_object_set_new(row, "why", json_string(ingress->why));
		json_object_set_new(row, "hosts",
			json_texts((char *const *)ingress->hosts, ingress->host_count));
		json_object_set_new(row, "addresses", addresses_of(ingress));
		json_object_set_new(row, "rules", json_integer(ingress->rule_count));
		json_object_set_new(row, "rules_lost", json_integer(ingress->lost_count));
		json_object_set_new(row, "problems", json_integer(problems_of(plan, ingress)));
		json_object_set_new(row, "where", json_string(ingress->where));
		json_array_append_new(rows, row);
	}
	return json_pack("{s:o}", "ingresses", rows);
}

const struct api_command api_ingresses = {
	.path = "/v1/ingresses",
	.help = "Ingresses: whose they are and why, their hosts and address",
	.need = NEED_NOTHING,
	.handler = ingresses,
	.large = true,
};
