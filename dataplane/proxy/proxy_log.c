// SPDX-License-Identifier: BSD-3-Clause
// What a request leaves in the access log. Its words are kept from its head on, for the head is
// gone when it ends; they become a line elsewhere (access_writer.c).
#include "proxy_parts.h"

#include <string.h>

#define WORDS_MAX (CHUNK_SMALL - sizeof(struct log_words))

enum word {
	WORD_METHOD,
	WORD_HOST,
	WORD_PATH,
	WORD_AGENT,
	WORD_REFERER,
	WORD_ID,
	WORDS
};

static const uint16_t longest[WORDS] = {32, 255, 768, 384, 384, 128};

struct log_words { // in a small chunk
	uint16_t at, length[WORDS];
	char text[];
};

static void add(struct log_words *words, enum word word, const char *bytes, uint32_t length)
{
	length = RTE_MIN(length, (uint32_t)longest[word]);
	memcpy(words->text + words->at, bytes, length);
	words->at += (uint16_t)length;
	words->length[word] = (uint16_t)length;
}

static void add_field(struct log_words *words, enum word word, const struct h1_head *head,
	const struct h1_field *field)
{
	if (field)
		add(words, word, head->bytes + field->value, field->value_length);
}

void log_begin(struct proxy *proxy, struct session *session)
{
	const struct h1_head *head = &proxy->request_head;
	struct log_words *words;

	if (!proxy->config.log)
		return;
	session->words = chunk_new(proxy, CHUNK_SMALL);
	if (!session->words)
		return;
	words = (struct log_words *)session->words->data;
	memset(words, 0, sizeof(*words));
	add(words, WORD_METHOD, h1_at(head, head->method_text), head->method_text.length);
	add(words, WORD_HOST, h1_at(head, head->host), head->host.length);
	add(words, WORD_PATH, h1_at(head, head->target), head->target.length);
	add_field(words, WORD_AGENT, head, h1_find(head, "user-agent", 10));
	add_field(words, WORD_REFERER, head, h1_find(head, "referer", 7));
}

void log_request_id(const struct proxy *proxy, struct session *session, const char id[static 32])
{
	const struct h1_field *own = h1_first(&proxy->request_head, H1_X_REQUEST_ID);

	if (!session->words)
		return;
	if (own && own->value_length)
		add_field((struct log_words *)session->words->data, WORD_ID, &proxy->request_head,
			own);
	else
		add((struct log_words *)session->words->data, WORD_ID, id, 32);
}

void log_end(struct session *session)
{
	if (session->words)
		owner_release(chunk_owner(session->words));
	session->words = NULL;
}

// So many lines a second, and as many at once.
static bool within_rate(struct proxy *proxy)
{
	uint64_t most = (uint64_t)proxy->config.log_rate * 1000000;

	if (!most)
		return true;
	proxy->log_credit += (proxy->now - proxy->log_counted) * proxy->config.log_rate;
	proxy->log_credit = RTE_MIN(proxy->log_credit, most);
	proxy->log_counted = proxy->now;
	if (proxy->log_credit < 1000000)
		return false;
	proxy->log_credit -= 1000000;
	return true;
}

static bool is_sampled(struct proxy *proxy, const struct session *session)
{
	const struct http_site *site = tables_site(proxy->tables, session->site);

	if (session->refusal != HTTP_OK || session->status >= 500)
		return true;
	return site && site->log_sample && ++proxy->log_cursor % site->log_sample == 0;
}

static struct access_text put(
	struct log_entry *entry, uint32_t *at, const char *bytes, size_t length)
{
	char *to = entry->text + *at;

	memcpy(to, bytes, length);
	*at += (uint32_t)length;
	return (struct access_text){to, (uint32_t)length};
}

static struct access_text put_name(
	struct log_entry *entry, uint32_t *at, const char *name, size_t most)
{
	return name ? put(entry, at, name, strnlen(name, most)) : (struct access_text){NULL, 0};
}

