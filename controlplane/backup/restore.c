// SPDX-License-Identifier: BSD-3-Clause
// From an archive to the disk. See backup.h.
#include "backup.h"

#include "sealed_file.h"
#include "settings_keys.h"
#include "whole_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LIST      "restoring"
#define BESIDE    ".restored"
#define BEGUN     "begun\n"
#define WHOLE     "whole\n"
#define LINE_PUT  "put "
#define LINE_OFF  "off "
#define LINE_ALL  "dataplane\n"
#define REVISIONS "revisions/"

struct staging {
	const struct backup_place *place;
	const struct archive *archive;
	struct reason *reason;
	char **paths; // of the archive's files, in its order; NULL: not written
};

static const struct backup_kept *kept_by(const char *name)
{
	for (unsigned i = 0; backup_kept[i].name; i++)
		if (strcmp(backup_kept[i].name, name) == 0)
			return &backup_kept[i];
	return NULL;
}

static bool is_known(const char *name)
{
	size_t n = strlen(ARCHIVE_STATE);

	if (strncmp(name, ARCHIVE_STATE, n) != 0)
		return strncmp(name, ARCHIVE_SUPPORT, strlen(ARCHIVE_SUPPORT)) != 0;
	name += n;
	n = strlen(REVISIONS);
	return kept_by(name) || (strncmp(name, REVISIONS, n) == 0 && backup_is_revision(name + n));
}

// What may be there, and that the box would run with it.
static int check(const struct staging *s)
{
	const struct archive_file *conf = archive_find(s->archive, ARCHIVE_CONF);
	const struct settings *now = s->place->settings;
	struct settings *settings;
	int error = -EINVAL;

	for (unsigned i = 0; i < s->archive->count; i++)
		if (!is_known(s->archive->files[i].name))
			reason_add(s->reason, "%s: the backup has what this version does not know",
				s->archive->files[i].name);
	if (!conf || strlen((const char *)conf->bytes) != conf->length) {
		reason_add(s->reason, "the backup has no configuration");
		return error;
	}
	settings_check_text((const char *)conf->bytes, s->place->config_file,
		"the backup's sluice.conf", s->reason);
	if (s->reason->count)
		return error;
	settings = settings_parse((const char *)conf->bytes, s->place->config_file, s->reason);
	if (!settings)
		return error;
	if (strcmp(settings->state_dir, now->state_dir) != 0)
		reason_add(s->reason,
			"state_dir: the backup says %s, this box has %s: start it with that first",
			settings->state_dir, now->state_dir);
	else if (strcmp(settings->run_dir, now->run_dir) != 0)
		reason_add(s->reason,
			"run_dir: the backup says %s, this box has %s: start it with that first",
			settings->run_dir, now->run_dir);
	else
		error = 0;
	settings_free(settings);
	return error;
}

// Where the file goes; to be freed. A link goes on leading where it does.
static char *path_of(const struct staging *s, const char *name)
{
	char *path = NULL, *followed;

	if (strcmp(name, ARCHIVE_CONF) == 0)
		path = strdup(s->place->config_file);
	else if (strncmp(name, ARCHIVE_BESIDE, strlen(ARCHIVE_BESIDE)) == 0)
		path = backup_beside(s->place, name + strlen(ARCHIVE_BESIDE));
	else if (asprintf(&path, "%s/%s", s->place->state_dir, name + strlen(ARCHIVE_STATE)) < 0)
		path = NULL;
	followed = path ? realpath(path, NULL) : NULL;
	if (!followed)
		return path;
	free(path);
	return followed;
}

static void make_folders(const char *path, mode_t mode)
{
	char *copy = strdup(path);

	for (char *at = copy ? copy + 1 : NULL; at && *at; at++)
		if (*at == '/') {
			*at = '\0';
			mkdir(copy, mode);
			*at = '/';
		}
	free(copy);
}

// The list of what is done, replaced whole: `head`, then what is put and what goes.
static int write_list(const struct staging *s, const char *head, const char *off, bool dataplane)
{
	char path[PATH_MAX], *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);
	int error = -ENOMEM;

	if (!out)
		return error;
	fputs(head, out);
	for (unsigned i = 0; i < s->archive->count; i++)
		if (s->paths[i])
			fprintf(out, LINE_PUT "%s\n", s->paths[i]);
	fputs(off, out);
	if (dataplane)
		fputs(LINE_ALL, out);
	snprintf(path, sizeof(path), "%s/" LIST, s->place->state_dir);
	if (fclose(out) == 0)
		error = whole_file_write(
			&(struct whole_file){path, 0600, false}, text, length, s->reason);
	free(text);
	return error;
}

// What the archive does not have goes: "off <path>" lines. The unconfirmed commit never is in it.
static char *list_off(const struct staging *s)
{
	char path[PATH_MAX], name[64], *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);
	struct dirent *entry;
	DIR *dir;

	if (!out)
		return NULL;
	for (unsigned i = 0; backup_kept[i].name; i++) {
		snprintf(name, sizeof(name), ARCHIVE_STATE "%s", backup_kept[i].name);
		if (!archive_find(s->archive, name))
			fprintf(out, LINE_OFF "%s/%s\n", s->place->state_dir, backup_kept[i].name);
	}
	snprintf(path, sizeof(path), "%s/revisions", s->place->state_dir);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		if (!backup_is_revision(entry->d_name) && strcmp(entry->d_name, "unconfirmed") != 0)
			continue;
		snprintf(name, sizeof(name), ARCHIVE_STATE REVISIONS "%.40s", entry->d_name);
		if (!archive_find(s->archive, name))
			fprintf(out, LINE_OFF "%s/%s\n", path, entry->d_name);
	}
	if (dir)
		closedir(dir);
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

