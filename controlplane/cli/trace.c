// SPDX-License-Identifier: BSD-3-Clause
// sluice trace: packets through the stages, and requests as the access log has them.
#include "follow.h"

#include "addr.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define COUNT_DEFAULT   "10"
#define SECONDS_DEFAULT "10"
#define PAUSE_NS        200000000
#define TIMESTAMP       32
#define LAST_PAUSES     3 // for lines of the access log that are still being written

enum {
	PORT,
	HOST,
	PROTOCOL,
	PORT_NUMBER,
	VIP,
	COUNT,
	SECONDS,
};

struct taker {
	const struct cli_asker *asker;
	const struct cli_call *call;
	struct cli_asker steady; // is asked to the end
	bool log;                // there is one to be read
	json_int_t after;
	char begun[TIMESTAMP]; // as the access log has its times
	uint64_t wanted, packets, requests, lost;
};

static void print_trace(json_t *row, FILE *out)
{
	char text[TIME_TEXT];
	json_t *step;
	size_t i;

	json_array_foreach(json_object_get(row, "steps"), i, step)
	{
		const char *stage = row_text(step, "stage");

		if (i == 0)
			fprintf(out, "%s %s\n", time_text(row_number(row, "time_ns"), text),
				row_text(step, "text"));
		else
			fprintf(out, "    %-11s %s\n", stage, row_text(step, "text"));
	}
}

static bool enough(const struct taker *taker)
{
	return taker->packets + taker->requests >= taker->wanted;
}

static bool take(void *arg, json_t *answer)
{
	struct taker *taker = arg;
	json_t *row;
	size_t i;

	taker->lost = row_number(answer, "lost") ? row_number(answer, "lost") : taker->lost;
	json_array_foreach(json_object_get(answer, "traces"), i, row)
	{
		taker->packets++;
		if (taker->asker->json) {
			json_dumpf(row, taker->asker->out, JSON_COMPACT);
			fputc('\n', taker->asker->out);
		} else {
			print_trace(row, taker->asker->out);
		}
	}
	fflush(taker->asker->out);
	return !enough(taker) && !ferror(taker->asker->out);
}

static void print_request(json_t *row, FILE *out)
{
	const char *refusal = json_string_value(json_object_get(row, "refusal"));
	char *client = row_address_port(row, "client", "client_port");
	char *upstream = row_address_port(row, "upstream", "upstream_port");

	fprintf(out, "%s request %s %s://%s%s\n", row_text(row, "time"), row_text(row, "method"),
		row_text(row, "scheme"), row_text(row, "host"), row_text(row, "path"));
	fprintf(out, "    %-11s %s, to %s\n", "client", client, row_text(row, "vip"));
	if (json_object_get(row, "ingress"))
		fprintf(out, "    %-11s Ingress %s, pool %s\n", "routed", row_text(row, "ingress"),
			row_text(row, "pool"));
	if (json_object_get(row, "upstream"))
		fprintf(out, "    %-11s %s answered %llu\n", "endpoint", upstream,
			(unsigned long long)row_number(row, "upstream_status"));
	fprintf(out, "    %-11s %llu%s%s%s in %.3f ms, %llu B in, %llu B out\n", "answered",
		(unsigned long long)row_number(row, "status"), refusal ? " (" : "",
		refusal ? refusal : "", refusal ? ")" : "",
		(double)row_number(row, "total_us") / 1000,
		(unsigned long long)row_number(row, "bytes_in"),
		(unsigned long long)row_number(row, "bytes_out"));
	free(client);
	free(upstream);
}

static void stamp_now(char text[static TIMESTAMP])
{
	struct timespec now;
	struct tm tm;
	size_t n;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	n = strftime(text, TIMESTAMP, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text + n, TIMESTAMP - n, ".%06ldZ", now.tv_nsec / 1000);
}

static bool is_address(const char *text)
{
	struct addr addr;

	return text && addr_parse(&addr, text) == 0;
}

