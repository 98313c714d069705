// SPDX-License-Identifier: BSD-3-Clause
// Active checks. See health.h.
//
//     WAITING --interval--> CONNECTING --connected--> (tcp) passed
//        ^                      |          (http) ASKING --status 200 to 399--> passed
//        +---- passed, failed, timeout ----+--------------- anything else --> failed
//     With https SHAKING, the handshake, is between CONNECTING and ASKING.
#include "health.h"

#include "health_tls.h"
#include "log.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUCKETS     4096 // a power of two
#define ANSWER_MAX  64   // of the answer only the first line's status matters
#define REQUEST_MAX 700
#define REASON_MAX  80

struct target {
	struct health *health;
	struct target *next; // in its bucket
	struct addr address;
	uint16_t port;
	struct plan_check check; // texts are copies
	unsigned uses;           // endpoints of pools that it is for
	bool failed, known;
	unsigned row; // of results that speak against what it is
	char text[REASON_MAX];

	uv_timer_t timer; // the next try, or the end of patience
	bool trying, asked;
	int fd;
	uv_poll_t *poll;
	struct health_secure *secure; // of a try with HTTPS
	char answer[ANSWER_MAX];
	size_t answer_bytes;
};

struct health {
	uv_loop_t *loop;
	struct health_options options;
	struct target *buckets[BUCKETS];
	unsigned seed;
	struct health_tls *tls; // made for the first check with HTTPS
};

static bool same_check(const struct plan_check *a, const struct plan_check *b)
{
	return a->kind == b->kind && a->interval_ms == b->interval_ms &&
	       a->timeout_ms == b->timeout_ms && a->rise == b->rise && a->fall == b->fall &&
	       a->port == b->port && strcmp(a->path, b->path) == 0 && strcmp(a->host, b->host) == 0;
}

static unsigned bucket_of(const struct addr *address, uint16_t port)
{
	uint32_t hash = port;

	for (unsigned i = 0; i < sizeof(address->byte); i++)
		hash = (hash ^ address->byte[i]) * 0x01000193;
	return (hash ^ hash >> 15) & (BUCKETS - 1);
}

static struct target *find(const struct health *h, const struct plan_check *check,
	const struct addr *address, uint16_t port)
{
	struct target *t = h->buckets[bucket_of(address, port)];

	while (t && (t->port != port || addr_compare(&t->address, address) != 0 ||
			    !same_check(&t->check, check)))
		t = t->next;
	return t;
}

static void free_handle(uv_handle_t *handle)
{
	free(handle);
}

static void hang_up(struct target *t)
{
	if (!t->trying)
		return;
	uv_poll_stop(t->poll);
	uv_close((uv_handle_t *)t->poll, free_handle);
	health_secure_close(t->secure);
	t->secure = NULL;
	close(t->fd);
	t->trying = false;
}

static void on_timer(uv_timer_t *timer);

// A fifth of the interval is left to chance.
static void wait(struct target *t, unsigned most_ms)
{
	unsigned fifth = most_ms / 5;

	uv_timer_start(&t->timer, on_timer,
		most_ms - fifth + (unsigned)rand_r(&t->health->seed) % (2 * fifth + 1), 0);
}

static void result(struct target *t, const char *failure)
{
	bool failed = failure != NULL;
	char text[ADDR_TEXT];

	hang_up(t);
	wait(t, t->check.interval_ms);
	if (failed)
		snprintf(t->text, sizeof(t->text), "failing: %s", failure);
	t->known = true;
	if (failed == t->failed) {
		t->row = 0;
		if (!failed)
			snprintf(t->text, sizeof(t->text), "passing");
		return;
	}
	if (++t->row < (failed ? t->check.fall : t->check.rise))
		return;
	t->row = 0;
	t->failed = failed;
	if (failed) {
		log_warning("health", "%s port %u fails: %s", addr_format(&t->address, text),
			t->port, failure);
	} else {
		snprintf(t->text, sizeof(t->text), "passing");
		log_notice("health", "%s port %u passes again", addr_format(&t->address, text),
			t->port);
	}
	t->health->options.changed(t->health->options.arg);
}

// "HTTP/1.1 200": true when it is all there; *failure is NULL when it is a good one.
static bool read_status(const char *answer, size_t length, const char **failure)
{
	*failure = "no HTTP/1 answer";
	if (length < 12)
		return memcmp(answer, "HTTP/1.", length < 7 ? length : 7) != 0;
	if (memcmp(answer, "HTTP/1.", 7) != 0 || answer[8] != ' ')
		return true;
	if (answer[9] == '2' || answer[9] == '3')
		*failure = NULL;
	else if (answer[9] == '4' || answer[9] == '5')
		*failure = "its status is not 200 to 399";
	return true;
}

