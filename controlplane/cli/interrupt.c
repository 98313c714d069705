// SPDX-License-Identifier: BSD-3-Clause
// Ctrl-C, for commands that last.
#include "cli.h"

#include <signal.h>

static volatile sig_atomic_t interrupts;

static void on_interrupt(int number)
{
	(void)number;
	interrupts = 1;
}

void interrupt_catch(void)
{
	sigaction(SIGINT, &(struct sigaction){.sa_handler = on_interrupt}, NULL);
}

int interrupt_seen(void)
{
	return interrupts;
}

void interrupt_forget(void)
{
	interrupts = 0;
}
