// SPDX-License-Identifier: BSD-3-Clause
#include "refusal.h"

static const struct {
	const char *name;
	uint16_t status;
	const char *help;
} refusals[] = {
	[HTTP_OK] = {"none", 200, "Not refused."},
	[HTTP_EMPTY_LINES] = {"empty_lines", 400, "More than one empty line before a request."},
	[HTTP_METHOD_EMPTY] = {"method_empty", 400, "The request line begins with a space."},
	[HTTP_METHOD_CHARACTER] = {"method_character", 400,
		"A character in the method that no method has."},
	[HTTP_METHOD_LENGTH] = {"method_length", 501, "A method longer than any there is."},
	[HTTP_METHOD_UNSUPPORTED] = {"method_unsupported", 501,
		"CONNECT and TRACE are for proxies a client has chosen, PRI is HTTP/2."},
	[HTTP_TARGET_EMPTY] = {"target_empty", 400, "Two spaces after the method, or no target."},
	[HTTP_TARGET_CHARACTER] = {"target_character", 400,
		"A character in the target that must be percent-encoded, or a fragment."},
	[HTTP_TARGET_FORM] = {"target_form", 400,
		"The target is neither a path nor an http URL, nor * with OPTIONS."},
	[HTTP_TARGET_SCHEME] = {"target_scheme", 400, "The URL is neither http nor https."},
	[HTTP_TARGET_USERINFO] = {"target_userinfo", 400, "A user name before the host of a URL."},
	[HTTP_TARGET_AUTHORITY] = {"target_authority", 400, "Host or port of the URL are malformed."},
	[HTTP_TARGET_HOST_MISMATCH] = {"target_host_mismatch", 400,
		"The URL and the Host field name different hosts."},
	[HTTP_VERSION_MISSING] = {"version_missing", 400, "A request line without version (HTTP/0.9)."},
	[HTTP_VERSION_SYNTAX] = {"version_syntax", 400,
		"Not exactly HTTP/1.0 or HTTP/1.1 in capitals, followed by the line's end."},
	[HTTP_VERSION_UNSUPPORTED] = {"version_unsupported", 505,
		"A version of HTTP other than 1.0 and 1.1."},
	[HTTP_STATUS_SYNTAX] = {"status_syntax", 400, "Not a status of three digits."},
	[HTTP_BARE_CR] = {"bare_cr", 400, "A carriage return without line feed."},
	[HTTP_BARE_LF] = {"bare_lf", 400, "A line feed without carriage return."},
	[HTTP_NUL] = {"nul", 400, "A byte of zero in a line."},
	[HTTP_CONTROL] = {"control", 400, "A control character in a line."},
	[HTTP_LINE_LENGTH] = {"line_length", 431, "The request line or a field is too long."},
	[HTTP_HEAD_LENGTH] = {"head_length", 431, "All fields together are too long."},
	[HTTP_FIELD_COUNT] = {"field_count", 431, "Too many fields."},
	[HTTP_FIELD_NAME_EMPTY] = {"field_name_empty", 400, "A field line begins with a colon."},
	[HTTP_FIELD_NAME_CHARACTER] = {"field_name_character", 400,
		"A character in the name of a field that no name has."},
	[HTTP_FIELD_NAME_LENGTH] = {"field_name_length", 431, "The name of a field is too long."},
	[HTTP_FIELD_NAME_SPACE] = {"field_name_space", 400,
		"Space between the name of a field and its colon."},
	[HTTP_FIELD_NAME_DISGUISED] = {"field_name_disguised", 400,
		"A framing field with _ for -, which some servers take for the real one."},
	[HTTP_FIELD_NO_COLON] = {"field_no_colon", 400, "A field line without colon."},
	[HTTP_FIELD_FOLDED] = {"field_folded", 400, "A field line that begins with a space."},
	[HTTP_HOST_MISSING] = {"host_missing", 400, "HTTP/1.1 without Host."},
	[HTTP_HOST_DUPLICATE] = {"host_duplicate", 400, "More than one Host."},
	[HTTP_HOST_SYNTAX] = {"host_syntax", 400, "Host is not one name or address with a port."},
	[HTTP_CONTENT_LENGTH_SYNTAX] = {"content_length_syntax", 400,
		"Content-Length is not one plain decimal number."},
	[HTTP_CONTENT_LENGTH_DUPLICATE] = {"content_length_duplicate", 400,
		"More than one Content-Length."},
	[HTTP_CONTENT_LENGTH_UNEXPECTED] = {"content_length_unexpected", 400,
		"A Content-Length in an answer that has no body."},
	[HTTP_TRANSFER_ENCODING_SYNTAX] = {"transfer_encoding_syntax", 400,
		"Transfer-Encoding does not end with chunked, or has it twice."},
	[HTTP_TRANSFER_ENCODING_DUPLICATE] = {"transfer_encoding_duplicate", 400,
		"More than one Transfer-Encoding."},
	[HTTP_TRANSFER_ENCODING_UNSUPPORTED] = {"transfer_encoding_unsupported", 501,
		"A transfer coding other than chunked."},
	[HTTP_TRANSFER_ENCODING_VERSION] = {"transfer_encoding_version", 400,
		"Transfer-Encoding in HTTP/1.0."},
	[HTTP_TRANSFER_ENCODING_UNEXPECTED] = {"transfer_encoding_unexpected", 400,
		"Transfer-Encoding in an answer that has no body."},
	[HTTP_LENGTH_TWICE] = {"length_twice", 400, "Both Content-Length and Transfer-Encoding."},
	[HTTP_CONNECTION_SYNTAX] = {"connection_syntax", 400, "Connection is not a list of names."},
	[HTTP_CONNECTION_NAMES] = {"connection_names", 400,
		"Connection names a field that the message cannot do without."},
	[HTTP_EXPECTATION] = {"expectation", 417, "An expectation other than 100-continue."},
	[HTTP_UPGRADE_UNASKED] = {"upgrade_unasked", 400, "Status 101, but no upgrade was asked for."},
	[HTTP_BODY_LENGTH] = {"body_length", 413, "The body is larger than allowed."},
	[HTTP_CHUNK_SIZE_EMPTY] = {"chunk_size_empty", 400, "A chunk without size."},
	[HTTP_CHUNK_SIZE_CHARACTER] = {"chunk_size_character", 400,
		"The size of a chunk is not a plain hexadecimal number."},
	[HTTP_CHUNK_SIZE_LENGTH] = {"chunk_size_length", 400, "The size of a chunk has too many digits."},
	[HTTP_CHUNK_EXTENSION] = {"chunk_extension", 400, "A malformed chunk extension."},
	[HTTP_CHUNK_EXTENSION_LENGTH] = {"chunk_extension_length", 400,
		"Chunk extensions longer than anybody needs."},
	[HTTP_CHUNK_LINE_END] = {"chunk_line_end", 400,
		"The line with the size of a chunk does not end with CR LF."},
	[HTTP_CHUNK_DATA_END] = {"chunk_data_end", 400, "A chunk is not followed by CR LF."},
	[HTTP_TRAILER_LENGTH] = {"trailer_length", 431, "The trailers are too long."},
	[HTTP_TRAILER_FORBIDDEN] = {"trailer_forbidden", 400,
		"A field among the trailers that belongs into the head."},
	[HTTP_PATH_ESCAPE] = {"path_escape", 400, "A % in the path without two hexadecimal digits."},
	[HTTP_PATH_NUL] = {"path_nul", 400, "%00 in the path."},
	[HTTP_PATH_BACKSLASH] = {"path_backslash", 400,
		"A backslash in the path, which some servers take for a slash."},
	[HTTP_PATH_ABOVE_ROOT] = {"path_above_root", 400, "Dot segments that leave the root."},
	[HTTP_PATH_DOT_PARAMETER] = {"path_dot_parameter", 400,
		"A dot segment with a parameter, which some servers take for a plain one."},
	[HTTP_PATH_LENGTH] = {"path_length", 414, "The path is too long."},
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
