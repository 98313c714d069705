// SPDX-License-Identifier: BSD-3-Clause
// GET /v1/certificates: those in use, and for which names. Never a key.
#include "api_internal.h"
#include "sorted.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

struct use {
	const char *certificate, *name;
};

static int compare_uses(const void *left, const void *right)
{
	const struct use *a = left, *b = right;
	int order = strcmp(a->certificate, b->certificate);

	return order ? order : strcmp(a->name, b->name);
}

static struct use *list_uses(const struct plan *plan, unsigned *count)
{
	unsigned room = 0;
	struct use *list;

	for (unsigned i = 0; i < plan->server_name_count; i++)
		room += plan->server_names[i]->certificate_count;
	list = calloc(room + 1, sizeof(*list));
	*count = 0;
	for (unsigned i = 0; list && i < plan->server_name_count; i++) {
		const struct plan_server_name *name = plan->server_names[i];

		for (unsigned j = 0; j < name->certificate_count; j++)
			list[(*count)++] =
				(struct use){name->certificates[j], *name->name ? name->name : "*"};
	}
	if (*count > 1)
		qsort(list, *count, sizeof(*list), compare_uses);
	return list;
}

static int compare_certificate(const void *certificate, const void *row)
{
	const struct use *use = row;

	return strcmp(certificate, use->certificate);
}

static json_t *names_for(const struct use *uses, unsigned count, const char *certificate)
{
	const struct sorted sorted = {uses, count, sizeof(*uses), compare_certificate};
	json_t *list = json_array();

	for (size_t i = sorted_place(&sorted, certificate, NULL);
		i < count && strcmp(uses[i].certificate, certificate) == 0; i++)
		json_array_append_new(list, json_string(uses[i].name));
	return list;
}

static json_t *certificates(const struct api_request *request)
{
	static const char *const keys[] = {[KEY_NONE] = "none",
		[KEY_RSA] = "RSA",
		[KEY_ECDSA] = "ECDSA",
		[KEY_OTHER] = "Ed25519"};
	const struct plan *plan = request->state->plan;
	json_t *rows = json_array();
	struct use *uses;
	unsigned count = 0;

	uses = plan ? list_uses(plan, &count) : NULL;
	for (unsigned i = 0; plan && i < plan->certificate_count; i++) {
		const struct plan_certificate *it = plan->certificates[i];
		json_t *row = json_object();

		json_object_set_new(row, "certificate", json_string(it->name));
		json_object_set_new(row, "names",
			json_texts(
				(char *const *)(uintptr_t)it->facts.names, it->facts.name_count));
		json_object_set_new(row, "subject", json_string(it->facts.subject));
		json_object_set_new(row, "issuer", json_string(it->facts.issuer));
		json_object_set_new(row, "key", json_string(keys[it->facts.key]));
		json_object_set_new(
			row, "not_before", json_time((uint64_t)it->facts.not_before * 1000000));
		json_object_set_new(
			row, "not_after", json_time((uint64_t)it->facts.not_after * 1000000));
		json_object_set_new(row, "fingerprint", json_string(it->facts.fingerprint));
		json_object_set_new(
			row, "stapled", json_boolean(it->facts.staple_until > time(NULL)));
		json_object_set_new(row, "used_by", names_for(uses, count, it->name));
		json_object_set_new(row, "where", json_string(it->where));
		json_array_append_new(rows, row);
	}
	free(uses);
	return json_pack("{s:o}", "certificates", rows);
}

const struct api_command api_certificates = {
	.path = "/v1/certificates",
	.help = "certificates in use, and for which names",
	.need = NEED_NOTHING,
	.handler = certificates,
	.large = true,
	.answer = "{certificates: [{certificate, names: [text], subject, issuer, key, "
		  "not_before, not_after, fingerprint, stapled: bool, used_by: [text], where}]}",
};
