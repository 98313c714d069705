// SPDX-License-Identifier: BSD-3-Clause
// How a DPDK device is made ready, on DPDK's net_null, which takes RSS settings and can tell them.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <rte_eal.h>

#include "port_internal.h"

static const struct port_kind null_kind = {.name = "null"};

static struct port make_port(uint16_t queues, uint16_t mtu)
{
	struct port port = {
		.name = "test",
		.device = "null",
		.kind = &null_kind,
		.queues = queues,
		.max_queues = UINT16_MAX,
		.mtu = mtu,
		.pool = rte_mempool_lookup("frames"),
	};
	struct reason reason = {0};

	assert_non_null(port.pool);
	assert_int_equal(port_add_vdev(&port, "net_null", "copy=0", &reason), 0);
	return port;
}

static void close_port(struct port *port)
{
	ethdev_close(port);
	port_remove_vdev(port, "net_null");
}

static void spreads_evenly_with_our_key(void **state)
{
	struct port port = make_port(3, 1500);
	struct rte_eth_rss_reta_entry64 reta[2] = {{.mask = UINT64_MAX}, {.mask = UINT64_MAX}};
	uint8_t key[64] = {0};
	struct rte_eth_rss_conf rss = {.rss_key = key, .rss_key_len = sizeof(key)};
	struct reason reason = {0};

	assert_int_equal(ethdev_open(&port, &reason), 0);
	assert_int_equal(port.queues, 3);
	assert_true(port.caps & PORT_RSS);
	assert_int_equal(port.rss_buckets, 128);
	assert_int_equal(rte_eth_dev_rss_reta_query(port.dpdk_id, reta, 128), 0);
	for (uint32_t hash = 0; hash < 1000; hash++) {
		unsigned bucket = hash % 128;

		assert_int_equal(port_rss_queue(&port, hash), reta[bucket / 64].reta[bucket % 64]);
	}
	assert_int_equal(rte_eth_dev_rss_hash_conf_get(port.dpdk_id, &rss), 0);
	assert_memory_equal(key, port_rss_key, PORT_RSS_KEY_BYTES);
	close_port(&port);
}

static void one_queue_needs_no_spreading(void **state)
{
	struct port port = make_port(1, 1500);
	struct reason reason = {0};

	assert_int_equal(ethdev_open(&port, &reason), 0);
	assert_false(port.caps & PORT_RSS);
	assert_int_equal(port.rss_buckets, 0);
	close_port(&port);
}

static void fewer_queues_than_asked(void **state)
{
	struct port port = make_port(2000, 1500);
	struct rte_eth_dev_info info;
	struct reason reason = {0};

	assert_int_equal(rte_eth_dev_info_get(port.dpdk_id, &info), 0);
	assert_int_equal(ethdev_open(&port, &reason), 0);
	assert_int_equal(port.queues, info.max_rx_queues);
	close_port(&port);
}

static void passes_frames_and_counts(void **state)
{
	struct port port = make_port(1, 9000);
	struct rte_mbuf *mbufs[32];
	struct rte_eth_stats stats;
	struct reason reason = {0};
	uint16_t n;

	assert_int_equal(ethdev_open(&port, &reason), 0);
	assert_true(port_link(&port).up);
	n = port_rx(&port, 0, mbufs, 32);
	assert_int_equal(n, 32);
	assert_int_equal(port_tx(&port, 0, mbufs, n), 32);
	assert_int_equal(port_counters(&port, &stats), 0);
	assert_int_equal(stats.ipackets, 32);
	assert_int_equal(stats.opackets, 32);
	assert_int_equal(port_rx_fd(&port, 0), -1);
	port.detached = true;
	assert_int_equal(port_rx(&port, 0, mbufs, 32), 0);
	assert_false(port_link(&port).up);
	close_port(&port);
}

static void buffers_fit_the_largest(void **state)
{
	const struct port_settings ports[] = {{.mtu = 1500}, {.mtu = 9000}, {.mtu = 4000}};

	assert_int_equal(port_buffer_bytes(ports, 1), 2048);
	assert_int_equal(port_buffer_bytes(ports, 2), 9216);
	assert_int_equal(port_buffer_bytes(ports + 2, 1), 4096);
	assert_int_equal(port_buffer_bytes(ports, 3), 9216);
}

static void names_pci_devices_only_where_wanted(void **state)
{
	const struct port_settings ports[] = {{.kind = "tap"}, {.kind = "pci"}};
	const char *arguments[PORT_EAL_ARGUMENTS];

	assert_int_equal(port_eal_arguments(ports, 1, arguments), 1);
	assert_string_equal(arguments[0], "--no-pci");
	assert_int_equal(port_eal_arguments(ports, 2, arguments), 2);
	assert_string_equal(arguments[0], "-a");
}

int main(void)
{
	char *const arguments[] = {"ethdev_test", "-l", "0", "--no-huge", "--no-shconf", "--no-pci",
		"--no-telemetry", "-m", "128", "--log-level", "warning"};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spreads_evenly_with_our_key),
		cmocka_unit_test(one_queue_needs_no_spreading),
		cmocka_unit_test(fewer_queues_than_asked),
		cmocka_unit_test(passes_frames_and_counts),
		cmocka_unit_test(buffers_fit_the_largest),
		cmocka_unit_test(names_pci_devices_only_where_wanted),
	};

	if (rte_eal_init(RTE_DIM(arguments), (char **)arguments) < 0 ||
		!rte_pktmbuf_pool_create("frames", 4095, 0, 0, 9216 + RTE_PKTMBUF_HEADROOM, 0))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
