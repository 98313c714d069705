// SPDX-License-Identifier: BSD-3-Clause
// POST /v1/capture, GET /v1/capture/next, POST /v1/capture/end: frames as the dataplane received,
// sent and dropped them. POST /v1/trace begins one that notes the way of packets instead. Who
// begins a capture asks for what has come, again and again: one that nobody asks after for five
// seconds ends by itself.
#include "api_internal.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

enum { // of the row that begins one
	PORT,
	HOST,
	PROTOCOL,
	PORT_NUMBER,
	STAGE,
	VIP = STAGE, // of a trace
	COUNT,
	SECONDS,
};

enum { // of the others
	CAPTURE
};

static uint32_t number(const char *text)
{
	return text ? (uint32_t)strtoul(text, NULL, 10) : 0;
}

static void set_address(ProtobufCBinaryData *data, struct addr *addr, const char *text)
{
	if (text && addr_parse(addr, text) == 0)
		data->data = (uint8_t *)(uintptr_t)addr_bytes(addr, &data->len);
}

static uint32_t protocol_number(const char *text)
{
	if (!text)
		return 0;
	if (strcmp(text, "icmp") == 0)
		return IPPROTO_ICMP;
	return strcmp(text, "tcp") == 0 ? IPPROTO_TCP : IPPROTO_UDP;
}

static Sluice__CaptureStage stage_number(const char *text)
{
	if (!text)
		return SLUICE__CAPTURE_STAGE__CAPTURE_ANY;
	if (strcmp(text, "in") == 0)
		return SLUICE__CAPTURE_STAGE__CAPTURE_IN;
	return strcmp(text, "out") == 0 ? SLUICE__CAPTURE_STAGE__CAPTURE_OUT
					: SLUICE__CAPTURE_STAGE__CAPTURE_DROP;
}

void api_capture_question(const struct api_command *command, const struct api_request *request,
	Sluice__CaptureRequest *question, struct addr address[static 2])
{
	const char *const *values = request->values;

	sluice__capture_request__init(question);
	if (command != &api_capture && command != &api_trace) {
		// One that is not named is none; nothing is begun.
		question->capture = values[CAPTURE] ? number(values[CAPTURE]) : UINT64_MAX;
		question->stop = command == &api_capture_end;
		return;
	}
	if (values[PORT])
		question->port = (char *)(uintptr_t)values[PORT];
	set_address(&question->host, &address[0], values[HOST]);
	question->protocol = protocol_number(values[PROTOCOL]);
	question->l4_port = number(values[PORT_NUMBER]);
	question->trace = command == &api_trace;
	if (question->trace)
		set_address(&question->vip, &address[1], values[VIP]);
	else
		question->stage = stage_number(values[STAGE]);
	question->count = number(values[COUNT]);
	question->seconds = number(values[SECONDS]);
}

static json_t *begin(const struct api_request *request)
{
	if (*request->captured->refused)
		reason_add(request->refused, "%s", request->captured->refused);
	return json_pack("{s:I}", "capture", (json_int_t)request->captured->capture);
}

static const char *stage_text(Sluice__CaptureStage stage)
{
	switch (stage) {
	case SLUICE__CAPTURE_STAGE__CAPTURE_IN:
		return "in";
	case SLUICE__CAPTURE_STAGE__CAPTURE_OUT:
		return "out";
	case SLUICE__CAPTURE_STAGE__CAPTURE_DROP:
		return "drop";
	default: // house: of another release
		return "";
	}
}

static void frame(struct text *text, const ProtobufCBinaryData *bytes)
{
	static const char digits[] = "0123456789abcdef";

	text_key(text, "frame");
	text_put(text, "\"");
	for (size_t i = 0; i < bytes->len; i++) {
		const char two[2] = {digits[bytes->data[i] >> 4], digits[bytes->data[i] & 15]};

		text_bytes(text, two, 2);
	}
	text_put(text, "\"");
}

static void packets(struct text *text, const Sluice__Captured *captured)
{
	text_key(text, "packets");
	text_open(text, '[');
	for (size_t i = 0; i < captured->n_packets; i++) {
		const Sluice__CapturedPacket *packet = captured->packets[i];

		text_open(text, '{');
		text_key_number(text, "time_ns", packet->time_ns);
		text_key_string(text, "stage", stage_text(packet->stage));
		text_key_string(text, "port", packet->port);
		text_key_number(text, "worker", packet->worker);
		text_key_string(text, "drop", *packet->drop ? packet->drop : NULL);
		text_key_number(text, "length", packet->length);
		frame(text, &packet->frame);
		text_close(text, '}');
	}
	text_close(text, ']');
}

