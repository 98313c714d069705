// SPDX-License-Identifier: BSD-3-Clause
// The source `manifests`: a directory of YAML files, watched.
//
// Files that end in .yaml, .yml or .json and do not begin with a dot are read; each is an origin of
// the model. Whatever is told about the directory leads to one scan of it, shortly after, so that
// changes that come together are one change. A scan reads what is new or has changed:
//
//	gone                     its objects go
//	read, and it is YAML     its objects are those in it now; mistakes in single objects are
// told 	not YAML, not readable   its objects stay as they were, and that is told still being
// written left alone until it is closed, or has been quiet for a second 	the directory is
// gone    everything stays, and that is told, until it is back
//
// A slow timer scans too: network file systems tell nothing.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cluster_internal.h"
#include "decode.h"
#include "log.h"
#include "watch.h"
#include "yaml_tree.h"

#define GATHER_MS 20 // from the first event to the scan
#define FEW_MS    1  // the same when single files were told of, which are read alone
#define FEW       64
#define QUIET_MS  1000 // a file nobody closes is read after this
#define SLOW_MS   10000
#define FILES_MAX 65536

struct file {
	char *name;
	struct timespec mtime, ctime;
	off_t size;
	dev_t dev;
	ino_t ino;
	bool seen;    // in this scan
	bool known;   // read once
	bool dirty;   // told to have changed: read whatever the times say
	bool writing; // modified and not closed since `modified_ms`
	uint64_t modified_ms;
	size_t object_count;
};

struct manifests {
	struct cluster *cluster;
	uv_loop_t *loop;
	char *path;
	struct watch *watch;
	uv_timer_t gather, slow;
	unsigned open_handles;
	struct file **files; // sorted by name
	size_t file_count, file_capacity;
	struct file *told[FEW]; // of which the watch has told since the last scan
	size_t told_count;
	bool whole;   // it has told of something else
	bool links;   // some file is one elsewhere
	bool missing; // told that the directory is not there
	bool changed; // in this scan
};

static void on_timer(uv_timer_t *timer);

// Only an earlier scan may replace one that is due.
static void scan_within(struct manifests *m, uint64_t ms)
{
	if (!uv_is_active((uv_handle_t *)&m->gather) || uv_timer_get_due_in(&m->gather) > ms)
		uv_timer_start(&m->gather, on_timer, ms, 0);
}

static bool is_manifest(const char *name)
{
	const char *ending = strrchr(name, '.');

	return name[0] != '.' && ending &&
	       (strcmp(ending, ".yaml") == 0 || strcmp(ending, ".yml") == 0 ||
		       strcmp(ending, ".json") == 0);
}

