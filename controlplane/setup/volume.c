// SPDX-License-Identifier: BSD-3-Clause
// Of cloud-config the few keys that mean something on this appliance; every other one is named.
#include "volume.h"

#include "base64.h"
#include "whole_file.h"
#include "yaml_tree.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_MAX (8u << 20)

struct unpacking {
	const struct volume *volume;
	struct reason *reason;
	const char *name; // of the file that is read
	FILE *keys;       // of the administrator
	char hostname[256], hash[512];
};

static void refuse(struct unpacking *u, const struct tree *at, const char *text)
{
	reason_add(u->reason, "%s:%u: %s", u->name, at ? at->line : 1, text);
}

static const char *text_of(const struct tree *tree)
{
	return tree && tree->kind != TREE_LIST && tree->kind != TREE_MAP ? tree->text : NULL;
}

static void add_key(struct unpacking *u, const struct tree *key)
{
	const char *text = text_of(key);

	if (text && strchr(text, ' '))
		fprintf(u->keys, "%.*s\n", (int)strcspn(text, "\n"), text);
	else
		refuse(u, key, "expected a public key such as ssh-ed25519 AAAA... name");
}

// A list of them, or a map from names to them.
static void add_keys(struct unpacking *u, const struct tree *keys)
{
	for (unsigned i = 0; keys && i < keys->count; i++) {
		if (keys->kind == TREE_LIST)
			add_key(u, keys->items[i]);
		else if (keys->kind == TREE_MAP)
			add_key(u, keys->members[i].value);
	}
}

static void take_hash(struct unpacking *u, const struct tree *hash)
{
	const char *text = text_of(hash);

	if (!hash)
		return;
	if (text && *text == '$' && !strpbrk(text, ": \n") && strlen(text) < sizeof(u->hash))
		snprintf(u->hash, sizeof(u->hash), "%s", text);
	else
		refuse(u, hash, "expected the hash of a password, as `openssl passwd -6` makes it");
}

// The first label of it.
static void take_hostname(struct unpacking *u, const struct tree *name)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";
	const char *text = text_of(name);
	size_t length = text ? strspn(text, letters) : 0;

	if (!name || *u->hostname)
		return;
	if (length && length < 64 && (!text[length] || text[length] == '.'))
		snprintf(u->hostname, sizeof(u->hostname), "%.*s", (int)length, text);
	else
		refuse(u, name, "expected the name of a host");
}

// Where below `into` a path of the appliance goes; NULL: it is none of those that are taken.
static const char *place_of(const char *path)
{
	static const char manifests[] = "/etc/sluice/manifests/",
			  networks[] = "/etc/systemd/network/";

	if (!path)
		return NULL;
	if (strcmp(path, "/etc/sluice/sluice.conf") == 0)
		return "sluice.conf";
	if (strncmp(path, networks, strlen(networks)) == 0 &&
		!strchr(path + strlen(networks), '/') && strlen(path) > 8 &&
		strcmp(path + strlen(path) - 8, ".network") == 0)
		return "management.network";
	if (strncmp(path, manifests, strlen(manifests)) == 0 && path[strlen(manifests)] &&
		!strchr(path + strlen(manifests), '/') && path[strlen(manifests)] != '.')
		return path + strlen("/etc/sluice/");
	return NULL;
}

static int write_into(struct unpacking *u, const char *name, const void *bytes, size_t length)
{
	char *path;
	int error;

	if (asprintf(&path, "%s/%s", u->volume->into, name) < 0)
		return -ENOMEM;
	error = whole_file_write(&(struct whole_file){path, 0600, false}, bytes, length, u->reason);
	free(path);
	return error;
}

static int write_file(struct unpacking *u, const struct tree *file)
{
	const char *place = place_of(text_of(tree_get(file, "path")));
	const char *content = text_of(tree_get(file, "content"));
	const char *encoding = text_of(tree_get(file, "encoding"));
	size_t length = content ? strlen(content) : 0, count;
	uint8_t *bytes;
	int error;

	if (!place) {
		refuse(u, file,
			"expected a path that is /etc/sluice/sluice.conf, in "
			"/etc/sluice/manifests, or "
			"/etc/systemd/network/NAME.network");
		return -EINVAL;
	}
	if (!encoding || strcmp(encoding, "text/plain") == 0)
		return write_into(u, place, content ? content : "", length);
	if (strcmp(encoding, "b64") != 0 && strcmp(encoding, "base64") != 0) {
		refuse(u, file, "expected an encoding that is b64, or none");
		return -EINVAL;
	}
	bytes = malloc(length / 4 * 3 + 3);
	if (!bytes)
		return -ENOMEM;
	error = base64_decode(BASE64, content ? content : "", length, bytes, &count);
	if (error)
		refuse(u, file, "the content is no base64");
	else
		error = write_into(u, place, bytes, count);
	free(bytes);
	return error;
}

