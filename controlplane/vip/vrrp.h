// SPDX-License-Identifier: BSD-3-Clause
// keepalived: its configuration, its process, and what it says of each virtual router. For vip.c.
// Loop thread only.
//
// It writes a line into a pipe for each change of state, which is read as it comes. The pipe is
// held open by both, so that what it says while we are gone waits for who comes after us; the
// states themselves are kept in a file for the same reason. While keepalived does not run nothing
// is owned.
//
// Who becomes master speaks with one more than the master before did (not where `preempt` says who
// is to be master). That one may only have stood still: when it goes on, master in its own eyes, it
// hears of a higher priority and stays away, where of two equal ones the higher address would win.
#pragma once

#include "vip_text.h"

#include <uv.h>

struct vrrp;

struct vrrp *vrrp_new(uv_loop_t *loop, const char *run_dir, void (*changed)(void *arg), void *arg);
// What keepalived's configuration is to name.
struct keepalived_files vrrp_files(const struct vrrp *vrrp);
// Takes the text over. NULL: keepalived is to end, which gives its masters up at once.
void vrrp_configure(struct vrrp *vrrp, char *text, const struct pair_settings *pair);
enum vrrp_state vrrp_state(const struct vrrp *vrrp, uint32_t id);
const char *vrrp_mistake(const struct vrrp *vrrp);
// keepalived goes on. The loop frees the memory.
void vrrp_release(struct vrrp *vrrp);
