// SPDX-License-Identifier: BSD-3-Clause
// Captures: begun, told of, ended. Main lcore.
//
//	none --request--> running --count, seconds, stop, nobody asks--> stopping
//	  ^                                                                 | every worker quiescent
//	  +-- freed <-- all was told, or nobody asks <-- lanes are ours ----+
#include <arpa/inet.h>
#include <rte_cycles.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "stats_internal.h"
#include "trace_text.h"

#define SECONDS_DEFAULT 60
#define SECONDS_MAX     86400
#define ASKED_WITHIN_US 5000000
#define ANSWER_BYTES    (1u << 20)
#define ANSWER_ROWS     4096

struct capture_lane *capture_lane(struct dataplane *dataplane)
{
	return dataplane->capture ? &dataplane->capture->lanes[CAPTURE_LANES - 1] : NULL;
}

static void capture_free(struct capture *capture)
{
	for (unsigned i = 0; capture && i < CAPTURE_LANES; i++) {
		record_ring_free(capture->lanes[i].ring);
		free(capture->lanes[i].burst);
	}
	free(capture);
}

static void stop(struct dataplane *dataplane)
{
	struct capture_run *run = &dataplane->capture_run;

	if (!run->capture || run->stopping)
		return;
	__atomic_store_n(&dataplane->capture, NULL, __ATOMIC_RELEASE);
	run->grace = rte_rcu_qsbr_start(dataplane->qsbr);
	run->stopping = true;
}

// The workers have left the lanes.
static bool is_ours(const struct dataplane *dataplane)
{
	const struct capture_run *run = &dataplane->capture_run;

	return run->stopping && rte_rcu_qsbr_check(dataplane->qsbr, run->grace, false) == 1;
}

static void end(struct dataplane *dataplane)
{
	capture_free(dataplane->capture_run.capture);
	dataplane->capture_run.capture = NULL;
}

void capture_step(struct dataplane *dataplane)
{
	struct capture_run *run = &dataplane->capture_run;
	usec_t now = clock_now_us();

	if (!run->capture)
		return;
	if (now >= run->until || now - run->asked > ASKED_WITHIN_US)
		stop(dataplane);
	if (now - run->asked > ASKED_WITHIN_US && is_ours(dataplane))
		end(dataplane);
}

static unsigned ports_named(const struct dataplane *dataplane, const char *name)
{
	unsigned ports = 0;

	for (unsigned i = 0; i < dataplane->port_count; i++)
		if (!*name || strcmp(dataplane->ports[i].name, name) == 0)
			ports |= 1u << i;
	return ports;
}

// An address of the filter; false when it is none.
static bool take_address(const ProtobufCBinaryData *bytes, bool *by, struct addr *address)
{
	*by = bytes->len != 0;
	return !*by || addr_from_bytes(address, bytes->data, bytes->len) == 0;
}

// NULL, or why it is no filter.
static const char *take_filter(const struct dataplane *dataplane,
	const Sluice__CaptureRequest *request, struct capture_filter *filter)
{
	*filter = (struct capture_filter){
		.stages = request->stage ? 1u << (request->stage - 1)
					 : (1u << CAPTURE_STAGE_COUNT) - 1,
		.ports = ports_named(dataplane, request->port),
		.protocol = (uint8_t)request->protocol,
		.l4_port = htons((uint16_t)request->l4_port),
	};
	if (!filter->ports)
		return "there is no such port: `show ports` lists them";
	if (request->stage > SLUICE__CAPTURE_STAGE__CAPTURE_DROP)
		return "stage: expected in, out or drop";
	if (request->protocol && request->protocol != IPPROTO_TCP &&
		request->protocol != IPPROTO_UDP && request->protocol != IPPROTO_ICMP)
		return "protocol: expected tcp, udp or icmp";
	if (request->l4_port > UINT16_MAX)
		return "l4_port: expected at most 65535";
	if (!take_address(&request->host, &filter->by_host, &filter->host) ||
		!take_address(&request->vip, &filter->by_vip, &filter->vip))
		return "host, vip: expected an IPv4 or IPv6 address";
	if (request->seconds > SECONDS_MAX)
		return "seconds: expected at most 86400";
	return NULL;
}

