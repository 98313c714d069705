// SPDX-License-Identifier: BSD-3-Clause
// sluice capture: frames as they were received, sent and dropped, on the terminal or to a file.
#include "follow.h"
#include "frame_text.h"
#include "pcapng.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define WRITE_ARGUMENT 7

struct taker {
	const struct cli_asker *asker;
	struct pcapng file; // without `out`: there is none
	uint64_t count, lost;
	int error; // of writing
};

static int hex(char letter)
{
	if (letter >= '0' && letter <= '9')
		return letter - '0';
	return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

// In place of its digits; how many bytes they are.
static uint32_t from_hex(char *text)
{
	uint8_t *to = (uint8_t *)text;
	uint32_t count = 0;

	while (hex(text[2 * count]) >= 0 && hex(text[2 * count + 1]) >= 0) {
		to[count] = (uint8_t)(hex(text[2 * count]) << 4 | hex(text[2 * count + 1]));
		count++;
	}
	return count;
}

static void print_packet(json_t *row, const uint8_t *frame, uint32_t kept, FILE *out)
{
	const char *drop = json_string_value(json_object_get(row, "drop"));
	char text[TIME_TEXT];

	fprintf(out, "%s %-4s %-8s ", time_text(row_number(row, "time_ns"), text),
		row_text(row, "stage"), row_text(row, "port"));
	frame_print(frame, kept, out);
	fprintf(out, "%s%s\n", drop ? "  dropped: " : "", drop ? drop : "");
}

static void write_packet(struct taker *taker, json_t *row, const uint8_t *frame, uint32_t kept)
{
	const char *stage = row_text(row, "stage");
	const char *drop = json_string_value(json_object_get(row, "drop"));
	struct pcapng_frame packet = {
		.port = row_text(row, "port"),
		.time_ns = row_number(row, "time_ns"),
		.way = strcmp(stage, "in") == 0    ? PCAPNG_INBOUND
		       : strcmp(stage, "out") == 0 ? PCAPNG_OUTBOUND
						   : PCAPNG_UNKNOWN,
		.length = (uint32_t)row_number(row, "length"),
		.kept = kept,
		.bytes = frame,
	};
	char comment[80];

	if (drop) {
		snprintf(comment, sizeof(comment), "dropped: %s", drop);
		packet.comment = comment;
	}
	taker->error = pcapng_write(&taker->file, &packet);
}

static bool take(void *arg, json_t *answer)
{
	struct taker *taker = arg;
	json_t *row;
	size_t i;

	taker->lost = row_number(answer, "lost") ? row_number(answer, "lost") : taker->lost;
	json_array_foreach(json_object_get(answer, "packets"), i, row)
	{
		const char *text = json_string_value(json_object_get(row, "frame"));
		char *frame;
		uint32_t kept;

		taker->count++;
		if (taker->asker->json && !taker->file.out) {
			json_dumpf(row, taker->asker->out, JSON_COMPACT);
			fputc('\n', taker->asker->out);
			continue;
		}
		frame = strdup(text ? text : "");
		if (!frame || taker->error) {
			free(frame);
			break;
		}
		kept = from_hex(frame);
		if (taker->file.out)
			write_packet(taker, row, (const uint8_t *)frame, kept);
		else
			print_packet(row, (const uint8_t *)frame, kept, taker->asker->out);
		free(frame);
	}
	fflush(taker->file.out ? taker->file.out : taker->asker->out);
	return !taker->error && !ferror(taker->asker->out);
}

// Others' traffic is in it: nobody else may read the file.
static FILE *open_file(const char *name, const struct cli_asker *asker)
{
	int fd = strcmp(name, "-") == 0
			 ? dup(STDOUT_FILENO)
			 : open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "w");

	if (!file)
		fprintf(asker->err, "sluice: %s: cannot be written: %s\n", name, strerror(errno));
	return file;
}

static int run(const struct cli_call *call, const struct cli_asker *asker)
{
	const char *name = call->values[WRITE_ARGUMENT];
	struct taker taker = {.asker = asker};
	const struct follower follower = {.what = "capturing", .arg = &taker, .take = take};
	FILE *file = name ? open_file(name, asker) : NULL;
	int result;

	if (name && !file)
		return CLI_ERROR;
	if (file)
		taker.error = pcapng_begin(&taker.file, file);
	result = follow_run(call, asker, &follower);
	if (file && fclose(file))
		taker.error = -errno;
	if (taker.error) {
		fprintf(asker->err, "sluice: %s: %s\n", name, strerror(-taker.error));
		return CLI_ERROR;
	}
	fflush(asker->out);
	if (result == CLI_OK) {
		fprintf(asker->err, "%llu packets", (unsigned long long)taker.count);
		if (taker.lost)
			fprintf(asker->err, ", %llu lost: narrow it down",
				(unsigned long long)taker.lost);
		fprintf(asker->err, "%s%s\n", name ? " written to " : "", name ? name : "");
	}
	return result;
}

const struct cli_command cli_capture = {
	.words = {"capture"},
	.help = "frames as they are received, sent and dropped, until Ctrl-C or 60 s",
	.path = "/v1/capture",
	.arguments = {{"port", "NAME", "only of this port"},
		{"host", "ADDRESS", "only from or to this address"},
		{"protocol", "tcp|udp|icmp", "only of this protocol"},
		{"port-number", "NUMBER", "only from or to this port of TCP or UDP"},
		{"stage", "in|out|drop", "only received, sent or dropped ones"},
		{"count", "NUMBER", "end after so many"},
		{"seconds", "NUMBER", "end after this time instead of 60"},
		[WRITE_ARGUMENT] = {"write", "FILE",
			"pcapng, instead of lines; - = standard output"}},
	.changes = true,
	.own = WRITE_ARGUMENT + 1,
	.run = run,
	.values = {&cli_values_ports},
};
