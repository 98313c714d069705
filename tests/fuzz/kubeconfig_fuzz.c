// SPDX-License-Identifier: BSD-3-Clause
// A kubeconfig: what is refused says why.
#include <stdint.h>
#include <stdlib.h>

#include "kubeconfig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kubeconfig config;
	struct reason reason = {0};
	int rc = kubeconfig_parse(&config, (const char *)data, size, "k", "", &reason);

	if ((rc == 0) != (reason.count == 0))
		abort();
	kubeconfig_clear(&config);
	reason_clear(&reason);
	return 0;
}
