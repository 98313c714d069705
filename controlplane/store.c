// SPDX-License-Identifier: BSD-3-Clause
#include "store.h"

#include "addr.h"
#include "limits.h"
#include "seal.h"
#include "whole_file.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEAD "# sluice leases 1: the address of each Service. Written by sluice-controlplane.\n"

struct store {
	char *leases_path, *plan_path;
	int run_lock, state_lock;
	struct seal *seal;
};

// Makes the directory and those above it; one that is made belongs to the group, so that its
// members reach the sockets in it. One that was there stays as it is.
static int make_directory(const char *path, const char *group_name, struct reason *reason)
{
	const struct group *group = getgrnam(group_name);
	char *copy = strdup(path);
	bool made = false;
	int error = 0;

	if (!copy)
		return -ENOMEM;
	for (char *at = copy + 1; !error; at++) {
		char here = *at;

		if (here != '/' && here != '\0')
			continue;
		*at = '\0';
		made = mkdir(copy, here ? 0755 : 0750) == 0;
		if (!made && errno != EEXIST)
			error = -errno;
		*at = here;
		if (!here)
			break;
	}
	// Only root may give it away; another user's control plane serves that user alone.
	if (made && group)
		(void)!chown(path, (uid_t)-1, group->gr_gid);
	if (error)
		reason_add(reason, "%s: the directory cannot be made: %s", path, strerror(-error));
	free(copy);
	return error;
}

// Opens the directory's lock file and takes its lock, which ends with the process.
static int lock_directory(const char *directory, int *lock, struct reason *reason)
{
	char *path;
	int error = 0;
	int fd;

	if (asprintf(&path, "%s/controlplane.lock", directory) < 0)
		return -ENOMEM;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	if (fd < 0) {
		error = -errno;
		reason_add(reason, "%s: cannot be opened: %s", path, strerror(-error));
	} else if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		error = errno == EWOULDBLOCK ? -EBUSY : -errno;
		if (error == -EBUSY)
			reason_add(reason,
				"%s: another sluice-controlplane runs on this "
				"directory: stop it first",
				path);
		else
			reason_add(reason, "%s: cannot be locked: %s", path, strerror(-error));
		close(fd);
	} else {
		*lock = fd;
	}
	free(path);
	return error;
}

int store_open(struct store **store, const struct settings *settings, struct reason *reason)
{
	struct store *s = calloc(1, sizeof(*s));
	int error = -ENOMEM;

	if (!s)
		return -ENOMEM;
	s->run_lock = s->state_lock = -1;
	if (asprintf(&s->leases_path, "%s/leases", settings->state_dir) < 0)
		s->leases_path = NULL;
	if (asprintf(&s->plan_path, "%s/" SLUICE_PLAN_FILE, settings->state_dir) < 0)
		s->plan_path = NULL;
	if (!s->leases_path || !s->plan_path)
		goto failed;
	error = make_directory(settings->run_dir, settings->group, reason);
	if (!error)
		error = make_directory(settings->state_dir, settings->group, reason);
	if (!error)
		error = lock_directory(settings->run_dir, &s->run_lock, reason);
	if (!error && strcmp(settings->run_dir, settings->state_dir) != 0)
		error = lock_directory(settings->state_dir, &s->state_lock, reason);
	if (!error)
		error = seal_open(&s->seal, settings->state_dir, reason);
	if (error)
		goto failed;
	*store = s;
	return 0;
failed:
	store_close(s);
	return error;
}

void store_close(struct store *store)
{
	if (!store)
		return;
	if (store->run_lock >= 0)
		close(store->run_lock);
	if (store->state_lock >= 0)
		close(store->state_lock);
	free(store->leases_path);
	seal_close(store->seal);
	free(store->plan_path);
	free(store);
}

const char *store_leases_path(const struct store *store)
{
	return store->leases_path;
}

const struct seal *store_seal(const struct store *store)
{
	return store->seal;
}

struct sealed_file store_plan_file(const struct store *store)
{
	return (struct sealed_file){store->plan_path, store->seal, SLUICE_PLAN_FILE};
}

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
	list[(*count)++] = *lease;
	return 0;
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

int store_leases_read(const struct store *store, struct plan_lease **leases, unsigned *count,
	struct reason *reason)
{
	FILE *file = fopen(store->leases_path, "re");
	struct plan_lease lease;
	unsigned number = 0;
	char *line = NULL;
	size_t size = 0;
	ssize_t length;
	int error = 0;

	*leases = NULL;
	*count = 0;
	if (!file && errno == ENOENT)
		return 0;
	if (!file) {
		error = -errno;
		reason_add(reason, "%s: cannot be read: %s", store->leases_path, strerror(-error));
		return error;
	}
	while (!error && (length = getline(&line, &size, file)) > 0) {
		number++;
		if (line[length - 1] == '\n')
			line[length - 1] = '\0';
		if (line[0] == '#' || line[0] == '\0')
			continue;
		if (!parse_lease(line, &lease)) {
			reason_add(reason,
				"%s:%u: found \"%s\", expected \"cluster/namespace/name "
				"address\": the line is left out",
				store->leases_path, number, line);
			continue;
		}
		lease.service = strdup(lease.service);
		error = lease.service ? add_lease(leases, count, &lease) : -ENOMEM;
		if (error)
			free(lease.service);
	}
	free(line);
	fclose(file);
	if (error) {
		store_leases_free(*leases, *count);
		*leases = NULL;
		*count = 0;
	}
	return error;
}

void store_leases_free(struct plan_lease *leases, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		free(leases[i].service);
	free(leases);
}

int store_leases_write(const struct store *store, const struct plan_lease *leases, unsigned count,
	struct reason *reason)
{
	const struct whole_file whole = {.path = store->leases_path, .mode = 0640};
	char *text = NULL, address[ADDR_TEXT];
	size_t length;
	FILE *file = open_memstream(&text, &length);
	int error = -ENOMEM;

	if (!file)
		return error;
	fputs(HEAD, file);
	for (unsigned i = 0; i < count; i++)
		fprintf(file, "%s %s\n", leases[i].service,
			addr_format(&leases[i].address, address));
	if (fclose(file) == 0)
		error = whole_file_write(&whole, text, length, reason);
	free(text);
	return error;
}
