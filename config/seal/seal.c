// SPDX-License-Identifier: BSD-3-Clause
#include "seal.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NONCE 12
#define TAG   16
#define MOST  (1u << 30) // bytes of one call to the library, which counts in int

_Static_assert(NONCE + TAG == SEAL_EXTRA, "as seal.h says");

struct seal {
	uint8_t key[SEAL_KEY_BYTES];
};

// 0, -ENOENT, or another -errno; -EBADMSG when it holds something else than a key.
static int read_key(struct seal *seal, const char *path)
{
	uint8_t bytes[SEAL_KEY_BYTES + 1];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, bytes, sizeof(bytes));
	close(fd);
	if (n == SEAL_KEY_BYTES)
		memcpy(seal->key, bytes, SEAL_KEY_BYTES);
	explicit_bzero(bytes, sizeof(bytes));
	return n == SEAL_KEY_BYTES ? 0 : n < 0 ? -EIO : -EBADMSG;
}

// A whole key appears under its name or none; whose link comes second takes the first one's.
static int make_key(struct seal *seal, const char *path)
{
	char *beside;
	int error = 0;
	int fd;

	if (asprintf(&beside, "%s.XXXXXX", path) < 0)
		return -ENOMEM;
	fd = mkostemp(beside, O_CLOEXEC); // 0600
	if (fd < 0) {
		error = -errno;
	} else {
		if (RAND_bytes(seal->key, SEAL_KEY_BYTES) != 1 ||
			write(fd, seal->key, SEAL_KEY_BYTES) != SEAL_KEY_BYTES || fsync(fd) < 0)
			error = -EIO;
		close(fd);
		if (!error && link(beside, path) < 0)
			error = -errno;
		unlink(beside);
	}
	free(beside);
	return error == -EEXIST ? read_key(seal, path) : error;
}

int seal_open(struct seal **seal, const char *state_dir, struct reason *reason)
{
	const char *credentials = getenv("CREDENTIALS_DIRECTORY");
	struct seal *s = calloc(1, sizeof(*s));
	char path[4096];
	int error = -ENOENT;

	if (!s)
		return -ENOMEM;
	if (credentials) {
		snprintf(path, sizeof(path), "%s/" SEAL_CREDENTIAL, credentials);
		error = read_key(s, path);
	}
	if (error == -ENOENT) {
		snprintf(path, sizeof(path), "%s/" SEAL_KEY_FILE, state_dir);
		error = read_key(s, path);
		if (error == -ENOENT)
			error = make_key(s, path);
	}
	if (!error) {
		*seal = s;
		return 0;
	}
	if (error == -EBADMSG)
		reason_add(reason,
			"%s: not a key: expected %d bytes; put the right one back, or "
			"remove it and the files sealed with it",
			path, SEAL_KEY_BYTES);
	else
		reason_add(reason, "%s: the state key cannot be had: %s", path, strerror(-error));
	seal_close(s);
	return error;
}

void seal_close(struct seal *seal)
{
	if (!seal)
		return;
	explicit_bzero(seal, sizeof(*seal));
	free(seal);
}

static bool run(EVP_CIPHER_CTX *context, const void *in, size_t length, void *out)
{
	const uint8_t *from = in;
	uint8_t *to = out;
	int n;

	while (length) {
		int part = length > MOST ? (int)MOST : (int)length;

		if (EVP_CipherUpdate(context, to, &n, from, part) != 1 || n != part)
			return false;
		from += part;
		to += part;
		length -= (size_t)part;
	}
	return true;
}

static EVP_CIPHER_CTX *begin(
	const struct seal *seal, const char *purpose, const uint8_t *nonce, int encrypt)
{
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
	int n;

	if (context &&
		EVP_CipherInit_ex(context, EVP_aes_256_gcm(), NULL, seal->key, nonce, encrypt) ==
			1 &&
		EVP_CipherUpdate(
			context, NULL, &n, (const uint8_t *)purpose, (int)strlen(purpose)) == 1)
		return context;
	EVP_CIPHER_CTX_free(context);
	return NULL;
}

int seal_bytes(const struct seal *seal, const char *purpose, const void *plain, size_t length,
	uint8_t *sealed)
{
	uint8_t *nonce = sealed, *tag = sealed + NONCE, *cipher = sealed + SEAL_EXTRA;
	EVP_CIPHER_CTX *context;
	bool ok;
	int n;

	if (RAND_bytes(nonce, NONCE) != 1)
		return -EIO;
	context = begin(seal, purpose, nonce, 1);
	ok = context && run(context, plain, length, cipher) &&
	     EVP_CipherFinal_ex(context, cipher + length, &n) == 1 &&
	     EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, TAG, tag) == 1;
	EVP_CIPHER_CTX_free(context);
	return ok ? 0 : -EIO;
}

int unseal_bytes(const struct seal *seal, const char *purpose, const uint8_t *sealed, size_t length,
	void *plain)
{
	uint8_t tag[TAG], none[1];
	EVP_CIPHER_CTX *context;
	bool ok;
	int n;

	if (length < SEAL_EXTRA)
		return -EBADMSG;
	memcpy(tag, sealed + NONCE, TAG);
	context = begin(seal, purpose, sealed, 0);
	ok = context && run(context, sealed + SEAL_EXTRA, length - SEAL_EXTRA, plain) &&
	     EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, TAG, tag) == 1 &&
	     EVP_CipherFinal_ex(context, none, &n) == 1;
	EVP_CIPHER_CTX_free(context);
	return ok ? 0 : -EBADMSG;
}

char *seal_text(const struct seal *seal, const char *purpose, const void *plain, size_t length)
{
	size_t sealed_length = length + SEAL_EXTRA;
	uint8_t *sealed = malloc(sealed_length);
	char *text = malloc((sealed_length + 2) / 3 * 4 + 1);

	if (length < MOST && sealed && text &&
		seal_bytes(seal, purpose, plain, length, sealed) == 0) {
		EVP_EncodeBlock((uint8_t *)text, sealed, (int)sealed_length);
		free(sealed);
		return text;
	}
	free(sealed);
	free(text);
	return NULL;
}

char *unseal_text(const struct seal *seal, const char *purpose, const char *text, size_t *length)
{
	uint8_t *sealed = malloc(*length + 1);
	char *plain = malloc(*length + 1);
	int n = -1;

	if (sealed && plain && *length < MOST)
		n = EVP_DecodeBlock(sealed, (const uint8_t *)text, (int)*length);
	// Padding decodes to zeros.
	for (size_t i = *length; n > 0 && i && text[i - 1] == '='; i--)
		n--;
	if (n >= SEAL_EXTRA && unseal_bytes(seal, purpose, sealed, (size_t)n, plain) == 0) {
		free(sealed);
		*length = (size_t)n - SEAL_EXTRA;
		plain[*length] = '\0';
		return plain;
	}
	free(sealed);
	free(plain);
	return NULL;
}
