// SPDX-License-Identifier: BSD-3-Clause
#include "wizard.h"

#include "settings.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

// "a, b": each part by itself; NULL when all are good.
static const char *each(
	const char *texts, const char *(*one)(const char *text), const char *expected)
{
	while (*texts) {
		char part[SETUP_TEXT];
		size_t length = strcspn(texts, ", ");

		if (length) {
			snprintf(part, sizeof(part), "%.*s", (int)length, texts);
			if (one(part))
				return expected;
		}
		texts += length;
		texts += strspn(texts, ", ");
	}
	return NULL;
}

static bool number_in(const char *text, unsigned long least, unsigned long most)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	return *text >= '0' && *text <= '9' && !*end && n >= least && n <= most;
}

// "192.0.2.2/24": of an interface, host bits and all.
static const char *is_prefix(const char *text)
{
	const char *slash = strchr(text, '/');
	char part[ADDR_TEXT];
	struct addr addr;

	if (!slash || slash - text >= ADDR_TEXT)
		return "";
	snprintf(part, sizeof(part), "%.*s", (int)(slash - text), text);
	return addr_parse(&addr, part) == 0 && number_in(slash + 1, 1, addr_is_v4(&addr) ? 32 : 128)
		       ? NULL
		       : "";
}

static const char *is_range(const char *text)
{
	struct range_settings range;

	return range_parse(text, &range) ? NULL : "";
}

static const char *are_prefixes(const char *text, const void *arg)
{
	(void)arg;
	return each(text, is_prefix, "addresses such as 192.0.2.2/24, or none");
}

static const char *are_ranges(const char *text, const void *arg)
{
	(void)arg;
	return each(text, is_range,
		"addresses such as 192.0.2.100-192.0.2.120 or 2001:db8::100/120, or none");
}

static const char *is_address(const char *text, const void *arg)
{
	struct addr addr;

	(void)arg;
	return !*text || addr_parse(&addr, text) == 0 ? NULL : "an address, or none";
}

static const char *is_management(const char *text, const void *arg)
{
	(void)arg;
	if (strcasecmp(text, "dhcp") == 0)
		return NULL;
	return *text && !is_prefix(text) ? NULL : "dhcp, or an address such as 192.0.2.10/24";
}

static const char *is_nic(const char *text, const void *arg)
{
	const struct hardware *hardware = arg;

	return !*text || number_in(text, 1, hardware->nic_count)
		       ? NULL
		       : "the number of a row above, or none";
}

static const char *are_nics(const char *text, const void *arg)
{
	const struct hardware *hardware = arg;
	bool seen[HARDWARE_NICS_MAX + 1] = {false};

	if (!*text)
		return "numbers of rows above, at least one";
	while (*text) {
		char part[8];
		size_t length = strcspn(text, ", ");
		unsigned long n;

		snprintf(part, sizeof(part), "%.*s", (int)length, text);
		if (length && !number_in(part, 1, hardware->nic_count))
			return "numbers of rows above, at least one";
		n = length ? strtoul(part, NULL, 10) : 0;
		if (n && seen[n])
			return "each number once";
		seen[n] = n != 0;
		text += length;
		text += strspn(text, ", ");
	}
	return NULL;
}

static const char *is_workers(const char *text, const void *arg)
{
	const struct hardware *hardware = arg;

	return number_in(text, 1, hardware->cpus ? hardware->cpus : 1)
		       ? NULL
		       : "a number from 1 to the number of CPUs";
}

static const char *is_memory(const char *text, const void *arg)
{
	const struct hardware *hardware = arg;

	return number_in(text, 128, hardware->memory_mb * 3 / 4)
		       ? NULL
		       : "a number from 128 to three quarters of the memory";
}

static void ask_management(
	struct terminal *terminal, const struct hardware *hardware, struct first_conf *conf)
{
	char answer[16] = "";

	if (conf->management)
		snprintf(answer, sizeof(answer), "%u",
			(unsigned)(conf->management - hardware->nics) + 1);
	ask(terminal,
		(struct question){"Management: which NIC stays with the kernel", is_nic, hardware},
		answer, sizeof(answer));
	conf->management = *answer ? &hardware->nics[strtoul(answer, NULL, 10) - 1] : NULL;
	if (!conf->management)
		return;
	ask(terminal, (struct question){"  its address", is_management, NULL},
		conf->management_address, SETUP_TEXT);
	if (strcasecmp(conf->management_address, "dhcp") == 0)
		snprintf(conf->management_address, SETUP_TEXT, "dhcp");
	else
		ask(terminal, (struct question){"  the way out", is_address, NULL},
			conf->management_gateway, SETUP_TEXT);
}

