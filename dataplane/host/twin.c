// SPDX-License-Identifier: BSD-3-Clause
// The twin of an interface: a TAP device in the kernel with the interface's name, MAC and MTU.
//
// What we write to it the kernel receives, what the kernel sends through it we read. It is a plain
// TAP: no packet information, no virtio header, hence no offloads, so every frame read is whole and
// has its checksums. It becomes persistent only when everything could be opened (twin_keep), so
// that a start that failed leaves nothing behind. Routes and addresses then outlive this process.
// Main lcore only.
#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "host_internal.h"
#include "log.h"

#define SEGMENTS_MAX     16
#define ADDRESS_PROTOCOL 210 // IFA_PROTO of the addresses we set (Linux 5.18 and later keep it)
#define OPER_DORMANT     5   // RFC 2863; linux/if.h, which has it, does not go with net/if.h

struct sysctl {
	const char *family, *key, *value;
};

// Of the twin alone; what holds for the whole machine is the administrator's.
static const struct sysctl sysctls[] = {
	// A request is answered by the interface that has the address, and not for others of ours.
	{"ipv4", "arp_ignore", "1"},
	{"ipv4", "arp_announce", "2"},
	// Routes may be asymmetric; a source that no route leads back to is still refused.
	{"ipv4", "rp_filter", "2"},
	// Removing an address takes along no other of the same subnet.
	{"ipv4", "promote_secondaries", "1"},
	// No address that changes by itself, and none lost when the twin goes down for a moment.
	{"ipv6", "use_tempaddr", "0"},
	{"ipv6", "keep_addr_on_down", "1"},
};

// Where sluice.conf gives the IPv6 addresses, routers do not give others.
static const struct sysctl static_ipv6_sysctls[] = {
	{"ipv6", "disable_ipv6", "0"},
	{"ipv6", "accept_ra", "0"},
	{"ipv6", "autoconf", "0"},
};

static void set_sysctl(const char *path, const char *value)
{
	size_t length = strlen(value);
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT)
		return; // a kernel without IPv6, or too old for the key
	if (fd < 0 || write(fd, value, length) != (ssize_t)length)
		log_warning("host", "%s: cannot set it to %s: %s", path, value, strerror(errno));
	if (fd >= 0)
		close(fd);
}

static void set_sysctls(const struct iface *iface, const struct sysctl *list, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		char path[128];

		snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/%s/%s", list[i].family,
			iface->name, list[i].key);
		set_sysctl(path, list[i].value);
	}
}

// The numbers from `first` to `last` that are not from `without` to `to`.
static int numbers_left(int first, int last, int without, int to)
{
	int common_first = first > without ? first : without;
	int common_last = last < to ? last : to;
	int common = common_last >= common_first ? common_last - common_first + 1 : 0;

	return last - first + 1 - common;
}

// The kernel takes its own from 32768 to 60999 by itself: nearly all of those are full NAT's.
void twin_reserve_ports(uint16_t first, uint16_t last)
{
	static const char path[] = "/proc/sys/net/ipv4/ip_local_port_range";
	int own_first, own_last;
	FILE *file = fopen(path, "re");
	char range[16];

	snprintf(range, sizeof(range), "%u-%u", first, last);
	set_sysctl("/proc/sys/net/ipv4/ip_local_reserved_ports", range);
	if (file && fscanf(file, "%d %d", &own_first, &own_last) == 2 &&
		numbers_left(own_first, own_last, first, last) < UINT16_MAX - last) {
		snprintf(range, sizeof(range), "%u %u", last + 1, UINT16_MAX);
		set_sysctl(path, range);
	}
	if (file)
		fclose(file);
}

static int attach(struct iface *iface, struct reason *reason)
{
	struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
	int fd, error;

	if (strlen(iface->name) >= sizeof(request.ifr_name)) {
		reason_add(reason,
			"interface %s: its name is too long for the kernel: at most %zu "
			"characters",
			iface->name, sizeof(request.ifr_name) - 1);
		return -ENAMETOOLONG;
	}
	memcpy(request.ifr_name, iface->name, strlen(iface->name) + 1);
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0) {
		error = errno;
		reason_add(reason,
			"/dev/net/tun: %s; the TAP twins need it (modprobe tun, and root)",
			strerror(error));
		return -error;
	}
	if (ioctl(fd, TUNSETIFF, &request) < 0) {
		error = errno;
		if (error == EBUSY)
			reason_add(reason,
				"interface %s: another process has its TAP twin open; is "
				"sluice-dataplane running already?",
				iface->name);
		else if (error == EINVAL || error == EEXIST)
			reason_add(reason,
				"interface %s: the kernel has a network device of this name "
				"that is no TAP; give the port another name",
				iface->name);
		else
			reason_add(reason, "interface %s: cannot create its TAP twin: %s",
				iface->name, strerror(error));
		close(fd);
		return -error;
	}
	// A persistent twin may come from a program that had offloads on.
	ioctl(fd, TUNSETOFFLOAD, 0);
	iface->twin = fd;
	iface->kernel_index = (int)if_nametoindex(iface->name);
	return iface->kernel_index ? 0 : -errno;
}

