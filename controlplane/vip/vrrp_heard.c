// SPDX-License-Identifier: BSD-3-Clause
// Two raw sockets, one of each family. See vrrp_heard.h.
#include "vrrp_heard.h"

#include "log.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define IDS              256
#define PROTOCOL         112
#define VERSION_3_ADVERT 0x31

struct vrrp_heard {
	struct heard_socket {
		struct vrrp_heard *heard;
		uv_poll_t poll;
		int fd;
		bool v4;
	} sockets[2];
	unsigned open; // handles that the loop has
	uint8_t priorities[IDS];
};

bool vrrp_advert_parse(const uint8_t *bytes, size_t size, uint32_t *id, unsigned *priority)
{
	if (size < 8 || bytes[0] != VERSION_3_ADVERT || bytes[1] == 0)
		return false;
	*id = bytes[1];
	*priority = bytes[2];
	return true;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct heard_socket *s = poll->data;
	uint8_t packet[1600];
	unsigned priority;
	uint32_t id;
	ssize_t n;

	(void)status;
	(void)events;
	while ((n = recv(s->fd, packet, sizeof(packet), 0)) > 0) {
		// Of IPv4 the kernel gives the header as well, whole.
		size_t skip = s->v4 ? (size_t)(packet[0] & 15) * 4 : 0;

		if (s->v4 && ((size_t)n < sizeof(struct iphdr) || packet[8] != 255))
			continue; // from beyond the link
		if (skip < (size_t)n &&
			vrrp_advert_parse(packet + skip, (size_t)n - skip, &id, &priority))
			s->heard->priorities[id] = (uint8_t)priority;
	}
}

static void heard_open(uv_loop_t *loop, struct vrrp_heard *heard, bool v4)
{
	struct heard_socket *s = &heard->sockets[heard->open];

	*s = (struct heard_socket){.heard = heard, .v4 = v4};
	s->fd = socket(v4 ? AF_INET : AF_INET6, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, PROTOCOL);
	if (s->fd < 0 || uv_poll_init(loop, &s->poll, s->fd)) {
		log_warning("vip", "adverts of other boxes are not heard over %s: %s",
			v4 ? "IPv4" : "IPv6", strerror(errno));
		if (s->fd >= 0)
			close(s->fd);
		return;
	}
	s->poll.data = s;
	heard->open++;
	uv_poll_start(&s->poll, UV_READABLE, on_readable);
}

struct vrrp_heard *vrrp_heard_new(uv_loop_t *loop)
{
	struct vrrp_heard *heard = calloc(1, sizeof(*heard));

	if (heard) {
		heard_open(loop, heard, true);
		heard_open(loop, heard, false);
	}
	return heard;
}

unsigned vrrp_heard_priority(const struct vrrp_heard *heard, uint32_t id)
{
	return heard && id < IDS ? heard->priorities[id] : 0;
}

static void on_closed(uv_handle_t *handle)
{
	struct heard_socket *s = handle->data;
	struct vrrp_heard *heard = s->heard;

	close(s->fd);
	if (--heard->open == 0)
		free(heard);
}

void vrrp_heard_release(struct vrrp_heard *heard)
{
	unsigned open = heard ? heard->open : 0;

	if (heard && !open)
		free(heard);
	for (unsigned i = 0; i < open; i++) {
		uv_poll_stop(&heard->sockets[i].poll);
		uv_close((uv_handle_t *)&heard->sockets[i].poll, on_closed);
	}
}
