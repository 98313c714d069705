// SPDX-License-Identifier: BSD-3-Clause
// See netdev.h. By ioctl and /proc/sys/net, all of which mean the network namespace of
// the caller; /sys/class/net would mean the one it was mounted in.
#include "netdev.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"

bool netdev_name_ok(const char *name)
{
	size_t length = strlen(name);

	return length > 0 && length < IFNAMSIZ && !strpbrk(name, "/ \t\n:,%") &&
	       strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static int request(int control, const char *name, unsigned long what, struct ifreq *ifr)
{
	snprintf(ifr->ifr_name, sizeof(ifr->ifr_name), "%s", name);
	return ioctl(control, what, ifr) < 0 ? -errno : 0;
}

static int ethtool(const struct netdev *netdev, void *command)
{
	struct ifreq ifr = {.ifr_data = command};

	return request(netdev->control, netdev->name, SIOCETHTOOL, &ifr);
}

int netdev_set_mtu(const char *name, uint16_t mtu)
{
	struct ifreq ifr = {.ifr_mtu = mtu};
	int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int rc;

	if (control < 0)
		return -errno;
	rc = request(control, name, SIOCSIFMTU, &ifr);
	close(control);
	return rc;
}

static int set_flags(const struct netdev *netdev, short set)
{
	struct ifreq ifr;
	int rc = request(netdev->control, netdev->name, SIOCGIFFLAGS, &ifr);

	if (rc || (ifr.ifr_flags & set) == set)
		return rc;
	ifr.ifr_flags |= set;
	return request(netdev->control, netdev->name, SIOCSIFFLAGS, &ifr);
}

static bool read_ipv6_disabled(const char *name)
{
	char path[96], value = '1';
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return true; // a kernel without IPv6
	if (read(fd, &value, 1) != 1)
		value = '1';
	close(fd);
	return value != '0';
}

static void write_ipv6_disabled(const char *name, bool disabled)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, disabled ? "1" : "0", 1) != 1)
		log_warning("port", "%s: cannot write %s: %s", name, path, strerror(errno));
	if (fd >= 0)
		close(fd);
}

static bool set_gro(const struct netdev *netdev, bool on)
{
	struct ethtool_value value = {.cmd = ETHTOOL_GGRO};
	bool former = ethtool(netdev, &value) == 0 && value.data;

	value = (struct ethtool_value){.cmd = ETHTOOL_SGRO, .data = on};
	ethtool(netdev, &value);
	return former;
}

void netdev_disable_gro(const struct netdev *netdev)
{
	set_gro(netdev, false);
}

static bool set_lro(const struct netdev *netdev, bool on)
{
	struct ethtool_value value = {.cmd = ETHTOOL_GFLAGS};
	bool former;

	if (ethtool(netdev, &value))
		return false;
	former = value.data & ETH_FLAG_LRO;
	if (former == on)
		return former;
	value.cmd = ETHTOOL_SFLAGS;
	value.data ^= ETH_FLAG_LRO;
	ethtool(netdev, &value);
	return former;
}

// Refuses what is no Ethernet netdev that could be ours; fills in what it is.
static int inspect(struct netdev *netdev, const struct port *port, struct reason *reason)
{
	struct ethtool_drvinfo info = {.cmd = ETHTOOL_GDRVINFO};
	char addresses[256];
	struct ifreq ifr;
	int rc = request(netdev->control, netdev->name, SIOCGIFHWADDR, &ifr);

	if (rc || ifr.ifr_hwaddr.sa_family != ARPHRD_ETHER) {
		reason_add(reason, "port %s: device %s: not an Ethernet netdev", port->name,
			netdev->name);
		return rc ? rc : -EINVAL;
	}
	memcpy(&netdev->mac, ifr.ifr_hwaddr.sa_data, sizeof(netdev->mac));
	if (ethtool(netdev, &info) == 0)
		snprintf(netdev->driver, sizeof(netdev->driver), "%.31s", info.driver);
	rc = netdev_addresses(netdev->index, addresses, sizeof(addresses));
	if (rc) {
		reason_add(reason,
			"port %s: device %s: has the kernel's address %s; the port's addresses "
			"belong in "
			"sluice.conf (addresses = [...]), remove them from the netdev: ip addr "
			"flush dev %s",
			port->name, netdev->name, rc < 0 ? strerror(-rc) : addresses, netdev->name);
		return rc < 0 ? rc : -EADDRINUSE;
	}
	return 0;
}

static int join(const struct netdev *netdev)
{
	struct packet_mreq promiscuous = {
		.mr_ifindex = netdev->index, .mr_type = PACKET_MR_PROMISC};
	struct packet_mreq multicast = {.mr_ifindex = netdev->index, .mr_type = PACKET_MR_ALLMULTI};

	if (setsockopt(netdev->members, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promiscuous,
		    sizeof(promiscuous)) < 0 ||
		setsockopt(netdev->members, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &multicast,
			sizeof(multicast)) < 0)
		return -errno;
	return 0;
}

static int set_mtu(const struct netdev *netdev, const struct port *port, struct reason *reason)
{
	struct ifreq ifr = {.ifr_mtu = port->mtu};
	int rc = request(netdev->control, netdev->name, SIOCSIFMTU, &ifr);

	if (rc == 0)
		return 0;
	if (request(netdev->control, netdev->name, SIOCGIFMTU, &ifr))
		ifr.ifr_mtu = 0;
	reason_add(reason,
		"port %s: device %s: mtu %u refused by its driver (%s): %s; it has %d now",
		port->name, netdev->name, port->mtu, netdev->driver, strerror(-rc), ifr.ifr_mtu);
	return rc;
}

