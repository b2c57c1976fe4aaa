/* SPDX-License-Identifier: MIT */
/*
 * The routine's tables in plain memory, and the records that fill them. Numbers of a record are little endian: `native` puts
 * them into this machine's order first. For vectors.c.
 */
#ifndef ROAMWALL_VECTOR_TABLES_H
#define ROAMWALL_VECTOR_TABLES_H

#include "../routine.c"
#include "records.h"

struct shape {
	u32 bucket_bits, remainder_bits, mirrors, slots, seeds[4];
};

#define CELLS_MAX (1 << 15)
#define MIRRORS_MAX 3
#define SLOTS_MAX 64
#define ENTRIES_MAX 256

static u64 table[CELLS_MAX / 2], mirror[MIRRORS_MAX * CELLS_MAX / 2], used[SLOTS_MAX], denied[RW_COUNTERS];
static u64 filter_bits[FILTERS * FILTER_WORDS];
static u16 owner[CELLS_MAX];
static struct rw_service services[65536];
static u8 dirty[CELLS_MAX / RW_DIRTY_CELLS], opener[CELLS_MAX];
static struct rw_half_open half_open[SLOTS_MAX];
static struct rw_ctl ctl;
static struct rw_automata automata;
static struct rw_windows windows[SLOTS_MAX];
static struct rw_filter filters[RW_FILTERS_MAX];
static struct rw_client_counters counters[SLOTS_MAX];
static u32 zone_lengths[RW_PREFIX_LENGTHS];
/* as much as a keyed table of so many entries with the longest key and value takes */
static u64 keyed[6][(40 + ENTRIES_MAX * (4 + 8 + 20 + sizeof(struct rw_client))) / 8];
static u32 cells;

struct rw_memory rw_memory;
struct rw_shape rw_shape;

/* --- numbers of the file in this machine's order; `fields`: the bytes of each --- */

static void native(void *record, const char *fields)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	u8 *at = record;

	for (; *fields; fields++) {
		u32 bytes = *fields - '0', i;

		for (i = 0; i < bytes / 2; i++) {
			u8 other = at[i];

			at[i] = at[bytes - 1 - i];
			at[bytes - 1 - i] = other;
		}
		at += bytes;
	}
#else
	(void)record, (void)fields;
#endif
}

static struct rw_keyed *keyed_table(u32 number, u32 key_bytes, u32 value_bytes)
{
	struct rw_keyed *t = (struct rw_keyed *)keyed[number];

	__builtin_memset(keyed[number], 0, sizeof(keyed[number]));
	rw_keyed_begin(t, ENTRIES_MAX, key_bytes, value_bytes, 1);
	return t;
}

static void table_put(struct rw_keyed *t, const void *key, const void *value)
{
	void *place = rw_keyed_insert(t, key);

	if (place)
		__builtin_memcpy(place, value, t->value_bytes);
}

static void keyed_tables(void)
{
	rw_memory.clients = keyed_table(0, sizeof(struct rw_client_key), sizeof(struct rw_client));
	rw_memory.ports = keyed_table(1, 4, sizeof(struct rw_port));
	rw_memory.own_macs = keyed_table(2, sizeof(struct rw_client_key), 4);
	rw_memory.local_addrs = keyed_table(3, 16, 4);
	rw_memory.zones = keyed_table(4, sizeof(struct rw_zone_key), 4);
	rw_memory.zones_1 = keyed_table(5, sizeof(struct rw_zone_key), 4);
}

static void reset(void)
{
	__builtin_memset(table, 0, sizeof(table));
	__builtin_memset(mirror, 0, sizeof(mirror));
	__builtin_memset(owner, 0, sizeof(owner));
	__builtin_memset(opener, 0, sizeof(opener));
	__builtin_memset(half_open, 0, sizeof(half_open));
	__builtin_memset(used, 0, sizeof(used));
	__builtin_memset(windows, 0, sizeof(windows));
	__builtin_memset(filters, 0, sizeof(filters));
	__builtin_memset(services, 0, sizeof(services));
	__builtin_memset(zone_lengths, 0, sizeof(zone_lengths));
	__builtin_memset(&automata, 0, sizeof(automata));
	__builtin_memset(&ctl, 0, sizeof(ctl));
	keyed_tables();
}

