// SPDX-License-Identifier: BSD-3-Clause
// The box's own certificate, for names that no Secret serves: signed by itself, made once and kept
// beside the leases, sealed. The plan finds it in the model as a Secret of
// ours.
#include "control.h"

#include "log.h"
#include "pair.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FILE_NAME "default-certificate"
#define HOST_NAME "sluice.invalid" // no name of anybody's
#define OBJECT    "default-certificate"

// Chain and key stand in one file: each reader finds its own in the text.
static int read_pair(const struct sealed_file *file, struct secret *secret)
{
	struct reason reason = {0};
	uint8_t *bytes, *text;
	size_t length;
	int error = sealed_file_read(file, &bytes, &length, &reason);

	if (error && error != -ENOENT)
		log_warning("main", "%s: another is made", reason_text(&reason));
	reason_clear(&reason);
	if (error)
		return error;
	text = (uint8_t *)arena_copy_part(&secret->object.arena, (const char *)bytes, length);
	explicit_bzero(bytes, length);
	free(bytes);
	if (!text)
		return -ENOMEM;
	secret->chain_pem = secret->key_pem = (struct secret_bytes){text, length};
	return 0;
}

static int write_pair(
	const struct sealed_file *file, const struct secret *secret, struct reason *reason)
{
	size_t length = secret->chain_pem.length + secret->key_pem.length;
	uint8_t *both = malloc(length + 1);
	int error;

	if (!both)
		return -ENOMEM;
	memcpy(both, secret->chain_pem.data, secret->chain_pem.length);
	memcpy(both + secret->chain_pem.length, secret->key_pem.data, secret->key_pem.length);
	error = sealed_file_write(file, both, length, reason);
	explicit_bzero(both, length);
	free(both);
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
	struct sealed_file file = {.seal = store_seal(c->store), .purpose = FILE_NAME};
	struct reason trouble = {0};

	if (!object)
		return -ENOMEM;
	secret->type = "kubernetes.io/tls";
	file.path = arena_format(&object->arena, "%s/" FILE_NAME, c->settings->state_dir);
	if (file.path && (read_pair(&file, secret) || !is_usable(secret, now))) {
		secret->facts = (struct secret_facts){0};
		error = pair_self_signed(
			HOST_NAME, now, &object->arena, &secret->chain_pem, &secret->key_pem);
		if (!error && !is_usable(secret, now))
			error = -EINVAL;
		// Without a disk there is another one after a restart.
		if (!error && write_pair(&file, secret, &trouble))
			log_error("main", "%s", reason_text(&trouble));
		reason_clear(&trouble);
	}
	if (error || object->arena.failed) {
		reason_add(reason, "the box's own certificate could not be made");
		object_free(object);
		return error ? error : -ENOMEM;
	}
	return model_replace(c->model, SETTINGS_OWN_SOURCE, file.path, &object, 1, NULL, 0);
}
