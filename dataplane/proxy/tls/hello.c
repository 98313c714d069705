// SPDX-License-Identifier: BSD-3-Clause
// A machine of steps: each wants so many bytes (a field), then acts on them; what is of no interest
// is skipped by count. Below it records are taken apart, so that a step never sees their seams.
//
//   MESSAGE -> VERSION -> SESSION -> CIPHERS -> COMPRESSIONS -> EXTENSIONS -> EXTENSION -+-> end
//                                                                  ^                     |
//          NAME_LIST -> NAME_ENTRY -> NAME --------+               |                     |
//          ALPN_LIST -> ALPN ----------------------+--- at its end +--------- by type ---+
//          VERSIONS -> VERSION_OFFERED (repeated) -+
//
// Held by every step: message_left counts what is left of the ClientHello, extension_left what is
// left of one extension (0 outside); a field or a skip never reaches beyond either.
#include "hello.h"

#include <string.h>

enum step {
	STEP_MESSAGE,
	STEP_VERSION,
	STEP_SESSION,
	STEP_CIPHERS,
	STEP_COMPRESSIONS,
	STEP_EXTENSIONS,
	STEP_EXTENSION,
	STEP_NAME_LIST,
	STEP_NAME_ENTRY,
	STEP_NAME, // copied, not collected
	STEP_ALPN_LIST,
	STEP_ALPN, // copied, not collected
	STEP_VERSIONS,
	STEP_VERSION_OFFERED,
	STEP_WHOLE,
};

static const uint8_t field_bytes[] = {
	[STEP_MESSAGE] = 4,
	[STEP_VERSION] = 2,
	[STEP_SESSION] = 1,
	[STEP_CIPHERS] = 2,
	[STEP_COMPRESSIONS] = 1,
	[STEP_EXTENSIONS] = 2,
	[STEP_EXTENSION] = 4,
	[STEP_NAME_LIST] = 2,
	[STEP_NAME_ENTRY] = 3,
	[STEP_ALPN_LIST] = 2,
	[STEP_VERSIONS] = 1,
	[STEP_VERSION_OFFERED] = 2,
	[STEP_WHOLE] = 0,
};

#define EXTENSION_SERVER_NAME 0
#define EXTENSION_ALPN        16
#define EXTENSION_VERSIONS    43
#define SEEN_NAME             1
#define SEEN_ALPN             2
#define SEEN_VERSIONS         4

#define RECORD_HANDSHAKE    22
#define RECORD_MAX          16384
#define MESSAGE_CLIENTHELLO 1

static void refuse(struct hello *hello, enum tls_refusal refusal)
{
	if (hello->refusal == TLS_OK)
		hello->refusal = refusal;
}

