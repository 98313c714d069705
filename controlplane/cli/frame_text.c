// SPDX-License-Identifier: BSD-3-Clause
// Each layer takes its header from what is left, says what is in it and goes on. See frame_text.h.
#include "frame_text.h"

#include "addr.h"

#include <net/ethernet.h>
#include <stdbool.h>
#include <string.h>

#define ETHER_BYTES    14
#define ARP_BYTES      28
#define TAGS_MAX       2
#define TUNNELS_MAX    2
#define EXTENSIONS_MAX 8

struct rest {
	const uint8_t *bytes;
	size_t length;
};

struct ip {
	struct addr src, dst;
	uint8_t protocol;
	bool later; // a fragment but the first
};

static uint16_t word(const uint8_t *bytes)
{
	return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static uint32_t word32(const uint8_t *bytes)
{
	return (uint32_t)word(bytes) << 16 | word(bytes + 2);
}

// The next so many bytes, or NULL when there are fewer.
static const uint8_t *take(struct rest *rest, size_t count)
{
	const uint8_t *bytes = rest->bytes;

	if (count > rest->length)
		return NULL;
	rest->bytes += count;
	rest->length -= count;
	return bytes;
}

static void print_addr(const struct addr *addr, FILE *out)
{
	char text[ADDR_TEXT];

	fputs(addr_format(addr, text), out);
}

static void print_end(const struct addr *addr, uint16_t port, FILE *out)
{
	bool four = addr_is_v4(addr);

	fputs(four ? "" : "[", out);
	print_addr(addr, out);
	fprintf(out, "%s:%u", four ? "" : "]", port);
}

static void print_ends(const struct ip *ip, const uint8_t *ports, FILE *out)
{
	print_end(&ip->src, word(ports), out);
	fputs(" > ", out);
	print_end(&ip->dst, word(ports + 2), out);
}

static void print_addrs(const char *what, const struct ip *ip, FILE *out)
{
	fprintf(out, "%s ", what);
	print_addr(&ip->src, out);
	fputs(" > ", out);
	print_addr(&ip->dst, out);
}

static void print_tcp(const struct ip *ip, struct rest *rest, FILE *out)
{
	static const char letters[] = "FSRPAUEC"; // by bit
	const uint8_t *tcp = take(rest, 20);
	size_t options;

	if (!tcp) {
		print_addrs("tcp", ip, out);
		fputs(" truncated", out);
		return;
	}
	fputs("tcp ", out);
	print_ends(ip, tcp, out);
	fputc(' ', out);
	for (unsigned i = 0; i < 8; i++)
		if (tcp[13] >> i & 1)
			fputc(letters[i], out);
	options = (size_t)(tcp[12] >> 4) * 4;
	take(rest, options > 20 ? options - 20 : 0);
	fprintf(out, " seq %u", word32(tcp + 4));
	if (tcp[13] & 0x10)
		fprintf(out, " ack %u", word32(tcp + 8));
	fprintf(out, " length %zu", rest->length);
}

static void print_udp(const struct ip *ip, struct rest *rest, FILE *out)
{
	const uint8_t *udp = take(rest, 8);

	if (!udp) {
		print_addrs("udp", ip, out);
		fputs(" truncated", out);
		return;
	}
	fputs("udp ", out);
	print_ends(ip, udp, out);
	fprintf(out, " length %zu", rest->length);
}

static const char *icmp_name(bool six, uint8_t type)
{
	switch (six ? 256 + type : type) {
	case 0:
	case 256 + 129:
		return "echo reply";
	case 3:
	case 256 + 1:
		return "unreachable";
	case 8:
	case 256 + 128:
		return "echo request";
	case 11:
	case 256 + 3:
		return "time exceeded";
	case 256 + 2:
		return "too big";
	case 256 + 133:
		return "router solicitation";
	case 256 + 134:
		return "router advertisement";
	case 256 + 135:
		return "neighbour solicitation";
	case 256 + 136:
		return "neighbour advertisement";
	default:
		return "";
	}
}

static void print_icmp(const struct ip *ip, struct rest *rest, FILE *out)
{
	bool six = ip->protocol == IPPROTO_ICMPV6;
	const uint8_t *icmp = take(rest, 4);

	print_addrs(six ? "icmp6" : "icmp", ip, out);
	if (icmp)
		fprintf(out, " type %u code %u %s", icmp[0], icmp[1], icmp_name(six, icmp[0]));
	else
		fputs(" truncated", out);
}

// Also shortens the rest to what the header says.
static bool take_ipv4(struct ip *ip, struct rest *rest)
{
	const uint8_t *head = take(rest, 20);
	size_t header, total;

	if (!head)
		return false;
	header = (size_t)(head[0] & 15) * 4;
	total = word(head + 2);
	addr_from_bytes(&ip->src, head + 12, 4);
	addr_from_bytes(&ip->dst, head + 16, 4);
	ip->protocol = head[9];
	ip->later = word(head + 6) & 0x1fff;
	if (total >= 20 && total - 20 < rest->length)
		rest->length = total - 20;
	return header >= 20 && take(rest, header - 20);
}

static bool is_extension(uint8_t next)
{
	return next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_FRAGMENT ||
	       next == IPPROTO_DSTOPTS;
}

static bool take_ipv6(struct ip *ip, struct rest *rest)
{
	const uint8_t *head = take(rest, 40);

	if (!head)
		return false;
	addr_from_bytes(&ip->src, head + 8, 16);
	addr_from_bytes(&ip->dst, head + 24, 16);
	ip->protocol = head[6];
	if (word(head + 4) < rest->length)
		rest->length = word(head + 4);
	for (unsigned i = 0; i < EXTENSIONS_MAX && is_extension(ip->protocol); i++) {
		const uint8_t *extension = take(rest, 8);

		if (!extension)
			return false;
		if (ip->protocol == IPPROTO_FRAGMENT)
			ip->later |= (word(extension + 2) & 0xfff8) != 0;
		else if (!take(rest, (size_t)extension[1] * 8))
			return false;
		ip->protocol = extension[0];
	}
	return true;
}

static void print_ip(struct rest *rest, FILE *out)
{
	for (unsigned i = 0; i < TUNNELS_MAX; i++) {
		struct ip ip = {.protocol = 0};
		uint8_t version = rest->length ? rest->bytes[0] >> 4 : 0;

		if ((version != 4 || !take_ipv4(&ip, rest)) &&
			(version != 6 || !take_ipv6(&ip, rest))) {
			fputs("ip, malformed", out);
			return;
		}
		if (ip.later) {
			print_addrs("ip", &ip, out);
			fprintf(out, " later fragment of protocol %u", ip.protocol);
			return;
		}
		switch (ip.protocol) {
		case IPPROTO_TCP:
			print_tcp(&ip, rest, out);
			return;
		case IPPROTO_UDP:
			print_udp(&ip, rest, out);
			return;
		case IPPROTO_ICMP:
		case IPPROTO_ICMPV6:
			print_icmp(&ip, rest, out);
			return;
		case IPPROTO_IPIP:
		case IPPROTO_IPV6:
			print_addrs("tunnel", &ip, out);
			fputs(" | ", out);
			break;
		default:
			print_addrs("ip", &ip, out);
			fprintf(out, " protocol %u length %zu", ip.protocol, rest->length);
			return;
		}
	}
	fputs("more", out);
}

static void print_arp(struct rest *rest, FILE *out)
{
	const uint8_t *arp = take(rest, ARP_BYTES);
	struct ip ip = {.protocol = 0};

	if (!arp) {
		fputs("arp, truncated", out);
		return;
	}
	addr_from_bytes(&ip.src, arp + 14, 4);
	addr_from_bytes(&ip.dst, arp + 24, 4);
	if (word(arp + 6) == 1) {
		fputs("arp who has ", out);
		print_addr(&ip.dst, out);
		fputs(" tell ", out);
		print_addr(&ip.src, out);
	} else {
		fputs("arp ", out);
		print_addr(&ip.src, out);
		fprintf(out, " is at " MAC_FORMAT, arp[8], arp[9], arp[10], arp[11], arp[12],
			arp[13]);
	}
}

void frame_print(const uint8_t *frame, size_t length, FILE *out)
{
	struct rest rest = {frame, length};
	const uint8_t *ether = take(&rest, ETHER_BYTES);
	uint16_t type;

	if (!ether) {
		fputs("ethernet, truncated", out);
		return;
	}
	type = word(ether + 12);
	for (unsigned i = 0; i < TAGS_MAX && (type == ETHERTYPE_VLAN || type == 0x88a8); i++) {
		const uint8_t *tag = take(&rest, 4);

		if (!tag) {
			fputs("vlan, truncated", out);
			return;
		}
		fprintf(out, "vlan %u ", word(tag) & 0xfff);
		type = word(tag + 2);
	}
	if (type == ETHERTYPE_ARP)
		print_arp(&rest, out);
	else if (type == ETHERTYPE_IP || type == ETHERTYPE_IPV6)
		print_ip(&rest, out);
	else
		fprintf(out, "ethernet type %04x length %zu", type, rest.length);
}
