// SPDX-License-Identifier: BSD-3-Clause
#include "kube_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"

#define PURPOSE    "objects"
#define LONG_BYTES (256u << 20)

struct journal {
	char *path, *new_path;
	FILE *file, *new_file;
	size_t list_bytes, added_bytes;
	bool told;
	const struct seal *seal;
};

static void trouble(struct journal *j, const char *path)
{
	if (!j->told)
		log_warning("kube",
			"%s: cannot be written: %s: a start without the API server "
			"will not find these objects",
			path, strerror(errno));
	j->told = true;
}

static FILE *open_at(struct journal *j, const char *path, int flags)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | flags, 0600);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "a");

	if (!file) {
		trouble(j, path);
		if (fd >= 0)
			close(fd);
	}
	return file;
}

struct journal *journal_open(const char *folder, const char *name, const struct seal *seal)
{
	struct journal *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->seal = seal;
	mkdir(folder, 0700);
	if (asprintf(&j->path, "%s/%s.json", folder, name) < 0)
		j->path = NULL;
	if (asprintf(&j->new_path, "%s/%s.new", folder, name) < 0)
		j->new_path = NULL;
	if (!j->path || !j->new_path) {
		journal_close(j);
		return NULL;
	}
	unlink(j->new_path); // of a list that was not finished
	return j;
}

static void end(FILE **file)
{
	if (*file)
		fclose(*file);
	*file = NULL;
}

void journal_close(struct journal *j)
{
	if (!j)
		return;
	if (j->new_file && j->new_path)
		unlink(j->new_path);
	end(&j->new_file);
	end(&j->file);
	free(j->path);
	free(j->new_path);
	free(j);
}

void journal_remove(struct journal *j)
{
	if (!j)
		return;
	unlink(j->path);
	journal_close(j);
}

// One that does not open is left out: the API server has it.
static void visit_sealed(const struct journal *j, const char *line, size_t length,
	void (*visit)(void *arg, const char *line, size_t length), void *arg)
{
	char *plain = unseal_text(j->seal, PURPOSE, line, &length);

	if (!plain)
		return;
	visit(arg, plain, length);
	explicit_bzero(plain, length);
	free(plain);
}

bool journal_read(
	struct journal *j, void (*visit)(void *arg, const char *line, size_t length), void *arg)
{
	FILE *file = fopen(j->path, "re");
	char *line = NULL;
	size_t capacity = 0;
	ssize_t n;

	if (!file)
		return false;
	while ((n = getline(&line, &capacity, file)) > 0) {
		if (line[n - 1] != '\n') // it was not written to its end
			continue;
		if (j->seal)
			visit_sealed(j, line, (size_t)n - 1, visit, arg);
		else
			visit(arg, line, (size_t)n - 1);
	}
	free(line);
	fclose(file);
	return true;
}

void journal_begin(struct journal *j)
{
	end(&j->new_file);
	j->new_file = open_at(j, j->new_path, O_TRUNC);
	j->list_bytes = 0;
}

static void write_sealed(const struct journal *j, FILE *file, const char *bytes, size_t length)
{
	char *text = seal_text(j->seal, PURPOSE, bytes, length);

	if (text)
		fprintf(file, "%s\n", text);
	free(text);
}

// A line break in JSON stands between values only.
static void write_line(FILE *file, const char *bytes, size_t length)
{
	while (length) {
		size_t n = 0;

		while (n < length && bytes[n] != '\n' && bytes[n] != '\r')
			n++;
		fwrite(bytes, 1, n, file);
		if (n < length) {
			putc(' ', file);
			n++;
		}
		bytes += n;
		length -= n;
	}
	putc('\n', file);
}

static void add_line(struct journal *j, FILE *file, const char *bytes, size_t length)
{
	if (j->seal)
		write_sealed(j, file, bytes, length);
	else
		write_line(file, bytes, length);
}

void journal_add(struct journal *j, const char *bytes, size_t length)
{
	if (j->new_file) {
		add_line(j, j->new_file, bytes, length);
		j->list_bytes += length;
		return;
	}
	if (!j->file)
		j->file = open_at(j, j->path, O_APPEND);
	if (!j->file)
		return;
	add_line(j, j->file, bytes, length);
	j->added_bytes += length;
}

// Whole, as far as the kernel is concerned.
static bool end_written(FILE **file)
{
	bool failed = ferror(*file);

	failed |= fclose(*file) != 0;
	*file = NULL;
	return !failed;
}

void journal_commit(struct journal *j)
{
	if (!j->new_file)
		return;
	if (!end_written(&j->new_file) || rename(j->new_path, j->path) < 0) {
		trouble(j, j->new_path);
		unlink(j->new_path);
		return;
	}
	end(&j->file); // of what is no more
	j->added_bytes = 0;
	j->told = false;
}

// It is opened again when there is more: of a thousand journals few are written to.
void journal_flush(struct journal *j)
{
	if (j->file && !end_written(&j->file))
		trouble(j, j->path);
}

bool journal_is_long(const struct journal *j)
{
	return j->added_bytes > LONG_BYTES + j->list_bytes;
}
