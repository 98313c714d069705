// SPDX-License-Identifier: BSD-3-Clause
// What the files of this folder share.
#pragma once

#include "annotation.h"

void annotation_wrong(const struct annotation *a, const char *expected);
void annotation_unsupported(const struct annotation *a, const char *what);
bool annotation_bool(const struct annotation *a, bool *out);
bool annotation_number(const struct annotation *a, uint32_t least, uint32_t most, uint32_t *out);
void annotation_seconds(const struct annotation *a, uint32_t *out_ms);
// Visible ASCII, of at most so many bytes.
bool annotation_text(const struct annotation *a, size_t most, const char **out);
bool annotation_is(const struct annotation *a, const char *value); // whatever the case

// redirect.c
void annotation_ssl_redirect(const struct annotation *a, struct annotated *out);
void annotation_force_ssl_redirect(const struct annotation *a, struct annotated *out);
void annotation_preserve_trailing_slash(const struct annotation *a, struct annotated *out);
void annotation_permanent_code(const struct annotation *a, struct annotated *out);
void annotation_permanent_redirect(const struct annotation *a, struct annotated *out);
void annotation_temporal_code(const struct annotation *a, struct annotated *out);
void annotation_temporal_redirect(const struct annotation *a, struct annotated *out);
void annotation_app_root(const struct annotation *a, struct annotated *out);
// rewrite.c
void annotation_rewrite_target(const struct annotation *a, struct annotated *out);
void annotation_use_regex(const struct annotation *a, struct annotated *out);
void annotation_upstream_vhost(const struct annotation *a, struct annotated *out);
// timeout.c
void annotation_connect_timeout(const struct annotation *a, struct annotated *out);
void annotation_send_timeout(const struct annotation *a, struct annotated *out);
void annotation_read_timeout(const struct annotation *a, struct annotated *out);
// next_upstream.c
void annotation_next_upstream(const struct annotation *a, struct annotated *out);
void annotation_next_upstream_tries(const struct annotation *a, struct annotated *out);
void annotation_next_upstream_timeout(const struct annotation *a, struct annotated *out);
// body_size.c
void annotation_body_size(const struct annotation *a, struct annotated *out);
// balance.c
void annotation_load_balance(const struct annotation *a, struct annotated *out);
void annotation_hash_by(const struct annotation *a, struct annotated *out);
// backend.c
void annotation_backend_protocol(const struct annotation *a, struct annotated *out);
void annotation_proxy_ssl_verify(const struct annotation *a, struct annotated *out);
void annotation_proxy_ssl_name(const struct annotation *a, struct annotated *out);
void annotation_proxy_ssl_server_name(const struct annotation *a, struct annotated *out);
void annotation_proxy_ssl_secret(const struct annotation *a, struct annotated *out);
void annotation_proxy_protocol(const struct annotation *a, struct annotated *out);
// access.c
void annotation_allow(const struct annotation *a, struct annotated *out);
void annotation_refuse(const struct annotation *a, struct annotated *out);
void annotation_canary(const struct annotation *a, struct annotated *out);
void annotation_deny(const struct annotation *a, struct annotated *out);
// passthrough.c
void annotation_ssl_passthrough(const struct annotation *a, struct annotated *out);
