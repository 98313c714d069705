// SPDX-License-Identifier: BSD-3-Clause
// A part of settings.h: where objects come from.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define SOURCE_WATCH_S 120 // unless a row says otherwise

struct source_settings {  // where objects come from
	char *name;       // the cluster's name in every object's identity
	char *kind;       // "manifests", "kube"
	char *path;       // the directory; the kubeconfig
	char *context;    // of the kubeconfig; "" = its current one
	bool insecure;    // its insecure-skip-tls-verify may be obeyed
	uint32_t watch_s; // how long a watch is kept open
	// Not of the row: filled in by whoever opens the source.
	unsigned namespace_count;
	char **namespaces;
	char *labels;
	char *state_dir;       // where it may keep what it saw
	char *kubeconfig;      // of a registered cluster: its text; NULL = it is in the file
	uint64_t registration; // another number after another registration
};
