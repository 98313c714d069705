// SPDX-License-Identifier: BSD-3-Clause
// Transactions: applied, then everything that follows from them a little later. What was replaced
// is freed when every worker has been quiescent; then the workers sweep the flows of endpoints that
// are gone; then their slots may be used again. New VIPs are announced to the network.
#include <errno.h>
#include <rte_malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane.h"
#include "log.h"
#include "sealed_file.h"

#define NEIGHBOURS_EVERY_US 15000000
#define ANNOUNCE_A_STEP     64
#define PREPARE_US          2000
#define PREPARE_AT_ONCE     4 // certificates
#define TICKETS_EVERY_US    3600000000

static void retire(struct dataplane *dataplane)
{
	dataplane->grace = rte_rcu_qsbr_start(dataplane->qsbr);
}

static void announce_later(struct dataplane *dataplane, const struct addr *vip, uint64_t ifaces)
{
	if (dataplane->announcement_count == dataplane->announcement_room) {
		unsigned room = dataplane->announcement_room * 2 + 64;
		struct announcement *more = realloc(dataplane->announcements, room * sizeof(*more));

		if (!more)
			return;
		dataplane->announcements = more;
		dataplane->announcement_room = room;
	}
	dataplane->announcements[dataplane->announcement_count++] =
		(struct announcement){*vip, ifaces, 0, 0};
}

// Of a VIP of the change: the tables before did not own it, or not on as many interfaces.
static uint64_t newly_owned(const struct tables *before, const struct plan_vip *vip)
{
	const struct vip *old = tables_vip(before, &vip->address);

	if (!vip->owned)
		return 0;
	return old && old->owned ? vip->ifaces & ~old->ifaces : vip->ifaces;
}

// What is to be announced once the change is in force, of each of its VIPs; NULL: out of memory.
static uint64_t *find_new_vips(const struct tables *before, const struct plan_change *change)
{
	uint64_t *ifaces = calloc(change->vip_count + 1, sizeof(*ifaces));

	for (uint32_t i = 0; ifaces && i < change->vip_count; i++)
		ifaces[i] = newly_owned(before, &change->vips[i]);
	return ifaces;
}

static void announce_vips(
	struct dataplane *dataplane, const struct plan_change *change, const uint64_t *ifaces)
{
	for (uint32_t i = 0; ifaces && i < change->vip_count; i++)
		if (ifaces[i])
			announce_later(dataplane, &change->vips[i].address, ifaces[i]);
}

struct again {
	struct dataplane *dataplane;
	uint64_t ifaces;
};

static void announce_vip_again(const struct vip *vip, void *arg)
{
	struct again *again = arg;

	if (vip->owned && (vip->ifaces & again->ifaces))
		announce_later(again->dataplane, &vip->address, vip->ifaces & again->ifaces);
}

void plan_announce(struct dataplane *dataplane, uint64_t ifaces)
{
	struct again again = {dataplane, ifaces};

	tables_each_vip(tables_current(dataplane->store), announce_vip_again, &again);
}

// An endpoint's next hop is asked for before a packet needs it, and kept fresh.
static void use_hop(struct dataplane *dataplane, const struct addr *address)
{
	struct fib_answer answer = fib_lookup(*host_fib_pointer(dataplane->host), address);

	if (answer.result == FIB_HOP)
		host_use(dataplane->host, answer.hop);
	else if (answer.result == FIB_NEIGHBOUR)
		host_resolve(dataplane->host, answer.iface, &answer.via);
}

static void use_endpoint_hops(const struct pool *pool, void *arg)
{
	for (uint32_t i = 0; i < pool->member_count; i++)
		use_hop(arg, &pool->members[i]->address);
}

void plan_follow_host(struct dataplane *dataplane)
{
	if (!host_poll(dataplane->host))
		return;
	dataplane->fib_retired = true;
	dataplane->grace = rte_rcu_qsbr_start(dataplane->qsbr);
	dataplane->neighbours_due = 0;
}

int plan_apply(void *arg, const struct plan_change *change, struct reason *reason)
{
	struct dataplane *dataplane = arg;
	uint64_t *new_vips = find_new_vips(tables_current(dataplane->store), change);
	const struct tables *after;
	const struct fib_route *routes;
	struct reason trouble = {0};
	uint32_t count;
	int error = tables_apply(dataplane->store, change, reason);

	if (!error)
		announce_vips(dataplane, change, new_vips);
	free(new_vips);
	if (error)
		return error;
	after = tables_current(dataplane->store);
	routes = tables_routes(after, &count);
	if (host_set_routes(dataplane->host, routes, count, &trouble))
		log_warning("host", "routes to pods: %s", reason_text(&trouble));
	reason_clear(&trouble);
	plan_follow_host(dataplane); // nobody is told of the plan before its routes are there
	// Those of the change alone; all of them when its routes have made a new fib.
	for (uint32_t i = 0; i < change->pool_count; i++)
		for (uint32_t k = 0; k < change->pools[i].endpoint_count; k++)
			use_hop(dataplane, &change->pools[i].endpoints[k].address);
	dataplane->tables_retired = true;
	retire(dataplane);
	return 0;
}

