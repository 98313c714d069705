// SPDX-License-Identifier: BSD-3-Clause
// The objects of config/sluice-rbac.yaml, one by one, each with the path where it is applied; and
// where the account's rights are to be bound in single namespaces, those bindings.
#include "registry_internal.h"

#include "yaml_tree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BETWEEN "\n---\n"

static const struct {
	const char *kind, *group, *plural;
	bool namespaced;
} kinds[] = {
	{"Namespace", "api/v1", "namespaces", false},
	{"ServiceAccount", "api/v1", "serviceaccounts", true},
	{"Role", "apis/rbac.authorization.k8s.io/v1", "roles", true},
	{"RoleBinding", "apis/rbac.authorization.k8s.io/v1", "rolebindings", true},
	{"ClusterRole", "apis/rbac.authorization.k8s.io/v1", "clusterroles", false},
	{"ClusterRoleBinding", "apis/rbac.authorization.k8s.io/v1", "clusterrolebindings", false},
	{"IngressClass", "apis/networking.k8s.io/v1", "ingressclasses", false},
};

static const char *text_at(const struct tree *map, const char *key)
{
	const struct tree *tree = tree_get(map, key);

	return tree && tree->kind == TREE_TEXT ? tree->text : "";
}

// One that is not of the list stays away: the token that does not end is for those who apply the
// file by hand.
static int visit(const struct tree *document, void *arg)
{
	const struct tree *metadata = tree_get(document, "metadata");
	const char *name = text_at(metadata, "name"), *space = text_at(metadata, "namespace");
	char **path = arg;

	for (size_t i = 0; !*path && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(kinds[i].kind, text_at(document, "kind")) != 0)
			continue;
		if (asprintf(path, "/%s/%s%s%s%s/%s?fieldManager=sluice&force=true", kinds[i].group,
			    kinds[i].namespaced ? "namespaces/" : "",
			    kinds[i].namespaced ? space : "", kinds[i].namespaced ? "/" : "",
			    kinds[i].plural, name) < 0) {
			*path = NULL;
			return -ENOMEM;
		}
	}
	return 0;
}

int manifest_at(const char *text, unsigned i, struct manifest *manifest)
{
	const char *at = text;
	struct yaml_error error;

	*manifest = (struct manifest){0};
	while (*at) {
		const char *end = strstr(at, BETWEEN);
		size_t length = end ? (size_t)(end + 1 - at) : strlen(at);
		int rc = yaml_read(at, length, visit, &manifest->path, &error);

		if (rc)
			return rc;
		if (manifest->path && i-- == 0) {
			manifest->text = strndup(at, length);
			if (manifest->text)
				return 0;
			manifest_clear(manifest);
			return -ENOMEM;
		}
		manifest_clear(manifest);
		at += length + (end ? strlen(BETWEEN) - 1 : 0);
	}
	return -ENOENT;
}

void manifest_clear(struct manifest *manifest)
{
	free(manifest->path);
	free(manifest->text);
	*manifest = (struct manifest){0};
}

// Where the document binds what is bound in single namespaces: in which; NULL: in all.
static const char *bound_in(const char *document, size_t length, const struct scope *scope)
{
	static const char objects[] =
		"\nkind: ClusterRoleBinding\nmetadata:\n  name: sluice-objects\n";
	static const char secrets[] =
		"\nkind: ClusterRoleBinding\nmetadata:\n  name: sluice-secrets\n";
	const char *in = *scope->namespaces ? scope->namespaces : NULL;

	if (memmem(document, length, secrets, sizeof(secrets) - 1))
		return *scope->secrets_in ? scope->secrets_in : in;
	return memmem(document, length, objects, sizeof(objects) - 1) ? in : NULL;
}

// Role and subjects stay what they are.
static void bind_in(FILE *out, const char *document, size_t length, const char *namespaces)
{
	static const char kind[] = "ClusterRoleBinding\nmetadata:\n";
	const char *at = memmem(document, length, kind, sizeof(kind) - 1);
	const char *rest = at + sizeof(kind) - 1;

	for (const char *name = namespaces; *name; name += strcspn(name, ",")) {
		name += *name == ',';
		fprintf(out, "%s%.*sRoleBinding\nmetadata:\n  namespace: %.*s\n%.*s",
			name == namespaces ? "" : "---\n", (int)(at - document), document,
			(int)strcspn(name, ","), name, (int)(document + length - rest), rest);
	}
}

char *registry_manifests(const struct scope *scope)
{
	const char *at = manifests_text;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	while (out && *at) {
		const char *end = strstr(at, BETWEEN), *namespaces;
		size_t length = end ? (size_t)(end + 1 - at) : strlen(at);

		namespaces = bound_in(at, length, scope);
		if (namespaces)
			bind_in(out, at, length, namespaces);
		else
			fwrite(at, 1, length, out);
		at += length + (end ? strlen(BETWEEN) - 1 : 0);
		if (end)
			fputs("---\n", out);
	}
	if (!out || fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

static bool names(const char *list, const char *name, size_t length)
{
	for (; *list; list += strcspn(list, ",")) {
		list += *list == ',';
		if (strcspn(list, ",") == length && strncmp(list, name, length) == 0)
			return true;
	}
	return false;
}

static const char *secrets_of(const struct scope *scope)
{
	return *scope->secrets_in ? scope->secrets_in : scope->namespaces;
}

// Bindings of before in namespaces that are no longer meant.
static void left_over(FILE *out, const char *role, const char *before, const char *now)
{
	for (const char *name = before; *name; name += strcspn(name, ",")) {
		size_t length;

		name += *name == ',';
		length = strcspn(name, ",");
		if (!names(now, name, length))
			fprintf(out,
				"/apis/rbac.authorization.k8s.io/v1/namespaces/%.*s/rolebindings/"
				"%s\n",
				(int)length, name, role);
	}
}

char *manifests_over(const struct scope *before, const struct scope *now)
{
	static const char bindings[] = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/";
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	if (*now->namespaces)
		fprintf(out, "%ssluice-objects\n", bindings);
	if (*secrets_of(now))
		fprintf(out, "%ssluice-secrets\n", bindings);
	left_over(out, "sluice-objects", before->namespaces, now->namespaces);
	left_over(out, "sluice-secrets", secrets_of(before), secrets_of(now));
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}