int netdev_seize(struct netdev *netdev, const struct port *port, struct reason *reason)
{
	int rc;

	*netdev = (struct netdev){.control = -1, .members = -1};
	netdev->index = (int)if_nametoindex(port->device);
	if (!netdev_name_ok(port->device) || !netdev->index) {
		reason_add(reason,
			"port %s: device \"%s\": no such netdev in this network namespace",
			port->name, port->device);
		return -ENODEV;
	}
	snprintf(netdev->name, sizeof(netdev->name), "%s", port->device);
	netdev->control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	netdev->members = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (netdev->control < 0 || netdev->members < 0) {
		rc = -errno;
		reason_add(reason, "port %s: device %s: packet socket: %s", port->name,
			netdev->name, strerror(-rc));
		goto close;
	}
	rc = inspect(netdev, port, reason);
	if (rc == 0)
		rc = set_mtu(netdev, port, reason);
	if (rc)
		goto close;
	// Blocked already: an earlier run crashed, and what it found first is not to be seen any
	// more.
	netdev->former_ipv6 = netdev_blocked(netdev->name) || !read_ipv6_disabled(netdev->name);
	rc = netdev_block(netdev->name);
	if (rc) {
		reason_add(reason,
			"port %s: device %s: cannot keep the kernel's stack off it by nf_tables "
			"(family "
			"netdev): %s; the kernel needs CONFIG_NF_TABLES_NETDEV and we "
			"CAP_NET_ADMIN",
			port->name, netdev->name, strerror(-rc));
		goto close;
	}
	if (netdev->former_ipv6)
		write_ipv6_disabled(netdev->name, true);
	netdev->former_gro = set_gro(netdev, false);
	netdev->former_lro = set_lro(netdev, false);
	rc = set_flags(netdev, IFF_UP);
	if (rc == 0)
		rc = join(netdev);
	if (rc) {
		reason_add(reason, "port %s: device %s: cannot be brought up promiscuous: %s",
			port->name, netdev->name, strerror(-rc));
		netdev_release(netdev);
	}
	return rc;
close:
	if (netdev->members >= 0)
		close(netdev->members);
	if (netdev->control >= 0)
		close(netdev->control);
	return rc;
}

void netdev_release(struct netdev *netdev)
{
	if (netdev->former_gro)
		set_gro(netdev, true);
	if (netdev->former_lro)
		set_lro(netdev, true);
	if (netdev->former_ipv6 && if_nametoindex(netdev->name))
		write_ipv6_disabled(netdev->name, false);
	if (netdev->former_queues)
		netdev_set_queues(netdev, netdev->former_queues);
	netdev_unblock(netdev->name);
	close(netdev->members);
	close(netdev->control);
}

// 0 when the driver does not say.
static uint32_t read_speed(const struct netdev *netdev)
{
	// The struct ends in as many words as the driver has, three times over; at most 127 of
	// them.
	uint32_t buffer[sizeof(struct ethtool_link_settings) / sizeof(uint32_t) +
			(size_t)3 * INT8_MAX] = {0};
	struct ethtool_link_settings *settings = (void *)buffer;

	settings->cmd = ETHTOOL_GLINKSETTINGS;
	// The first call says, as a negative number, how many words there are.
	if (ethtool(netdev, settings) || settings->link_mode_masks_nwords >= 0)
		return 0;
	settings->link_mode_masks_nwords = (int8_t)-settings->link_mode_masks_nwords;
	settings->cmd = ETHTOOL_GLINKSETTINGS;
	if (ethtool(netdev, settings) || settings->speed == (uint32_t)SPEED_UNKNOWN)
		return 0;
	return settings->speed;
}

struct port_link netdev_link(const struct netdev *netdev)
{
	struct ifreq ifr;

	if (request(netdev->control, netdev->name, SIOCGIFFLAGS, &ifr) ||
		(ifr.ifr_flags & (IFF_UP | IFF_RUNNING)) != (IFF_UP | IFF_RUNNING))
		return (struct port_link){false, 0};
	return (struct port_link){true, read_speed(netdev)};
}

static int get_channels(const struct netdev *netdev, struct ethtool_channels *channels)
{
	*channels = (struct ethtool_channels){.cmd = ETHTOOL_GCHANNELS};
	return ethtool(netdev, channels);
}

static uint16_t count_channels(const struct ethtool_channels *channels)
{
	uint32_t count = channels->combined_count ? channels->combined_count : channels->rx_count;

	return (uint16_t)RTE_MAX(1u, count);
}

uint16_t netdev_set_queues(struct netdev *netdev, uint16_t queues)
{
	struct ethtool_channels channels;
	uint16_t former;

	if (get_channels(netdev, &channels))
		return 1;
	former = count_channels(&channels);
	if (former == queues)
		return former;
	// NICs have pairs or each by itself; veth says it has both and means the latter.
	if (channels.max_rx && channels.max_tx) {
		uint32_t most = RTE_MIN(channels.max_rx, channels.max_tx);

		channels.rx_count = channels.tx_count = RTE_MIN(queues, most);
		channels.combined_count = 0;
	} else {
		channels.combined_count = RTE_MIN(queues, channels.max_combined);
	}
	channels.cmd = ETHTOOL_SCHANNELS;
	if (ethtool(netdev, &channels) == 0 && !netdev->former_queues)
		netdev->former_queues = former;
	return get_channels(netdev, &channels) ? 1 : count_channels(&channels);
}
