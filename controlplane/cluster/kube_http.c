// SPDX-License-Identifier: BSD-3-Clause
// What is asked of an API server, by libcurl; kube_loop.c has the sockets.
//
// A call is finished from the loop and never from inside libcurl's own callbacks, so whoever is
// told may ask and cancel as it likes.
#include "kube_http_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CONNECT_MS       5000
#define STALL_S          30
#define DATE_LINE        80
#define PATIENCE_MS      12000 // without a byte, when asked
#define PATIENCE_MOST_MS 120000

static void call_free(struct kube_call *call)
{
	*call->at = call->next;
	if (call->next)
		call->next->at = call->at;
	curl_multi_remove_handle(call->http->multi, call->easy);
	curl_easy_cleanup(call->easy);
	curl_slist_free_all(call->headers);
	curl_slist_free_all(call->connect_to);
	free(call->body);
	free(call);
}

static void finish(struct kube_call *call, CURLcode code)
{
	const struct kube_question question = call->question;
	struct kube_answer answer = {0};
	char text[ERROR_BYTES];
	curl_off_t retry_s = 0;

	curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &answer.status);
	curl_easy_getinfo(call->easy, CURLINFO_RETRY_AFTER, &retry_s);
	answer.retry_s = retry_s > 0 && retry_s < 86400 ? (uint32_t)retry_s : 0;
	answer.server_time = call->server_time;
	if (code != CURLE_OK) {
		answer.unreachable = answer.status == 0;
		if (code != CURLE_WRITE_ERROR)
			answer.status = 0;
		kube_explain(call, code, text);
		answer.error = text;
	} else if (answer.status >= 300 || answer.status < 200) {
		kube_explain_status(call, answer.status, text);
		answer.error = text;
	}
	call_free(call);
	question.done(question.arg, &answer);
}

void kube_http_finish(struct kube_http *http)
{
	const CURLMsg *message;
	int left;

	while (!http->closing && (message = curl_multi_info_read(http->multi, &left))) {
		struct kube_call *call;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&call);
		finish(call, message->data.result);
	}
}

static void heard(struct kube_call *call)
{
	struct kube_http *http = call->http;

	call->heard_ms = http->heard_ms = uv_now(http->loop);
	http->patience_ms = PATIENCE_MS;
}

static bool stalls(const struct kube_call *call)
{
	uint64_t stall_s = call->question.stall_s ? call->question.stall_s : STALL_S;

	return uv_now(call->http->loop) - call->heard_ms >= stall_s * 1000;
}

// libcurl's own CURLOPT_LOW_SPEED_TIME looks at each transfer each second, by itself.
void kube_http_give_up(struct kube_http *http)
{
	struct kube_call *call = http->calls;

	while (call && !http->closing) {
		if (!stalls(call)) { // NOLINT(clang-analyzer-unix.Malloc): they leave the list
			call = call->next;
			continue;
		}
		finish(call, CURLE_OPERATION_TIMEDOUT);
		call = http->calls; // whoever was told may have ended any
	}
}

static size_t take_data(char *bytes, size_t size, size_t count, void *arg)
{
	struct kube_call *call = arg;
	size_t length = size * count, room;
	long status = kube_call_status(call);

	heard(call);
	if (status >= 200 && status < 300)
		return call->question.data &&
				       call->question.data(call->question.arg, call, bytes, length)
			       ? 0
			       : length;
	room = sizeof(call->refused) - 1 - call->refused_length;
	memcpy(call->refused + call->refused_length, bytes, length < room ? length : room);
	call->refused_length += length < room ? length : room;
	return length;
}

static size_t take_header(char *bytes, size_t size, size_t count, void *arg)
{
	struct kube_call *call = arg;
	size_t length = size * count;
	char text[DATE_LINE];

	heard(call);
	curl_easy_getinfo(call->easy, CURLINFO_HTTP_VERSION, &call->http->version);
	if (length <= 2 && call->question.begun && kube_call_status(call) >= 200 &&
		kube_call_status(call) < 300)
		call->question.begun(call->question.arg);
	if (length > 6 && length < sizeof(text) && strncasecmp(bytes, "date:", 5) == 0) {
		time_t at;

		memcpy(text, bytes + 5, length - 5);
		text[length - 5] = '\0';
		at = curl_getdate(text, NULL);
		call->server_time = at > 0 ? at : 0;
	}
	return length;
}

static void set_blob(CURL *easy, CURLoption option, const char *pem)
{
	struct curl_blob blob = {(void *)(uintptr_t)pem, strlen(pem), CURL_BLOB_COPY};

	curl_easy_setopt(easy, option, &blob);
}

