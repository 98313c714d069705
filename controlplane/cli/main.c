// SPDX-License-Identifier: BSD-3-Clause
// The program `sluice`; cli.c has all of it, where tests reach it.
#include "cli.h"

int main(int argc, char **argv)
{
	return cli_run(argc, argv, stdout, stderr);
}
