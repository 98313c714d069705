// SPDX-License-Identifier: BSD-3-Clause
// A file of manifests, from its bytes to the plan: what is read must give a plan, and that plan
// must come out the same again from its own leases.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decode.h"
#include "plan.h"
#include "yaml_tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char conf[] =
	"ports = ( { name = \"wan\"; kind = \"tap\"; device = \"x\"; addresses = [ "
	"\"192.0.2.2/24\", "
	"\"2001:db8::2/64\" ]; } );\n"
	"pools = ( { name = \"default\"; addresses = [ \"192.0.2.100-192.0.2.103\", "
	"\"2001:db8::100/126\" ]; } );\n";

static int visit(const struct tree *document, void *arg)
{
	return decode_document(arg, document);
}

static char *text_of(const struct plan *plan)
{
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	plan_print(plan, stream);
	fclose(stream);
	return text;
}

static void check_plan(const struct model *model, const struct settings *settings)
{
	struct plan *plan = plan_make(model, settings, NULL, 0);
	struct plan *again = plan_make(model, settings, plan->leases, plan->lease_count);
	char *text = text_of(plan), *text_again = text_of(again);

	if (strcmp(text, text_again) != 0)
		abort();
	free(text);
	free(text_again);
	plan_free(plan);
	plan_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reason reason = {0};
	struct settings *settings = settings_parse(conf, "t.conf", &reason);
	struct model *model = model_new();
	struct decode decode = {.cluster = "c", .origin = "f"};
	struct yaml_error error;

	// Twice, as a file that changes: the second time finds what the first left.
	for (int turn = 0; turn < 2; turn++) {
		int rc = yaml_read((const char *)data, size, visit, &decode, &error);

		if (rc == 0 && decode_finish(&decode, model) == 0) {
			model_replace(model, "c", "f", decode.objects, decode.object_count,
				decode.problems, decode.problem_count);
			decode.object_count = 0;
		}
		decode_clear(&decode);
		decode = (struct decode){.cluster = "c", .origin = "f"};
	}
	check_plan(model, settings);
	model_free(model);
	settings_free(settings);
	return 0;
}