static uint16_t number(const uint8_t *bytes)
{
	return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

// Skips a vector of which the length was just read.
static void skip(struct hello *hello, uint32_t length, enum step then)
{
	if (length > hello->message_left) {
		refuse(hello, TLS_HELLO_MALFORMED);
		return;
	}
	hello->skip_left = (uint16_t)length;
	hello->step = then;
}

static void begin_message(struct hello *hello)
{
	uint32_t length = (uint32_t)hello->field[1] << 16 | number(hello->field + 2);

	if (hello->field[0] != MESSAGE_CLIENTHELLO)
		refuse(hello, TLS_NOT_TLS);
	else if (length > HELLO_MESSAGE_MAX)
		refuse(hello, TLS_HELLO_TOO_LONG);
	hello->message_left = length;
	hello->step = STEP_VERSION;
}

// Of each extension that is looked into there may be one.
static void begin_extension(struct hello *hello)
{
	uint16_t type = number(hello->field), length = number(hello->field + 2);
	uint8_t seen = 0;
	enum step step = STEP_EXTENSION;

	if (type == EXTENSION_SERVER_NAME) {
		seen = SEEN_NAME;
		step = STEP_NAME_LIST;
	} else if (type == EXTENSION_ALPN) {
		seen = SEEN_ALPN;
		step = STEP_ALPN_LIST;
	} else if (type == EXTENSION_VERSIONS) {
		seen = SEEN_VERSIONS;
		step = STEP_VERSIONS;
	}
	if (!seen) {
		skip(hello, length, STEP_EXTENSION);
		return;
	}
	if (length > hello->message_left || length == 0 || (hello->seen & seen))
		refuse(hello, TLS_HELLO_MALFORMED);
	hello->seen |= seen;
	hello->extension_left = length;
	hello->step = step;
}

static void begin_name(struct hello *hello)
{
	uint16_t length = number(hello->field + 1);

	// One entry, of the one type that was ever defined.
	if (hello->field[0] != 0 || length != hello->extension_left)
		refuse(hello, TLS_HELLO_MALFORMED);
	else if (length == 0 || length > HELLO_NAME_MAX)
		refuse(hello, TLS_HELLO_NAME);
	hello->step = STEP_NAME;
}

static void begin_alpn(struct hello *hello)
{
	if (number(hello->field) != hello->extension_left)
		refuse(hello, TLS_HELLO_MALFORMED);
	else if (hello->extension_left < 2 || hello->extension_left > HELLO_ALPN_MAX)
		refuse(hello, TLS_HELLO_ALPN);
	hello->step = STEP_ALPN;
}

static void act(struct hello *hello)
{
	switch ((enum step)hello->step) {
	case STEP_MESSAGE:
		begin_message(hello);
		break;
	case STEP_VERSION:
		if (hello->field[0] != 3)
			refuse(hello, TLS_NO_VERSION);
		skip(hello, 32, STEP_SESSION); // the random
		break;
	case STEP_SESSION:
		if (hello->field[0] > 32)
			refuse(hello, TLS_HELLO_MALFORMED);
		skip(hello, hello->field[0], STEP_CIPHERS);
		break;
	case STEP_CIPHERS:
		if (number(hello->field) < 2 || number(hello->field) % 2)
			refuse(hello, TLS_HELLO_MALFORMED);
		skip(hello, number(hello->field), STEP_COMPRESSIONS);
		break;
	case STEP_COMPRESSIONS:
		if (hello->field[0] == 0)
			refuse(hello, TLS_HELLO_MALFORMED);
		skip(hello, hello->field[0], STEP_EXTENSIONS);
		break;
	case STEP_EXTENSIONS:
		if (number(hello->field) != hello->message_left)
			refuse(hello, TLS_HELLO_MALFORMED);
		hello->step = STEP_EXTENSION;
		break;
	case STEP_EXTENSION:
		begin_extension(hello);
		break;
	case STEP_NAME_LIST:
		if (number(hello->field) != hello->extension_left)
			refuse(hello, TLS_HELLO_MALFORMED);
		hello->step = STEP_NAME_ENTRY;
		break;
	case STEP_NAME_ENTRY:
		begin_name(hello);
		break;
	case STEP_ALPN_LIST:
		begin_alpn(hello);
		break;
	case STEP_VERSIONS:
		if (hello->field[0] != hello->extension_left || hello->field[0] % 2 ||
			hello->field[0] == 0)
			refuse(hello, TLS_HELLO_MALFORMED);
		hello->step = STEP_VERSION_OFFERED;
		break;
	case STEP_VERSION_OFFERED:
		hello->tls13 |= number(hello->field) == 0x0304;
		break;
	case STEP_NAME:
	case STEP_ALPN:
	case STEP_WHOLE:
		break;
	}
}

static void take_name(struct hello *hello, const uint8_t *bytes, uint32_t length)
{
	for (uint32_t i = 0; i < length; i++) {
		char letter = (char)bytes[i];

		if (letter >= 'A' && letter <= 'Z')
			letter = (char)(letter + ('a' - 'A'));
		else if (!(letter >= 'a' && letter <= 'z') && !(letter >= '0' && letter <= '9') &&
			 letter != '-' && letter != '.' && letter != '_')
			refuse(hello, TLS_HELLO_NAME);
		hello->name[hello->name_length++] = letter;
	}
}

static void end_name(struct hello *hello)
{
	if (hello->name[hello->name_length - 1] == '.')
		hello->name_length--;
	hello->name[hello->name_length] = '\0';
	if (hello->name_length == 0 || hello->name[0] == '.' || strstr(hello->name, ".."))
		refuse(hello, TLS_HELLO_NAME);
}

static void end_alpn(struct hello *hello)
{
	unsigned at = 0;

	while (at < hello->alpn_length) {
		if (hello->alpn[at] == 0)
			refuse(hello, TLS_HELLO_ALPN);
		at += 1u + hello->alpn[at];
	}
	if (at != hello->alpn_length)
		refuse(hello, TLS_HELLO_ALPN);
}

static void end_extension(struct hello *hello)
{
	if (hello->step == STEP_NAME)
		end_name(hello);
	else if (hello->step == STEP_ALPN)
		end_alpn(hello);
	else if (hello->step != STEP_VERSION_OFFERED)
		refuse(hello, TLS_HELLO_MALFORMED);
	hello->step = STEP_EXTENSION;
}

// One field, copy or skip, or a part of it; how many bytes that took.
static uint32_t take_some(struct hello *hello, const uint8_t *bytes, uint32_t length)
{
	bool copied = hello->step == STEP_NAME || hello->step == STEP_ALPN;
	uint32_t want = field_bytes[hello->step] - hello->field_length;
	uint32_t take;

	if (hello->skip_left)
		want = hello->skip_left;
	else if (copied)
		want = hello->extension_left;
	take = length < want ? length : want;
	if (hello->skip_left) {
		hello->skip_left = (uint16_t)(hello->skip_left - take);
		return take;
	}
	// A message's own head is before there is a count of what is left of it.
	if (hello->step != STEP_MESSAGE && hello->field_length == 0 &&
		(want > hello->message_left ||
			(hello->extension_left && want > hello->extension_left))) {
		refuse(hello, TLS_HELLO_MALFORMED);
		return 0;
	}
	if (hello->step == STEP_NAME) {
		take_name(hello, bytes, take);
	} else if (hello->step == STEP_ALPN) {
		memcpy(hello->alpn + hello->alpn_length, bytes, take);
		hello->alpn_length = (uint8_t)(hello->alpn_length + take);
	} else {
		memcpy(hello->field + hello->field_length, bytes, take);
		hello->field_length = (uint8_t)(hello->field_length + take);
	}
	return take;
}

static void take_message(struct hello *hello, const uint8_t *bytes, uint32_t length)
{
	while (length && hello->refusal == TLS_OK && hello->step != STEP_WHOLE) {
		bool skipped = hello->skip_left > 0, inside = hello->extension_left > 0;
		bool head = hello->step == STEP_MESSAGE;
		uint32_t took = take_some(hello, bytes, length);

		bytes += took;
		length -= took;
		if (!head)
			hello->message_left -= took;
		if (inside)
			hello->extension_left = (uint16_t)(hello->extension_left - took);
		if (!skipped && field_bytes[hello->step] &&
			hello->field_length == field_bytes[hello->step]) {
			hello->field_length = 0;
			act(hello);
		}
		if (inside && hello->extension_left == 0 && hello->refusal == TLS_OK)
			end_extension(hello);
		if (hello->message_left || hello->skip_left || hello->field_length)
			continue;
		// At the end, and between two of its parts; without extensions it ends before them.
		if (hello->step == STEP_EXTENSION || hello->step == STEP_EXTENSIONS)
			hello->step = STEP_WHOLE;
		else if (!head)
			refuse(hello, TLS_HELLO_MALFORMED);
	}
}

// Says early what this is, so that nothing waits for more of what is not TLS.
static void look_at_header(struct hello *hello)
{
	const uint8_t *header = hello->header;
	uint8_t have = hello->header_length;

	if (header[0] != RECORD_HANDSHAKE)
		refuse(hello, header[0] >= 'A' && header[0] <= 'Z' ? TLS_PLAIN_HTTP : TLS_NOT_TLS);
	else if (have > 1 && header[1] != 3)
		refuse(hello, TLS_RECORD_VERSION);
	else if (have == 5 && (number(header + 3) == 0 || number(header + 3) > RECORD_MAX))
		refuse(hello, TLS_RECORD_LENGTH);
}

enum hello_verdict hello_feed(struct hello *hello, const void *data, size_t length)
{
	const uint8_t *bytes = data;

	while (length && hello->refusal == TLS_OK && hello->step != STEP_WHOLE) {
		size_t take;

		if (hello->record_left == 0) {
			hello->header[hello->header_length++] = *bytes++;
			length--;
			look_at_header(hello);
			if (hello->header_length == sizeof(hello->header)) {
				hello->record_left = number(hello->header + 3);
				hello->header_length = 0;
			}
			continue;
		}
		take = length < hello->record_left ? length : hello->record_left;
		take_message(hello, bytes, (uint32_t)take);
		hello->record_left = (uint16_t)(hello->record_left - take);
		bytes += take;
		length -= take;
	}
	if (hello->refusal != TLS_OK)
		return HELLO_REFUSED;
	return hello->step == STEP_WHOLE ? HELLO_WHOLE : HELLO_MORE;
}

bool hello_alpn_next(
	const struct hello *hello, unsigned *at, const char **protocol, uint8_t *length)
{
	if (*at >= hello->alpn_length)
		return false;
	*length = hello->alpn[*at];
	*protocol = (const char *)hello->alpn + *at + 1;
	*at += 1u + *length;
	return true;
}
