// SPDX-License-Identifier: BSD-3-Clause
#include "kubeconfig.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base64.h"
#include "yaml_tree.h"

#define BYTES_MAX (4u << 20)

struct reading {
	struct kubeconfig *config;
	const char *wanted; // the context; "" = the current one
	struct reason *reason;
	bool seen;
	unsigned mistakes;
};

static void mistake(struct reading *r, const struct tree *at, const char *what, const char *text)
{
	r->mistakes++;
	reason_add(r->reason, "%s:%u: %s: %s", r->config->file, at ? at->line : 1, what, text);
}

static const char *text_of(struct reading *r, const struct tree *map, const char *key)
{
	const struct tree *tree = tree_get(map, key);
	const char *text;

	if (!tree)
		return "";
	if (tree->kind == TREE_LIST || tree->kind == TREE_MAP) {
		mistake(r, tree, key, "expected a text");
		return "";
	}
	text = arena_copy(&r->config->arena, tree->text);
	return text ? text : "";
}

// A file's name, as it is meant: beside the kubeconfig when it is no whole path.
static const char *file_of(struct reading *r, const struct tree *map, const char *key)
{
	const char *name = text_of(r, map, key), *slash = strrchr(r->config->file, '/');
	const char *whole;

	if (!*name || *name == '/' || !slash)
		return name;
	whole = arena_format(&r->config->arena, "%.*s/%s", (int)(slash - r->config->file),
		r->config->file, name);
	return whole ? whole : "";
}

// What "<key>-data" holds, decoded; never with a zero byte in it.
static const char *data_of(struct reading *r, const struct tree *map, const char *key)
{
	const char *text = text_of(r, map, key);
	size_t length = strlen(text), count;
	uint8_t *out = arena_take_array(&r->config->arena, length / 4 * 3 + 4, 1);

	if (!out)
		return "";
	if (base64_decode(BASE64, text, length, out, &count) || memchr(out, 0, count)) {
		mistake(r, tree_get(map, key), key, "expected base64 of a PEM text");
		return "";
	}
	out[count] = '\0';
	return (const char *)out;
}

// The map under `inner` of the list's element of that name.
// "a, b", as far as there is room.
static void names_of(const struct tree *rows, char *out, size_t size)
{
	size_t length = 0;

	*out = '\0';
	for (unsigned i = 0; rows && rows->kind == TREE_LIST && i < rows->count; i++) {
		const struct tree *its = tree_get(rows->items[i], "name");

		if (!its || its->kind == TREE_LIST || its->kind == TREE_MAP ||
			length + strlen(its->text) + 3 > size)
			continue;
		length += (size_t)snprintf(
			out + length, size - length, "%s%s", length ? ", " : "", its->text);
	}
}

static const struct tree *named(struct reading *r, const struct tree *root, const char *list,
	const char *inner, const char *name)
{
	const struct tree *rows = tree_get(root, list), *found;
	char text[400], others[200];

	for (unsigned i = 0; rows && rows->kind == TREE_LIST && i < rows->count; i++) {
		const struct tree *its = tree_get(rows->items[i], "name");

		if (!its || its->kind == TREE_LIST || its->kind == TREE_MAP ||
			strcmp(its->text, name) != 0)
			continue;
		found = tree_get(rows->items[i], inner);
		if (found && found->kind == TREE_MAP)
			return found;
	}
	names_of(rows, others, sizeof(others));
	snprintf(text, sizeof(text), "there is no %s \"%.100s\" in the file%s%s", inner, name,
		*others ? ", but " : "", others);
	mistake(r, rows ? rows : root, list, text);
	return NULL;
}

static void read_cluster(struct reading *r, const struct tree *cluster)
{
	struct kubeconfig *c = r->config;
	const struct tree *insecure = tree_get(cluster, "insecure-skip-tls-verify");

	c->server = text_of(r, cluster, "server");
	c->ca_file = file_of(r, cluster, "certificate-authority");
	c->ca_pem = data_of(r, cluster, "certificate-authority-data");
	c->tls_server_name = text_of(r, cluster, "tls-server-name");
	c->proxy = text_of(r, cluster, "proxy-url");
	c->insecure =
		insecure && insecure->kind == TREE_BOOL && strcasecmp(insecure->text, "true") == 0;
	if (strncmp(c->server, "https://", 8) != 0 && strncmp(c->server, "http://", 7) != 0)
		mistake(r, cluster, "server", "expected https://<host>:<port>");
	if (c->insecure && (*c->ca_file || *c->ca_pem))
		mistake(r, insecure, "insecure-skip-tls-verify",
			"stands beside a certificate authority: take one of them away");
}

