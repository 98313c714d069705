// SPDX-License-Identifier: BSD-3-Clause
// GET /v1/upgrade, POST /v1/upgrade/install, /v1/upgrade/rollback, /v1/reboot, /v1/factory-reset:
// the image, its slots, and restarts of the machine.
#include "api_internal.h"

#include <errno.h>
#include <string.h>

enum {
	BUNDLE
};

static const char *text_of(json_t *row, const char *name)
{
	const char *text = json_string_value(json_object_get(row, name));

	return text ? text : "";
}

// One slot that the machine starts from, as RAUC tells of it; NULL: it is no such slot.
static json_t *slot_json(const char *name, json_t *told, const char *next)
{
	const char *bootname = text_of(told, "bootname");
	json_t *status = json_object_get(told, "slot_status");
	const char *version = text_of(json_object_get(status, "bundle"), "version");
	const char *installed = text_of(json_object_get(status, "installed"), "timestamp");
	bool running = strcmp(text_of(told, "state"), "booted") == 0;
	char image[64] = "", slot[16];

	if (!*bootname)
		return NULL;
	if (running)
		firmware_image(image, slot);
	return json_pack("{s:s, s:b, s:b, s:b, s:s?, s:s?}", "slot", bootname, "running", running,
		"next", strcmp(name, next) == 0, "good",
		strcmp(text_of(told, "boot_status"), "good") == 0, "image",
		*image     ? image
		: *version ? version
			   : NULL,
		"installed", *installed ? installed : NULL);
}

// NULL, which is told, when RAUC's answer is none.
static json_t *slots_json(const struct api_request *request)
{
	json_t *told = json_loads(request->told, 0, NULL), *rows = json_array();
	const char *next = text_of(told, "boot_primary"), *name;
	json_t *list = json_object_get(told, "slots"), *element, *slot, *row;
	size_t i;

	json_array_foreach(list, i, element)
	{
		json_object_foreach(element, name, slot)
		{
			row = slot_json(name, slot, next);
			if (row)
				json_array_append_new(rows, row);
		}
	}
	if (json_array_size(rows) == 0) {
		reason_add(request->refused, "rauc does not tell of any slot");
		json_decref(rows);
		rows = NULL;
	}
	json_decref(told);
	return rows;
}

static int ask_slots(const struct api_request *request, firmware_told told, void *arg)
{
	struct reason none = {0};
	bool there = firmware_there(&none);

	reason_clear(&none);
	if (!there || !request->state->firmware)
		return -ENOENT;
	return firmware_slots(request->state->firmware, told, arg);
}

static json_t *installing_json(const struct firmware_install *install)
{
	static const char *const states[] = {[FIRMWARE_IDLE] = "idle",
		[FIRMWARE_INSTALLING] = "installing",
		[FIRMWARE_INSTALLED] = "installed",
		[FIRMWARE_FAILED] = "failed"};

	return json_pack("{s:s, s:i, s:s, s:s, s:s}", "state", states[install->state], "percent",
		(int)install->percent, "doing", install->doing, "error", install->error, "bundle",
		install->bundle);
}

static bool is_appliance(const struct api_request *request)
{
	if (request->state->firmware)
		return firmware_there(request->refused);
	reason_add(request->refused, "this box is no appliance");
	return false;
}

static json_t *upgrade(const struct api_request *request)
{
	const struct firmware_install *install;
	json_t *slots = NULL;

	if (!is_appliance(request))
		return NULL;
	install = firmware_progress(request->state->firmware);
	if (request->told)
		slots = slots_json(request);
	else if (install->state != FIRMWARE_INSTALLING) // while it is, RAUC says nothing else
		reason_add(request->refused, "rauc does not tell of slots: %s", request->why);
	if (request->refused->count) {
		json_decref(slots);
		return NULL;
	}
	return json_pack("{s:o, s:o}", "slots", slots ? slots : json_array(), "install",
		installing_json(install));
}

const struct api_command api_upgrade = {
	.path = "/v1/upgrade",
	.help = "the image's slots, and how far an upgrade is",
	.ask = ask_slots,
	.handler = upgrade,
	.answer = "{slots: [{slot, running: bool, next: bool, good: bool, image: text?, "
		  "installed: text?}], install: {state, percent: number, doing, error, bundle}}",
};

static json_t *install(const struct api_request *request)
{
	const char *bundle = request->values[BUNDLE];

	if (!is_appliance(request))
		return NULL;
	if (firmware_install(request->state->firmware, bundle, request->refused) == 0)
		return installing_json(firmware_progress(request->state->firmware));
	return NULL;
}

const struct api_command api_upgrade_install = {
	.path = "/v1/upgrade/install",
	.help = "write an image into the other slot; /v1/upgrade tells how far it is",
	.arguments = {[BUNDLE] = {"bundle", ARGUMENT_TEXT,
			      "the whole path of a file of the box, or http(s)://", true}},
	.changes = true,
	.handler = install,
	.answer = "{state, percent: number, doing, error, bundle}",
};

static json_t *leave(const struct api_request *request, enum firmware_leave how)
{
	const struct api_options *options = request->options;

	if (!is_appliance(request) || !options->leave ||
		!options->leave(options->arg, how, request->refused))
		return NULL;
	return json_pack("{s:b}", "restarts", true);
}

static json_t *rollback(const struct api_request *request)
{
	const char *found = NULL;
	json_t *slots, *row, *answer = NULL;
	size_t i;

	if (!is_appliance(request))
		return NULL;
	if (!request->told) {
		reason_add(request->refused, "rauc does not tell of slots: %s", request->why);
		return NULL;
	}
	slots = slots_json(request);
	json_array_foreach(slots, i, row)
	{
		if (!json_is_true(json_object_get(row, "running")) &&
			json_is_true(json_object_get(row, "good")))
			found = text_of(row, "slot");
	}
	if (!found && slots)
		reason_add(request->refused, "the other slot has nothing that starts");
	if (found)
		answer = leave(request, LEAVE_ROLLBACK);
	if (answer)
		json_object_set_new(answer, "slot", json_string(found));
	json_decref(slots);
	return answer;
}

const struct api_command api_upgrade_rollback = {
	.path = "/v1/upgrade/rollback",
	.help = "hand over, and restart with the image of the other slot",
	.changes = true,
	.ask = ask_slots,
	.handler = rollback,
	.answer = "{restarts: bool, slot}",
};

static json_t *restart(const struct api_request *request)
{
	return leave(request, LEAVE_REBOOT);
}

const struct api_command api_reboot = {
	.path = "/v1/reboot",
	.help = "hand over, and restart the machine",
	.changes = true,
	.handler = restart,
	.answer = "{restarts: bool}",
};

static json_t *factory_reset(const struct api_request *request)
{
	return leave(request, LEAVE_RESET);
}

const struct api_command api_factory_reset = {
	.path = "/v1/factory-reset",
	.help = "restart as new: configuration, keys and leases are lost",
	.changes = true,
	.handler = factory_reset,
	.answer = "{restarts: bool}",
};
