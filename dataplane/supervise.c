// SPDX-License-Identifier: BSD-3-Clause
// The main lcore's loop: the channel, the kernel's side of the ports, and what a plan leaves to be
// done. It sleeps in epoll; workers ring the doorbell when they have something for it.
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "dataplane.h"
#include "log.h"
#include "resolve.h"
#include "service.h"

#define EVENTS         32
#define HOST_BURST     64
#define LINKS_EVERY_MS 100
#define TWIN_BURST     64

enum {
	EVENT_CHANNEL = SLUICE_IFACES_MAX,
	EVENT_HOST,
	EVENT_DOORBELL,
	EVENT_SIGNAL
};

static int watch(int epoll, int fd, uint32_t what)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u32 = what};

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

// From the kernel, to be sent out of the port as it is.
static void take_from_twin(struct dataplane *dataplane, struct iface *iface)
{
	struct rte_ring *inbox = dataplane->inboxes[iface->index % dataplane->worker_count];

	for (unsigned i = 0; i < TWIN_BURST; i++) {
		struct rte_mbuf *mbuf = rte_pktmbuf_alloc(dataplane->pool);

		if (!mbuf) {
			dataplane->host_drops[DROP_NO_BUFFER]++;
			return;
		}
		if (host_read(iface, mbuf) <= 0) {
			rte_pktmbuf_free(mbuf);
			return;
		}
		*packet_note(mbuf) = (struct note){.kind = NOTE_TRANSMIT, .iface = iface->index};
		if (rte_ring_enqueue(inbox, mbuf)) {
			dataplane->host_drops[DROP_HOST_FULL]++;
			rte_pktmbuf_free(mbuf);
			return;
		}
	}
}

// To the kernel. True when there may be more.
static bool give_to_twins(struct dataplane *dataplane)
{
	struct rte_mbuf *mbufs[HOST_BURST];
	unsigned n = rte_ring_dequeue_burst(dataplane->host_ring, (void **)mbufs, HOST_BURST, NULL);

	for (unsigned i = 0; i < n; i++) {
		const struct iface *iface = &dataplane->ifaces[packet_note(mbufs[i])->iface];
		int error = host_write(iface, mbufs[i]);
		enum drop drop = error == -EAGAIN ? DROP_HOST_FULL : DROP_HOST_WRITE;

		if (error)
			dataplane->host_drops[drop]++;
		if (error && capture_lane(dataplane))
			capture_drop(capture_lane(dataplane), iface->port, mbufs[i], 0, drop);
		rte_pktmbuf_free(mbufs[i]);
	}
	return n == HOST_BURST;
}

static void resolve_asked(struct dataplane *dataplane)
{
	struct resolve_request request;

	while (rte_ring_dequeue_elem(dataplane->resolve_ring, &request, sizeof(request)) == 0)
		host_resolve(dataplane->host, (uint16_t)request.iface, &request.neighbour);
}

// Links are asked for, not told of: not every port has events.
static void watch_links(struct dataplane *dataplane)
{
	usec_t now = clock_now_us();
	bool first = dataplane->links_due == 0;

	if (now < dataplane->links_due)
		return;
	dataplane->links_due = now + LINKS_EVERY_MS * 1000;
	for (unsigned i = 0; i < dataplane->port_count; i++) {
		bool up = port_link(&dataplane->ports[i]).up;
		uint64_t ifaces = 0;

		if (up == dataplane->link_up[i] && !first)
			continue;
		dataplane->link_up[i] = up;
		log_notice("port", "%s: link is %s", dataplane->ports[i].name, up ? "up" : "down");
		for (unsigned j = 0; j < dataplane->iface_count; j++) {
			if (dataplane->ifaces[j].port != i)
				continue;
			host_set_carrier(dataplane->host, &dataplane->ifaces[j], up);
			ifaces |= 1ull << j;
		}
		if (up)
			plan_announce(dataplane, ifaces);
	}
}

