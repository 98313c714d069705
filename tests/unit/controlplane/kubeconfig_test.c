// SPDX-License-Identifier: BSD-3-Clause
// Which server a kubeconfig means, whom it trusts, and what is said when it is wrong.
#include "kubeconfig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char sample[] =
	"apiVersion: v1\nkind: Config\ncurrent-context: one\n"
	"contexts:\n"
	"- {name: one, context: {cluster: c1, user: u1, namespace: shop}}\n"
	"- {name: two, context: {cluster: c2, user: u2}}\n"
	"- {name: lost, context: {cluster: nowhere, user: u1}}\n"
	"clusters:\n"
	"- {name: c1, cluster: {server: 'https://a:6443', certificate-authority-data: aGVsbG8=}}\n"
	"- {name: c2, cluster: {server: 'https://b', certificate-authority: ca.pem,\n"
	"    tls-server-name: api, proxy-url: 'http://p:3128'}}\n"
	"users:\n"
	"- {name: u1, user: {token: secret}}\n"
	"- {name: u2, user: {exec: {command: ./login, args: [a, b], interactiveMode: Never,\n"
	"    env: [{name: X, value: y}]}, tokenFile: /abs/token}}\n";

static int parse(
	struct kubeconfig *config, const char *text, const char *context, struct reason *reason)
{
	return kubeconfig_parse(config, text, strlen(text), "/etc/k/config", context, reason);
}

static void test_contexts(void **state)
{
	struct kubeconfig config;
	struct reason reason = {0};

	(void)state;
	assert_int_equal(parse(&config, sample, "", &reason), 0);
	assert_string_equal(config.context, "one");
	assert_string_equal(config.server, "https://a:6443");
	assert_string_equal(config.ca_pem, "hello");
	assert_string_equal(config.token, "secret");
	assert_string_equal(config.namespace, "shop");
	kubeconfig_clear(&config);
	assert_int_equal(parse(&config, sample, "two", &reason), 0);
	assert_string_equal(config.ca_file, "/etc/k/ca.pem");
	assert_string_equal(config.tls_server_name, "api");
	assert_string_equal(config.proxy, "http://p:3128");
	assert_string_equal(config.exec_command, "/etc/k/./login");
	assert_string_equal(config.exec_api_version, "client.authentication.k8s.io/v1");
	assert_int_equal(config.exec_interactive, EXEC_NEVER);
	assert_int_equal(config.exec_arg_count, 2);
	assert_string_equal(config.exec_args[1], "b");
	assert_string_equal(config.exec_env[0].value, "y");
	assert_string_equal(config.token_file, "/abs/token");
	kubeconfig_clear(&config);
	assert_int_equal(reason.count, 0);
}

static void refused(const char *text, const char *context, const char *why)
{
	struct kubeconfig config;
	struct reason reason = {0};

	assert_true(parse(&config, text, context, &reason) < 0);
	if (!strstr(reason_text(&reason), why))
		assert_string_equal(reason_text(&reason), why);
	reason_clear(&reason);
}

static void test_refused(void **state)
{
	(void)state;
	refused(sample, "three", "there is no context \"three\"");
	refused(sample, "lost", "there is no cluster \"nowhere\"");
	refused("", "", "the file is empty");
	refused("a: b\n", "", "this is none: it has no clusters");
	refused("clusters: [\n", "", "/etc/k/config:2: not YAML");
	refused("clusters: []\n", "", "does not say which context");
	refused("clusters:\n- {name: c, cluster: {server: 'ftp://x', certificate-authority-data: "
		"'*'}}\n"
		"contexts:\n- {name: x, context: {cluster: c, user: u}}\n"
		"users:\n- {name: u, user: {client-certificate: a}}\n",
		"x", "expected https://<host>:<port>");
	refused("clusters:\n- {name: c, cluster: {server: 'https://x', certificate-authority-data: "
		"'*'}}\n"
		"contexts:\n- {name: x, context: {cluster: c}}\n",
		"x", "expected base64");
	refused("clusters:\n- {name: c, cluster: {server: 'https://x'}}\n"
		"contexts:\n- {name: x, context: {cluster: c, user: u}}\n"
		"users:\n- {name: u, user: {client-certificate: a}}\n",
		"x", "without its key");
	refused("clusters:\n- {name: c, cluster: {server: 'https://x'}}\n"
		"contexts:\n- {name: x, context: {cluster: c, user: u}}\n"
		"users:\n- {name: u, user: {exec: {command: a, apiVersion: "
		"client.authentication.k8s.io/v1alpha1}}}\n",
		"x", "expected client.authentication.k8s.io/v1 or v1beta1");
	refused("clusters:\n- {name: c, cluster: {server: 'https://x'}}\n"
		"contexts:\n- {name: x, context: {cluster: c, user: u}}\n"
		"users:\n- {name: u, user: {exec: {command: a, interactiveMode: Perhaps}}}\n",
		"x", "expected Never, IfAvailable or Always");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_contexts),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
