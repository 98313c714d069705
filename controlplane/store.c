// SPDX-License-Identifier: BSD-3-Clause
#include "store.h"

#include "limits.h"
#include "seal.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct store {
	struct leases_file leases;
	char *plan_path;
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
	if (asprintf(&s->leases.path, "%s/leases", settings->state_dir) < 0)
		s->leases.path = NULL;
	if (asprintf(&s->plan_path, "%s/" SLUICE_PLAN_FILE, settings->state_dir) < 0)
		s->plan_path = NULL;
	if (!s->leases.path || !s->plan_path)
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
	free(store->leases.path);
	seal_close(store->seal);
	free(store->plan_path);
	free(store);
}

struct leases_file *store_leases(struct store *store)
{
	return &store->leases;
}

const struct seal *store_seal(const struct store *store)
{
	return store->seal;
}

struct sealed_file store_plan_file(const struct store *store)
{
	return (struct sealed_file){store->plan_path, store->seal, SLUICE_PLAN_FILE};
}
