// SPDX-License-Identifier: BSD-3-Clause
#include "apply.h"

#include "settings.h"
#include "whole_file.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <pwd.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static bool all_run(int fd, const struct hardware *hardware)
{
	for (unsigned i = 0; i < hardware->nic_count; i++) {
		struct ifreq request = {0};

		if (!*hardware->nics[i].netdev)
			continue;
		memcpy(request.ifr_name, hardware->nics[i].netdev, IFNAMSIZ);
		if (ioctl(fd, SIOCGIFFLAGS, &request) == 0 && !(request.ifr_flags & IFF_RUNNING))
			return false;
	}
	return true;
}

// Whether it was down and is up now, or the other way round.
static bool turn_link(int fd, const char *netdev, bool up)
{
	struct ifreq request = {0};

	memcpy(request.ifr_name, netdev, IFNAMSIZ);
	if (!*netdev || ioctl(fd, SIOCGIFFLAGS, &request) || !(request.ifr_flags & IFF_UP) != up)
		return false;
	request.ifr_flags ^= IFF_UP;
	return ioctl(fd, SIOCSIFFLAGS, &request) == 0;
}

uint64_t apply_links_up(const struct hardware *hardware, unsigned wait_ms)
{
	const struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int events = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	uint64_t until = now_ms() + wait_ms, raised = 0;

	if (events >= 0 && bind(events, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		close(events);
		events = -1;
	}
	for (unsigned i = 0; fd >= 0 && i < hardware->nic_count && i < 64; i++)
		if (turn_link(fd, hardware->nics[i].netdev, true))
			raised |= UINT64_C(1) << i;
	while (fd >= 0 && events >= 0 && !all_run(fd, hardware) && now_ms() < until) {
		struct pollfd wait = {.fd = events, .events = POLLIN};
		char bytes[8192];

		poll(&wait, 1, (int)(until - now_ms()));
		while (recv(events, bytes, sizeof(bytes), 0) > 0)
			;
	}
	if (events >= 0)
		close(events);
	if (fd >= 0)
		close(fd);
	return raised;
}

void apply_links_down(const struct hardware *hardware, uint64_t raised)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return;
	for (unsigned i = 0; i < hardware->nic_count && i < 64; i++)
		if (raised >> i & 1)
			turn_link(fd, hardware->nics[i].netdev, false);
	close(fd);
}

// The folders above a file.
static void make_folders(char *path)
{
	for (char *at = path + 1; *at; at++)
		if (*at == '/') {
			*at = '\0';
			mkdir(path, 0755);
			*at = '/';
		}
}

struct text {
	char *bytes;
	size_t length;
};

static int write_at(const char *root, const char *name, const struct text *text, mode_t mode,
	struct reason *reason)
{
	struct whole_file whole = {.mode = mode};
	char *path;
	int error;

	if (asprintf(&path, "%s%s", root, name) < 0)
		return -ENOMEM;
	make_folders(path);
	whole.path = path;
	error = whole_file_write(&whole, text->bytes, text->length, reason);
	free(path);
	return error;
}

// Is it a configuration? Read back as the two processes will read it.
static int check_conf(const struct text *text, struct reason *reason)
{
	char path[] = "/tmp/sluice-setup-XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);
	struct settings *settings;

	if (fd < 0 || write(fd, text->bytes, text->length) != (ssize_t)text->length) {
		int error = errno ? -errno : -EIO;

		if (fd >= 0)
			close(fd);
		reason_add(reason, "%s: cannot be written: %s", path, strerror(-error));
		return error;
	}
	close(fd);
	settings = settings_read(path, reason);
	unlink(path);
	settings_free(settings);
	return settings ? 0 : -EINVAL;
}

static struct text text_of(
	const struct first_conf *conf, void (*write)(const struct first_conf *conf, FILE *out))
{
	struct text text = {0};
	FILE *out = open_memstream(&text.bytes, &text.length);

	if (out) {
		write(conf, out);
		fclose(out);
	}
	return text;
}

static int write_key(const char *root, const char *key, struct reason *reason)
{
	const struct passwd *admin = *root ? NULL : getpwnam("admin");
	struct text text = {0};
	int error;

	if (!*key)
		return 0;
	if (asprintf(&text.bytes, "%s\n", key) < 0)
		return -ENOMEM;
	text.length = strlen(text.bytes);
	error = write_at(root, SETUP_KEYS, &text, 0600, reason);
	free(text.bytes);
	if (!error && admin) {
		(void)!chown(SETUP_KEYS, admin->pw_uid, admin->pw_gid);
		(void)!chown("/home/admin/.ssh", admin->pw_uid, admin->pw_gid);
		chmod("/home/admin/.ssh", 0700);
	}
	return error;
}

int apply_files(const char *root, const struct first_conf *conf,
	const struct wizard_secrets *secrets, struct reason *reason)
{
	struct text text = text_of(conf, first_conf_write);
	struct text network = text_of(conf, first_conf_write_network);
	int error = text.bytes && network.bytes ? check_conf(&text, reason) : -ENOMEM;

	if (!error && network.length)
		error = write_at(root, SETUP_NETWORK, &network, 0644, reason);
	if (!error)
		error = write_key(root, secrets->key, reason);
	if (!error)
		error = write_at(root, SETUP_CONF, &text, 0640, reason);
	free(text.bytes);
	free(network.bytes);
	return error;
}

int apply_done(const char *root, struct reason *reason)
{
	const struct text nothing = {0};

	return write_at(root, SETUP_DONE, &nothing, 0644, reason);
}

int apply_password(const char *password, struct reason *reason)
{
	FILE *out = popen("chpasswd", "we");
	int status = -1;

	if (out) {
		fprintf(out, "admin:%s\n", password);
		status = pclose(out);
	}
	if (status == 0)
		return 0;
	reason_add(reason, "chpasswd did not take the password");
	return -EIO;
}

int apply_services(struct reason *reason)
{
	// Until they run: `show status` comes next.
	static char *const words[] = {"systemctl", "restart", "systemd-networkd",
		"sluice-dataplane", "sluice-controlplane", NULL};
	int error, status = 0;
	pid_t child;

	if (access("/run/systemd/system", F_OK))
		return 0;
	error = posix_spawnp(&child, words[0], NULL, NULL, words, environ);
	if (!error && waitpid(child, &status, 0) < 0)
		error = errno;
	if (!error && status == 0)
		return 0;
	reason_add(reason, "systemctl could not start the services: see journalctl");
	return error ? -error : -EIO;
}
