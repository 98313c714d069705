// SPDX-License-Identifier: BSD-3-Clause
#include "first_conf.h"

#include <string.h>

#define MEMORY_LEAST_MB 512
#define MEMORY_MOST_MB  4096

static const struct nic *choose_management(const struct hardware *hardware)
{
	const struct nic *addressed = NULL, *linked = NULL;

	for (unsigned i = 0; i < hardware->nic_count; i++) {
		const struct nic *nic = &hardware->nics[i];

		if (!*nic->netdev)
			continue;
		if (nic->is_default)
			return nic;
		if (nic->has_address && !addressed)
			addressed = nic;
		if (nic->linked && !linked)
			linked = nic;
	}
	if (addressed)
		return addressed;
	if (linked)
		return linked;
	return hardware->nic_count ? &hardware->nics[0] : NULL;
}

void first_conf_name(struct first_port *port, unsigned number)
{
	static const char *const names[] = {"wan", "lan"};

	if (number < 2)
		snprintf(port->name, sizeof(port->name), "%s", names[number]);
	else
		snprintf(port->name, sizeof(port->name), "port%u", (number + 1) & 0xff);
}

static void add_port(struct first_conf *conf, const struct nic *nic)
{
	struct first_port *port = &conf->ports[conf->port_count];

	*port = (struct first_port){.nic = nic};
	first_conf_name(port, conf->port_count++);
}

void first_conf_propose(struct first_conf *conf, const struct hardware *hardware)
{
	uint64_t memory = hardware->memory_mb / 4;
	bool any_linked = false;

	*conf = (struct first_conf){0};
	if (hardware->nic_count > 1)
		conf->management = choose_management(hardware);
	snprintf(conf->management_address, SETUP_TEXT, "dhcp");
	for (unsigned i = 0; i < hardware->nic_count; i++)
		any_linked |= hardware->nics[i].linked && &hardware->nics[i] != conf->management;
	for (unsigned i = 0; i < hardware->nic_count; i++)
		if (&hardware->nics[i] != conf->management &&
			(hardware->nics[i].linked || !any_linked))
			add_port(conf, &hardware->nics[i]);
	conf->worker_count = hardware->cpus > 1 ? hardware->cpus - 1 : 1;
	conf->first_worker = hardware->cpus > 1 ? 1 : 0;
	if (memory < MEMORY_LEAST_MB)
		memory = MEMORY_LEAST_MB;
	conf->memory_mb = (unsigned)(memory > MEMORY_MOST_MB ? MEMORY_MOST_MB : memory) & ~1u;
}

// "a, b" as "a", "b".
static void write_texts(const char *texts, FILE *out)
{
	bool first = true;

	fputc('[', out);
	while (*texts) {
		size_t length = strcspn(texts, ", ");

		if (length)
			fprintf(out, "%s \"%.*s\"", first ? "" : ",", (int)length, texts);
		first &= !length;
		texts += length;
		texts += strspn(texts, ", ");
	}
	fputs(" ]", out);
}

static void write_ports(const struct first_conf *conf, FILE *out)
{
	bool any = false;

	fputs("ports = (\n", out);
	for (unsigned i = 0; i < conf->port_count; i++) {
		const struct first_port *port = &conf->ports[i];

		fprintf(out, "\t{ name = \"%s\"; kind = \"pci\"; device = \"%s\";", port->name,
			port->nic->pci);
		if (*port->address) {
			fputs(" addresses = ", out);
			write_texts(port->address, out);
			fputc(';', out);
		}
		// The kernel lets go of it although it is in use: that was agreed on.
		if (port->nic->is_default || port->nic->has_address)
			fputs(" options = \"force=yes\";", out);
		fprintf(out, " }%s\n", i + 1 < conf->port_count ? "," : "");
	}
	fputs(");\n\nroutes = (", out);
	for (unsigned i = 0; i < conf->port_count; i++)
		if (*conf->ports[i].gateway) {
			fprintf(out, "%s\n\t{ to = \"%s\"; via = \"%s\"; }", any ? "," : "",
				strchr(conf->ports[i].gateway, ':') ? "::/0" : "0.0.0.0/0",
				conf->ports[i].gateway);
			any = true;
		}
	fputs("\n);\n", out);
}

void first_conf_write(const struct first_conf *conf, FILE *out)
{
	fputs("// Sluice: the configuration of this appliance. Every setting, and what it is when "
	      "it "
	      "is not here:\n// /usr/share/doc/sluice/sluice.conf\n\n",
		out);
	fputs("dataplane = {\n\tworkers = [", out);
	for (unsigned i = 0; i < conf->worker_count; i++)
		fprintf(out, "%s %u", i ? "," : "", conf->first_worker + i);
	fprintf(out, " ];\n\tmain_cpu = %u;\n\tmemory_mb = %u;\n};\n\n", conf->main_cpu,
		conf->memory_mb);
	write_ports(conf, out);
	if (*conf->vips) {
		fputs("\npools = (\n\t{ name = \"default\"; addresses = ", out);
		write_texts(conf->vips, out);
		fputs("; }\n);\n", out);
	}
	if (*conf->peer && conf->port_count)
		fprintf(out, "\npair = {\n\tinterface = \"%s\"; peer = \"%s\";\n};\n",
			conf->ports[0].name, conf->peer);
	fputs("\nsources = (\n\t{ name = \"local\"; kind = \"manifests\"; path = "
	      "\"/etc/sluice/manifests\"; }\n);\n",
		out);
}

void first_conf_write_network(const struct first_conf *conf, FILE *out)
{
	const struct nic *nic = conf->management;

	if (!nic)
		return;
	fprintf(out, "[Match]\n%s=%s\n\n[Network]\n", *nic->mac ? "MACAddress" : "Name",
		*nic->mac ? nic->mac : nic->netdev);
	if (strcmp(conf->management_address, "dhcp") == 0) {
		fputs("DHCP=yes\n", out);
		return;
	}
	fprintf(out, "Address=%s\n", conf->management_address);
	if (*conf->management_gateway)
		fprintf(out, "Gateway=%s\n", conf->management_gateway);
}

static const char *role(const struct first_conf *conf, const struct nic *nic)
{
	if (nic == conf->management)
		return nic->is_default ? "management (the way out)" : "management";
	for (unsigned i = 0; i < conf->port_count; i++)
		if (conf->ports[i].nic == nic)
			return conf->ports[i].name;
	return "-";
}

void first_conf_picture(const struct first_conf *conf, const struct hardware *hardware, FILE *out)
{
	fprintf(out, "     %-12s  %-9s  %-12s  %-17s  %-10s  %s\n", "PCI ADDRESS", "MODEL",
		"DRIVER", "MAC", "LINK", "BECOMES");
	for (unsigned i = 0; i < hardware->nic_count; i++) {
		const struct nic *nic = &hardware->nics[i];
		char link[24] = "none";

		if (nic->linked && nic->mbit)
			snprintf(link, sizeof(link), "%u Mbit/s", nic->mbit);
		else if (nic->linked)
			snprintf(link, sizeof(link), "up");
		fprintf(out, "%2u %s %-12s  %-9s  %-12s  %-17s  %-10s  %s\n", i + 1,
			nic->linked ? "=" : " ", nic->pci, *nic->model ? nic->model : "-",
			*nic->driver ? nic->driver : "-", *nic->mac ? nic->mac : "-", link,
			role(conf, nic));
	}
}