// The position of the name, or where it would be.
static size_t file_position(const struct manifests *m, const char *name, bool *there)
{
	size_t low = 0, high = m->file_count;

	*there = false;
	while (low < high) {
		size_t middle = (low + high) / 2;
		int order = strcmp(m->files[middle]->name, name);

		if (order == 0) {
			*there = true;
			return middle;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct file *file_at(struct manifests *m, const char *name)
{
	bool there;
	size_t at = file_position(m, name, &there);
	struct file *file;

	if (there)
		return m->files[at];
	if (m->file_count == FILES_MAX)
		return NULL;
	if (m->file_count == m->file_capacity) {
		size_t capacity = m->file_capacity ? m->file_capacity * 2 : 64;
		struct file **files = realloc(m->files, capacity * sizeof(struct file *));

		if (!files)
			return NULL;
		m->files = files;
		m->file_capacity = capacity;
	}
	file = calloc(1, sizeof(*file));
	if (!file)
		return NULL;
	file->name = strdup(name);
	if (!file->name) {
		free(file);
		return NULL;
	}
	memmove(m->files + at + 1, m->files + at, (m->file_count - at) * sizeof(struct file *));
	m->files[at] = file;
	m->file_count++;
	return file;
}

static void file_free(struct file *file)
{
	free(file->name);
	free(file);
}

// Keeps the objects of an origin and tells what is wrong with it.
static void tell(struct manifests *m, const char *origin, unsigned line, const char *text)
{
	char where[PATH_MAX + 16];
	struct model_problem problem = {.object = origin, .where = where, .text = text};

	snprintf(where, sizeof(where), line ? "%s:%u" : "%s", origin, line);
	log_warning("manifests", "%s: %s", where, text);
	model_set_problems(m->cluster->model, m->cluster->name, origin, &problem, 1);
	m->changed = true;
}

static int visit(const struct tree *document, void *arg)
{
	return decode_document(arg, document);
}

static void take(
	struct manifests *m, struct file *file, const char *path, const char *bytes, size_t length)
{
	struct decode decode = {.cluster = m->cluster->name, .origin = path};
	struct yaml_error error;
	char text[sizeof(error.text) + 80];
	int rc = yaml_read(bytes, length, visit, &decode, &error);

	if (rc == 0)
		rc = decode_finish(&decode, m->cluster->model);
	if (rc == 0) {
		rc = model_replace(m->cluster->model, m->cluster->name, path, decode.objects,
			decode.object_count, decode.problems, decode.problem_count);
		if (rc == 0)
			file->object_count = decode.object_count;
		decode.object_count = 0; // the model's now, or freed by it
	}
	if (rc == 0) {
		for (size_t i = 0; i < decode.problem_count; i++)
			log_warning("manifests", "%s: %s", decode.problems[i].where,
				decode.problems[i].text);
		m->changed = true;
	} else if (rc == -EBADMSG) {
		snprintf(text, sizeof(text), "%s%s", error.text,
			file->object_count ? "; what the file said before stays until it is mended"
					   : "");
		tell(m, path, error.line, text);
	} else {
		tell(m, path, 0, "out of memory; what the file said before stays");
	}
	decode_clear(&decode);
}

static bool same_file(const struct file *file, const struct stat *st)
{
	return file->known && !file->dirty && file->size == st->st_size &&
	       file->dev == st->st_dev && file->ino == st->st_ino &&
	       memcmp(&file->mtime, &st->st_mtim, sizeof(st->st_mtim)) == 0 &&
	       memcmp(&file->ctime, &st->st_ctim, sizeof(st->st_ctim)) == 0;
}

static void remember(struct file *file, const struct stat *st)
{
	file->known = true;
	file->dirty = false;
	file->size = st->st_size;
	file->dev = st->st_dev;
	file->ino = st->st_ino;
	file->mtime = st->st_mtim;
	file->ctime = st->st_ctim;
}

static void read_whole(
	struct manifests *m, struct file *file, const char *path, int fd, size_t size)
{
	char text[128];
	char *bytes;
	size_t length = 0;
	ssize_t n = 0;

	if (size > YAML_BYTES_MAX) {
		tell(m, path, 0, "larger than 64 MB, which is not read; split it");
		return;
	}
	bytes = malloc(size + 1);
	while (bytes && length < size && (n = read(fd, bytes + length, size - length)) > 0)
		length += (size_t)n;
	if (!bytes || n < 0) {
		snprintf(text, sizeof(text), "cannot be read: %s", strerror(errno));
		tell(m, path, 0, text);
	} else {
		take(m, file, path, bytes, length);
	}
	if (bytes)
		explicit_bzero(bytes, length); // private keys may be in it
	free(bytes);
}

// False: there is no such file, or it is none to read.
static bool scan_file(struct manifests *m, struct file *file, const char *path)
{
	uint64_t now = uv_now(m->loop);
	struct stat st;
	char text[128];
	int fd;

	if (stat(path, &st) < 0) {
		if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP)
			return false;
		snprintf(text, sizeof(text), "cannot be looked at: %s", strerror(errno));
		tell(m, path, 0, text);
		return true;
	}
	if (!S_ISREG(st.st_mode))
		return false;
	if (file->writing && now - file->modified_ms < QUIET_MS) {
		uv_timer_start(
			&m->gather, m->gather.timer_cb, QUIET_MS - (now - file->modified_ms), 0);
		return true;
	}
	file->writing = false;
	if (same_file(file, &st))
		return true;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 && errno == ENOENT)
		return false;
	if (fd < 0 || fstat(fd, &st) < 0) {
		snprintf(text, sizeof(text), "cannot be opened: %s", strerror(errno));
		tell(m, path, 0, text);
	} else if (S_ISREG(st.st_mode)) {
		read_whole(m, file, path, fd, (size_t)st.st_size);
	}
	remember(file, &st);
	if (fd >= 0)
		close(fd);
	return true;
}

static void drop_unseen(struct manifests *m)
{
	char path[PATH_MAX];
	size_t left = 0;

	for (size_t i = 0; i < m->file_count; i++) {
		struct file *file = m->files[i];

		if (file->seen) {
			m->files[left++] = file;
			continue;
		}
		if (file->known) {
			snprintf(path, sizeof(path), "%s/%s", m->path, file->name);
			model_replace(m->cluster->model, m->cluster->name, path, NULL, 0, NULL, 0);
			m->changed = true;
		}
		file_free(file);
	}
	m->file_count = left;
}

static void directory_missing(struct manifests *m, int error)
{
	char text[256];

	if (m->missing)
		return;
	m->missing = true;
	snprintf(text, sizeof(text), "the directory cannot be read: %s; %s", strerror(error),
		m->cluster->synced ? "what it held stays in force until it is back"
				   : "it is waited for");
	tell(m, m->path, 0, text);
}

static void scan_directory(struct manifests *m, DIR *dir)
{
	char path[PATH_MAX];
	const struct dirent *entry;

	if (m->missing) {
		model_set_problems(m->cluster->model, m->cluster->name, m->path, NULL, 0);
		m->missing = false;
		m->changed = true;
	}
	m->links = false;
	for (size_t i = 0; i < m->file_count; i++)
		m->files[i]->seen = false;
	while ((entry = readdir(dir))) {
		struct file *file;

		if (!is_manifest(entry->d_name) || (size_t)snprintf(path, sizeof(path), "%s/%s",
							   m->path, entry->d_name) >= sizeof(path))
			continue;
		file = file_at(m, entry->d_name);
		if (!file) {
			tell(m, m->path, 0, "more than 65536 files, or out of memory");
			continue;
		}
		if (entry->d_type == DT_LNK || entry->d_type == DT_UNKNOWN) {
			watch_target(m->watch, path);
			m->links = true;
		}
		file->seen = scan_file(m, file, path);
	}
	drop_unseen(m);
	if (!m->cluster->synced) {
		m->cluster->synced = true;
		m->changed = true;
	}
}

static void scan(struct manifests *m)
{
	DIR *dir;

	watch_begin(m->watch);
	watch_directory(m->watch, m->path); // before reading, so that nothing falls in between
	dir = opendir(m->path);
	if (dir) {
		scan_directory(m, dir);
		closedir(dir);
	} else {
		directory_missing(m, errno);
	}
	watch_end(m->watch);
}

// The files told of are there, regular, and known: nothing else can have changed.
static bool scan_told(struct manifests *m)
{
	char path[PATH_MAX];
	bool all = !m->whole && !m->links && !m->missing && m->told_count;
	struct stat st;

	for (size_t i = 0; all && i < m->told_count; i++)
		all = (size_t)snprintf(path, sizeof(path), "%s/%s", m->path, m->told[i]->name) <
			      sizeof(path) &&
		      lstat(path, &st) == 0 && S_ISREG(st.st_mode) &&
		      scan_file(m, m->told[i], path);
	return all;
}

static void on_timer(uv_timer_t *timer)
{
	struct manifests *m = timer->data;

	m->changed = false;
	if (timer == &m->slow || !scan_told(m))
		scan(m);
	m->told_count = 0;
	m->whole = false;
	if (m->changed)
		m->cluster->handlers.changed(m->cluster->handlers.arg);
}

static void on_event(void *arg, enum watch_event event, const char *name)
{
	struct manifests *m = arg;
	struct file *file = name && is_manifest(name) ? file_at(m, name) : NULL;

	if (name && !is_manifest(name) && !m->links)
		return;
	m->whole |= !file || !file->known || event == WATCH_LOST || m->told_count == FEW;
	if (!m->whole)
		m->told[m->told_count++] = file;
	switch (event) {
	case WATCH_MODIFIED:
		if (!file)
			return;
		file->writing = file->dirty = true;
		file->modified_ms = uv_now(m->loop);
		break;
	case WATCH_SETTLED:
		if (file) {
			file->writing = false;
			file->dirty = true;
		}
		break;
	case WATCH_LOST:
		for (size_t i = 0; i < m->file_count; i++)
			m->files[i]->dirty = true;
		break;
	}
	scan_within(m, m->whole || m->links ? GATHER_MS : FEW_MS);
}

static void manifests_free(struct manifests *m)
{
	for (size_t i = 0; i < m->file_count; i++)
		file_free(m->files[i]);
	free(m->files);
	free(m->path);
	free(m);
}

static void on_closed(void *arg)
{
	struct manifests *m = arg;

	if (--m->open_handles)
		return;
	cluster_freed(m->cluster);
	manifests_free(m);
}

static void on_timer_closed(uv_handle_t *handle)
{
	on_closed(handle->data);
}

static int manifests_open(struct cluster *cluster, uv_loop_t *loop,
	const struct source_settings *settings, struct reason *reason)
{
	struct manifests *m = calloc(1, sizeof(*m));
	const struct watch_handlers handlers = {m, on_event, on_closed};
	size_t n = strlen(settings->path);
	int rc = -ENOMEM;

	if (!m)
		return -ENOMEM;
	while (n > 1 && settings->path[n - 1] == '/')
		n--;
	m->path = strndup(settings->path, n);
	if (m->path)
		rc = watch_open(&m->watch, loop, &handlers);
	if (rc < 0) {
		reason_add(reason, "source \"%s\": %s cannot be watched: %s", settings->name,
			settings->path, strerror(-rc));
		manifests_free(m);
		return rc;
	}
	m->cluster = cluster;
	m->loop = loop;
	uv_timer_init(loop, &m->gather);
	uv_timer_init(loop, &m->slow);
	m->gather.data = m->slow.data = m;
	m->open_handles = 3;
	cluster->state = m;
	scan(m);
	uv_timer_start(&m->slow, on_timer, SLOW_MS, SLOW_MS);
	return 0;
}

static void manifests_close(struct cluster *cluster)
{
	struct manifests *m = cluster->state;

	watch_close(m->watch);
	uv_close((uv_handle_t *)&m->gather, on_timer_closed);
	uv_close((uv_handle_t *)&m->slow, on_timer_closed);
}

const struct cluster_kind cluster_manifests = {
	"manifests", manifests_open, manifests_close,
	NULL,       // its problems are the model's
	NULL, NULL, // nothing is written to files that people keep, nobody is asked
};
