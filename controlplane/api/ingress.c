// SPDX-License-Identifier: BSD-3-Clause
// GET /v1/ingresses: every Ingress there is, whose it is and why, and what became of it.
#include "api_internal.h"

#include <string.h>

#define OBJECT "Ingress " // and its name: of whom a problem is

// How many problems the Ingress has. Both are in the order of their names: `at` goes along.
static unsigned problems_of(
	const struct plan *plan, const struct plan_ingress *ingress, unsigned *at)
{
	unsigned count = 0;

	for (; *at < plan->problem_count; (*at)++) {
		const char *object = plan->problems[*at]->object;
		int order = strncmp(object, OBJECT, strlen(OBJECT));

		if (!order)
			order = strcmp(object + strlen(OBJECT), ingress->name);
		if (order > 0)
			break;
		count += !order;
	}
	return count;
}

static void ingress_row(struct text *text, const struct plan_ingress *ingress, unsigned problems)
{
	char word[ADDR_TEXT];

	text_open(text, '{');
	text_key_string(text, "ingress", ingress->name);
	text_key_string(text, "class", *ingress->class ? ingress->class : NULL);
	text_key(text, "served");
	text_put(text, ingress->ours ? "true" : "false");
	text_key_string(text, "why", ingress->why);
	text_key(text, "hosts");
	text_strings(text, (char *const *)(uintptr_t)ingress->hosts, ingress->host_count);
	text_key(text, "addresses");
	text_open(text, '[');
	for (unsigned i = 0; i < ingress->address_count; i++)
		text_string(text, addr_format(&ingress->addresses[i], word));
	text_close(text, ']');
	text_key_number(text, "rules", ingress->rule_count);
	text_key_number(text, "rules_lost", ingress->lost_count);
	text_key_number(text, "problems", problems);
	text_key_string(text, "where", ingress->where);
	text_close(text, '}');
}

static void ingresses(const struct api_request *request, struct text *text)
{
	const struct plan *plan = request->state->plan;
	unsigned at = 0;

	text_put(text, "{\"ingresses\":[");
	for (unsigned i = 0; plan && i < plan->ingress_count; i++)
		ingress_row(text, plan->ingresses[i], problems_of(plan, plan->ingresses[i], &at));
	end_rows(text, request);
}

const struct api_command api_ingresses = {
	.path = "/v1/ingresses",
	.help = "Ingresses: whose they are and why, their hosts and address",
	.need = NEED_NOTHING,
	.write = ingresses,
	.large = true,
	.answer = "{ingresses: [{ingress, class: text?, served: bool, why, hosts: [text], "
		  "addresses: [text], rules: number, rules_lost: number, problems: number, "
		  "where}]}",
};
