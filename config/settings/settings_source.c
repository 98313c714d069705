// SPDX-License-Identifier: BSD-3-Clause
// Where objects come from.
#include <stdlib.h>

#include "reader.h"

#define MANIFESTS_DIR "/etc/sluice/manifests"

static void read_source(struct reader *r, const setting_t *group, struct source_settings *source)
{
	static const char *const keys[] = {
		"name", "kind", "path", "context", "insecure", "watch_s", NULL};
	static const char *const kinds[] = {"manifests", "kube", NULL};

	read_known(r, group, keys);
	source->name = read_text(r, group, "name", "a name such as \"local\"", NULL);
	if (!read_member(group, "kind"))
		read_expected(r, group, "a key \"kind\", \"manifests\" or \"kube\", in it");
	source->kind = read_copy(r, kinds[read_choice(r, group, "kind", kinds, 0)]);
	source->path = read_text(
		r, group, "path", "the directory of manifests, or the kubeconfig file", NULL);
	source->context = read_text(r, group, "context", "a context of the kubeconfig", "");
	source->watch_s = SOURCE_WATCH_S;
	read_bool(r, group, "insecure", &source->insecure);
	read_number(r, group, "watch_s", 1, 3600, &source->watch_s);
}

void settings_read_sources(struct reader *r, const setting_t *root, struct settings *s)
{
	const setting_t *list = read_list(r, root, "sources", &s->source_count);
	bool absent = !read_member(root, "sources");

	if (absent)
		s->source_count = 1;
	s->sources = read_take(r, s->source_count, sizeof(*s->sources));
	if (!s->sources)
		s->source_count = 0;
	else if (absent)
		s->sources[0] = (struct source_settings){.name = read_copy(r, "local"),
			.kind = read_copy(r, "manifests"),
			.path = read_copy(r, MANIFESTS_DIR),
			.context = read_copy(r, "")};
	for (unsigned i = 0; list && i < s->source_count; i++)
		read_source(r, config_setting_get_elem(list, i), &s->sources[i]);
}

void settings_free_sources(struct settings *s)
{
	for (unsigned i = 0; i < s->source_count; i++) {
		free(s->sources[i].name);
		free(s->sources[i].kind);
		free(s->sources[i].path);
		free(s->sources[i].context);
	}
	free(s->sources);
}
