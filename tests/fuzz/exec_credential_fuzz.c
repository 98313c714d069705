// SPDX-License-Identifier: BSD-3-Clause
// What a plugin wrote: whatever it is, it is an answer with its texts, or none.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "exec_plugin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct exec_credential credential;
	struct arena arena = {0};

	if (exec_credential_read((const char *)data, size, "client.authentication.k8s.io/v1",
		    &arena, &credential) &&
		strlen(credential.token) + strlen(credential.cert_pem) +
				strlen(credential.key_pem) >
			size * 3)
		abort();
	arena_clear(&arena);
	return 0;
}
