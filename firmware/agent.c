// SPDX-License-Identifier: MIT
/*
 * The stream to the agent: one at a time, records of abi.ts both ways. Whatever arrives is checked before it touches a
 * map; what cannot be done is answered with `refused` and the reason.
 */
#define _GNU_SOURCE
#include <bpf/bpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "roamwalld.h"

/* Above the first mark commands and cells wait for the agent to read; above the second events are dropped. */
#define OUT_WAIT_BYTES (1 << 20)
#define OUT_MAX_BYTES (4 << 20)
#define IN_READ_BYTES (1 << 16)
#define CELLS_BATCH 512
#define COMMAND_LEAST_MAX_BYTES (2 << 20)
#define ZONES_MAX 65536
#define HOLD_MAX_MS 60000
#define FLUSH_MAX_MS 1000

struct buffer {
	uint8_t *data;
	size_t start, end, size;
};

static int listen_fd = -1, agent_fd = -1;
static struct buffer in, out;
static size_t discard_bytes;
static uint64_t lost;
static uint32_t dump_at, dump_end;
static struct rw_event_cells cells[CELLS_BATCH];
static uint32_t cells_waiting;
/* what the loop waits for on agent_fd */
static uint32_t interest;

static void agent_ready(uint32_t events);

bool agent_connected(void)
{
	return agent_fd >= 0;
}

/* --- buffers --- */

static size_t buffer_bytes(const struct buffer *buffer)
{
	return buffer->end - buffer->start;
}

static bool buffer_reserve(struct buffer *buffer, size_t bytes)
{
	size_t held = buffer_bytes(buffer), size = buffer->size ? buffer->size : IN_READ_BYTES;
	uint8_t *data;

	if (buffer->size - buffer->end >= bytes)
		return true;
	if (buffer->start) {
		memmove(buffer->data, buffer->data + buffer->start, held);
		buffer->start = 0;
		buffer->end = held;
	}
	while (size < held + bytes)
		size *= 2;
	if (size == buffer->size)
		return true;
	data = realloc(buffer->data, size);
	if (!data)
		return false;
	buffer->data = data;
	buffer->size = size;
	return true;
}

static void buffer_take(struct buffer *buffer, size_t bytes)
{
	buffer->start += bytes;
	if (buffer->start < buffer->end)
		return;
	buffer->start = buffer->end = 0;
	/* one large filter must not keep its megabytes for ever */
	if (buffer->size <= OUT_WAIT_BYTES)
		return;
	free(buffer->data);
	buffer->data = NULL;
	buffer->size = 0;
}

/* --- records to the agent --- */

static bool out_record(uint16_t kind, const void *body, size_t body_bytes, const void *tail, size_t tail_bytes)
{
	struct rw_stream_header header = {
		.kind = kind,
		.bytes = (uint32_t)(sizeof(header) + body_bytes + tail_bytes),
	};

	if (agent_fd < 0)
		return false;
	if (buffer_bytes(&out) + header.bytes > OUT_MAX_BYTES || !buffer_reserve(&out, header.bytes)) {
		lost++;
		return false;
	}
	memcpy(out.data + out.end, &header, sizeof(header));
	memcpy(out.data + out.end + sizeof(header), body, body_bytes);
	if (tail_bytes)
		memcpy(out.data + out.end + sizeof(header) + body_bytes, tail, tail_bytes);
	out.end += header.bytes;
	return true;
}

static bool out_room(void)
{
	return buffer_bytes(&out) < OUT_WAIT_BYTES;
}

static void out_refused(uint32_t command, const char *text)
{
	struct rw_event_refused body = { .command = command };

	out_record(RW_EVENT_REFUSED, &body, sizeof(body), text, strlen(text));
}

static void cells_send(void)
{
	if (cells_waiting)
		out_record(RW_EVENT_CELLS, cells, cells_waiting * sizeof(cells[0]), NULL, 0);
	cells_waiting = 0;
}

static void cells_report(uint32_t coordinate, uint32_t cell, uint16_t owner)
{
	cells[cells_waiting++] = (struct rw_event_cells){ .coordinate = coordinate, .cell = cell, .owner = owner };
	if (cells_waiting == CELLS_BATCH)
		cells_send();
}

