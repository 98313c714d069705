// SPDX-License-Identifier: BSD-3-Clause
// The kernel behind the ports, as one: twins opened, its tables mirrored, changes published.
//
//     events ---> what changed is noted, and when to act
//                     | a few milliseconds later, so that a burst of changes costs one build
//                     v
//     dump of routes and addresses, if they changed
//     our routes compared with those dumped; what is missing is put back
//     a new fib, published; the old one waits in `retired` for host_reclaim()
//
// While a fib is retired no other is published: the caller's grace period covers one pointer.
// How soon we act is at least four times as long as the last act took: a storm of changes, or a
// very large table, takes a fifth of the main lcore at most.
// Main lcore only.
#include "host.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/neighbour.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "host_internal.h"
#include "limits.h"
#include "log.h"

#define GATHER_US        3000 // changes are gathered for so long
#define GATHER_MOST_US   1000000
#define RESOLVE_EVERY_US 1000000  // one neighbour is asked for so often; the kernel asks thrice
#define USE_EVERY_US     25000000 // less than the kernel's reachable time, 30 s on average
#define FORGET_CALLS     1000     // more than fill the buffer of events
#define ASKED_SLOTS      4096
#define ASKS_A_SECOND    2000 // of different neighbours, so that a scan cannot fill the kernel's table

#define METRIC_SETTINGS 210
#define METRIC_PLAN     211

struct asked {
	struct addr neighbour;
	uint16_t iface;
	usec_t at;
};

struct host {
	struct netlink netlink;
	struct mirror mirror;
	struct wanted_routes settings_routes, plan_routes;
	const struct fib *fib; // published: read by workers
	struct fib *retired;
	bool routes_changed;     // dump routes and addresses
	bool neighbours_changed; // dump neighbours: events were lost
	bool changed;            // something a fib is made of
	usec_t due;              // when to act on it
	bool urgent;             // at once: routes of a plan that is in force already
	usec_t last_cost;
	usec_t used[HOP_MAX + 1]; // when host_use() last told the kernel
	struct asked asked[ASKED_SLOTS];
	usec_t asks_second;
	unsigned asks;                    // in this second
	bool mac_lost[SLUICE_IFACES_MAX]; // the twin has another one than the port
};

static void note_change(struct host *host)
{
	usec_t wait = 4 * host->last_cost;

	if (host->changed)
		return;
	if (wait < GATHER_US)
		wait = GATHER_US;
	if (wait > GATHER_MOST_US)
		wait = GATHER_MOST_US;
	host->changed = true;
	host->due = clock_now_us() + wait;
}

// udev gives a new device a MAC of its own when it comes by before we have given it the port's.
static void keep_macs(struct host *host)
{
	for (unsigned i = 0; i < host->mirror.iface_count; i++) {
		const struct iface *iface = &host->mirror.ifaces[i];
		int rc;

		if (!host->mac_lost[i])
			continue;
		host->mac_lost[i] = false;
		if (twin_has_mac(iface))
			continue; // news of before it was set, which would forget neighbours
		rc = twin_set_mac(&host->netlink, iface);
		if (rc < 0)
			log_error("host",
				"%s: its TAP twin was given another MAC, and that of the port "
				"cannot be set again: %s",
				iface->name, strerror(-rc));
		else
			log_notice("host",
				"%s: its TAP twin was given another MAC; it has that of the port "
				"again",
				iface->name);
	}
}

static bool is_mac_of(const struct iface *iface, const struct rtattr *address)
{
	return RTA_PAYLOAD(address) == sizeof(iface->mac) &&
	       memcmp(RTA_DATA(address), &iface->mac, sizeof(iface->mac)) == 0;
}