static struct access_text always(const char *text)
{
	return (struct access_text){text, (uint32_t)strlen(text)};
}

static void put_words(const struct session *session, struct log_entry *entry, uint32_t *at)
{
	struct access_record *record = &entry->record;
	struct access_text *const to[WORDS] = {&record->method, &record->host, &record->path,
		&record->user_agent, &record->referer, &record->request_id};
	const struct log_words *words;
	const char *from;

	if (!session->words)
		return;
	words = (const struct log_words *)session->words->data;
	from = words->text;
	for (unsigned i = 0; i < WORDS; i++) {
		*to[i] = put(entry, at, from, words->length[i]);
		from += words->length[i];
	}
}

static void put_names(
	struct proxy *proxy, const struct session *session, struct log_entry *entry, uint32_t *at)
{
	const struct http_host *host;
	const struct http_rule *rule =
		session->rule == UINT32_MAX ? NULL
					    : tables_rule_slot(proxy->tables, session->rule, &host);
	const struct rule_backend backend = {.pool = session->pool, .hash = session->pool_hash};
	const struct pool *pool = rule ? tables_backend_pool(proxy->tables, &backend) : NULL;

	entry->record.ingress = put_name(entry, at, rule ? rule->object : NULL, 255);
	entry->record.rule = put_name(entry, at, rule ? rule->path : NULL, 255);
	entry->record.pool = put_name(entry, at, pool ? pool->name : NULL, 255);
}

static void put_connections(const struct session *session, struct log_entry *entry)
{
	struct access_record *record = &entry->record;

	if (session->link.tcp)
		entry->vip = tcp_tuple_of(session->link.tcp)->local;
	if (session->upstream) {
		entry->upstream = session->upstream->address;
		record->upstream_port = ntohs(session->upstream->port);
	}
	if (session->link.tls && tls_is_ready(session->link.tls)) {
		record->tls_version = always(tls_version(session->link.tls));
		record->tls_cipher = always(tls_cipher(session->link.tls));
	}
}

static uint64_t since(const struct session *session, usec_t then)
{
	return then ? then - session->started : UINT64_MAX;
}

void log_request(struct proxy *proxy, struct session *session)
{
	struct log_entry *entry;
	uint32_t at = 0;

	if (!proxy->config.log || !is_sampled(proxy, session))
		return;
	entry = within_rate(proxy) ? log_ring_room(proxy->config.log, LOG_TEXT_MAX) : NULL;
	if (!entry) {
		proxy->stats.log_lost++;
		return;
	}
	entry->vip = entry->upstream = (struct addr){0};
	entry->record = (struct access_record){
		.time_us = (int64_t)session->started + proxy->realtime_offset_us,
		.bytes_in = session->bytes_in,
		.bytes_out = session->bytes_out,
		.total_us = proxy->now - session->started,
		.connect_us = since(session, session->connected_at),
		.header_us = since(session, session->answered_at),
		.client = put(entry, &at, session->client, session->client_length),
		.client_port = session->port,
		.scheme = always(session->tls ? "https" : "http"),
		.version = always(session->client_old ? "HTTP/1.0" : "HTTP/1.1"),
		.vip_port = session->vip_port,
		.status = session->status,
		.upstream_status = session->upstream_status,
		.retries = session->tried_count > 1 ? session->tried_count - 1 : 0,
	};
	if (session->refusal != HTTP_OK)
		entry->record.refusal = always(http_refusal_name(session->refusal));
	if (session->upstream_tls != TLS_OK)
		entry->record.upstream_tls =
			always(tls_refusal_name((enum tls_refusal)session->upstream_tls));
	put_words(session, entry, &at);
	put_names(proxy, session, entry, &at);
	put_connections(session, entry);
	log_ring_put(proxy->config.log, entry, at);
	proxy->stats.log_lines++;
}
