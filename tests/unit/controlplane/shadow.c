// SPDX-License-Identifier: BSD-3-Clause
#include "shadow.h"

#include "limits.h"
#include "sealed_file.h"

#include <assert.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *hex(const ProtobufCBinaryData *data)
{
	char *text = calloc(1, 2 * data->len + 1);

	assert(text);
	for (size_t i = 0; i < data->len; i++)
		snprintf(text + 2 * i, 3, "%02x", data->data[i]);
	return text;
}

// The whole message in its serialized form: nothing of it can be forgotten in a comparison.
static char *packed(const ProtobufCMessage *message)
{
	ProtobufCBinaryData data;
	char *text;

	data.len = protobuf_c_message_get_packed_size(message);
	data.data = malloc(data.len + 1);
	assert(data.data);
	protobuf_c_message_pack(message, data.data);
	text = hex(&data);
	free(data.data);
	return text;
}

static void clear_lines(struct shadow *shadow)
{
	for (unsigned i = 0; i < shadow->count; i++)
		free(shadow->lines[i]);
	free(shadow->lines);
	shadow->lines = NULL;
	shadow->count = 0;
}

// The key goes; NULL or a value that takes its place goes too.
static void set(struct shadow *shadow, char *key, char *value)
{
	size_t length = strlen(key);
	char *line;

	for (unsigned i = 0; i < shadow->count; i++) {
		if (strncmp(shadow->lines[i], key, length) != 0 || shadow->lines[i][length] != '\t')
			continue;
		free(shadow->lines[i]);
		shadow->lines[i] = shadow->lines[--shadow->count];
		break;
	}
	if (value) {
		assert(asprintf(&line, "%s\t%s", key, value) > 0);
		shadow->lines = realloc(shadow->lines, (shadow->count + 1) * sizeof(line));
		assert(shadow->lines);
		shadow->lines[shadow->count++] = line;
	}
	free(key);
	free(value);
}

static char *listener_key(ProtobufCBinaryData vip, int protocol, unsigned port)
{
	char *address = hex(&vip), *key;

	assert(asprintf(&key, "listener %s %d %u", address, protocol, port) > 0);
	free(address);
	return key;
}

static char *prefix_key(const Sluice__Prefix *prefix)
{
	char *address = hex(&prefix->address), *key;

	assert(asprintf(&key, "route %s %u", address, prefix->length) > 0);
	free(address);
	return key;
}

static char *vip_key(const ProtobufCBinaryData *vip)
{
	char *address = hex(vip), *key;

	assert(asprintf(&key, "vip %s", address) > 0);
	free(address);
	return key;
}

static char *pool_key(const char *name)
{
	char *key;

	assert(asprintf(&key, "pool %s", name) > 0);
	return key;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void shadow_apply(struct shadow *s, const Sluice__Transaction *t)
{
	if (t->since == 0)
		clear_lines(s);
	else
		assert(t->since == s->generation);
	for (size_t i = 0; i < t->n_vips_removed; i++)
		set(s, vip_key(&t->vips_removed[i]), NULL);
	for (size_t i = 0; i < t->n_listeners_removed; i++)
		set(s,
			listener_key(t->listeners_removed[i]->vip,
				t->listeners_removed[i]->protocol, t->listeners_removed[i]->port),
			NULL);
	for (size_t i = 0; i < t->n_pools_removed; i++)
		set(s, pool_key(t->pools_removed[i]), NULL);
	for (size_t i = 0; i < t->n_routes_removed; i++)
		set(s, prefix_key(t->routes_removed[i]), NULL);
	for (size_t i = 0; i < t->n_vips; i++)
		set(s, vip_key(&t->vips[i]->address), packed(&t->vips[i]->base));
	for (size_t i = 0; i < t->n_listeners; i++)
		set(s,
			listener_key(t->listeners[i]->vip, t->listeners[i]->protocol,
				t->listeners[i]->port),
			packed(&t->listeners[i]->base));
	for (size_t i = 0; i < t->n_pools; i++)
		set(s, pool_key(t->pools[i]->name), packed(&t->pools[i]->base));
	for (size_t i = 0; i < t->n_routes; i++)
		set(s, prefix_key(t->routes[i]->prefix), packed(&t->routes[i]->base));
	if (s->count)
		qsort(s->lines, s->count, sizeof(*s->lines), compare);
	s->generation = t->generation;
}

char *shadow_text(const struct shadow *shadow)
{
	size_t size;
	char *text;
	FILE *file = open_memstream(&text, &size);

	assert(file);
	for (unsigned i = 0; i < shadow->count; i++)
		fprintf(file, "%s\n", shadow->lines[i]);
	fclose(file);
	return text;
}

void shadow_clear(struct shadow *shadow)
{
	clear_lines(shadow);
	shadow->generation = 0;
}

unsigned plan_file_look(const char *path, uint64_t *generation)
{
	struct reason reason = {0};
	struct sealed_file file = {.path = path, .purpose = SLUICE_PLAN_FILE};
	char *copy = strdup(path);
	Sluice__Transaction *t;
	struct seal *seal;
	unsigned count = 0;
	uint8_t *bytes;
	size_t length;

	*generation = 0;
	assert(seal_open(&seal, dirname(copy), &reason) == 0);
	file.seal = seal;
	if (sealed_file_read(&file, &bytes, &length, &reason) == 0) {
		t = sluice__transaction__unpack(NULL, length, bytes);
		assert(t && t->since == 0);
		*generation = t->generation;
		for (size_t i = 0; i < t->n_pools; i++)
			count += (unsigned)t->pools[i]->n_endpoints;
		sluice__transaction__free_unpacked(t, NULL);
		free(bytes);
	}
	seal_close(seal);
	free(copy);
	reason_clear(&reason);
	return count;
}
