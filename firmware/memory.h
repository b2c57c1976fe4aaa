/* SPDX-License-Identifier: MIT */
/*
 * The routines' environment in plain memory, for user space: each map of sfr.bpf.c is an array here, or a keyed table.
 * One thread: cells are stored plainly. Needs no library but memcpy, memset and memcmp.
 */
#ifndef ROAMWALL_MEMORY_H
#define ROAMWALL_MEMORY_H

#include "keyed.h"

enum { rw_atomics = 0 };
extern struct rw_shape rw_shape;

#include "sfr.h"

#define RW_PREFIX_LENGTHS 129

struct rw_memory {
	u32 seeds[4];
	u32 mirrors, slots, filter_words;
	void *table, *mirror;
	u16 *owner;
	u8 *dirty;
	struct rw_ctl *ctl;
	struct rw_automata *automata;
	struct rw_windows *windows;
	u64 *used;
	u8 *opener;
	struct rw_half_open *half_open;
	struct rw_filter *filters;
	u8 *filter_bits;
	struct rw_service *services;
	struct rw_client_counters *client_counters;
	u64 *denied_counters;
	struct rw_keyed *clients, *ports, *own_macs, *local_addrs, *zones, *zones_1;
	u32 *zone_lengths; /* how many prefixes of each length there are, of either generation */
};

extern struct rw_memory rw_memory;
/* Who includes this says what becomes of events. */
void rw_memory_event(const struct rw_ring_event *event, u32 bytes);

rw_inline u32 rw_seed(u32 index)
{
	return rw_memory.seeds[index];
}

rw_inline struct rw_port rw_port_of(u32 ifindex)
{
	const struct rw_port *port = rw_keyed_lookup(rw_memory.ports, &ifindex);
	struct rw_port none = {};

	return port ? *port : none;
}

rw_inline const struct rw_filter *rw_filter_lookup(u32 id)
{
	return id < RW_FILTERS_MAX ? &rw_memory.filters[id] : 0;
}

rw_inline const u8 *rw_filter_word(u32 index)
{
	return index < rw_memory.filter_words ? rw_memory.filter_bits + (unsigned long)index * 8 : 0;
}

/* IPv4 is looked up as ::ffff:a.b.c.d. */
rw_inline void rw_mapped_address(u32 *to, u32 family, const u32 *from)
{
	u32 i;

	for (i = 0; i < 4; i++)
		to[i] = rw_be32(family == 6 ? from[i] : i == 2 ? 0xffff : i == 3 ? from[0] : 0);
}

/* Zeroes what lies behind the prefix. */
rw_inline void rw_zone_key_mask(struct rw_zone_key *key)
{
	u32 i;

	for (i = 0; i < 16; i++) {
		if (key->prefix_bits <= i * 8)
			key->address[i] = 0;
		else if (key->prefix_bits < i * 8 + 8)
			key->address[i] &= 0xff00 >> (key->prefix_bits - i * 8);
	}
}

/* The longest prefix that holds the peer: one look for each length that is in use. */
static inline u32 rw_zone_lookup(const struct rw_packet *p, u32 generation)
{
	const struct rw_keyed *zones = generation ? rw_memory.zones_1 : rw_memory.zones;
	struct rw_zone_key key;
	u32 address[4], length, *zone;

	rw_mapped_address(address, p->family, p->peer);
	__builtin_memcpy(key.address, address, 16);
	for (length = RW_PREFIX_LENGTHS; length-- > 0;) {
		if (!rw_memory.zone_lengths[length])
			continue;
		key.prefix_bits = length;
		rw_zone_key_mask(&key);
		zone = rw_keyed_lookup(zones, &key);
		if (zone)
			return *zone;
	}
	return 0;
}

rw_inline u32 rw_service_lookup(u32 port, u32 generation)
{
	return rw_memory.services[port & 0xffff].of[generation & 1];
}

/* Rows of 8 cells of 32 or 16 bits. */
rw_inline u8 *rw_row_of(void *rows, u32 index)
{
	return (u8 *)rows + (unsigned long)index * (rw_shape.wide ? 32 : 16);
}

rw_inline void *rw_table_row(u32 index)
{
	return rw_row_of(rw_memory.table, index);
}

rw_inline void *rw_mirror_row(u32 k, u32 index)
{
	return k < rw_memory.mirrors ? rw_row_of(rw_memory.mirror, k << (rw_shape.bucket_bits + 2) | index) : 0;
}

rw_inline u16 *rw_owner_row(u32 index)
{
	return rw_memory.owner + (unsigned long)index * RW_BUCKET_CELLS;
}

/* Read once for many packets, by who hands them over. */
rw_inline u64 rw_now(const struct rw_ctl *ctl)
{
	return ctl->test_now;
}

rw_inline struct rw_windows *rw_windows_of(u32 slot)
{
	return slot < rw_memory.slots ? &rw_memory.windows[slot] : 0;
}

rw_inline u32 rw_used_by(u32 slot)
{
	return slot < rw_memory.slots ? (u32) * (const u32 *)&rw_memory.used[slot] : ~0u;
}

rw_inline struct rw_half_open *rw_half_open_of(u32 slot)
{
	return slot < rw_memory.slots ? &rw_memory.half_open[slot] : 0;
}

rw_inline u8 *rw_opener_row(u32 index)
{
	return rw_memory.opener + (unsigned long)index * RW_BUCKET_CELLS;
}

rw_inline const struct rw_client *rw_client_lookup(const struct rw_client_key *key)
{
	return rw_keyed_lookup(rw_memory.clients, key);
}

rw_inline int rw_is_local_address(const u32 address[4])
{
	return rw_keyed_find(rw_memory.local_addrs, address) != 0;
}

rw_inline int rw_is_local(const struct rw_packet *p)
{
	u32 address[4];

	rw_mapped_address(address, p->family, p->destination);
	return rw_is_local_address(address);
}

rw_inline const struct rw_automata *rw_automata(void)
{
	return rw_memory.automata;
}

rw_inline void rw_count(u32 index)
{
	rw_memory.denied_counters[index & (RW_COUNTERS - 1)]++;
}

rw_inline void rw_count_client(u32 slot, u32 passed, u32 denied, u32 bytes)
{
	struct rw_client_counters *counters;

	if (slot >= rw_memory.slots)
		return;
	counters = &rw_memory.client_counters[slot];
	counters->passed += passed;
	counters->denied += denied;
	counters->bytes += bytes;
}

rw_inline void rw_emit(const struct rw_ring_event *event, u32 bytes)
{
	rw_memory_event(event, bytes);
}

rw_inline void rw_dirty_set(u32 coordinate)
{
	struct rw_ring_event wake = { .kind = RW_RING_WAKE };

	rw_memory.dirty[coordinate / RW_DIRTY_CELLS] = 1;
	if (rw_memory.ctl->armed) {
		rw_memory.ctl->armed = 0;
		rw_emit(&wake, sizeof(wake));
	}
}

#endif
