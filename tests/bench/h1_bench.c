// SPDX-License-Identifier: BSD-3-Clause
// What the HTTP/1.1 codec costs, in cycles of the time-stamp counter: heads as wrk, curl, an API's
// client and a browser send them, read and written for the upstream; an endpoint's response, read
// and written for the client; bodies in chunks; our own answers; a line of the access log. Each is
// the best of many turns. Prints a line for each; ends with 1 where something is refused.
#include "access_log.h"
#include "h1_write.h"
#include "http_path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <x86intrin.h>

#define CALLS 2000
#define TURNS 50
#define HEADS 64 // copies of each head, so that not one place is predicted by heart

static const char wrk[] = "GET /index.html HTTP/1.1\r\nHost: 192.0.2.101\r\n\r\n";

static const char curl[] = "GET /api/v1/items?limit=20 HTTP/1.1\r\nHost: shop.example.com\r\n"
			   "User-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n";

static const char client[] =
	"POST /api/v1/orders HTTP/1.1\r\nHost: shop.example.com\r\n"
	"User-Agent: Go-http-client/1.1\r\nContent-Length: 241\r\nAccept: application/json\r\n"
	"Authorization: Bearer eyJhbGciOiJSUzI1NiIsImtpZCI6IjEifQ.eyJpc3MiOiJodHRwczovL2lkLmV4YW1w"
	"bGUuY29tIiwic3ViIjoiNDcxMSIsImF1ZCI6InNob3AiLCJleHAiOjE3OTU3MzYwOTZ9.c2lnbmF0dXJlc2lnbmF0"
	"dXJlc2lnbmF0dXJlc2lnbmF0dXJlc2lnbmF0dXJlc2lnbmF0dXJlc2lnbmF0dXJl\r\n"
	"Content-Type: application/json\r\n"
	"Traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n"
	"Accept-Encoding: gzip\r\n\r\n";

static const char browser[] =
	"GET /products/category/shoes?sort=price&page=3 HTTP/1.1\r\nHost: shop.example.com\r\n"
	"Connection: keep-alive\r\n"
	"sec-ch-ua: \"Chromium\";v=\"130\", \"Google Chrome\";v=\"130\", "
	"\"Not?A_Brand\";v=\"99\"\r\n"
	"sec-ch-ua-mobile: ?0\r\nsec-ch-ua-platform: \"Linux\"\r\n"
	"Upgrade-Insecure-Requests: 1\r\n"
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
	"Chrome/130.0.0.0 Safari/537.36\r\n"
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,"
	"image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7\r\n"
	"Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-User: ?1\r\n"
	"Sec-Fetch-Dest: document\r\n"
	"Referer: https://shop.example.com/products/category/shoes?sort=price&page=2\r\n"
	"Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-US,en;q=0.9,de;q=0.8\r\n"
	"Cookie: session=5f4dcc3b5aa765d61d8327deb882cf99; cart=eyJpdGVtcyI6WzQ3MTEsNDcxMl19; "
	"_ga=GA1.2.1234567890.1700000000; consent=necessary%2Cstatistics; theme=dark\r\n\r\n";

static const char answer[] =
	"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Thu, 26 Nov 2026 23:34:56 GMT\r\n"
	"Content-Type: text/html\r\nContent-Length: 615\r\n"
	"Last-Modified: Tue, 24 Nov 2026 10:00:00 GMT\r\nConnection: keep-alive\r\n"
	"ETag: \"6563e8a0-267\"\r\nAccept-Ranges: bytes\r\n\r\n";

#define DATE "Thu, 26 Nov 2026 23:34:56 GMT"

static const struct h1_forward forward = {.client = "198.51.100.117",
	.client_length = 14,
	.port = "443",
	.port_length = 3,
	.request_id = "0123456789abcdef0123456789abcdef",
	.tls = true};

struct work {
	const char *text;
	char *heads; // HEADS of them
	uint32_t length, stride;
	struct h1_head head;
	char out[4096];
	char *body;
	uint32_t body_length;
};

typedef bool (*step)(struct work *work, uint32_t turn);

static double best_cycles(step what, struct work *work)
{
	double best = 1e18;

	for (unsigned turn = 0; turn < TURNS; turn++) {
		uint64_t start = __rdtsc(), took;

		for (uint32_t i = 0; i < CALLS; i++)
			if (!what(work, i))
				exit(1);
		took = __rdtsc() - start;
		best = (double)took / CALLS < best ? (double)took / CALLS : best;
	}
	return best;
}

static const char *head_of(const struct work *work, uint32_t turn)
{
	return work->heads + turn % HEADS * work->stride;
}

static bool parse_request(struct work *work, uint32_t turn)
{
	struct h1_scan scan = {0};

	return h1_parse_request(&work->head, &scan, head_of(work, turn), work->length,
		       &http_limits_default) == H1_WHOLE;
}

static bool write_request(struct work *work, uint32_t turn)
{
	return h1_write_request(&work->head, &forward, work->out, sizeof(work->out)) > 0;
}

