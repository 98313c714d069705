// SPDX-License-Identifier: BSD-3-Clause
// What the files of the proxy do for one another. proxy.c the connection's way; proxy_packet.c
// packets to segments and back; proxy_link.c bytes of one connection, both ways; proxy_request.c a
// request's head and its route; proxy_answer.c our own answers; proxy_upstream.c endpoints and
// connections to them; proxy_response.c what comes back; proxy_tunnel.c what goes both ways;
// proxy_kept.c what may go again; proxy_deadline.c deadlines; proxy_memory.c what all that lives
// in.
#pragma once

#include "proxy_internal.h"

static inline usec_t after_ms(const struct proxy *proxy, uint32_t ms)
{
	return proxy->now + ms * UINT64_C(1000);
}

// proxy_memory.c
void *pieces_take(struct pieces *pieces); // NULL: none left
void pieces_give(struct pieces *pieces, void *piece);
int proxy_memory_open(struct proxy *proxy);
void proxy_memory_close(struct proxy *proxy);
struct chunk *chunk_new(struct proxy *proxy, uint32_t room); // NULL: none, or too large
void *chunk_owner(struct chunk *chunk);
void owner_hold(void *owner);
void owner_release(void *owner);
// An mbuf without memory has the bytes, and holds their owner, until it is freed.
void owner_lend(const struct tcp_piece *piece, struct rte_mbuf *mbuf);
uint64_t proxy_random(struct proxy *proxy);

// proxy_link.c
void slices_open(struct slices *slices);
bool slices_add(struct proxy *proxy, struct slices *slices, const char *data, uint32_t length,
	void *owner); // takes the owner; false when there is no memory
void slices_drop(struct proxy *proxy, struct slices *slices); // the first one, releasing it
void slices_clear(struct proxy *proxy, struct slices *slices);
// `length` bytes of the first slice are used up; the window opens by as many.
void link_used(struct proxy *proxy, struct link *link, uint32_t length);
// Room to send, in bytes; 0 without a connection.
uint32_t link_room(struct link *link);
// Sends bytes that live in the owner, of which this takes one reference. False: it could not.
bool link_send(struct link *link, const char *data, uint32_t length, void *owner);
// All of the link's first bytes in one piece: `length` of them, as far as there are so many. NULL:
// no memory. The slices are merged when they must be.
const char *link_gather(struct proxy *proxy, struct link *link, uint32_t length);
void link_finish(struct link *link);
void link_abort(struct proxy *proxy, struct link *link);
// The connection goes its own way to its end.
void link_leave(struct proxy *proxy, struct link *link);

// proxy_tls.c
struct tls *proxy_tls_new(struct proxy *proxy);
bool link_accept_tls(struct proxy *proxy, struct link *link);
// Whom TLS would be spoken to for the session's request. False: it cannot be verified.
bool link_target(const struct session *session, const struct tables *tables,
	const struct upstream_policy *policy, char name[SLUICE_HOST_LENGTH + 1],
	struct tls_target *target);
bool link_connect_tls(struct proxy *proxy, struct link *link, const struct tls_target *target);
void link_open(struct proxy *proxy, struct link *link); // ciphertext that waits to plaintext
// The same where there was no room for all of it and now is some. False: there is no need, or none.
bool link_open_more(struct proxy *proxy, struct link *link);
uint32_t link_seal_room(struct link *link);
bool link_seal(struct link *link, const char *data, uint32_t length); // all of it, or false
void link_close_tls(struct proxy *proxy, struct link *link);

// proxy_packet.c
void link_mark(struct proxy *proxy, struct link *link); // whoever it belongs to shall look
extern const struct tcp_ops proxy_tcp_ops;
uint16_t proxy_mtu(const struct proxy *proxy, const struct addr *remote);
bool proxy_is_listener(const struct proxy *proxy, const struct tcp_tuple *tuple);

// proxy_deadline.c
void deadline_set(struct proxy *proxy, struct deadline *timer, usec_t due);
void deadline_stop(struct deadline *timer);
void deadlines_run(struct proxy *proxy);

