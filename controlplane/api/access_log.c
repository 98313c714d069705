// SPDX-License-Identifier: BSD-3-Clause
// GET /v1/requests/log: lines of the access log as they come. Who asks is told how far it has read,
// and says so the next time; nothing is kept here.
#include "api_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define PART_BYTES (256u << 10) // at most, an answer

enum {
	AFTER,
	HOST,
	CLIENT,
	VIP,
};

// Without its port.
static bool host_is(const char *host, const char *wanted)
{
	size_t n = strlen(wanted);

	return strncasecmp(host, wanted, n) == 0 && (host[n] == '\0' || host[n] == ':');
}

static bool wanted(const struct api_request *request, json_t *row)
{
	const char *host = json_string_value(json_object_get(row, "host"));
	const char *client = json_string_value(json_object_get(row, "client"));
	const char *vip = json_string_value(json_object_get(row, "vip"));
	const char *const *values = request->values;

	return (!values[HOST] || (host && host_is(host, values[HOST]))) &&
	       (!values[CLIENT] || (client && strcmp(client, values[CLIENT]) == 0)) &&
	       (!values[VIP] || (vip && strcmp(vip, values[VIP]) == 0));
}

// The whole lines among these bytes; so many bytes they are.
static size_t take_lines(
	const struct api_request *request, const char *bytes, size_t length, json_t *rows)
{
	size_t at = 0;

	for (const char *end; (end = memchr(bytes + at, '\n', length - at));) {
		json_t *row = json_loadb(bytes + at, (size_t)(end - bytes) - at, 0, NULL);

		if (json_is_object(row) && wanted(request, row))
			json_array_append(rows, row);
		json_decref(row);
		at = (size_t)(end - bytes) + 1;
	}
	return at;
}

// Where reading goes on after it, or -errno.
static off_t read_part(const struct api_request *request, int fd, json_t *rows)
{
	off_t after = request->values[AFTER] ? strtoll(request->values[AFTER], NULL, 10) : -1;
	struct stat stat;
	char *bytes;
	ssize_t n;

	if (fstat(fd, &stat) < 0)
		return -errno;
	if (after < 0)
		return stat.st_size;
	if (after > stat.st_size) // another file by now
		after = 0;
	bytes = malloc(PART_BYTES);
	n = bytes ? pread(fd, bytes, PART_BYTES, after) : -1;
	if (n > 0)
		after += (off_t)take_lines(request, bytes, (size_t)n, rows);
	free(bytes);
	return n < 0 ? -EIO : after;
}

static json_t *lines(const struct api_request *request)
{
	const char *path = request->state->settings->access_log.path;
	json_t *rows = json_array();
	off_t after = -ENOENT;
	int fd;

	if (!*path || strcmp(path, "-") == 0) {
		reason_add(request->refused,
			"requests are not logged to a file: access_log.path names none");
		return rows;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd >= 0) {
		after = read_part(request, fd, rows);
		close(fd);
	} else if (errno == ENOENT) {
		after = 0; // there was none yet
	}
	if (after < 0)
		reason_add(request->refused, "%s: cannot be read", path);
	return json_pack("{s:o, s:I}", "requests", rows, "after", (json_int_t)after);
}

const struct api_command api_requests_log = {
	.path = "/v1/requests/log",
	.help = "lines of the access log, from where one has read to",
	.arguments =
		{
			[AFTER] = {"after", ARGUMENT_OFFSET,
				"the \"after\" of the answer before; without it, no lines yet"},
			[HOST] = {"host", ARGUMENT_TEXT, "only of this host"},
			[CLIENT] = {"client", ARGUMENT_ADDRESS, "only of this client"},
			[VIP] = {"vip", ARGUMENT_ADDRESS, "only to this VIP"},
		},
	.need = NEED_NOTHING,
	.admin = true,
	.handler = lines,
	.answer = "{requests: [any], after: number}",
};
