/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The table of expectations: a d-left table of cells (remainder, timer) without tuples. Rows are scanned without
 * branches, eight bytes at a time: the verifier sees one path, and so does the CPU. The environment declares, before
 * it includes this, `rw_shape` (struct rw_shape) and `rw_atomics` (0: one CPU, plain stores).
 */
#ifndef ROAMWALL_DLCBF_H
#define ROAMWALL_DLCBF_H

#include "timer.h"

/* The environment's. A dirty coordinate is to be published. */
rw_inline void *rw_table_row(u32 index);
rw_inline void *rw_mirror_row(u32 mirror, u32 index);
rw_inline u16 *rw_owner_row(u32 index);
rw_inline void rw_dirty_set(u32 coordinate);

#define RW_OWN_TABLE -1

struct rw_hit {
	u32 coordinate;
	u32 timer;
};

/* Lane arithmetic on eight bytes of cells: the top bit of each lane's result says yes. */
#define RW_LANES32(x) ((u64)(x) << 32 | (x))
#define RW_LANES16(x) (RW_LANES32((u32)(x) << 16 | (x)))

struct rw_scan {
	u64 equal, used;
};

/* Cells of 32 bits: remainder << 6 | timer. Bits 26 and 58 of the result. */
rw_inline void rw_scan_wide(struct rw_scan *scan, u64 cells, u32 remainder, u32 at)
{
	u64 used, equal;

	rw_hide(cells);
	used = ((cells & RW_LANES32(31u)) + RW_LANES32(31u)) << 21;
	equal = RW_LANES32(1u << 26) - ((cells >> 6 & RW_LANES32(0x3ffffffu)) ^ RW_LANES32(remainder));
	used &= RW_LANES32(1u << 26);
	scan->equal |= (equal & used) >> (26 - at);
	scan->used |= used >> (26 - at);
}

/* Cells of 16 bits: remainder << 4 | timer. Bits 12, 28, 44 and 60. */
rw_inline void rw_scan_narrow(struct rw_scan *scan, u64 cells, u32 remainder, u32 at)
{
	u64 used, equal;

	rw_hide(cells);
	used = ((cells & RW_LANES16(7u)) + RW_LANES16(7u)) << 9;
	equal = RW_LANES16(1u << 12) - ((cells >> 4 & RW_LANES16(0xfffu)) ^ RW_LANES16(remainder));
	used &= RW_LANES16(1u << 12);
	scan->equal |= (equal & used) >> (12 - at);
	scan->used |= used >> (12 - at);
}

rw_inline u32 rw_lane(u64 lanes, u32 lane, u32 bits)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	lane = 64 / bits - 1 - lane;
#endif
	return lanes >> (lane * bits) & (bits == 32 ? 0xffff : 0xff);
}

/* Bit k -> bit k * 2 (of 16) or bit k * 4 (of 8). */
rw_inline u32 rw_spread_by_2(u32 x)
{
	x = (x | x << 8) & 0x00ff00ff;
	x = (x | x << 4) & 0x0f0f0f0f;
	x = (x | x << 2) & 0x33333333;
	return (x | x << 1) & 0x55555555;
}

rw_inline u32 rw_spread_by_4(u32 x)
{
	x = (x | x << 12) & 0x000f000f;
	x = (x | x << 6) & 0x03030303;
	return (x | x << 3) & 0x11111111;
}

/* Lanes to one bit a cell, in the order of the cells: subtable * 8 + cell. */
rw_inline u32 rw_in_order(u64 lanes)
{
	if (rw_shape.wide)
		return rw_spread_by_2(rw_lane(lanes, 0, 32)) | rw_spread_by_2(rw_lane(lanes, 1, 32)) << 1;
	return rw_spread_by_4(rw_lane(lanes, 0, 16)) | rw_spread_by_4(rw_lane(lanes, 1, 16)) << 1 |
	       rw_spread_by_4(rw_lane(lanes, 2, 16)) << 2 | rw_spread_by_4(rw_lane(lanes, 3, 16)) << 3;
}

rw_inline void *rw_row(int mirror, u32 index)
{
	return mirror == RW_OWN_TABLE ? rw_table_row(index) : rw_mirror_row(mirror, index);
}

/* All 32 cells that x may live in. Returns 0 when a row is missing (the verifier must hear of it). */
rw_inline int rw_scan_table(struct rw_scan *scan, u64 x, int mirror)
{
	u32 subtable, i;

	scan->equal = scan->used = 0;
	rw_unrolled for (subtable = 0; subtable < RW_SUBTABLES; subtable++) {
		u64 place = rw_place(x, subtable, &rw_shape);
		const u64 *row = rw_row(mirror, rw_row_index(place, subtable, &rw_shape));
		u32 remainder = rw_remainder(place, &rw_shape);

		if (!row)
			return 0;
		if (rw_shape.wide) {
			rw_unrolled for (i = 0; i < 4; i++)
				rw_scan_wide(scan, row[i], remainder, subtable * 4 + i);
		} else {
			rw_unrolled for (i = 0; i < 2; i++)
				rw_scan_narrow(scan, row[i], remainder, subtable * 2 + i);
		}
	}
	return 1;
}

