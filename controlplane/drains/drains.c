// SPDX-License-Identifier: BSD-3-Clause
#include "drains.h"

#include "log.h"
#include "sorted.h"
#include "whole_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct drains {
	char *path;
	size_t count;
	struct drain list[DRAINS_MAX]; // by address and port
};

bool drain_parse(struct drain *drain, const char *text)
{
	char copy[DRAIN_TEXT], *port = NULL, *address = copy;
	size_t length = strlen(text);
	unsigned long number;

	drain->port = 0;
	if (addr_parse(&drain->address, text) == 0)
		return true;
	if (length >= sizeof(copy))
		return false;
	memcpy(copy, text, length + 1);
	if (*copy == '[') {
		char *end = strchr(++address, ']');

		if (!end)
			return false;
		*end = '\0';
		if (end[1])
			port = end + 1;
	} else {
		port = strrchr(copy, ':');
	}
	if (port) {
		if (*port != ':' || !port[1] || strspn(port + 1, "0123456789") != strlen(port + 1))
			return false;
		number = strtoul(port + 1, NULL, 10);
		if (number < 1 || number > UINT16_MAX)
			return false;
		drain->port = (uint16_t)number;
		*port = '\0';
	}
	return addr_parse(&drain->address, address) == 0;
}

const char *drain_format(const struct drain *drain, char text[static DRAIN_TEXT])
{
	char address[ADDR_TEXT];
	bool four = addr_is_v4(&drain->address);

	addr_format(&drain->address, address);
	if (drain->port)
		snprintf(text, DRAIN_TEXT, "%s%s%s:%u", four ? "" : "[", address, four ? "" : "]",
			drain->port);
	else
		snprintf(text, DRAIN_TEXT, "%s", address);
	return text;
}

static int compare(const void *wanted, const void *row)
{
	const struct drain *a = wanted, *b = row;
	int order = addr_compare(&a->address, &b->address);

	return order ? order : (int)a->port - (int)b->port;
}

// Where it is, or where it belongs.
static size_t place(const struct drains *d, const struct drain *drain, bool *there)
{
	const struct sorted sorted = {d->list, d->count, sizeof(*d->list), compare};

	return sorted_place(&sorted, drain, there);
}

static bool has(const struct drains *d, const struct drain *drain)
{
	bool there;

	place(d, drain, &there);
	return there;
}

// False: there are too many.
static bool change(struct drains *d, const struct drain *drain, bool on)
{
	bool there;
	size_t at = place(d, drain, &there);

	if (there == on)
		return true;
	if (on && d->count == DRAINS_MAX)
		return false;
	memmove(&d->list[at + on], &d->list[at + !on],
		(d->count - at - !on) * sizeof(struct drain));
	if (on)
		d->list[at] = *drain;
	d->count = on ? d->count + 1 : d->count - 1;
	return true;
}

static void read_file(struct drains *d)
{
	FILE *file = fopen(d->path, "re");
	char line[DRAIN_TEXT + 2];
	struct drain drain;

	while (file && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		if (!drain_parse(&drain, line) || !change(d, &drain, true))
			log_warning("drains", "%s: \"%s\" is passed over", d->path, line);
	}
	if (file)
		fclose(file);
}

static int write_file(const struct drains *d, struct reason *reason)
{
	const struct whole_file whole = {.path = d->path, .mode = 0640};
	char *bytes = NULL, text[DRAIN_TEXT];
	size_t length;
	FILE *file = open_memstream(&bytes, &length);
	int error = -ENOMEM;

	if (!file)
		return error;
	for (size_t i = 0; i < d->count; i++)
		fprintf(file, "%s\n", drain_format(&d->list[i], text));
	if (fclose(file) == 0)
		error = whole_file_write(&whole, bytes, length, reason);
	free(bytes);
	return error;
}

struct drains *drains_open(const char *state_dir)
{
	struct drains *d = calloc(1, sizeof(*d));

	if (d && asprintf(&d->path, "%s/" DRAINS_FILE, state_dir) < 0)
		d->path = NULL;
	if (d && !d->path) {
		free(d);
		return NULL;
	}
	if (d)
		read_file(d);
	return d;
}

void drains_close(struct drains *d)
{
	if (!d)
		return;
	free(d->path);
	free(d);
}

int drains_set(struct drains *d, const struct drain *drain, bool on, struct reason *reason)
{
	bool there = has(d, drain);
	int error;

	if (!change(d, drain, on)) {
		reason_add(reason, "%d endpoints are drained: there can be no more", DRAINS_MAX);
		return -E2BIG;
	}
	error = write_file(d, reason);
	if (error)
		change(d, drain, there);
	return error;
}

bool drains_has(const void *drains, const struct addr *address, uint16_t port)
{
	const struct drains *d = drains;
	const struct drain all = {*address, 0}, one = {*address, port};

	return has(d, &all) || has(d, &one);
}

size_t drains_count(const struct drains *d)
{
	return d->count;
}

struct drain drains_at(const struct drains *d, size_t i)
{
	return d->list[i];
}
