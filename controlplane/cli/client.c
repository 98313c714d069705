// SPDX-License-Identifier: BSD-3-Clause
// One GET or POST over the unix socket of the API. libcurl appears nowhere else in cli/. See cli.h.
#include "cli.h"

#include <curl/curl.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ROOM_FIRST    16384
#define CONNECT_MS    2000L
#define RECEIVE_BYTES 524288L
#define ANSWER_MS     15000L // the API itself waits three seconds for the dataplane

struct body {
	struct client_text text;
	size_t room;
};

static size_t take(char *bytes, size_t size, size_t count, void *arg)
{
	struct body *body = arg;
	struct client_text *text = &body->text;
	size_t length = size * count, room = body->room ? body->room : ROOM_FIRST;

	while (text->length + length >= room)
		room *= 2;
	if (room != body->room) {
		char *longer = grown(text->bytes, room);

		if (!longer)
			return 0;
		text->bytes = longer;
		body->room = room;
	}
	memcpy(text->bytes + text->length, bytes, length);
	text->length += length;
	text->bytes[text->length] = '\0';
	return length;
}

static void explain_no_connection(
	CURL *curl, CURLcode code, const char *socket, struct reason *reason)
{
	long error = 0;

	curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &error);
	if (code == CURLE_ABORTED_BY_CALLBACK)
		reason_add(reason, "interrupted");
	else if (code == CURLE_OPERATION_TIMEDOUT)
		reason_add(reason, "the control plane does not answer at %s", socket);
	else if (code == CURLE_COULDNT_CONNECT && (error == EACCES || error == EPERM))
		reason_add(reason,
			"%s may not be opened: use sudo, or become a member of the group that "
			"owns it",
			socket);
	else if (code == CURLE_COULDNT_CONNECT)
		reason_add(reason,
			"the control plane is not running: nothing listens at %s\n"
			"start it with: systemctl start sluice-controlplane (or name another "
			"socket with --socket)",
			socket);
	else
		reason_add(reason, "%s: %s", socket, curl_easy_strerror(code));
}

// What is said instead of an answer.
static enum cli_exit read_error(const struct client_text *body, long status, struct reason *reason)
{
	json_t *json = json_loadb(body->bytes ? body->bytes : "", body->length, 0, NULL);
	const char *error = json_string_value(json_object_get(json, "error"));

	if (error)
		reason_add(reason, "%s", error);
	else
		reason_add(reason, "the control plane's answer (%ld) cannot be read", status);
	json_decref(json);
	return status == 400 || status == 404 ? CLI_USAGE : CLI_ERROR;
}

static int on_progress(
	void *arg, curl_off_t total, curl_off_t now, curl_off_t up_total, curl_off_t up)
{
	const struct cli_asker *asker = arg;

	return asker->interrupted && asker->interrupted();
}

enum cli_exit client_fetch(const struct cli_asker *asker, const char *path_and_query,
	const struct client_text *sent, struct client_text *answer, struct reason *reason)
{
	enum cli_exit result = CLI_ERROR;
	struct body body = {0};
	char *url = NULL;
	CURLcode code;
	CURL *curl;

	// Without TLS, which a unix socket does not need and which takes most of the time.
	if (curl_global_init(CURL_GLOBAL_NOTHING) || !(curl = curl_easy_init())) {
		reason_add(reason, "libcurl cannot start");
		return CLI_ERROR;
	}
	if (asprintf(&url, "http://sluice%s", path_and_query) > 0) {
		long status = 0;

		curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, asker->socket);
		curl_easy_setopt(curl, CURLOPT_URL, url);
		if (sent) {
			curl_easy_setopt(
				curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)sent->length);
			curl_easy_setopt(curl, CURLOPT_POSTFIELDS, sent->bytes ? sent->bytes : "");
		}
		curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
		curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
		curl_easy_setopt(curl, CURLOPT_XFERINFODATA, asker);
		curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, RECEIVE_BYTES);
		curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
		curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
		curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
		curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
		curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS,
			asker->patience_s ? asker->patience_s * 1000L : ANSWER_MS);
		code = curl_easy_perform(curl);
		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
		if (code)
			explain_no_connection(curl, code, asker->socket, reason);
		else
			result = status == 200 ? CLI_OK : read_error(&body.text, status, reason);
		free(url);
	}
	if (result == CLI_OK)
		*answer = body.text;
	else
		free(body.text.bytes);
	curl_easy_cleanup(curl);
	curl_global_cleanup();
	return result;
}

enum cli_exit client_ask(const struct cli_asker *asker, const char *path_and_query,
	const struct client_text *body, json_t **answer, struct reason *reason)
{
	struct client_text text = {0};
	enum cli_exit result = client_fetch(asker, path_and_query, body, &text, reason);

	if (result != CLI_OK)
		return result;
	*answer = json_loadb(text.bytes ? text.bytes : "", text.length, 0, NULL);
	if (!*answer) {
		reason_add(reason, "the control plane's answer cannot be read");
		result = CLI_ERROR;
	}
	free(text.bytes);
	return result;
}

char *client_query(const struct cli_call *call)
{
	size_t size;
	char *text;
	FILE *file = open_memstream(&text, &size);
	char separator = '?';

	if (!file)
		return NULL;
	fputs(call->command->path, file);
	for (unsigned i = 0; i < CLI_ARGUMENTS_MAX; i++) {
		char *value;

		if (!call->values[i] || i + 1 == call->command->own)
			continue;
		value = curl_easy_escape(NULL, call->values[i], 0);
		fprintf(file, "%c%s=%s", separator, call->command->arguments[i].name,
			value ? value : "");
		curl_free(value);
		separator = '&';
	}
	fclose(file);
	return text;
}
