// SPDX-License-Identifier: MIT
/* Used cells: how many, whose, and freeing those whose time has passed. */
#include <string.h>

#include "table.h"

/* Between two counts of used cells: a flood must meet the budget before it meets a full table. */
#define COUNT_EVERY_NS (100 * NS_PER_MS)
/* ... but counting never takes more than this share of a CPU. */
#define COUNT_COST_SHARE 50
/* Load (of 256) at which a client may open flows only up to its share. */
#define LOAD_SHARED 205

static bool count_wanted;
static uint64_t next_count;
static uint32_t used_cells, used_before;
static uint32_t used_by[RW_SLOT_SHARED + 1];
static struct rw_half_open half_open_of[RW_SLOT_SHARED + 1];

static void count_publish(void)
{
	uint32_t holders = 0, cells = settings.geometry.cells;

	for (uint32_t slot = 0; slot <= settings.clients; slot++) {
		*(volatile uint32_t *)&maps.used[slot] = used_by[slot];
		maps.half_open[slot] = half_open_of[slot];
		holders += slot && used_by[slot];
	}
	maps.ctl->load = (uint32_t)((uint64_t)used_cells * 256 / cells);
	maps.ctl->share = (uint32_t)((uint64_t)cells * LOAD_SHARED / 256 / (holders ? holders : 1));
}

/* What the routine counts up and down is soft; this is exact but for what happens meanwhile. */
static void half_open_count(u32 slot, u32 opener)
{
	if (opener)
		half_open_of[slot].by[(opener - 1) & 1]++;
}

void table_count(bool free_passed)
{
	u32 rows = RW_SUBTABLES << rw_shape.bucket_bits, timer_mask = (1u << rw_timer_bits()) - 1;
	struct rw_clock clock = own_clock();

	used_before = used_cells;
	used_cells = 0;
	memset(used_by, 0, sizeof(used_by));
	memset(half_open_of, 0, sizeof(half_open_of));
	for (u32 index = 0; index < rows; index++) {
		const u16 *owner = rw_owner_row(index);
		void *row = rw_table_row(index);

		for (u32 cell = 0; cell < RW_BUCKET_CELLS; cell++) {
			u32 old = rw_cell_read(row, cell);

			if (!old)
				continue;
			if (free_passed && !rw_is_live(&clock, old & timer_mask) && rw_cell_swap(row, cell, old, 0)) {
				maps.opener[index << 3 | cell] = 0;
				continue;
			}
			used_cells++;
			used_by[owner[cell] & RW_OWNER_SLOT_MASK]++;
			half_open_count(owner[cell] & RW_OWNER_SLOT_MASK, maps.opener[index << 3 | cell]);
		}
	}
	count_publish();
}

uint32_t sweep_used(void)
{
	table_count(false);
	return used_cells;
}

uint32_t sweep_used_by(uint32_t slot)
{
	return used_by[slot & RW_OWNER_SLOT_MASK];
}

void count_wake(void)
{
	count_wanted = true;
}

uint64_t count_run(uint64_t now)
{
	uint64_t cost;

	if (!count_wanted)
		return NEVER;
	if (now < next_count)
		return next_count;
	table_count(false);
	cost = (clock_ns() - now) * COUNT_COST_SHARE;
	next_count = now + (cost > COUNT_EVERY_NS ? cost : COUNT_EVERY_NS);
	/* Without an agent nobody clears the marks: quiet is then a table that no longer grows. */
	if (!agent_connected() && used_cells == used_before)
		marks_sleep();
	count_wanted = marks_awake();
	return count_wanted ? next_count : NEVER;
}
