// SPDX-License-Identifier: BSD-3-Clause
// What is taken from a plugin, what it is told, and what is said of one that fails: with shell
// scripts in place of those of the clouds.
#include "exec_plugin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define VERSION "client.authentication.k8s.io/v1"

struct told {
	unsigned times;
	char token[100], cert[100], key[100], problem[1100];
};

static void done(void *arg, const struct exec_credential *credential, const char *problem)
{
	struct told *told = arg;

	told->times++;
	snprintf(told->problem, sizeof(told->problem), "%s", problem ? problem : "");
	if (!credential)
		return;
	snprintf(told->token, sizeof(told->token), "%s", credential->token);
	snprintf(told->cert, sizeof(told->cert), "%s", credential->cert_pem);
	snprintf(told->key, sizeof(told->key), "%s", credential->key_pem);
}

// `more` stands in the user's "exec" after command and args.
static void parse(struct kubeconfig *config, const char *script, const char *more)
{
	struct reason reason = {0};
	char *text;
	int rc;

	assert_true(asprintf(&text,
			    "current-context: x\n"
			    "contexts:\n- {name: x, context: {cluster: c, user: u}}\n"
			    "clusters:\n- {name: c, cluster: {server: 'https://a:6443', "
			    "tls-server-name: api, certificate-authority-data: aGVsbG8=}}\n"
			    "users:\n- name: u\n  user:\n    exec:\n      command: sh\n"
			    "      args:\n      - -c\n      - |\n        %s\n%s",
			    script, more) > 0);
	rc = kubeconfig_parse(config, text, strlen(text), "k", "", &reason);
	assert_string_equal(reason_text(&reason), "");
	assert_int_equal(rc, 0);
	free(text);
}

static void run(struct told *told, const char *script, const char *more)
{
	struct kubeconfig config;
	uv_loop_t loop;
	struct exec_plugin_options options = {
		.loop = &loop, .config = &config, .patience_ms = 10000, .arg = told, .done = done};

	*told = (struct told){0};
	parse(&config, script, more);
	uv_loop_init(&loop);
	assert_non_null(exec_plugin_start(&options));
	assert_int_equal(told->times, 0);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	assert_int_equal(told->times, 1);
	kubeconfig_clear(&config);
}

static void fails(const char *script, const char *more, const char *why)
{
	struct told told;

	run(&told, script, more);
	if (!strstr(told.problem, why))
		assert_string_equal(told.problem, why);
	assert_null(strchr(told.problem, '\n'));
}

#define ANSWER(status) "echo '{\"apiVersion\":\"" VERSION "\",\"status\":{" status "}}'"

static void test_what_it_gives(void **state)
{
	struct told told;

	(void)state;
	run(&told, ANSWER("\"token\":\"t\",\"expirationTimestamp\":\"2999-01-01T00:00:00Z\""), "");
	assert_string_equal(told.problem, "");
	assert_string_equal(told.token, "t");
	run(&told, ANSWER("\"clientCertificateData\":\"c\",\"clientKeyData\":\"k\""), "");
	assert_string_equal(told.problem, "");
	assert_string_equal(told.cert, "c");
	assert_string_equal(told.key, "k");
	assert_string_equal(told.token, "");
	// What it says to people is no matter when it answers.
	run(&told, "echo look out >&2; " ANSWER("\"token\":\"t\""), "");
	assert_string_equal(told.problem, "");
}

