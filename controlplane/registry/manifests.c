// SPDX-License-Identifier: BSD-3-Clause
// The objects of config/sluice-rbac.yaml, one by one, each with the path where it is applied.
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

int manifest_at(unsigned i, struct manifest *manifest)
{
	const char *at = manifests_text;
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

const char *registry_manifests(void)
{
	return manifests_text;
}