static struct capture *capture_new(const struct dataplane *dataplane,
	const struct capture_filter *filter, uint32_t count, bool trace)
{
	struct capture *capture = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*capture));

	if (!capture)
		return NULL;
	*capture = (struct capture){.filter = *filter};
	for (unsigned i = 0; i < CAPTURE_LANES; i++) {
		struct capture_lane *lane = &capture->lanes[i];

		if (i >= dataplane->worker_count && i != CAPTURE_LANES - 1)
			continue;
		*lane = (struct capture_lane){.filter = &capture->filter,
			.ring = record_ring_new(CAPTURE_RING_BYTES),
			.burst = trace ? calloc(1, sizeof(struct trace_burst)) : NULL,
			.left = count};
		if (!lane->ring || (trace && !lane->burst)) {
			capture_free(capture);
			return NULL;
		}
	}
	return capture;
}

// NULL, or why not.
static const char *begin(struct dataplane *dataplane, const Sluice__CaptureRequest *request)
{
	struct capture_run *run = &dataplane->capture_run;
	uint32_t seconds = request->seconds ? request->seconds : SECONDS_DEFAULT;
	struct capture_filter filter;
	const char *why = take_filter(dataplane, request, &filter);
	struct timespec now;
	struct capture *capture;

	if (why)
		return why;
	if (run->capture)
		return "another capture or trace is running: there is one at a time";
	capture = capture_new(
		dataplane, &filter, request->count ? request->count : UINT32_MAX, request->trace);
	if (!capture)
		return "out of memory";
	clock_gettime(CLOCK_REALTIME, &now);
	*run = (struct capture_run){.id = run->id + 1,
		.capture = capture,
		.left = request->count ? request->count : UINT32_MAX,
		.asked = clock_now_us(),
		.until = clock_now_us() + seconds * 1000000ull,
		.tsc = rte_rdtsc(),
		.realtime_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec};
	__atomic_store_n(&dataplane->capture, capture, __ATOMIC_RELEASE);
	return NULL;
}

static uint64_t time_of(const struct capture_run *run, uint64_t tsc)
{
	__int128 since = (__int128)tsc - run->tsc;

	return run->realtime_ns + (uint64_t)(since * 1000000000 / (__int128)rte_get_tsc_hz());
}

// The lane with the oldest frame, or -1.
static uint64_t tsc_of(const struct capture_lane *lane, const void *record)
{
	return lane->burst ? ((const struct traced *)record)->tsc
			   : ((const struct captured *)record)->tsc;
}

static int oldest(struct capture *capture)
{
	uint64_t best = 0;
	int found = -1;

	for (int i = 0; i < CAPTURE_LANES; i++) {
		const struct capture_lane *lane = &capture->lanes[i];
		const void *first = lane->ring ? record_ring_first(lane->ring) : NULL;

		if (first && (found < 0 || tsc_of(lane, first) < best)) {
			best = tsc_of(lane, first);
			found = i;
		}
	}
	return found;
}

static bool tell_packet(const struct dataplane *dataplane, struct answer *answer,
	const struct captured *captured, int lane, Sluice__Captured *out)
{
	Sluice__CapturedPacket *row = answer_alloc(answer, sizeof(*row));
	uint8_t *frame = answer_alloc(answer, captured->kept);

	if (!row || !frame)
		return false;
	memcpy(frame, captured->frame, captured->kept);
	sluice__captured_packet__init(row);
	row->time_ns = time_of(&dataplane->capture_run, captured->tsc);
	row->stage = (Sluice__CaptureStage)(captured->stage + 1);
	row->port = answer_text(dataplane->ports[captured->port].name);
	row->worker = lane == CAPTURE_LANES - 1 ? dataplane->worker_count : (uint32_t)lane;
	row->drop = answer_text(captured->drop ? drop_name(captured->drop) : "");
	row->length = captured->length;
	row->frame = (ProtobufCBinaryData){captured->kept, frame};
	out->packets[out->n_packets++] = row;
	return true;
}