static void link_changed(struct host *host, const struct nlmsghdr *message)
{
	const struct ifinfomsg *header = mnl_nlmsg_get_payload(message);
	const struct rtattr *attributes[IFLA_MTU + 1];
	struct iface *iface;
	uint32_t mtu;

	if (mnl_nlmsg_get_payload_len(message) < sizeof(*header))
		return;
	iface = mirror_iface(&host->mirror, header->ifi_index);
	if (!iface)
		return;
	if (message->nlmsg_type == RTM_DELLINK) {
		log_error("host", "%s: its TAP twin was deleted; start sluice-dataplane anew",
			iface->name);
		return;
	}
	netlink_attributes(message, sizeof(*header), attributes, IFLA_MTU);
	if (attributes[IFLA_ADDRESS] && !is_mac_of(iface, attributes[IFLA_ADDRESS]))
		host->mac_lost[iface - host->mirror.ifaces] = true;
	if (!attributes[IFLA_MTU] || RTA_PAYLOAD(attributes[IFLA_MTU]) != sizeof(mtu))
		return;
	memcpy(&mtu, RTA_DATA(attributes[IFLA_MTU]), sizeof(mtu));
	if (mtu != iface->mtu)
		log_warning("host",
			"%s: the MTU of its twin is now %u, that of the port stays %u: set "
			"it in sluice.conf",
			iface->name, mtu, iface->mtu);
}

static void visit_event(void *arg, const struct nlmsghdr *message)
{
	struct host *host = arg;

	switch (message->nlmsg_type) {
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		if (mirror_neighbour(&host->mirror, message))
			note_change(host);
		break;
	case RTM_NEWLINK:
	case RTM_DELLINK:
		link_changed(host, message);
		__attribute__((fallthrough)); // routes come and go with links
	case RTM_NEWADDR:
	case RTM_DELADDR:
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
	case RTM_NEWNEXTHOP:
	case RTM_DELNEXTHOP:
		host->routes_changed = true;
		note_change(host);
		break;
	default: // a number of the kernel's, no enum
		break;
	}
}

static int set_settings_routes(
	struct host *host, const struct settings *settings, struct reason *reason)
{
	struct fib_route *routes = calloc(settings->route_count + 1, sizeof(*routes));
	int rc;

	if (!routes)
		return -ENOMEM;
	for (unsigned i = 0; i < settings->route_count; i++) {
		routes[i].to = settings->routes[i].to;
		routes[i].via = settings->routes[i].via;
	}
	rc = wanted_set(&host->settings_routes, routes, settings->route_count);
	free(routes);
	if (rc == 0)
		rc = mirror_dump_routes(&host->mirror, &host->netlink);
	if (rc < 0)
		reason_add(reason, "cannot read the kernel's routes: %s", strerror(-rc));
	else // One that is refused now is tried again later: no reason not to start.
		wanted_apply(&host->settings_routes, &host->mirror, &host->netlink, NULL);
	return rc;
}

static int open_twins(struct host *host, const struct settings *settings, struct reason *reason)
{
	struct mirror *mirror = &host->mirror;
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < mirror->iface_count; i++) {
		struct prefix *addresses = NULL;
		int count =
			addresses_of(settings, mirror->ifaces, mirror->iface_count, i, &addresses);

		if (count < 0)
			return -ENOMEM;
		rc = twin_open(
			&host->netlink, &mirror->ifaces[i], addresses, (unsigned)count, reason);
		free(addresses);
	}
	if (rc == 0)
		twin_reserve_ports(settings->snat.port_first, settings->snat.port_last);
	return rc;
}

static int mirror_first(struct host *host, struct reason *reason)
{
	int rc = mirror_dump_routes(&host->mirror, &host->netlink);

	if (rc == 0)
		rc = mirror_dump_neighbours(&host->mirror, &host->netlink);
	if (rc < 0) {
		reason_add(reason, "cannot read the kernel's routes and neighbours: %s",
			strerror(-rc));
		return rc;
	}
	host->fib = mirror_build(&host->mirror, NULL);
	return host->fib ? 0 : -ENOMEM;
}

