// SPDX-License-Identifier: BSD-3-Clause
// The source `manifests`: a directory of YAML files, watched.
//
// Files that end in .yaml, .yml or .json and do not begin with a dot are read; each is an origin of
// the model. Whatever is told about the directory leads to a look, shortly after, so that changes
// that come together are one change: at the files told of, or else through the whole directory:
//
//	gone            its objects go
//	it is YAML      its objects are those in it now; mistakes in single objects are told
//	it is not       its objects stay as they were, and that is told
//	being written   left alone until it is closed, or has been quiet for a second
//	the directory   is gone: everything stays, and that is told, until it is back
//
// A look through the directory holds the loop for a slice at a time, but for the first; what is
// told meanwhile is looked at beside it. A slow timer begins one too: network file systems tell
// nothing.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cluster_internal.h"
#include "log.h"
#include "manifest_file.h"
#include "watch.h"

#define GATHER_MS 20 // from the first event to the look
#define FEW_MS    1  // the same when single files were told of, which are read alone
#define FEW       64
#define SLOW_MS   10000
#define FILES_MAX 65536

// A slice of a look.
#define SLICE     512
#define READ_COST 16 // of a file that is read, beside one that is looked at
#define NEXT_MS   1  // a timer of none would be run before anything else is

struct manifests {
	struct cluster *cluster;
	struct manifest_reader reader;
	uv_loop_t *loop;
	char *path;
	struct watch *watch;
	uv_timer_t gather, slow, step;
	unsigned open_handles;
	struct manifest_file **files; // sorted by name
	size_t file_count, file_capacity;
	struct manifest_file *told[FEW]; // that are to be looked at
	size_t told_count;
	bool whole;       // or all of them
	DIR *dir;         // of the look under way; NULL: there is none
	bool found_links; // in it, so far
	bool links;       // some file is one elsewhere
	bool missing;     // told that the directory is not there
};

static void on_gather(uv_timer_t *timer);
static void on_step(uv_timer_t *timer);

