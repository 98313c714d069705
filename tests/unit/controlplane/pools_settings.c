// SPDX-License-Identifier: BSD-3-Clause
#include "pools_settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

struct settings *pools_settings(const char *pools, const char *more)
{
	char text[1024];
	struct reason reason = {0};
	struct settings *settings;

	snprintf(text, sizeof(text),
		"ports = ( { name = \"wan\"; kind = \"tap\"; device = \"x\"; addresses = [ "
		"\"192.0.2.2/24\" ]; } );\npools = ( { name = \"p\"; addresses = [ %s ]; } );\n"
		"%s\n",
		pools, more);
	settings = settings_parse(text, "t.conf", &reason);
	assert_non_null(settings);
	return settings;
}