static bool tell_trace(const struct dataplane *dataplane, struct answer *answer,
	const struct traced *traced, int lane, Sluice__Captured *out)
{
	struct trace_step *steps = answer_alloc(answer, TRACE_STEPS_MAX * sizeof(*steps));
	Sluice__TracedPacket *row = answer_alloc(answer, sizeof(*row));
	Sluice__TraceStep *texts = answer_alloc(answer, TRACE_STEPS_MAX * sizeof(*texts));
	Sluice__TraceStep **list =
		answer_alloc(answer, TRACE_STEPS_MAX * sizeof(Sluice__TraceStep *));

	if (!steps || !row || !texts || !list)
		return false;
	sluice__traced_packet__init(row);
	row->time_ns = time_of(&dataplane->capture_run, traced->tsc);
	row->worker = (uint32_t)lane;
	row->port = answer_text(dataplane->ports[dataplane->ifaces[traced->iface].port].name);
	row->steps = list;
	row->n_steps = trace_text(dataplane, traced, (unsigned)lane, steps);
	for (size_t i = 0; i < row->n_steps; i++) {
		sluice__trace_step__init(&texts[i]);
		texts[i].stage = answer_text(steps[i].stage);
		texts[i].text = steps[i].text;
		list[i] = &texts[i];
	}
	out->traces[out->n_traces++] = row;
	return true;
}

// One of this lane. How many bytes are in the answer for it, 0: out of memory.
static size_t tell_one(const struct dataplane *dataplane, struct answer *answer, int lane,
	const void *first, Sluice__Captured *out)
{
	if (dataplane->capture_run.capture->lanes[lane].burst)
		return tell_trace(dataplane, answer, first, lane, out) ? TRACE_TEXT : 0;
	return tell_packet(dataplane, answer, first, lane, out)
		       ? sizeof(struct captured) + ((const struct captured *)first)->kept
		       : 0;
}

// What has come, oldest first, up to the size of an answer.
static void tell(struct dataplane *dataplane, struct answer *answer, Sluice__Captured *out)
{
	struct capture_run *run = &dataplane->capture_run;
	size_t bytes = 0;

	out->packets = answer_alloc(answer, ANSWER_ROWS * sizeof(Sluice__CapturedPacket *));
	out->traces = answer_alloc(answer, ANSWER_ROWS * sizeof(Sluice__TracedPacket *));
	for (unsigned i = 0; i < CAPTURE_LANES; i++)
		out->lost += __atomic_load_n(&run->capture->lanes[i].lost, __ATOMIC_RELAXED);
	while (out->packets && out->traces && run->left) {
		int lane = oldest(run->capture);
		struct record_ring *ring;
		const struct record *first;
		size_t told;

		if (lane < 0)
			return;
		ring = run->capture->lanes[lane].ring;
		first = record_ring_first(ring);
		out->more = bytes >= ANSWER_BYTES || out->n_packets + out->n_traces == ANSWER_ROWS;
		told = out->more ? 0 : tell_one(dataplane, answer, lane, first, out);
		if (!told)
			return;
		bytes += told;
		run->left--;
		record_ring_drop(ring, first);
	}
}

void capture_request(
	void *arg, struct channel *channel, uint64_t id, const Sluice__CaptureRequest *request)
{
	struct dataplane *dataplane = arg;
	struct capture_run *run = &dataplane->capture_run;
	Sluice__Captured out = SLUICE__CAPTURED__INIT;
	struct answer answer = {0};

	capture_step(dataplane);
	if (!request->capture) {
		const char *why = begin(dataplane, request);

		out.refused = answer_text(why ? why : "");
		out.capture = why ? 0 : run->id;
	} else if (request->capture != run->id || !run->capture) {
		out.over = true;
	} else {
		bool ours;

		out.capture = run->id;
		run->asked = clock_now_us();
		if (request->stop || !run->left)
			stop(dataplane);
		ours = is_ours(dataplane); // before what is in the lanes is taken
		tell(dataplane, &answer, &out);
		out.over = ours && !out.more;
		if (out.over)
			end(dataplane);
		else if (!run->left)
			stop(dataplane);
	}
	channel_send_captured(channel, id, &out);
	answer_free(&answer);
}
