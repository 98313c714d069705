// SPDX-License-Identifier: BSD-3-Clause
// Trees -> typed objects, with the mistakes told.
//
// One decode is one origin's worth: a file, or an answer of the API server. Kinds we do not read
// are passed over, unknown fields are ignored. An object with a mistake is quarantined alone: every
// mistake in it is a problem with line and field, and what the origin said about it before stays.
// Pure; hostile input.
#pragma once

#include "model.h"
#include "tree.h"

struct refused { // an object of which the name could be read
	enum object_kind kind;
	const char *namespace, *name;
	size_t problem; // the last of its problems
};

struct decode {
	const char *cluster, *origin;
	struct arena arena; // of all below, but not of the objects
	size_t object_count, problem_count, refused_count;
	struct object **objects;
	struct model_problem *problems;
	struct refused *refused;
	// The object at hand.
	const char *object_text; // "Service local/default/web"
	unsigned mistakes;
};

#define DECODE_PROBLEMS_MAX 1000 // of one origin; what is beyond is counted in the last one

// One document. -ENOMEM, or 0 whatever stands in it.
int decode_document(struct decode *decode, const struct tree *document);
// One object that is known to be of this kind, whatever it says of itself.
int decode_one(struct decode *decode, const struct tree *object, enum object_kind kind);
// After the last document: puts the former version, out of `model` or its memory, of each object
// that was refused among the objects. -ENOMEM when memory ran out anywhere: nothing may be used
// then.
int decode_finish(struct decode *decode, const struct model *model);
// RFC 3339, "2024-05-01T10:00:00Z", in seconds of the epoch; INT64_MAX when it is not.
int64_t decode_time(const char *text);
// Also frees the objects, unless they were given to the model and object_count is zero.
void decode_clear(struct decode *decode);
