/* SPDX-License-Identifier: MIT */
/* The routines of dlcbf.h over the mapped tables, for roamwalld's own changes of cells; and between the files of the sweep. */
#ifndef ROAMWALLD_TABLE_H
#define ROAMWALLD_TABLE_H

#include "roamwalld.h"
#include "hash.h"

extern struct rw_shape rw_shape;
/* A packet may change any cell at any time: every write is a compare-and-swap. */
enum { rw_atomics = 1 };

static inline void *rw_table_row(u32 index)
{
	return (uint8_t *)maps.table + (size_t)index * settings.geometry.cell_bits;
}

static inline void *rw_mirror_row(u32 mirror, u32 index)
{
	size_t rows = (size_t)RW_SUBTABLES << rw_shape.bucket_bits;

	return (uint8_t *)maps.mirror + (mirror * rows + index) * settings.geometry.cell_bits;
}

static inline u16 *rw_owner_row(u32 index)
{
	return maps.owner + (size_t)index * RW_BUCKET_CELLS;
}

/* marks.c */
void mark_dirty(u32 coordinate);

static inline void rw_dirty_set(u32 coordinate)
{
	mark_dirty(coordinate);
}

#include "dlcbf.h"

static inline struct rw_clock own_clock(void)
{
	return rw_clock_at(maps.ctl->fast, maps.ctl->slow);
}

/* count.c */
/* Counts used cells; `free_passed`: frees those whose expiry has passed, long before it could look live again. */
void table_count(bool free_passed);
/* When it wants to be called again. */
uint64_t count_run(uint64_t now);
void count_wake(void);

/* marks.c */
void marks_start(void);
bool marks_awake(void);
void marks_wake(void);
/* Sleeps, if nothing is to be published. */
void marks_sleep(void);
bool mark_take(u16 *owner, u16 *seen, uint32_t mark);

/* mirrors.c */
void mirrors_start(void);
void write_through_publish(void);

#endif