// proxy.c
void session_mark(struct proxy *proxy, struct session *session);
void session_timeout(struct proxy *proxy, struct session *session);
struct session *session_new(struct proxy *proxy, const struct listener *listener);
bool session_start(struct proxy *proxy, struct session *session);   // after any PROXY header
bool session_end_tls(struct proxy *proxy, struct session *session); // it ends here
void session_end(struct proxy *proxy, struct session *session);     // closes whatever is open
void session_close(struct proxy *proxy, struct session *session);   // after our last word
void session_cut(struct proxy *proxy, struct session *session);     // with a reset

// proxy_request.c: true when it got further.
bool request_begin(struct proxy *proxy, struct session *session);
bool request_stream(struct proxy *proxy, struct session *session);
void request_reset(struct session *session);

// One of the backends, by weight, of those whose pool has a ready endpoint. NULL: none has.
const struct pool *backend_choose(
	struct proxy *proxy, const struct rule_backend *backends, uint32_t count);
uint64_t session_hash(const struct session *session); // of the client's address

// proxy_kept.c
// These bytes of the body went to the endpoint: they are kept if they may have to go again.
void request_went(struct proxy *proxy, struct session *session, const char *data, uint32_t length);
// What is kept goes to another endpoint. False: not all of it yet.
bool request_send_kept(struct session *session);
void request_forget(struct session *session); // it will not be sent again

// proxy_tunnel.c
bool tunnel_step(struct proxy *proxy, struct session *session);

// proxy_hello.c
bool hello_step(struct proxy *proxy, struct session *session);

// proxy_announce.c
// Does whoever connects from there begin with a PROXY header?
bool is_announced(const struct listener *listener, const struct addr *peer);
void session_name_peer(struct session *session, const struct addr *address, uint16_t port);
// Who asks; head NULL: it was not understood.
void session_name_client(struct proxy *proxy, struct session *session, const struct h1_head *head);
bool announced_step(struct proxy *proxy, struct session *session);
bool upstream_announce(struct proxy *proxy, struct upstream *upstream);

// proxy_log.c
void log_begin(struct proxy *proxy, struct session *session); // a head was read
// The request's own when it has one, else `id`.
void log_request_id(const struct proxy *proxy, struct session *session, const char id[static 32]);
void log_request(struct proxy *proxy, struct session *session); // it has ended
void log_end(struct session *session);

// proxy_answer.c
// Answers with this refusal's status, counted, and ends the request and the connection with it as
// fits.
void request_refuse(struct proxy *proxy, struct session *session, enum http_refusal refusal);
void request_count(struct proxy *proxy, struct session *session, uint16_t status);
// To https, if the rule says so. True: it is answered.
bool answer_redirect(
	struct proxy *proxy, struct session *session, const struct rule_policy *policy);
// To where the rule sends all; HTTP_OK: it is answered.
enum http_refusal answer_sent_away(
	struct proxy *proxy, struct session *session, const struct rule_policy *policy, bool https);
// To the URL of a rewrite-target; HTTP_OK: it is answered.
enum http_refusal answer_elsewhere(struct proxy *proxy, struct session *session,
	const struct http_found *found, struct route_text path);
// Value of Strict-Transport-Security for the session's site; 0: none.
uint16_t hsts_text(const struct proxy *proxy, const struct session *session, char out[static 64]);

// proxy_upstream.c
// Lets what endpoints once took be forgotten, some at a time: all of them in a second.
void upstream_fade(struct proxy *proxy);
enum http_refusal upstream_acquire(struct proxy *proxy, struct session *session);
void upstream_release(struct proxy *proxy, struct session *session, bool reusable);
void upstream_timeout(struct proxy *proxy, struct upstream *upstream);
void upstream_gone(struct proxy *proxy, struct upstream *upstream); // an idle one has ended
// The endpoint failed before a response: to another one, if that may be and there is one. False:
// the refusal holds, all is as it was. True: it is seen to, also where that one was of no use.
bool upstream_retry(struct proxy *proxy, struct session *session, uint32_t why);
// Its TLS, where it has some, is up. False: not yet, or it failed, which is as if it had closed.
bool upstream_secured(struct proxy *proxy, struct upstream *upstream);
// Why it took no request.
enum http_refusal upstream_missed(struct session *session);
void upstream_connected(struct proxy *proxy, struct upstream *upstream);

// proxy_response.c
bool response_stream(struct proxy *proxy, struct session *session);
const char *proxy_date(struct proxy *proxy);