static void out_overflow(void)
{
	struct rw_event_overflow body = { .lost = lost };

	if (!lost || !out_room())
		return;
	lost = 0;
	out_record(RW_EVENT_OVERFLOW, &body, sizeof(body), NULL, 0);
}

void agent_send_ticks(uint32_t fast, uint32_t slow)
{
	struct rw_event_ticks body = { .fast = fast, .slow = slow };

	out_record(RW_EVENT_TICKS, &body, sizeof(body), NULL, 0);
}

void agent_send_port(const struct rw_event_port *port)
{
	out_record(RW_EVENT_PORT, port, sizeof(*port), NULL, 0);
}

void agent_take_ring_event(const struct rw_ring_event *event)
{
	struct rw_event_arrived arrived = {
		.slot = event->slot,
		.ifindex = event->ifindex,
		.zone = ports_zone(event->ifindex),
	};

	if (event->kind == RW_RING_DENIED)
		out_record(RW_EVENT_DENIED, event, sizeof(*event), NULL, 0);
	if (event->kind != RW_RING_ARRIVED)
		return;
	memcpy(arrived.mac, event->mac, sizeof(arrived.mac));
	out_record(RW_EVENT_ARRIVED, &arrived, sizeof(arrived), NULL, 0);
}

static void out_hello(void)
{
	const struct geometry *g = &settings.geometry;
	struct rw_event_hello body = {
		.magic = RW_MAGIC,
		.abi = RW_ABI_VERSION,
		.table_id = maps.meta->table_id,
		.bucket_bits = g->bucket_bits,
		.remainder_bits = g->remainder_bits,
		.cell_bits = g->cell_bits,
		.mirrors = settings.mirrors,
		.fast = maps.meta->fast,
		.slow = maps.meta->slow,
		.clients_max = settings.clients,
		.picked_up = maps.picked_up,
	};

	out_record(RW_EVENT_HELLO, &body, sizeof(body), NULL, 0);
}

/* --- commands. Each returns NULL, or why not --- */

static const char *refusal(const char *format, ...) __attribute__((format(printf, 1, 2)));
static const char *refusal(const char *format, ...)
{
	static char text[256];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	return text;
}

static const char *map_update(int map, const void *key, const void *value, const char *what)
{
	if (!bpf_map_update_elem(map, key, value, BPF_ANY))
		return NULL;
	if (errno == E2BIG || errno == ENOSPC)
		return refusal("%s: the map is full", what);
	return refusal("%s: %s", what, strerror(errno));
}

static const char *automata_step_fault(const struct rw_learn_step *step)
{
	if (step->op > RW_OP_DROP || step->mark > RW_MARK_AGED || (step->ref & 3) > RW_RULE_OPPOSITE)
		return refusal("a step with ref %u, op %u, mark %u", step->ref, step->op, step->mark);
	if (step->op >= RW_OP_MAX && step->op <= RW_OP_MIN && !sweep_code_valid(step->code))
		return refusal("timer code %u: not of this geometry", step->code);
	if (step->op >= RW_OP_SET && settings.geometry.cell_bits == 16)
		return refusal("a step that shortens: not with 16-bit cells");
	return NULL;
}

static const char *automata_type_fault(const struct rw_packet_type *type)
{
	if (type->open >= RW_LEARN_LISTS_MAX || type->pickup >= RW_LEARN_LISTS_MAX)
		return refusal("a learn list beyond %d", RW_LEARN_LISTS_MAX - 1);
	for (int i = 0; i < RW_CANDIDATES_MAX; i++) {
		const struct rw_candidate *candidate = &type->candidate[i];

		if (candidate->learn >= RW_LEARN_LISTS_MAX || candidate->learn_alt >= RW_LEARN_LISTS_MAX)
			return refusal("a learn list beyond %d", RW_LEARN_LISTS_MAX - 1);
	}
	return NULL;
}

static const char *automata_fault(const struct rw_automata *automata)
{
	const char *fault = automata_step_fault(&automata->head);

	for (int i = 0; !fault && i < RW_TYPES_MAX; i++)
		fault = automata_type_fault(&automata->type[i]);
	for (int i = 0; !fault && i < RW_LEARN_LISTS_MAX * RW_LEARN_STEPS; i++)
		fault = automata_step_fault(&automata->learn[i / RW_LEARN_STEPS][i % RW_LEARN_STEPS]);
	for (int i = 0; !fault && i < RW_CLASSES * 256; i++)
		if (automata->classify[i / 256][i % 256] >= RW_TYPES_MAX)
			fault = refusal("a packet type beyond %d", RW_TYPES_MAX - 1);
	return fault;
}

