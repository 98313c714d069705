// SPDX-License-Identifier: BSD-3-Clause
// v1 Secret. A pair for TLS is checked here, so that a bad one is quarantined and the last good one
// stays. What stands in a Secret is never told, only what is wrong with it.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base64.h"
#include "decode_field.h"
#include "pair.h"
#include "secret.h"

#define BYTES_MAX (1u << 20) // as in Kubernetes

static bool read_base64(const char *text, struct arena *arena, struct secret_bytes *out)
{
	size_t length = strlen(text), count;
	uint8_t *bytes = arena_take(arena, length / 4 * 3 + 3);

	if (!bytes || base64_decode(BASE64, text, length, bytes, &count))
		return false;
	*out = (struct secret_bytes){bytes, count};
	return true;
}

static void read_plain(const struct field *in, const char *key, struct secret_bytes *out)
{
	const struct tree *tree = tree_get(in->map, key);

	if (!tree)
		return;
	if (tree->kind == TREE_LIST || tree->kind == TREE_MAP || strlen(tree->text) > BYTES_MAX) {
		field_mistake(in, tree->line, "%s.%s: expected a text", in->path, key);
		return;
	}
	out->data = (const uint8_t *)arena_copy(&in->object->arena, tree->text);
	out->length = strlen(tree->text);
}

static void read_data(const struct field *in, const char *key, struct secret_bytes *out)
{
	const struct tree *tree = tree_get(in->map, key);

	if (!tree)
		return;
	if (tree->kind == TREE_LIST || tree->kind == TREE_MAP ||
		strlen(tree->text) > 2 * BYTES_MAX ||
		!read_base64(tree->text, &in->object->arena, out))
		field_mistake(
			in, tree->line, "%s.%s: expected base64 of at most 1 MB", in->path, key);
}

// The name of the OCSP response has no standard; both are in use.
static void check_staple(const struct field *in, unsigned line, struct secret *secret)
{
	const char *mistake = NULL;

	if (secret->ocsp_der.length)
		mistake = pair_staple_mistake(
			secret->ocsp_der, secret->chain_pem, &secret->facts.staple_until);
	if (!mistake)
		return;
	field_warn(in, line, "tls.ocsp-staple %s: it is not sent", mistake);
	secret->ocsp_der = (struct secret_bytes){NULL, 0};
}

static void tell_mistakes(const struct field *in, unsigned line, struct reason *reason)
{
	char *lines = strdup(reason_text(reason)), *rest = lines;

	for (char *one; rest && (one = strsep(&rest, "\n"));)
		field_mistake(in, line, "%s", one);
	free(lines);
	reason_clear(reason);
}

// Where the key stands.
static unsigned line_of(const struct field *root, const char *key)
{
	const struct tree *at = tree_get(field_map(root, "stringData"), key);

	if (!at)
		at = tree_get(field_map(root, "data"), key);
	return at ? at->line : root->map->line;
}

static void check_pair(const struct field *root, struct secret *secret)
{
	unsigned line = line_of(root, "tls.crt");
	struct reason reason = {0};

	if (pair_check(secret, &secret->object.arena, &secret->facts, &reason) < 0) {
		tell_mistakes(root, line, &reason);
		return;
	}
	if (secret->facts.misplaced)
		field_warn(root, line,
			"tls.crt: certificate %u is not the issuer of the one before it: clients "
			"may refuse the chain",
			secret->facts.misplaced);
	check_staple(root, line, secret);
}

void decode_secret(const struct field *root, struct secret *secret)
{
	const struct tree *data = field_map(root, "data"), *plain = field_map(root, "stringData");
	struct field in = {root->decode, root->object, data, "data"};
	struct field plain_in = {root->decode, root->object, plain, "stringData"};
	const struct {
		const char *key;
		struct secret_bytes *out;
	} keys[] = {{"tls.crt", &secret->chain_pem}, {"tls.key", &secret->key_pem},
		{"tls.ocsp", &secret->ocsp_der}, {"tls.ocsp-staple", &secret->ocsp_der},
		{"ca.crt", &secret->ca_pem}};
	struct reason reason = {0};
	bool pair;

	secret->type = "Opaque";
	secret->facts = (struct secret_facts){.issuer = "", .subject = "", .fingerprint = ""};
	field_text(root, "type", &secret->type);
	for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		read_data(&in, keys[i].key, keys[i].out);
		read_plain(&plain_in, keys[i].key, keys[i].out);
	}
	if (root->decode->mistakes)
		return;
	if (secret->ca_pem.length && pair_check_authority(secret->ca_pem, &reason) < 0)
		tell_mistakes(root, line_of(root, "ca.crt"), &reason);
	pair = secret->chain_pem.length && secret->key_pem.length;
	if (pair)
		check_pair(root, secret);
	else if (strcmp(secret->type, "kubernetes.io/tls") == 0)
		field_mistake(root, root->map->line,
			"data: a Secret of type kubernetes.io/tls has tls.crt and tls.key");
}
