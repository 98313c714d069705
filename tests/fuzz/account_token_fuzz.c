// SPDX-License-Identifier: BSD-3-Clause
// A service account's token, and the answer to a TokenRequest.
#include "registry_internal.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct registration nothing = {0};
	char *text = malloc(size + 1), *account, *path;
	struct record record;
	int64_t ends_s;

	if (!text || record_copy(&record, &nothing)) {
		free(text);
		return 0;
	}
	memcpy(text, data, size);
	text[size] = '\0';
	account = token_account(text, &ends_s);
	path = account && *account ? token_path(account) : NULL;
	if (path && strpbrk(path, "?#"))
		abort();
	if (token_answer(&record, text) && !*record.token)
		abort();
	free(path);
	free(account);
	record_clear(&record);
	free(text);
	return 0;
}
