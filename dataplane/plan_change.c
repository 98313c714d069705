// SPDX-License-Identifier: BSD-3-Clause
// From the bytes of a sluice.Transaction to a struct plan_change: each field by itself is checked
// here; how they fit together and what is already there is tables_apply()'s to judge.
//
// Strings stay where protobuf-c has put them, so the message lives as long as the change. What it
// may make of a message is bounded: a few bytes on the wire can stand for a large empty object.
#include "plan_change_internal.h"

#include "limits.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MISTAKES_MAX 100
#define MEMORY_BASE  (1u << 20) // bytes any message may need, and this many for each of its own
#define MEMORY_EACH  32

bool decode_may_tell(struct decode *d)
{
	unsigned told = d->reason->count - d->mistakes_before;

	if (told == MISTAKES_MAX)
		reason_add(d->reason, "and more mistakes after these %u", MISTAKES_MAX);
	return told < MISTAKES_MAX;
}

// The length of the UTF-8 character (RFC 3629) that begins here, 0 when none does or it is a
// control character.
static size_t character(const uint8_t *text)
{
	static const struct {
		uint8_t mask, lead;
		uint32_t least;
	} forms[] = {
		{0x80, 0, 0x20}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};

	for (size_t more = 0; more < 4; more++) {
		uint32_t code;

		if ((text[0] & forms[more].mask) != forms[more].lead)
			continue;
		code = text[0] & (uint8_t)~forms[more].mask;
		for (size_t i = 1; i <= more; i++) {
			if ((text[i] & 0xc0) != 0x80)
				return 0;
			code = code << 6 | (text[i] & 0x3f);
		}
		if (code < forms[more].least || (code >= 0x7f && code < 0xa0) || code > 0x10ffff ||
			(code >= 0xd800 && code < 0xe000))
			return 0;
		return more + 1;
	}
	return 0;
}

// A name that can be shown: characters, not too many, and at least one unless `empty`.
bool decode_name_ok(const char *name, bool empty)
{
	const uint8_t *at = (const uint8_t *)name;

	if (!empty && !*at)
		return false;
	while (*at) {
		size_t length = character(at);

		if (!length)
			return false;
		at += length;
	}
	return at - (const uint8_t *)name < SLUICE_NAME_MAX;
}

// An address that one host can have: not unspecified, multicast, broadcast or loopback.
static int host_address(struct addr *addr, ProtobufCBinaryData bytes)
{
	static const uint8_t loopback[16] = {[15] = 1};

	if (addr_from_bytes(addr, bytes.data, bytes.len) < 0 || addr_is_zero(addr))
		return -EINVAL;
	if (addr_is_v4(addr))
		return addr->byte[12] >= 224 || addr->byte[12] == 127 || addr->byte[12] == 0
			       ? -EINVAL
			       : 0;
	return addr->byte[0] == 0xff || memcmp(addr->byte, loopback, 16) == 0 ? -EINVAL : 0;
}

// Bytes as people can compare them: the address, or what there is instead.
static const char *show(ProtobufCBinaryData bytes, char buf[static ADDR_TEXT])
{
	struct addr addr;

	if (addr_from_bytes(&addr, bytes.data, bytes.len) == 0)
		return addr_format(&addr, buf);
	snprintf(buf, ADDR_TEXT, "(%zu bytes)", bytes.len);
	return buf;
}

int decode_prefix(struct prefix *prefix, const Sluice__Prefix *from)
{
	struct prefix masked;

	if (!from || addr_from_bytes(&prefix->addr, from->address.data, from->address.len) < 0 ||
		from->length > from->address.len * 8)
		return -EINVAL;
	prefix->length = (uint8_t)from->length;
	masked = *prefix;
	prefix_mask(&masked);
	return addr_compare(&masked.addr, &prefix->addr) == 0 ? 0 : -EINVAL;
}

const char *decode_show_prefix(const Sluice__Prefix *prefix, char buf[static PREFIX_TEXT + 16])
{
	char text[ADDR_TEXT];

	if (prefix)
		snprintf(buf, PREFIX_TEXT + 16, "%s/%u", show(prefix->address, text),
			prefix->length);
	else
		snprintf(buf, PREFIX_TEXT + 16, "(none)");
	return buf;
}

