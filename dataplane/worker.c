// SPDX-License-Identifier: BSD-3-Clause
//
// THE PACKET'S WAY
//
//   receive -> classify -> flow --hit------------> rewrite -> transmit
//                           \--miss-> pick (open) --/
//                                  \--> proxy, for TCP that ends here -------> transmit
//              ARP, ND, echo for a VIP: answered here.  Not ours: host.  Another worker's: handed
//              over.
//
// A worker takes a burst from each of its queues, and from its inbox, all the way. The mbuf of
// every packet ends once: sent, held by transmit or fragment, handed over, given to host, or
// dropped by name.
#include "worker.h"

#include <rte_cycles.h>
#include <rte_lcore.h>
#include <sys/prctl.h>
#include <time.h>

#include "host.h"
#include "nap.h"
#include "trace.h"

static const char *const stage_names[STAGE_COUNT] = {
	[STAGE_RECEIVE] = "receive",
	[STAGE_CLASSIFY] = "classify",
	[STAGE_FLOW] = "flow",
	[STAGE_PICK] = "pick",
	[STAGE_REWRITE] = "rewrite",
	[STAGE_PROXY] = "proxy",
	[STAGE_TRANSMIT] = "transmit",
	[STAGE_HOST] = "host",
};

const char *worker_stage_name(enum worker_stage stage)
{
	return stage_names[stage];
}

static inline uint64_t stage_end(struct worker *worker, enum worker_stage stage, uint64_t since)
{
	uint64_t now = rte_rdtsc();

	worker->counters.stage_cycles[stage] += now - since;
	return now;
}

// Takes the mbuf, whatever becomes of it.
static void give(struct worker *worker, struct rte_ring *ring, struct packet *packet,
	const struct note *note, enum drop full)
{
	*packet_note(packet->mbuf) = *note;
	if (rte_ring_enqueue(ring, packet->mbuf) == 0)
		packet->next = PACKET_TAKEN;
	else
		packet_drop(packet, full);
}

static void hand_over(
	struct worker *worker, struct packet *packet, uint16_t to, enum note_kind kind)
{
	struct note note = {
		.ports = packet->ports,
		.ip_id = packet->ip_id,
		.iface = packet->iface,
		.kind = (uint8_t)kind,
		.flags = packet->flags & PACKET_NEW_ID,
	};

	if (kind == NOTE_PROCESS)
		note.flags |= PACKET_HANDED;
	worker->counters.handed_over++;
	give(worker, worker->inboxes[to], packet, &note, DROP_HANDOFF_FULL);
}

// A fragment that was held.
static void drop_held(struct worker *worker, struct rte_mbuf *mbuf, enum drop drop)
{
	worker->counters.drops[drop]++;
	if (unlikely(worker->lane != NULL))
		capture_drop(
			worker->lane, worker->ifaces[packet_note(mbuf)->iface].port, mbuf, 0, drop);
	rte_pktmbuf_free(mbuf);
}

// Fragments: to the worker that gathers their datagram, or through the table if that is us.
static void fragments(struct worker *worker, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct packet *packet = &worker->packets[i];
		struct fragment_release release;
		struct flow_key key;
		uint16_t owner;

		if (packet->next != PACKET_FRAGMENT)
			continue;
		key = flow_packet_key(packet);
		owner = owner_of_fragment(worker->opener.rule, &key);
		if (owner != worker->id) {
			hand_over(worker, packet, owner, NOTE_FRAGMENT);
			continue;
		}
		fragment_process(worker->fragments, packet, worker->flows->now, &release);
		for (unsigned j = 0; j < release.count; j++)
			if (rte_ring_enqueue(worker->inbox, release.mbufs[j]))
				drop_held(worker, release.mbufs[j], DROP_HANDOFF_FULL);
	}
}

// What was refused and whose sender is to know it.
static void refuse(struct worker *worker, struct packet *packet)
{
	enum drop drop = packet->drop;

	if (drop != DROP_NO_FLOW && drop != DROP_NO_ENDPOINT && drop != DROP_NO_LISTENER)
		return;
	if (packet->protocol == IPPROTO_TCP)
		rewrite_reset(&worker->rewriter, packet, drop);
	else
		rewrite_unreachable(&worker->rewriter, packet, drop);
}