// As what is there is; what is new is for root alone, but for manifests.
static void take_mode(const char *path, const struct backup_kept *kept, struct stat *as)
{
	const char *ending = strrchr(path, '.');

	if (stat(path, as) == 0)
		return;
	*as = (struct stat){.st_mode = 0600, .st_uid = (uid_t)-1, .st_gid = (gid_t)-1};
	if (kept)
		as->st_mode = kept->mode;
	else if (ending && (strcmp(ending, ".yaml") == 0 || strcmp(ending, ".yml") == 0))
		as->st_mode = 0644;
}

static int write_beside(const struct staging *s, unsigned i)
{
	const struct archive_file *file = &s->archive->files[i];
	bool state = strncmp(file->name, ARCHIVE_STATE, strlen(ARCHIVE_STATE)) == 0;
	const struct backup_kept *kept = state ? kept_by(file->name + strlen(ARCHIVE_STATE)) : NULL;
	char beside[PATH_MAX];
	struct stat as;
	int error;

	if ((size_t)snprintf(beside, sizeof(beside), "%s" BESIDE, s->paths[i]) >= sizeof(beside))
		return -ENAMETOOLONG;
	take_mode(s->paths[i], kept, &as);
	make_folders(beside, state ? 0700 : 0755);
	if (kept && kept->sealed)
		return sealed_file_write(&(struct sealed_file){beside, s->place->seal, kept->name},
			file->bytes, file->length, s->reason);
	error = whole_file_write(&(struct whole_file){beside, as.st_mode & 0777, false},
		file->bytes, file->length, s->reason);
	if (!error && as.st_uid != (uid_t)-1 && chown(beside, as.st_uid, as.st_gid) < 0 &&
		geteuid() == 0)
		error = -errno;
	return error;
}

static void remove_beside(const char *path)
{
	char beside[PATH_MAX];

	snprintf(beside, sizeof(beside), "%s" BESIDE, path);
	unlink(beside);
}

static int write_all(const struct staging *s)
{
	int error = 0;

	for (unsigned i = 0; !error && i < s->archive->count; i++)
		if (s->paths[i])
			error = write_beside(s, i);
	if (!error)
		return 0;
	for (unsigned i = 0; i < s->archive->count; i++)
		if (s->paths[i])
			remove_beside(s->paths[i]);
	return error;
}

static int find_paths(struct staging *s)
{
	s->paths = calloc(s->archive->count + 1, sizeof(char *));
	if (!s->paths)
		return -ENOMEM;
	for (unsigned i = 0; i < s->archive->count; i++) {
		if (strcmp(s->archive->files[i].name, ARCHIVE_ABOUT) == 0)
			continue;
		s->paths[i] = path_of(s, s->archive->files[i].name);
		if (!s->paths[i])
			return -ENOMEM;
	}
	return 0;
}

int restore_stage(const struct backup_place *place, const struct archive *archive, bool dataplane,
	struct reason *reason)
{
	struct staging s = {.place = place, .archive = archive, .reason = reason};
	char list[PATH_MAX], *off = NULL;
	int error = check(&s);

	if (!error)
		error = find_paths(&s);
	if (!error && !(off = list_off(&s)))
		error = -ENOMEM;
	if (!error)
		error = write_list(&s, BEGUN, "", false);
	if (!error) {
		error = write_all(&s);
		if (!error)
			error = write_list(&s, WHOLE, off, dataplane);
		snprintf(list, sizeof(list), "%s/" LIST, place->state_dir);
		if (error)
			unlink(list);
	}
	if (error && !reason->count)
		reason_add(reason, "the backup cannot be put back: %s", strerror(-error));
	for (unsigned i = 0; s.paths && i < archive->count; i++)
		free(s.paths[i]);
	free(s.paths);
	free(off);
	return error;
}

// One line of the list. What was done before a power failure is done.
static int finish_line(const char *line, bool whole, struct reason *reason)
{
	size_t n = strlen(LINE_PUT);
	char beside[PATH_MAX];

	if (!whole && strncmp(line, LINE_PUT, n) == 0) {
		remove_beside(line + n);
	} else if (strncmp(line, LINE_PUT, n) == 0) {
		snprintf(beside, sizeof(beside), "%s" BESIDE, line + n);
		if (rename(beside, line + n) < 0 && errno != ENOENT) {
			reason_add(reason, "%s: cannot be put back: %s", line + n, strerror(errno));
			return -EIO;
		}
	} else if (whole && strncmp(line, LINE_OFF, n) == 0) {
		unlink(line + n);
	}
	return 0;
}

enum restored restore_finish(const char *state_dir, struct reason *reason)
{
	char path[PATH_MAX], *line = NULL;
	enum restored result = RESTORED_NOTHING;
	bool whole = false;
	size_t size = 0;
	ssize_t n;
	int error = 0, fd;
	FILE *list;

	snprintf(path, sizeof(path), "%s/" LIST, state_dir);
	list = fopen(path, "re");
	if (!list)
		return result;
	for (unsigned i = 0; (n = getline(&line, &size, list)) > 0; i++) {
		if (i == 0 && strcmp(line, WHOLE) == 0) {
			whole = true;
			result = RESTORED;
		}
		if (whole && strcmp(line, LINE_ALL) == 0)
			result = RESTORED_DATAPLANE;
		if (line[n - 1] == '\n')
			line[n - 1] = '\0';
		if (finish_line(line, whole, reason))
			error = -EIO;
	}
	free(line);
	fclose(list);
	if (error) // as far as it went; the list stays for the next start
		return result;
	sync(); // the moves, before the list of them goes
	unlink(path);
	fd = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
	return result;
}
