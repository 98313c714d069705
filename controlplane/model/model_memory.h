// SPDX-License-Identifier: BSD-3-Clause
// What was in force before we began. The model keeps it for whoever fills it. Loop thread only.
#pragma once

#include "model.h"

// A new object, or NULL. Asked for one that is refused and that the model has no version of.
struct model_memory {
	void *arg;
	struct object *(*recall)(void *arg, enum object_kind kind, const char *cluster,
		const char *namespace, const char *name);
};
void model_set_memory(struct model *model, const struct model_memory *memory); // NULL: none (more)
struct object *model_recall(const struct model *model, enum object_kind kind, const char *cluster,
	const char *namespace, const char *name);