static void open_missed(struct worker *worker, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct packet *packet = &worker->packets[i];

		if (packet->next != PACKET_FLOW)
			continue;
		open_flow(&worker->opener, packet);
		if (packet->next == PACKET_DROP)
			refuse(worker, packet);
	}
}

static void to_host(struct worker *worker, struct packet *packet)
{
	struct note note = {.iface = packet->iface, .kind = NOTE_HOST};
	struct addr dst;

	if (packet->family) {
		struct flow_key key = flow_packet_key(packet);

		addr_from_bytes(&dst, key.dst, key.family == 4 ? 4 : 16);
		if (tables_vip(worker->opener.tables, &dst)) {
			packet_drop(packet, DROP_ICMP_UNSUPPORTED); // the kernel has no VIP
			return;
		}
	}
	give(worker, worker->host, packet, &note, DROP_HOST_FULL);
	doorbell_ring(worker->doorbell);
}

// About a flow's packet, or a segment of the proxy's, or the kernel's own.
static void icmp_error(struct worker *worker, struct packet *packet)
{
	rewrite_icmp_error(&worker->rewriter, packet);
	if (worker->proxy &&
		(packet->next == PACKET_HOST ||
			(packet->next == PACKET_DROP && packet->drop == DROP_ICMP_NO_FLOW)))
		proxy_icmp(worker->proxy, packet);
}

// Everything but TCP and UDP for a flow.
static void rare(struct worker *worker, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct packet *packet = &worker->packets[i];

		if (packet->next == PACKET_ICMP_ERROR)
			icmp_error(worker, packet);
		else if (packet->next == PACKET_ECHO)
			rewrite_echo(&worker->rewriter, packet);
		else if (packet->next == PACKET_NEIGHBOUR) {
			const struct iface *iface = &worker->ifaces[packet->iface];
			uint16_t l3 =
				(uint16_t)(packet->l3 - rte_pktmbuf_mtod(packet->mbuf, uint8_t *));

			if (host_answer(worker->opener.tables, iface, packet->mbuf, l3)) {
				transmit_frame(&worker->transmitter, packet->mbuf, packet->iface);
				packet->next = PACKET_TAKEN;
			} else {
				packet->next = PACKET_HOST;
			}
		}
		if (packet->next == PACKET_FLOW) // its flow was given up for another of this burst
			packet_drop(packet, DROP_NO_FLOW);
		else if (packet->next == PACKET_HAND)
			hand_over(worker, packet, packet->hop, NOTE_PROCESS);
		else if (packet->next == PACKET_HOST)
			to_host(worker, packet);
	}
}

static void drop_marked(struct worker *worker, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const struct packet *packet = &worker->packets[i];

		if (packet->next != PACKET_DROP)
			continue;
		worker->counters.drops[packet->drop]++;
		if (unlikely(worker->lane != NULL))
			capture_drop(worker->lane, worker->ifaces[packet->iface].port, packet->mbuf,
				packet->family, packet->drop);
		rte_pktmbuf_free(packet->mbuf);
	}
}

// A trace notes what has become of the burst by now.
static inline void follow(struct worker *worker, enum trace_point point, unsigned n)
{
	if (unlikely(worker->lane != NULL))
		trace_burst(worker, point, n);
}

// The burst in worker->packets, classified, to its end. `steps`: what classify says of it.
static void process(struct worker *worker, unsigned n, uint32_t steps, uint64_t since)
{
	const uint32_t common = PACKET_STEP(PACKET_TRANSMIT) | PACKET_STEP(PACKET_TAKEN);
	struct packet *packets = worker->packets;
	bool dropped;

	follow(worker, TRACE_CLASSIFIED, n);
	if (unlikely(steps & PACKET_STEP(PACKET_FRAGMENT)))
		fragments(worker, n);
	worker->rewriter.deleted_before = worker->opener.deleted;
	if (flow_lookup(worker->flows, packets, n)) {
		since = stage_end(worker, STAGE_FLOW, since);
		follow(worker, TRACE_LOOKED_UP, n);
		open_missed(worker, n);
		follow(worker, TRACE_OPENED, n);
		since = stage_end(worker, STAGE_PICK, since);
	} else {
		since = stage_end(worker, STAGE_FLOW, since);
		follow(worker, TRACE_LOOKED_UP, n);
	}
	steps = rewrite(&worker->rewriter, packets, n);
	// A SYN may have ended one connection and begin another.
	if (unlikely(steps & PACKET_STEP(PACKET_FLOW))) {
		open_missed(worker, n);
		steps |= rewrite(&worker->rewriter, packets, n);
	}
	follow(worker, TRACE_REWRITTEN, n);
	since = stage_end(worker, STAGE_REWRITE, since);
	if (steps & PACKET_STEP(PACKET_PROXY)) {
		proxy_input(worker->proxy, packets, n);
		since = stage_end(worker, STAGE_PROXY, since);
	}
	if (unlikely(steps & ~(common | PACKET_STEP(PACKET_PROXY)))) {
		rare(worker, n);
		since = stage_end(worker, STAGE_HOST, since);
	}
	follow(worker, TRACE_SENDING, n);
	dropped = transmit(&worker->transmitter, packets, n);
	follow(worker, TRACE_DONE, n);
	if (unlikely(dropped || (steps & ~common)))
		drop_marked(worker, n);
	stage_end(worker, STAGE_TRANSMIT, since);
}

