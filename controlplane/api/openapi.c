// SPDX-License-Identifier: BSD-3-Clause
// GET /v1/openapi.json: the rows of all nouns, as OpenAPI 3.0 says it.
#include "api_internal.h"

#include <string.h>

// "in|out|drop"
static void choices(struct text *text, const char *all)
{
	char one[32];

	text_key_string(text, "type", "string");
	text_key(text, "enum");
	text_open(text, '[');
	for (size_t n; *all; all += n + (all[n] == '|')) {
		n = strcspn(all, "|");
		snprintf(one, sizeof(one), "%.*s", (int)n, all);
		text_string(text, one);
	}
	text_close(text, ']');
}

// {"type": "string", ...} of an argument.
static void schema(struct text *text, enum api_argument_kind kind)
{
	text_key(text, "schema");
	text_open(text, '{');
	switch (kind) {
	case ARGUMENT_TEXT:
	case ARGUMENT_ADDRESS:
	case ARGUMENT_ENDPOINT:
	case ARGUMENT_SOCKET:
	case ARGUMENT_FLAG:
		text_key_string(text, "type", "string");
		break;
	case ARGUMENT_OFFSET:
		text_key_string(text, "type", "integer");
		text_key_number(text, "minimum", 0);
		break;
	case ARGUMENT_NUMBER:
	case ARGUMENT_PORT:
		text_key_string(text, "type", "integer");
		text_key_number(text, "minimum", 1);
		text_key_number(text, "maximum", kind == ARGUMENT_PORT ? UINT16_MAX : UINT32_MAX);
		break;
	case ARGUMENT_PROTOCOL:
	case ARGUMENT_IP:
	case ARGUMENT_STAGE:
		choices(text, api_choices(kind));
		break;
	case ARGUMENT_URL:
		text_key_string(text, "type", "string");
		text_key_string(text, "format", "uri");
		break;
	}
	text_close(text, '}');
}

static void parameters(struct text *text, const struct api_command *command)
{
	text_key(text, "parameters");
	text_open(text, '[');
	for (unsigned i = 0; i < API_ARGUMENTS_MAX && command->arguments[i].name; i++) {
		text_open(text, '{');
		text_key_string(text, "name", command->arguments[i].name);
		text_key_string(text, "in", "query");
		text_key_string(text, "description", command->arguments[i].help);
		if (command->arguments[i].needed) {
			text_key(text, "required");
			text_put(text, "true");
		}
		schema(text, command->arguments[i].kind);
		text_close(text, '}');
	}
	text_close(text, ']');
}

// `answer`: as a row says it; NULL: what the type says.
static void content(
	struct text *text, const char *type, const char *answer, const char *schema_name)
{
	text_key(text, "content");
	text_open(text, '{');
	text_key(text, type);
	text_open(text, '{');
	text_key(text, "schema");
	if (answer) {
		api_answer_schema(text, answer);
	} else {
		text_open(text, '{');
		if (schema_name)
			text_key_string(text, "$ref", schema_name);
		else
			text_key_string(text, "type",
				strcmp(type, "application/json") == 0 ? "object" : "string");
		text_close(text, '}');
	}
	text_close(text, '}');
	text_close(text, '}');
}

static void response(struct text *text, const char *status, const char *help)
{
	text_key(text, status);
	text_open(text, '{');
	text_key_string(text, "description", help);
	content(text, "application/json", NULL, "#/components/schemas/Error");
	text_close(text, '}');
}

static void responses(struct text *text, const struct api_command *command)
{
	char type[80];

	snprintf(type, sizeof(type), "%s", command->type ? command->type : "application/json");
	type[strcspn(type, ";")] = '\0';
	text_key(text, "responses");
	text_open(text, '{');
	text_key(text, "200");
	text_open(text, '{');
	text_key_string(text, "description", command->help);
	content(text, type, command->answer, NULL);
	text_close(text, '}');
	response(text, "400", "an argument is wrong: each mistake is told");
	response(text, "401", "no token, or nobody's");
	response(text, "403", "not with this role");
	if (command->changes)
		response(text, "413", "a body of more than 1 MiB");
	response(text, "429", "too many requests of this address");
	response(text, "503", "the dataplane does not answer");
	text_close(text, '}');
}

// "/v1/token/create" is "token_create".
static void operation_id(struct text *text, const struct api_command *command)
{
	const char *path = command->path;
	char name[80];

	path += strncmp(path, "/v1/", 4) == 0 ? 4 : 1;
	snprintf(name, sizeof(name), "%s", path);
	for (char *at = name; *at; at++)
		if (*at == '/' || *at == '.' || *at == '-')
			*at = '_';
	text_key_string(text, "operationId", name);
}

static void row(struct text *text, const struct api_command *command)
{
	text_key(text, command->path);
	text_open(text, '{');
	text_key(text, command->changes ? "post" : "get");
	text_open(text, '{');
	operation_id(text, command);
	text_key_string(text, "summary", command->help);
	text_key_string(text, "x-role",
		command->local                       ? "none: asked on the box itself"
		: command->changes || command->admin ? "admin"
						     : "view");
	parameters(text, command);
	if (command->posted) {
		text_key(text, "requestBody");
		text_open(text, '{');
		text_key_string(text, "description", command->posted);
		content(text, command->posted_type ? command->posted_type : "application/json",
			NULL, NULL);
		text_close(text, '}');
	}
	responses(text, command);
	text_close(text, '}');
	text_close(text, '}');
}

static void openapi(const struct api_request *request, struct text *text)
{
	(void)request;
	text_open(text, '{');
	text_key_string(text, "openapi", "3.0.3");
	text_key(text, "info");
	text_put(text, "{\"title\":\"Sluice\",\"version\":\"" SLUICE_VERSION
		       "\",\"license\":{\"name\":\"BSD-3-Clause\"}}");
	text_key(text, "servers"); // the box that was asked
	text_put(text, "[{\"url\":\"/\"}]");
	text_key(text, "security");
	text_put(text, "[{\"token\":[]}]");
	text_key(text, "paths");
	text_open(text, '{');
	for (unsigned i = 0; api_commands[i]; i++)
		row(text, api_commands[i]);
	text_close(text, '}');
	text_key(text, "components");
	text_put(text, "{\"securitySchemes\":{\"token\":{\"type\":\"http\",\"scheme\":\"bearer\"}},"
		       "\"schemas\":{\"Error\":{\"type\":\"object\",\"required\":[\"error\"],"
		       "\"properties\":{\"error\":{\"type\":\"string\"}}}}}");
	text_close(text, '}');
}

const struct api_command api_openapi = {
	.path = "/v1/openapi.json",
	.help = "these paths as an OpenAPI document",
	.write = openapi,
	.answer = "{openapi, info: any, servers: any, security: any, paths: any, components: any}",
};
