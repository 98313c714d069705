// SPDX-License-Identifier: BSD-3-Clause
// The rows of all nouns, and their arguments checked. See api_internal.h.
#include "api_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const struct api_command *const api_commands[] = {
	&api_status,
	&api_version,
	&api_vips,
	&api_services,
	&api_endpoints,
	&api_pools,
	&api_flows,
	&api_workers,
	&api_ports,
	&api_neighbours,
	&api_host_routes,
	&api_drops,
	&api_problems,
	&api_ingresses,
	&api_routes,
	&api_certificates,
	&api_requests,
	&api_explain,
	&api_explain_tcp,
	&api_explain_udp,
	&api_capture,
	&api_capture_next,
	&api_capture_end,
	&api_trace,
	&api_requests_log,
	&api_flows_clear,
	&api_neighbours_clear,
	&api_counters_clear,
	&api_clusters,
	&api_cluster,
	&api_cluster_check,
	&api_cluster_manifests,
	&api_cluster_register,
	&api_cluster_unregister,
	&api_cluster_drain,
	&api_cluster_undrain,
	&api_bgp,
	&api_vrrp,
	&api_drain,
	&api_undrain,
	&api_metrics,
	&api_tokens,
	&api_token_create,
	&api_token_delete,
	&api_log,
	&api_log_level,
	&api_openapi,
	&api_config,
	&api_history,
	&api_compare,
	&api_candidate,
	&api_set,
	&api_delete,
	&api_rollback,
	&api_discard,
	&api_commit,
	&api_complete,
	&api_backup,
	&api_restore,
	&api_support,
	&api_upgrade,
	&api_upgrade_install,
	&api_upgrade_rollback,
	&api_reboot,
	&api_factory_reset,
	NULL,
};

const struct api_command *api_command_find(const char *path)
{
	for (unsigned i = 0; api_commands[i]; i++)
		if (strcmp(api_commands[i]->path, path) == 0)
			return api_commands[i];
	return NULL;
}

json_t *api_help(void)
{
	json_t *rows = json_array();

	for (unsigned i = 0; api_commands[i]; i++) {
		const struct api_command *command = api_commands[i];
		json_t *arguments = json_object();

		for (unsigned j = 0; j < API_ARGUMENTS_MAX && command->arguments[j].name; j++)
			json_object_set_new(arguments, command->arguments[j].name,
				json_string(command->arguments[j].help));
		json_array_append_new(rows, json_pack("{s:s, s:s, s:s, s:o}", "path", command->path,
						    "method", command->changes ? "POST" : "GET",
						    "help", command->help, "arguments", arguments));
	}
	return json_pack("{s:o}", "commands", rows);
}

static bool is_number(const char *text, unsigned long most)
{
	unsigned long number;
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	number = strtoul(text, &end, 10);
	return *end == '\0' && errno == 0 && number >= 1 && number <= most;
}

const char *api_choices(enum api_argument_kind kind)
{
	switch (kind) {
	case ARGUMENT_PROTOCOL:
		return "tcp|udp";
	case ARGUMENT_IP:
		return "tcp|udp|icmp";
	case ARGUMENT_STAGE:
		return "in|out|drop";
	case ARGUMENT_TEXT:
	case ARGUMENT_ADDRESS:
	case ARGUMENT_NUMBER:
	case ARGUMENT_PORT:
	case ARGUMENT_OFFSET:
	case ARGUMENT_ENDPOINT:
	case ARGUMENT_SOCKET:
	case ARGUMENT_URL:
	case ARGUMENT_FLAG:
		break;
	}
	return NULL;
}

static bool is_choice(const char *choices, const char *value)
{
	size_t n = strlen(value);

	for (const char *at = choices; n && at; at = strchr(at, '|')) {
		at += *at == '|';
		if (strncmp(at, value, n) == 0 && (at[n] == '|' || at[n] == '\0'))
			return true;
	}
	return false;
}

// NULL when it is one, else what was expected.
static const char *expected(enum api_argument_kind kind, const char *value)
{
	Sluice__ExplainRequest question;
	struct explain_text text;
	struct drain drain;
	struct addr addr;
	uint16_t port;

	switch (kind) {
	case ARGUMENT_TEXT:
		return *value ? NULL : "a name";
	case ARGUMENT_ADDRESS:
		return addr_parse(&addr, value) == 0 ? NULL : "an IPv4 or IPv6 address";
	case ARGUMENT_ENDPOINT:
		return drain_parse(&drain, value) ? NULL : "an address, or an address and port";
	case ARGUMENT_SOCKET:
		return api_address_port(value, &addr, &port) ? NULL
							     : "address:port or [address]:port";
	case ARGUMENT_NUMBER:
		return is_number(value, UINT32_MAX) ? NULL : "a number, at least 1";
	case ARGUMENT_PORT:
		return is_number(value, UINT16_MAX) ? NULL : "a number from 1 to 65535";
	case ARGUMENT_OFFSET:
		return strspn(value, "0123456789") == strlen(value) && *value && strlen(value) < 19
			       ? NULL
			       : "a number";
	case ARGUMENT_PROTOCOL:
		return is_choice(api_choices(kind), value) ? NULL : "tcp or udp";
	case ARGUMENT_IP:
		return is_choice(api_choices(kind), value) ? NULL : "tcp, udp or icmp";
	case ARGUMENT_STAGE:
		return is_choice(api_choices(kind), value) ? NULL : "in, out or drop";
	case ARGUMENT_URL:
		return api_explain_question(value, &text, &question)
			       ? NULL
			       : "http://host/path or https://host/path";
	case ARGUMENT_FLAG:
		return NULL;
	}
	return NULL;
}

int api_request_set(struct api_request *request, const struct api_command *command,
	const char *name, const char *value, struct reason *reason)
{
	const char *wanted;

	for (unsigned i = 0; i < API_ARGUMENTS_MAX && command->arguments[i].name; i++) {
		if (strcmp(command->arguments[i].name, name) != 0)
			continue;
		wanted = expected(command->arguments[i].kind, value ? value : "");
		if (wanted) {
			reason_add(reason, "%s: found \"%.80s\", expected %s", name,
				value ? value : "", wanted);
			return -EINVAL;
		}
		request->values[i] = value ? value : "";
		return 0;
	}
	reason_add(reason, "%s has no argument \"%.80s\"", command->path, name);
	return -EINVAL;
}

void api_request_check(
	const struct api_request *request, const struct api_command *command, struct reason *reason)
{
	for (unsigned i = 0; i < API_ARGUMENTS_MAX && command->arguments[i].name; i++)
		if (command->arguments[i].needed && !request->values[i])
			reason_add(reason, "\"%s\" is missing: %s", command->arguments[i].name,
				command->arguments[i].help);
}
