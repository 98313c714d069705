// SPDX-License-Identifier: BSD-3-Clause
// An OCSP response that is shown with a certificate. Any thread.
#pragma once

#include <openssl/x509.h>
#include <stddef.h>
#include <stdint.h>

// What is wrong with the DER, to stand behind its name: "is about another certificate"; or NULL.
// until: from when on it is out of date, seconds since 1970; INT64_MAX: never. Whether it is by now
// is the caller's to say, who signed it the client's.
const char *staple_mistake(const void *der, size_t length, const X509 *certificate, int64_t *until);
