// SPDX-License-Identifier: BSD-3-Clause
#include "vip_drains.h"

#include "whole_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool add(struct vip_drains *d, const struct addr *address)
{
	struct addr *more = realloc(d->list, (d->count + 1) * sizeof(*more));

	if (!more)
		return false;
	d->list = more;
	d->list[d->count++] = *address;
	return true;
}

static void read_file(struct vip_drains *d)
{
	FILE *file = fopen(d->path, "re");
	char line[ADDR_TEXT + 2];
	struct addr address;

	while (file && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		if (strcmp(line, "box") == 0)
			d->box = true;
		else if (addr_parse(&address, line) == 0 && !add(d, &address))
			break;
	}
	if (file)
		fclose(file);
}

static int write_file(const struct vip_drains *d, struct reason *reason)
{
	const struct whole_file whole = {.path = d->path, .mode = 0640};
	char *bytes = NULL, text[ADDR_TEXT];
	size_t length;
	FILE *file = open_memstream(&bytes, &length);
	int error = -ENOMEM;

	if (!file)
		return error;
	if (d->box)
		fputs("box\n", file);
	for (unsigned i = 0; i < d->count; i++)
		fprintf(file, "%s\n", addr_format(&d->list[i], text));
	if (fclose(file) == 0)
		error = whole_file_write(&whole, bytes, length, reason);
	free(bytes);
	return error;
}

int vip_drains_open(struct vip_drains *d, const char *state_dir)
{
	*d = (struct vip_drains){0};
	if (asprintf(&d->path, "%s/drained", state_dir) < 0) {
		d->path = NULL;
		return -ENOMEM;
	}
	read_file(d);
	return 0;
}

void vip_drains_close(struct vip_drains *d)
{
	free(d->path);
	free(d->list);
}

bool vip_drains_has(const struct vip_drains *d, const struct addr *address)
{
	for (unsigned i = 0; i < d->count; i++)
		if (addr_compare(&d->list[i], address) == 0)
			return true;
	return false;
}

int vip_drains_set(struct vip_drains *d, const struct addr *address, bool on, struct reason *reason)
{
	if (!address) {
		d->box = on;
	} else if (on && !vip_drains_has(d, address)) {
		if (!add(d, address))
			return -ENOMEM;
	} else if (!on) {
		for (unsigned i = 0; i < d->count; i++)
			if (addr_compare(&d->list[i], address) == 0)
				d->list[i] = d->list[--d->count];
	}
	return write_file(d, reason);
}
