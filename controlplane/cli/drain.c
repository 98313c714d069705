// SPDX-License-Identifier: BSD-3-Clause
// sluice drain vip|box|endpoint, sluice undrain vip|box|endpoint
#include "cli.h"

#include <string.h>

static void print(json_t *answer, FILE *out)
{
	fprintf(out, "%s is %s\n", row_text(answer, "what"),
		json_is_true(json_object_get(answer, "drained")) ? "drained" : "not drained");
	if (json_is_true(json_object_get(answer, "other_boxes")) &&
		strcmp(row_text(answer, "what"), "box") != 0)
		fputs("on this box alone: say it to the other one too\n", out);
}

const struct cli_command cli_drain_vip = {
	.words = {"drain", "vip"},
	.help = "let a VIP be withdrawn here; connections go on as far as packets come",
	.path = "/v1/drain",
	.arguments = {{"vip", "ADDRESS", "the VIP"}},
	.changes = true,
	.bare = 1,
	.print = print,
	.values = {&cli_values_vips},
};

const struct cli_command cli_drain_box = {
	.words = {"drain", "box"},
	.help = "let all VIPs be withdrawn here: the peer or other boxes take them",
	.path = "/v1/drain",
	.changes = true,
	.print = print,
};

const struct cli_command cli_drain_endpoint = {
	.words = {"drain", "endpoint"},
	.help = "give an endpoint no new connections; established ones live on",
	.path = "/v1/drain",
	.arguments = {{"endpoint", "ADDRESS[:PORT]", "the endpoint, on all its ports or on one"}},
	.changes = true,
	.bare = 1,
	.print = print,
	.values = {&cli_values_endpoints},
};

const struct cli_command cli_undrain_endpoint = {
	.words = {"undrain", "endpoint"},
	.help = "use the endpoint again",
	.path = "/v1/undrain",
	.arguments = {{"endpoint", "ADDRESS[:PORT]", "as it was drained"}},
	.changes = true,
	.bare = 1,
	.print = print,
	.values = {&cli_values_endpoints},
};

const struct cli_command cli_undrain_vip = {
	.words = {"undrain", "vip"},
	.help = "announce the VIP again",
	.path = "/v1/undrain",
	.arguments = {{"vip", "ADDRESS", "the VIP"}},
	.changes = true,
	.bare = 1,
	.print = print,
	.values = {&cli_values_vips},
};

const struct cli_command cli_undrain_box = {
	.words = {"undrain", "box"},
	.help = "take part again",
	.path = "/v1/undrain",
	.changes = true,
	.print = print,
};
