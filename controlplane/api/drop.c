// SPDX-License-Identifier: BSD-3-Clause
// GET /v1/drops: packets that ended here, by reason.
#include "api_internal.h"

enum {
	ALL
};

static json_t *drops(const struct api_request *request)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < request->stats->n_drops; i++) {
		const Sluice__DropStats *drop = request->stats->drops[i];

		if (drop->packets || request->values[ALL])
			json_array_append_new(rows,
				json_pack("{s:s, s:I, s:s}", "reason", drop->reason, "packets",
					(json_int_t)drop->packets, "help", drop->help));
	}
	return answer_rows(request, "drops", rows);
}

const struct api_command api_drops = {
	.path = "/v1/drops",
	.help = "dropped packets by reason",
	.arguments = {[ALL] = {"all", ARGUMENT_FLAG, "also the reasons that never occurred"}},
	.need = NEED_STATS,
	.cleared = true,
	.handler = drops,
	.answer = "{drops: [{reason, packets: number, help}], " ANSWER_SINCE "}",
};