/* The subtable with most free cells, leftmost on a tie. */
rw_inline u32 rw_emptiest(u32 free)
{
	u32 i, n, count, best = 0, room = 0;

	rw_unrolled for (i = 0; i < RW_SUBTABLES; i++) {
		n = free >> (i * 8) & 0xff;
		n -= n >> 1 & 0x55;
		n = (n & 0x33) + (n >> 2 & 0x33);
		count = (n + (n >> 4)) & 0x0f;
		rw_hide(count);
		if (count > room) {
			room = count;
			best = i;
		}
	}
	return best;
}

rw_inline u32 rw_cell_read(const void *row, u32 cell)
{
	return rw_shape.wide ? ((const volatile u32 *)row)[cell & 7] : ((const volatile u16 *)row)[cell & 7];
}

/* Two cells of 16 bits move together: there is no smaller compare-and-swap. */
rw_inline int rw_cell_swap(void *row, u32 cell, u32 old, u32 new)
{
	if (!rw_atomics) {
		if (rw_shape.wide)
			((volatile u32 *)row)[cell & 7] = new;
		else
			((volatile u16 *)row)[cell & 7] = new;
		return 1;
	}
	if (rw_shape.wide)
		return __sync_val_compare_and_swap((u32 *)row + (cell & 7), old, new) == old;
	{
		u32 *pair = (u32 *)row + (cell >> 1 & 3), both = *(volatile u32 *)pair;
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
		u32 shift = cell & 1 ? 0 : 16;
#else
		u32 shift = cell & 1 ? 16 : 0;
#endif

		if ((both >> shift & 0xffff) != old)
			return 0;
		return __sync_val_compare_and_swap(pair, both, (both & ~(0xffffu << shift)) | new << shift) == both;
	}
}

/*
 * Is the lowest of the cells in `equal` live? Straight on, without a branch that depends on the cell: the loops that
 * look have one path to verify. 1 yes, 0 no, -1 there is no such row.
 */
rw_inline int rw_first_is_live(u64 x, u32 equal, const struct rw_clock *clock, int mirror, struct rw_hit *hit)
{
	u32 n = rw_lowest(equal), live;
	u32 index = rw_row_index(rw_place(x, n >> 3, &rw_shape), n >> 3, &rw_shape);
	const void *row = rw_row(mirror, index);

	if (!row)
		return -1;
	hit->timer = rw_cell_read(row, n) & ((1u << rw_timer_bits()) - 1);
	hit->coordinate = index << 3 | (n & 7);
	live = rw_is_live(clock, hit->timer) & (((u64)equal + 0xffffffff) >> 32);
	rw_hide(live);
	return live;
}

/*
 * The first live cell of x. Passed cells before it are few, since x has one cell unless a race made more. `kept`: what
 * was seen, for who changes that cell then.
 */
rw_inline int rw_find(u64 x, const struct rw_clock *clock, int mirror, struct rw_hit *hit, struct rw_scan *kept)
{
	struct rw_scan scan;
	u32 equal;
	int found;

	if (!rw_scan_table(&scan, x, mirror))
		return -1;
	if (kept)
		*kept = scan;
	/* The verifier walks the likely way first, and finds the other one walked: 70,000 steps fewer. */
	if (__builtin_expect(!scan.equal, 0))
		return 0;
	equal = rw_in_order(scan.equal);
	found = rw_first_is_live(x, equal, clock, mirror, hit);
	if (found)
		return found;
	return rw_first_is_live(x, equal & (equal - 1), clock, mirror, hit);
}

enum rw_outcome { RW_STORED, RW_NO_ROOM, RW_LOST_RACE };

/*
 * An operation on the cell of x, in the name of a client's slot. Its steps meet in memory: the verifier forgets by
 * which way each was reached.
 */
struct rw_change {
	u64 x;
	u32 op, code, mark, slot;
	/* what a look at x has seen a moment ago; once only, since a lost race was lost for its age */
	struct rw_scan scan;
	u32 scanned;
	/* found on the way */
	u32 equal, free; /* a bit each: subtable * 8 + cell */
	u32 at, fresh;
	u32 coordinate; /* of the changed cell */
	u32 old, new, live;
};

rw_inline int rw_lowers(const struct rw_change *c)
{
	return c->op >= RW_OP_MIN;
}