bool plan_prepare(void *arg, struct plan_change *change)
{
	const struct dataplane *dataplane = arg;
	usec_t until = clock_now_us() + PREPARE_US;

	while (!tables_prepare(dataplane->store, change, PREPARE_AT_ONCE))
		if (clock_now_us() >= until)
			return false;
	return true;
}

int plan_start(struct dataplane *dataplane, struct reason *reason)
{
	char path[4096];
	uint8_t *bytes;
	size_t length;
	struct reason trouble = {0};
	struct plan_change *change;
	struct seal *seal = NULL;
	int error;

	snprintf(path, sizeof(path), "%s/" SLUICE_PLAN_FILE, dataplane->settings->state_dir);
	error = seal_open(&seal, dataplane->settings->state_dir, &trouble);
	if (!error)
		error = sealed_file_read(&(struct sealed_file){path, seal, SLUICE_PLAN_FILE},
			&bytes, &length, &trouble);
	seal_close(seal);
	if (error == -ENOENT) {
		log_info("plan", "%s: none yet, waiting for the control plane", path);
	} else if (error) {
		log_error("plan", "%s", reason_text(&trouble));
	} else {
		change = plan_change_decode(
			bytes, length, dataplane->ifaces, dataplane->iface_count, &trouble);
		if (change && plan_apply(dataplane, change, &trouble) == 0)
			log_info("plan", "%s: generation %lu is in force", path,
				(unsigned long)change->generation);
		else
			log_error("plan", "%s: %s", path, reason_text(&trouble));
		plan_change_free(change);
		explicit_bzero(bytes, length); // private keys are in it
		free(bytes);
	}
	reason_clear(&trouble);
	return 0;
}

// Every worker runs its command; they clear it when they are done.
static bool commands_done(const struct dataplane *dataplane)
{
	for (unsigned i = 0; i < dataplane->worker_count; i++)
		if (__atomic_load_n(&dataplane->workers[i]->command, __ATOMIC_ACQUIRE))
			return false;
	return true;
}

// Requests that are under way still end.
static void forget(struct http_counters *counters)
{
	memset(counters, 0, offsetof(struct http_counters, open));
}

static void forget_endpoint(uint32_t slot, void *arg)
{
	struct dataplane *dataplane = arg;

	for (unsigned i = 0; i < dataplane->worker_count; i++) {
		struct opener *opener = &dataplane->workers[i]->opener;

		memset(&opener->counters[slot], 0, sizeof(opener->counters[slot]));
		forget(&proxy_stats(dataplane->workers[i]->proxy)->endpoints[slot]);
	}
}

static void forget_listener(uint32_t slot, void *arg)
{
	struct dataplane *dataplane = arg;

	for (unsigned i = 0; i < dataplane->worker_count; i++)
		forget(&proxy_stats(dataplane->workers[i]->proxy)->listeners[slot]);
}

static void forget_rule(uint32_t slot, void *arg)
{
	struct dataplane *dataplane = arg;

	for (unsigned i = 0; i < dataplane->worker_count; i++)
		forget(&proxy_stats(dataplane->workers[i]->proxy)->rules[slot]);
}

static void step_sweep(struct dataplane *dataplane)
{
	if (dataplane->sweeping && commands_done(dataplane)) {
		tables_each_removed(dataplane->store, forget_endpoint, forget_listener, dataplane);
		tables_each_removed_rule(dataplane->store, forget_rule, dataplane);
		tables_release_slots(dataplane->store);
		dataplane->sweeping = false;
	}
	// Not before the workers have the tables in which the endpoints are gone.
	if (dataplane->sweeping || dataplane->grace || !commands_done(dataplane) ||
		!tables_has_removed(dataplane->store))
		return;
	for (unsigned i = 0; i < dataplane->worker_count; i++) {
		dataplane->sweeps[i] = (struct worker_command){.kind = COMMAND_SWEEP};
		__atomic_store_n(
			&dataplane->workers[i]->command, &dataplane->sweeps[i], __ATOMIC_RELEASE);
	}
	dataplane->sweeping = true;
}

