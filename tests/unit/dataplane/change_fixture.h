// SPDX-License-Identifier: BSD-3-Clause
// A struct plan_change put together line by line, for tests that need tables.
//
//	struct plan_change *change = change_new(0, 1);
//	change_vip(change, "192.0.2.10");
//	change_pool(change, "p", ALGORITHM_MAGLEV);
//	change_endpoint(change, "10.0.0.1", 8080, ENDPOINT_READY, 1);
//	change_listener(change, "192.0.2.10", IPPROTO_TCP, 80, "p");
//	assert_int_equal(tables_apply(store, change, &reason), 0);
//	change_free(change);
//
// Text that is no address ends the test. Strings are copied.
#pragma once

#include "plan_change.h"
#include "tables.h"

struct plan_change *change_new(uint64_t base, uint64_t generation);
void change_free(struct plan_change *change);

struct plan_vip *change_vip(struct plan_change *change, const char *address);
struct plan_pool *change_pool(struct plan_change *change, const char *name, uint8_t algorithm);
// To the pool added last; kept in order.
struct plan_endpoint *change_endpoint(struct plan_change *change, const char *address,
	uint16_t port, uint8_t state, uint16_t weight);
// MODE_FULL_NAT, no affinity, everybody; to be changed through what is returned.
struct plan_listener *change_listener(struct plan_change *change, const char *vip, uint8_t protocol,
	uint16_t port, const char *pool);
void change_source(struct plan_listener *listener, const char *prefix);
struct fib_route *change_route(struct plan_change *change, const char *to, const char *via);

void change_remove_vip(struct plan_change *change, const char *address);
void change_remove_pool(struct plan_change *change, const char *name);
void change_remove_listener(
	struct plan_change *change, const char *vip, uint8_t protocol, uint16_t port);
void change_remove_route(struct plan_change *change, const char *to);

struct addr address_of(const char *text);