static const char *command_load_automata(const uint8_t *body, size_t bytes)
{
	struct rw_automata automata, present;
	const char *fault;
	uint32_t zero = 0;

	(void)bytes;
	memcpy(&automata, body, sizeof(automata));
	fault = automata_fault(&automata);
	if (fault)
		return fault;
	/* rewriting what is there would only show packets half a table */
	if (!bpf_map_lookup_elem(maps.automata, &zero, &present) && !memcmp(&present, &automata, sizeof(present)))
		return NULL;
	return map_update(maps.automata, &zero, &automata, "automata");
}

static const char *client_fault(const struct rw_client *client)
{
	if (client->slot > settings.clients)
		return refusal("slot %u: accepted are 0 to %u (--clients)", client->slot, settings.clients);
	if (client->presence > RW_PRESENCE_HERE || client->flags & ~RW_CLIENT_MONITOR)
		return refusal("presence %u, flags %u: unknown", client->presence, client->flags);
	if (client->from >> settings.mirrors)
		return refusal("from 0x%x: there are %u mirrors", client->from, settings.mirrors);
	for (int i = 0; i < RW_CLIENT_FILTERS; i++)
		if (client->filter[i] >= RW_FILTERS_MAX && client->filter[i] != 0xffff)
			return refusal("filter %u: accepted are 0 to %d and 65535", client->filter[i],
				       RW_FILTERS_MAX - 1);
	return NULL;
}

static const char *command_set_client(const uint8_t *body, size_t bytes)
{
	struct rw_command_set_client command;
	struct rw_client_key key = { 0 };
	struct rw_client client;
	const char *fault;

	memcpy(&command, body, bytes);
	memcpy(key.mac, command.mac, sizeof(key.mac));
	memcpy(&client, command.record, sizeof(client));
	fault = client_fault(&client);
	return fault ? fault : map_update(maps.clients, &key, &client, "client");
}

static const char *command_delete_client(const uint8_t *body, size_t bytes)
{
	struct rw_command_delete_client command;
	struct rw_client_key key = { 0 };

	memcpy(&command, body, bytes);
	memcpy(key.mac, command.mac, sizeof(key.mac));
	if (bpf_map_delete_elem(maps.clients, &key) && errno != ENOENT)
		return strerror(errno);
	return NULL;
}

/* --- filters --- */

static const char *filter_fault(const struct rw_command_set_filter *filter, size_t data_bytes)
{
	if (filter->id >= RW_FILTERS_MAX)
		return refusal("filter %u: accepted are 0 to %d", filter->id, RW_FILTERS_MAX - 1);
	if (!filter->bits || filter->bits % 64 || filter->bits > 1u << 27)
		return refusal("%u bits: accepted are multiples of 64 up to 134217728", filter->bits);
	if (data_bytes != filter->bits / 8)
		return refusal("%zu bytes of bits: %u bits are %u bytes", data_bytes, filter->bits, filter->bits / 8);
	if (!filter->probes || filter->probes > RW_FILTER_PROBES_MAX)
		return refusal("%u probes: accepted are 1 to %d", filter->probes, RW_FILTER_PROBES_MAX);
	if ((filter->out | filter->in) >> RW_TEMPLATES)
		return refusal("templates 0x%x, 0x%x: there are %d", filter->out, filter->in, RW_TEMPLATES);
	return NULL;
}

static bool filter_is_there(const struct rw_command_set_filter *command, const uint8_t *data)
{
	struct rw_filter now;

	return !bpf_map_lookup_elem(maps.filters, &command->id, &now) && now.bits == command->bits &&
	       now.seed == command->seed && now.probes == command->probes && now.out == command->out &&
	       now.in == command->in && !memcmp(maps.filter_bits + now.base * 8ull, data, command->bits / 8);
}

