// SPDX-License-Identifier: BSD-3-Clause
// Manifests + settings (+ leases) -> plan, compared with the plan that is expected.
//
// Each directory beside this file is a case: *.yaml, `expected`, and where it matters sluice.conf
// (else the one beside this file) and `leases`, lines of "<service> <address>". A case that has
// directories of its own has a cluster in each, of that name; else its cluster is "local". Of each
// it is also tried that the plan does not depend on the order of things, and that planning again
// with the leases that came out gives the same plan.
//
// plan_test <directory of cases> [case]; SLUICE_UPDATE=1 writes what came out as what is expected.
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cluster.h"
#include "log.h"
#include "plan.h"
#include "secret.h"

#define CLUSTERS_MOST 8
#define TEXT(literal) ((char *)(uintptr_t)(literal))

struct leases {
	unsigned count;
	struct plan_lease rows[256];
};

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static void on_changed(void *arg)
{
	(void)arg;
}

static void read_leases(struct leases *leases)
{
	FILE *stream = fopen("leases", "re");
	char service[256], address[64];

	leases->count = 0;
	if (!stream)
		return;
	while (fscanf(stream, "%255s %63s", service, address) == 2 && leases->count < 256) {
		struct plan_lease *lease = &leases->rows[leases->count++];

		lease->service = strdup(service);
		if (addr_parse(&lease->address, address) < 0)
			die(address);
	}
	fclose(stream);
}

static char *text_of(const struct plan *plan)
{
	char *text = NULL;
	size_t length = 0;
	FILE *stream = open_memstream(&text, &length);

	if (!stream)
		die("open_memstream");
	plan_print(plan, stream);
	fclose(stream);
	return text;
}

static char *read_file(const char *path)
{
	FILE *stream = fopen(path, "re");
	char *text = calloc(1, 1 << 20);

	if (stream) {
		(void)!fread(text, 1, (1 << 20) - 1, stream);
		fclose(stream);
	}
	return text;
}

// Shows where two texts part.
static bool same(const char *name, const char *what, const char *expected, const char *found)
{
	unsigned line = 1;

	if (strcmp(expected, found) == 0)
		return true;
	while (*expected && *expected == *found) {
		line += *expected == '\n';
		expected++;
		found++;
	}
	fprintf(stderr, "%s: %s, line %u:\n  expected ...%.*s\n  found    ...%.*s\n", name, what,
		line, (int)strcspn(expected, "\n"), expected, (int)strcspn(found, "\n"), found);
	return false;
}

static struct plan *make_plan(
	const struct model *model, const struct settings *settings, const struct leases *leases)
{
	struct plan *plan = plan_make(model, settings, leases->rows, leases->count);

	if (!plan)
		die("plan_make");
	return plan;
}

// The same whatever the order of leases, and the same again from its own leases.
static bool check_stable(const char *name, const struct model *model,
	const struct settings *settings, const struct leases *leases, const char *expected)
{
	struct leases reversed = {.count = leases->count};
	struct plan *plan, *again;
	char *text;
	bool ok;

	for (unsigned i = 0; i < leases->count; i++)
		reversed.rows[i] = leases->rows[leases->count - 1 - i];
	plan = make_plan(model, settings, &reversed);
	text = text_of(plan);
	ok = same(name, "another order of leases gave another plan", expected, text);
	free(text);
	again = plan_make(model, settings, plan->leases, plan->lease_count);
	text = text_of(again);
	ok &= same(name, "its own leases gave another plan", expected, text);
	free(text);
	plan_free(again);
	plan_free(plan);
	return ok;
}

static bool run_loaded(const char *name, const struct model *model, const struct settings *settings)
{
	struct leases leases;
	struct plan *plan;
	char *text, *expected;
	bool ok;

	read_leases(&leases);
	plan = make_plan(model, settings, &leases);
	text = text_of(plan);
	if (getenv("SLUICE_UPDATE")) {
		FILE *stream = fopen("expected", "we");

		if (!stream || fputs(text, stream) < 0 || fclose(stream) != 0)
			die("expected");
	}
	expected = read_file("expected");
	ok = same(name, "not the plan expected", expected, text) &&
	     check_stable(name, model, settings, &leases, expected);
	if (!*expected) {
		fprintf(stderr, "%s: nothing is expected\n", name);
		ok = false;
	}
	free(expected);
	free(text);
	plan_free(plan);
	for (unsigned i = 0; i < leases.count; i++)
		free(leases.rows[i].service);
	return ok;
}

