// SPDX-License-Identifier: MIT
/* Cells of the own table that the agent reads and changes. */
#include "table.h"

/* A cell that is lost to packets this often is left to them. */
#define RACES_MAX 64

void sweep_dump(uint32_t coordinate, sweep_report_fn report)
{
	u32 cell = rw_cell_read(rw_table_row(coordinate >> 3), coordinate & 7);

	if (cell)
		report(coordinate, cell, maps.owner[coordinate]);
}

bool sweep_code_valid(uint32_t code)
{
	uint32_t ticks = code & rw_modulus();

	return code >> rw_timer_bits() == 0 && ticks >= 1 && ticks <= rw_live_max();
}

bool sweep_cell_valid(uint32_t cell)
{
	return !cell || ((cell & rw_modulus()) && (rw_shape.wide || cell <= UINT16_MAX));
}

static bool change_run(struct rw_change *change)
{
	struct rw_clock clock = own_clock();
	int outcome = RW_LOST_RACE;

	for (int i = 0; i < RACES_MAX && outcome == RW_LOST_RACE; i++)
		outcome = rw_try_change(change, &clock);
	return outcome == RW_STORED;
}

bool sweep_adopt(uint64_t x, uint32_t code, uint32_t slot, uint32_t mark)
{
	struct rw_change change = { .x = x, .op = RW_OP_MAX, .code = code, .mark = mark, .slot = slot };

	return change_run(&change);
}

void sweep_lower(uint64_t x, uint32_t code)
{
	struct rw_change change = { .x = x, .op = RW_OP_MIN, .code = code, .mark = RW_MARK_DIRTY };

	change_run(&change);
}

static void mark_set(uint32_t coordinate, uint32_t mark)
{
	u16 *owner = maps.owner + coordinate, seen = *owner;

	while (!mark_take(owner, &seen, mark))
		;
	rw_dirty_set(coordinate);
}

/* The mirrors follow: else neighbours would go on believing in flows that are over here. */
void sweep_shorten(uint32_t slot, uint32_t code)
{
	u32 timer_mask = (1u << rw_timer_bits()) - 1;
	struct rw_clock clock = own_clock();

	for (uint32_t coordinate = 0; coordinate < settings.geometry.cells; coordinate++) {
		void *row = rw_table_row(coordinate >> 3);
		u32 old = rw_cell_read(row, coordinate & 7), timer = old & timer_mask;

		if (!old || (maps.owner[coordinate] & RW_OWNER_SLOT_MASK) != slot || !rw_is_live(&clock, timer))
			continue;
		if (rw_rank(&clock, timer) > code &&
		    rw_cell_swap(row, coordinate & 7, old, (old & ~timer_mask) | rw_timer_of(&clock, code)))
			mark_set(coordinate, RW_MARK_DIRTY);
	}
}

void sweep_disown(void)
{
	for (uint32_t coordinate = 0; coordinate < settings.geometry.cells; coordinate++) {
		u16 *owner = maps.owner + coordinate, seen = *owner;

		while (seen & RW_OWNER_SLOT_MASK &&
		       !__atomic_compare_exchange_n(owner, &seen, (u16)(seen | RW_OWNER_SLOT_MASK), false,
						    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			;
	}
}