/* The new bits go to a place of their own, then the record points there: a packet sees the old or the new. */
static const char *command_set_filter(const uint8_t *body, size_t bytes)
{
	struct rw_command_set_filter command;
	struct rw_filter filter = { 0 };
	const char *fault;

	memcpy(&command, body, sizeof(command));
	body += sizeof(command);
	fault = filter_fault(&command, bytes - sizeof(command));
	if (fault)
		return fault;
	if (filter_is_there(&command, body))
		return NULL;
	if (!arena_allocate(command.bits / 64, command.id, &filter.base))
		return refusal("filter %u: no room for %u bytes in %llu (--filter-memory)", command.id,
			       command.bits / 8, settings.filter_words * 8ull);
	memcpy(maps.filter_bits + filter.base * 8ull, body, command.bits / 8);
	filter.bits = command.bits;
	filter.seed = command.seed;
	filter.probes = command.probes;
	filter.out = command.out;
	filter.in = command.in;
	fault = map_update(maps.filters, &command.id, &filter, "filter");
	arena_retire(command.id, fault ? UINT32_MAX : filter.base);
	return fault;
}

static const char *command_delete_filter(const uint8_t *body, size_t bytes)
{
	struct rw_command_delete_filter command;
	struct rw_filter none = { 0 };
	const char *fault;

	memcpy(&command, body, bytes);
	if (command.id >= RW_FILTERS_MAX)
		return refusal("filter %u: accepted are 0 to %d", command.id, RW_FILTERS_MAX - 1);
	fault = map_update(maps.filters, &command.id, &none, "filter");
	if (!fault)
		arena_retire(command.id, UINT32_MAX);
	return fault;
}

/* --- whole sets --- */

static int zone_key_order(const void *left, const void *right)
{
	return memcmp(left, right, sizeof(struct rw_zone_key));
}

static void zones_prune(const struct rw_zone_key *wanted, size_t count)
{
	struct rw_zone_key key, next;
	bool more = !bpf_map_get_next_key(maps.zones, NULL, &next);

	while (more) {
		key = next;
		more = !bpf_map_get_next_key(maps.zones, &key, &next);
		if (!bsearch(&key, wanted, count, sizeof(key), zone_key_order))
			bpf_map_delete_elem(maps.zones, &key);
	}
}

static const char *command_set_zones(const uint8_t *body, size_t bytes)
{
	size_t count = bytes / sizeof(struct rw_command_set_zones);
	struct rw_zone_key *keys;
	const char *fault = NULL;

	if (count > ZONES_MAX)
		return refusal("%zu prefixes: accepted are %d", count, ZONES_MAX);
	keys = calloc(count + 1, sizeof(*keys));
	if (!keys)
		return "out of memory";
	for (size_t i = 0; !fault && i < count; i++) {
		struct rw_command_set_zones entry;

		memcpy(&entry, body + i * sizeof(entry), sizeof(entry));
		keys[i].prefix_bits = entry.prefix_bits;
		memcpy(keys[i].address, entry.address, sizeof(entry.address));
		if (entry.prefix_bits > 128 || entry.zone >= RW_ZONE_GROUP)
			fault = refusal("prefix /%u, zone %u: accepted are /0 to /128, zones below %d",
					entry.prefix_bits, entry.zone, RW_ZONE_GROUP);
		else
			fault = map_update(maps.zones, &keys[i], &entry.zone, "zones");
	}
	if (!fault) {
		qsort(keys, count, sizeof(*keys), zone_key_order);
		zones_prune(keys, count);
	}
	free(keys);
	return fault;
}

static const char *command_set_services(const uint8_t *body, size_t bytes)
{
	static uint16_t classes[65536];

	memset(classes, 0, sizeof(classes));
	for (size_t at = 0; at < bytes; at += sizeof(struct rw_command_set_services)) {
		struct rw_command_set_services entry;

		memcpy(&entry, body + at, sizeof(entry));
		classes[entry.port] = entry.service;
	}
	for (size_t port = 0; port < ARRAY_SIZE(classes); port++)
		*(volatile uint16_t *)&maps.services[port] = classes[port];
	return NULL;
}

