// SPDX-License-Identifier: MIT
/* Commands that ask: cells, clients, counters. */
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "datapath.h"

/* Owed before the next command runs: what is said of that one must not overtake these cells. */
static bool flush_owed;
static uint32_t dump_at, dump_end;

const char *command_dump(const uint8_t *body, size_t bytes)
{
	uint32_t all = settings.geometry.cells;
	struct rw_command_dump command;

	memcpy(&command, body, bytes);
	if (command.from >= all || command.count > all - command.from)
		return refusal("cells %u, %u of them: there are %u", command.from, command.count, all);
	dump_at = command.from;
	dump_end = command.count ? command.from + command.count : all;
	return NULL;
}

const char *command_flush_held(const uint8_t *body, size_t bytes)
{
	struct rw_command_flush_held command;
	const char *fault;

	memcpy(&command, body, bytes);
	fault = slot_fault(command.slot);
	if (fault)
		return fault;
	sweep_flush_held(command.slot);
	flush_owed = true;
	return NULL;
}

bool answers_owed(void)
{
	return flush_owed || dump_at < dump_end;
}

/* In parts: a whole table can be more than the agent reads at once. */
void answers_run(void)
{
	if (flush_owed)
		flush_owed = !sweep_flush_dirty(records_room, cells_report);
	while (dump_at < dump_end && records_room())
		sweep_dump(dump_at++, cells_report_dumped);
	cells_send();
}

void answers_forget(void)
{
	flush_owed = false;
	dump_at = dump_end = 0;
}

static struct rw_client_counters counters_of(uint32_t slot)
{
	struct rw_client_counters sum = { 0 }, *parts = calloc(counter_copies(), sizeof(*parts));

	if (parts && !keyed_get(KEYED_CLIENT_COUNTERS, &slot, parts))
		for (unsigned int copy = 0; copy < counter_copies(); copy++) {
			sum.passed += parts[copy].passed;
			sum.denied += parts[copy].denied;
			sum.bytes += parts[copy].bytes;
		}
	free(parts);
	return sum;
}

const char *command_dump_clients(const uint8_t *body, size_t bytes)
{
	struct rw_client_key key, next;
	bool more = !keyed_next(KEYED_CLIENTS, NULL, &next);

	(void)body;
	(void)bytes;
	sweep_used();
	while (more) {
		struct rw_event_client event = { 0 };
		struct rw_client_counters counters;
		struct rw_client client;

		key = next;
		more = !keyed_next(KEYED_CLIENTS, &key, &next);
		if (keyed_get(KEYED_CLIENTS, &key, &client))
			continue;
		counters = counters_of(client.slot);
		memcpy(event.mac, key.mac, sizeof(event.mac));
		memcpy(event.record, &client, sizeof(client));
		event.passed = counters.passed;
		event.denied = counters.denied;
		event.bytes = counters.bytes;
		event.cells = sweep_used_by(client.slot);
		record_send(RW_EVENT_CLIENT, &event, sizeof(event), NULL, 0);
	}
	return NULL;
}

static uint64_t denied_of(uint32_t reason)
{
	uint64_t sum = 0, *parts = calloc(counter_copies(), sizeof(*parts));

	if (parts && !keyed_get(KEYED_DENIED_COUNTERS, &reason, parts))
		for (unsigned int copy = 0; copy < counter_copies(); copy++)
			sum += parts[copy];
	free(parts);
	return sum;
}

const char *command_counters(const uint8_t *body, size_t bytes)
{
	struct rw_event_counters event = { 0 };

	(void)body;
	(void)bytes;
	for (uint32_t reason = 0; reason < ARRAY_SIZE(event.denied); reason++)
		event.denied[reason] = denied_of(reason);
	for (uint32_t slot = 0; slot <= settings.clients; slot++) {
		struct rw_client_counters counters = counters_of(slot);

		event.passed += counters.passed;
		event.bytes += counters.bytes;
	}
	event.used_cells = sweep_used();
	event.ring_lost = (uint32_t)event.denied[RW_COUNTER_RING_LOST];
	event.mode = maps.ctl->mode;
	event.ports = ports_attached();
	record_send(RW_EVENT_COUNTERS, &event, sizeof(event), NULL, 0);
	return NULL;
}

const char *command_sync(const uint8_t *body, size_t bytes)
{
	record_send(RW_EVENT_SYNCED, body, bytes, NULL, 0);
	return NULL;
}
