// SPDX-License-Identifier: BSD-3-Clause
// Yes or no before what cannot be taken back, and passphrases. What is asked is asked at the
// terminal of who types, whatever is piped. See cli.h.
#include "cli.h"

#include "ask.h"
#include "envelope.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool open_terminal(struct terminal *terminal)
{
	*terminal = (struct terminal){.in = fopen("/dev/tty", "re")};
	if (terminal->in)
		terminal->out = fopen("/dev/tty", "we");
	if (terminal->out)
		return true;
	if (terminal->in)
		fclose(terminal->in);
	return false;
}

static void close_terminal(struct terminal *terminal)
{
	fclose(terminal->in);
	fclose(terminal->out);
}

bool confirm(const struct cli_asker *asker, const char *yes, const char *question)
{
	struct terminal terminal;
	bool agreed;

	if (yes)
		return true;
	if (!open_terminal(&terminal)) {
		fprintf(asker->err,
			"sluice: %s: there is no terminal to ask at; --yes says so beforehand\n",
			question);
		return false;
	}
	agreed = ask_yes(&terminal, question, false);
	close_terminal(&terminal);
	if (!agreed)
		fprintf(asker->err, "sluice: nothing is changed\n");
	return agreed;
}

static bool read_passphrase(const char *file, char *passphrase, struct reason *reason)
{
	FILE *in = strcmp(file, "-") == 0 ? stdin : fopen(file, "re");
	bool came = in && fgets(passphrase, PASSPHRASE_MAX, in);

	if (!came)
		reason_add(reason, "%s: there is no passphrase: %s", file,
			in && !ferror(in) ? "it is empty" : strerror(errno));
	else
		passphrase[strcspn(passphrase, "\r\n")] = '\0';
	if (in && in != stdin)
		fclose(in);
	return came;
}

bool passphrase_take(const char *file, bool new_one, char *passphrase, struct reason *reason)
{
	struct terminal terminal;
	bool came = false;

	if (file) {
		if (!read_passphrase(file, passphrase, reason))
			return false;
		if (new_one && strlen(passphrase) < PASSPHRASE_MIN) {
			reason_add(reason, "%s: a passphrase has at least %d characters", file,
				PASSPHRASE_MIN);
			return false;
		}
		return true;
	}
	if (!open_terminal(&terminal)) {
		reason_add(reason, "there is no terminal to ask for the passphrase at: "
				   "--passphrase-file FILE says where it is");
		return false;
	}
	if (new_one)
		came = ask_password(&terminal, "Passphrase", passphrase, PASSPHRASE_MAX);
	else
		came = ask_hidden(&terminal, "Passphrase", passphrase, PASSPHRASE_MAX);
	close_terminal(&terminal);
	if (!came)
		reason_add(reason, "no passphrase was given");
	return came;
}