// Its MAC and MTU, or that it is up.
static int set_link(
	struct netlink *netlink, const struct iface *iface, unsigned up, struct reason *reason)
{
	const struct ifinfomsg header = {
		.ifi_family = AF_UNSPEC,
		.ifi_index = iface->kernel_index,
		.ifi_flags = up,
		.ifi_change = up,
	};
	struct nlmsghdr *message = netlink_begin(netlink, RTM_NEWLINK, 0, &header, sizeof(header));
	int rc;

	mnl_attr_put(message, IFLA_ADDRESS, sizeof(iface->mac), &iface->mac);
	mnl_attr_put_u32(message, IFLA_MTU, iface->mtu);
	rc = netlink_talk(netlink, message);
	if (rc < 0)
		reason_add(reason,
			"interface %s: cannot set MAC, MTU %u and state of its twin: %s%s%s",
			iface->name, iface->mtu, strerror(-rc), netlink->said[0] ? ": " : "",
			netlink->said);
	return rc;
}

bool twin_has_mac(const struct iface *iface)
{
	struct ifreq request = {0};

	return ioctl(iface->twin, SIOCGIFHWADDR, &request) == 0 &&
	       memcmp(request.ifr_hwaddr.sa_data, &iface->mac, sizeof(iface->mac)) == 0;
}

int twin_set_mac(struct netlink *netlink, const struct iface *iface)
{
	const struct ifinfomsg header = {.ifi_family = AF_UNSPEC, .ifi_index = iface->kernel_index};
	struct nlmsghdr *message = netlink_begin(netlink, RTM_NEWLINK, 0, &header, sizeof(header));

	mnl_attr_put(message, IFLA_ADDRESS, sizeof(iface->mac), &iface->mac);
	return netlink_talk(netlink, message);
}

static int set_address(struct netlink *netlink, const struct iface *iface,
	const struct prefix *address, struct reason *reason)
{
	bool v4 = addr_is_v4(&address->addr);
	const struct ifaddrmsg header = {
		.ifa_family = v4 ? AF_INET : AF_INET6,
		.ifa_prefixlen = address->length,
		.ifa_index = (uint32_t)iface->kernel_index,
	};
	struct nlmsghdr *message = netlink_begin(
		netlink, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, &header, sizeof(header));
	char text[PREFIX_TEXT];
	int rc;

	netlink_put_address(message, IFA_LOCAL, &address->addr);
	netlink_put_address(message, IFA_ADDRESS, &address->addr);
	if (v4 && address->length < 31) {
		in_addr_t host =
			htonl(address->length ? UINT32_MAX >> address->length : UINT32_MAX);

		mnl_attr_put_u32(message, IFA_BROADCAST, addr_v4(&address->addr) | host);
	}
	mnl_attr_put_u8(message, IFA_PROTO, ADDRESS_PROTOCOL);
	rc = netlink_talk(netlink, message);
	if (rc < 0)
		reason_add(reason, "interface %s: the kernel refuses the address %s: %s%s%s",
			iface->name, prefix_format(address, text), strerror(-rc),
			netlink->said[0] ? ": " : "", netlink->said);
	return rc;
}

struct left_over {
	const struct iface *iface;
	const struct prefix *addresses;
	unsigned address_count;
	struct prefix list[64];
	unsigned count;
};

// An address that we once set on this twin and that is no longer configured.
static void find_left_over(void *arg, const struct nlmsghdr *message)
{
	const struct ifaddrmsg *header = mnl_nlmsg_get_payload(message);
	const struct rtattr *attributes[IFA_PROTO + 1];
	struct left_over *left = arg;
	struct prefix found;

	if (message->nlmsg_type != RTM_NEWADDR ||
		mnl_nlmsg_get_payload_len(message) < sizeof(*header) ||
		header->ifa_index != (uint32_t)left->iface->kernel_index)
		return;
	netlink_attributes(message, sizeof(*header), attributes, IFA_PROTO);
	if (!attributes[IFA_PROTO] || RTA_PAYLOAD(attributes[IFA_PROTO]) != 1 ||
		*(const uint8_t *)RTA_DATA(attributes[IFA_PROTO]) != ADDRESS_PROTOCOL ||
		!netlink_get_address(
			attributes[IFA_LOCAL] ? attributes[IFA_LOCAL] : attributes[IFA_ADDRESS],
			&found.addr))
		return;
	found.length = header->ifa_prefixlen;
	for (unsigned i = 0; i < left->address_count; i++)
		if (left->addresses[i].length == found.length &&
			addr_compare(&left->addresses[i].addr, &found.addr) == 0)
			return;
	if (left->count < sizeof(left->list) / sizeof(left->list[0]))
		left->list[left->count++] = found;
}

