// SPDX-License-Identifier: BSD-3-Clause
// What went wrong with an API server, in one line for whoever has to mend it.
#include <stdio.h>
#include <string.h>

#include "kube_http_internal.h"

// What an operator should read, and do.
void kube_explain(const struct kube_call *call, CURLcode code, char text[static ERROR_BYTES])
{
	const struct kubeconfig *config = call->http->config;
	const char *ca = *config->ca_file ? config->ca_file : config->file;

	switch (code) {
	case CURLE_COULDNT_RESOLVE_HOST:
		snprintf(text, ERROR_BYTES,
			"%s: its name cannot be resolved: check the server in %s and the "
			"appliance's resolver",
			config->server, config->file);
		break;
	case CURLE_COULDNT_CONNECT:
		snprintf(text, ERROR_BYTES,
			"%s: no connection (%s): is the API server up, and is its address right in "
			"%s?",
			config->server, call->error, config->file);
		break;
	case CURLE_OPERATION_TIMEDOUT:
		snprintf(text, ERROR_BYTES,
			"%s: no answer in time: it hangs, or a firewall drops what we send",
			config->server);
		break;
	case CURLE_PEER_FAILED_VERIFICATION:
		snprintf(text, ERROR_BYTES,
			"%s: its certificate is not accepted (%s): put the cluster's own CA into "
			"certificate-authority-data of %s, or tls-server-name when only the name "
			"differs",
			config->server, call->error, ca);
		break;
	case CURLE_COULDNT_RESOLVE_PROXY:
		snprintf(text, ERROR_BYTES,
			"%s: its proxy's name cannot be resolved: see proxy-url in %s",
			config->server, config->file);
		break;
	case CURLE_SSL_CONNECT_ERROR:
		snprintf(text, ERROR_BYTES,
			"%s: no TLS there (%s): is that the port of the API server?",
			config->server, call->error);
		break;
	case CURLE_SSL_CACERT_BADFILE:
		snprintf(text, ERROR_BYTES, "%s: holds no CA certificate in PEM form", ca);
		break;
	case CURLE_SSL_CERTPROBLEM:
		snprintf(text, ERROR_BYTES,
			"the client certificate or its key cannot be used (%s): see %s",
			call->error, *config->cert_file ? config->cert_file : config->file);
		break;
	default:
		snprintf(text, ERROR_BYTES, "%s: %s", config->server,
			*call->error ? call->error : curl_easy_strerror(code));
	}
}

// The "message" of a Status, as far as it can be found without reading it as JSON.
static const char *message_of(struct kube_call *call)
{
	static const char key[] = "\"message\":";
	char *at, *from, *to;

	call->refused[call->refused_length] = '\0';
	at = strstr(call->refused, key);
	at = at ? strchr(at + sizeof(key) - 1, '"') : NULL;
	if (!at)
		return "";
	from = to = ++at;
	while (*from && *from != '"' && *from != '\n') {
		from += *from == '\\' && from[1];
		*to++ = *from++;
	}
	*to = '\0';
	return at;
}

void kube_explain_status(struct kube_call *call, long status, char text[static ERROR_BYTES])
{
	const struct kubeconfig *config = call->http->config;
	const char *message = message_of(call);

	if (status == 401)
		snprintf(text, ERROR_BYTES,
			"%s does not take our credentials (401): the token or certificate is "
			"expired or of another cluster; %s%s",
			config->server,
			strchr(config->file, '/') ? "put a new one into "
						  : "give a new one to `sluice cluster register`",
			strchr(config->file, '/') ? config->file : "");
	else if (status == 403)
		snprintf(text, ERROR_BYTES,
			"not allowed (403)%s%.300s: apply what `sluice cluster register --dry-run` "
			"prints; `sluice cluster check` names what is missing",
			*message ? ": " : "", message);
	else
		snprintf(text, ERROR_BYTES, "%s answered %ld%s%.300s", config->server, status,
			*message ? ": " : "", message);
}
