// SPDX-License-Identifier: BSD-3-Clause
// The manual page sluice(1), out of the table of commands. See cli.h.
#include "cli.h"

#include <string.h>

// What roff would take for its own is not.
static void put(const char *text, FILE *out)
{
	for (bool first = true; *text; text++, first = false) {
		if (first && (*text == '.' || *text == '\''))
			fputs("\\&", out);
		if (*text == '\\')
			fputs("\\e", out);
		else if (*text == '-')
			fputs("\\-", out);
		else
			fputc(*text, out);
	}
}

static void command_page(const struct cli_command *command, FILE *out)
{
	bool arguments = command->arguments[0].name;

	fprintf(out, ".TP\n.B ");
	put(command->words[0], out);
	if (command->words[1]) {
		fputc(' ', out);
		put(command->words[1], out);
	}
	for (unsigned i = command->positional; i < CLI_ARGUMENTS_MAX && command->arguments[i].name;
		i++) {
		const struct cli_argument *argument = &command->arguments[i];

		fputs(i < command->bare ? " \\fI" : " \\fR[", out);
		if (i >= command->bare)
			put(argument->name, out);
		if (argument->value) {
			fputs(i < command->bare ? "" : " \\fI", out);
			put(argument->value, out);
		}
		fputs(i < command->bare ? "\\fR" : "\\fR]", out);
	}
	fputc('\n', out);
	put(command->help, out);
	fputc('\n', out);
	if (command->path) {
		fprintf(out, "(%s \\fI", command->changes ? "POST" : "GET");
		put(command->path, out);
		fputs("\\fR)\n", out);
	}
	if (arguments)
		fputs(".RS\n", out);
	for (unsigned i = 0; i < CLI_ARGUMENTS_MAX && command->arguments[i].name; i++) {
		fputs(".TP\n.I ", out);
		put(command->arguments[i].name, out);
		fputc('\n', out);
		put(command->arguments[i].help, out);
		fputc('\n', out);
	}
	if (arguments)
		fputs(".RE\n", out);
}

void cli_man(FILE *out)
{
	fputs(".TH SLUICE 1 \"\" \"Sluice " SLUICE_VERSION "\" \"Sluice\"\n"
	      ".SH NAME\nsluice \\- the console of the load balancer\n"
	      ".SH SYNOPSIS\n.B sluice\n[\\fB\\-\\-socket\\fR \\fIPATH\\fR] "
	      "[\\fB\\-\\-json\\fR]\n[\\fICOMMAND\\fR ...]\n"
	      ".SH DESCRIPTION\nAsks the control plane, and changes what it does. Without a "
	      "command, on a terminal,\nit is an interactive console. Words may be abbreviated "
	      "while one meaning is left.\n"
	      ".SH OPTIONS\n"
	      ".TP\n.BR \\-s ,\\  \\-\\-socket \" \" \\fIPATH\\fR\nthe control plane's socket (or "
	      "the environment's SLUICE_API; " CLI_SOCKET " by default)\n"
	      ".TP\n.BR \\-j ,\\  \\-\\-json\nthe answer as JSON\n"
	      ".TP\n.BR \\-h ,\\  \\-\\-help\nhelp, of a command when one is given\n"
	      ".TP\n.B \\-\\-man\nthis page\n"
	      ".TP\n.BR \\-V ,\\  \\-\\-version\nthe version\n"
	      ".SH COMMANDS\n",
		out);
	for (unsigned i = 0; cli_commands[i]; i++)
		command_page(cli_commands[i], out);
	fputs(".SH EXIT STATUS\n0; 1 when there is no answer; 2 when it was used wrongly.\n"
	      ".SH FILES\n.I " CLI_SOCKET "\n.br\n.I /etc/sluice/sluice.conf\n",
		out);
}