// The lines of the access log since the last time; the first time there are none. Without an
// access log nothing is asked again.
static void take_requests(void *arg)
{
	struct taker *taker = arg;
	const char *host = taker->call->values[HOST];
	static const struct cli_command question = {.path = "/v1/requests/log",
		.arguments = {
			{"after", "", ""}, {"host", "", ""}, {"client", "", ""}, {"vip", "", ""}}};
	struct cli_call *call = taker->log ? calloc(1, sizeof(*call)) : NULL;
	struct reason reason = {0};
	json_t *answer = NULL, *row;
	char after[24], *query;
	size_t i;

	if (!call)
		return;
	snprintf(after, sizeof(after), "%lld", (long long)taker->after);
	call->command = &question;
	call->values[0] = taker->after >= 0 ? after : NULL;
	call->values[is_address(host) ? 2 : 1] = host;
	call->values[3] = taker->call->values[VIP];
	query = client_query(call);
	if (query && client_ask(&taker->steady, query, NULL, &answer, &reason) == CLI_OK) {
		taker->after = json_integer_value(json_object_get(answer, "after"));
	} else {
		taker->log = false; // of a name nothing else could be followed
		if (host && !is_address(host))
			fprintf(taker->asker->err, "sluice: %s\n", reason_text(&reason));
	}
	json_array_foreach(json_object_get(answer, "requests"), i, row)
	{
		if (enough(taker))
			break;
		if (strcmp(row_text(row, "time"), taker->begun) < 0)
			continue; // was there before, and its line took until now
		taker->requests++;
		if (taker->asker->json) {
			json_dumpf(row, taker->asker->out, JSON_COMPACT);
			fputc('\n', taker->asker->out);
		} else {
			print_request(row, taker->asker->out);
		}
	}
	fflush(taker->asker->out);
	json_decref(answer);
	reason_clear(&reason);
	free(query);
	free(call);
}

static void pause_a_little(void)
{
	nanosleep(&(struct timespec){0, PAUSE_NS}, NULL);
}

// A host's name stands in no packet that can be looked into: only requests are followed.
static int follow_requests(struct taker *taker, unsigned long seconds)
{
	time_t end = time(NULL) + (time_t)seconds;

	fprintf(taker->asker->err, "tracing requests: Ctrl-C ends it\n");
	while (taker->log && !enough(taker) && !interrupt_seen() && time(NULL) < end) {
		pause_a_little();
		take_requests(taker);
	}
	return taker->log ? CLI_OK : CLI_USAGE;
}

static int run(const struct cli_call *given, const struct cli_asker *asker)
{
	struct cli_call *call = malloc(sizeof(*call));
	struct taker taker = {
		.asker = asker, .call = call, .steady = *asker, .log = true, .after = -1};
	const struct follower follower = {
		.what = "tracing", .arg = &taker, .take = take, .meanwhile = take_requests};
	int result;

	if (!call)
		return CLI_ERROR;
	*call = *given;
	if (!call->values[COUNT])
		call->values[COUNT] = COUNT_DEFAULT;
	if (!call->values[SECONDS])
		call->values[SECONDS] = SECONDS_DEFAULT;
	taker.wanted = strtoull(call->values[COUNT], NULL, 10);
	taker.steady.interrupted = NULL;
	interrupt_catch();
	stamp_now(taker.begun);
	take_requests(&taker);
	if (call->values[HOST] && !is_address(call->values[HOST])) {
		result = follow_requests(&taker, strtoul(call->values[SECONDS], NULL, 10));
	} else {
		result = follow_run(call, asker, &follower);
		for (unsigned i = 0;
			i < LAST_PAUSES && taker.log && result == CLI_OK && !interrupt_seen();
			i++) {
			pause_a_little();
			taker.wanted = UINT64_MAX; // those of the packets that were shown
			take_requests(&taker);
		}
	}
	if (result == CLI_OK)
		fprintf(asker->err, "%llu packets, %llu requests%s\n",
			(unsigned long long)taker.packets, (unsigned long long)taker.requests,
			taker.lost ? "; some packets were lost" : "");
	free(call);
	return result;
}

const struct cli_command cli_trace = {
	.words = {"trace"},
	.help = "packets through the stages, and requests: 10 of them, or for 10 s, or until "
		"Ctrl-C",
	.path = "/v1/trace",
	.arguments = {[PORT] = {"port", "NAME", "only what this port received"},
		[HOST] = {"host", "ADDRESS|NAME",
			"only from or to this address; or only requests for this host"},
		[PROTOCOL] = {"protocol", "tcp|udp|icmp", "only of this protocol"},
		[PORT_NUMBER] = {"port-number", "NUMBER",
			"only from or to this port of TCP or UDP"},
		[VIP] = {"vip", "ADDRESS", "only of flows of this VIP"},
		[COUNT] = {"count", "NUMBER", "end after so many"},
		[SECONDS] = {"seconds", "NUMBER", "end after this time"}},
	.changes = true,
	.run = run,
	.values = {[PORT] = &cli_values_ports, [VIP] = &cli_values_vips},
};
