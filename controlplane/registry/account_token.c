// SPDX-License-Identifier: BSD-3-Clause
// Tokens of service accounts: whose, until when, and how a new one is asked for.
#include "registry_internal.h"

#include "base64.h"
#include "decode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CLAIMS_BYTES 8192
#define SUBJECT      "system:serviceaccount:"

// The claims of a token; NULL when it has none that can be read.
static json_t *claims_of(const char *token)
{
	const char *begin = strchr(token, '.');
	size_t length = begin ? strcspn(begin + 1, ".") : 0, count;
	uint8_t plain[CLAIMS_BYTES];

	if (!length || length > CLAIMS_BYTES ||
		base64_decode(BASE64_URL, begin + 1, length, plain, &count))
		return NULL;
	return json_loadb((const char *)plain, count, 0, NULL);
}

char *token_account(const char *token, int64_t *ends_s)
{
	json_t *claims = claims_of(token);
	const char *subject = json_string_value(json_object_get(claims, "sub"));
	char *account = NULL, *colon;

	*ends_s = json_integer_value(json_object_get(claims, "exp"));
	if (subject && strncmp(subject, SUBJECT, strlen(SUBJECT)) == 0) {
		account = strdup(subject + strlen(SUBJECT));
		colon = account ? strchr(account, ':') : NULL;
		if (colon && colon != account && colon[1] && !strpbrk(account, "/?#%")) {
			*colon = '/';
		} else {
			free(account);
			account = strdup("");
		}
	} else {
		account = strdup("");
	}
	json_decref(claims);
	return account;
}

bool token_answer(struct record *record, const char *body)
{
	json_t *root = json_loads(body, 0, NULL);
	json_t *status = json_object_get(root, "status");
	const char *token = json_string_value(json_object_get(status, "token"));
	const char *ends = json_string_value(json_object_get(status, "expirationTimestamp"));
	char *mine = token && *token ? strdup(token) : NULL;

	if (mine) {
		explicit_bzero(record->token, strlen(record->token));
		free(record->token);
		record->token = mine;
		record->made_s = (int64_t)time(NULL);
		record->ends_s = ends ? decode_time(ends) : 0;
		if (record->ends_s == INT64_MAX)
			record->ends_s = 0;
	}
	json_decref(root);
	return mine;
}

char *token_path(const char *account)
{
	const char *slash = strchr(account, '/');
	char *path;

	if (!slash || asprintf(&path, "/api/v1/namespaces/%.*s/serviceaccounts/%s/token",
			      (int)(slash - account), account, slash + 1) < 0)
		return NULL;
	return path;
}
