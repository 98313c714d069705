// SPDX-License-Identifier: BSD-3-Clause
// pci: a NIC on the PCI bus, physical, virtio or vmxnet3, driven in user space by DPDK.
//
// device = its PCI address. We bind it ourselves, to vfio-pci where there is an IOMMU and to
// uio_pci_generic where there is none, and give it back when the port is closed. Options:
// force=yes takes it even when the kernel uses it; driver=vfio-pci|uio_pci_generic decides for us.
// Without an IOMMU the device is told physical addresses, and only hugepages have any.
#include <errno.h>
#include <rte_bus_pci.h>
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_malloc.h>
#include <rte_vfio.h>
#include <string.h>

#include "pci_bind.h"
#include "port_internal.h"

static const char *const known[] = {"force", "driver", NULL};

static int read_options(const struct port_settings *settings, const char **driver, bool *force,
	struct reason *reason)
{
	struct rte_kvargs *options = port_options(settings, known, reason);
	const char *wanted, *answer;
	int rc = 0;

	if (!options)
		return -EINVAL;
	wanted = rte_kvargs_get(options, "driver");
	answer = rte_kvargs_get(options, "force");
	*force = answer && strcmp(answer, "yes") == 0;
	*driver = pci_user_driver("/sys");
	if (wanted && strcmp(wanted, "vfio-pci") == 0)
		*driver = "vfio-pci";
	else if (wanted && strcmp(wanted, "uio_pci_generic") == 0)
		*driver = "uio_pci_generic";
	else if (wanted)
		rc = -EINVAL;
	if (answer && !*force && strcmp(answer, "no") != 0)
		rc = -EINVAL;
	if (rc)
		reason_add(reason,
			"port %s: options \"%s\": expected force=yes|no, "
			"driver=vfio-pci|uio_pci_generic",
			settings->name, settings->options);
	rte_kvargs_free(options);
	return rc;
}

// What DPDK must have been started with, or be told now.
static int check_dpdk(const struct port *port, const char *driver, struct reason *reason)
{
	if (strcmp(driver, "vfio-pci") == 0) {
		// EAL looked for the module once, before we loaded it.
		if (!rte_vfio_is_enabled("vfio_pci") && !rte_vfio_is_enabled("vfio"))
			rte_vfio_enable("vfio");
		return 0;
	}
	if (rte_eal_iova_mode() == RTE_IOVA_PA)
		return 0;
	reason_add(reason,
		"port %s: device %s: there is no IOMMU, so hugepages are needed for physical "
		"addresses (vm.nr_hugepages), or an IOMMU turned on (intel_iommu=on, amd_iommu=on)",
		port->name, port->device);
	return -ENOTSUP;
}

static int attach(struct port *port, const struct pci_device *device, struct reason *reason)
{
	int rc = rte_dev_probe(device->address);

	if (rc == 0 || rc == -EEXIST)
		rc = rte_eth_dev_get_port_by_name(device->address, &port->dpdk_id);
	if (rc)
		reason_add(reason,
			"port %s: device %s: no driver of ours takes it (bound to %s): %s",
			port->name, port->device, device->driver, rte_strerror(-rc));
	return rc;
}

// e1000's older half has receive buffers of at most 8 KB, and chains them for a longer frame. The
// first mbuf has room for all of it.
static void join_segments(struct port *port, struct rte_mbuf **mbufs, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++)
		if (mbufs[i]->nb_segs > 1)
			rte_pktmbuf_linearize(mbufs[i]);
}

static int probe(struct port *port, const struct port_settings *settings, struct reason *reason)
{
	struct pci_device *device;
	const char *driver;
	bool force;
	int rc = read_options(settings, &driver, &force, reason);

	if (rc)
		return rc;
	device = rte_zmalloc("pci", sizeof(*device), 0);
	if (!device)
		return -ENOMEM;
	device->sysfs = "/sys";
	if (!pci_address(port->device, device->address)) {
		reason_add(reason,
			"port %s: device \"%s\": expected a PCI address, as 0000:03:00.1",
			port->name, port->device);
		rc = -EINVAL;
		goto free;
	}
	rc = pci_bind(device, port->name, driver, force, reason);
	if (rc)
		goto free;
	rc = check_dpdk(port, driver, reason);
	if (rc == 0)
		rc = attach(port, device, reason);
	if (rc) {
		pci_give_back(device);
		goto free;
	}
	port->max_queues = UINT16_MAX;
	if (port->mtu > RTE_ETHER_MTU)
		port->repair = join_segments;
	port->state = device;
	return 0;
free:
	rte_free(device);
	return rc;
}

static void remove_pci(struct port *port)
{
	struct pci_device *device = port->state;
	struct rte_eth_dev_info info;

	if (rte_eth_dev_info_get(port->dpdk_id, &info) == 0) {
		rte_eth_dev_close(port->dpdk_id);
		rte_dev_remove(info.device);
	}
	pci_give_back(device);
	rte_free(device);
	port->state = NULL;
}

const struct port_kind port_pci = {
	.name = "pci",
	.probe = probe,
	.remove = remove_pci,
};
