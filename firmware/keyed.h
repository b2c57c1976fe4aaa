/* SPDX-License-Identifier: MIT */
/*
 * A table by key in plain memory of a fixed size: chains of entries, so that entries stay where they are. Its place in
 * memory may change from run to run: nothing in it is a pointer.
 */
#ifndef ROAMWALL_KEYED_H
#define ROAMWALL_KEYED_H

#include "hash.h"

#define RW_KEY_BYTES_MAX 32

/* `free`, and a chain's links: number of an entry + 1, 0 = none. Then come the heads of chains, then the entries. */
struct rw_keyed {
	u32 limit, buckets;
	u32 key_bytes, value_bytes; /* multiples of four */
	u32 seed;
	u32 count, fresh, free;
	u32 words[];
};

struct rw_keyed_entry {
	u32 link, used;
	u32 words[]; /* key, value */
};

rw_inline u32 rw_keyed_entry_bytes(u32 key_bytes, u32 value_bytes)
{
	return (u32)sizeof(struct rw_keyed_entry) + key_bytes + value_bytes;
}

/* At least as many as `limit`, a power of two. */
rw_inline u32 rw_keyed_buckets(u32 limit)
{
	u32 buckets = 16;

	while (buckets < limit)
		buckets *= 2;
	return buckets;
}

rw_inline u32 rw_keyed_bytes(u32 limit, u32 key_bytes, u32 value_bytes)
{
	return (u32)sizeof(struct rw_keyed) + rw_keyed_buckets(limit) * 4 +
	       limit * rw_keyed_entry_bytes(key_bytes, value_bytes);
}

/* The memory is zero. `seed`: strangers must not choose who shares a chain. */
rw_inline void rw_keyed_begin(struct rw_keyed *t, u32 limit, u32 key_bytes, u32 value_bytes, u32 seed)
{
	t->limit = limit;
	t->buckets = rw_keyed_buckets(limit);
	t->key_bytes = key_bytes;
	t->value_bytes = value_bytes;
	t->seed = seed;
}

static inline struct rw_keyed_entry *rw_keyed_at(const struct rw_keyed *t, u32 number)
{
	u32 bytes = rw_keyed_entry_bytes(t->key_bytes, t->value_bytes);

	return (struct rw_keyed_entry *)((u8 *)(t->words + t->buckets) + number * bytes);
}

static inline void *rw_keyed_value(const struct rw_keyed *t, struct rw_keyed_entry *entry)
{
	return (u8 *)entry->words + t->key_bytes;
}

static inline u32 *rw_keyed_head(const struct rw_keyed *t, const void *key)
{
	u32 i, h = t->seed + XXH_5, word;

	for (i = 0; i < t->key_bytes; i += 4) {
		__builtin_memcpy(&word, (const u8 *)key + i, 4);
		h = rw_rotl(h + word * XXH_3, 17) * XXH_4;
	}
	h ^= h >> 15;
	h *= XXH_2;
	h ^= h >> 13;
	return (u32 *)t->words + (h & (t->buckets - 1));
}

/* Number of the entry + 1; 0: there is none. */
static inline u32 rw_keyed_find(const struct rw_keyed *t, const void *key)
{
	u32 link = *rw_keyed_head(t, key);

	while (link) {
		const struct rw_keyed_entry *entry = rw_keyed_at(t, link - 1);

		if (!__builtin_memcmp(entry->words, key, t->key_bytes))
			return link;
		link = entry->link;
	}
	return 0;
}

static inline void *rw_keyed_lookup(const struct rw_keyed *t, const void *key)
{
	u32 link = rw_keyed_find(t, key);

	return link ? rw_keyed_value(t, rw_keyed_at(t, link - 1)) : 0;
}

/* The value's place, a new one zeroed; NULL: full. */
static inline void *rw_keyed_insert(struct rw_keyed *t, const void *key)
{
	u32 link = rw_keyed_find(t, key), *head = rw_keyed_head(t, key);
	struct rw_keyed_entry *entry;

	if (link)
		return rw_keyed_value(t, rw_keyed_at(t, link - 1));
	if (t->free) {
		link = t->free;
		t->free = rw_keyed_at(t, link - 1)->link;
	} else if (t->fresh < t->limit) {
		link = ++t->fresh;
	} else {
		return 0;
	}
	entry = rw_keyed_at(t, link - 1);
	__builtin_memset(entry, 0, rw_keyed_entry_bytes(t->key_bytes, t->value_bytes));
	__builtin_memcpy(entry->words, key, t->key_bytes);
	rw_forget();
	entry->used = 1;
	entry->link = *head;
	*head = link;
	t->count++;
	return rw_keyed_value(t, entry);
}

/* Returns 0 if there was none. */
static inline int rw_keyed_drop(struct rw_keyed *t, const void *key)
{
	u32 *link = rw_keyed_head(t, key), gone;

	while (*link && __builtin_memcmp(rw_keyed_at(t, *link - 1)->words, key, t->key_bytes))
		link = &rw_keyed_at(t, *link - 1)->link;
	gone = *link;
	if (!gone)
		return 0;
	*link = rw_keyed_at(t, gone - 1)->link;
	rw_keyed_at(t, gone - 1)->used = 0;
	rw_keyed_at(t, gone - 1)->link = t->free;
	t->free = gone;
	t->count--;
	return 1;
}

/* The entry after the one with this key, in the order of their places; of no key, or one that is gone: the first. */
static inline struct rw_keyed_entry *rw_keyed_next(const struct rw_keyed *t, const void *key)
{
	u32 number = key ? rw_keyed_find(t, key) : 0;

	for (; number < t->fresh; number++)
		if (rw_keyed_at(t, number)->used)
			return rw_keyed_at(t, number);
	return 0;
}

/* After a process that died within a change: chains and free entries anew, from the entries in use. */
static inline void rw_keyed_mend(struct rw_keyed *t)
{
	u32 number;

	if (t->fresh > t->limit)
		t->fresh = t->limit;
	__builtin_memset(t->words, 0, t->buckets * 4);
	t->count = t->free = 0;
	for (number = t->fresh; number-- > 0;) {
		struct rw_keyed_entry *entry = rw_keyed_at(t, number);
		u32 *link = entry->used ? rw_keyed_head(t, entry->words) : &t->free;

		entry->link = *link;
		*link = number + 1;
		t->count += entry->used != 0;
	}
}

#endif
