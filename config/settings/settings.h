// SPDX-License-Identifier: BSD-3-Clause
// sluice.conf, read and checked whole: what both processes are configured with.
//
// Each process reads the file itself: the dataplane for its cores, memory and ports, the control
// plane for the rest. libconfig appears in settings.c and nowhere else. A file with mistakes gives
// every one of them in `reason`, each with file, line, key, what was found and what was expected,
// and no settings at all; the caller keeps what it has. Unknown keys are mistakes too.
// The result is immutable. Any thread.
#pragma once

#include "addr.h"
#include "announce_settings.h"
#include "api_settings.h"
#include "http_settings.h"
#include "limits.h"
#include "reason.h"
#include "source_settings.h"
#include "settings_ingress.h"

enum idle_kind {
	IDLE_ADAPTIVE,
	IDLE_POLL
};
enum hugepages_kind {
	HUGEPAGES_AUTO,
	HUGEPAGES_REQUIRED,
	HUGEPAGES_OFF
};
enum mode {
	MODE_FULL_NAT = 1,
	MODE_DNAT,
	MODE_DSR
};               // the numbers of channel.proto
enum algorithm { // the numbers of channel.proto
	ALGORITHM_MAGLEV = 1,
	ALGORITHM_ROUND_ROBIN,
	ALGORITHM_WEIGHTED,
	ALGORITHM_LEAST_CONNECTIONS,
	ALGORITHM_SOURCE_HASH,
	ALGORITHM_LEAST_REQUESTS, // this and what follows: of the proxy alone
	ALGORITHM_EWMA,
	ALGORITHM_HASH,
};

#define SETTINGS_OWN_SOURCE "sluice" // no source's name: what is our own has it

struct vlan_settings {
	uint16_t id; // 1..4094; the interface is called "<port>.<id>"
	unsigned address_count;
	struct prefix *addresses; // host bits kept: 192.0.2.5/24
};

struct port_settings {
	char *name;    // 1..11 characters [a-z0-9-]; also the name of its TAP twin in the kernel
	char *kind;    // "af_packet", "af_xdp", "tap", "memif", "pci", "pcap", ...
	char *device;  // what it means is the kind's: netdev, PCI address, socket path, file
	char *options; // further "key=value,..." for the kind; "" when there are none
	uint16_t mtu;
	uint16_t queues; // asked for; 0 = one a worker, as far as the port can
	unsigned address_count;
	struct prefix *addresses;
	unsigned vlan_count;
	struct vlan_settings *vlans;
	unsigned line; // in the file, for mistakes that only show when the port is opened
};

struct route_settings {
	struct prefix to;
	struct addr via;
};

struct range_settings { // inclusive, both of one family
	struct addr first, last;
};

struct pool_settings { // of VIPs
	char *name;
	unsigned range_count;
	struct range_settings *ranges;
	unsigned interface_count; // where its VIPs are announced; none = everywhere
	char **interfaces;
	uint32_t priority; // the lowest is asked first
	bool auto_assign;  // false: given only to who asks for it, by name or by address
	// Whom it is for; none = all. Each list that is there must have the Service's.
	unsigned cluster_count, namespace_count, label_count;
	char **clusters, **namespaces;
	char **labels; // "key=value": the Service must have all
};

enum endpoint_mode {
	ENDPOINTS_AUTO,
	ENDPOINTS_POD,
	ENDPOINTS_NODE_PORT
};

struct cluster_settings { // of a source of objects, wherever that is registered
	char *name;
	enum endpoint_mode endpoints;
	unsigned namespace_count; // whose Services and Ingresses count; none = all
	char **namespaces;
	char *labels; // "tier=gold,!test", as kubectl takes them: of Services and Ingresses; "" =
		      // all
};

struct share_cluster {
	char *name;
	uint32_t weight; // 0: only while no other has a ready endpoint
};

struct share_settings { // what several clusters serve together
	char *service;  // "namespace/name"
	unsigned cluster_count;
	struct share_cluster *clusters; // the first that has it is the one that is asked
};

struct timeouts_settings { // seconds
	uint32_t tcp_syn, tcp_established, tcp_fin, tcp_closed, udp, udp_unreplied;
};

struct settings {
	char *file;
	struct {
		unsigned worker_count; // at least 1
		unsigned worker_cpus[SLUICE_WORKERS_MAX];
		unsigned main_cpu;
		unsigned crypto_count; // 0 = workers do TLS handshakes themselves
		unsigned crypto_cpus[SLUICE_WORKERS_MAX];
		enum idle_kind idle;
		enum hugepages_kind hugepages;
		unsigned memory_mb; // 0 = what flows and buffers need
		unsigned flows;     // a worker; rounded up to a power of two
		unsigned
			buffers; // packet buffers, all workers together; 0 = from ports and workers
		unsigned neighbours; // most neighbours kept, all interfaces together
	} dataplane;
	unsigned port_count;
	struct port_settings *ports;
	unsigned route_count;
	struct route_settings *routes;
	struct { // full NAT
		unsigned range_count;
		struct range_settings
			*ranges; // none = the address of the interface the packet leaves by
		uint16_t port_first, port_last;
	} snat;
	struct timeouts_settings timeouts;
	struct bgp_settings bgp;
	struct pair_settings pair;
	struct health_settings health;
	struct http_settings http;
	struct access_log_settings access_log;
	unsigned pool_count;
	struct pool_settings *pools; // in the order in which they are asked
	unsigned source_count;
	struct source_settings *sources;
	unsigned cluster_count;
	struct cluster_settings *clusters;
	unsigned share_count;
	struct share_settings *shares;
	struct { // of a Service that does not say
		enum mode mode;
		enum algorithm algorithm;
		bool classless; // Services without a loadBalancerClass are ours
	} defaults;
	struct ingress_settings ingress;
	struct api_settings api;
	unsigned syslog_count;
	struct syslog_settings *syslogs;
	char *run_dir;   // "/run/sluice"
	char *state_dir; // "/var/lib/sluice"
	char *group;     // may connect to our sockets, beside root; "sluice"
};

// Reads and checks `file`. NULL when it has mistakes, which are then in `reason`.
struct settings *settings_read(const char *file, struct reason *reason);
// The same from a text; @include is looked for beside `file`, which mistakes call so, or `name`.
struct settings *settings_parse(const char *text, const char *file, struct reason *reason);
void settings_free(struct settings *settings);

// "full-nat", "dnat", "dsr"; "maglev", "round-robin", "weighted", "least-connections",
// "source-hash".
const char *mode_name(enum mode mode);
const char *algorithm_name(enum algorithm algorithm);
const char *endpoint_mode_name(enum endpoint_mode mode); // "auto", "pod", "nodeport"
// What is said of a cluster, or NULL.
const struct cluster_settings *settings_cluster(const struct settings *settings, const char *name);
// The mode of a cluster, by its name.
enum endpoint_mode settings_endpoint_mode(const struct settings *settings, const char *cluster);
bool mode_parse(const char *text, enum mode *mode);
bool algorithm_parse(const char *text, enum algorithm *algorithm);

// "192.0.2.1-192.0.2.9", "192.0.2.0/24" or "192.0.2.1".
bool range_parse(const char *text, struct range_settings *range);
bool range_contains(const struct range_settings *range, const struct addr *addr);
bool range_overlaps(const struct range_settings *a, const struct range_settings *b);
