// SPDX-License-Identifier: BSD-3-Clause
// Whose an Ingress is: by the class it names, else by what sluice.conf says of those that name
// none.
#include <string.h>

#include "front_class.h"

#define CLASS_ANNOTATION "kubernetes.io/ingress.class"

static bool class_is_ours(
	const struct planner *p, const char *cluster, const char *name, const char **why)
{
	const struct ingress_class *class = (const struct ingress_class *)model_find(
		p->model, OBJECT_INGRESS_CLASS, cluster, "", name);
	const struct ingress_settings *settings = &p->settings->ingress;

	if (class && strcmp(class->controller, settings->controller) == 0) {
		*why = "its class is ours";
		return true;
	}
	if (class) {
		*why = "the controller of its class is another";
		return false;
	}
	if (strcmp(name, settings->class) == 0) {
		*why = "its class is that of sluice.conf";
		return true;
	}
	*why = "there is no IngressClass of that name";
	return false;
}

static bool default_class_is_ours(struct planner *p, const char *cluster)
{
	size_t count = model_count(p->model, OBJECT_INGRESS_CLASS);
	const struct object **list = arena_take_array(&p->scratch, count, sizeof(*list));

	if (list && count)
		model_list(p->model, OBJECT_INGRESS_CLASS, list);
	for (size_t i = 0; list && i < count; i++) {
		const struct ingress_class *class = (const struct ingress_class *)list[i];

		if (class->is_default && strcmp(class->object.cluster, cluster) == 0 &&
			strcmp(class->controller, p->settings->ingress.controller) == 0)
			return true;
	}
	return false;
}

bool front_is_ours(
	struct planner *p, const struct ingress *ingress, const char **class, const char **why)
{
	const char *annotation = object_annotation(&ingress->object, CLASS_ANNOTATION);

	*class = *ingress->class ? ingress->class : annotation ? annotation : "";
	if (**class)
		return class_is_ours(p, ingress->object.cluster, *class, why);
	if (p->settings->ingress.classless) {
		*why = "it names no class, and sluice.conf says classless = true";
		return true;
	}
	if (default_class_is_ours(p, ingress->object.cluster)) {
		*why = "it names no class, and the default class is ours";
		return true;
	}
	*why = "it names no class, and sluice.conf says classless = false";
	return false;
}
