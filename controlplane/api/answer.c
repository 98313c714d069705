// SPDX-License-Identifier: BSD-3-Clause
// Small things that more than one noun needs to make its JSON. See api_internal.h.
#include "api_internal.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

json_t *answer_rows(const struct api_request *request, const char *noun, json_t *rows)
{
	json_t *answer = json_object();

	json_object_set_new(answer, noun, rows);
	if (!request->stats && !request->flows && request->why)
		json_object_set_new(
			answer, "warning", json_sprintf("no counters: %s", request->why));
	return answer;
}

void end_rows(struct text *text, const struct api_request *request)
{
	char warning[300];

	text_close(text, ']');
	if (!request->stats && request->why) {
		snprintf(warning, sizeof(warning), "no counters: %s", request->why);
		text_key_string(text, "warning", warning);
	}
	text_close(text, '}');
}

json_t *json_addr(const struct addr *addr)
{
	char text[ADDR_TEXT];

	return json_string(addr_format(addr, text));
}

json_t *json_bytes(const ProtobufCBinaryData *address)
{
	struct addr addr;

	return addr_from_bytes(&addr, address->data, address->len) ? json_null() : json_addr(&addr);
}

json_t *json_texts(char *const *texts, unsigned count)
{
	json_t *array = json_array();

	for (unsigned i = 0; i < count; i++)
		json_array_append_new(array, json_string(texts[i]));
	return array;
}

json_t *json_time(uint64_t realtime_us)
{
	time_t seconds = (time_t)(realtime_us / 1000000);
	char text[32];
	struct tm tm;

	if (!realtime_us || !gmtime_r(&seconds, &tm))
		return json_null();
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	return json_string(text);
}

const char *protocol_name(uint8_t protocol)
{
	return protocol == IPPROTO_TCP ? "tcp" : protocol == IPPROTO_UDP ? "udp" : "?";
}

static int compare_name(const void *key, const void *pool)
{
	return strcmp(key, (*(const struct plan_pool *const *)pool)->name);
}

// The plan's pools are sorted by name.
const struct plan_pool *plan_pool_find(const struct plan *plan, const char *name)
{
	struct plan_pool *const *found = NULL;

	if (plan->pool_count)
		found = bsearch(name, plan->pools, plan->pool_count, sizeof(struct plan_pool *),
			compare_name);
	return found ? *found : NULL;
}