// The port that a NIC was so far, or an empty one.
static struct first_port port_of(
	const struct first_port *ports, unsigned count, const struct nic *nic)
{
	for (unsigned i = 0; i < count; i++)
		if (ports[i].nic == nic)
			return ports[i];
	return (struct first_port){.nic = nic};
}

static void ask_ports(
	struct terminal *terminal, const struct hardware *hardware, struct first_conf *conf)
{
	struct first_port before[HARDWARE_NICS_MAX];
	char answer[SETUP_TEXT] = "", question[64];
	unsigned before_count = 0, count = conf->port_count;
	const char *at = answer;

	for (unsigned i = 0; i < count; i++) {
		if (conf->ports[i].nic == conf->management)
			continue;
		snprintf(answer + strlen(answer), sizeof(answer) - strlen(answer), "%s%u",
			*answer ? "," : "", (unsigned)(conf->ports[i].nic - hardware->nics) + 1);
		before[before_count++] = conf->ports[i];
	}
	ask(terminal,
		(struct question){"Data ports: which NICs, in this order", are_nics, hardware},
		answer, sizeof(answer));
	conf->port_count = 0;
	while (*at) {
		char *end;
		unsigned long n = strtoul(at, &end, 10);
		struct first_port *port = &conf->ports[conf->port_count];

		at = end + strspn(end, ", ");
		if (!n || &hardware->nics[n - 1] == conf->management)
			continue;
		*port = port_of(before, before_count, &hardware->nics[n - 1]);
		first_conf_name(port, conf->port_count++);
	}
	for (unsigned i = 0; i < conf->port_count; i++) {
		struct first_port *port = &conf->ports[i];

		snprintf(question, sizeof(question), "  %s (%s): its addresses", port->name,
			port->nic->pci);
		ask(terminal, (struct question){question, are_prefixes, NULL}, port->address,
			SETUP_TEXT);
		snprintf(question, sizeof(question), "  %s: the way out", port->name);
		if (i == 0)
			ask(terminal, (struct question){question, is_address, NULL}, port->gateway,
				SETUP_TEXT);
	}
}

static void ask_cores(
	struct terminal *terminal, const struct hardware *hardware, struct first_conf *conf)
{
	char answer[16];

	snprintf(answer, sizeof(answer), "%u", conf->worker_count);
	ask(terminal,
		(struct question){"Workers: how many CPUs forward packets", is_workers, hardware},
		answer, sizeof(answer));
	conf->worker_count = (unsigned)strtoul(answer, NULL, 10);
	// The last ones: the first does everything else.
	conf->first_worker =
		hardware->cpus > conf->worker_count ? hardware->cpus - conf->worker_count : 0;
	snprintf(answer, sizeof(answer), "%u", conf->memory_mb);
	ask(terminal,
		(struct question){
			"Huge pages for packets and connections, MB", is_memory, hardware},
		answer, sizeof(answer));
	conf->memory_mb = (unsigned)strtoul(answer, NULL, 10) & ~1u;
}

void wizard_ask(struct terminal *terminal, const struct hardware *hardware, struct first_conf *conf)
{
	fprintf(terminal->out, "\n%u CPUs, %llu MB, %s\n\n", hardware->cpus,
		(unsigned long long)hardware->memory_mb,
		hardware->iommu ? "an IOMMU: ports are bound to vfio-pci"
				: "no IOMMU: ports are bound to uio_pci_generic");
	first_conf_picture(conf, hardware, terminal->out);
	fputs("\nEnter takes what is in brackets.\n\n", terminal->out);
	ask_management(terminal, hardware, conf);
	ask_ports(terminal, hardware, conf);
	ask_cores(terminal, hardware, conf);
	ask(terminal,
		(struct question){"VIPs: addresses for Services and Ingresses", are_ranges, NULL},
		conf->vips, SETUP_TEXT);
	if (conf->port_count)
		ask(terminal,
			(struct question){"Pair: the other box's address on the first port",
				is_address, NULL},
			conf->peer, SETUP_TEXT);
}

static const char *is_key(const char *text, const void *arg)
{
	(void)arg;
	return !*text || ((strncmp(text, "ssh-", 4) == 0 || strncmp(text, "ecdsa-", 6) == 0 ||
				  strncmp(text, "sk-", 3) == 0) &&
				 strchr(text, ' '))
		       ? NULL
		       : "a public key such as ssh-ed25519 AAAA... name, or none";
}

void wizard_ask_secrets(struct terminal *terminal, struct wizard_secrets *secrets)
{
	*secrets = (struct wizard_secrets){0};
	while (!terminal->ended && !ask_password(terminal, "Password of admin", secrets->password,
					   sizeof(secrets->password)))
		if (!terminal->ended)
			fputs("  without one nobody can log in\n", terminal->out);
	ask(terminal, (struct question){"SSH key of admin", is_key, NULL}, secrets->key,
		sizeof(secrets->key));
}
