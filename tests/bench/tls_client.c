// SPDX-License-Identifier: BSD-3-Clause
// A client of the TLS benchmarks: as many connections at a time as told, each begun again when it
// is over, for some seconds. TLS 1.3, X25519, TLS_AES_128_GCM_SHA256.
//
//     sluice-bench-tls ADDRESS PORT full|resumed|PATH CONNECTIONS SECONDS
//
// full and resumed: a handshake, its ticket waited for (then the server has done its part), a
// reset. PATH: handshakes once, then GET of that path again and again. Prints one JSON object.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "histogram.h"

struct connection {
	SSL *ssl;
	SSL_SESSION *session; // the newest ticket
	int fd;
	bool shaken, ticket;
	uint64_t begun_ns;
	uint64_t body_left; // of the answer; 0 = its head comes
	char head[4096];
	size_t head_length;
};

struct client {
	SSL_CTX *context;
	struct sockaddr_in server;
	const char *path; // NULL: handshakes
	bool resume;
	int epoll;
	uint64_t until_ns, handshakes, resumed, bytes, answers, failures;
	struct histogram *latency;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int on_ticket(SSL *ssl, SSL_SESSION *session)
{
	struct connection *c = SSL_get_app_data(ssl);

	SSL_SESSION_free(c->session);
	c->session = session;
	c->ticket = true;
	return 1; // kept
}

static void begin(struct client *client, struct connection *c)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
	const struct linger reset = {1, 0};
	const int on = 1;

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	c->shaken = c->ticket = false;
	c->begun_ns = now_ns();
	c->head_length = c->body_left = 0;
	if (connect(c->fd, (struct sockaddr *)&client->server, sizeof(client->server)) < 0 &&
		errno != EINPROGRESS) {
		perror("connect");
		exit(1);
	}
	c->ssl = SSL_new(client->context);
	SSL_set_fd(c->ssl, c->fd);
	SSL_set_app_data(c->ssl, c);
	SSL_set_connect_state(c->ssl);
	SSL_set_tlsext_host_name(c->ssl, "bench.example");
	if (client->resume && c->session)
		SSL_set_session(c->ssl, c->session);
	epoll_ctl(client->epoll, EPOLL_CTL_ADD, c->fd, &event);
}

