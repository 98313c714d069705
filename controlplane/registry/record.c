// SPDX-License-Identifier: BSD-3-Clause
// What is kept of a registered cluster: a kubeconfig of one context, which the source reads as any
// other, with a part of ours beside it.
#include "registry_internal.h"

#include "arena.h"
#include "base64.h"
#include "kubeconfig.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *copy(const char *text)
{
	return strdup(text ? text : "");
}

int record_copy(struct record *record, const struct registration *r)
{
	*record = (struct record){
		.server = copy(r->server),
		.ca_pem = copy(r->ca_pem),
		.tls_server_name = copy(r->tls_server_name),
		.proxy = copy(r->proxy),
		.token = copy(r->token),
		.cert_pem = copy(r->cert_pem),
		.key_pem = copy(r->key_pem),
		.account = copy(""),
		.namespaces = copy(r->scope.namespaces),
		.secrets_in = copy(r->scope.secrets_in),
	};
	if (record->server && record->ca_pem && record->tls_server_name && record->proxy &&
		record->token && record->cert_pem && record->key_pem && record->account &&
		record->namespaces && record->secrets_in)
		return 0;
	record_clear(record);
	return -ENOMEM;
}

int record_again(struct record *record, const struct record *from)
{
	const struct registration said = {.server = from->server,
		.ca_pem = from->ca_pem,
		.tls_server_name = from->tls_server_name,
		.proxy = from->proxy,
		.token = from->token,
		.cert_pem = from->cert_pem,
		.key_pem = from->key_pem,
		.scope = {from->namespaces, from->secrets_in}};
	int error = record_copy(record, &said);

	if (error)
		return error;
	free(record->account);
	record->account = copy(from->account);
	record->made_s = from->made_s;
	record->ends_s = from->ends_s;
	if (record->account)
		return 0;
	record_clear(record);
	return -ENOMEM;
}

static void free_secret(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
}

void record_clear(struct record *record)
{
	free(record->server);
	free(record->ca_pem);
	free(record->tls_server_name);
	free(record->proxy);
	free_secret(record->token);
	free(record->cert_pem);
	free_secret(record->key_pem);
	free(record->account);
	free(record->namespaces);
	free(record->secrets_in);
	*record = (struct record){0};
}

static void set_data(json_t *map, const char *key, const char *pem)
{
	size_t length = strlen(pem);
	char *text = *pem ? malloc(BASE64_TEXT(length)) : NULL;

	if (!text)
		return;
	base64_encode(pem, length, text);
	json_object_set_new(map, key, json_string(text));
	free_secret(text);
}

static void set_text(json_t *map, const char *key, const char *text)
{
	if (*text)
		json_object_set_new(map, key, json_string(text));
}

char *record_text(const struct record *r)
{
	json_t *cluster = json_object(), *user = json_object(), *root;
	char *text;

	set_text(cluster, "server", r->server);
	set_data(cluster, "certificate-authority-data", r->ca_pem);
	set_text(cluster, "tls-server-name", r->tls_server_name);
	set_text(cluster, "proxy-url", r->proxy);
	set_text(user, "token", r->token);
	set_data(user, "client-certificate-data", r->cert_pem);
	set_data(user, "client-key-data", r->key_pem);
	root = json_pack("{s:s, s:s, s:s, s:[{s:s, s:o}], s:[{s:s, s:o}], s:[{s:s, s:{s:s, s:s}}],"
			 " s:{s:s, s:I, s:I, s:s, s:s}}",
		"apiVersion", "v1", "kind", "Config", "current-context", "sluice", "clusters",
		"name", "sluice", "cluster", cluster, "users", "name", "sluice", "user", user,
		"contexts", "name", "sluice", "context", "cluster", "sluice", "user", "sluice",
		"sluice", "account", r->account, "made", (json_int_t)r->made_s, "ends",
		(json_int_t)r->ends_s, "namespaces", r->namespaces, "secrets_in", r->secrets_in);
	text = root ? json_dumps(root, JSON_COMPACT) : NULL;
	json_decref(root);
	return text;
}

int record_parse(struct record *record, const char *text, size_t length, const char *file,
	struct reason *reason)
{
	struct kubeconfig config;
	struct registration said;
	json_t *root, *ours;
	int error = kubeconfig_parse(&config, text, length, file, "", reason);

	*record = (struct record){0};
	if (error)
		return error;
	said = (struct registration){.server = config.server,
		.ca_pem = config.ca_pem,
		.tls_server_name = config.tls_server_name,
		.proxy = config.proxy,
		.token = config.token,
		.cert_pem = config.cert_pem,
		.key_pem = config.key_pem};
	root = json_loadb(text, length, 0, NULL);
	ours = json_object_get(root, "sluice");
	said.scope.namespaces = json_string_value(json_object_get(ours, "namespaces"));
	said.scope.secrets_in = json_string_value(json_object_get(ours, "secrets_in"));
	error = record_copy(record, &said);
	kubeconfig_clear(&config);
	if (!error && ours) {
		free(record->account);
		record->account = copy(json_string_value(json_object_get(ours, "account")));
		record->made_s = json_integer_value(json_object_get(ours, "made"));
		record->ends_s = json_integer_value(json_object_get(ours, "ends"));
		if (!record->account) {
			record_clear(record);
			error = -ENOMEM;
		}
	}
	json_decref(root);
	return error;
}
