// SPDX-License-Identifier: MIT
/* Commands that load what packets are judged by: automata, clients, access lists, zones, services. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "datapath.h"

#define ZONES_MAX 65536

static const char *table_put(enum keyed table, const void *key, const void *value, const char *what)
{
	if (!keyed_put(table, key, value))
		return NULL;
	if (errno == E2BIG || errno == ENOSPC)
		return refusal("%s: the table is full", what);
	return refusal("%s: %s", what, strerror(errno));
}

const char *command_load_automata(const uint8_t *body, size_t bytes)
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
	if (!keyed_get(KEYED_AUTOMATA, &zero, &present) && !memcmp(&present, &automata, sizeof(present)))
		return NULL;
	return table_put(KEYED_AUTOMATA, &zero, &automata, "automata");
}

const char *command_set_client(const uint8_t *body, size_t bytes)
{
	struct rw_command_set_client command;
	struct rw_client_key key = { 0 };
	struct rw_client client;
	const char *fault;

	memcpy(&command, body, bytes);
	memcpy(key.mac, command.mac, sizeof(key.mac));
	memcpy(&client, command.record, sizeof(client));
	fault = client_fault(&client);
	return fault ? fault : table_put(KEYED_CLIENTS, &key, &client, "client");
}

const char *command_delete_client(const uint8_t *body, size_t bytes)
{
	struct rw_command_delete_client command;
	struct rw_client_key key = { 0 };

	memcpy(&command, body, bytes);
	memcpy(key.mac, command.mac, sizeof(key.mac));
	if (keyed_drop(KEYED_CLIENTS, &key) && errno != ENOENT)
		return strerror(errno);
	return NULL;
}

/* --- filters --- */

static bool filter_is_there(const struct rw_command_set_filter *command, const uint8_t *data)
{
	struct rw_filter now;

	return !keyed_get(KEYED_FILTERS, &command->id, &now) && now.bits == command->bits &&
	       now.seed == command->seed && now.probes == command->probes && now.out == command->out &&
	       now.in == command->in && !memcmp(maps.filter_bits + now.base * 8ull, data, command->bits / 8);
}

/* The new bits go to a place of their own, then the record points there: a packet sees the old or the new. */
static const char *filter_store(const struct rw_command_set_filter *command, const uint8_t *data)
{
	struct rw_filter filter = { 0 };
	const char *fault;

	if (filter_is_there(command, data))
		return NULL;
	if (!arena_allocate(command->bits / 64, command->id, &filter.base))
		return refusal("filter %u: no room for %u bytes in %llu (--filter-memory)", command->id,
			       command->bits / 8, settings.filter_words * 8ull);
	memcpy(maps.filter_bits + filter.base * 8ull, data, command->bits / 8);
	filter.bits = command->bits;
	filter.seed = command->seed;
	filter.probes = command->probes;
	filter.out = command->out;
	filter.in = command->in;
	fault = table_put(KEYED_FILTERS, &command->id, &filter, "filter");
	arena_retire(command->id, fault ? UINT32_MAX : filter.base);
	return fault;
}

const char *command_set_filter(const uint8_t *body, size_t bytes)
{
	struct rw_command_set_filter command;
	const char *fault;

	memcpy(&command, body, sizeof(command));
	fault = filter_fault(&command, bytes - sizeof(command));
	return fault ? fault : filter_store(&command, body + sizeof(command));
}

static const char *bits_change(uint8_t *data, uint32_t bits, const uint8_t *changes, size_t bytes)
{
	for (size_t at = 0; at < bytes; at += sizeof(uint32_t)) {
		uint32_t change;

		memcpy(&change, changes + at, sizeof(change));
		if (change >> 1 >= bits)
			return refusal("bit %u: the filter has %u", change >> 1, bits);
		if (change & 1)
			data[change >> 4] |= (uint8_t)(1 << (change >> 1 & 7));
		else
			data[change >> 4] &= (uint8_t)~(1 << (change >> 1 & 7));
	}
	return NULL;
}

/* A filter that differs from one that is there by a few bits: only those travel. */
const char *command_change_filter(const uint8_t *body, size_t bytes)
{
	struct rw_command_change_filter command;
	struct rw_command_set_filter whole = { 0 };
	struct rw_filter from;
	const char *fault;
	uint8_t *data;

	memcpy(&command, body, sizeof(command));
	if (command.from >= RW_FILTERS_MAX || keyed_get(KEYED_FILTERS, &command.from, &from) || !from.bits)
		return refusal("filter %u: filter %u, of which it is made, is not there", command.id, command.from);
	whole.id = command.id;
	whole.bits = from.bits;
	whole.seed = from.seed;
	whole.probes = from.probes;
	whole.out = command.out;
	whole.in = command.in;
	fault = filter_fault(&whole, from.bits / 8);
	if (fault)
		return fault;
	data = malloc(from.bits / 8);
	if (!data)
		return "out of memory";
	memcpy(data, maps.filter_bits + from.base * 8ull, from.bits / 8);
	fault = bits_change(data, from.bits, body + sizeof(command), bytes - sizeof(command));
	if (!fault)
		fault = filter_store(&whole, data);
	free(data);
	return fault;
}