static void decode_vip(struct decode *d, const Sluice__Vip *from, struct plan_vip *vip)
{
	char text[ADDR_TEXT];

	vip->owned = from->owned;
	vip->ifaces = from->n_ports ? 0 : UINT64_MAX;
	if (host_address(&vip->address, from->address) < 0)
		mistake(d, "vip %s: expected an IPv4 or IPv6 address of a host",
			show(from->address, text));
	for (size_t i = 0; i < from->n_ports; i++) {
		unsigned k = 0;

		while (k < d->iface_count && strcmp(d->ifaces[k].name, from->ports[i]) != 0)
			k++;
		if (k < d->iface_count)
			vip->ifaces |= 1ull << d->ifaces[k].index;
		else if (decode_name_ok(from->ports[i], true))
			mistake(d, "vip %s: port \"%s\" is none of this box: see sluice.conf",
				show(from->address, text), from->ports[i]);
		else
			mistake(d, "vip %s: port %zu has no readable name",
				show(from->address, text), i);
	}
}

// "192.0.2.10 tcp/80" as far as it can be read.
static const char *show_listener(ProtobufCBinaryData vip, uint32_t protocol, uint32_t port,
	char buf[static LISTENER_TEXT + 16])
{
	char text[ADDR_TEXT];

	snprintf(buf, LISTENER_TEXT + 16, "%s %s/%u", show(vip, text),
		protocol == SLUICE__L4_PROTOCOL__L4_TCP   ? "tcp"
		: protocol == SLUICE__L4_PROTOCOL__L4_UDP ? "udp"
							  : "?",
		port);
	return buf;
}

static void decode_key(struct decode *d, const char *where, const Sluice__ListenerKey *from,
	struct plan_listener_key *key)
{
	if (host_address(&key->vip, from->vip) < 0)
		mistake(d, "listener %s: vip: expected an IPv4 or IPv6 address of a host", where);
	if (from->protocol != SLUICE__L4_PROTOCOL__L4_TCP &&
		from->protocol != SLUICE__L4_PROTOCOL__L4_UDP)
		mistake(d, "listener %s: protocol %d: expected 6 (tcp) or 17 (udp)", where,
			(int)from->protocol);
	if (from->port < 1 || from->port > 65535)
		mistake(d, "listener %s: port %u: expected 1 to 65535", where, from->port);
	key->protocol = (uint8_t)from->protocol;
	key->port = htons((uint16_t)from->port);
}

static void decode_sources(struct decode *d, const char *where, const Sluice__Listener *from,
	struct plan_listener *listener)
{
	char text[PREFIX_TEXT + 16];

	listener->sources = from->n_sources ? d->sources : NULL;
	listener->source_count = (uint32_t)from->n_sources;
	for (size_t i = 0; i < from->n_sources; i++)
		if (decode_prefix(d->sources++, from->sources[i]) < 0)
			mistake(d, "listener %s: source %s: expected a prefix without host bits",
				where, decode_show_prefix(from->sources[i], text));
}

static void decode_listener(
	struct decode *d, const Sluice__Listener *from, struct plan_listener *listener)
{
	Sluice__ListenerKey message = SLUICE__LISTENER_KEY__INIT;
	struct plan_listener_key key;
	char where[LISTENER_TEXT + 16];