static void set_tls(struct kube_http *http, CURL *easy)
{
	const struct kubeconfig *config = http->config;
	const char *cert = http->cert_pem && *http->cert_pem ? http->cert_pem : config->cert_pem;
	const char *key = http->key_pem && *http->key_pem ? http->key_pem : config->key_pem;

	curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (config->insecure) {
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
	}
	if (*config->ca_pem)
		set_blob(easy, CURLOPT_CAINFO_BLOB, config->ca_pem);
	else if (*config->ca_file)
		curl_easy_setopt(easy, CURLOPT_CAINFO, config->ca_file);
	if (*cert)
		set_blob(easy, CURLOPT_SSLCERT_BLOB, cert);
	else if (*config->cert_file)
		curl_easy_setopt(easy, CURLOPT_SSLCERT, config->cert_file);
	if (*key)
		set_blob(easy, CURLOPT_SSLKEY_BLOB, key);
	else if (*config->key_file)
		curl_easy_setopt(easy, CURLOPT_SSLKEY, config->key_file);
}

static void add_header(struct kube_call *call, const char *name, const char *value)
{
	struct curl_slist *list;
	char *line;

	if (asprintf(&line, "%s: %s", name, value) < 0)
		return;
	list = curl_slist_append(call->headers, line);
	if (list)
		call->headers = list;
	explicit_bzero(line, strlen(line));
	free(line);
}

static void set_request(struct kube_call *call)
{
	const struct kube_question *q = &call->question;
	struct kube_http *http = call->http;
	CURL *easy = call->easy;
	char *text;

	if (asprintf(&text, "%s%s", http->url, q->path) > 0) {
		curl_easy_setopt(easy, CURLOPT_URL, text);
		free(text);
	}
	if (q->method)
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, q->method);
	if (q->body) {
		call->body = strdup(q->body);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, call->body);
		add_header(call, "Content-Type",
			q->content_type ? q->content_type : "application/json");
	}
	add_header(call, "Accept", "application/json");
	add_header(call, "Expect", "");
	if (http->token && *http->token && asprintf(&text, "Bearer %s", http->token) > 0) {
		add_header(call, "Authorization", text);
		explicit_bzero(text, strlen(text));
		free(text);
	}
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, call->headers);
	if (http->connect_to) {
		call->connect_to = curl_slist_append(NULL, http->connect_to);
		curl_easy_setopt(easy, CURLOPT_CONNECT_TO, call->connect_to);
	}
}

struct kube_call *kube_http_ask(struct kube_http *http, const struct kube_question *question)
{
	struct kube_call *call = calloc(1, sizeof(*call));
	const char *proxy = http->config->proxy;

