// SPDX-License-Identifier: BSD-3-Clause
// POST /v1/cluster/register, unregister, drain, undrain. A registration's body is JSON, for what
// stands in a query stands in logs.
#include "api_internal.h"
#include "decode_field.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum {
	NAME
};

enum { // of the manifests
	NAMESPACES,
	SECRETS_IN
};

struct member { // of the body
	const char *name;
	size_t at;
};

#define MEMBER(name)                                                                               \
	{                                                                                          \
#name, offsetof(struct registration, name)                                         \
	}
#define SCOPE(name)                                                                                \
	{                                                                                          \
#name, offsetof(struct registration, scope.name)                                   \
	}

static const struct member members[] = {
	MEMBER(server),
	MEMBER(ca_pem),
	MEMBER(tls_server_name),
	MEMBER(proxy),
	MEMBER(token),
	MEMBER(cert_pem),
	MEMBER(key_pem),
	SCOPE(namespaces),
	SCOPE(secrets_in),
};

#define MEMBERS (sizeof(members) / sizeof(members[0]))

static const struct member *find_member(const char *name)
{
	for (size_t i = 0; i < MEMBERS; i++)
		if (strcmp(members[i].name, name) == 0)
			return &members[i];
	return NULL;
}

// The texts stay the body's.
static void read_body(json_t *body, struct registration *to, struct reason *reason)
{
	const char *key;
	json_t *value;

	for (size_t i = 0; i < MEMBERS; i++)
		*(const char **)((char *)to + members[i].at) = "";
	json_object_foreach(body, key, value)
	{
		const struct member *member = find_member(key);

		if (strcmp(key, "by_hand") == 0 && json_is_boolean(value))
			to->by_hand = json_is_true(value);
		else if (member && json_is_string(value))
			*(const char **)((char *)to + member->at) = json_string_value(value);
		else
			reason_add(reason,
				"%.60s: not known, or no text: expected server, ca_pem, "
				"tls_server_name, proxy, token, cert_pem, key_pem, namespaces, "
				"secrets_in or by_hand",
				key);
	}
}

// Names with commas between them, each once.
static void check_namespaces(const char *key, const char *list, struct reason *reason)
{
	char name[64];

	for (const char *at = list; *at;) {
		size_t length = strcspn(at, ",");

		snprintf(name, sizeof(name), "%.*s", length < 64 ? (int)length : 0, at);
		at += length;
		if (!name_is_label(name) || (*at == ',' && !at[1])) {
			reason_add(reason,
				"%s: found \"%.100s\", expected names of namespaces with commas "
				"between",
				key, list);
			return;
		}
		at += *at == ',';
	}
}

static void check_scope(const struct scope *scope, struct reason *reason)
{
	check_namespaces("namespaces", scope->namespaces, reason);
	check_namespaces("secrets_in", scope->secrets_in, reason);
	if (*scope->namespaces && *scope->secrets_in)
		reason_add(reason, "expected namespaces or secrets_in: with namespaces Secrets are "
				   "read in those alone");
}

static void check_body(const struct registration *r, struct reason *reason)
{
	if (strncmp(r->server, "https://", 8) != 0)
		reason_add(reason, "server: found \"%.100s\", expected https://<host>:<port>",
			r->server);
	if (!*r->token && !(*r->cert_pem && *r->key_pem))
		reason_add(reason, "expected a token, or a client certificate with its key");
	check_scope(&r->scope, reason);
	if (r->by_hand && !*r->token)
		reason_add(reason, "token: missing: the one of the account made by hand");
}

static bool is_row(const struct settings *settings, const char *name)
{
	for (unsigned i = 0; i < settings->source_count; i++)
		if (strcmp(settings->sources[i].name, name) == 0)
			return true;
	return strcmp(name, SETTINGS_OWN_SOURCE) == 0;
}

struct registering { // a registration
	struct exchange *exchange;
	struct reason *refused;
	char *name, *server;
};

static void registered(void *arg, const char *error)
{
	struct registering *it = arg;

	if (error)
		reason_add(it->refused, "%s", error);
	exchange_finish(it->exchange,
		error ? NULL
		      : json_pack("{s:s, s:s}", "registered", it->name, "server", it->server));
	free(it->name);
	free(it->server);
	free(it);
}

static void start(struct api_request *request, struct registration *registration)
{
	struct registering *it = calloc(1, sizeof(*it));

	if (!it) {
		reason_add(request->refused, "out of memory");
		return;
	}
	*it = (struct registering){.exchange = request->exchange,
		.refused = request->refused,
		.name = strdup(registration->name),
		.server = strdup(registration->server)};
	registration->arg = it;
	registration->done = registered;
	if (it->name && it->server &&
		registry_register(request->state->registry, registration, request->refused) == 0)
		return;
	if (!request->refused->count)
		reason_add(request->refused, "out of memory");
	free(it->name);
	free(it->server);
	free(it);
}

