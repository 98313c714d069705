// SPDX-License-Identifier: BSD-3-Clause
// Segments from and to bytes. What arrives is hostile: every length is checked against what is
// there, and an option that does not fit ends the options, as RFC 9293 section 3.1 leaves room for.
#include "tcp_parts.h"

#include <arpa/inet.h>

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static void put16(uint8_t *p, uint16_t value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

static void put32(uint8_t *p, uint32_t value)
{
	put16(p, (uint16_t)(value >> 16));
	put16(p + 2, (uint16_t)value);
}

static void parse_option(struct tcp_segment *s, const uint8_t *p, unsigned length)
{
	if (p[0] == 2 && length == 4) {
		s->mss = get16(p + 2);
	} else if (p[0] == 3 && length == 3) {
		s->options |= TCP_OPTION_SCALE;
		s->scale = p[2] > 14 ? 14 : p[2]; // RFC 7323 section 2.3
	} else if (p[0] == 4 && length == 2) {
		s->options |= TCP_OPTION_SACK;
	} else if (p[0] == 5 && length >= 10 && (length - 2) % 8 == 0) {
		s->sack_count = 0;
		for (unsigned at = 2; at < length && s->sack_count < TCP_SACK_MAX; at += 8)
			s->sack[s->sack_count++] =
				(struct tcp_range){get32(p + at), get32(p + at + 4)};
	} else if (p[0] == 8 && length == 10) {
		s->options |= TCP_OPTION_TIME;
		s->ts_value = get32(p + 2);
		s->ts_echo = get32(p + 6);
	}
}

int tcp_parse(struct tcp_segment *s, const uint8_t *bytes, uint32_t length)
{
	unsigned header, at = 20;

	if (length < 20)
		return -EBADMSG;
	header = (unsigned)(bytes[12] >> 4) * 4;
	if (header < 20 || header > length)
		return -EBADMSG;
	s->tuple.remote_port = get16(bytes);
	s->tuple.local_port = get16(bytes + 2);
	s->seq = get32(bytes + 4);
	s->ack = get32(bytes + 8);
	s->flags = bytes[13] & (TCP_FIN | TCP_SYN | TCP_RST | TCP_PSH | TCP_ACK);
	s->window = get16(bytes + 14);
	s->mss = 0;
	s->options = s->scale = s->sack_count = 0;
	s->ts_value = s->ts_echo = 0;
	while (at < header && bytes[at] != 0) {
		if (bytes[at] == 1) {
			at++;
			continue;
		}
		if (at + 2 > header || bytes[at + 1] < 2 || at + bytes[at + 1] > header)
			break;
		parse_option(s, bytes + at, bytes[at + 1]);
		at += bytes[at + 1];
	}
	s->payload.data = bytes + header;
	s->payload.length = length - header;
	return 0;
}

uint32_t tcp_write_header(const struct tcp_output *out, uint8_t bytes[static TCP_HEADER_MAX])
{
	uint32_t length = TCP_HEADER_MIN + out->options_length;

	put16(bytes, out->tuple->local_port);
	put16(bytes + 2, out->tuple->remote_port);
	put32(bytes + 4, out->seq);
	put32(bytes + 8, out->ack);
	bytes[12] = (uint8_t)(length / 4 << 4);
	bytes[13] = out->flags;
	put16(bytes + 14, out->window);
	put32(bytes + 16, 0);
	memcpy(bytes + 20, out->options, out->options_length);
	return length;
}

void tcp_cut_begin(struct tcp_cut *cut, const struct tcp_output *run)
{
	cut->run = run;
	cut->done = cut->at = cut->skip = 0;
	cut->begun = false;
}

bool tcp_cut_next(struct tcp_cut *cut, struct tcp_output *one)
{
	const struct tcp_output *run = cut->run;
	uint32_t left = run->length - cut->done,
		 most = run->cut && run->cut < left ? run->cut : left;

	if (cut->begun && !left)
		return false;
	cut->begun = true;
	*one = *run;
	one->seq += cut->done;
	if (most < left)
		one->flags &= (uint8_t) ~(TCP_FIN | TCP_PSH);
	one->pieces = cut->pieces;
	one->piece_count = one->cut = one->length = 0;
	while (one->length < most) {
		const struct tcp_piece *piece = &run->pieces[cut->at];
		struct tcp_piece *part = &cut->pieces[one->piece_count++];

		*part = (struct tcp_piece){(const char *)piece->data + cut->skip,
			piece->length - cut->skip, piece->owner};
		if (part->length > most - one->length)
			part->length = most - one->length;
		one->length += part->length;
		cut->skip += part->length;
		if (cut->skip == piece->length) {
			cut->at++;
			cut->skip = 0;
		}
	}
	cut->done += one->length;
	return true;
}

// Words in network order; odd tells whether the bytes before were of an odd number.
static uint64_t sum_bytes(const uint8_t *p, uint32_t length, bool odd)
{
	uint64_t sum = 0;

	if (odd && length) {
		sum += *p++;
		length--;
	}
	for (; length >= 2; length -= 2, p += 2)
		sum += get16(p);
	return length ? sum + ((uint64_t)*p << 8) : sum;
}

static uint64_t sum_pseudo(const struct tcp_tuple *tuple, uint32_t length)
{
	size_t size;
	const uint8_t *local = addr_bytes(&tuple->local, &size);
	uint64_t sum = sum_bytes(local, (uint32_t)size, false) + IPPROTO_TCP + (length >> 16) +
		       (length & 0xffff);

	return sum + sum_bytes(addr_bytes(&tuple->remote, &size), (uint32_t)size, false);
}

static uint16_t fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

uint16_t tcp_checksum(const struct tcp_output *out, const uint8_t *header, uint32_t length)
{
	uint64_t sum =
		sum_pseudo(out->tuple, length + out->length) + sum_bytes(header, length, false);
	bool odd = false;

	for (unsigned i = 0; i < out->piece_count; i++) {
		sum += sum_bytes(out->pieces[i].data, out->pieces[i].length, odd);
		odd ^= out->pieces[i].length & 1;
	}
	return (uint16_t)~fold(sum);
}

bool tcp_checks(const struct tcp_tuple *tuple, const uint8_t *bytes, uint32_t length)
{
	return fold(sum_pseudo(tuple, length) + sum_bytes(bytes, length, false)) == 0xffff;
}