	message.vip = from->vip;
	message.protocol = from->protocol;
	message.port = from->port;
	show_listener(from->vip, from->protocol, from->port, where);
	decode_key(d, where, &message, &key);
	listener->vip = key.vip;
	listener->protocol = key.protocol;
	listener->port = key.port;
	listener->service = from->service;
	listener->pool = from->pool;
	listener->mode = (uint8_t)from->mode;
	listener->affinity_s = from->affinity_s;
	if (!decode_name_ok(from->service, true))
		mistake(d, "listener %s: service: expected readable text below %u bytes", where,
			SLUICE_NAME_MAX);
	if (from->http) {
		decode_sources(d, where, from, listener);
		decode_http_listener(d, where, from->http, listener);
		return;
	}
	if (!decode_name_ok(from->pool, false))
		mistake(d, "listener %s: pool: expected readable text of 1 to %u bytes", where,
			SLUICE_NAME_MAX - 1);
	if ((int)from->mode < SLUICE__MODE__MODE_FULL_NAT || from->mode > SLUICE__MODE__MODE_DSR)
		mistake(d,
			"listener %s: mode %d: expected 1 (full NAT), 2 (destination NAT) or 3 "
			"(DSR)",
			where, (int)from->mode);
	if (from->affinity_s > SLUICE_AFFINITY_MAX_S)
		mistake(d, "listener %s: affinity %u s: expected at most %u", where,
			from->affinity_s, SLUICE_AFFINITY_MAX_S);
	decode_sources(d, where, from, listener);
}

static void decode_endpoint(struct decode *d, const char *pool, const Sluice__Endpoint *from,
	struct plan_endpoint *endpoint)
{
	char text[ADDR_TEXT];

	show(from->address, text);
	if (host_address(&endpoint->address, from->address) < 0)
		mistake(d, "pool \"%s\": endpoint %s: expected an IPv4 or IPv6 address of a host",
			pool, text);
	if (from->port < 1 || from->port > 65535)
		mistake(d, "pool \"%s\": endpoint %s: port %u: expected 1 to 65535", pool, text,
			from->port);
	if (from->weight < 1 || from->weight > SLUICE_WEIGHT_MAX)
		mistake(d, "pool \"%s\": endpoint %s port %u: weight %u: expected 1 to %u", pool,
			text, from->port, from->weight, SLUICE_WEIGHT_MAX);
	if (from->state != SLUICE__ENDPOINT_STATE__ENDPOINT_READY &&
		from->state != SLUICE__ENDPOINT_STATE__ENDPOINT_DRAINING)
		mistake(d,
			"pool \"%s\": endpoint %s port %u: state %d: expected 1 (ready) or 2 "
			"(draining)",
			pool, text, from->port, (int)from->state);
	if (!decode_name_ok(from->name, true))
		mistake(d,
			"pool \"%s\": endpoint %s port %u: name: expected readable text below %u "
			"bytes",
			pool, text, from->port, SLUICE_NAME_MAX);
	endpoint->port = htons((uint16_t)from->port);
	endpoint->weight = (uint16_t)from->weight;
	endpoint->state = (uint8_t)from->state;
	endpoint->name = from->name;
}

static int compare_endpoints(const void *a, const void *b)
{
	const struct plan_endpoint *x = a, *y = b;
	int order = addr_compare(&x->address, &y->address);

	return order ? order : (int)ntohs(x->port) - (int)ntohs(y->port);
}

static void decode_pool(struct decode *d, const Sluice__Pool *from, struct plan_pool *pool)
{
	const char *name = from->name;
	char text[ADDR_TEXT];

	pool->name = from->name;
	pool->algorithm = (uint8_t)from->algorithm;
	pool->endpoint_count = (uint32_t)from->n_endpoints;
	pool->endpoints = d->endpoints;
	d->endpoints += from->n_endpoints;
	if (!decode_name_ok(name, false)) {
		mistake(d,
			"pool %td of the transaction: name: expected readable text of 1 to %u "
			"bytes",
			pool - d->change->pools, SLUICE_NAME_MAX - 1);
		return;
	}
	if ((int)from->algorithm < SLUICE__ALGORITHM__ALGORITHM_MAGLEV ||
		from->algorithm > SLUICE__ALGORITHM__ALGORITHM_HASH)
		mistake(d, "pool \"%s\": algorithm %d: expected 1 to %d", name,
			(int)from->algorithm, SLUICE__ALGORITHM__ALGORITHM_HASH);
	if (from->upstream)
		pool->upstream = decode_upstream(d, name, from->upstream);
	if (from->n_endpoints > SLUICE_POOL_ENDPOINTS_MAX) {
		mistake(d, "pool \"%s\": %zu endpoints: expected at most %u", name,
			from->n_endpoints, SLUICE_POOL_ENDPOINTS_MAX);
		return;
	}
	for (size_t i = 0; i < from->n_endpoints; i++)
		decode_endpoint(d, name, from->endpoints[i], &pool->endpoints[i]);
	qsort(pool->endpoints, pool->endpoint_count, sizeof(*pool->endpoints), compare_endpoints);
	for (uint32_t i = 1; i < pool->endpoint_count; i++)
		if (compare_endpoints(&pool->endpoints[i - 1], &pool->endpoints[i]) == 0)
			mistake(d, "pool \"%s\": endpoint %s port %u: named twice", name,
				addr_format(&pool->endpoints[i].address, text),
				ntohs(pool->endpoints[i].port));
}