// Only an earlier look may replace one that is due.
static void look_within(struct manifests *m, uint64_t ms)
{
	if (!uv_is_active((uv_handle_t *)&m->gather) || uv_timer_get_due_in(&m->gather) > ms)
		uv_timer_start(&m->gather, on_gather, ms, 0);
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

static struct manifest_file *file_at(struct manifests *m, const char *name)
{
	bool there;
	size_t at = file_position(m, name, &there);
	struct manifest_file *file;

	if (there)
		return m->files[at];
	if (m->file_count == FILES_MAX)
		return NULL;
	if (m->file_count == m->file_capacity) {
		size_t capacity = m->file_capacity ? m->file_capacity * 2 : 64;
		struct manifest_file **files =
			realloc(m->files, capacity * sizeof(struct manifest_file *));

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
	memmove(m->files + at + 1, m->files + at,
		(m->file_count - at) * sizeof(struct manifest_file *));
	m->files[at] = file;
	m->file_count++;
	return file;
}

static void file_free(struct manifest_file *file)
{
	free(file->name);
	free(file);
}

static void look_at_later(struct manifests *m, struct manifest_file *file)
{
	for (size_t i = 0; i < m->told_count; i++)
		if (m->told[i] == file)
			return;
	if (m->told_count < FEW)
		m->told[m->told_count++] = file;
	else
		m->whole = true;
}

// False: it is none to read, or is gone.
static bool look_at(struct manifests *m, struct manifest_file *file, int dir)
{
	uint64_t now = uv_now(m->loop);
	enum manifest_found found = manifest_file_look(&m->reader, file, dir, now);

	if (found == MANIFEST_BUSY) {
		look_at_later(m, file);
		look_within(m, MANIFEST_QUIET_MS - (now - file->modified_ms));
	}
	file->seen = found != MANIFEST_GONE;
	return file->seen;
}

static void drop_unseen(struct manifests *m)
{
	size_t left = 0;

	for (size_t i = 0; i < m->told_count; i++)
		m->told[i]->seen = true; // it is seen to when it is looked at
	for (size_t i = 0; i < m->file_count; i++) {
		struct manifest_file *file = m->files[i];

		if (file->seen) {
			m->files[left++] = file;
			continue;
		}
		manifest_file_drop(&m->reader, file);
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
	manifest_tell(&m->reader, m->path, 0, text);
}

static void directory_found(struct manifests *m)
{
	if (!m->missing)
		return;
	model_set_problems(m->cluster->model, m->cluster->name, m->path, NULL, 0);
	m->missing = false;
	m->reader.changed = true;
}

static void look_at_entry(struct manifests *m, const struct dirent *entry)
{
	struct manifest_file *file;
	char path[PATH_MAX];

	if (!is_manifest(entry->d_name))
		return;
	file = file_at(m, entry->d_name);
	if (!file) {
		manifest_tell(&m->reader, m->path, 0, "more than 65536 files, or out of memory");
		return;
	}
	if ((entry->d_type == DT_LNK || entry->d_type == DT_UNKNOWN) &&
		(size_t)snprintf(path, sizeof(path), "%s/%s", m->path, entry->d_name) <
			sizeof(path)) {
		watch_target(m->watch, path);
		m->found_links = m->links = true;
	}
	look_at(m, file, dirfd(m->dir));
}

static void end_look(struct manifests *m)
{
	closedir(m->dir);
	m->dir = NULL;
	m->links = m->found_links;
	drop_unseen(m);
	watch_end(m->watch);
	if (!m->cluster->synced) {
		m->cluster->synced = true;
		m->reader.changed = true;
	}
	if (m->whole)
		look_within(m, GATHER_MS);
}

// Goes on with a look; `most`: to its end.
static void step(struct manifests *m, bool most)
{
	unsigned read = m->reader.read, entries = 0;
	const struct dirent *entry;

	while ((entry = readdir(m->dir))) {
		look_at_entry(m, entry);
		entries++;
		if (!most && entries + (m->reader.read - read) * READ_COST >= SLICE) {
			uv_timer_start(&m->step, on_step, NEXT_MS, 0);
			return;
		}
	}
	end_look(m);
}

static void begin_look(struct manifests *m, bool most)
{
	m->whole = m->found_links = false;
	m->told_count = 0;
	for (size_t i = 0; i < m->file_count; i++)
		m->files[i]->seen = false;
	watch_begin(m->watch);
	watch_directory(m->watch, m->path); // before reading, so that nothing falls in between
	m->dir = opendir(m->path);
	if (m->dir) {
		directory_found(m);
		step(m, most);
	} else {
		directory_missing(m, errno);
		watch_end(m->watch);
	}
}

// Those told of. False: they are not all there, regular and in a directory without links; then
// something else may have changed, too.
static bool look_at_told(struct manifests *m)
{
	struct manifest_file *told[FEW];
	size_t count = m->told_count;
	struct stat st;
	int dir = -1;
	bool all;

	memcpy(told, m->told, sizeof(told));
	m->told_count = 0;
	if (!m->links && !m->missing && count)
		dir = open(m->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	all = dir >= 0;
	for (size_t i = 0; all && i < count; i++)
		all = fstatat(dir, told[i]->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		      S_ISREG(st.st_mode) && look_at(m, told[i], dir);
	if (dir >= 0)
		close(dir);
	return all;
}

static void tell_changed(struct manifests *m)
{
	if (!m->reader.changed)
		return;
	m->reader.changed = false;
	m->cluster->handlers.changed(m->cluster->handlers.arg);
}

static void on_gather(uv_timer_t *timer)
{
	struct manifests *m = timer->data;

	if (!m->whole && look_at_told(m)) {
		tell_changed(m);
		return;
	}
	m->whole = true;
	if (m->dir)
		return; // there will be another when it has come to its end
	begin_look(m, false);
	if (!m->dir)
		tell_changed(m);
}

static void on_slow(uv_timer_t *timer)
{
	struct manifests *m = timer->data;

	m->whole = true;
	on_gather(&m->gather);
}

static void on_step(uv_timer_t *timer)
{
	struct manifests *m = timer->data;

	step(m, false);
	if (!m->dir)
		tell_changed(m);
}

static void on_event(void *arg, enum watch_event event, const char *name)
{
	struct manifests *m = arg;
	struct manifest_file *file = name && is_manifest(name) ? file_at(m, name) : NULL;

	if (name && !is_manifest(name) && !m->links)
		return;
	if (!file || event == WATCH_LOST)
		m->whole = true;
	else
		look_at_later(m, file);
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
	look_within(m, m->whole || m->links ? GATHER_MS : FEW_MS);
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
	m->reader = (struct manifest_reader){.cluster = cluster, .path = m->path};
	m->loop = loop;
	uv_timer_init(loop, &m->gather);
	uv_timer_init(loop, &m->slow);
	uv_timer_init(loop, &m->step);
	m->gather.data = m->slow.data = m->step.data = m;
	m->open_handles = 4;
	cluster->state = m;
	begin_look(m, true);
	m->reader.changed = false; // whoever opens it sees that
	uv_timer_start(&m->slow, on_slow, SLOW_MS, SLOW_MS);
	return 0;
}

static void manifests_close(struct cluster *cluster)
{
	struct manifests *m = cluster->state;

	if (m->dir)
		closedir(m->dir);
	m->dir = NULL;
	watch_close(m->watch);
	uv_close((uv_handle_t *)&m->gather, on_timer_closed);
	uv_close((uv_handle_t *)&m->slow, on_timer_closed);
	uv_close((uv_handle_t *)&m->step, on_timer_closed);
}

// Its problems are the model's.
static void manifests_state(const struct cluster *cluster, struct cluster_state *state)
{
	const struct manifests *m = cluster->state;

	memcpy(state->objects, m->reader.objects, sizeof(state->objects));
}

const struct cluster_kind cluster_manifests = {
	.name = "manifests",
	.open = manifests_open,
	.close = manifests_close,
	.state = manifests_state, // nothing is written to files that people keep, nobody is asked
};
