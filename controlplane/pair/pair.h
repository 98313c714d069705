// SPDX-License-Identifier: BSD-3-Clause
// A certificate chain and its private key, as a Secret has them: checked before anybody uses them.
//
// What the dataplane would refuse is refused here, so that it never sees it: a mistake is its
// Secret's alone. Pure, any thread. No key appears in what is told.
#pragma once

#include "arena.h"
#include "reason.h"
#include "secret.h"

// 0 with the facts, which lie in the arena; -EINVAL with every mistake, each beginning with the
// key of the Secret ("tls.crt: ..."); -ENOMEM.
int pair_check(const struct secret *secret, struct arena *arena, struct secret_facts *facts,
	struct reason *reason);
// Certificates to trust, as PEM. 0, or -EINVAL with what is wrong.
int pair_check_authority(struct secret_bytes pem, struct reason *reason);
// What is wrong with an OCSP response in DER for that chain, or NULL; until: as in staple.h.
const char *pair_staple_mistake(
	struct secret_bytes staple, struct secret_bytes chain_pem, int64_t *until);
// A new key and a certificate signed by itself, as PEM in the arena. 0 or -ENOMEM.
int pair_self_signed(const char *name, int64_t now, struct arena *arena, struct secret_bytes *chain,
	struct secret_bytes *key);
