// SPDX-License-Identifier: BSD-3-Clause
// sluice.conf: whatever it says, it is read or refused with a reason.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);

// libconfig 1.5 forgets the text it was in when a text does not end.
const char *__lsan_default_suppressions(void)
{
	return "leak:libconfig.so\n";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reason reason = {0};
	struct settings *settings;
	char *text = malloc(size + 1);

	memcpy(text, data, size);
	text[size] = '\0';
	// Other files are not the fuzzer's to read.
	if (!memmem(data, size, "@include", 8)) {
		settings = settings_parse(text, "t.conf", &reason);
		if ((settings == NULL) != (reason.count != 0))
			abort();
		settings_free(settings);
	}
	reason_clear(&reason);
	free(text);
	return 0;
}
