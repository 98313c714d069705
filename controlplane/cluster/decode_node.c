// SPDX-License-Identifier: BSD-3-Clause
// v1 Node: which pods are behind which address.
#include <string.h>

#include "decode_field.h"

static void add_prefix(
	const struct field *spec, const struct tree *item, const char *key, struct node *node)
{
	struct prefix *list;
	struct prefix prefix;

	if (item->kind != TREE_TEXT || !strchr(item->text, '/') ||
		prefix_parse(&prefix, item->text) < 0) {
		field_wrong(spec, item, key, "a prefix without host bits, such as 10.1.0.0/24");
		return;
	}
	list = arena_grow(&node->object.arena, (void *)node->pod_prefixes, node->pod_prefix_count,
		sizeof(*list));
	if (!list)
		return;
	list[node->pod_prefix_count++] = prefix;
	node->pod_prefixes = list;
}

static void add_address(const struct field *status, const struct tree *item, struct node *node)
{
	struct field in = {status->decode, status->object, item, "status.addresses[]"};
	const char *type = "", *text = "";
	struct addr *list;
	struct addr addr;

	if (item->kind != TREE_MAP) {
		field_wrong(status, item, "addresses", "a list of maps");
		return;
	}
	field_text(&in, "type", &type);
	if (strcmp(type, "InternalIP") != 0)
		return;
	field_text(&in, "address", &text);
	if (addr_parse(&addr, text) < 0 || addr_is_zero(&addr)) {
		field_wrong(&in, tree_get(item, "address"), "address", "an address");
		return;
	}
	list = arena_grow(
		&node->object.arena, (void *)node->addresses, node->address_count, sizeof(*list));
	if (!list)
		return;
	list[node->address_count++] = addr;
	node->addresses = list;
}

static void read_condition(const struct field *status, const struct tree *item, struct node *node)
{
	struct field in = {status->decode, NULL, item, "status.conditions[]"};
	const char *type = "", *value = "";

	if (item->kind != TREE_MAP) {
		field_wrong(status, item, "conditions", "a list of maps");
		return;
	}
	field_text(&in, "type", &type);
	field_text(&in, "status", &value);
	if (strcmp(type, "Ready") == 0)
		node->not_ready = strcmp(value, "True") != 0;
}

void decode_node(const struct field *root, struct node *node)
{
	struct field spec = {root->decode, root->object, field_map(root, "spec"), "spec"};
	struct field status = {root->decode, root->object, field_map(root, "status"), "status"};
	const struct tree *prefixes = field_list(&spec, "podCIDRs");
	const struct tree *addresses = field_list(&status, "addresses");
	const struct tree *conditions = field_list(&status, "conditions");
	struct field metadata = {root->decode, NULL, field_map(root, "metadata"), "metadata"};
	const struct tree *labels = field_map(&metadata, "labels");
	const struct tree *single = tree_get(spec.map, "podCIDR");

	for (unsigned i = 0; prefixes && i < prefixes->count; i++)
		add_prefix(&spec, prefixes->items[i], "podCIDRs", node);
	if (single && !tree_get(spec.map, "podCIDRs")) // the older field of the same meaning
		add_prefix(&spec, single, "podCIDR", node);
	for (unsigned i = 0; addresses && i < addresses->count; i++)
		add_address(&status, addresses->items[i], node);
	for (unsigned i = 0; conditions && i < conditions->count; i++)
		read_condition(&status, conditions->items[i], node);
	field_bool(&spec, "unschedulable", &node->unschedulable);
	// That it is there counts, whatever its value.
	node->excluded =
		tree_get(labels, "node.kubernetes.io/exclude-from-external-load-balancers");
}