static void decode_route(struct decode *d, const Sluice__Route *from, struct fib_route *route)
{
	char text[PREFIX_TEXT + 16], via[ADDR_TEXT];

	route->result = FIB_HOP;
	decode_show_prefix(from->prefix, text);
	if (decode_prefix(&route->to, from->prefix) < 0)
		mistake(d, "route %s: expected a prefix without host bits", text);
	else if (host_address(&route->via, from->via) < 0 ||
		 addr_is_v4(&route->via) != addr_is_v4(&route->to.addr))
		mistake(d,
			"route %s: via %s: expected the address of a host of the prefix's family",
			text, show(from->via, via));
}

static void decode_removed(struct decode *d)
{
	const Sluice__Transaction *message = d->message;
	struct plan_change *change = d->change;
	char where[LISTENER_TEXT + 16], text[PREFIX_TEXT + 16];

	for (size_t i = 0; i < message->n_vips_removed; i++)
		if (addr_from_bytes(&change->vips_removed[i], message->vips_removed[i].data,
			    message->vips_removed[i].len) < 0)
			mistake(d, "vip %s to be removed: expected an IPv4 or IPv6 address",
				show(message->vips_removed[i], text));
	for (size_t i = 0; i < message->n_listeners_removed; i++) {
		const Sluice__ListenerKey *from = message->listeners_removed[i];

		show_listener(from->vip, from->protocol, from->port, where);
		decode_key(d, where, from, &change->listeners_removed[i]);
	}
	for (size_t i = 0; i < message->n_pools_removed; i++) {
		change->pools_removed[i] = message->pools_removed[i];
		if (!decode_name_ok(message->pools_removed[i], false))
			mistake(d,
				"pool %zu to be removed: expected readable text of 1 to %u bytes",
				i, SLUICE_NAME_MAX - 1);
	}
	for (size_t i = 0; i < message->n_routes_removed; i++)
		if (decode_prefix(&change->routes_removed[i], message->routes_removed[i]) < 0)
			mistake(d, "route %s to be removed: expected a prefix without host bits",
				decode_show_prefix(message->routes_removed[i], text));
	if (message->since == 0 &&
		(message->n_vips_removed || message->n_listeners_removed ||
			message->n_pools_removed || message->n_routes_removed ||
			message->n_sites_removed || message->n_hosts_removed ||
			message->n_server_names_removed || message->n_certificates_removed))
		mistake(d,
			"a whole plan (since 0) removes nothing by name: what it does not name is "
			"gone");
}

void *decode_array(size_t count, size_t size, bool *failed)
{
	void *block = calloc(count + 1, size);

	*failed |= !block;
	return block;
}