static const char *command_set_options(const uint8_t *body, size_t bytes)
{
	struct rw_command_set_options command;

	memcpy(&command, body, bytes);
	if (command.mode > RW_MODE_MONITOR)
		return refusal("mode %u: accepted are 0 (enforce) and 1 (monitor)", command.mode);
	if (command.hold_ms > HOLD_MAX_MS || !command.flush_ms || command.flush_ms > FLUSH_MAX_MS)
		return refusal("hold %u ms, flush %u ms: accepted are 0 to %d and 1 to %d", command.hold_ms,
			       command.flush_ms, HOLD_MAX_MS, FLUSH_MAX_MS);
	sweep_set_options(&command);
	return NULL;
}

/* --- mirrors and the own table --- */

static const char *mirror_fault(uint32_t mirror)
{
	if (mirror < settings.mirrors)
		return NULL;
	return refusal("mirror %u: accepted are 0 to %u", mirror, settings.mirrors - 1);
}

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

static const char *slot_fault(uint32_t slot)
{
	if (slot <= settings.clients || slot == RW_SLOT_SHARED)
		return NULL;
	return refusal("slot %u: accepted are 0 to %u (--clients), and %d", slot, settings.clients, RW_SLOT_SHARED);
}

static const char *command_adopt(const uint8_t *body, size_t bytes)
{
	const struct geometry *g = &settings.geometry;
	struct rw_command_adopt command;
	uint32_t left_out = 0;
	const char *fault;

	memcpy(&command, body, sizeof(command));
	fault = slot_fault(command.slot);
	if (!fault && command.mark > RW_MARK_AGED)
		fault = refusal("mark %u: unknown", command.mark);
	for (size_t at = sizeof(command); !fault && at < bytes; at += sizeof(struct rw_adopted)) {
		struct rw_adopted entry;

		memcpy(&entry, body + at, sizeof(entry));
		if (entry.x >> (g->bucket_bits + g->remainder_bits) || !sweep_code_valid(entry.code))
			fault = refusal("x 0x%llx, code %u: not of this geometry", (unsigned long long)entry.x,
					entry.code);
		else
			left_out += !sweep_adopt(entry.x, entry.code, command.slot, command.mark);
	}
	if (!fault && left_out)
		fault = refusal("%u expectations found no free cell", left_out);
	return fault;
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

static const char *command_flush_held(const uint8_t *body, size_t bytes)
{
	struct rw_command_flush_held command;
	const char *fault;

	memcpy(&command, body, bytes);
	fault = slot_fault(command.slot);
	if (!fault)
		sweep_flush_held(command.slot);
	return fault;
}

/* --- questions --- */

static const char *command_dump(const uint8_t *body, size_t bytes)
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

/* In parts: a whole table can be more than the agent reads at once. Commands after it wait until it is done. */
static void dump_run(void)
{
	while (dump_at < dump_end && out_room())
		sweep_dump(dump_at++, cells_report);
	cells_send();
}

static struct rw_client_counters counters_of(uint32_t slot)
{
	struct rw_client_counters sum = { 0 }, *parts = calloc(maps_cpus(), sizeof(*parts));

	if (parts && !bpf_map_lookup_elem(maps.client_counters, &slot, parts))
		for (unsigned int cpu = 0; cpu < maps_cpus(); cpu++) {
			sum.passed += parts[cpu].passed;
			sum.denied += parts[cpu].denied;
			sum.bytes += parts[cpu].bytes;
		}
	free(parts);
	return sum;
}

static const char *command_dump_clients(const uint8_t *body, size_t bytes)
{
	struct rw_client_key key, next;
	bool more = !bpf_map_get_next_key(maps.clients, NULL, &next);

	(void)body;
	(void)bytes;
	sweep_used();
	while (more) {
		struct rw_event_client event = { 0 };
		struct rw_client_counters counters;
		struct rw_client client;

		key = next;
		more = !bpf_map_get_next_key(maps.clients, &key, &next);
		if (bpf_map_lookup_elem(maps.clients, &key, &client))
			continue;
		counters = counters_of(client.slot);
		memcpy(event.mac, key.mac, sizeof(event.mac));
		memcpy(event.record, &client, sizeof(client));
		event.passed = counters.passed;
		event.denied = counters.denied;
		event.bytes = counters.bytes;
		event.cells = sweep_used_by(client.slot);
		out_record(RW_EVENT_CLIENT, &event, sizeof(event), NULL, 0);
	}
	return NULL;
}

static uint64_t denied_of(uint32_t reason)
{
	uint64_t sum = 0, *parts = calloc(maps_cpus(), sizeof(*parts));

	if (parts && !bpf_map_lookup_elem(maps.denied_counters, &reason, parts))
		for (unsigned int cpu = 0; cpu < maps_cpus(); cpu++)
			sum += parts[cpu];
	free(parts);
	return sum;
}

static const char *command_counters(const uint8_t *body, size_t bytes)
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
	out_record(RW_EVENT_COUNTERS, &event, sizeof(event), NULL, 0);
	return NULL;
}

