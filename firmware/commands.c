// SPDX-License-Identifier: MIT
/* The agent's commands: one row each, with the size of its body and what runs it. */
#include <string.h>

#include "agent.h"
#include "datapath.h"

static const char *command_set_options(const uint8_t *body, size_t bytes)
{
	struct rw_command_set_options command;
	const char *fault;

	memcpy(&command, body, bytes);
	fault = options_fault(&command);
	if (!fault)
		sweep_set_options(&command);
	return fault;
}

static const char *command_ready(const uint8_t *body, size_t bytes)
{
	(void)body;
	(void)bytes;
	if (datapath->ready)
		datapath->ready();
	return NULL;
}

/* --- mirrors and the own table --- */

static const char *command_mirror_cells(const uint8_t *body, size_t bytes)
{
	struct rw_command_mirror_cells command;
	const char *fault;

	memcpy(&command, body, sizeof(command));
	fault = mirror_fault(command.mirror);
	for (size_t at = sizeof(command); !fault && at < bytes; at += sizeof(struct rw_mirror_cell)) {
		struct rw_mirror_cell cell;

		memcpy(&cell, body + at, sizeof(cell));
		if (cell.coordinate >= settings.geometry.cells || !sweep_cell_valid(cell.cell))
			fault = refusal("coordinate %u, cell 0x%x: not of this geometry (%u cells)", cell.coordinate,
					cell.cell, settings.geometry.cells);
		else
			sweep_set_mirror_cell(command.mirror, cell.coordinate, cell.cell);
	}
	return fault;
}

static const char *command_clear_mirror(const uint8_t *body, size_t bytes)
{
	struct rw_command_clear_mirror command;
	const char *fault;

	memcpy(&command, body, bytes);
	fault = mirror_fault(command.mirror);
	if (!fault)
		sweep_clear_mirror(command.mirror);
	return fault;
}

static const char *command_mirror_ticks(const uint8_t *body, size_t bytes)
{
	struct rw_command_mirror_ticks command;
	const char *fault;

	memcpy(&command, body, bytes);
	fault = mirror_fault(command.mirror);
	if (!fault)
		sweep_mirror_ticks(command.mirror, command.fast, command.slow);
	return fault;
}

/* One bad expectation is no reason to lose a client's others. */
static const char *command_adopt(const uint8_t *body, size_t bytes)
{
	struct rw_command_adopt command;
	struct rw_adopted entry;
	uint32_t left_out = 0;
	const char *fault, *bad = NULL;

	memcpy(&command, body, sizeof(command));
	fault = slot_fault(command.slot);
	if (!fault && command.mark > RW_MARK_AGED)
		fault = refusal("mark %u: unknown", command.mark);
	if (fault)
		return fault;
	for (size_t at = sizeof(command); at < bytes; at += sizeof(entry)) {
		memcpy(&entry, body + at, sizeof(entry));
		fault = expectation_fault(&entry);
		if (fault)
			bad = fault;
		else
			left_out += !sweep_adopt(entry.x, entry.code, command.slot, command.mark);
	}
	return !bad && left_out ? refusal("%u expectations found no free cell", left_out) : bad;
}

static const char *command_lower(const uint8_t *body, size_t bytes)
{
	struct rw_adopted entry;
	const char *fault, *bad = NULL;

	for (size_t at = 0; at < bytes; at += sizeof(entry)) {
		memcpy(&entry, body + at, sizeof(entry));
		fault = expectation_fault(&entry);
		if (fault)
			bad = fault;
		else
			sweep_lower(entry.x, entry.code);
	}
	return bad;
}

static const char *command_shorten_client(const uint8_t *body, size_t bytes)
{
	struct rw_command_shorten_client command;
	const char *fault;

	memcpy(&command, body, bytes);
	fault = slot_fault(command.slot);
	if (!fault && !sweep_code_valid(command.code))
		fault = refusal("code %u: not of this geometry", command.code);
	if (!fault)
		sweep_shorten(command.slot, command.code);
	return fault;
}

/* --- the table --- */

/* `item` 0: exactly `fixed` bytes; else any number of items after it. */
static const struct command {
	size_t fixed, item;
	const char *(*run)(const uint8_t *body, size_t bytes);
} commands[] = {
	[RW_COMMAND_LOAD_AUTOMATA] = { sizeof(struct rw_automata), 0, command_load_automata },
	[RW_COMMAND_SET_CLIENT] = { sizeof(struct rw_command_set_client), 0, command_set_client },
	[RW_COMMAND_DELETE_CLIENT] = { sizeof(struct rw_command_delete_client), 0, command_delete_client },
	[RW_COMMAND_SET_FILTER] = { sizeof(struct rw_command_set_filter), 8, command_set_filter },
	[RW_COMMAND_CHANGE_FILTER] = { sizeof(struct rw_command_change_filter), sizeof(uint32_t), command_change_filter },
	[RW_COMMAND_DELETE_FILTER] = { sizeof(struct rw_command_delete_filter), 0, command_delete_filter },
	[RW_COMMAND_SET_ZONES] = { sizeof(struct rw_command_set_zones), sizeof(struct rw_zone_entry), command_set_zones },
	[RW_COMMAND_SET_SERVICES] = { sizeof(struct rw_command_set_services), sizeof(struct rw_service_entry),
				      command_set_services },
	[RW_COMMAND_SET_OPTIONS] = { sizeof(struct rw_command_set_options), 0, command_set_options },
	[RW_COMMAND_MIRROR_CELLS] = { sizeof(struct rw_command_mirror_cells), sizeof(struct rw_mirror_cell),
				      command_mirror_cells },
	[RW_COMMAND_CLEAR_MIRROR] = { sizeof(struct rw_command_clear_mirror), 0, command_clear_mirror },
	[RW_COMMAND_MIRROR_TICKS] = { sizeof(struct rw_command_mirror_ticks), 0, command_mirror_ticks },
	[RW_COMMAND_ADOPT] = { sizeof(struct rw_command_adopt), sizeof(struct rw_adopted), command_adopt },
	[RW_COMMAND_SHORTEN_CLIENT] = { sizeof(struct rw_command_shorten_client), 0, command_shorten_client },
	[RW_COMMAND_FLUSH_HELD] = { sizeof(struct rw_command_flush_held), 0, command_flush_held },
	[RW_COMMAND_DUMP] = { sizeof(struct rw_command_dump), 0, command_dump },
	[RW_COMMAND_DUMP_CLIENTS] = { 0, 0, command_dump_clients },
	[RW_COMMAND_COUNTERS] = { 0, 0, command_counters },
	[RW_COMMAND_LOWER] = { 0, sizeof(struct rw_adopted), command_lower },
	[RW_COMMAND_READY] = { 0, 0, command_ready },
	[RW_COMMAND_SYNC] = { sizeof(struct rw_command_sync), 0, command_sync },
};

void command_run(uint16_t kind, const uint8_t *body, size_t bytes)
{
	const struct command *command = &commands[kind < ARRAY_SIZE(commands) ? kind : 0];
	const char *fault;

	if (!command->run)
		fault = refusal("unknown command: accepted are 1 to %zu", ARRAY_SIZE(commands) - 1);
	else if (!command->item && bytes != command->fixed)
		fault = refusal("a body of %zu bytes: accepted are %zu", bytes, command->fixed);
	else if (command->item && (bytes < command->fixed || (bytes - command->fixed) % command->item))
		fault = refusal("a body of %zu bytes: accepted are %zu and a multiple of %zu more", bytes,
				command->fixed, command->item);
	else
		fault = command->run(body, bytes);
	if (fault)
		records_refuse(kind, fault);
}
