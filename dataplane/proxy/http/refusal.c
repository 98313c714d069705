// SPDX-License-Identifier: BSD-3-Clause
#include "refusal.h"

static const struct {
	const char *name;
	uint16_t status;
	const char *help;
} refusals[] = {
	[HTTP_OK] = {"none", 200, "Not refused."},
	[HTTP_PATH_ESCAPE] = {"path_escape", 400,
		"A % in the path without two hexadecimal digits."},
	[HTTP_PATH_NUL] = {"path_nul", 400, "%00 in the path."},
	[HTTP_PATH_BACKSLASH] = {"path_backslash", 400,
		"A backslash in the path, which some servers take for a slash."},
	[HTTP_PATH_ABOVE_ROOT] = {"path_above_root", 400, "Dot segments that leave the root."},
	[HTTP_PATH_DOT_PARAMETER] = {"path_dot_parameter", 400,
		"A dot segment with a parameter, which some servers take for a plain one."},
	[HTTP_METHOD] = {"method", 400,
		"A method that is not at most 32 capital letters, - and _."},
	[HTTP_METHOD_UNSUPPORTED] = {"method_unsupported", 405,
		"CONNECT, TRACE or PRI, which are not for a server behind us."},
	[HTTP_TARGET] = {"target", 400,
		"A request target with a blank, a #, or a character that is not printable ASCII."},
	[HTTP_TARGET_FORM] = {"target_form", 400,
		"A request target that is neither a path nor an absolute URL, or * without "
		"OPTIONS."},
	[HTTP_TARGET_HOST] = {"target_host", 400,
		"An absolute URL of another host than the Host field names."},
	[HTTP_TARGET_LONG] = {"target_long", 414, "A request target longer than the limit."},
	[HTTP_REQUEST_LINE] = {"request_line", 400,
		"A request line that is not method, target and version with one blank between."},
	[HTTP_VERSION] = {"version", 400, "A request line that does not end in a version of HTTP."},
	[HTTP_VERSION_UNSUPPORTED] = {"version_unsupported", 505,
		"A version other than HTTP/1.0 and HTTP/1.1."},
	[HTTP_BARE_LF] = {"bare_lf", 400, "A line that ends without CR."},
	[HTTP_BARE_CR] = {"bare_cr", 400, "A CR that ends no line."},
	[HTTP_FOLD] = {"fold", 400, "A field that goes on in a second line (obsolete folding)."},
	[HTTP_FIELD_NAME] = {"field_name", 400,
		"A field name that is no token, a blank before its colon, or no colon."},
	[HTTP_FIELD_VALUE] = {"field_value", 400, "A control character in a field's value."},
	[HTTP_FIELD_LONG] = {"field_long", 431, "A field longer than the limit."},
	[HTTP_FIELDS_MANY] = {"fields_many", 431, "More fields than the limit."},
	[HTTP_HEAD_LARGE] = {"head_large", 431, "A head longer than the limit."},
	[HTTP_HOST_MISSING] = {"host_missing", 400, "No Host field, which HTTP/1.1 asks for."},
	[HTTP_HOST_TWICE] = {"host_twice", 400, "More than one Host field."},
	[HTTP_HOST] = {"host", 400, "A Host field that is no host with an optional port."},
	[HTTP_LENGTH] = {"length", 400,
		"A Content-Length that is no decimal number, or begins with a zero, or is too "
		"large."},
	[HTTP_LENGTH_TWICE] = {"length_twice", 400, "More than one Content-Length."},
	[HTTP_LENGTH_AND_CODING] = {"length_and_coding", 400,
		"Both Content-Length and Transfer-Encoding."},
	[HTTP_CODING] = {"coding", 400,
		"A Transfer-Encoding that does not end in chunked, or has it twice."},
	[HTTP_CODING_TWICE] = {"coding_twice", 400, "More than one Transfer-Encoding field."},
	[HTTP_CODING_UNSUPPORTED] = {"coding_unsupported", 400,
		"A Transfer-Encoding of more than chunked."},
	[HTTP_CODING_VERSION] = {"coding_version", 400,
		"Transfer-Encoding with HTTP/1.0, which does not know it."},
	[HTTP_CONNECTION] = {"connection", 400,
		"A Connection field that is no list of tokens, or names a field that is not its to "
		"name."},
	[HTTP_EXPECTATION] = {"expectation", 417,
		"An Expect field that asks for something else than 100-continue."},
	[HTTP_CHUNK_SIZE] = {"chunk_size", 400,
		"A chunk's size that is not hexadecimal digits and CRLF, or too large."},
	[HTTP_CHUNK_EXTENSION] = {"chunk_extension", 400,
		"A chunk extension that is malformed, or too many of them."},
	[HTTP_CHUNK_END] = {"chunk_end", 400, "A chunk whose data is not followed by CRLF."},
	[HTTP_TRAILER] = {"trailer", 400,
		"A trailer field that is malformed, or not allowed after the body."},
	[HTTP_TRAILER_LARGE] = {"trailer_large", 431, "More trailer fields than the limit."},
	[HTTP_RESPONSE_LINE] = {"response_line", 502,
		"The endpoint's status line is malformed, or not of HTTP/1."},
	[HTTP_RESPONSE_FIELD] = {"response_field", 502,
		"The endpoint's response has a malformed field."},
	[HTTP_RESPONSE_LARGE] = {"response_large", 502,
		"The endpoint's response has a head, or trailers, longer than the limit."},
	[HTTP_RESPONSE_LENGTH] = {"response_length", 502,
		"The endpoint's response has no number, or different ones, in Content-Length."},
	[HTTP_RESPONSE_CODING] = {"response_coding", 502,
		"The endpoint's response has a Transfer-Encoding that is not chunked alone, or a "
		"Content-Length beside it."},
	[HTTP_RESPONSE_INTERIM] = {"response_interim", 502,
		"The endpoint's interim response (1xx) speaks of a body, which it cannot have."},
	[HTTP_RESPONSE_UPGRADE] = {"response_upgrade", 502,
		"The endpoint changed protocols, which it was not asked for."},
	[HTTP_RESPONSE_CHUNK] = {"response_chunk", 502,
		"The endpoint's response has malformed chunks."},
	[HTTP_PROXY_PROTOCOL] = {"proxy_protocol", 400,
		"The connection begins with a malformed PROXY header, or without the one that was "
		"to come."},
	[HTTP_BODY_LARGE] = {"body_large", 413, "A body longer than the route allows."},
	[HTTP_NO_ROUTE] = {"no_route", 404, "No rule for this host and path."},
	[HTTP_ROUTE_DENIED] = {"route_denied", 503,
		"The rule is to let in only some, and its Ingress says so in a way that is not "
		"understood or not supported."},
	[HTTP_CLIENT_DENIED] = {"client_denied", 403,
		"The client's address is not among those that the rule lets in."},
	[HTTP_ROUTE_COSTLY] = {"route_costly", 500,
		"A path for which a rule's regular expression comes to no end within its bound."},
	[HTTP_REWRITE_LONG] = {"rewrite_long", 414,
		"A path that rewrite-target makes longer than a head may be."},
	[HTTP_NO_SITE] = {"no_site", 503, "The listener has no site: the plan is being changed."},
	[HTTP_NO_ENDPOINT] = {"no_endpoint", 503,
		"The route has no backend with a ready endpoint."},
	[HTTP_HEAD_TIMEOUT] = {"head_timeout", 408, "The request's head did not come in time."},
	[HTTP_BODY_TIMEOUT] = {"body_timeout", 408, "The request's body did not come in time."},
	[HTTP_CLIENT_STALLED] = {"client_stalled", 408,
		"The client took nothing of its response for so long."},
	[HTTP_CONNECT_FAILED] = {"connect_failed", 502, "No endpoint took the connection."},
	[HTTP_CONNECT_TIMEOUT] = {"connect_timeout", 504,
		"No endpoint answered the connection in time."},
	[HTTP_UPSTREAM_TLS] = {"upstream_tls", 502,
		"TLS with the endpoint came to nothing; the access log says why."},
	[HTTP_UPSTREAM_BROKE] = {"upstream_broke", 502,
		"The endpoint closed the connection before its response."},
	[HTTP_UPSTREAM_TIMEOUT] = {"upstream_timeout", 504, "The endpoint did not answer in time."},
	[HTTP_UPSTREAM_CUT] = {"upstream_cut", 502,
		"The endpoint closed the connection in the middle of its response, or broke a "
		"tunnel."},
	[HTTP_TUNNEL_IDLE] = {"tunnel_idle", 504,
		"Neither side of a tunnel said anything for the time an endpoint has to answer."},
	[HTTP_CLIENT_LEFT] = {"client_left", 499,
		"The client went away before its response was complete, or broke a tunnel."},
	[HTTP_OVERLOAD] = {"overload", 503, "No memory, connection or port left for the request."},
	[HTTP_CLEARED] = {"cleared", 503, "An operator ended the client's connection."},
};

_Static_assert(sizeof(refusals) / sizeof(refusals[0]) == HTTP_REFUSAL_COUNT, "a row for each");

const char *http_refusal_name(enum http_refusal refusal)
{
	return refusal < HTTP_REFUSAL_COUNT ? refusals[refusal].name : "unknown";
}

const char *http_refusal_help(enum http_refusal refusal)
{
	return refusal < HTTP_REFUSAL_COUNT ? refusals[refusal].help : "";
}

uint16_t http_refusal_status(enum http_refusal refusal)
{
	return refusal < HTTP_REFUSAL_COUNT ? refusals[refusal].status : 400;
}