static void test_what_it_is_told(void **state)
{
	static const char echo[] = "printf '{\"status\":{\"token\":\"%s\"}}' ";
	char script[400];
	struct told told;

	(void)state;
	assert_int_equal(setenv("SET_HERE", "ours", 1), 0);
	assert_int_equal(setenv("SET_THERE", "ours", 1), 0);
	snprintf(script, sizeof(script), "%s \"$SET_HERE $SET_THERE\"", echo);
	run(&told, script, "      env: [{name: SET_THERE, value: theirs}]\n");
	assert_string_equal(told.token, "ours theirs");
	snprintf(script, sizeof(script), "%s $(echo \"$KUBERNETES_EXEC_INFO\" | tr -d '\"')", echo);
	run(&told, script, "      apiVersion: client.authentication.k8s.io/v1beta1\n");
	assert_string_equal(told.token,
		"{kind:ExecCredential,apiVersion:client.authentication.k8s.io/v1beta1,spec:{"
		"interactive:false}}");
	snprintf(script, sizeof(script),
		"%s $(echo \"$KUBERNETES_EXEC_INFO\" | tr -d '\"' | sed s/.*cluster//)", echo);
	run(&told, script, "      provideClusterInfo: true\n");
	assert_string_equal(told.token,
		":{server:https://a:6443,certificate-authority-data:aGVsbG8=,tls-server-name:api}}"
		"}");
	// Its standard input is empty.
	snprintf(script, sizeof(script), "%s \"x$(cat)\"", echo);
	run(&told, script, "      interactiveMode: Never\n");
	assert_string_equal(told.token, "x");
}

static void test_what_is_wrong(void **state)
{
	(void)state;
	fails("printf 'Traceback\\n  x\\nlog in\\tfirst\\n\\n' >&2; exit 3", "",
		"the plugin sh ended with 3: log in first");
	fails("exit 1", "", "ended with 1: run it by hand");
	fails("kill -9 $$", "", "ended by signal 9");
	fails("echo hello", "", "wrote no ExecCredential of " VERSION);
	fails("echo '{\"apiVersion\":\"" VERSION "beta1\",\"status\":{\"token\":\"t\"}}'", "",
		"wrote no ExecCredential");
	fails(ANSWER(""), "", "neither a token nor a certificate");
	fails(ANSWER("\"clientKeyData\":\"k\""), "", "neither a token nor a certificate");
	fails(ANSWER("\"token\":\"t\",\"expirationTimestamp\":\"2001-01-01T00:00:00Z\""), "",
		"credentials that have ended");
	fails(ANSWER("\"token\":\"t\""), "      interactiveMode: Always\n",
		"asks for somebody at a terminal");
}

static void test_one_that_is_not_there(void **state)
{
	static const char text[] = "current-context: x\n"
				   "contexts:\n- {name: x, context: {cluster: c, user: u}}\n"
				   "clusters:\n- {name: c, cluster: {server: 'https://a:6443'}}\n"
				   "users:\n- {name: u, user: {exec: {command: no-such-plugin, "
				   "installHint: \"get it\\nthere\"}}}\n";
	struct kubeconfig config;
	struct reason reason = {0};
	struct told told = {0};
	uv_loop_t loop;
	const struct exec_plugin_options options = {
		.loop = &loop, .config = &config, .patience_ms = 10000, .arg = &told, .done = done};

	(void)state;
	assert_int_equal(kubeconfig_parse(&config, text, sizeof(text) - 1, "k", "", &reason), 0);
	uv_loop_init(&loop);
	assert_non_null(exec_plugin_start(&options));
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	assert_string_equal(told.problem,
		"the plugin no-such-plugin cannot be run: No such file or directory: get it");
	kubeconfig_clear(&config);
}

// It and what it started are ended, whoever holds its pipes.
static void test_one_that_hangs(void **state)
{
	struct kubeconfig config;
	struct told told = {0};
	uv_loop_t loop;
	struct exec_plugin_options options = {
		.loop = &loop, .config = &config, .patience_ms = 100, .arg = &told, .done = done};

	(void)state;
	parse(&config, "sleep 1000 & sleep 1000", "");
	uv_loop_init(&loop);
	assert_non_null(exec_plugin_start(&options));
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_non_null(strstr(told.problem, "did not answer in 1 s"));
	exec_plugin_cancel(exec_plugin_start(&options));
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(told.times, 1);
	assert_int_equal(uv_loop_close(&loop), 0);
	kubeconfig_clear(&config);
	// It has answered, and left something behind.
	run(&told, "sleep 30 & " ANSWER("\"token\":\"t\""), "");
	assert_string_equal(told.token, "t");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_it_gives),
		cmocka_unit_test(test_what_it_is_told),
		cmocka_unit_test(test_what_is_wrong),
		cmocka_unit_test(test_one_that_is_not_there),
		cmocka_unit_test(test_one_that_hangs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
