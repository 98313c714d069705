// SPDX-License-Identifier: BSD-3-Clause
// A registration, step by step, each a request whose answer leads to the next:
//
//     is it there     GET /version
//     objects         PATCH each (server-side apply), unless they were made by hand
//     less            DELETE bindings of before that give more than is meant now
//     token           POST TokenRequest: the account's own
//     proof           GET with that token what we will list
//
// Then the record is sealed. Whatever goes wrong ends it, and nothing is kept.
#include "registry_internal.h"

#include "kubeconfig.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PROOF_AGAIN_MS 200 // rights take a moment to be known to the API server
#define PROOF_TIMES    25
#define ACCOUNT        "sluice/sluice" // of the manifests

static const struct proof {
	const char *group, *plural;
	bool namespaced;
} proofs[] = {
	{"/api/v1", "services", true},
	{"/api/v1", "nodes", false},
	{"/apis/networking.k8s.io/v1", "ingresses", true},
	{"/apis/networking.k8s.io/v1", "ingressclasses", false},
};

struct side { // who asks
	struct kubeconfig config;
	struct kube_http *http;
};

struct job {
	struct registry *registry;
	struct registration asked; // arg and done alone
	char *name;
	bool by_hand, ended;
	struct record record;
	struct side first, own; // with what was given; as the account
	char *manifests, *over; // what is applied; paths, one a line, of what is deleted
	const char *next_over;
	unsigned object, proof, tried;
	int64_t given_ends_s; // of the token given; 0 = it does not say
	uv_timer_t timer;
	unsigned open_handles;
	char what[200]; // is being done, for what is told when it fails
};

static void job_free(struct job *j)
{
	record_clear(&j->record);
	kubeconfig_clear(&j->first.config);
	kubeconfig_clear(&j->own.config);
	free(j->manifests);
	free(j->over);
	free(j->name);
	free(j);
}

static void on_closed(void *arg)
{
	struct job *j = arg;

	if (!--j->open_handles)
		job_free(j);
}

static void on_timer_closed(uv_handle_t *handle)
{
	on_closed(handle->data);
}

static void end(struct job *j, const char *error)
{
	if (j->ended)
		return;
	j->ended = true;
	j->asked.done(j->asked.arg, error);
	registry_job_ended(j->registry, j);
	if (j->first.http)
		kube_http_close(j->first.http, on_closed, j);
	if (j->own.http)
		kube_http_close(j->own.http, on_closed, j);
	uv_close((uv_handle_t *)&j->timer, on_timer_closed);
}

void job_give_up(struct job *job)
{
	end(job, "the control plane ends");
}

static void fail(struct job *j, const char *why)
{
	char text[2048];

	snprintf(text, sizeof(text), "%s: %s", j->what, why);
	end(j, text);
}

static void refused(struct job *j, const struct kube_answer *answer)
{
	int64_t ago = (int64_t)time(NULL) - j->given_ends_s;
	char text[200];

	snprintf(text, sizeof(text),
		"the token given ended %" PRId64 " %s ago (401): get a new one, and register with "
		"that",
		ago / (ago < 7200 ? 60 : 3600), ago < 7200 ? "min" : "h");
	fail(j, answer->status == 401 && j->given_ends_s && ago >= 0 ? text : answer->error);
}

// Goes to a server as the record says. The file stands in what is told to mend.
static int open_side(struct job *j, struct side *side, const char *file, struct reason *reason)
{
	char *text = record_text(&j->record);
	int error = text ? kubeconfig_parse(&side->config, text, strlen(text), file, "", reason)
			 : -ENOMEM;

	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
	if (error)
		return error;
	side->http = kube_http_open(registry_options(j->registry)->loop, &side->config);
	if (!side->http)
		return -ENOMEM;
	j->open_handles++;
	kube_http_credentials(side->http, side->config.token, "", "");
	return 0;
}

struct step {
	struct side *side;
	const char *method, *path, *body, *type;
	void (*done)(void *arg, const struct kube_answer *answer, const char *body);
};

