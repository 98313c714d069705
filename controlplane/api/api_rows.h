// SPDX-License-Identifier: BSD-3-Clause
// The rows of all nouns, each in its noun's file. A part of api_internal.h.
#pragma once

struct api_command;

extern const struct api_command api_status, api_version, api_vips, api_services, api_endpoints,
	api_flows, api_workers, api_ports, api_drops, api_problems, api_ingresses, api_routes,
	api_certificates, api_requests, api_explain, api_explain_tcp, api_explain_udp, api_bgp,
	api_clusters, api_vrrp, api_drain, api_undrain, api_metrics, api_tokens, api_token_create,
	api_token_delete, api_openapi, api_log, api_log_level, api_pools, api_neighbours,
	api_host_routes, api_capture, api_capture_next, api_capture_end, api_trace,
	api_requests_log, api_flows_clear, api_neighbours_clear, api_counters_clear, api_cluster,
	api_cluster_register, api_cluster_unregister, api_cluster_drain, api_cluster_undrain,
	api_cluster_check, api_cluster_manifests;
// The configuration's.
extern const struct api_command api_config, api_history, api_compare, api_candidate, api_set,
	api_delete, api_rollback, api_discard, api_commit, api_complete;
// The box's.
extern const struct api_command api_backup, api_restore, api_support, api_upgrade,
	api_upgrade_install, api_upgrade_rollback, api_reboot, api_factory_reset;
