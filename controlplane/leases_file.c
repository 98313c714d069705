// SPDX-License-Identifier: BSD-3-Clause
#include "leases_file.h"

#include "addr.h"
#include "limits.h"
#include "whole_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEAD           "# sluice leases 1: the address of each Service. Written by sluice-controlplane.\n"
#define APPENDED_LEAST 1000 // lines that may be at its end, or half of what there is

static int add_lease(struct plan_lease **leases, unsigned *count, const struct plan_lease *lease)
{
	struct plan_lease *list = *leases;

	// Doubles at each power of two.
	if ((*count & (*count - 1)) == 0) {
		list = realloc(list, sizeof(*list) * (*count ? 2 * *count : 1));
		if (!list)
			return -ENOMEM;
		*leases = list;
	}
	list[*count] = *lease;
	list[*count].service = strdup(lease->service);
	if (!list[*count].service)
		return -ENOMEM;
	(*count)++;
	return 0;
}

static int order(const struct plan_lease *a, const struct plan_lease *b)
{
	int names = a->service == b->service ? 0 : strcmp(a->service, b->service);

	return names ? names : addr_compare(&a->address, &b->address);
}

static void remove_lease(struct plan_lease *leases, unsigned *count, const struct plan_lease *lease)
{
	for (unsigned i = *count; i > 0; i--)
		if (order(&leases[i - 1], lease) == 0) {
			free(leases[i - 1].service);
			leases[i - 1] = leases[--*count];
			return;
		}
}

// "cluster/namespace/name address"
static bool parse_lease(char *line, struct plan_lease *lease)
{
	char *space = strchr(line, ' ');
	unsigned slashes = 0;

	if (!space || space == line || space - line >= SLUICE_NAME_MAX)
		return false;
	*space = '\0';
	for (const char *at = line; *at; at++)
		slashes += *at == '/';
	if (slashes != 2 || addr_parse(&lease->address, space + 1) != 0) {
		*space = ' ';
		return false;
	}
	lease->service = line;
	return true;
}

int leases_file_read(const struct leases_file *file, struct plan_lease **leases, unsigned *count,
	struct reason *reason)
{
	FILE *stream = fopen(file->path, "re");
	struct plan_lease lease;
	unsigned number = 0;
	char *line = NULL;
	size_t size = 0;
	ssize_t length;
	int error = 0;

	*leases = NULL;
	*count = 0;
	if (!stream && errno == ENOENT)
		return 0;
	if (!stream) {
		error = -errno;
		reason_add(reason, "%s: cannot be read: %s", file->path, strerror(-error));
		return error;
	}
	while (!error && (length = getline(&line, &size, stream)) > 0) {
		const bool whole = line[length - 1] == '\n';
		const bool change = line[0] == '+' || line[0] == '-';

		number++;
		if (whole)
			line[length - 1] = '\0';
		if (line[0] == '#' || line[0] == '\0' || (change && !whole))
			continue;
		if (!parse_lease(line + change, &lease)) {
			reason_add(reason,
				"%s:%u: found \"%s\", expected \"cluster/namespace/name "
				"address\": the line is left out",
				file->path, number, line);
			continue;
		}
		if (line[0] == '-')
			remove_lease(*leases, count, &lease);
		else
			error = add_lease(leases, count, &lease);
	}
	free(line);
	fclose(stream);
	if (error) {
		leases_free(*leases, *count);
		*leases = NULL;
		*count = 0;
	}
	return error;
}

void leases_free(struct plan_lease *leases, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		free(leases[i].service);
	free(leases);
}

bool leases_same(const struct plan *a, const struct plan *b)
{
	bool same = a->lease_count == b->lease_count;

	for (unsigned i = 0; same && a->leases != b->leases && i < a->lease_count; i++)
		same = order(&a->leases[i], &b->leases[i]) == 0;
	return same;
}

static void put(FILE *stream, const char *sign, const struct plan_lease *lease)
{
	char address[ADDR_TEXT];

	fprintf(stream, "%s%s %s\n", sign, lease->service, addr_format(&lease->address, address));
}

static int write_whole(struct leases_file *file, const struct plan *plan, struct reason *reason)
{
	const struct whole_file whole = {.path = file->path, .mode = 0640};
	char *text = NULL;
	size_t length;
	FILE *stream = open_memstream(&text, &length);
	int error = -ENOMEM;

	if (!stream)
		return error;
	fputs(HEAD, stream);
	for (unsigned i = 0; i < plan->lease_count; i++)
		put(stream, "", &plan->leases[i]);
	if (fclose(stream) == 0)
		error = whole_file_write(&whole, text, length, reason);
	free(text);
	file->known = error == 0;
	file->appended = 0;
	return error;
}

// How many lines: what differs.
static unsigned put_changes(FILE *stream, const struct plan *before, const struct plan *plan)
{
	unsigned i = 0, j = 0, lines = 0;

	while (i < before->lease_count || j < plan->lease_count) {
		int which = i == before->lease_count ? 1
			    : j == plan->lease_count ? -1
						     : order(&before->leases[i], &plan->leases[j]);

		if (which < 0)
			put(stream, "-", &before->leases[i]);
		else if (which > 0)
			put(stream, "+", &plan->leases[j]);
		lines += which != 0;
		i += which <= 0;
		j += which >= 0;
	}
	return lines;
}

static int append(const struct leases_file *file, const char *text, size_t length)
{
	int fd = open(file->path, O_WRONLY | O_APPEND | O_CLOEXEC);
	int error = 0;

	if (fd < 0)
		return -errno;
	errno = EIO;
	if (write(fd, text, length) != (ssize_t)length || fdatasync(fd) < 0)
		error = -errno;
	close(fd);
	return error;
}

int leases_file_write(struct leases_file *file, const struct plan *before, const struct plan *plan,
	struct reason *reason)
{
	char *text = NULL;
	size_t length;
	FILE *stream;
	int error;

	if (!file->known || file->appended > APPENDED_LEAST + plan->lease_count / 2)
		return write_whole(file, plan, reason);
	stream = open_memstream(&text, &length);
	if (!stream)
		return -ENOMEM;
	file->appended += put_changes(stream, before, plan);
	error = fclose(stream) ? -ENOMEM : length ? append(file, text, length) : 0;
	free(text);
	// What came of it is not known: it is replaced.
	return error ? write_whole(file, plan, reason) : 0;
}

int leases_file_close(struct leases_file *file, const struct plan *plan, struct reason *reason)
{
	return file->appended ? write_whole(file, plan, reason) : 0;
}
