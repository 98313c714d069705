// SPDX-License-Identifier: BSD-3-Clause
// GET /v1/tokens, POST /v1/token/create, /v1/token/delete: who may ask over HTTPS.
#include "token.h"

#include <errno.h>
#include <string.h>

enum {
	NAME,
	ROLE
};

static json_t *list(const struct api_request *request)
{
	json_t *rows = json_array();
	const struct token *token;

	for (unsigned i = 0; (token = tokens_at(request->tokens, i)); i++)
		json_array_append_new(rows, json_pack("{s:s, s:s, s:o}", "name", token->name,
						    "role", token_role_name(token->role), "made",
						    json_time(token->made_s * 1000000)));
	return json_pack("{s:o}", "tokens", rows);
}

static json_t *create(const struct api_request *request)
{
	const char *name = request->values[NAME], *role_text = request->values[ROLE];
	enum api_role role = ROLE_VIEW;
	char text[TOKEN_TEXT];
	json_t *answer = NULL;
	int error;

	if (!name || !token_name_ok(name))
		reason_add(request->refused,
			"name: found \"%.50s\", expected 1 to 40 letters, digits, '.', '_' or '-'",
			name ? name : "");
	if (role_text && !token_role_parse(role_text, &role))
		reason_add(request->refused, "role: found \"%.50s\", expected view or admin",
			role_text);
	if (request->refused->count)
		return NULL;
	error = tokens_create(request->tokens, name, role, text, request->refused);
	if (!error)
		answer = json_pack("{s:s, s:s, s:s}", "name", name, "role", token_role_name(role),
			"token", text);
	else if (!request->refused->count)
		reason_add(request->refused, "the token cannot be made: %s", strerror(-error));
	explicit_bzero(text, sizeof(text));
	return answer;
}

static json_t *remove_token(const struct api_request *request)
{
	const char *name = request->values[NAME];

	if (tokens_delete(request->tokens, name, request->refused) == 0)
		return json_pack("{s:s}", "deleted", name);
	return NULL;
}

const struct api_command api_tokens = {
	.path = "/v1/tokens",
	.help = "tokens for the API over HTTPS, and their roles",
	.admin = true,
	.handler = list,
	.answer = "{tokens: [{name, role, made}]}",
};

const struct api_command api_token_create = {
	.path = "/v1/token/create",
	.help = "make a token, which is told this once",
	.arguments =
		{
			[NAME] = {"name", ARGUMENT_TEXT, "of the token, as it stands in the log",
				true},
			[ROLE] = {"role", ARGUMENT_TEXT, "view (by default) or admin"},
		},
	.changes = true,
	.handler = create,
	.answer = "{name, role, token}",
};

const struct api_command api_token_delete = {
	.path = "/v1/token/delete",
	.help = "let a token be no one's any more, at once",
	.arguments = {[NAME] = {"name", ARGUMENT_TEXT, "of the token", true}},
	.changes = true,
	.handler = remove_token,
	.answer = "{deleted}",
};
