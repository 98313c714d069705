// SPDX-License-Identifier: BSD-3-Clause
// From the disk into an archive. See backup.h.
#include "backup.h"

#include "kubeconfig.h"
#include "sealed_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

const struct backup_kept backup_kept[] = {
	{"api-certificate", 0600, true},
	{"api-certificate.pem", 0644, false},
	{"default-certificate", 0600, true},
	{"drained", 0640, false},
	{"drained-clusters", 0640, false},
	{"drained-endpoints", 0640, false},
	{"leases", 0640, false},
	{"registered", 0600, true},
	{"tokens", 0600, false},
	{NULL, 0, false},
};

struct collecting {
	const struct backup_place *place;
	struct archive *archive;
	struct reason *reason;
	struct reason left_out; // a path a line
	int error;
};

char *backup_beside(const struct backup_place *place, const char *name)
{
	const char *slash = strrchr(place->config_file, '/');
	int folder = slash ? (int)(slash - place->config_file) : 1;
	char *path;

	if (asprintf(&path, "%.*s/%s", folder, slash ? place->config_file : ".", name) < 0)
		return NULL;
	return path;
}

static void failed(struct collecting *c, const char *path, int error)
{
	if (c->error)
		return;
	c->error = error;
	if (error == -E2BIG)
		reason_add(c->reason, "%s: a backup has at most %u files and %u MB", path,
			ARCHIVE_FILES_MAX, ARCHIVE_BYTES_MAX >> 20);
	else
		reason_add(c->reason, "%s: cannot be taken into the backup: %s", path,
			strerror(-error));
}

static int read_file(const char *path, uint8_t **bytes, size_t *length)
{
	FILE *file = fopen(path, "re");
	struct stat info;
	int error = 0;

	*bytes = NULL;
	if (!file)
		return -errno;
	if (fstat(fileno(file), &info) < 0)
		error = -errno;
	else if (!S_ISREG(info.st_mode))
		error = -EINVAL;
	else if (info.st_size > (off_t)ARCHIVE_BYTES_MAX)
		error = -E2BIG;
	else if (!(*bytes = malloc((size_t)info.st_size + 1)))
		error = -ENOMEM;
	if (!error) {
		*length = fread(*bytes, 1, (size_t)info.st_size, file);
		if (ferror(file))
			error = -EIO;
	}
	fclose(file);
	return error;
}

// A file that is not there is not in the archive either.
static void add_file(struct collecting *c, const char *name, const char *path)
{
	uint8_t *bytes;
	size_t length = 0;
	int error = c->error ? c->error : read_file(path, &bytes, &length);

	if (c->error || error == -ENOENT)
		return;
	if (!error)
		error = archive_add(c->archive, name, bytes, length);
	if (error && error != -EEXIST) // named twice
		failed(c, path, error);
	if (bytes)
		explicit_bzero(bytes, length);
	free(bytes);
}

static void add_sealed(struct collecting *c, const struct backup_kept *kept, const char *path)
{
	const struct sealed_file file = {path, c->place->seal, kept->name};
	struct reason why = {0};
	char name[64];
	uint8_t *bytes;
	size_t length;
	int error = sealed_file_read(&file, &bytes, &length, &why);

	snprintf(name, sizeof(name), ARCHIVE_STATE "%s", kept->name);
	if (!error) {
		error = archive_add(c->archive, name, bytes, length);
		explicit_bzero(bytes, length);
		free(bytes);
	} else if (error == -EBADMSG) { // it would be made anew, too
		error = -ENOENT;
	}
	if (error && error != -ENOENT)
		failed(c, path, error);
	reason_clear(&why);
}

static void add_state(struct collecting *c)
{
	char path[PATH_MAX], name[64];

	for (unsigned i = 0; backup_kept[i].name && !c->error; i++) {
		snprintf(path, sizeof(path), "%s/%s", c->place->state_dir, backup_kept[i].name);
		snprintf(name, sizeof(name), ARCHIVE_STATE "%s", backup_kept[i].name);
		if (backup_kept[i].sealed)
			add_sealed(c, &backup_kept[i], path);
		else
			add_file(c, name, path);
	}
}

// The files of a folder that `wanted` says yes to, as "<prefix><name>".
static void add_folder(struct collecting *c, const char *prefix, const char *folder,
	bool (*wanted)(const char *name))
{
	DIR *dir = opendir(folder);
	struct dirent *entry;

	if (!dir && errno != ENOENT)
		failed(c, folder, -errno);
	while (dir && !c->error && (entry = readdir(dir))) {
		char *path, *name;

		if (!wanted(entry->d_name))
			continue;
		if (asprintf(&path, "%s/%s", folder, entry->d_name) < 0)
			path = NULL;
		if (asprintf(&name, "%s%s", prefix, entry->d_name) < 0)
			name = NULL;
		if (!path || !name)
			failed(c, folder, -ENOMEM);
		else
			add_file(c, name, path);
		free(path);
		free(name);
	}
	if (dir)
		closedir(dir);
}

