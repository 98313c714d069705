// SPDX-License-Identifier: BSD-3-Clause
// A plugin ends when it has ended and nobody holds its two pipes any more, or when its time is up.
#include "exec_plugin.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "base64.h"
#include "decode.h"
#include "json_tree.h"

#define OUTPUT_BYTES (1u << 20)
#define TOLD_BYTES   300  // of what it said last
#define LINGER_MS    1000 // who holds its pipes after its end is not waited for longer

struct flow {
	uv_pipe_t pipe;
	char *bytes;
	size_t length;
};

struct exec_plugin {
	struct exec_plugin_options options;
	uv_process_t process;
	uv_timer_t timer;
	struct flow out, err;
	unsigned open_handles;
	bool running, late, cancelled, alone; // alone: it leads a process group of its own
	bool unasked;                         // it needs somebody to ask
	int failed;                           // to be run, -errno
	int64_t status;
	int signal;
};

static const char *text_at(const struct tree *map, const char *key)
{
	const struct tree *tree = tree_get(map, key);

	return tree && tree->kind == TREE_TEXT ? tree->text : "";
}

bool exec_credential_read(const char *bytes, size_t length, const char *api_version,
	struct arena *arena, struct exec_credential *credential)
{
	struct json_error error;
	const struct tree *root, *status;
	const char *version, *ends;

	if (json_read(bytes, length, arena, &root, &error))
		return false;
	version = text_at(root, "apiVersion");
	status = tree_get(root, "status");
	if (!status || (*version && strcmp(version, api_version) != 0))
		return false;
	ends = text_at(status, "expirationTimestamp");
	*credential = (struct exec_credential){.token = text_at(status, "token"),
		.cert_pem = text_at(status, "clientCertificateData"),
		.key_pem = text_at(status, "clientKeyData"),
		.ends_s = *ends ? decode_time(ends) : INT64_MAX};
	return true;
}

// Its last words, as one line of printable text.
static const char *last_line(const struct flow *err, char text[static TOLD_BYTES])
{
	size_t end = err->length, begin, length;

	while (end && isspace((unsigned char)err->bytes[end - 1]))
		end--;
	for (begin = end; begin && err->bytes[begin - 1] != '\n';)
		begin--;
	length = end - begin < TOLD_BYTES - 1 ? end - begin : TOLD_BYTES - 1;
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)err->bytes[begin + i];

		text[i] = c < ' ' || c == 0x7f ? ' ' : (char)c;
	}
	text[length] = '\0';
	return text;
}

static void explain_end(const struct exec_plugin *p, char *text, size_t size)
{
	const struct kubeconfig *config = p->options.config;
	char told[TOLD_BYTES];
	const char *why = last_line(&p->err, told);

	if (!*why)
		why = "run it by hand to see why";
	if (p->unasked)
		snprintf(text, size,
			"the plugin %s asks for somebody at a terminal (interactiveMode: Always), "
			"and here is none",
			config->exec_command);
	else if (p->failed)
		snprintf(text, size, "the plugin %s cannot be run: %s: %.200s",
			config->exec_command, strerror(-p->failed),
			*config->exec_hint ? config->exec_hint
					   : "is it installed here, and in the PATH?");
	else if (p->late)
		snprintf(text, size, "the plugin %s did not answer in %llu s: %s",
			config->exec_command,
			(unsigned long long)(p->options.patience_ms + 999) / 1000, why);
	else if (p->signal)
		snprintf(text, size, "the plugin %s was ended by signal %d: %s",
			config->exec_command, p->signal, why);
	else if (p->status)
		snprintf(text, size, "the plugin %s ended with %lld: %s", config->exec_command,
			(long long)p->status, why);
}

static void tell(struct exec_plugin *p)
{
	const struct kubeconfig *config = p->options.config;
	struct exec_credential credential = {0};
	struct arena arena = {0};
	char text[1024] = "";

	explain_end(p, text, sizeof(text));
	if (!*text && !exec_credential_read(p->out.bytes ? p->out.bytes : "", p->out.length,
			      config->exec_api_version, &arena, &credential))
		snprintf(text, sizeof(text),
			"the plugin %s wrote no ExecCredential of %s with a status",
			config->exec_command, config->exec_api_version);
	else if (!*text && !*credential.token && (!*credential.cert_pem || !*credential.key_pem))
		snprintf(text, sizeof(text),
			"the plugin %s gave neither a token nor a certificate with its key",
			config->exec_command);
	else if (!*text && credential.ends_s <= (int64_t)time(NULL))
		snprintf(text, sizeof(text),
			"the plugin %s gave credentials that have ended: log in with it again, and "
			"see whether this clock is right",
			config->exec_command);
	p->options.done(p->options.arg, *text ? NULL : &credential, *text ? text : NULL);
	arena_clear(&arena);
}

