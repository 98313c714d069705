// SPDX-License-Identifier: BSD-3-Clause
// The box's own certificate, for names that no Secret serves: signed by itself, made once and kept
// beside the leases, for its owner's eyes alone. The plan finds it in the model as a Secret of
// ours.
#include "control.h"

#include "log.h"
#include "pair.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FILE_NAME "default-certificate.pem"
#define BYTES_MAX 65536
#define HOST_NAME "sluice.invalid" // no name of anybody's
#define OBJECT    "default-certificate"

// Chain and key stand in one file: each reader finds its own in the text.
static int read_pair(const char *path, struct secret *secret)
{
	char *text = arena_take(&secret->object.arena, BYTES_MAX + 1);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0 || !text) {
		if (fd >= 0)
			close(fd);
		return text ? -errno : -ENOMEM;
	}
	n = read(fd, text, BYTES_MAX);
	close(fd);
	if (n < 0)
		return -EIO;
	secret->chain_pem = secret->key_pem =
		(struct secret_bytes){(const uint8_t *)text, (size_t)n};
	return 0;
}

static int write_pair(const char *path, const struct secret *secret)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int error = 0;

	if (fd < 0)
		return -errno;
	if (fchmod(fd, 0600) < 0 ||
		write(fd, secret->chain_pem.data, secret->chain_pem.length) !=
			(ssize_t)secret->chain_pem.length ||
		write(fd, secret->key_pem.data, secret->key_pem.length) !=
			(ssize_t)secret->key_pem.length ||
		fsync(fd) < 0)
		error = errno ? -errno : -EIO;
	close(fd);
	if (error)
		unlink(path);
	return error;
}

static bool is_usable(struct secret *secret, time_t now)
{
	struct reason reason = {0};
	bool ok = pair_check(secret, &secret->object.arena, &secret->facts, &reason) == 0 &&
		  secret->facts.not_after > now;

	reason_clear(&reason);
	return ok;
}

int certificate_start(struct control *c, struct reason *reason)
{
	struct object *object =
		object_new(OBJECT_SECRET, SETTINGS_OWN_SOURCE, SETTINGS_OWN_SOURCE, OBJECT);
	struct secret *secret = (struct secret *)object;
	time_t now = time(NULL);
	int error = 0;
	char *path;

	if (!object)
		return -ENOMEM;
	secret->type = "kubernetes.io/tls";
	path = arena_format(&object->arena, "%s/" FILE_NAME, c->settings->state_dir);
	if (path && (read_pair(path, secret) || !is_usable(secret, now))) {
		secret->facts = (struct secret_facts){0};
		error = pair_self_signed(
			HOST_NAME, now, &object->arena, &secret->chain_pem, &secret->key_pem);
		if (!error && !is_usable(secret, now))
			error = -EINVAL;
		// Without a disk there is another one after a restart.
		if (!error && write_pair(path, secret))
			log_error("main", "%s: cannot be written", path);
	}
	if (error || object->arena.failed) {
		reason_add(reason, "the box's own certificate could not be made");
		object_free(object);
		return error ? error : -ENOMEM;
	}
	return model_replace(c->model, SETTINGS_OWN_SOURCE, path, &object, 1, NULL, 0);
}
