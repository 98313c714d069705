// SPDX-License-Identifier: BSD-3-Clause
// Ingresses, their classes and Secrets by chance, of few names, so that they meet.
#pragma once

#include "model.h"

struct object *random_ingress(const char *cluster, unsigned *seed);
struct object *random_class(const char *cluster, unsigned *seed);
struct object *random_secret(const char *cluster, unsigned *seed);
