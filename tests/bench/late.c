// SPDX-License-Identifier: BSD-3-Clause
// A slow and lossy cable between two interfaces of one machine:
//   sluice-bench-late LEFT RIGHT MICROSECONDS LOSSES_OF_A_MILLION [BITS_A_SECOND]
// Each frame comes out of the other end so much later, or is lost, TCP's at random. With a rate,
// frames follow one another as it allows, either way; what would wait longer than QUEUE_NS is lost.
// Until killed.
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>

#define FRAME  2048
#define FLYING 16384 // of one direction; a power of two
#define BATCH  64
#define TCP_AT 23 // the protocol's octet of an IPv4 packet in a frame

#define QUEUE_NS 20000000

struct cable {
	uint64_t delay_ns, losses, bits; // bits: a second, 0: any
	uint64_t chance;
};

struct end {
	int fd;
	uint32_t head, tail; // what came in here
	uint64_t free_ns;    // the last of it is on the cable
	uint64_t due_ns[FLYING];
	uint32_t length[FLYING];
	uint8_t (*frames)[FRAME];
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static uint64_t random_bits(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static int plug(struct end *end, const char *device)
{
	struct sockaddr_ll at = {.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex(device)};
	int bytes = 64 << 20;

	end->frames = calloc(FLYING, FRAME);
	end->fd = socket(AF_PACKET, SOCK_RAW, 0);
	if (!end->frames || end->fd < 0 || !at.sll_ifindex)
		return -1;
	setsockopt(end->fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	setsockopt(end->fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes));
	return bind(end->fd, (struct sockaddr *)&at, sizeof(at));
}

// When a frame that is here now has gone; 0: too many wait.
static uint64_t gone_ns(struct end *end, const struct cable *cable, uint32_t length)
{
	uint64_t now = now_ns(), from = end->free_ns > now ? end->free_ns : now;

	if (!cable->bits)
		return now;
	if (from - now > QUEUE_NS)
		return 0;
	return end->free_ns = from + (uint64_t)length * 8 * 1000000000 / cable->bits;
}

static void take(struct end *end, struct cable *cable)
{
	uint64_t gone;
	struct mmsghdr messages[BATCH];
	struct iovec parts[BATCH];
	struct sockaddr_ll from[BATCH];
	uint8_t frames[BATCH][FRAME];
	int count;

	do {
		for (unsigned i = 0; i < BATCH; i++) {
			parts[i] = (struct iovec){frames[i], FRAME};
			messages[i].msg_hdr = (struct msghdr){.msg_name = &from[i],
				.msg_namelen = sizeof(from[i]),
				.msg_iov = &parts[i],
				.msg_iovlen = 1};
		}
		count = recvmmsg(end->fd, messages, BATCH, MSG_DONTWAIT, NULL);
		for (int i = 0; i < count; i++) {
			uint32_t slot = end->tail & (FLYING - 1), length = messages[i].msg_len;

			if (from[i].sll_pkttype == PACKET_OUTGOING ||
				end->tail - end->head == FLYING)
				continue;
			if (length > TCP_AT && frames[i][TCP_AT] == 6 &&
				random_bits(&cable->chance) % 1000000 < cable->losses)
				continue;
			gone = gone_ns(end, cable, length);
			if (!gone)
				continue;
			memcpy(end->frames[slot], frames[i], length);
			end->length[slot] = length;
			end->due_ns[slot] = gone + cable->delay_ns;
			end->tail++;
		}
	} while (count == BATCH);
}

static void give(struct end *end, const struct end *other)
{
	struct mmsghdr messages[BATCH];
	struct iovec parts[BATCH];
	uint64_t now = now_ns();
	unsigned count;

	do {
		for (count = 0; count < BATCH && end->head + count != end->tail; count++) {
			uint32_t slot = (end->head + count) & (FLYING - 1);

			if (end->due_ns[slot] > now)
				break;
			parts[count] = (struct iovec){end->frames[slot], end->length[slot]};
			messages[count].msg_hdr =
				(struct msghdr){.msg_iov = &parts[count], .msg_iovlen = 1};
		}
		for (unsigned sent = 0; sent < count;) {
			int n = sendmmsg(other->fd, messages + sent, count - sent, 0);

			sent += n > 0 ? (unsigned)n : 1; // one that does not go is lost
		}
		end->head += count;
	} while (count == BATCH);
}

static uint64_t next_due(const struct end *end)
{
	return end->head == end->tail ? UINT64_MAX : end->due_ns[end->head & (FLYING - 1)];
}

int main(int argc, char **argv)
{
	static struct end ends[2];
	struct cable cable = {.chance = 1};

	if ((argc != 5 && argc != 6) || plug(&ends[0], argv[1]) || plug(&ends[1], argv[2])) {
		fprintf(stderr, "late: LEFT RIGHT MICROSECONDS LOSSES [BITS]: %s\n",
			strerror(errno));
		return 1;
	}
	cable.delay_ns = strtoull(argv[3], NULL, 10) * 1000;
	cable.losses = strtoull(argv[4], NULL, 10);
	cable.bits = argc == 6 ? strtoull(argv[5], NULL, 10) : 0;
	prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
	for (;;) {
		struct pollfd fds[2] = {
			{.fd = ends[0].fd, .events = POLLIN}, {.fd = ends[1].fd, .events = POLLIN}};
		uint64_t a = next_due(&ends[0]), b = next_due(&ends[1]), now = now_ns();
		uint64_t due = a < b ? a : b, left = due > now ? due - now : 0;
		struct timespec wait = {(time_t)(left / 1000000000), (long)(left % 1000000000)};

		ppoll(fds, 2, due == UINT64_MAX ? NULL : &wait, NULL);
		for (unsigned i = 0; i < 2; i++) {
			take(&ends[i], &cable);
			give(&ends[i], &ends[!i]);
		}
	}
}