/* MIN and DROP want a live cell: the second of equal ones, if the first has passed. */
rw_inline int rw_pick_live(struct rw_change *c, const struct rw_clock *clock)
{
	struct rw_hit hit = {};

	c->at = rw_lowest(c->equal);
	if (rw_first_is_live(c->x, c->equal, clock, RW_OWN_TABLE, &hit) > 0)
		return 1;
	c->equal &= c->equal - 1;
	c->at = rw_lowest(c->equal);
	return rw_first_is_live(c->x, c->equal, clock, RW_OWN_TABLE, &hit) > 0;
}

/* The cell of x if it has one (live, or passed and not yet swept), else a free cell where the load is least. */
rw_inline int rw_pick_cell(struct rw_change *c, const struct rw_clock *clock)
{
	u32 subtable;

	c->fresh = 0;
	if (rw_lowers(c))
		return c->equal && rw_pick_live(c, clock) ? RW_STORED : RW_NO_ROOM;
	if (c->equal) {
		c->at = rw_lowest(c->equal);
		return RW_STORED;
	}
	if (!c->free)
		return RW_NO_ROOM;
	subtable = rw_emptiest(c->free);
	c->at = subtable * 8 + rw_lowest(c->free >> (subtable * 8) & 0xff);
	c->fresh = 1;
	return RW_STORED;
}

/* The timer that the operation leaves behind; 0 frees the cell. */
rw_inline u32 rw_new_timer(const struct rw_change *c, const struct rw_clock *clock, u32 old)
{
	u32 rank = rw_rank(clock, old), merged;

	if (c->op == RW_OP_DROP)
		return 0;
	if (c->op == RW_OP_SET || !c->live)
		return rw_timer_of(clock, c->code);
	merged = c->op == RW_OP_MIN ? (c->code < rank ? c->code : rank) : rw_merge(rank, c->code);
	return merged == rank ? old : rw_timer_of(clock, merged);
}

/* Owner and mark, after the cell: roamwalld clears the mark first and reads the cell then. */
rw_inline void rw_own_cell(const struct rw_change *c, u16 *owner, u32 coordinate)
{
	u32 slot = *owner & RW_OWNER_SLOT_MASK;
	u32 mark = c->fresh ? RW_MARK_CLEAN : *owner >> RW_OWNER_MARK_SHIFT;

	if (!rw_lowers(c))
		slot = !c->live || slot == c->slot ? c->slot : RW_SLOT_SHARED;
	if (c->mark == RW_MARK_DIRTY || (c->mark == RW_MARK_HELD && mark == RW_MARK_CLEAN))
		mark = c->mark;
	*(volatile u16 *)owner = slot | mark << RW_OWNER_MARK_SHIFT;
	if (c->mark != RW_MARK_CLEAN)
		rw_dirty_set(coordinate);
}

rw_inline int rw_scan_own(struct rw_change *c)
{
	struct rw_scan scan;

	if (!rw_scan_table(&scan, c->x, RW_OWN_TABLE))
		return 0;
	c->scan = scan;
	return 1;
}

/* Nothing is ever evicted: without a free cell there is no room. Another CPU may win the cell: a lost race. */
rw_inline int rw_try_change(struct rw_change *c, const struct rw_clock *clock)
{
	u32 timer_mask = (1u << rw_timer_bits()) - 1, index, remainder;
	u16 *owner;
	u64 place;
	void *row;
	int swapped;

	if (!c->scanned && !rw_scan_own(c))
		return RW_NO_ROOM;
	rw_forget();
	c->scanned = 0;
	c->equal = rw_in_order(c->scan.equal);
	c->free = ~rw_in_order(c->scan.used);
	rw_forget();
	if (rw_pick_cell(c, clock))
		return rw_lowers(c) ? RW_STORED : RW_NO_ROOM;
	rw_forget();
	place = rw_place(c->x, c->at >> 3, &rw_shape);
	remainder = rw_remainder(place, &rw_shape);
	index = rw_row_index(place, c->at >> 3, &rw_shape);
	c->coordinate = index << 3 | (c->at & 7);
	row = rw_table_row(index);
	owner = rw_owner_row(index);
	if (!row || !owner)
		return RW_NO_ROOM;
	c->old = rw_cell_read(row, c->at);
	/* Another CPU may have been here since the scan. */
	if (c->fresh ? c->old != 0 : !c->old || c->old >> rw_timer_bits() != remainder)
		return RW_LOST_RACE;
	c->live = rw_is_live(clock, c->old & timer_mask);
	c->new = rw_new_timer(c, clock, c->old & timer_mask);
	rw_forget();
	if (c->new)
		c->new |= remainder << rw_timer_bits();
	if (c->new == c->old)
		return RW_STORED;
	swapped = rw_cell_swap(row, c->at, c->old, c->new);
	if (!swapped)
		return RW_LOST_RACE;
	rw_forget();
	rw_own_cell(c, owner + (c->at & 7), c->coordinate);
	return RW_STORED;
}

#endif