static int is_case(const struct dirent *entry)
{
	return entry->d_type == DT_DIR && entry->d_name[0] != '.';
}

// The clusters of the case that we are in, opened.
static unsigned open_clusters(uv_loop_t *loop, struct model *model, struct source_settings *sources,
	struct cluster **clusters, struct reason *reason)
{
	const struct cluster_handlers handlers = {NULL, on_changed};
	struct dirent **names;
	int count = scandir(".", &names, is_case, alphasort);
	unsigned opened = 0;

	for (int i = 0; i < count; i++) {
		if (i < CLUSTERS_MOST)
			sources[i].name = strdup(names[i]->d_name);
		free(names[i]);
	}
	if (count >= 0)
		free(names);
	if (count <= 0) {
		sources[0].name = strdup("local");
		sources[0].path = strdup(".");
		count = 1;
	}
	for (int i = 0; i < count && i < CLUSTERS_MOST; i++) {
		sources[i].kind = TEXT("manifests");
		if (!sources[i].path)
			sources[i].path = strdup(sources[i].name);
	}
	for (int i = 0; i < count && i < CLUSTERS_MOST; i++)
		opened += cluster_open(&clusters[opened], loop, &sources[i], model, &handlers,
				  reason) == 0;
	return opened;
}

// As main makes it, but always the same.
static void add_default_certificate(struct model *model)
{
	struct object *object = object_new(
		OBJECT_SECRET, SETTINGS_OWN_SOURCE, SETTINGS_OWN_SOURCE, "default-certificate");
	struct secret *secret = (struct secret *)object;
	static const uint8_t pem[] = "pem";

	secret->chain_pem = secret->key_pem = (struct secret_bytes){pem, 3};
	secret->type = "kubernetes.io/tls";
	secret->facts = (struct secret_facts){
		.key = KEY_ECDSA, .issuer = "", .subject = "", .fingerprint = "0123456789abcdef"};
	model_replace(model, SETTINGS_OWN_SOURCE, "own", &object, 1, NULL, 0);
}

static bool run_case(const char *name)
{
	struct source_settings sources[CLUSTERS_MOST] = {0};
	struct cluster *clusters[CLUSTERS_MOST];
	const char *conf = access("sluice.conf", R_OK) == 0 ? "sluice.conf" : "../sluice.conf";
	struct reason reason = {0};
	struct settings *settings = settings_read(conf, &reason);
	struct model *model = model_new();
	unsigned count;
	uv_loop_t loop;
	bool ok = false;

	add_default_certificate(model);
	uv_loop_init(&loop);
	count = open_clusters(&loop, model, sources, clusters, &reason);
	if (settings && reason.count == 0)
		ok = run_loaded(name, model, settings);
	else
		fprintf(stderr, "%s: %s\n", name, reason_text(&reason));
	while (count)
		cluster_close(clusters[--count]);
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_loop_close(&loop);
	for (unsigned i = 0; i < CLUSTERS_MOST; i++) {
		free(sources[i].name);
		free(sources[i].path);
	}
	reason_clear(&reason);
	settings_free(settings);
	model_free(model);
	return ok;
}

int main(int argc, char **argv)
{
	struct dirent **cases;
	int count, failed = 0, run = 0;

	if (argc < 2 || chdir(argv[1]) < 0)
		die("plan_test <directory of cases>");
	log_set_level(LOG_LEVEL_ERROR);
	count = scandir(".", &cases, is_case, alphasort);
	for (int i = 0; i < count; i++) {
		const char *name = cases[i]->d_name;

		if (argc < 3 || strcmp(argv[2], name) == 0) {
			bool ok = chdir(name) == 0 && run_case(name);

			if (chdir("..") < 0)
				die("..");
			printf("%s %s\n", ok ? "ok  " : "FAIL", name);
			failed += !ok;
			run++;
		}
		free(cases[i]);
	}
	free(cases);
	return failed || run == 0;
}