static unsigned receive(struct worker *worker, struct worker_port *port)
{
	struct rte_mbuf *mbufs[PACKET_BURST];
	uint64_t since = rte_rdtsc();
	unsigned n = port_rx(port->port, worker->id, mbufs, PACKET_BURST);
	uint32_t steps;

	if (n == 0)
		return 0;
	if (unlikely(worker->lane != NULL))
		capture_frames(worker->lane, CAPTURE_IN, port->port->index, mbufs, n);
	since = stage_end(worker, STAGE_RECEIVE, since);
	steps = classify(port->classify, mbufs, worker->packets, n);
	since = stage_end(worker, STAGE_CLASSIFY, since);
	process(worker, n, steps, since);
	return n;
}

// What others gave us: packets of our flows, fragments, frames of the kernel to be sent.
static unsigned receive_inbox(struct worker *worker)
{
	struct rte_mbuf *mbufs[PACKET_BURST];
	uint64_t since = rte_rdtsc();
	unsigned n = rte_ring_dequeue_burst(worker->inbox, (void **)mbufs, PACKET_BURST, NULL);
	unsigned kept = 0;
	uint32_t steps = 0;

	if (n == 0)
		return 0;
	for (unsigned i = 0; i < n; i++) {
		const struct note *note = packet_note(mbufs[i]);
		struct packet *packet = &worker->packets[kept];

		if (note->kind == NOTE_TRANSMIT) {
			transmit_frame(&worker->transmitter, mbufs[i], note->iface);
			continue;
		}
		classify_frame(packet, mbufs[i], note->iface);
		packet->flags |= note->flags & PACKET_HANDED;
		if (packet->next == PACKET_FRAGMENT && (note->flags & PACKET_NEW_ID))
			fragment_resume(packet, note);
		steps |= PACKET_STEP(packet->next);
		kept++;
	}
	since = stage_end(worker, STAGE_RECEIVE, since);
	if (kept)
		process(worker, kept, steps, since);
	return n;
}

// A tick's share of those that wait.
static void expire_fragments(struct worker *worker)
{
	struct fragment_release release;
	unsigned looks = 8;

	while (fragment_expire(worker->fragments, worker->flows->now, &looks, &release))
		for (unsigned i = 0; i < release.count; i++)
			drop_held(worker, release.mbufs[i], DROP_FRAGMENT_TIMEOUT);
}

// Time: flows that are over, held packets, fragments that wait in vain, what the main lcore asks.
static void housekeeping(struct worker *worker)
{
	unsigned budget = 32;
	struct flow *flow;

	for (unsigned i = 0; i < 32 && (flow = flow_expired(worker->flows, &budget)); i++)
		open_delete(&worker->opener, flow);
	// As often as ticks have passed, so that the whole table is seen in time, however long the
	// nap.
	for (unsigned i = 0; i < 128 && worker->fragments_tick != worker->flows->now; i++) {
		worker->fragments_tick++;
		expire_fragments(worker);
	}
	worker->fragments_tick = worker->flows->now;
	transmit_held(&worker->transmitter);
	if (worker->transmitter.resolve_asked != worker->resolve_rung) {
		worker->resolve_rung = worker->transmitter.resolve_asked;
		doorbell_ring(worker->doorbell);
	}
	if (unlikely(__atomic_load_n(&worker->command, __ATOMIC_ACQUIRE) != NULL))
		worker_command_step(worker);
}