bool backup_is_revision(const char *name)
{
	return strspn(name, "0123456789") == 8 && strcmp(name + 8, ".conf") == 0;
}

static bool is_manifest(const char *name)
{
	const char *ending = strrchr(name, '.');

	return name[0] != '.' && ending &&
	       (strcmp(ending, ".yaml") == 0 || strcmp(ending, ".yml") == 0 ||
		       strcmp(ending, ".json") == 0);
}

// What the path is called in an archive; false when it is not beside sluice.conf.
static bool name_of(const struct collecting *c, const char *path, char name[static PATH_MAX])
{
	char *folder = backup_beside(c->place, "");
	char *whole = folder ? realpath(folder, NULL) : NULL;
	size_t n = folder ? strlen(folder) : 0, m = whole ? strlen(whole) : 0;
	const char *rest = NULL;

	if (n && strncmp(path, folder, n) == 0)
		rest = path + n;
	else if (m && strncmp(path, whole, m) == 0 && path[m] == '/')
		rest = path + m + 1;
	if (rest)
		snprintf(name, PATH_MAX, ARCHIVE_BESIDE "%s", rest);
	free(folder);
	free(whole);
	return rest && archive_name_ok(name);
}

static void add_named(struct collecting *c, const char *path)
{
	char name[PATH_MAX];

	if (!*path || c->error)
		return;
	if (name_of(c, path, name))
		add_file(c, name, path);
	else
		reason_add(&c->left_out, "%s", path);
}

static void add_manifests(struct collecting *c, const char *path)
{
	char name[PATH_MAX], prefix[PATH_MAX + 1];

	if (!name_of(c, path, name)) {
		reason_add(&c->left_out, "%s", path);
		return;
	}
	snprintf(prefix, sizeof(prefix), "%s/", name);
	add_folder(c, prefix, path, is_manifest);
}

static void add_cluster(struct collecting *c, const struct source_settings *source)
{
	struct kubeconfig config = {0};
	struct reason none = {0};

	add_named(c, source->path);
	if (kubeconfig_load(&config, source->path, source->context, &none) == 0) {
		add_named(c, config.ca_file);
		add_named(c, config.cert_file);
		add_named(c, config.key_file);
		add_named(c, config.token_file);
	}
	kubeconfig_clear(&config);
	reason_clear(&none);
}

// Files that sluice.conf takes in: @include "<path>"
static void add_includes(struct collecting *c)
{
	const struct archive_file *conf = archive_find(c->archive, ARCHIVE_CONF);
	const char *at = conf ? (const char *)conf->bytes : "";

	for (; *at; at += strcspn(at, "\n"), at += *at == '\n') {
		char path[PATH_MAX], *whole;

		if (sscanf(at, " @include \"%4000[^\"\n]\"", path) != 1)
			continue;
		whole = *path == '/' ? strdup(path) : backup_beside(c->place, path);
		if (whole)
			add_named(c, whole);
		free(whole);
	}
}

static void add_configuration(struct collecting *c)
{
	const struct settings *settings = c->place->settings;

	add_file(c, ARCHIVE_CONF, c->place->config_file);
	if (!c->error && !archive_find(c->archive, ARCHIVE_CONF))
		failed(c, c->place->config_file, -ENOENT);
	add_includes(c);
	for (unsigned i = 0; i < settings->source_count && !c->error; i++) {
		if (strcmp(settings->sources[i].kind, "kube") == 0)
			add_cluster(c, &settings->sources[i]);
		else
			add_manifests(c, settings->sources[i].path);
	}
	if (settings->api.certificate)
		add_named(c, settings->api.certificate);
	if (settings->api.key)
		add_named(c, settings->api.key);
}

static void add_about(struct collecting *c)
{
	const char *left = reason_text(&c->left_out);
	char host[256] = "?", *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);
	int error = -ENOMEM;

	gethostname(host, sizeof(host) - 1);
	if (out) {
		fprintf(out, "version %s\nhost %s\nmade %lld\n", SLUICE_VERSION, host,
			(long long)time(NULL));
		while (*left) {
			size_t line = strcspn(left, "\n");

			fputs("left-out ", out);
			fwrite(left, 1, line, out);
			fputc('\n', out);
			left += line + (left[line] == '\n');
		}
		fclose(out);
		error = archive_add(c->archive, ARCHIVE_ABOUT, text, length);
	}
	if (error)
		failed(c, ARCHIVE_ABOUT, error);
	free(text);
}

int backup_collect(const struct backup_place *place, struct archive *archive, struct reason *reason)
{
	struct collecting c = {.place = place, .archive = archive, .reason = reason};
	char path[PATH_MAX];

	*archive = (struct archive){0};
	add_configuration(&c);
	add_state(&c);
	snprintf(path, sizeof(path), "%s/revisions", place->state_dir);
	add_folder(&c, ARCHIVE_STATE "revisions/", path, backup_is_revision);
	if (!c.error)
		add_about(&c);
	reason_clear(&c.left_out);
	if (c.error)
		archive_clear(archive);
	return c.error;
}