static void ask(struct job *j, const struct step *step)
{
	const struct kube_ask question = {.method = step->method,
		.path = step->path,
		.body = step->body,
		.content_type = step->type,
		.stall_s = REGISTRY_STALL_S,
		.arg = j,
		.done = step->done};

	if (kube_ask(step->side->http, &question))
		fail(j, "out of memory");
}

// Proof, and the end.

static void prove(struct job *j);

static void keep(struct job *j)
{
	struct reason reason = {0};

	if (registry_keep(j->registry, j->name, &j->record, &reason))
		end(j, reason.count ? reason_text(&reason) : "out of memory");
	else
		end(j, NULL);
	reason_clear(&reason);
}

static void on_again(uv_timer_t *timer)
{
	prove(timer->data);
}

static void proved(void *arg, const struct kube_answer *answer, const char *body)
{
	struct job *j = arg;
	bool early = answer->status == 403 || answer->status == 401;

	(void)body;
	if (j->ended)
		return;
	if (early && !j->by_hand && j->tried++ < PROOF_TIMES) {
		uv_timer_start(&j->timer, on_again, PROOF_AGAIN_MS, 0);
		return;
	}
	if (answer->error) {
		refused(j, answer);
		return;
	}
	if (++j->proof < sizeof(proofs) / sizeof(proofs[0]))
		prove(j);
	else
		keep(j);
}

static void prove(struct job *j)
{
	const struct proof *proof = &proofs[j->proof];
	const char *in = proof->namespaced ? j->record.namespaces : "";
	char path[200];
	const struct step step = {.side = &j->own, .path = path, .done = proved};

	// Of several namespaces the first: `cluster check` asks for each.
	snprintf(path, sizeof(path), "%s%s%.*s/%s?limit=1", proof->group, *in ? "/namespaces/" : "",
		(int)strcspn(in, ","), in, proof->plural);
	snprintf(j->what, sizeof(j->what), "trying what the account may do (%.*s)",
		(int)strcspn(path, "?"), path);
	ask(j, &step);
}

static void begin_proof(struct job *j)
{
	struct reason reason = {0};

	if (open_side(j, &j->own, "what was given", &reason))
		fail(j, reason.count ? reason_text(&reason) : "out of memory");
	else
		prove(j);
	reason_clear(&reason);
}

// The account's own token.

static void forget_certificate(struct record *record)
{
	explicit_bzero(record->key_pem, strlen(record->key_pem));
	record->key_pem[0] = record->cert_pem[0] = '\0';
}

static void got_token(void *arg, const struct kube_answer *answer, const char *body)
{
	struct job *j = arg;

	if (j->ended)
		return;
	if (!answer->error && token_answer(&j->record, body)) {
		forget_certificate(&j->record);
	} else if (j->by_hand && (answer->status == 403 || answer->status == 404)) {
		j->record.account[0] = '\0'; // what was given has to do
	} else {
		if (answer->error)
			refused(j, answer);
		else
			fail(j, "the answer holds no token");
		return;
	}
	begin_proof(j);
}

static void ask_token(struct job *j)
{
	char *path = token_path(j->record.account);
	const struct step step = {.side = &j->first,
		.method = "POST",
		.path = path,
		.body = TOKEN_REQUEST,
		.done = got_token};

	snprintf(j->what, sizeof(j->what), "asking for a token of ServiceAccount %.100s",
		j->record.account);
	if (path)
		ask(j, &step);
	else
		fail(j, "out of memory");
	free(path);
}

// The objects.

static void apply(struct job *j);
static void remove_over(struct job *j);

static void removed(void *arg, const struct kube_answer *answer, const char *body)
{
	struct job *j = arg;

	(void)body;
	if (j->ended)
		return;
	if (answer->error && answer->status != 404) {
		fail(j, answer->error);
		return;
	}
	j->next_over += strcspn(j->next_over, "\n");
	j->next_over += *j->next_over == '\n';
	remove_over(j);
}

