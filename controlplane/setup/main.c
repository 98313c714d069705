// SPDX-License-Identifier: BSD-3-Clause
// sluice-setup: the questions of the first start, and what is made of their answers.
#include "apply.h"

#include "core_dump.h"
#include "volume.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINKS_WAIT_MS 4000

static void usage(FILE *out)
{
	fputs("usage: sluice-setup [--root DIR] [--again]\n"
	      "       sluice-setup --volume DIR --into DIR\n\n"
	      "  -r, --root DIR    look at the machine, and write files, below DIR: a try\n"
	      "  -a, --again       ask although the first start is over\n"
	      "  -v, --volume DIR  ask nothing: of cloud-init's volume that is mounted there make\n"
	      "                    the files of one of ours\n"
	      "  -i, --into DIR    there\n"
	      "  -h, --help        this\n",
		out);
}

static bool is_done(const char *root)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s" SETUP_DONE, root);
	return access(path, F_OK) == 0;
}

// Until what was agreed on is a configuration, or no more answers come.
static int agree(struct terminal *terminal, const char *root, const struct hardware *hardware,
	struct wizard_secrets *secrets)
{
	struct first_conf conf;

	first_conf_propose(&conf, hardware);
	for (;;) {
		struct reason reason = {0};
		int error;

		wizard_ask(terminal, hardware, &conf);
		fputs("\n", terminal->out);
		first_conf_write(&conf, terminal->out);
		fputs("\n", terminal->out);
		if (!ask_yes(terminal, "Is this right", true) && !terminal->ended)
			continue;
		if (terminal->ended) {
			fputs("Nothing is written: the questions were not answered to the end.\n",
				terminal->out);
			return -ECANCELED;
		}
		wizard_ask_secrets(terminal, secrets);
		error = apply_files(root, &conf, secrets, &reason);
		if (error)
			fprintf(terminal->out, "\n%s\n",
				reason.count ? reason_text(&reason) : strerror(-error));
		reason_clear(&reason);
		if (error != -EINVAL || terminal->ended)
			return error;
	}
}

static int setup(const char *root)
{
	struct terminal terminal = {.in = stdin, .out = stdout};
	struct wizard_secrets secrets = {0};
	struct hardware hardware, before;
	struct reason reason = {0};
	int error;

	fputs("Sluice: the first start\n", stdout);
	hardware_read(&hardware, root);
	if (!*root) {
		uint64_t raised = apply_links_up(&hardware, LINKS_WAIT_MS);

		before = hardware;
		hardware_read(&hardware, root);
		apply_links_down(&before, raised);
	}
	error = agree(&terminal, root, &hardware, &secrets);
	if (!error && !*root && *secrets.password)
		error = apply_password(secrets.password, &reason);
	if (!error)
		error = apply_done(root, &reason);
	if (!error && !*root)
		error = apply_services(&reason);
	if (reason.count)
		fprintf(stderr, "%s\n", reason_text(&reason));
	reason_clear(&reason);
	explicit_bzero(&secrets, sizeof(secrets));
	return error;
}

static int unpack(const struct volume *volume)
{
	struct reason reason = {0};
	int error = volume_unpack(volume, &reason);

	if (error)
		fprintf(stderr, "%s\n", reason.count ? reason_text(&reason) : strerror(-error));
	reason_clear(&reason);
	return error ? 1 : 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"root", required_argument, NULL, 'r'},
		{"again", no_argument, NULL, 'a'},
		{"volume", required_argument, NULL, 'v'},
		{"into", required_argument, NULL, 'i'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	struct volume volume = {.told = stderr};
	const char *root = "";
	bool again = false;
	int option;

	core_dump_forbid();
	while ((option = getopt_long(argc, argv, "r:av:i:h", options, NULL)) != -1) {
		if (option == 'r') {
			root = optarg ? optarg : "";
		} else if (option == 'a') {
			again = true;
		} else if (option == 'v') {
			volume.from = optarg;
		} else if (option == 'i') {
			volume.into = optarg;
		} else {
			usage(option == 'h' ? stdout : stderr);
			return option == 'h' ? 0 : 2;
		}
	}
	if (!volume.from != !volume.into) {
		usage(stderr);
		return 2;
	}
	if (volume.from)
		return unpack(&volume);
	if (is_done(root) && !again) {
		fputs("The first start is over. sluice-setup --again asks once more.\n", stdout);
		return 0;
	}
	if (setup(root))
		return 1;
	if (!*root)
		execlp("sluice", "sluice", "show", "status", (char *)NULL);
	return 0;
}
