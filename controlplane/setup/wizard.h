// SPDX-License-Identifier: BSD-3-Clause
// The questions of the first start, in order.
#pragma once

#include "ask.h"
#include "first_conf.h"

struct wizard_secrets {
	char password[128]; // of admin; "" = stays as it is
	char key[2048];     // an SSH public key; "" = none
};

// `conf` holds what is proposed and gets what was agreed on. May be asked again with its own
// answers as proposals.
void wizard_ask(
	struct terminal *terminal, const struct hardware *hardware, struct first_conf *conf);
void wizard_ask_secrets(struct terminal *terminal, struct wizard_secrets *secrets);