// How it is asked, and whether it may ask.
static void read_exec_terms(struct reading *r, const struct tree *exec)
{
	static const char group[] = "client.authentication.k8s.io/";
	static const char *const modes[] = {"IfAvailable", "Never", "Always"};
	struct kubeconfig *c = r->config;
	const char *mode = text_of(r, exec, "interactiveMode");
	const struct tree *info = tree_get(exec, "provideClusterInfo");
	const char *hint = text_of(r, exec, "installHint");
	bool known = !*mode;

	c->exec_api_version = text_of(r, exec, "apiVersion");
	if (!*c->exec_api_version)
		c->exec_api_version = "client.authentication.k8s.io/v1";
	else if (strncmp(c->exec_api_version, group, sizeof(group) - 1) != 0 ||
		 (strcmp(c->exec_api_version + sizeof(group) - 1, "v1") != 0 &&
			 strcmp(c->exec_api_version + sizeof(group) - 1, "v1beta1") != 0))
		mistake(r, exec, "exec.apiVersion",
			"expected client.authentication.k8s.io/v1 or v1beta1");
	for (unsigned i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (strcmp(mode, modes[i]) == 0) {
			c->exec_interactive = (enum kubeconfig_exec)i;
			known = true;
		}
	if (!known)
		mistake(r, exec, "exec.interactiveMode", "expected Never, IfAvailable or Always");
	c->exec_cluster_info =
		info && info->kind == TREE_BOOL && strcasecmp(info->text, "true") == 0;
	hint += strspn(hint, " \r\n\t");
	hint = arena_format(&c->arena, "%.*s", (int)strcspn(hint, "\r\n"), hint);
	c->exec_hint = hint ? hint : "";
}

static void read_exec(struct reading *r, const struct tree *exec)
{
	struct kubeconfig *c = r->config;
	const struct tree *args = tree_get(exec, "args"), *env = tree_get(exec, "env");
	struct kubeconfig_env *variables;

	c->exec_command = text_of(r, exec, "command");
	read_exec_terms(r, exec);
	if (!*c->exec_command)
		mistake(r, exec, "exec.command", "expected the program to run");
	if (strchr(c->exec_command, '/'))
		c->exec_command = file_of(r, exec, "command");
	if (args && args->kind == TREE_LIST) {
		c->exec_args = arena_take_array(&c->arena, args->count, sizeof(*c->exec_args));
		for (unsigned i = 0; c->exec_args && i < args->count; i++)
			if (args->items[i]->kind != TREE_LIST && args->items[i]->kind != TREE_MAP)
				c->exec_args[c->exec_arg_count++] =
					arena_copy(&c->arena, args->items[i]->text);
	}
	if (env && env->kind == TREE_LIST) {
		variables = arena_take_array(&c->arena, env->count, sizeof(*variables));
		for (unsigned i = 0; variables && i < env->count; i++)
			variables[c->exec_env_count++] =
				(struct kubeconfig_env){text_of(r, env->items[i], "name"),
					text_of(r, env->items[i], "value")};
		c->exec_env = variables;
	}
}

static void read_user(struct reading *r, const struct tree *user)
{
	struct kubeconfig *c = r->config;
	const struct tree *exec = tree_get(user, "exec");

	c->token = text_of(r, user, "token");
	c->token_file = file_of(r, user, "tokenFile");
	c->cert_file = file_of(r, user, "client-certificate");
	c->key_file = file_of(r, user, "client-key");
	c->cert_pem = data_of(r, user, "client-certificate-data");
	c->key_pem = data_of(r, user, "client-key-data");
	if (exec && exec->kind == TREE_MAP)
		read_exec(r, exec);
	if (tree_get(user, "username") || tree_get(user, "auth-provider"))
		mistake(r, user, "user",
			"neither username nor auth-provider is understood: use a token, a client "
			"certificate or exec");
	if ((*c->cert_file || *c->cert_pem) != (*c->key_file || *c->key_pem))
		mistake(r, user, "user", "a client certificate without its key, or the key alone");
}

static int visit(const struct tree *root, void *arg)
{
	struct reading *r = arg;
	struct kubeconfig *c = r->config;
	const struct tree *context, *cluster, *user = NULL;
	const char *user_name;

	if (r->seen)
		return 0;
	r->seen = true;
	if (root->kind != TREE_MAP || !tree_get(root, "clusters")) {
		mistake(r, root, "kubeconfig", "this is none: it has no clusters");
		return 0;
	}
	c->context =
		*r->wanted ? arena_copy(&c->arena, r->wanted) : text_of(r, root, "current-context");
	if (!c->context || !*c->context) {
		mistake(r, root, "current-context",
			"the file does not say which context is meant: name one");
		return 0;
	}
	context = named(r, root, "contexts", "context", c->context);
	if (!context)
		return 0;
	c->namespace = text_of(r, context, "namespace");
	cluster = named(r, root, "clusters", "cluster", text_of(r, context, "cluster"));
	user_name = text_of(r, context, "user");
	if (*user_name)
		user = named(r, root, "users", "user", user_name);
	if (cluster)
		read_cluster(r, cluster);
	if (user)
		read_user(r, user);
	return 0;
}

static void nothing_said(struct kubeconfig *c)
{
	c->context = c->server = c->namespace = c->ca_file = c->tls_server_name = c->proxy = "";
	c->cert_file = c->key_file = c->token_file = c->token = "";
	c->ca_pem = c->cert_pem = c->key_pem = c->exec_command = c->exec_api_version = "";
	c->exec_hint = "";
}

int kubeconfig_parse(struct kubeconfig *config, const char *bytes, size_t length, const char *file,
	const char *context, struct reason *reason) // house: a text has its bytes and its name
{
	struct reading r = {.config = config, .wanted = context, .reason = reason};
	struct yaml_error error;
	int rc;

	*config = (struct kubeconfig){0};
	nothing_said(config);
	config->file = arena_copy(&config->arena, file);
	rc = config->file ? yaml_read(bytes, length, visit, &r, &error) : -ENOMEM;
	if (rc == -EBADMSG)
		reason_add(reason, "%s:%u: %s", file, error.line, error.text);
	else if (!rc && !r.seen)
		reason_add(reason, "%s: the file is empty: expected a kubeconfig", file);
	if (!rc && (!r.seen || r.mistakes))
		rc = -EINVAL;
	if (!rc && config->arena.failed)
		rc = -ENOMEM;
	if (rc)
		kubeconfig_clear(config);
	return rc;
}

char *kubeconfig_read_file(const char *file, size_t *length, struct reason *reason)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char *bytes = NULL;
	struct stat st;
	ssize_t n = 0;

	*length = 0;
	if (fd < 0 || fstat(fd, &st) < 0) {
		reason_add(reason, "%s: cannot be read: %s", file, strerror(errno));
	} else if (!S_ISREG(st.st_mode) || st.st_size > (off_t)BYTES_MAX) {
		reason_add(reason, "%s: no file of at most 4 MB", file);
	} else {
		bytes = malloc((size_t)st.st_size + 1);
		while (bytes && *length < (size_t)st.st_size &&
			(n = read(fd, bytes + *length, (size_t)st.st_size - *length)) > 0)
			*length += (size_t)n;
		if (bytes)
			bytes[*length] = '\0';
		if (n < 0 || !bytes) {
			reason_add(reason, "%s: cannot be read: %s", file, strerror(errno));
			free(bytes);
			bytes = NULL;
		}
	}
	if (fd >= 0)
		close(fd);
	return bytes;
}

int kubeconfig_load(
	struct kubeconfig *config, const char *file, const char *context, struct reason *reason)
{
	size_t length;
	char *bytes = kubeconfig_read_file(file, &length, reason);
	int rc;

	if (!bytes)
		return -EIO;
	rc = kubeconfig_parse(config, bytes, length, file, context, reason);
	explicit_bzero(bytes, length);
	free(bytes);
	return rc;
}

void kubeconfig_clear(struct kubeconfig *config)
{
	arena_clear(&config->arena);
	*config = (struct kubeconfig){0};
	nothing_said(config);
}
