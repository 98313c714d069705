// SPDX-License-Identifier: BSD-3-Clause
// How endpoints are spoken with.
#include <string.h>

#include "annotation_internal.h"
#include "limits.h"

void annotation_backend_protocol(const struct annotation *a, struct annotated *out)
{
	if (annotation_is(a, "HTTPS"))
		out->upstream.tls = true;
	else if (annotation_is(a, "GRPC") || annotation_is(a, "GRPCS") ||
		 annotation_is(a, "AUTO_HTTP") || annotation_is(a, "FCGI"))
		annotation_unsupported(a, "only HTTP and HTTPS are supported yet; HTTP is used");
	else if (!annotation_is(a, "HTTP"))
		annotation_wrong(a, "HTTP or HTTPS");
}

// "on" and "off", as nginx has it.
static bool is_on(const struct annotation *a, bool *on)
{
	*on = annotation_is(a, "on");
	if (*on || annotation_is(a, "off"))
		return true;
	annotation_wrong(a, "\"on\" or \"off\"");
	return false;
}

void annotation_proxy_ssl_verify(const struct annotation *a, struct annotated *out)
{
	bool on;

	if (is_on(a, &on))
		out->upstream.tls_verify = on;
}

void annotation_proxy_ssl_name(const struct annotation *a, struct annotated *out)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:";

	if (!*a->value || a->value[strspn(a->value, letters)])
		annotation_wrong(a, "the name of a host, without variables");
	else
		annotation_text(a, SLUICE_HOST_LENGTH, &out->upstream.tls_name);
}

void annotation_proxy_ssl_server_name(const struct annotation *a, struct annotated *out)
{
	bool on;

	if (is_on(a, &on) && !on)
		annotation_unsupported(
			a, "the name of the server is told all the same: \"off\" is not supported");
}

void annotation_proxy_ssl_secret(const struct annotation *a, struct annotated *out)
{
	const char *slash = strchr(a->value, '/');

	if (!*a->value || (slash && strchr(slash + 1, '/')))
		annotation_wrong(a, "the name of a Secret, \"namespace/name\"");
	else
		annotation_text(a, SLUICE_NAME_MAX - 1, &out->proxy_secret);
}

void annotation_proxy_protocol(const struct annotation *a, struct annotated *out)
{
	annotation_bool(a, &out->upstream.proxy_protocol);
}