static const char *command_sync(const uint8_t *body, size_t bytes)
{
	out_record(RW_EVENT_SYNCED, body, bytes, NULL, 0);
	return NULL;
}

/* --- the stream --- */

/* `item` 0: exactly `fixed` bytes; else any number of items after it. */
static const struct command {
	size_t fixed, item;
	const char *(*run)(const uint8_t *body, size_t bytes);
} commands[] = {
	[RW_COMMAND_LOAD_AUTOMATA] = { sizeof(struct rw_automata), 0, command_load_automata },
	[RW_COMMAND_SET_CLIENT] = { sizeof(struct rw_command_set_client), 0, command_set_client },
	[RW_COMMAND_DELETE_CLIENT] = { sizeof(struct rw_command_delete_client), 0, command_delete_client },
	[RW_COMMAND_SET_FILTER] = { sizeof(struct rw_command_set_filter), 8, command_set_filter },
	[RW_COMMAND_DELETE_FILTER] = { sizeof(struct rw_command_delete_filter), 0, command_delete_filter },
	[RW_COMMAND_SET_ZONES] = { 0, sizeof(struct rw_command_set_zones), command_set_zones },
	[RW_COMMAND_SET_SERVICES] = { 0, sizeof(struct rw_command_set_services), command_set_services },
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
	[RW_COMMAND_SYNC] = { sizeof(struct rw_command_sync), 0, command_sync },
};

static void command_run(uint16_t kind, const uint8_t *body, size_t bytes)
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
		out_refused(kind, fault);
}

static void agent_close(const char *why)
{
	say("agent: %s", why);
	loop_remove(agent_fd);
	close(agent_fd);
	agent_fd = -1;
	in.start = in.end = out.start = out.end = 0;
	discard_bytes = cells_waiting = dump_at = dump_end = 0;
	lost = 0;
}

static size_t command_most_bytes(void)
{
	size_t filter = settings.filter_words * 8ull + 64;

	return filter > COMMAND_LEAST_MAX_BYTES ? filter : COMMAND_LEAST_MAX_BYTES;
}

static bool in_discard(void)
{
	size_t bytes = buffer_bytes(&in) < discard_bytes ? buffer_bytes(&in) : discard_bytes;

	discard_bytes -= bytes;
	buffer_take(&in, bytes);
	return !discard_bytes;
}

/* Returns false when there is no whole command, or none may run now. */
static bool in_run_one(void)
{
	struct rw_stream_header header;

	if (dump_at < dump_end || !out_room() || !in_discard() || buffer_bytes(&in) < sizeof(header))
		return false;
	memcpy(&header, in.data + in.start, sizeof(header));
	if (header.bytes < sizeof(header)) {
		agent_close("a record shorter than its header: closed");
		return false;
	}
	if (header.bytes > command_most_bytes()) {
		char text[96];

		snprintf(text, sizeof(text), "%u bytes: accepted are %zu", header.bytes, command_most_bytes());
		out_refused(header.kind, text);
		discard_bytes = header.bytes;
		return true;
	}
	if (buffer_bytes(&in) < header.bytes)
		return false;
	command_run(header.kind, in.data + in.start + sizeof(header), header.bytes - sizeof(header));
	buffer_take(&in, header.bytes);
	return true;
}

static void out_write(void)
{
	while (agent_fd >= 0 && buffer_bytes(&out)) {
		ssize_t sent = send(agent_fd, out.data + out.start, buffer_bytes(&out), MSG_DONTWAIT | MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && errno != EAGAIN)
			agent_close("gone");
		if (sent < 0)
			return;
		buffer_take(&out, (size_t)sent);
	}
}