const char *command_delete_filter(const uint8_t *body, size_t bytes)
{
	struct rw_command_delete_filter command;
	struct rw_filter none = { 0 };
	const char *fault;

	memcpy(&command, body, bytes);
	if (command.id >= RW_FILTERS_MAX)
		return refusal("filter %u: accepted are 0 to %d", command.id, RW_FILTERS_MAX - 1);
	fault = table_put(KEYED_FILTERS, &command.id, &none, "filter");
	if (!fault)
		arena_retire(command.id, UINT32_MAX);
	return fault;
}

/* --- whole sets, by generation --- */

static const char *generation_take(const uint8_t *body, uint32_t *generation)
{
	memcpy(generation, body, sizeof(*generation));
	return *generation > 1 ? refusal("generation %u: accepted are 0 and 1", *generation) : NULL;
}

static int zone_key_order(const void *left, const void *right)
{
	return memcmp(left, right, sizeof(struct rw_zone_key));
}

static void zones_prune(enum keyed table, const struct rw_zone_key *wanted, size_t count)
{
	struct rw_zone_key key, next;
	bool more = !keyed_next(table, NULL, &next);

	while (more) {
		key = next;
		more = !keyed_next(table, &key, &next);
		if (!bsearch(&key, wanted, count, sizeof(key), zone_key_order))
			keyed_drop(table, &key);
	}
}

/* What lies behind the prefix is no part of the key. */
static const char *zone_put(enum keyed table, struct rw_zone_key *key, uint32_t zone)
{
	for (uint32_t bit = key->prefix_bits; bit < 128; bit++)
		key->address[bit / 8] &= (uint8_t)~(0x80 >> bit % 8);
	return table_put(table, key, &zone, "zones");
}

static const char *zones_put(enum keyed table, const uint8_t *body, struct rw_zone_key *keys, size_t count)
{
	const char *fault = NULL;

	for (size_t i = 0; !fault && i < count; i++) {
		struct rw_zone_entry entry;

		memcpy(&entry, body + i * sizeof(entry), sizeof(entry));
		keys[i].prefix_bits = entry.prefix_bits;
		memcpy(keys[i].address, entry.address, sizeof(entry.address));
		if (entry.prefix_bits > 128 || entry.zone >= RW_ZONE_GROUP)
			fault = refusal("prefix /%u, zone %u: accepted are /0 to /128, zones below %d",
					entry.prefix_bits, entry.zone, RW_ZONE_GROUP);
		else
			fault = zone_put(table, &keys[i], entry.zone);
	}
	return fault;
}

/* Records of this generation were replaced a moment ago: who still reads it has one of those. */
const char *command_set_zones(const uint8_t *body, size_t bytes)
{
	size_t count = (bytes - sizeof(struct rw_command_set_zones)) / sizeof(struct rw_zone_entry);
	struct rw_zone_key *keys;
	uint32_t generation;
	const char *fault = generation_take(body, &generation);
	enum keyed table;

	if (fault)
		return fault;
	if (count > ZONES_MAX)
		return refusal("%zu prefixes: accepted are %d", count, ZONES_MAX);
	table = generation ? KEYED_ZONES_1 : KEYED_ZONES;
	keys = calloc(count + 1, sizeof(*keys));
	if (!keys)
		return "out of memory";
	readers_leave();
	fault = zones_put(table, body + sizeof(struct rw_command_set_zones), keys, count);
	if (!fault) {
		qsort(keys, count, sizeof(*keys), zone_key_order);
		zones_prune(table, keys, count);
	}
	free(keys);
	return fault;
}

const char *command_set_services(const uint8_t *body, size_t bytes)
{
	static uint16_t classes[65536];
	uint32_t generation;
	const char *fault = generation_take(body, &generation);

	if (fault)
		return fault;
	memset(classes, 0, sizeof(classes));
	for (size_t at = sizeof(struct rw_command_set_services); at < bytes; at += sizeof(struct rw_service_entry)) {
		struct rw_service_entry entry;

		memcpy(&entry, body + at, sizeof(entry));
		classes[entry.port] = entry.service;
	}
	for (size_t port = 0; port < ARRAY_SIZE(classes); port++) {
		struct rw_service *service = (struct rw_service *)(maps.services + port * maps.service_stride);

		*(volatile uint16_t *)&service->of[generation] = classes[port];
	}
	return NULL;
}
