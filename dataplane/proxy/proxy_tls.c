// SPDX-License-Identifier: BSD-3-Clause
// TLS between a connection's TCP and its bytes: ciphertext waits as it came and is opened as far as
// the plaintext is wanted; plaintext is sealed at once, into chunks that TCP sends.
#include "proxy_parts.h"

#include <errno.h>
#include <string.h>

#define PIECES     16
#define PLAIN_MOST 49152 // bytes opened ahead of whoever takes them
#define LEND_LEAST 64

static void seal_end(struct link *link)
{
	if (link->sealed)
		owner_release(chunk_owner(link->sealed));
	link->sealed = NULL;
	link->sealed_length = 0;
}

static void *lend(void *io, void *user, uint32_t *room)
{
	struct proxy *proxy = io;
	struct link *link = user;

	if (!link->tcp || tcp_send_room(link->tcp) < LEND_LEAST)
		return NULL;
	if (link->sealed && link->sealed->room - link->sealed_length < LEND_LEAST)
		seal_end(link);
	if (!link->sealed)
		link->sealed = chunk_new(proxy, link->bulk ? CHUNK_LARGE : CHUNK_SMALL);
	if (!link->sealed)
		return NULL;
	*room = RTE_MIN(link->sealed->room - link->sealed_length, tcp_send_room(link->tcp));
	return link->sealed->data + link->sealed_length;
}

static void sent(void *io, void *user, uint32_t length)
{
	struct link *link = user;
	const struct tcp_piece piece = {
		link->sealed->data + link->sealed_length, length, chunk_owner(link->sealed)};

	if (!length)
		return;
	owner_hold(piece.owner);
	if (tcp_send(link->tcp, &piece, 1) != 1) {
		owner_release(piece.owner);
		link->broken = true; // a hole in the stream: nothing good can follow
	}
	link->sealed_length += length;
}

static void event(void *io, void *user, enum tls_event what)
{
	struct link *link = user;

	if (what == TLS_EVENT_FAILED)
		link->broken = true;
	link_mark(io, link);
}

// As the tables have it now: it may have been changed since it was referred to.
static struct tls_identity *identity_of(
	const struct tables *tables, const struct certificate_reference *reference)
{
	const struct certificate *certificate =
		reference->slot == SLOT_NONE ? NULL : tables_certificate(tables, reference);

	return certificate ? (struct tls_identity *)(uintptr_t)certificate->identity : NULL;
}

static bool choose(
	void *io, void *user, const char *name, struct tls_identity *found[TLS_KEY_KINDS])
{
	struct proxy *proxy = io;
	struct link *link = user;
	const struct session *session = (struct session *)link;
	const struct server_name *server =
		tables_server_name(proxy->tables, session->site, name, strlen(name));
	bool any = false;

	for (uint32_t i = 0; server && i < server->certificate_count; i++) {
		struct tls_identity *identity =
			identity_of(proxy->tables, &server->certificates[i]);
		enum tls_key_kind kind;

		if (!identity)
			continue;
		kind = tls_identity_facts(identity)->key_kind;
		found[kind] = found[kind] ? found[kind] : identity;
		any = true;
	}
	return any;
}

static const struct tls_ops ops = {
	.lend = lend,
	.sent = sent,
	.event = event,
	.choose = choose,
};

struct tls *proxy_tls_new(struct proxy *proxy)
{
	static const char *const alpn[] = {"http/1.1", "http/1.0", NULL};
	const struct tls_config config = {
		.alpn = alpn,
		.tickets = proxy->config.tickets,
		.crypto = proxy->config.crypto,
		.worker = proxy->config.worker,
	};

	return tls_new(&config, &ops, proxy);
}

bool link_accept_tls(struct proxy *proxy, struct link *link)
{
	link->tls = tls_accept(proxy->tls, link);
	return link->tls != NULL;
}

// The name in the Host that the endpoint sees. False: it is none that a certificate could have.
static bool host_name(const struct session *session, char name[SLUICE_HOST_LENGTH + 1])
{
	uint32_t length;
	const char *host = h1_written_host(session->head->data, session->head_length, &length);
	const char *end = length && *host == '[' ? memchr(host, ']', length) : NULL;
	size_t folded = route_fold_host(name, host, length);

	if (end && end - host <= SLUICE_HOST_LENGTH) {
		folded = (size_t)(end - host) - 1;
		memcpy(name, host + 1, folded);
	}
	name[folded] = '\0';
	return folded != 0;
}

