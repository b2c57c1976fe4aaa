// SPDX-License-Identifier: MIT
/* Mirrors of neighbours' tables, which age by their source's ticks. */
#include "table.h"

static void mirror_store(uint32_t mirror, uint32_t coordinate, uint32_t cell)
{
	void *row = rw_mirror_row(mirror, coordinate >> 3);

	if (rw_shape.wide)
		((volatile u32 *)row)[coordinate & 7] = cell;
	else
		((volatile u16 *)row)[coordinate & 7] = (u16)cell;
}

void sweep_set_mirror_cell(uint32_t mirror, uint32_t coordinate, uint32_t cell)
{
	mirror_store(mirror, coordinate, cell);
}

/* Write through asks the mirrors that somebody fills. */
void write_through_publish(void)
{
	maps.ctl->write_through = maps.meta->write_through ? maps.meta->mirrors_known : 0;
}

void sweep_clear_mirror(uint32_t mirror)
{
	for (uint32_t coordinate = 0; coordinate < settings.geometry.cells; coordinate++)
		mirror_store(mirror, coordinate, 0);
	maps.meta->mirrors_known &= ~(1u << mirror);
	write_through_publish();
}

/*
 * The source's clock goes `ahead` ticks on. A live cell with fewer ticks left has passed. One that is not live by the
 * old tick was written ahead of it, if it is live by the new one.
 */
static bool mirror_cell_passed(const struct rw_clock *before, uint32_t timer, const uint32_t ahead[2])
{
	uint32_t slow = timer >> rw_shape.tick_bits, left = rw_rank(before, timer) & rw_modulus();

	/* fewer left than that: the difference wraps, and is far above any live one */
	return ahead[slow] && left - ahead[slow] > rw_live_max();
}

static void mirror_sweep(uint32_t mirror, const uint32_t ahead[2])
{
	struct meta *meta = maps.meta;
	u32 timer_mask = (1u << rw_timer_bits()) - 1;
	struct rw_clock before = rw_clock_at(meta->mirror_fast[mirror] % rw_modulus(),
					     meta->mirror_slow[mirror] % rw_modulus());

	for (uint32_t coordinate = 0; coordinate < settings.geometry.cells; coordinate++) {
		u32 cell = rw_cell_read(rw_mirror_row(mirror, coordinate >> 3), coordinate & 7);

		if (cell && mirror_cell_passed(&before, cell & timer_mask, ahead))
			mirror_store(mirror, coordinate, 0);
	}
}

static void mirror_publish(uint32_t mirror)
{
	maps.ctl->mirror_ticks[mirror] = maps.meta->mirror_fast[mirror] % rw_modulus() |
					 maps.meta->mirror_slow[mirror] % rw_modulus() << 8;
}

/* A source's ticks only go up until its mirror is cleared; late news of older ones changes nothing. */
void sweep_mirror_ticks(uint32_t mirror, uint32_t fast, uint32_t slow)
{
	struct meta *meta = maps.meta;
	uint32_t ahead[2] = { fast - meta->mirror_fast[mirror], slow - meta->mirror_slow[mirror] };

	if (meta->mirrors_known >> mirror & 1) {
		if ((int32_t)ahead[0] < 0 || (int32_t)ahead[1] < 0 || (!ahead[0] && !ahead[1]))
			return;
		mirror_sweep(mirror, ahead);
	}
	meta->mirror_fast[mirror] = fast;
	meta->mirror_slow[mirror] = slow;
	meta->mirrors_known |= 1u << mirror;
	mirror_publish(mirror);
	write_through_publish();
}

void mirrors_start(void)
{
	for (uint32_t mirror = 0; mirror < settings.mirrors; mirror++)
		mirror_publish(mirror);
	write_through_publish();
}