static bool send_request(struct target *t, const char *request, size_t length)
{
	if (t->secure)
		return health_secure_write(t->secure, request, length) == STEP_DONE;
	return write(t->fd, request, length) == (ssize_t)length;
}

static void ask(struct target *t)
{
	char request[REQUEST_MAX], text[ADDR_TEXT];
	int n;

	addr_format(&t->address, text);
	n = snprintf(request, sizeof(request),
		"GET %s HTTP/1.1\r\nHost: %s%s%s\r\nUser-Agent: sluice-health\r\n"
		"Connection: close\r\n\r\n",
		t->check.path, *t->check.host || addr_is_v4(&t->address) ? "" : "[",
		*t->check.host ? t->check.host : text,
		*t->check.host || addr_is_v4(&t->address) ? "" : "]");
	if (n >= (int)sizeof(request) || !send_request(t, request, (size_t)n))
		result(t, "the request cannot be sent");
	else
		t->asked = true;
}

// As read() does.
static ssize_t read_some(struct target *t, char *bytes, size_t room)
{
	size_t got = 0;

	if (!t->secure)
		return read(t->fd, bytes, room);
	switch (health_secure_read(t->secure, bytes, room, &got)) {
	case STEP_DONE:
		return (ssize_t)got;
	case STEP_READ:
	case STEP_WRITE:
		errno = EAGAIN;
		return -1;
	case STEP_FAILED:
		break;
	}
	return 0;
}

static void read_answer(struct target *t)
{
	ssize_t n = read_some(t, t->answer + t->answer_bytes, ANSWER_MAX - t->answer_bytes);
	const char *failure;

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		result(t, n ? strerror(errno) : "closed without an answer");
		return;
	}
	t->answer_bytes += (size_t)n;
	if (read_status(t->answer, t->answer_bytes, &failure))
		result(t, failure);
}

static void on_ready(uv_poll_t *poll, int status, int events);

// The handshake goes on; true when it is through.
static bool shake(struct target *t)
{
	struct health *h = t->health;

	if (!t->secure) {
		if (!h->tls)
			h->tls = health_tls_open();
		t->secure = health_secure_open(h->tls, t->fd, t->check.host);
		if (!t->secure) {
			result(t, strerror(ENOMEM));
			return false;
		}
	}
	switch (health_secure_handshake(t->secure)) {
	case STEP_DONE:
		return true;
	case STEP_READ:
		uv_poll_start(t->poll, UV_READABLE, on_ready);
		return false;
	case STEP_WRITE:
		uv_poll_start(t->poll, UV_WRITABLE, on_ready);
		return false;
	case STEP_FAILED:
		result(t, "the TLS handshake fails");
		break;
	}
	return false;
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	struct target *t = poll->data;
	socklen_t length = sizeof(int);
	int error = 0;

	(void)status;
	(void)events;
	if (t->asked) {
		read_answer(t);
		return;
	}
	getsockopt(t->fd, SOL_SOCKET, SO_ERROR, &error, &length);
	if (error || t->check.kind == HEALTH_TCP) {
		result(t, error ? strerror(error) : NULL);
		return;
	}
	if (t->check.kind == HEALTH_HTTPS && !shake(t))
		return;
	ask(t);
	if (t->trying)
		uv_poll_start(t->poll, UV_READABLE, on_ready);
}

