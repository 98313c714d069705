// SPDX-License-Identifier: BSD-3-Clause
// What BIRD and keepalived say, line by line, and adverts of VRRP.
#include "vip_text.h"
#include "vrrp_heard.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bird_protocol protocol;
	struct bird_session session;
	enum vrrp_state state;
	char *line = malloc(size + 1); // without an end: reading on is seen
	unsigned priority, exported;
	uint32_t id;

	if (!line)
		return 0;
	memcpy(line, data, size);
	line = realloc(line, size ? size : 1);
	if (bird_protocol_parse(line, size, &protocol) && !*protocol.state)
		abort();
	bird_routes_parse(line, size, &exported);
	if (bird_session_parse(line, size, &session) && !*session.state)
		abort();
	if (vrrp_event_parse(line, size, &id, &state) &&
		(id == 0 || id > 255 || state > VRRP_FAULT))
		abort();
	if (vrrp_advert_parse((const uint8_t *)line, size, &id, &priority) &&
		(id == 0 || id > 255 || priority > 255))
		abort();
	free(line);
	return 0;
}