int host_open(struct host **opened, struct iface *ifaces, unsigned iface_count,
	const struct settings *settings, struct reason *reason)
{
	struct host *host = calloc(1, sizeof(*host));
	uint32_t most = settings->dataplane.neighbours;
	int rc;

	if (!host)
		return -ENOMEM;
	host->settings_routes = (struct wanted_routes){.protocol = SLUICE_ROUTES_SETTINGS,
		.priority = METRIC_SETTINGS,
		.what = "sluice.conf"};
	host->plan_routes = (struct wanted_routes){
		.protocol = SLUICE_ROUTES_PLAN, .priority = METRIC_PLAN, .what = "the plan"};
	for (unsigned i = 0; i < iface_count; i++)
		ifaces[i].twin = -1;
	rc = mirror_init(
		&host->mirror, ifaces, iface_count, most && most < HOP_MAX ? most : HOP_MAX);
	if (rc == 0) {
		rc = netlink_open(&host->netlink);
		if (rc < 0)
			reason_add(reason, "cannot open rtnetlink: %s", strerror(-rc));
	}
	if (rc == 0)
		rc = open_twins(host, settings, reason);
	if (rc == 0)
		rc = set_settings_routes(host, settings, reason);
	if (rc == 0)
		rc = mirror_first(host, reason);
	for (unsigned i = 0; rc == 0 && i < iface_count; i++)
		rc = twin_keep(&ifaces[i], reason);
	if (rc < 0) {
		if (rc == -ENOMEM)
			reason_add(reason, "no memory for the mirror of the kernel's tables");
		host_close(host);
		return rc;
	}
	*opened = host;
	return 0;
}

void host_close(struct host *host)
{
	if (!host)
		return;
	for (unsigned i = 0; i < host->mirror.iface_count; i++)
		twin_close(&host->mirror.ifaces[i]);
	netlink_close(&host->netlink);
	mirror_fini(&host->mirror);
	free(host->settings_routes.list);
	free(host->plan_routes.list);
	fib_free((struct fib *)host->fib);
	fib_free(host->retired);
	free(host);
}

int host_fd(const struct host *host)
{
	return netlink_events_fd(&host->netlink);
}

int host_timeout_ms(const struct host *host)
{
	usec_t now;

	if (!host->changed)
		return -1;
	if (host->retired)
		return 1; // host_reclaim() comes first
	if (host->urgent)
		return 0;
	now = clock_now_us();
	return host->due <= now ? 0 : (int)((host->due - now + 999) / 1000);
}

const struct fib *const *host_fib_pointer(const struct host *host)
{
	return &host->fib;
}

void host_reclaim(struct host *host)
{
	fib_free(host->retired);
	host->retired = NULL;
}

static void ignore_event(void *arg, const struct nlmsghdr *message)
{
}

// What waits is older than the dump that is to come, and must not be taken for news after it.
static void forget_events(struct host *host)
{
	for (unsigned i = 0; i < FORGET_CALLS; i++)
		if (netlink_events(&host->netlink, ignore_event, NULL) == 0)
			break;
}

static int refresh(struct host *host)
{
	int rc = 0;

	if (host->neighbours_changed)
		forget_events(host);
	if (host->routes_changed) {
		rc = mirror_dump_routes(&host->mirror, &host->netlink);
		if (rc < 0)
			return rc;
		host->routes_changed = false;
		wanted_apply(&host->settings_routes, &host->mirror, &host->netlink, NULL);
		wanted_apply(&host->plan_routes, &host->mirror, &host->netlink, NULL);
	}
	if (host->neighbours_changed) {
		rc = mirror_dump_neighbours(&host->mirror, &host->netlink);
		if (rc < 0)
			return rc;
		host->neighbours_changed = false;
	}
	return 0;
}

// Reads what changed and publishes a fib of it. On failure it is tried again later.
static bool publish(struct host *host)
{
	usec_t start = clock_now_us();
	struct fib *fib = NULL;
	int rc = refresh(host);

	if (rc == 0)
		fib = mirror_build(&host->mirror, host->fib);
	host->last_cost = clock_now_us() - start;
	host->changed = host->urgent = false;
	if (!fib) {
		log_warning("host", "cannot mirror the kernel's routes: %s; trying again",
			strerror(rc < 0 ? -rc : ENOMEM));
		note_change(host);
		return false;
	}
	host->retired = (struct fib *)host->fib;
	__atomic_store_n(&host->fib, fib, __ATOMIC_RELEASE);
	return true;
}