bool link_target(const struct session *session, const struct tables *tables,
	const struct upstream_policy *policy, char name[SLUICE_HOST_LENGTH + 1],
	struct tls_target *target)
{
	*target = (struct tls_target){
		.backend = policy->backend,
		.identity = identity_of(tables, &policy->certificate),
	};
	if (!*policy->tls_name && host_name(session, name))
		target->name = name;
	return policy->backend && (*policy->tls_name || target->name || !policy->tls_verify);
}

bool link_connect_tls(struct proxy *proxy, struct link *link, const struct tls_target *target)
{
	link->tls = tls_connect(proxy->tls, target, link);
	return link->tls != NULL;
}

// What tls_read() has taken of the ciphertext is gone.
static void raw_used(struct proxy *proxy, struct link *link, uint32_t length)
{
	if (link->tcp && length)
		tcp_consume(link->tcp, length);
	while (length && link->raw.first) {
		struct slice *slice = link->raw.first;
		uint32_t n = RTE_MIN(slice->length, length);

		length -= n;
		if (n == slice->length) {
			slices_drop(proxy, &link->raw);
		} else {
			slice->data += n;
			slice->length -= n;
			link->raw.length -= n;
		}
	}
}

// One call of tls_read(), with what waits. Bytes of plaintext, or its error.
static int open_some(struct proxy *proxy, struct link *link, char *out, uint32_t room)
{
	struct tls_piece pieces[PIECES];
	struct tls_input input = {.pieces = pieces};
	uint32_t before = 0, after = 0;
	int n;

	for (struct slice *slice = link->raw.first; slice && input.count < PIECES;
		slice = slice->next) {
		pieces[input.count++] = (struct tls_piece){slice->data, slice->length};
		before += slice->length;
	}
	n = tls_read(link->tls, &input, out, room);
	for (uint32_t i = 0; i < input.count; i++)
		after += input.pieces[i].length;
	raw_used(proxy, link, before - (after - input.offset));
	return n;
}

void link_open(struct proxy *proxy, struct link *link)
{
	link->full = false;
	while (link->tls && !link->broken && !link->finished && link->in.length < PLAIN_MOST) {
		uint32_t room = RTE_MIN(link->raw.length + 64, (uint32_t)TLS_READ_ROOM);
		struct chunk *chunk = chunk_new(proxy, room <= CHUNK_SMALL ? room : TLS_READ_ROOM);
		uint32_t before = link->raw.length;
		int n;

		if (!chunk)
			return; // its time will come: the sender's window stays closed
		n = open_some(proxy, link, chunk->data, chunk->room);
		if (n > 0) {
			slices_add(proxy, &link->in, chunk->data, (uint32_t)n, chunk_owner(chunk));
			continue;
		}
		owner_release(chunk_owner(chunk));
		if (n == -EAGAIN && link->ending && !link->raw.length)
			n = tls_end(link->tls);
		link->broken |= n < 0 && n != -EAGAIN;
		link->finished = n == 0;
		if (link->broken || link->finished || link->raw.length == before ||
			!link->raw.length)
			break;
	}
	link->full = link->tls && link->in.length >= PLAIN_MOST;
}

bool link_open_more(struct proxy *proxy, struct link *link)
{
	if (!link->full || link->in.length >= PLAIN_MOST)
		return false;
	link_open(proxy, link);
	return true;
}

uint32_t link_seal_room(struct link *link)
{
	uint32_t room = tcp_send_room(link->tcp);

	if (!tls_is_ready(link->tls) || !tls_flush(link->tls) || room < 4096)
		return 0;
	return room - room / 64 - 1024; // every record adds to it
}

bool link_seal(struct link *link, const char *data, uint32_t length)
{
	struct tls_piece piece = {data, length};

	link->bulk = length > CHUNK_SMALL - 256;
	while (piece.length) {
		int n = tls_write(link->tls, &piece, 1, tcp_send_room(link->tcp));

		if (n <= 0 || link->broken)
			return false;
		piece.data = (const char *)piece.data + n;
		piece.length -= (uint32_t)n;
	}
	return true;
}

void link_close_tls(struct proxy *proxy, struct link *link)
{
	slices_clear(proxy, &link->raw);
	if (link->tls)
		tls_close(link->tls);
	link->tls = NULL;
	seal_end(link);
}