// The service manager hears that we live only while every worker comes round.
static void tell_alive(struct dataplane *dataplane, uint64_t watchdog_us)
{
	usec_t now = clock_now_us();

	if (!watchdog_us || now < dataplane->alive_due)
		return;
	if (dataplane->alive_grace &&
		!rte_rcu_qsbr_check(dataplane->qsbr, dataplane->alive_grace, false))
		return;
	service_say("WATCHDOG=1");
	dataplane->alive_grace = rte_rcu_qsbr_start(dataplane->qsbr);
	dataplane->alive_due = now + watchdog_us / 4;
}

static int smaller(int a, int b)
{
	if (a < 0)
		return b;
	return b >= 0 && b < a ? b : a;
}

// One turn: what waits, then sleep until there is more.
static int turn(struct dataplane *dataplane, int epoll)
{
	struct doorbell *doorbell = &dataplane->doorbell;
	struct epoll_event events[EVENTS];
	int wait = plan_step(dataplane);
	int n;

	watch_links(dataplane);
	capture_step(dataplane);
	if (channel_step(dataplane->channel))
		wait = 0;
	wait = smaller(smaller(wait, LINKS_EVERY_MS), host_timeout_ms(dataplane->host));
	__atomic_store_n(&doorbell->sleeping, 1, __ATOMIC_SEQ_CST);
	if (!rte_ring_empty(dataplane->host_ring) || !rte_ring_empty(dataplane->resolve_ring))
		wait = 0;
	n = epoll_wait(epoll, events, EVENTS, wait);
	__atomic_store_n(&doorbell->sleeping, 0, __ATOMIC_SEQ_CST);
	if (n < 0 && errno != EINTR)
		return -errno;
	for (int i = 0; i < n; i++) {
		uint32_t what = events[i].data.u32;
		eventfd_t rung;

		if (what == EVENT_CHANNEL)
			channel_poll(dataplane->channel);
		else if (what == EVENT_DOORBELL)
			eventfd_read(doorbell->fd, &rung);
		else if (what == EVENT_SIGNAL)
			__atomic_store_n(&dataplane->stop, 1, __ATOMIC_RELAXED);
		else if (what < dataplane->iface_count)
			take_from_twin(dataplane, &dataplane->ifaces[what]);
	}
	plan_follow_host(dataplane);
	resolve_asked(dataplane);
	give_to_twins(dataplane);
	return 0;
}

static sigset_t stop_signals(void)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	return signals;
}

void supervise_block_signals(void)
{
	sigset_t signals = stop_signals();

	sigprocmask(SIG_BLOCK, &signals, NULL);
}

int supervise(struct dataplane *dataplane, struct reason *reason)
{
	sigset_t signals = stop_signals();
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	uint64_t watchdog_us = service_watchdog_us();
	int signal_fd, error;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	signal_fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
	error = epoll < 0 || signal_fd < 0 ? -errno : 0;
	if (!error)
		error = watch(epoll, signal_fd, EVENT_SIGNAL);
	if (!error)
		error = watch(epoll, dataplane->doorbell.fd, EVENT_DOORBELL);
	if (!error)
		error = watch(epoll, channel_fd(dataplane->channel), EVENT_CHANNEL);
	if (!error)
		error = watch(epoll, host_fd(dataplane->host), EVENT_HOST);
	for (unsigned i = 0; i < dataplane->iface_count && !error; i++)
		error = watch(epoll, dataplane->ifaces[i].twin, i);
	if (!error)
		service_say("READY=1");
	while (!error && !__atomic_load_n(&dataplane->stop, __ATOMIC_RELAXED)) {
		error = turn(dataplane, epoll);
		tell_alive(dataplane, watchdog_us);
	}
	if (error)
		reason_add(reason, "the main loop: %s", strerror(-error));
	if (signal_fd >= 0)
		close(signal_fd);
	if (epoll >= 0)
		close(epoll);
	return error;
}
