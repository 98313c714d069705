// SPDX-License-Identifier: BSD-3-Clause
// What is refused before a device changes hands, on trees of files laid out as sysfs is. That it
// does change hands is shown by tests/vm, on a real kernel.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "netdev.h"
#include "pci_bind.h"

#define NIC   "0000:03:00.0"
#define OTHER "0000:03:00.1"

static void run(const char *format, const char *root)
{
	char command[1024];

	snprintf(command, sizeof(command), "cd %s && %s", root, format);
	assert_int_equal(system(command), 0);
}

// Two functions of a NIC with a bridge above them, one IOMMU group, drivers e1000e and vfio-pci.
static int lay_out(void **state)
{
	char name[] = "/tmp/pci_bind_test.XXXXXX", *root;

	if (!mkdtemp(name))
		return -1;
	root = strdup(name);
	*state = root;
	assert_non_null(root);
	run("mkdir -p bus/pci/drivers/e1000e bus/pci/drivers/vfio-pci "
	    "bus/pci/drivers/uio_pci_generic "
	    "bus/pci/drivers/pcieport kernel/iommu_groups; touch bus/pci/drivers_probe; "
	    "for d in " NIC " " OTHER " 0000:00:1c.0; do mkdir -p bus/pci/devices/$d; "
	    "touch bus/pci/devices/$d/driver_override; "
	    "echo 0x020000 > bus/pci/devices/$d/class; "
	    "ln -s ../../drivers/e1000e bus/pci/devices/$d/driver; done; "
	    "echo 0x060400 > bus/pci/devices/0000:00:1c.0/class; "
	    "ln -sfn ../../drivers/pcieport bus/pci/devices/0000:00:1c.0/driver",
		root);
	return 0;
}

static int clear_away(void **state)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf %s", (char *)*state);
	free(*state);
	return system(command);
}

static void put_in_one_group(const char *root)
{
	run("mkdir -p kernel/iommu_groups/7/devices; for d in " NIC " " OTHER " 0000:00:1c.0; do "
	    "ln -s ../../../../bus/pci/devices/$d kernel/iommu_groups/7/devices/$d; "
	    "ln -s ../../../../kernel/iommu_groups/7 bus/pci/devices/$d/iommu_group; done",
		root);
}

static struct pci_device device_at(const char *root, const char *address)
{
	struct pci_device device = {.sysfs = root};

	snprintf(device.address, sizeof(device.address), "%s", address);
	return device;
}

static void addresses(void **state)
{
	static const char *const wrong[] = {"", "3", "03:00", "0000:03:00", "0000:03:20.0",
		"0000:03:00.8", "0000:03:00.0 ", "x:03:00.0", "eth0", "0000:03:00.0.1"};
	char address[16];

	assert_true(pci_address("0000:03:00.1", address));
	assert_string_equal(address, "0000:03:00.1");
	assert_true(pci_address("3:1f.7", address));
	assert_string_equal(address, "0000:03:1f.7");
	assert_true(pci_address("10ab:C3:00.1", address));
	assert_string_equal(address, "10ab:c3:00.1");
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_false(pci_address(wrong[i], address));
}

static void driver_by_iommu(void **state)
{
	assert_string_equal(pci_user_driver(*state), "uio_pci_generic");
	put_in_one_group(*state);
	assert_string_equal(pci_user_driver(*state), "vfio-pci");
}

static void unknown_device(void **state)
{
	struct pci_device device = device_at(*state, "0000:09:00.0");
	struct reason reason = {0};

	assert_int_equal(pci_bind(&device, "wan", "vfio-pci", false, &reason), -ENODEV);
	assert_non_null(strstr(reason_text(&reason), "port wan: device 0000:09:00.0: no such PCI"));
	reason_clear(&reason);
}

static void not_a_nic(void **state)
{
	struct pci_device device = device_at(*state, "0000:00:1c.0");
	struct reason reason = {0};

	assert_int_equal(pci_bind(&device, "wan", "vfio-pci", true, &reason), -EINVAL);
	assert_non_null(strstr(reason_text(&reason), "no network controller"));
	reason_clear(&reason);
}

static void whole_group(void **state)
{
	struct pci_device device = device_at(*state, NIC);
	struct reason reason = {0};

	put_in_one_group(*state);
	assert_int_equal(pci_bind(&device, "wan", "vfio-pci", false, &reason), -EPERM);
	assert_non_null(strstr(reason_text(&reason), "IOMMU group 7"));
	assert_non_null(strstr(reason_text(&reason), OTHER " (e1000e)"));
	assert_null(strstr(reason_text(&reason), "pcieport"));
	assert_string_equal(device.former, "");
	reason_clear(&reason);
}

static void already_ours(void **state)
{
	struct pci_device device = device_at(*state, NIC);
	struct reason reason = {0};

	put_in_one_group(*state);
	run("for d in " NIC " " OTHER
	    "; do ln -sfn ../../drivers/vfio-pci bus/pci/devices/$d/driver; "
	    "done",
		*state);
	assert_int_equal(pci_bind(&device, "wan", "vfio-pci", false, &reason), 0);
	assert_string_equal(device.driver, "vfio-pci");
	assert_string_equal(device.former, "");
	assert_int_equal(reason.count, 0);
}

// A kernel in use of the device: loopback stands in for its netdev, as it is always up in a test.
static void in_use(void **state)
{
	struct pci_device device = device_at(*state, NIC);
	struct reason reason = {0};
	char uses[64] = "";

	if (!netdev_in_use("lo", uses, sizeof(uses)))
		skip();
	run("mkdir -p bus/pci/devices/" NIC "/virtio3/net/lo", *state);
	assert_int_equal(pci_bind(&device, "wan", "uio_pci_generic", false, &reason), -EBUSY);
	assert_non_null(strstr(reason_text(&reason), "lo is up"));
	assert_non_null(strstr(reason_text(&reason), "force=yes"));
	reason_clear(&reason);
}

// The files take what is written, but nothing happens: the device must be said not to be bound,
// and what was written must be its former driver again, then nothing.
static void kernel_refuses(void **state)
{
	struct pci_device device = device_at(*state, NIC);
	struct reason reason = {0};
	char path[256], text[32] = "";
	FILE *file;

	assert_int_equal(pci_bind(&device, "wan", "uio_pci_generic", false, &reason), -EBUSY);
	assert_non_null(strstr(reason_text(&reason), "cannot be bound to uio_pci_generic"));
	assert_string_equal(device.former, "");
	snprintf(path, sizeof(path), "%s/bus/pci/devices/%s/driver_override", (char *)*state, NIC);
	file = fopen(path, "r");
	assert_non_null(file);
	assert_non_null(fgets(text, sizeof(text), file));
	assert_string_equal(text, "\n");
	fclose(file);
	reason_clear(&reason);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses),
		cmocka_unit_test_setup_teardown(driver_by_iommu, lay_out, clear_away),
		cmocka_unit_test_setup_teardown(unknown_device, lay_out, clear_away),
		cmocka_unit_test_setup_teardown(not_a_nic, lay_out, clear_away),
		cmocka_unit_test_setup_teardown(whole_group, lay_out, clear_away),
		cmocka_unit_test_setup_teardown(already_ours, lay_out, clear_away),
		cmocka_unit_test_setup_teardown(in_use, lay_out, clear_away),
		cmocka_unit_test_setup_teardown(kernel_refuses, lay_out, clear_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