static bool normalise(struct work *work, uint32_t turn)
{
	const char *normal;
	size_t length;

	return http_path_normalise(h1_at(&work->head, work->head.path), work->head.path.length,
		       work->out, &normal, &length) == HTTP_OK;
}

static bool copy_head(struct work *work, uint32_t turn)
{
	memcpy(work->out, head_of(work, turn), work->length);
	__asm__ volatile("" : : "r"(work->out) : "memory");
	return true;
}

static bool parse_response(struct work *work, uint32_t turn)
{
	struct h1_scan scan = {0};

	return h1_parse_response(&work->head, &scan, head_of(work, turn), work->length,
		       (struct h1_asked){0}) == H1_WHOLE;
}

static bool write_response(struct work *work, uint32_t turn)
{
	struct h1_respond how = {.date = DATE, .keep_alive = true};

	return h1_write_response(&work->head, &how, work->out, sizeof(work->out)) > 0;
}

static bool write_answer(struct work *work, uint32_t turn)
{
	struct h1_answer what = {.status = 404, .date = DATE, .keep_alive = true};

	return h1_write_answer(&what, work->out, sizeof(work->out)) > 0;
}

static bool pass_chunks(struct work *work, uint32_t turn)
{
	static const struct h1_head head = {.body = H1_BODY_CHUNKED};
	struct h1_body body;
	uint32_t used;

	h1_body_begin(&body, &head);
	return h1_body_pass(&body, work->body, work->body_length, &used) == HTTP_OK && body.done;
}

static bool write_line(struct work *work, uint32_t turn)
{
	static char line[ACCESS_LINE];
	const struct access_text method = {"GET", 3}, host = {"shop.example.com", 16};
	const struct access_text path = {"/products/category/shoes?sort=price&page=3", 42};
	const struct access_text agent = {"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36", 50};
	struct access_record record = {.time_us = 1795736096789012,
		.bytes_in = 900,
		.bytes_out = 15000,
		.total_us = 1234,
		.connect_us = 200,
		.header_us = 900,
		.client = {forward.client, 14},
		.client_port = 40000,
		.vip = {"192.0.2.101", 11},
		.vip_port = 443,
		.upstream = {"10.1.2.3", 8},
		.upstream_port = 8080,
		.method = method,
		.host = host,
		.path = path,
		.user_agent = agent,
		.ingress = {"lab/default/shop", 16},
		.request_id = {forward.request_id, 32},
		.status = 200,
		.upstream_status = 200};

	return access_log_write(&record, line, sizeof(line)) > 0;
}

static void prepare(struct work *work, const char *text)
{
	work->text = text;
	work->length = (uint32_t)strlen(text);
	work->stride = (work->length + 127) & ~63u;
	free(work->heads);
	work->heads = calloc(HEADS, work->stride);
	if (!work->heads)
		exit(1);
	for (uint32_t i = 0; i < HEADS; i++)
		memcpy(work->heads + i * work->stride, text, work->length);
}

static void prepare_chunks(struct work *work, uint32_t size, uint32_t count)
{
	uint32_t at = 0;

	free(work->body);
	work->body = malloc((size + 20) * count + 5);
	if (!work->body)
		exit(1);
	for (uint32_t i = 0; i < count; i++) {
		at += h1_write_chunk_head(size, work->body + at);
		memset(work->body + at, 'x', size);
		at += size;
		memcpy(work->body + at, H1_CHUNK_TAIL, 2);
		at += 2;
	}
	memcpy(work->body + at, H1_CHUNK_LAST, 5);
	work->body_length = at + 5;
}

int main(void)
{
	static const struct {
		const char *name, *text;
	} heads[] = {{"wrk", wrk}, {"curl", curl}, {"API client", client}, {"browser", browser}};
	static struct work work;

	printf("%-12s %6s %7s %6s %6s %6s %6s\n", "request", "bytes", "fields", "read", "path",
		"write", "(copy)");
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		double parsed, path, written;

		prepare(&work, heads[i].text);
		parsed = best_cycles(parse_request, &work);
		path = best_cycles(normalise, &work);
		written = best_cycles(write_request, &work);
		printf("%-12s %6u %7u %6.0f %6.0f %6.0f %6.0f\n", heads[i].name, work.length,
			work.head.field_count, parsed, path, written,
			best_cycles(copy_head, &work));
	}
	prepare(&work, answer);
	printf("response     %6u %7u %6.0f", work.length, 8, best_cycles(parse_response, &work));
	printf("        %6.0f\n", best_cycles(write_response, &work));
	printf("answer of our own %.0f\n", best_cycles(write_answer, &work));
	prepare_chunks(&work, 1024, 16);
	printf("a chunk of 1 KB %.0f\n", best_cycles(pass_chunks, &work) / 16);
	printf("access log line %.0f\n", best_cycles(write_line, &work));
	free(work.heads);
	free(work.body);
	return 0;
}
