// SPDX-License-Identifier: BSD-3-Clause
// What of the image can be told without RAUC: whether this is one, and which.
#include "firmware.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// As execvp() would find it.
static bool is_on_path(const char *name)
{
	const char *at = getenv("PATH");
	char path[4096];

	while (at && *at) {
		size_t n = strcspn(at, ":");

		snprintf(path, sizeof(path), "%.*s/%s", (int)n, at, name);
		if (access(path, X_OK) == 0)
			return true;
		at += n + (at[n] == ':');
	}
	return false;
}

bool firmware_there(struct reason *reason)
{
	if (is_on_path("rauc"))
		return true;
	reason_add(reason, "this box is no appliance: there is no rauc");
	return false;
}

// The word behind `name` in the file.
static void read_word(const char *path, const char *name, char *word, size_t room)
{
	FILE *file = fopen(path, "re");
	char line[4096], *at;

	*word = '\0';
	while (file && !*word && fgets(line, sizeof(line), file)) {
		at = strstr(line, name);
		if (!at || (at != line && at[-1] != ' '))
			continue;
		at += strlen(name);
		at += *at == '"';
		snprintf(word, room, "%.*s", (int)strcspn(at, " \"\n"), at);
	}
	if (file)
		fclose(file);
}

void firmware_image(char version[static 64], char slot[static 16])
{
	read_word("/etc/os-release", "IMAGE_VERSION=", version, 64);
	read_word("/proc/cmdline", "rauc.slot=", slot, 16);
}