static void answer_flows(struct dataplane *dataplane)
{
	struct flows_request *request = &dataplane->flows[0];

	channel_send_flows(dataplane->channel, request->id, request->command.views,
		request->command.view_count, request->command.total);
	free(request->command.views);
	dataplane->flows_count--;
	memmove(request, request + 1, dataplane->flows_count * sizeof(*request));
}

// The first request asks one worker after the other, into one array.
static void step_flows(struct dataplane *dataplane)
{
	struct flows_request *request = &dataplane->flows[0];

	while (dataplane->flows_count && !dataplane->sweeping && commands_done(dataplane)) {
		if (request->asked) {
			request->asked = false;
			request->worker++;
		}
		if (request->worker == dataplane->worker_count) {
			answer_flows(dataplane);
			continue;
		}
		request->asked = true;
		request->command.cursor = 0;
		request->command.proxy_cursor = 0;
		__atomic_store_n(&dataplane->workers[request->worker]->command, &request->command,
			__ATOMIC_RELEASE);
	}
}

void plan_flows(void *arg, struct channel *channel, uint64_t id, const struct flow_filter *filter)
{
	struct dataplane *dataplane = arg;
	struct flows_request request = {.id = id};

	request.command.kind = filter->clear ? COMMAND_CLEAR : COMMAND_DUMP;
	request.command.filter = *filter;
	request.command.views = calloc(filter->limit, sizeof(struct flow_view));
	if (dataplane->flows_count == FLOWS_REQUESTS_MAX || !request.command.views) {
		free(request.command.views);
		channel_send_flows(channel, id, NULL, 0, 0);
		return;
	}
	dataplane->flows[dataplane->flows_count++] = request;
}

static bool announce(struct dataplane *dataplane, const struct addr *vip, const struct iface *iface)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(dataplane->pool);

	if (!mbuf)
		return false;
	host_announce(iface, vip, mbuf);
	*packet_note(mbuf) = (struct note){.kind = NOTE_TRANSMIT, .iface = iface->index};
	if (rte_ring_enqueue(dataplane->inboxes[iface->index % dataplane->worker_count], mbuf)) {
		rte_pktmbuf_free(mbuf);
		return false;
	}
	return true;
}

static int step_announcements(struct dataplane *dataplane)
{
	usec_t now = clock_now_us();
	unsigned kept = 0, said = 0;

	for (unsigned i = 0; i < dataplane->announcement_count; i++) {
		struct announcement *announcement = &dataplane->announcements[i];
		const struct vip *vip =
			tables_vip(tables_current(dataplane->store), &announcement->vip);

		if (!vip || !vip->owned)
			continue;
		if (announcement->due <= now && said < ANNOUNCE_A_STEP) {
			for (unsigned j = 0; j < dataplane->iface_count; j++)
				if (announcement->ifaces >> j & 1)
					said += announce(dataplane, &announcement->vip,
						&dataplane->ifaces[j]);
			announcement->due = now + 1000000;
			if (++announcement->said == ANNOUNCE_TIMES)
				continue;
		}
		dataplane->announcements[kept++] = *announcement;
	}
	dataplane->announcement_count = kept;
	return kept ? (said == ANNOUNCE_A_STEP ? 1 : 50) : 1000;
}

static void step_tickets(struct dataplane *dataplane, usec_t now)
{
	if (dataplane->tickets_due && now >= dataplane->tickets_due)
		tls_tickets_rotate(dataplane->tickets);
	if (now >= dataplane->tickets_due)
		dataplane->tickets_due = now + TICKETS_EVERY_US;
}

int plan_step(struct dataplane *dataplane)
{
	usec_t now = clock_now_us();
	int wait;

	if (dataplane->grace && rte_rcu_qsbr_check(dataplane->qsbr, dataplane->grace, false) == 1) {
		dataplane->grace = 0;
		if (dataplane->tables_retired)
			tables_reclaim(dataplane->store);
		if (dataplane->fib_retired)
			host_reclaim(dataplane->host);
		dataplane->tables_retired = dataplane->fib_retired = false;
	}
	step_sweep(dataplane);
	step_flows(dataplane);
	step_tickets(dataplane, now);
	wait = step_announcements(dataplane);
	if (now >= dataplane->neighbours_due) {
		dataplane->neighbours_due = now + NEIGHBOURS_EVERY_US;
		tables_each_pool(tables_current(dataplane->store), use_endpoint_hops, dataplane);
	}
	if (dataplane->grace || dataplane->sweeping || dataplane->flows_count)
		wait = 1;
	return wait;
}