static void traces(struct text *text, const Sluice__Captured *captured)
{
	text_key(text, "traces");
	text_open(text, '[');
	for (size_t i = 0; i < captured->n_traces; i++) {
		const Sluice__TracedPacket *packet = captured->traces[i];

		text_open(text, '{');
		text_key_number(text, "time_ns", packet->time_ns);
		text_key_string(text, "port", packet->port);
		text_key_number(text, "worker", packet->worker);
		text_key(text, "steps");
		text_open(text, '[');
		for (size_t j = 0; j < packet->n_steps; j++) {
			text_open(text, '{');
			text_key_string(text, "stage", packet->steps[j]->stage);
			text_key_string(text, "text", packet->steps[j]->text);
			text_close(text, '}');
		}
		text_close(text, ']');
		text_close(text, '}');
	}
	text_close(text, ']');
}

static void next(const struct api_request *request, struct text *text)
{
	const Sluice__Captured *captured = request->captured;

	text_open(text, '{');
	text_key_number(text, "capture", captured->capture);
	text_key(text, "over");
	text_put(text, captured->over ? "true" : "false");
	text_key(text, "more");
	text_put(text, captured->more ? "true" : "false");
	text_key_number(text, "lost", captured->lost);
	packets(text, captured);
	traces(text, captured);
	text_close(text, '}');
}

const struct api_command api_capture = {
	.path = "/v1/capture",
	.help = "begin to take frames as they are received, sent and dropped",
	.arguments =
		{
			[PORT] = {"port", ARGUMENT_TEXT, "only of this port"},
			[HOST] = {"host", ARGUMENT_ADDRESS, "only from or to this address"},
			[PROTOCOL] = {"protocol", ARGUMENT_IP, "tcp, udp or icmp"},
			[PORT_NUMBER] = {"port-number", ARGUMENT_PORT,
				"only from or to this port of TCP or UDP"},
			[STAGE] = {"stage", ARGUMENT_STAGE, "only received, sent or dropped ones"},
			[COUNT] = {"count", ARGUMENT_NUMBER, "end after so many"},
			[SECONDS] = {"seconds", ARGUMENT_NUMBER,
				"end after this time, at most 86400; 60 if not given"},
		},
	.need = NEED_CAPTURED,
	.changes = true,
	.handler = begin,
	.answer = "{capture: number}",
};

const struct api_command api_trace = {
	.path = "/v1/trace",
	.help = "begin to note the way of packets through the stages",
	.arguments =
		{
			[PORT] = {"port", ARGUMENT_TEXT, "only what this port received"},
			[HOST] = {"host", ARGUMENT_ADDRESS, "only from or to this address"},
			[PROTOCOL] = {"protocol", ARGUMENT_IP, "tcp, udp or icmp"},
			[PORT_NUMBER] = {"port-number", ARGUMENT_PORT,
				"only from or to this port of TCP or UDP"},
			[VIP] = {"vip", ARGUMENT_ADDRESS, "only of flows of this VIP"},
			[COUNT] = {"count", ARGUMENT_NUMBER, "end after so many"},
			[SECONDS] = {"seconds", ARGUMENT_NUMBER,
				"end after this time, at most 86400; 60 if not given"},
		},
	.need = NEED_CAPTURED,
	.changes = true,
	.handler = begin,
	.answer = "{capture: number}",
};

#define TAKEN                                                                                      \
	"{capture: number, over: bool, more: bool, lost: number, packets: [{time_ns: "             \
	"number, stage, port, worker: number, drop: text?, length: number, frame}], "              \
	"traces: [{time_ns: number, port, worker: number, steps: [{stage, text}]}]}"

const struct api_command api_capture_next = {
	.path = "/v1/capture/next",
	.help = "what a capture or trace has taken since it was last asked",
	.arguments = {[CAPTURE] = {"capture", ARGUMENT_NUMBER, "its number", true}},
	.need = NEED_CAPTURED,
	.admin = true,
	.write = next,
	.answer = TAKEN,
};

const struct api_command api_capture_end = {
	.path = "/v1/capture/end",
	.help = "end a capture or trace",
	.arguments = {[CAPTURE] = {"capture", ARGUMENT_NUMBER, "its number", true}},
	.need = NEED_CAPTURED,
	.changes = true,
	.write = next,
	.answer = TAKEN,
};
