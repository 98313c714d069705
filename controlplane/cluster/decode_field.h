// SPDX-License-Identifier: BSD-3-Clause
// One field of an object at a time, for the decoders of kinds.
//
// An absent field leaves *out alone and is no mistake. A wrong one is told ("spec.ports[0].port:
// found 99999, expected ...") and leaves *out alone too. `path` is that of the map the field is in.
// Texts are copied into the object's arena.
#pragma once

#include "decode.h"

#define FIELD_PATH 160

struct ingress;
struct ingress_class;
struct secret;

struct field { // where a decoder reads
	struct decode *decode;
	struct object *object;  // NULL: texts stay in the tree
	const struct tree *map; // may be NULL: nothing is there
	const char *path;
};

void field_wrong(
	const struct field *in, const struct tree *found, const char *key, const char *expected);
// A mistake in other words, for where what was found must not be told.
void field_mistake(const struct field *in, unsigned line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
// Something is odd but taken all the same.
void field_warn(const struct field *in, unsigned line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void field_text(const struct field *in, const char *key, const char **out);
void field_number(
	const struct field *in, const char *key, int64_t least, int64_t most, int64_t *out);
void field_bool(const struct field *in, const char *key, bool *out);
// The index among `names` (ended by NULL).
void field_choice(const struct field *in, const char *key, const char *const *names, unsigned *out);
// The member when it is a map or a list; else NULL, told when something else stands there.
const struct tree *field_map(const struct field *in, const char *key);
const struct tree *field_list(const struct field *in, const char *key);
// The number of a protocol; unknown ones are told.
void field_protocol(const struct field *in, const char *key, uint8_t *out);
bool name_is_label(const char *name);     // RFC 1123, 63 characters
bool name_is_subdomain(const char *name); // 253 characters, with dots

// The kinds. Mistakes are told; the object is given up when there were any.
void decode_service(const struct field *spec, struct service *service);
void decode_slice(const struct field *root, struct endpoint_slice *slice);
void decode_node(const struct field *root, struct node *node);
void decode_ingress(const struct field *spec, struct ingress *ingress);
void decode_ingress_class(const struct field *spec, struct ingress_class *class);
void decode_secret(const struct field *root, struct secret *secret);
