// SPDX-License-Identifier: BSD-3-Clause
// The sockets that the API listens at. See api.h.
#include "api.h"

#include "exchange.h"

#include <errno.h>
#include <stdlib.h>

struct api {
	struct web *local;
};

int api_open(
	struct api **out, uv_loop_t *loop, const struct api_options *options, struct reason *reason)
{
	struct api *api = calloc(1, sizeof(*api));
	int error;

	if (!api)
		return -ENOMEM;
	error = web_open(&api->local, loop, options, reason);
	if (error)
		free(api);
	else
		*out = api;
	return error;
}

void api_close(struct api *api)
{
	if (!api)
		return;
	web_close(api->local);
	free(api);
}
