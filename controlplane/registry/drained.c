// SPDX-License-Identifier: BSD-3-Clause
#include "drained.h"

#include "whole_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct drained {
	char *path;
	unsigned count;
	char **names;
};

bool drained_has(const struct drained *d, const char *name)
{
	for (unsigned i = 0; i < d->count; i++)
		if (strcmp(d->names[i], name) == 0)
			return true;
	return false;
}

static bool add(struct drained *d, const char *name)
{
	char **bigger = realloc(d->names, (d->count + 1) * sizeof(char *)), *mine = strdup(name);

	if (bigger)
		d->names = bigger;
	if (!bigger || !mine) {
		free(mine);
		return false;
	}
	d->names[d->count++] = mine;
	return true;
}

static int write_all(const struct drained *d, struct reason *reason)
{
	const struct whole_file whole = {.path = d->path, .mode = 0640};
	size_t size;
	char *text;
	FILE *file = open_memstream(&text, &size);
	int error;

	if (!file)
		return -ENOMEM;
	for (unsigned i = 0; i < d->count; i++)
		fprintf(file, "%s\n", d->names[i]);
	fclose(file);
	error = whole_file_write(&whole, text, size, reason);
	free(text);
	return error;
}

int drained_set(struct drained *d, const char *name, bool on, struct reason *reason)
{
	if (on && !drained_has(d, name) && !add(d, name))
		return -ENOMEM;
	for (unsigned i = 0; !on && i < d->count; i++)
		if (strcmp(d->names[i], name) == 0) {
			free(d->names[i]);
			d->names[i--] = d->names[--d->count];
		}
	return write_all(d, reason);
}

struct drained *drained_open(const char *state_dir)
{
	struct drained *d = calloc(1, sizeof(*d));
	char line[128];
	FILE *file;

	if (!d || asprintf(&d->path, "%s/drained-clusters", state_dir) < 0) {
		free(d);
		return NULL;
	}
	file = fopen(d->path, "re");
	while (file && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		if (*line)
			add(d, line);
	}
	if (file)
		fclose(file);
	return d;
}

void drained_close(struct drained *d)
{
	if (!d)
		return;
	for (unsigned i = 0; i < d->count; i++)
		free(d->names[i]);
	free(d->names);
	free(d->path);
	free(d);
}
