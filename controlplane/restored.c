// SPDX-License-Identifier: BSD-3-Clause
// The start after a restore: files that lie beside their places are moved there, and everything
// then begins as it would on the box that the backup was made of. See control.h and backup.h.
#include "control.h"

#include "backup.h"
#include "log.h"

#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

// It reads ports, workers and memory at its start alone.
static void restart_dataplane(void)
{
	static char *const words[] = {
		"systemctl", "--no-block", "try-restart", "sluice-dataplane.service", NULL};
	int status = 0;
	pid_t child;

	if (posix_spawnp(&child, words[0], NULL, NULL, words, environ) ||
		waitpid(child, &status, 0) < 0 || status)
		log_error("main", "the dataplane could not be restarted: ports, workers and "
				  "memory of the backup wait for its next start");
}

int restored_start(struct control *c, struct reason *reason)
{
	struct reason mistakes = {0};
	enum restored restored = restore_finish(c->settings->state_dir, &mistakes);
	struct settings *settings;

	if (mistakes.count)
		log_error("main", "%s", reason_text(&mistakes));
	reason_clear(&mistakes);
	if (restored == RESTORED_NOTHING)
		return 0;
	settings = settings_read(c->config_file, reason);
	if (!settings)
		return -1;
	settings_free(c->settings);
	c->settings = settings;
	logs_follow(c->logs, settings->syslogs, settings->syslog_count);
	log_notice("main", "this is the box of a backup now");
	if (restored == RESTORED_DATAPLANE)
		restart_dataplane();
	return 0;
}