static int take_user(struct unpacking *u, const struct tree *user)
{
	const char *name = text_of(tree_get(user, "name"));

	// "default" stands for whoever the image has.
	if (!name || strcmp(name, "admin") != 0)
		return 0;
	add_keys(u, tree_get(user, "ssh_authorized_keys"));
	take_hash(u, tree_get(user, "passwd"));
	take_hash(u, tree_get(user, "hashed_passwd"));
	return 0;
}

static int for_each(struct unpacking *u, const struct tree *list,
	int (*one)(struct unpacking *u, const struct tree *item))
{
	int error = 0;

	if (list->kind != TREE_LIST)
		refuse(u, list, "expected a list");
	for (unsigned i = 0; list->kind == TREE_LIST && !error && i < list->count; i++)
		error = one(u, list->items[i]);
	return error;
}

static int take_config(const struct tree *document, void *arg)
{
	struct unpacking *u = arg;
	int error = 0;

	for (unsigned i = 0; document->kind == TREE_MAP && !error && i < document->count; i++) {
		const char *key = document->members[i].key;
		const struct tree *value = document->members[i].value;

		if (strcmp(key, "hostname") == 0 || strcmp(key, "fqdn") == 0)
			take_hostname(u, value);
		else if (strcmp(key, "ssh_authorized_keys") == 0)
			add_keys(u, value);
		else if (strcmp(key, "password") == 0)
			take_hash(u, value);
		else if (strcmp(key, "users") == 0)
			error = for_each(u, value, take_user);
		else if (strcmp(key, "write_files") == 0)
			error = for_each(u, value, write_file);
		else
			fprintf(u->volume->told, "%s:%u: %s: is not done here\n", u->name,
				value->line, key);
	}
	return error;
}

static int take_meta(const struct tree *document, void *arg)
{
	struct unpacking *u = arg;

	take_hostname(u, tree_get(document, "local-hostname"));
	take_hostname(u, tree_get(document, "hostname"));
	add_keys(u, tree_get(document, "public-keys"));
	add_keys(u, tree_get(document, "public_keys"));
	return 0;
}

// The first of the names that is there; -ENOENT when none is.
static int read_any(struct unpacking *u, const char *const *names, char **text, size_t *length)
{
	for (; *names; names++) {
		size_t size = 0;
		ssize_t got;
		char *path;
		FILE *file;

		if (asprintf(&path, "%s/%s", u->volume->from, *names) < 0)
			return -ENOMEM;
		file = fopen(path, "re");
		free(path);
		if (!file)
			continue;
		u->name = *names;
		*text = NULL;
		got = getdelim(text, &size, '\0', file);
		fclose(file);
		*length = got < 0 ? 0 : (size_t)got;
		if (*length <= FILE_MAX)
			return 0;
		free(*text);
		reason_add(u->reason, "%s: is too long", u->name);
		return -EFBIG;
	}
	return -ENOENT;
}

static int parse(struct unpacking *u, const char *text, size_t length,
	int (*take)(const struct tree *document, void *arg))
{
	struct yaml_error error;
	int rc = length ? yaml_read(text, length, take, u, &error) : 0;

	if (rc == -EBADMSG && !u->reason->count)
		reason_add(u->reason, "%s:%u: %s", u->name, error.line, error.text);
	return rc;
}

static int read_both(struct unpacking *u)
{
	static const char *const data[] = {"user-data", "openstack/latest/user_data", NULL};
	static const char *const meta[] = {"meta-data", "openstack/latest/meta_data.json", NULL};
	static const char first[] = "#cloud-config";
	size_t length;
	char *text;
	int rc = read_any(u, data, &text, &length);

	if (rc) {
		if (rc == -ENOENT)
			reason_add(u->reason, "there is no sluice.conf and no user-data");
		return rc;
	}
	if (length > strlen(first) && strncmp(text, first, strlen(first)) == 0) {
		rc = parse(u, text, length, take_config);
	} else {
		refuse(u, NULL, "expected #cloud-config in the first line");
		rc = -EINVAL;
	}
	free(text);
	if (rc)
		return rc;
	rc = read_any(u, meta, &text, &length);
	if (rc)
		return rc == -ENOENT ? 0 : rc;
	rc = parse(u, text, length, take_meta);
	free(text);
	return rc;
}

int volume_unpack(const struct volume *volume, struct reason *reason)
{
	struct unpacking u = {.volume = volume, .reason = reason};
	char *keys = NULL, *manifests;
	size_t length = 0;
	int error;

	if (asprintf(&manifests, "%s/manifests", volume->into) < 0)
		return -ENOMEM;
	mkdir(manifests, 0700);
	free(manifests);
	u.keys = open_memstream(&keys, &length);
	if (!u.keys)
		return -ENOMEM;
	error = read_both(&u);
	fclose(u.keys);
	if (!error && reason->count)
		error = -EINVAL;
	if (!error && length)
		error = write_into(&u, "authorized_keys", keys, length);
	if (!error && *u.hash)
		error = write_into(&u, "password-hash", u.hash, strlen(u.hash));
	if (!error && *u.hostname)
		error = write_into(&u, "hostname", u.hostname, strlen(u.hostname));
	free(keys);
	explicit_bzero(&u, sizeof(u));
	return error;
}