static void begin(struct api_request *request)
{
	json_t *body = json_loadb(request->body, request->body_size, 0, NULL);
	struct registration registration = {0};

	if (!json_is_object(body)) {
		reason_add(request->refused, "the body is no JSON object");
	} else if (!request->state->registry) {
		reason_add(request->refused, "the control plane begins or ends");
	} else {
		read_body(body, &registration, request->refused);
		registration.name = request->values[NAME] ? request->values[NAME] : "";
		check_body(&registration, request->refused);
		if (is_row(request->state->settings, registration.name))
			reason_add(request->refused,
				"name: \"%.60s\" is a source of sluice.conf already",
				registration.name);
		if (!request->refused->count)
			start(request, &registration);
	}
	json_decref(body);
}

static json_t *unregister(const struct api_request *request)
{
	const char *name = request->values[NAME] ? request->values[NAME] : "";
	const struct registered *one = registry_find(request->state->registry, name);
	json_t *answer = json_pack("{s:s, s:s, s:s}", "unregistered", name, "namespaces",
		one ? one->scope.namespaces : "", "secrets_in", one ? one->scope.secrets_in : "");

	if (registry_unregister(request->state->registry, name, request->refused)) {
		json_decref(answer);
		return NULL;
	}
	return answer;
}

static json_t *set_drained(const struct api_request *request, bool on)
{
	const struct api_source *source = find_source(request, request->values[NAME]);
	char name[64];

	if (!source)
		return NULL;
	// The source may be told anew meanwhile.
	snprintf(name, sizeof(name), "%s", source->name);
	registry_drain(request->state->registry, name, on, request->refused);
	return json_pack("{s:b, s:s}", "drained", on, "what", name);
}

static json_t *drain(const struct api_request *request)
{
	return set_drained(request, true);
}

static json_t *undrain(const struct api_request *request)
{
	return set_drained(request, false);
}

static json_t *manifests(const struct api_request *request)
{
	const char *const *values = request->values;
	const struct scope scope = {values[NAMESPACES] ? values[NAMESPACES] : "",
		values[SECRETS_IN] ? values[SECRETS_IN] : ""};
	json_t *answer = NULL;
	char *text;

	check_scope(&scope, request->refused);
	if (request->refused->count)
		return NULL;
	text = registry_manifests(&scope);
	if (text)
		answer = json_pack("{s:s}", "manifests", text);
	free(text);
	return answer;
}

const struct api_command api_cluster_manifests = {
	.path = "/v1/cluster/manifests",
	.help = "what an account of ours needs in a cluster, for kubectl apply -f",
	.arguments = {[NAMESPACES] = {"namespaces", ARGUMENT_TEXT, "that alone are served"},
		[SECRETS_IN] = {"secrets_in", ARGUMENT_TEXT, "where Secrets may be read"}},
	.handler = manifests,
	.answer = "{manifests}",
};

const struct api_command api_cluster_register = {
	.path = "/v1/cluster/register",
	.help = "serve a cluster: makes our account in it, and keeps that one's token",
	.arguments = {[NAME] = {"name", ARGUMENT_TEXT, "what the cluster is called here", true}},
	.changes = true,
	.begin = begin,
	.posted =
		"{\"server\", \"ca_pem\", \"tls_server_name\", \"proxy\"; whose rights "
		"are used this once: \"token\", or \"cert_pem\" and \"key_pem\"; \"by_hand\": true "
		"when the account is there already and the token is its own; where its rights are: "
		"\"namespaces\" or \"secrets_in\", \"a,b\"}",
	.answer = "{registered, server}",
};

const struct api_command api_cluster_unregister = {
	.path = "/v1/cluster/unregister",
	.help = "serve a cluster no more and forget its credentials",
	.arguments = {[NAME] = {"name", ARGUMENT_TEXT, "of the cluster", true}},
	.changes = true,
	.handler = unregister,
	.answer = "{unregistered, namespaces, secrets_in}",
};

const struct api_command api_cluster_drain = {
	.path = "/v1/cluster/drain",
	.help = "send nothing new to a cluster",
	.arguments = {[NAME] = {"name", ARGUMENT_TEXT, "of the cluster", true}},
	.changes = true,
	.handler = drain,
	.answer = "{drained: bool, what}",
};

const struct api_command api_cluster_undrain = {
	.path = "/v1/cluster/undrain",
	.help = "send to it again",
	.arguments = {[NAME] = {"name", ARGUMENT_TEXT, "of the cluster", true}},
	.changes = true,
	.handler = undrain,
	.answer = "{drained: bool, what}",
};