bool host_poll(struct host *host)
{
	int rc = netlink_events(&host->netlink, visit_event, host);

	if (rc < 0) {
		if (rc != -ENOBUFS)
			log_warning("host", "rtnetlink: %s", strerror(-rc));
		host->routes_changed = true; // events were lost: read all anew
		host->neighbours_changed = true;
		note_change(host);
	}
	keep_macs(host);
	if (!host->changed || host->retired || (!host->urgent && clock_now_us() < host->due))
		return false;
	return publish(host);
}

// NTF_USE is what a packet to that neighbour would do: nothing for one that was heard of lately, a
// question to the wire otherwise.
static void tell_kernel(struct host *host, uint16_t iface, const struct addr *neighbour)
{
	const struct ndmsg header = {
		.ndm_family = addr_is_v4(neighbour) ? AF_INET : AF_INET6,
		.ndm_ifindex = host->mirror.ifaces[iface].kernel_index,
		.ndm_state = NUD_NONE,
		.ndm_flags = NTF_USE,
	};
	struct nlmsghdr *message =
		netlink_begin(&host->netlink, RTM_NEWNEIGH, NLM_F_CREATE, &header, sizeof(header));

	netlink_put_address(message, NDA_DST, neighbour);
	netlink_talk(&host->netlink, message);
}

// Not asked within the last second, and not too many others were either.
static bool may_ask(struct host *host, uint16_t iface, const struct addr *neighbour)
{
	usec_t now = clock_now_us();
	uint32_t slot = iface;
	struct asked *asked;

	for (unsigned i = 0; i < sizeof(neighbour->byte); i++)
		slot = (slot ^ neighbour->byte[i]) * 16777619;
	slot = (slot ^ slot >> 16) * 0x9e3779b1; // addresses side by side are to be apart
	asked = &host->asked[(slot >> 16) % ASKED_SLOTS];
	if (asked->at && now - asked->at < RESOLVE_EVERY_US && asked->iface == iface &&
		addr_compare(&asked->neighbour, neighbour) == 0)
		return false;
	if (now - host->asks_second >= 1000000) {
		host->asks_second = now;
		host->asks = 0;
	}
	if (host->asks == ASKS_A_SECOND)
		return false;
	host->asks++;
	*asked = (struct asked){.neighbour = *neighbour, .iface = iface, .at = now};
	return true;
}

void host_resolve(struct host *host, uint16_t iface, const struct addr *neighbour)
{
	const struct fib_neighbour *known;

	if (iface >= host->mirror.iface_count)
		return;
	known = neighbours_find(&host->mirror.neighbours, iface, neighbour);
	if (known && known->state == HOP_REACHABLE)
		return; // found meanwhile
	if (may_ask(host, iface, neighbour))
		tell_kernel(host, iface, neighbour);
}

void host_use(struct host *host, uint16_t hop)
{
	const struct fib *fib = host->fib;
	usec_t now;

	if (hop == HOP_NONE || hop >= fib->hop_count || addr_is_zero(&fib->hops[hop].address))
		return;
	if (fib->hops[hop].state != HOP_REACHABLE) {
		host_resolve(host, fib->hops[hop].iface, &fib->hops[hop].address);
		return;
	}
	now = clock_now_us();
	if (host->used[hop] && now - host->used[hop] < USE_EVERY_US)
		return;
	host->used[hop] = now;
	// NTF_USE would make an ordinary entry of one that was set by hand.
	if (neighbours_is_fixed(
		    &host->mirror.neighbours, fib->hops[hop].iface, &fib->hops[hop].address))
		return;
	tell_kernel(host, fib->hops[hop].iface, &fib->hops[hop].address);
}

int host_set_routes(
	struct host *host, const struct fib_route *routes, unsigned count, struct reason *reason)
{
	int rc = wanted_set(&host->plan_routes, routes, count);

	if (rc == 0)
		rc = mirror_dump_routes(&host->mirror, &host->netlink);
	if (rc < 0) {
		reason_add(reason, "cannot set the routes of the plan: %s", strerror(-rc));
		host->routes_changed = true;
		note_change(host);
		return rc;
	}
	rc = wanted_apply(&host->plan_routes, &host->mirror, &host->netlink, reason);
	host->urgent |= host->plan_routes.touched;
	return rc;
}

void host_set_carrier(struct host *host, const struct iface *iface, bool up)
{
	twin_set_carrier(&host->netlink, iface, up);
}