static void remove_left_over(struct netlink *netlink, struct left_over *left)
{
	const struct ifaddrmsg all = {.ifa_family = AF_UNSPEC};

	netlink_dump(netlink, netlink_begin(netlink, RTM_GETADDR, 0, &all, sizeof(all)),
		find_left_over, left);
	for (unsigned i = 0; i < left->count; i++) {
		const struct ifaddrmsg header = {
			.ifa_family = addr_is_v4(&left->list[i].addr) ? AF_INET : AF_INET6,
			.ifa_prefixlen = left->list[i].length,
			.ifa_index = (uint32_t)left->iface->kernel_index,
		};
		struct nlmsghdr *message =
			netlink_begin(netlink, RTM_DELADDR, 0, &header, sizeof(header));
		char text[PREFIX_TEXT];

		netlink_put_address(message, IFA_LOCAL, &left->list[i].addr);
		if (netlink_talk(netlink, message) == 0)
			log_notice("host",
				"%s: removed the address %s, which is no longer configured",
				left->iface->name, prefix_format(&left->list[i], text));
	}
}

int twin_open(struct netlink *netlink, struct iface *iface, const struct prefix *addresses,
	unsigned address_count, struct reason *reason)
{
	struct left_over left = {
		.iface = iface, .addresses = addresses, .address_count = address_count};
	bool v6 = false;
	int rc;

	iface->twin = -1;
	rc = attach(iface, reason);
	if (rc < 0)
		return rc;
	for (unsigned i = 0; i < address_count; i++)
		v6 |= !addr_is_v4(&addresses[i].addr);
	set_sysctls(iface, sysctls, sizeof(sysctls) / sizeof(sysctls[0]));
	if (v6)
		set_sysctls(iface, static_ipv6_sysctls,
			sizeof(static_ipv6_sysctls) / sizeof(static_ipv6_sysctls[0]));
	// Up last: who waits for the interface (keepalived) finds its addresses then.
	rc = set_link(netlink, iface, 0, reason);
	for (unsigned i = 0; rc == 0 && i < address_count; i++)
		rc = set_address(netlink, iface, &addresses[i], reason);
	if (rc == 0)
		rc = set_link(netlink, iface, IFF_UP, reason);
	if (rc < 0) {
		twin_close(iface);
		return rc;
	}
	remove_left_over(netlink, &left);
	return 0;
}

int twin_keep(const struct iface *iface, struct reason *reason)
{
	int rc;

	if (ioctl(iface->twin, TUNSETPERSIST, 1) == 0)
		return 0;
	rc = -errno;
	reason_add(reason, "interface %s: cannot make its TAP twin persistent: %s", iface->name,
		strerror(-rc));
	return rc;
}

void twin_close(struct iface *iface)
{
	if (iface->twin >= 0)
		close(iface->twin);
	iface->twin = -1;
}

void twin_set_carrier(struct netlink *netlink, const struct iface *iface, bool up)
{
	const struct ifinfomsg header = {.ifi_family = AF_UNSPEC, .ifi_index = iface->kernel_index};
	int carrier = up;

	// The kernel tells of a carrier that is lost within a second only, of this at once. It is
	// undone by the carrier's return.
	if (!up) {
		struct nlmsghdr *message =
			netlink_begin(netlink, RTM_NEWLINK, 0, &header, sizeof(header));

		mnl_attr_put_u8(message, IFLA_OPERSTATE, OPER_DORMANT);
		netlink_talk(netlink, message);
	}
	// A kernel before 5.0 does not know it: there the twin is up as long as we are.
	if (ioctl(iface->twin, TUNSETCARRIER, &carrier) < 0 && errno != EINVAL)
		log_warning("host", "%s: cannot say that its link is %s: %s", iface->name,
			up ? "up" : "down", strerror(errno));
}

int host_write(const struct iface *iface, const struct rte_mbuf *mbuf)
{
	struct iovec parts[SEGMENTS_MAX];
	int count = 0;

	for (const struct rte_mbuf *part = mbuf; part; part = part->next) {
		if (count == SEGMENTS_MAX)
			return -EMSGSIZE;
		parts[count].iov_base = rte_pktmbuf_mtod(part, void *);
		parts[count++].iov_len = part->data_len;
	}
	return writev(iface->twin, parts, count) < 0 ? -errno : 0;
}

int host_read(const struct iface *iface, struct rte_mbuf *mbuf)
{
	uint16_t room = rte_pktmbuf_tailroom(mbuf);
	ssize_t got = read(iface->twin, rte_pktmbuf_mtod(mbuf, void *), room);

	if (got < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (got == room)
		return -EMSGSIZE; // perhaps cut: the caller's buffer is too small
	rte_pktmbuf_append(mbuf, (uint16_t)got);
	return (int)got;
}
