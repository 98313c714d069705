// SPDX-License-Identifier: BSD-3-Clause
// What must not leave the box: passwords of sluice.conf, credentials of clusters, private keys of
// Secrets and our own. See control.h.
#include "control.h"

#include "kubeconfig.h"
#include "redact.h"
#include "secret.h"

#include <stdlib.h>
#include <string.h>

static bool tell(struct redact *redact, const char *text)
{
	return !text || redact_add(redact, text, strlen(text));
}

static bool tell_file(struct redact *redact, const char *path)
{
	struct reason none = {0};
	size_t length = 0;
	char *text = path && *path ? kubeconfig_read_file(path, &length, &none) : NULL;
	bool ok = !text || redact_add(redact, text, length);

	if (text)
		explicit_bzero(text, length);
	free(text);
	reason_clear(&none);
	return ok;
}

static bool tell_credentials(struct redact *redact, const struct kubeconfig *config)
{
	bool ok = tell(redact, config->token) && tell(redact, config->key_pem) &&
		  tell_file(redact, config->token_file) && tell_file(redact, config->key_file);

	for (unsigned i = 0; i < config->exec_env_count; i++)
		ok &= tell(redact, config->exec_env[i].value);
	return ok;
}

static bool tell_cluster(struct redact *redact, const struct source_settings *source)
{
	struct kubeconfig config = {0};
	struct reason none = {0};
	bool ok = true;

	if (strcmp(source->kind, "kube") == 0 &&
		kubeconfig_load(&config, source->path, source->context, &none) == 0) {
		ok = tell_credentials(redact, &config);
		kubeconfig_clear(&config);
	}
	reason_clear(&none);
	return ok;
}

// Of clusters that were registered from the console.
static bool tell_registered(const struct control *c, struct redact *redact)
{
	bool ok = true;

	for (unsigned i = 0; c->registry && i < registry_count(c->registry); i++) {
		const char *text = registry_at(c->registry, i)->kubeconfig;
		struct kubeconfig config = {0};
		struct reason none = {0};

		if (kubeconfig_parse(&config, text, strlen(text), "registered", "", &none) == 0) {
			ok &= tell_credentials(redact, &config);
			kubeconfig_clear(&config);
		}
		reason_clear(&none);
	}
	return ok;
}

static bool tell_keys(const struct control *c, struct redact *redact)
{
	size_t count = model_count(c->model, OBJECT_SECRET);
	const struct object **list = calloc(count + 1, sizeof(struct object *));
	bool ok = list;

	if (list)
		model_list(c->model, OBJECT_SECRET, list);
	for (size_t i = 0; ok && i < count; i++) {
		const struct secret_bytes *key = &((const struct secret *)list[i])->key_pem;

		if (key->length)
			ok = redact_add(redact, (const char *)key->data, key->length);
	}
	free(list);
	return ok;
}

bool secrets_tell(void *control, struct redact *redact)
{
	const struct control *c = control;
	const struct settings *settings = c->settings;
	struct sealed_file own = {.seal = store_seal(c->store), .purpose = "api-certificate"};
	struct reason none = {0};
	bool ok = tell_keys(c, redact) && tell_file(redact, settings->api.key) &&
		  tell_registered(c, redact);
	uint8_t *bytes;
	size_t length;
	char *path;

	for (unsigned i = 0; i < settings->bgp.peer_count; i++)
		ok &= tell(redact, settings->bgp.peers[i].password);
	for (unsigned i = 0; i < settings->source_count; i++)
		ok &= tell_cluster(redact, &settings->sources[i]);
	for (unsigned i = 0; i < registry_count(c->registry); i++) {
		const struct source_settings source = {.kind = (char *)(uintptr_t) "kube",
			.kubeconfig = registry_at(c->registry, i)->kubeconfig};

		ok &= tell_cluster(redact, &source);
	}
	if (asprintf(&path, "%s/api-certificate", settings->state_dir) < 0)
		return false;
	own.path = path;
	if (sealed_file_read(&own, &bytes, &length, &none) == 0) {
		ok &= redact_add(redact, (const char *)bytes, length);
		explicit_bzero(bytes, length);
		free(bytes);
	}
	free(path);
	reason_clear(&none);
	return ok;
}
