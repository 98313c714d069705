// SPDX-License-Identifier: BSD-3-Clause
// Sizes that both processes must agree on. The file has the name of a libc header, and this folder
// is on the include path: so it brings that one too, for whoever asked for <limits.h>.
#pragma once

#include_next <limits.h>

#define SLUICE_WORKERS_MAX        64
#define SLUICE_PORTS_MAX          16
#define SLUICE_IFACES_MAX         64           // ports and their VLAN sub-interfaces together
#define SLUICE_NAME_MAX           256          // any name of an object, with its terminating zero
#define SLUICE_PLAN_FILE          "plan"       // in the state folder, and what it is sealed for
#define SLUICE_CHANNEL_MESSAGE    (256u << 20) // bytes of one message on the channel
#define SLUICE_VIPS_MAX           65536
#define SLUICE_LISTENERS_MAX      65536
#define SLUICE_POOLS_MAX          65536
#define SLUICE_POOL_ENDPOINTS_MAX 16384
#define SLUICE_ENDPOINTS_MAX      262144 // all pools together
#define SLUICE_ROUTES_MAX         65536
#define SLUICE_SITES_MAX          256
#define SLUICE_HOSTS_MAX          65536
#define SLUICE_RULES_MAX          524288 // all hosts together
#define SLUICE_CERTIFICATES_MAX   65536
#define SLUICE_SERVER_NAMES_MAX   131072
#define SLUICE_BACKENDS_MAX       64    // of one rule
#define SLUICE_HEAD_BYTES         32768 // of a request or an answer
#define SLUICE_HOST_LENGTH        253
#define SLUICE_PATH_LENGTH        4096
#define SLUICE_AFFINITY_MAX_S     86400
#define SLUICE_WEIGHT_MAX         256
#define SLUICE_MTU_MIN            576
#define SLUICE_MTU_MAX            9000
// Who set a route of the kernel's: numbers not in <linux/rtnetlink.h> nor /etc/iproute2/rt_protos.
#define SLUICE_ROUTES_SETTINGS 210 // those of sluice.conf
#define SLUICE_ROUTES_PLAN     211 // to pods

// Upper bounds of the buckets of latency histograms, microseconds; one more bucket has none.
#define SLUICE_LATENCY_BUCKETS 15
#define SLUICE_LATENCY_US                                                                          \
	{                                                                                          \
		100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000,      \
			1000000, 5000000, 30000000                                                 \
	}
