// SPDX-License-Identifier: BSD-3-Clause
// Our part of OpenSSL's algorithms. Started once, before other threads are.
#pragma once

#define PROVIDER_PREFERRED "?provider=sluice" // properties to ask for: ours where there is one

int provider_start(void); // 0 or -ENOMEM; again: nothing happens
