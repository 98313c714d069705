// SPDX-License-Identifier: BSD-3-Clause
// PROXY headers of any bytes: every beginning of a good one asks for more, no beginning of anything
// is good before its end, and what is written of one reads the same.
#include "proxy_protocol.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static int parse(struct proxy_protocol *header, const uint8_t *bytes, size_t length, char **copy)
{
	*copy = malloc(length ? length : 1);
	must(*copy != NULL);
	memcpy(*copy, bytes, length);
	return proxy_protocol_parse(header, *copy, (uint32_t)length);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	struct proxy_protocol header, again;
	char out[PROXY_PROTOCOL_ROOM], *copy, *part;
	int result = parse(&header, bytes, length, &copy);

	must(result <= (int)length && result <= PROXY_PROTOCOL_MAX);
	for (size_t i = 0; i < length && i < 300; i++) {
		int early = parse(&again, bytes, i, &part);

		free(part);
		if (result > 0)
			must(early == ((int)i < result ? 0 : result));
		else if (result == 0)
			must(early == 0);
		else
			must(early <= 0);
	}
	if (result > 0) {
		uint32_t written = proxy_protocol_write(&header, out);

		must(proxy_protocol_parse(&again, out, written) == (int)written);
		must(again.local == header.local);
		if (!header.local) {
			must(addr_compare(&again.source, &header.source) == 0);
			must(addr_compare(&again.destination, &header.destination) == 0);
			must(again.source_port == header.source_port);
			must(again.authority_length == header.authority_length);
			must(again.alpn_length == header.alpn_length);
		}
	}
	free(copy);
	return 0;
}