	if (!call)
		return NULL;
	call->easy = curl_easy_init();
	if (!call->easy) {
		free(call);
		return NULL;
	}
	call->http = http;
	call->question = *question;
	call->heard_ms = uv_now(http->loop);
	set_request(call);
	set_tls(http, call->easy);
	curl_easy_setopt(call->easy, CURLOPT_PRIVATE, call);
	curl_easy_setopt(call->easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(call->easy, CURLOPT_ERRORBUFFER, call->error);
	curl_easy_setopt(call->easy, CURLOPT_USERAGENT, "sluice/" SLUICE_VERSION);
	curl_easy_setopt(call->easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(call->easy, CURLOPT_PROXY, proxy); // "" = none, whatever the environment
	curl_easy_setopt(call->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	// Until the first connection says whether it takes them all.
	curl_easy_setopt(call->easy, CURLOPT_PIPEWAIT, 1L);
	curl_easy_setopt(call->easy, CURLOPT_ACCEPT_ENCODING, "gzip");
	curl_easy_setopt(call->easy, CURLOPT_BUFFERSIZE, question->of_one ? 4096L : 65536L);
	curl_easy_setopt(call->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	if (!question->any_length)
		curl_easy_setopt(call->easy, CURLOPT_TIMEOUT, 120L);
	curl_easy_setopt(call->easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(call->easy, CURLOPT_TCP_KEEPIDLE, 20L);
	curl_easy_setopt(call->easy, CURLOPT_TCP_KEEPINTVL, 5L);
	curl_easy_setopt(call->easy, CURLOPT_SOCKOPTFUNCTION, kube_loop_socket);
	curl_easy_setopt(call->easy, CURLOPT_WRITEFUNCTION, take_data);
	curl_easy_setopt(call->easy, CURLOPT_WRITEDATA, call);
	curl_easy_setopt(call->easy, CURLOPT_HEADERFUNCTION, take_header);
	curl_easy_setopt(call->easy, CURLOPT_HEADERDATA, call);
	call->next = http->calls;
	call->at = &http->calls;
	if (call->next)
		call->next->at = &call->next;
	http->calls = call;
	if (curl_multi_add_handle(http->multi, call->easy) != CURLM_OK) {
		call_free(call);
		return NULL;
	}
	return call;
}

void kube_http_cancel(struct kube_call *call)
{
	struct kube_question question;

	if (!call)
		return;
	question = call->question;
	call_free(call);
	if (question.dropped)
		question.dropped(question.arg);
}

long kube_call_status(const struct kube_call *call)
{
	long status = 0;

	curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
	return status;
}

static char *copy_secret(char *old, const char *text)
{
	if (old)
		explicit_bzero(old, strlen(old));
	free(old);
	return strdup(text);
}

void kube_http_credentials(
	struct kube_http *http, const char *token, const char *cert_pem, const char *key_pem)
{
	http->token = copy_secret(http->token, token);
	http->cert_pem = copy_secret(http->cert_pem, cert_pem);
	http->key_pem = copy_secret(http->key_pem, key_pem);
}

// With tls-server-name the URL has that name, for SNI and the check of the certificate, and the
// connection goes to the server all the same.
static bool set_url(struct kube_http *http)
{
	const struct kubeconfig *config = http->config;
	const char *host = strstr(config->server, "://") + 3;
	size_t scheme = (size_t)(host - config->server), n = strcspn(host, "/");
	const char *port = n && host[0] == '[' ? strchr(host, ']') : host;
	size_t length = strlen(config->server);

	while (length > scheme && config->server[length - 1] == '/')
		length--;
	if (!*config->tls_server_name) {
		http->url = strndup(config->server, length);
		return http->url != NULL;
	}
	port = port ? memchr(port, ':', n - (size_t)(port - host)) : NULL;
	if (asprintf(&http->url, "%.*s%s%.*s", (int)scheme, config->server, config->tls_server_name,
		    (int)(config->server + length - (port ? port : host + n)),
		    port ? port : host + n) < 0)
		http->url = NULL;
	if (asprintf(&http->connect_to, "::%.*s%s", (int)n, host, port ? "" : ":443") < 0)
		http->connect_to = NULL;
	return http->url && http->connect_to;
}

struct kube_http *kube_http_open(uv_loop_t *loop, const struct kubeconfig *config)
{
	struct kube_http *http = calloc(1, sizeof(*http));

	if (!http)
		return NULL;
	http->loop = loop;
	http->config = config;
	if (!set_url(http) || !kube_loop_open(http)) {
		kube_http_free(http);
		return NULL;
	}
	http->heard_ms = uv_now(loop);
	http->patience_ms = PATIENCE_MS;
	return http;
}

void kube_http_free(struct kube_http *http)
{
	free(http->token);
	free(http->cert_pem);
	free(http->key_pem);
	free(http->url);
	free(http->connect_to);
	free(http);
}

void kube_http_close(struct kube_http *http, void (*closed)(void *arg), void *arg)
{
	http->closing = true;
	http->closed = closed;
	http->closed_arg = arg;
	while (http->calls) // NOLINTNEXTLINE(clang-analyzer-unix.Malloc): each leaves the list
		kube_http_cancel(http->calls);
	kube_loop_close(http);
}

void kube_http_doubt(struct kube_http *http)
{
	struct kube_call *calls = http->calls;

	if (uv_now(http->loop) - http->heard_ms < http->patience_ms)
		return;
	// They leave the list, as whoever is told asks anew.
	if (calls)
		calls->at = &calls;
	http->calls = NULL;
	for (struct kube_call *call = calls; call; call = call->next)
		curl_multi_remove_handle(http->multi, call->easy);
	kube_loop_renew(http);
	http->heard_ms = uv_now(http->loop);
	// A server that is slow and not gone is given more time, so that it gets to its end.
	http->patience_ms =
		http->patience_ms < PATIENCE_MOST_MS / 2 ? http->patience_ms * 2 : PATIENCE_MOST_MS;
	while (calls) // NOLINTNEXTLINE(clang-analyzer-unix.Malloc): each leaves the list
		finish(calls, CURLE_OPERATION_TIMEDOUT);
}

void kube_http_state(const struct kube_http *http, struct kube_http_state *state)
{
	*state = (struct kube_http_state){.protocol = ""};
	if (http->version == CURL_HTTP_VERSION_2_0)
		state->protocol = "HTTP/2";
	else if (http->version)
		state->protocol = "HTTP/1.1";
	for (const struct kube_call *call = http->calls; call; call = call->next)
		state->requests++;
	state->connections = kube_loop_connections(http);
}

char *kube_http_escape(const char *text)
{
	char *escaped = curl_easy_escape(NULL, text, 0);
	char *copy = escaped ? strdup(escaped) : NULL;

	curl_free(escaped);
	return copy;
}