static void take_lane(struct worker *worker)
{
	struct capture *capture = __atomic_load_n(worker->capture, __ATOMIC_ACQUIRE);

	worker->lane = capture ? &capture->lanes[worker->id] : NULL;
	worker->transmitter.lane = worker->rewriter.lane = worker->lane;
}

// The round's time for the proxy. The wall's clock is read again each second: it may be set, and
// the TSC's rate is known to some parts in a million only.
static void begin_proxy(struct worker *worker, uint64_t tsc)
{
	usec_t now = (usec_t)(((__uint128_t)(tsc - worker->tick_base) * worker->usec_scale) >> 64);
	struct timespec wall;

	proxy_begin(worker->proxy, worker->opener.tables, worker->opener.fib, now);
	if (now < worker->wall_due)
		return;
	worker->wall_due = now + 1000000;
	clock_gettime(CLOCK_REALTIME, &wall);
	proxy_realtime(
		worker->proxy, (int64_t)wall.tv_sec * 1000000 + wall.tv_nsec / 1000 - (int64_t)now);
}

unsigned worker_round(struct worker *worker)
{
	uint64_t begin = rte_rdtsc();
	uint64_t since;
	unsigned n = 0;
	bool busy = false;

	worker->flows->now =
		(uint32_t)(((__uint128_t)(begin - worker->tick_base) * worker->tick_scale) >> 64);
	worker->transmitter.now = worker->flows->now;
	worker->opener.tables = __atomic_load_n(worker->tables, __ATOMIC_ACQUIRE);
	worker->opener.fib = __atomic_load_n(worker->fib, __ATOMIC_ACQUIRE);
	worker->transmitter.fib = worker->opener.fib;
	take_lane(worker);
	if (worker->proxy)
		begin_proxy(worker, begin);
	for (unsigned i = 0; i < worker->port_count; i++)
		if (worker->ports[i].receives)
			n += receive(worker, &worker->ports[i]);
	n += receive_inbox(worker);
	housekeeping(worker);
	since = rte_rdtsc();
	if (worker->proxy) {
		busy = proxy_run(worker->proxy);
		if (busy)
			since = stage_end(worker, STAGE_PROXY, since);
	}
	transmit_flush(&worker->transmitter);
	if (n || busy)
		stage_end(worker, STAGE_TRANSMIT, since);
	rte_rcu_qsbr_quiescent(worker->qsbr, worker->id);
	worker->counters.packets += n;
	if (n || busy)
		worker->counters.busy_cycles += rte_rdtsc() - begin;
	return n + busy;
}

static struct nap_facts nap_facts(const struct worker *worker, unsigned empty_rounds)
{
	return (struct nap_facts){
		.cycles = rte_rdtsc(),
		.packets = worker->counters.packets,
		.segments = worker->proxy ? proxy_tcp_count(worker->proxy, TCP_COUNT_IN) : 0,
		.empty_rounds = empty_rounds,
	};
}

static void rest(struct nap *nap, const struct nap_facts *facts)
{
	struct timespec time = {0, nap_after(nap, facts)};

	if (time.tv_nsec)
		nanosleep(&time, NULL);
}

int worker_run(void *arg)
{
	struct worker *worker = arg;
	unsigned empty_rounds = 0;
	struct nap_facts facts = nap_facts(worker, 0);
	uint64_t begin = facts.cycles, total = worker->counters.total_cycles;
	struct nap nap;

	nap_begin(&nap, rte_get_tsc_hz(), &facts);
	prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0); // naps are meant as they are
	rte_rcu_qsbr_thread_register(worker->qsbr, worker->id);
	rte_rcu_qsbr_thread_online(worker->qsbr, worker->id);
	while (!__atomic_load_n(worker->stop, __ATOMIC_RELAXED)) {
		empty_rounds = worker_round(worker) ? 0 : empty_rounds + 1;
		facts = nap_facts(worker, empty_rounds);
		worker->counters.total_cycles = total + facts.cycles - begin;
		if (worker->adaptive)
			rest(&nap, &facts);
	}
	rte_rcu_qsbr_thread_offline(worker->qsbr, worker->id);
	rte_rcu_qsbr_thread_unregister(worker->qsbr, worker->id);
	return 0;
}