// Counts are of what the message holds in memory, so they fit.
static bool make_arrays(struct decode *d)
{
	const Sluice__Transaction *message = d->message;
	struct plan_change *change = d->change;
	size_t endpoints = 0, sources = 0;
	bool failed = false;

	for (size_t i = 0; i < message->n_pools; i++)
		endpoints += message->pools[i]->n_endpoints;
	for (size_t i = 0; i < message->n_listeners; i++)
		sources += message->listeners[i]->n_sources;
	sources += decode_http_prefixes(message);
	change->vip_count = (uint32_t)message->n_vips;
	change->listener_count = (uint32_t)message->n_listeners;
	change->pool_count = (uint32_t)message->n_pools;
	change->route_count = (uint32_t)message->n_routes;
	change->vip_removed_count = (uint32_t)message->n_vips_removed;
	change->listener_removed_count = (uint32_t)message->n_listeners_removed;
	change->pool_removed_count = (uint32_t)message->n_pools_removed;
	change->route_removed_count = (uint32_t)message->n_routes_removed;
	change->vips = decode_array(message->n_vips, sizeof(*change->vips), &failed);
	change->listeners = decode_array(message->n_listeners, sizeof(*change->listeners), &failed);
	change->pools = decode_array(message->n_pools, sizeof(*change->pools), &failed);
	change->routes = decode_array(message->n_routes, sizeof(*change->routes), &failed);
	change->vips_removed = decode_array(message->n_vips_removed, sizeof(struct addr), &failed);
	change->listeners_removed = decode_array(
		message->n_listeners_removed, sizeof(*change->listeners_removed), &failed);
	change->pools_removed = decode_array(message->n_pools_removed, sizeof(char *), &failed);
	change->routes_removed =
		decode_array(message->n_routes_removed, sizeof(struct prefix), &failed);
	change->all_endpoints = d->endpoints =
		decode_array(endpoints, sizeof(*d->endpoints), &failed);
	change->all_sources = d->sources = decode_array(sources, sizeof(*d->sources), &failed);
	return !failed && decode_http_arrays(d);
}

static void decode(struct decode *d)
{
	const Sluice__Transaction *message = d->message;
	struct plan_change *change = d->change;

	change->base = message->since;
	change->generation = message->generation;
	if (message->generation == 0)
		mistake(d, "generation 0: expected the plan's own, from 1");
	for (size_t i = 0; i < message->n_vips; i++)
		decode_vip(d, message->vips[i], &change->vips[i]);
	for (size_t i = 0; i < message->n_listeners; i++)
		decode_listener(d, message->listeners[i], &change->listeners[i]);
	for (size_t i = 0; i < message->n_pools; i++)
		decode_pool(d, message->pools[i], &change->pools[i]);
	for (size_t i = 0; i < message->n_routes; i++)
		decode_route(d, message->routes[i], &change->routes[i]);
	decode_http(d);
	decode_removed(d);
}

static void *limited_alloc(void *data, size_t size)
{
	size_t *left = data;

	if (size > *left)
		return NULL;
	*left -= size;
	return malloc(size);
}

static void limited_free(void *data, void *block)
{
	free(block);
}

struct plan_change *plan_change_decode(const uint8_t *bytes, size_t length,
	const struct iface *ifaces, unsigned iface_count, struct reason *reason)
{
	size_t left = MEMORY_BASE + length * MEMORY_EACH;
	ProtobufCAllocator allocator = {limited_alloc, limited_free, &left};
	struct plan_change *change = calloc(1, sizeof(*change));
	struct decode d = {.change = change,
		.ifaces = ifaces,
		.iface_count = iface_count,
		.reason = reason,
		.mistakes_before = reason->count};

	if (!change) {
		reason_add(reason, "transaction: out of memory");
		return NULL;
	}
	change->message = sluice__transaction__unpack(&allocator, length, bytes);
	d.message = change->message;
	if (!d.message)
		reason_add(reason, "transaction: its %zu bytes are no sluice.Transaction", length);
	else if (!make_arrays(&d))
		reason_add(reason, "transaction: out of memory");
	else
		decode(&d);
	if (reason->count == d.mistakes_before)
		return change;
	plan_change_free(change);
	return NULL;
}

void plan_change_free(struct plan_change *change)
{
	if (!change)
		return;
	if (change->message)
		sluice__transaction__free_unpacked(change->message, NULL);
	free(change->vips);
	free(change->listeners);
	free(change->pools);
	free(change->routes);
	free(change->vips_removed);
	free(change->listeners_removed);
	free(change->pools_removed);
	free(change->routes_removed);
	free(change->all_endpoints);
	free(change->all_sources);
	decode_http_free(change);
	free(change);
}
