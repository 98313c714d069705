// SPDX-License-Identifier: BSD-3-Clause
// The API's part of sluice.conf: where it listens on the network, and with which certificate. See
// control.h.
#include "control.h"

#include "log.h"
#include "pair.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define FILE_NAME "api-certificate"
#define FILE_MAX  (1024 * 1024)

struct pem { // certificate and key, one after the other
	char *bytes;
	size_t length;
};

static void pem_free(struct pem *pem)
{
	if (pem->bytes)
		explicit_bzero(pem->bytes, pem->length);
	free(pem->bytes);
	*pem = (struct pem){0};
}

static int pem_add(struct pem *pem, const void *bytes, size_t length)
{
	char *grown = malloc(pem->length + length + 2);

	if (!grown)
		return -ENOMEM;
	if (pem->length)
		memcpy(grown, pem->bytes, pem->length);
	memcpy(grown + pem->length, bytes, length);
	length += pem->length;
	if (length && grown[length - 1] != '\n')
		grown[length++] = '\n';
	grown[length] = '\0';
	pem_free(pem);
	*pem = (struct pem){grown, length};
	return 0;
}

static int add_file(struct pem *pem, const char *key, const char *path, struct reason *reason)
{
	FILE *file = fopen(path, "re");
	char *bytes = malloc(FILE_MAX);
	size_t length = file && bytes ? fread(bytes, 1, FILE_MAX, file) : 0;
	int error = 0;

	if (!length) {
		error = -EINVAL;
		reason_add(reason, "api.https.%s: %s cannot be read: %s", key, path,
			file ? "it is empty" : strerror(errno));
	} else {
		error = pem_add(pem, bytes, length);
		explicit_bzero(bytes, length);
	}
	if (file)
		fclose(file);
	free(bytes);
	return error;
}

// For who is to trust it: the certificate alone, in the clear.
static void show_certificate(const char *path, const struct secret_bytes *chain)
{
	FILE *file = fopen(path, "we");

	if (!file || fwrite(chain->data, 1, chain->length, file) != chain->length)
		log_warning("api", "%s cannot be written: %s", path, strerror(errno));
	if (file)
		fclose(file);
}

static int make_pair(struct pem *pem, const struct sealed_file *file, const char *shown)
{
	struct secret_bytes chain, key;
	struct reason trouble = {0};
	struct arena arena = {0};
	char name[256] = "sluice";
	int error;

	gethostname(name, sizeof(name) - 1);
	error = pair_self_signed(name, time(NULL), &arena, &chain, &key);
	if (!error)
		error = pem_add(pem, chain.data, chain.length);
	if (!error)
		error = pem_add(pem, key.data, key.length);
	if (!error) {
		show_certificate(shown, &chain);
		if (sealed_file_write(file, pem->bytes, pem->length, &trouble))
			log_error("api", "%s", reason_text(&trouble));
	}
	reason_clear(&trouble);
	arena_clear(&arena);
	return error;
}

// Made once and kept, as who asks is to know it again.
static int own_pair(struct control *c, struct pem *pem)
{
	struct sealed_file file = {.seal = store_seal(c->store), .purpose = FILE_NAME};
	char *path = NULL, *shown = NULL;
	struct reason trouble = {0};
	int error = -ENOMEM;
	uint8_t *bytes;
	size_t length;

	if (asprintf(&path, "%s/" FILE_NAME, c->settings->state_dir) < 0)
		path = NULL;
	if (asprintf(&shown, "%s/" FILE_NAME ".pem", c->settings->state_dir) < 0)
		shown = NULL;
	if (!path || !shown)
		goto out;
	file.path = path;
	if (sealed_file_read(&file, &bytes, &length, &trouble) == 0) {
		error = pem_add(pem, bytes, length);
		explicit_bzero(bytes, length);
		free(bytes);
	} else {
		error = make_pair(pem, &file, shown);
	}
out:
	reason_clear(&trouble);
	free(path);
	free(shown);
	return error;
}

void https_follow(struct control *c, struct reason *reason)
{
	const struct api_settings *settings = &c->settings->api;
	struct pem pem = {0};
	int error = 0;

	if (settings->https.on && *settings->certificate) {
		error = add_file(&pem, "certificate", settings->certificate, reason);
		if (!error)
			error = add_file(&pem, "key", settings->key, reason);
	} else if (settings->https.on) {
		error = own_pair(c, &pem);
	}
	if (error && !reason->count)
		reason_add(reason, "api.https: no certificate: %s", strerror(-error));
	if (!error)
		api_follow(c->api, settings, pem.bytes, pem.length, reason);
	pem_free(&pem);
}