static void free_flow(struct flow *flow)
{
	if (flow->bytes)
		explicit_bzero(flow->bytes, flow->length);
	free(flow->bytes);
}

static void on_closed(uv_handle_t *handle)
{
	struct exec_plugin *p = handle->data;

	if (--p->open_handles == 1 && !uv_is_closing((uv_handle_t *)&p->timer))
		uv_close((uv_handle_t *)&p->timer, on_closed);
	if (p->open_handles)
		return;
	if (!p->cancelled)
		tell(p);
	free_flow(&p->out);
	free_flow(&p->err);
	free(p);
}

static void close_once(void *handle)
{
	if (!uv_is_closing(handle))
		uv_close(handle, on_closed);
}

static void end(struct exec_plugin *p)
{
	if (p->running && p->alone)
		uv_kill(-p->process.pid, SIGKILL);
	else if (p->running)
		uv_process_kill(&p->process, SIGKILL);
	close_once(&p->out.pipe);
	close_once(&p->err.pipe);
}

// What it left behind may hold the pipes although it has answered.
static void on_timer(uv_timer_t *timer)
{
	struct exec_plugin *p = timer->data;

	p->late = p->running;
	end(p);
}

static void on_ended(uv_process_t *process, int64_t status, int signal)
{
	struct exec_plugin *p = process->data;

	p->running = false;
	p->status = status;
	p->signal = signal;
	close_once(process);
	uv_timer_start(&p->timer, on_timer, LINGER_MS, 0);
}

static void on_buffer(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
	(void)handle;
	// NOLINTNEXTLINE(clang-analyzer-unix.Malloc): on_read() frees it
	*buf = uv_buf_init(malloc(size), (unsigned)size);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct exec_plugin *p = stream->data;
	struct flow *flow = stream == (uv_stream_t *)&p->out.pipe ? &p->out : &p->err;
	char *bigger = NULL;

	if (n > 0 && flow->length + (size_t)n < OUTPUT_BYTES)
		bigger = realloc(flow->bytes, flow->length + (size_t)n);
	if (bigger) {
		flow->bytes = bigger;
		memcpy(flow->bytes + flow->length, buf->base, (size_t)n);
		flow->length += (size_t)n;
	}
	if (buf->base) {
		explicit_bzero(buf->base, buf->len);
		free(buf->base);
	}
	if (n < 0)
		close_once(stream);
}

// What it is told of the cluster, where the kubeconfig says that it wants to know.
static json_t *cluster_info(const struct kubeconfig *config)
{
	struct reason reason = {0};
	size_t length = strlen(config->ca_pem);
	char *file =
		*config->ca_file ? kubeconfig_read_file(config->ca_file, &length, &reason) : NULL;
	const char *ca = file ? file : config->ca_pem;
	char *encoded = malloc(BASE64_TEXT(length));
	json_t *info = json_pack("{s:s}", "server", config->server);

	if (*ca && encoded) {
		base64_encode(ca, length, encoded);
		json_object_set_new(info, "certificate-authority-data", json_string(encoded));
	}
	if (*config->tls_server_name)
		json_object_set_new(info, "tls-server-name", json_string(config->tls_server_name));
	if (*config->proxy)
		json_object_set_new(info, "proxy-url", json_string(config->proxy));
	if (config->insecure)
		json_object_set_new(info, "insecure-skip-tls-verify", json_true());
	reason_clear(&reason);
	free(encoded);
	free(file);
	return info;
}

static char *make_info(const struct kubeconfig *config, bool terminal)
{
	json_t *spec = json_pack("{s:b}", "interactive", terminal), *info;
	char *json, *text = NULL;

	if (config->exec_cluster_info)
		json_object_set_new(spec, "cluster", cluster_info(config));
	info = json_pack("{s:s, s:s, s:o}", "kind", "ExecCredential", "apiVersion",
		config->exec_api_version, "spec", spec);
	json = info ? json_dumps(info, JSON_COMPACT) : NULL;
	json_decref(info);
	if (json && asprintf(&text, "KUBERNETES_EXEC_INFO=%s", json) < 0)
		text = NULL;
	free(json);
	return text;
}

