// SPDX-License-Identifier: BSD-3-Clause
// A path, a value and a configuration's text, each ended by a line that is empty: what `set` and
// `delete` make of a text is one that can be read again, and says what was set.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf_tree.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct settings_keys *keys;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	keys = settings_keys_new();
	return 0;
}

static void must_parse(const char *text)
{
	struct reason reason = {0};
	struct conf_node *root = conf_parse(text, &reason);

	if (!root)
		abort();
	conf_free(root);
	reason_clear(&reason);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *all = malloc(size + 1), *rest = all, *path, *value, *after;
	struct reason reason = {0};

	memcpy(all, data, size);
	all[size] = '\0';
	path = strsep(&rest, "\n");
	value = rest ? strsep(&rest, "\n") : NULL;
	if (value && rest) {
		after = conf_set(rest, path, value, keys, &reason);
		if (after) {
			must_parse(after);
			free(conf_compare(rest, after));
			free(conf_show(after, path, &reason));
		} else if (!reason.count) {
			abort();
		}
		free(after);
		after = conf_delete(rest, path, &reason);
		if (after)
			must_parse(after);
		free(after);
	}
	reason_clear(&reason);
	free(all);
	return 0;
}