static int connect_to(struct target *t)
{
	const struct linger at_once = {.l_onoff = 1}; // thousands need not linger as TIME-WAIT
	bool v4 = addr_is_v4(&t->address);
	uint16_t port = htons(t->check.port ? t->check.port : t->port);
	struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = port};
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = port};
	int done;

	t->fd = socket(v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (t->fd < 0)
		return -errno;
	setsockopt(t->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	if (v4) {
		four.sin_addr.s_addr = addr_v4(&t->address);
		done = connect(t->fd, (struct sockaddr *)&four, sizeof(four));
	} else {
		memcpy(&six.sin6_addr, t->address.byte, sizeof(six.sin6_addr));
		done = connect(t->fd, (struct sockaddr *)&six, sizeof(six));
	}
	return done < 0 && errno != EINPROGRESS ? -errno : 0;
}

static void try(struct target *t)
{
	int error = connect_to(t);

	t->poll = error ? NULL : calloc(1, sizeof(*t->poll));
	if (!error && (!t->poll || uv_poll_init(t->health->loop, t->poll, t->fd)))
		error = -ENOMEM;
	if (error) {
		free(t->poll);
		if (t->fd >= 0)
			close(t->fd);
		result(t, strerror(-error));
		return;
	}
	t->poll->data = t;
	t->trying = true;
	t->asked = false;
	t->answer_bytes = 0;
	uv_poll_start(t->poll, UV_WRITABLE, on_ready);
	uv_timer_start(&t->timer, on_timer, t->check.timeout_ms, 0);
}

static void on_timer(uv_timer_t *timer)
{
	struct target *t = timer->data;

	if (t->trying)
		result(t, "no answer in time");
	else
		try(t);
}

static void on_closed(uv_handle_t *handle)
{
	struct target *t = handle->data;

	free(t->check.path);
	free(t->check.host);
	free(t);
}

static void drop(struct target **place)
{
	struct target *t = *place;

	*place = t->next;
	hang_up(t);
	uv_close((uv_handle_t *)&t->timer, on_closed);
}

static void add(
	struct health *h, const struct plan_check *check, const struct addr *address, uint16_t port)
{
	struct target *t = find(h, check, address, port);
	unsigned bucket = bucket_of(address, port);

	if (t) {
		t->uses++;
		return;
	}
	t = calloc(1, sizeof(*t));
	if (!t)
		return;
	t->health = h;
	t->address = *address;
	t->port = port;
	t->check = *check;
	t->check.path = strdup(check->path);
	t->check.host = strdup(check->host);
	t->uses = 1;
	if (!t->check.path || !t->check.host) {
		free(t->check.path);
		free(t->check.host);
		free(t);
		return;
	}
	t->next = h->buckets[bucket];
	h->buckets[bucket] = t;
	uv_timer_init(h->loop, &t->timer);
	t->timer.data = t;
	uv_timer_start(
		&t->timer, on_timer, (unsigned)rand_r(&h->seed) % (check->interval_ms / 2 + 1), 0);
}

static void add_pool(struct health *h, const struct plan_pool *pool)
{
	for (unsigned i = 0; pool->check && i < pool->endpoint_count; i++)
		add(h, pool->check, &pool->endpoints[i].address, pool->endpoints[i].port);
}

static void leave_pool(struct health *h, const struct plan_pool *pool)
{
	for (unsigned i = 0; pool->check && i < pool->endpoint_count; i++) {
		struct target *t =
			find(h, pool->check, &pool->endpoints[i].address, pool->endpoints[i].port);

		if (t && t->uses)
			t->uses--;
	}
}

static void drop_unused(struct health *h, unsigned bucket)
{
	for (struct target **place = &h->buckets[bucket]; *place;)
		if ((*place)->uses)
			place = &(*place)->next;
		else
			drop(place);
}

static void follow_all(struct health *h, const struct plan *plan)
{
	for (unsigned i = 0; i < BUCKETS; i++)
		for (struct target *t = h->buckets[i]; t; t = t->next)
			t->uses = 0;
	for (unsigned i = 0; i < plan->pool_count; i++)
		add_pool(h, plan->pools[i]);
	for (unsigned i = 0; i < BUCKETS; i++)
		drop_unused(h, i);
}

void health_follow(struct health *h, const struct plan *plan, const struct plan_delta *delta)
{
	const struct plan_rows *gone = &delta->gone[ROW_POOL], *added = &delta->added[ROW_POOL];

	if (delta->all) {
		follow_all(h, plan);
		return;
	}
	for (unsigned i = 0; i < gone->count; i++)
		leave_pool(h, gone->list[i]);
	for (unsigned i = 0; i < added->count; i++)
		add_pool(h, added->list[i]);
	for (unsigned i = 0; i < gone->count; i++) {
		const struct plan_pool *pool = gone->list[i];

		for (unsigned j = 0; pool->check && j < pool->endpoint_count; j++)
			drop_unused(
				h, bucket_of(&pool->endpoints[j].address, pool->endpoints[j].port));
	}
}

bool health_failed(const void *health, const struct plan_check *check, const struct addr *address,
	uint16_t port)
{
	const struct target *t = find(health, check, address, port);

	return t && t->failed;
}

const char *health_text(const struct health *h, const struct plan_check *check,
	const struct addr *address, uint16_t port)
{
	const struct target *t = check ? find(h, check, address, port) : NULL;

	return !check ? "" : t && t->known ? t->text : "not checked yet";
}

int health_open(struct health **out, uv_loop_t *loop, const struct health_options *options)
{
	struct health *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	h->loop = loop;
	h->options = *options;
	h->seed = (unsigned)uv_hrtime();
	*out = h;
	return 0;
}

void health_close(struct health *h)
{
	if (!h)
		return;
	for (unsigned i = 0; i < BUCKETS; i++)
		while (h->buckets[i])
			drop(&h->buckets[i]);
	health_tls_close(h->tls);
	free(h);
}