static bool is_set(char *const *env, unsigned count, const char *entry)
{
	size_t length = strcspn(entry, "=") + 1;

	for (unsigned i = 0; i < count; i++)
		if (strncmp(env[i], entry, length) == 0)
			return true;
	return false;
}

// The kubeconfig's, what the plugin is told, and ours where they say nothing else. The first
// `*owned` are to be freed.
static char **make_env(const struct exec_plugin *p, bool terminal, unsigned *owned)
{
	const struct kubeconfig *config = p->options.config;
	unsigned count = 0, ours = 0;
	char **env;

	while (environ[ours])
		ours++;
	env = calloc(ours + config->exec_env_count + 2u, sizeof(*env));
	if (!env)
		return NULL;
	env[count] = make_info(config, terminal);
	if (env[count])
		count++;
	for (unsigned i = 0; i < config->exec_env_count; i++)
		if (asprintf(&env[count], "%s=%s", config->exec_env[i].name,
			    config->exec_env[i].value) > 0)
			count++;
	*owned = count;
	for (unsigned i = 0; i < ours; i++)
		if (!is_set(env, *owned, environ[i]))
			env[count++] = environ[i];
	env[count] = NULL;
	return env;
}

static void run(struct exec_plugin *p, char **args, char **env, bool terminal)
{
	const struct kubeconfig *config = p->options.config;
	uv_stdio_container_t stdio[3] = {
		{.flags = terminal ? UV_INHERIT_FD : UV_IGNORE, .data.fd = 0},
		{.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE,
			.data.stream = (uv_stream_t *)&p->out.pipe},
		{.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE,
			.data.stream = (uv_stream_t *)&p->err.pipe}};
	uv_process_options_t options = {.exit_cb = on_ended,
		.file = config->exec_command,
		.args = args,
		.env = env,
		.flags = terminal ? 0 : UV_PROCESS_DETACHED,
		.stdio_count = 3,
		.stdio = stdio};

	if (terminal) // it may want to say something to that person
		stdio[2] = (uv_stdio_container_t){.flags = UV_INHERIT_FD, .data.fd = 2};
	p->failed = uv_spawn(p->options.loop, &p->process, &options);
	p->running = !p->failed;
	p->alone = !terminal;
	if (p->failed) {
		close_once(&p->process);
		end(p);
		return;
	}
	uv_timer_start(&p->timer, on_timer, p->options.patience_ms, 0);
	uv_read_start((uv_stream_t *)&p->out.pipe, on_buffer, on_read);
	if (terminal)
		close_once(&p->err.pipe);
	else
		uv_read_start((uv_stream_t *)&p->err.pipe, on_buffer, on_read);
}

struct exec_plugin *exec_plugin_start(const struct exec_plugin_options *options)
{
	struct exec_plugin *p = calloc(1, sizeof(*p));
	const struct kubeconfig *config = options->config;
	bool terminal = options->terminal && config->exec_interactive != EXEC_NEVER;
	char **args = calloc(config->exec_arg_count + 2u, sizeof(*args)), **env = NULL;
	unsigned owned = 0;

	if (p) {
		p->options = *options;
		env = make_env(p, terminal, &owned);
	}
	if (!p || !args || !env) {
		free(p);
		free(args);
		free(env);
		return NULL;
	}
	args[0] = (char *)(uintptr_t)config->exec_command;
	for (unsigned i = 0; i < config->exec_arg_count; i++)
		args[i + 1] = (char *)(uintptr_t)config->exec_args[i];
	uv_timer_init(options->loop, &p->timer);
	uv_pipe_init(options->loop, &p->out.pipe, 0);
	uv_pipe_init(options->loop, &p->err.pipe, 0);
	p->timer.data = p->process.data = p->out.pipe.data = p->err.pipe.data = p;
	p->open_handles = 4;
	p->unasked = config->exec_interactive == EXEC_ALWAYS && !terminal;
	if (p->unasked) {
		p->open_handles--;
		end(p);
	} else {
		run(p, args, env, terminal);
	}
	for (unsigned i = 0; i < owned; i++)
		free(env[i]);
	free(env);
	free(args);
	return p;
}

void exec_plugin_cancel(struct exec_plugin *plugin)
{
	if (!plugin)
		return;
	plugin->cancelled = true;
	end(plugin);
}