static bool in_waits(void)
{
	return dump_at < dump_end || !out_room();
}

/* Runs what can be run, and says when it wants to be called again. */
uint64_t agent_run(uint64_t now)
{
	uint64_t next = NEVER;
	uint32_t want;

	if (agent_fd < 0)
		return NEVER;
	do {
		dump_run();
		while (agent_fd >= 0 && in_run_one())
			;
		out_write();
	} while (agent_fd >= 0 && dump_at < dump_end && out_room());
	if (agent_fd < 0)
		return NEVER;
	next = sweep_flush(now, out_room, cells_report);
	cells_send();
	out_overflow();
	out_write();
	want = (in_waits() ? 0 : EPOLLIN) | (buffer_bytes(&out) ? EPOLLOUT : 0);
	if (agent_fd >= 0 && want != interest)
		loop_change(agent_fd, agent_ready, want);
	interest = want;
	return next;
}

static void agent_ready(uint32_t events)
{
	ssize_t got;

	if (events & EPOLLOUT)
		out_write();
	if (agent_fd < 0 || !(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return;
	if (!buffer_reserve(&in, IN_READ_BYTES)) {
		agent_close("out of memory: closed");
		return;
	}
	got = recv(agent_fd, in.data + in.end, IN_READ_BYTES, MSG_DONTWAIT);
	if (got > 0)
		in.end += (size_t)got;
	else if (!got || (errno != EAGAIN && errno != EINTR))
		agent_close("gone");
}

static void agent_refuse(int fd)
{
	static const char text[] = "another agent is connected";
	struct {
		struct rw_stream_header header;
		struct rw_event_refused body;
		char text[sizeof(text) - 1];
	} __attribute__((packed)) record = {
		.header = { .kind = RW_EVENT_REFUSED, .bytes = sizeof(record) },
	};

	memcpy(record.text, text, sizeof(record.text));
	if (send(fd, &record, sizeof(record), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		say("agent: refused a second one unheard");
	close(fd);
}

/* The one before may have died in this very moment. */
static bool agent_alive(void)
{
	char byte;

	return agent_fd >= 0 && recv(agent_fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) != 0;
}

static void agent_accept(uint32_t events)
{
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (fd < 0)
		return;
	if (agent_alive()) {
		agent_refuse(fd);
		return;
	}
	if (agent_fd >= 0)
		agent_close("gone");
	agent_fd = fd;
	interest = EPOLLIN;
	if (loop_add(fd, agent_ready)) {
		close(fd);
		agent_fd = -1;
		return;
	}
	say("agent: connected");
	out_hello();
	ports_report();
	sweep_reader_came();
}

static void socket_make_parent(void)
{
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	char *slash;

	snprintf(path, sizeof(path), "%s", settings.socket);
	slash = strrchr(path, '/');
	if (!slash || slash == path)
		return;
	*slash = 0;
	if (mkdir(path, 0755) && errno != EEXIST)
		die(EXIT_RUNTIME, "--socket %s: %s: %s", settings.socket, path, strerror(errno));
}

/* Whoever finds the socket may connect at once: it gets its name when it listens. */
void agent_start(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (strlen(settings.socket) + sizeof(".new") > sizeof(address.sun_path))
		die(EXIT_USAGE, "--socket %s: accepted are at most %zu characters", settings.socket,
		    sizeof(address.sun_path) - sizeof(".new"));
	socket_make_parent();
	arena_pick_up();
	strcpy(address.sun_path, settings.socket);
	listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (listen_fd >= 0 && !connect(listen_fd, (struct sockaddr *)&address, sizeof(address)))
		die(EXIT_RUNTIME, "--socket %s: another roamwalld serves it", settings.socket);
	strcat(address.sun_path, ".new");
	unlink(address.sun_path);
	umask(077);
	if (listen_fd < 0 || bind(listen_fd, (struct sockaddr *)&address, sizeof(address)) || listen(listen_fd, 4) ||
	    rename(address.sun_path, settings.socket) || loop_add(listen_fd, agent_accept))
		die(EXIT_RUNTIME, "--socket %s: %s", settings.socket, strerror(errno));
}

void agent_stop(void)
{
	unlink(settings.socket);
}