static void set_shape(struct shape *shape)
{
	u32 i;

	native(shape, "44444444");
	rw_shape.bucket_bits = shape->bucket_bits;
	rw_shape.remainder_bits = shape->remainder_bits;
	rw_shape.wide = shape->remainder_bits != 12;
	rw_shape.tick_bits = rw_shape.wide ? 5 : 3;
	cells = 32u << shape->bucket_bits;
	for (i = 0; i < 4; i++)
		rw_memory.seeds[i] = shape->seeds[i];
	rw_memory.mirrors = shape->mirrors;
	rw_memory.slots = shape->slots;
	rw_memory.filter_words = FILTERS * FILTER_WORDS;
	rw_memory.table = table;
	rw_memory.mirror = mirror;
	rw_memory.owner = owner;
	rw_memory.dirty = dirty;
	rw_memory.opener = opener;
	rw_memory.half_open = half_open;
	rw_memory.ctl = &ctl;
	rw_memory.automata = &automata;
	rw_memory.windows = windows;
	rw_memory.used = used;
	rw_memory.filters = filters;
	rw_memory.filter_bits = (u8 *)filter_bits;
	rw_memory.services = services;
	rw_memory.client_counters = counters;
	rw_memory.denied_counters = denied;
	rw_memory.zone_lengths = zone_lengths;
	keyed_tables();
}

static void set_cell(void *rows, u32 at, u32 cell)
{
	if (rw_shape.wide)
		((u32 *)rows)[at] = cell;
	else
		((u16 *)rows)[at] = (u16)cell;
}

static void set_filter(u8 *body, u32 bytes)
{
	struct rw_command_set_filter *of = (struct rw_command_set_filter *)body;

	native(of, "4442222");
	if (of->id >= FILTERS || bytes - sizeof(*of) > FILTER_WORDS * 8)
		return;
	filters[of->id] = filter_of(of);
	__builtin_memcpy(&filter_bits[filters[of->id].base], body + sizeof(*of), bytes - sizeof(*of));
}

/* Lengths of prefixes that have gone stay: looks for them find nothing. */
static void set_zones(u8 *body, u32 bytes)
{
	struct rw_zone_entry *of = (struct rw_zone_entry *)(body + 4);
	struct rw_keyed **zones;

	native(body, "4");
	zones = *(u32 *)body ? &rw_memory.zones_1 : &rw_memory.zones;
	*zones = keyed_table(*(u32 *)body ? 5 : 4, sizeof(struct rw_zone_key), 4);
	for (bytes -= 4; bytes >= sizeof(*of); bytes -= sizeof(*of), of++) {
		struct rw_zone_key key;

		native(&of->prefix_bits, "44");
		key.prefix_bits = of->prefix_bits;
		__builtin_memcpy(key.address, of->address, sizeof(key.address));
		rw_zone_key_mask(&key);
		zone_lengths[key.prefix_bits]++;
		table_put(*zones, &key, &of->zone);
	}
}

static void set_services(u8 *body, u32 bytes)
{
	struct rw_service_entry *of = (struct rw_service_entry *)(body + 4);
	u32 generation, port;

	native(body, "4");
	generation = *(u32 *)body & 1;
	for (port = 0; port < 65536; port++)
		services[port].of[generation] = 0;
	for (bytes -= 4; bytes >= sizeof(*of); bytes -= sizeof(*of), of++) {
		native(of, "22");
		services[of->port].of[generation] = of->service;
	}
}

static void set_local(u8 *body, u32 bytes)
{
	u32 one = 1;

	rw_memory.local_addrs = keyed_table(3, 16, 4);
	for (; bytes >= 16; bytes -= 16, body += 16)
		table_put(rw_memory.local_addrs, body, &one);
}

static void set_client(u8 *body)
{
	native(body + 8, "2112222422" "22");
	table_put(rw_memory.clients, body, body + 8);
}

static void set_port(u8 *body)
{
	native(body, "422");
	table_put(rw_memory.ports, body, body + 4);
}

static void set_used(u8 *body)
{
	u32 *of = (u32 *)body;

	native(body, "44");
	__builtin_memcpy(&used[of[0]], &of[1], 4);
}

static void set_cells(u8 *body, u32 bytes)
{
	struct rw_event_cells *of = (struct rw_event_cells *)body;

	for (; bytes >= sizeof(*of); bytes -= sizeof(*of), of++) {
		native(of, "4422");
		set_cell(table, of->coordinate, of->cell);
		owner[of->coordinate] = of->owner;
	}
}

static void mirror_cells(u8 *body, u32 bytes)
{
	u32 number;

	native(body, "4");
	number = *(u32 *)body;
	for (body += 4, bytes -= 4; bytes >= 8; bytes -= 8, body += 8) {
		native(body, "44");
		set_cell(mirror, number * cells + ((u32 *)body)[0], ((u32 *)body)[1]);
	}
}

static void set_half_open(u8 *body)
{
	u32 i;

	__builtin_memcpy(opener, body, cells);
	__builtin_memcpy(half_open, body + cells, rw_memory.slots * sizeof(*half_open));
	for (i = 0; i < rw_memory.slots; i++)
		native(&half_open[i], "44");
}

#endif