static void end(struct connection *c)
{
	// Else its session counts as a bad one and is not taken up again.
	SSL_set_shutdown(c->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(c->ssl);
	close(c->fd);
	c->ssl = NULL;
}

static bool ask(struct client *client, struct connection *c)
{
	char text[512];
	int n = snprintf(
		text, sizeof(text), "GET %s HTTP/1.1\r\nHost: bench.example\r\n\r\n", client->path);

	return SSL_write(c->ssl, text, n) == n;
}

// The head's end and the length of what follows; false when it has not come whole.
static bool read_head(struct connection *c)
{
	const char *end, *length;

	c->head[c->head_length] = '\0';
	end = strstr(c->head, "\r\n\r\n");
	if (!end)
		return false;
	length = strcasestr(c->head, "content-length:");
	if (strncmp(c->head, "HTTP/1.1 200", 12) != 0 || !length || length > end) {
		fprintf(stderr, "not the answer that was expected:\n%s\n", c->head);
		exit(1);
	}
	c->body_left = strtoull(length + 15, NULL, 10);
	c->body_left -= c->head_length - (size_t)(end + 4 - c->head);
	return true;
}

// Everything that has come. False: it is over.
static bool take(struct client *client, struct connection *c)
{
	static char bytes[65536];

	for (;;) {
		bool head = c->body_left == 0;
		int n = head ? SSL_read(c->ssl, c->head + c->head_length,
				       (int)(sizeof(c->head) - 1 - c->head_length))
			     : SSL_read(c->ssl, bytes,
				       (int)(c->body_left < sizeof(bytes) ? c->body_left
									  : sizeof(bytes)));

		if (n <= 0)
			return SSL_get_error(c->ssl, n) == SSL_ERROR_WANT_READ;
		client->bytes += (uint64_t)n;
		if (head) {
			c->head_length += (size_t)n;
			if (!read_head(c))
				continue;
		} else {
			c->body_left -= (uint64_t)n;
		}
		if (c->body_left == 0) {
			uint64_t now = now_ns();

			client->answers++;
			histogram_add(client->latency, now - c->begun_ns);
			c->begun_ns = now;
			c->head_length = 0;
			if (!ask(client, c))
				return false;
		}
	}
}

static bool shake(struct client *client, struct connection *c)
{
	int n = SSL_do_handshake(c->ssl);

	if (n != 1)
		return SSL_get_error(c->ssl, n) == SSL_ERROR_WANT_READ ||
		       SSL_get_error(c->ssl, n) == SSL_ERROR_WANT_WRITE;
	c->shaken = true;
	if (client->path) {
		c->begun_ns = now_ns();
		return ask(client, c);
	}
	return true;
}

static void step(struct client *client, struct connection *c)
{
	bool goes_on = c->shaken || shake(client, c);

	if (goes_on && c->shaken)
		goes_on = take(client, c);
	if (!client->path && c->ticket) {
		uint64_t now = now_ns();

		client->handshakes++;
		client->resumed += (uint64_t)SSL_session_reused(c->ssl);
		histogram_add(client->latency, now - c->begun_ns);
		goes_on = false;
	} else if (!goes_on) {
		if (client->failures++ == 0) {
			perror("the first connection that failed");
			ERR_print_errors_fp(stderr);
		}
	}
	if (!goes_on) {
		end(c);
		begin(client, c);
	}
}

static void run(struct client *client, struct connection *connections, unsigned count)
{
	struct epoll_event events[64];

	for (unsigned i = 0; i < count; i++)
		begin(client, &connections[i]);
	while (now_ns() < client->until_ns) {
		int n = epoll_wait(client->epoll, events, 64, 100);

		for (int i = 0; i < n; i++)
			step(client, events[i].data.ptr);
	}
	for (unsigned i = 0; i < count; i++) {
		end(&connections[i]);
		SSL_SESSION_free(connections[i].session);
	}
}

static SSL_CTX *make_context(void)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());

	SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
	SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256");
	SSL_CTX_set1_groups_list(context, "X25519");
	SSL_CTX_set_session_cache_mode(
		context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
	SSL_CTX_sess_set_new_cb(context, on_ticket);
	SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE);
	return context;
}

int main(int argc, char **argv)
{
	struct client client = {0};
	struct connection *connections;
	uint64_t begun;
	unsigned count;
	double seconds;

	if (argc != 6) {
		fprintf(stderr, "usage: %s ADDRESS PORT full|resumed|PATH CONNECTIONS SECONDS\n",
			argv[0]);
		return 2;
	}
	client.latency = calloc(1, sizeof(struct histogram));
	client.server.sin_family = AF_INET;
	client.server.sin_port = htons((uint16_t)atoi(argv[2]));
	inet_pton(AF_INET, argv[1], &client.server.sin_addr);
	client.resume = strcmp(argv[3], "resumed") == 0;
	client.path = argv[3][0] == '/' ? argv[3] : NULL;
	count = (unsigned)atoi(argv[4]);
	connections = calloc(count, sizeof(*connections));
	client.context = make_context();
	client.epoll = epoll_create1(EPOLL_CLOEXEC);
	begun = now_ns();
	client.until_ns = begun + (uint64_t)(atof(argv[5]) * 1e9);
	run(&client, connections, count);
	seconds = (double)(now_ns() - begun) / 1e9;
	printf("{\"seconds\": %.3f, \"handshakes\": %lu, \"resumed\": %lu, \"answers\": %lu, "
	       "\"bytes\": %lu, \"failures\": %lu, \"p99_ms\": %.3f}\n",
		seconds, client.handshakes, client.resumed, client.answers, client.bytes,
		client.failures, (double)histogram_quantile(client.latency, 0.99) / 1e6);
	SSL_CTX_free(client.context);
	free(client.latency);
	free(connections);
	return 0;
}