static void remove_over(struct job *j)
{
	size_t length = strcspn(j->next_over, "\n");
	char *path;
	struct step step = {.side = &j->first, .method = "DELETE", .done = removed};

	if (!length) {
		ask_token(j);
		return;
	}
	path = strndup(j->next_over, length);
	step.path = path;
	snprintf(j->what, sizeof(j->what), "taking away %.150s", path ? path : "");
	if (path)
		ask(j, &step);
	else
		fail(j, "out of memory");
	free(path);
}

static void applied(void *arg, const struct kube_answer *answer, const char *body)
{
	struct job *j = arg;

	(void)body;
	if (j->ended)
		return;
	if (answer->status == 403) {
		fail(j, "the credentials given may not do that (403): take those of an "
			"administrator, or let one apply `sluice cluster register --dry-run` and "
			"register with server, ca and token");
	} else if (answer->status == 404 && strstr(j->what, "/namespaces/")) {
		fail(j, "there is no such namespace in the cluster: make it first, or leave it "
			"out");
	} else if (answer->error) {
		refused(j, answer);
	} else {
		j->object++;
		apply(j);
	}
}

static void apply(struct job *j)
{
	struct manifest manifest;
	int error = manifest_at(j->manifests, j->object, &manifest);
	struct step step = {.side = &j->first,
		.method = "PATCH",
		.type = "application/apply-patch+yaml",
		.done = applied};

	if (error == -ENOENT) {
		remove_over(j);
		return;
	}
	if (error) {
		fail(j, strerror(-error));
		return;
	}
	snprintf(j->what, sizeof(j->what), "making %.*s", (int)strcspn(manifest.path, "?"),
		manifest.path);
	step.path = manifest.path;
	step.body = manifest.text;
	ask(j, &step);
	manifest_clear(&manifest);
}

static void seen(void *arg, const struct kube_answer *answer, const char *body)
{
	struct job *j = arg;

	(void)body;
	if (j->ended)
		return;
	if (answer->error && answer->status != 401 && answer->status != 403)
		fail(j, answer->error);
	else if (!j->by_hand)
		apply(j);
	else if (*j->record.account)
		ask_token(j);
	else
		begin_proof(j);
}

static int fill(struct job *j, const struct registration *r)
{
	const struct registered *before = registry_find(j->registry, r->name);
	const struct scope nowhere = {"", ""};
	int error = record_copy(&j->record, r);
	char *account;

	j->name = strdup(r->name);
	if (error || !j->name)
		return -ENOMEM;
	j->manifests = registry_manifests(&r->scope);
	j->over = manifests_over(before ? &before->scope : &nowhere, &r->scope);
	if (!j->manifests || !j->over)
		return -ENOMEM;
	j->next_over = j->over;
	j->record.made_s = (int64_t)time(NULL);
	account = token_account(j->record.token, &j->given_ends_s);
	free(account);
	account = r->by_hand ? token_account(j->record.token, &j->record.ends_s) : strdup(ACCOUNT);
	if (!account)
		return -ENOMEM;
	free(j->record.account);
	j->record.account = account;
	return 0;
}

struct job *job_start(
	struct registry *registry, const struct registration *registration, struct reason *reason)
{
	struct job *j = calloc(1, sizeof(*j));
	const struct step step = {.side = j ? &j->first : NULL, .path = "/version", .done = seen};

	if (!j)
		return NULL;
	j->registry = registry;
	j->asked.arg = registration->arg;
	j->asked.done = registration->done;
	j->by_hand = registration->by_hand;
	if (fill(j, registration) || open_side(j, &j->first, "what was given", reason)) {
		job_free(j);
		return NULL;
	}
	uv_timer_init(registry_options(registry)->loop, &j->timer);
	j->timer.data = j;
	j->open_handles++;
	snprintf(j->what, sizeof(j->what), "looking for the API server");
	ask(j, &step);
	return j;
}
