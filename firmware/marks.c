// SPDX-License-Identifier: MIT
/* Marks of what is to be published: waking when one appears, and finding them. */
#include <stdlib.h>

#include "table.h"

static bool awake;
static uint64_t next_flush, next_hold;

/* by dirty byte: cells marked held may be there */
static uint8_t *held;
static uint32_t blocks;
static bool any_held;

void mark_dirty(u32 coordinate)
{
	__atomic_store_n(&maps.dirty[coordinate / RW_DIRTY_CELLS], 1, __ATOMIC_SEQ_CST);
	awake = true;
}

/* --- waking and sleeping --- */

static bool dirty_any(void)
{
	const uint32_t *words = (const uint32_t *)maps.dirty;
	uint32_t count = (blocks + 3) / 4;

	for (uint32_t i = 0; i < count; i++)
		if (__atomic_load_n(&words[i], __ATOMIC_SEQ_CST))
			return true;
	return false;
}

bool marks_awake(void)
{
	return awake;
}

void marks_wake(void)
{
	awake = true;
	count_wake();
}

/* Armed first, looked after: a cell that becomes dirty in between is seen by one of the two. */
void marks_sleep(void)
{
	__atomic_store_n(&maps.ctl->armed, 1, __ATOMIC_SEQ_CST);
	awake = agent_connected() && dirty_any();
	if (awake)
		__atomic_store_n(&maps.ctl->armed, 0, __ATOMIC_SEQ_CST);
}

void sweep_woken(void)
{
	if (dirty_any())
		marks_wake();
}

/* --- marks --- */

bool mark_take(u16 *owner, u16 *seen, uint32_t mark)
{
	u16 to = (u16)((*seen & RW_OWNER_SLOT_MASK) | mark << RW_OWNER_MARK_SHIFT);

	return __atomic_compare_exchange_n(owner, seen, to, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/* The mark goes before the cell is read: whoever changes the cell after that marks it again. */
static void mark_report(uint32_t coordinate, u16 *owner, u16 seen, sweep_report_fn report)
{
	while (!mark_take(owner, &seen, RW_MARK_CLEAN))
		;
	report(coordinate, rw_cell_read(rw_table_row(coordinate >> 3), coordinate & 7), seen & RW_OWNER_SLOT_MASK);
}

/* `hold_over`: half a hold time has passed. Returns whether held marks remain. */
static bool block_scan(uint32_t block, bool hold_over, sweep_report_fn report)
{
	const uint64_t marks = 0x0001000100010001ull * (RW_MARK_AGED << RW_OWNER_MARK_SHIFT);
	u16 *owner = maps.owner + block * RW_DIRTY_CELLS;
	bool remain = false;

	for (uint32_t i = 0; i < RW_DIRTY_CELLS; i++) {
		u16 seen;
		uint32_t mark;

		if (i % 4 == 0 && !(*(volatile uint64_t *)(owner + i) & marks)) {
			i += 3;
			continue;
		}
		seen = __atomic_load_n(owner + i, __ATOMIC_RELAXED);
		mark = seen >> RW_OWNER_MARK_SHIFT;
		if (mark == RW_MARK_CLEAN)
			continue;
		if (mark == RW_MARK_DIRTY || !maps.meta->hold_ms || (hold_over && mark == RW_MARK_AGED)) {
			mark_report(block * RW_DIRTY_CELLS + i, owner + i, seen, report);
			continue;
		}
		if (hold_over && mark == RW_MARK_HELD)
			mark_take(owner + i, &seen, RW_MARK_AGED);
		remain = true;
	}
	return remain;
}

/* What a reader before this one left held is found again. */
void sweep_reader_came(void)
{
	for (uint32_t block = 0; block < blocks; block++)
		held[block] = 1;
	any_held = true;
	marks_wake();
}

/* Returns whether all that was dirty has been reported: without room some of it waits. */
bool sweep_flush_dirty(bool (*room)(void), sweep_report_fn report)
{
	for (uint32_t block = 0; block < blocks; block++) {
		if (block % 8 == 0 && !*(volatile uint64_t *)(maps.dirty + block)) {
			block += 7;
			continue;
		}
		if (!maps.dirty[block])
			continue;
		if (!room())
			return false;
		__atomic_exchange_n(&maps.dirty[block], 0, __ATOMIC_SEQ_CST);
		held[block] |= block_scan(block, false, report);
		any_held |= held[block];
	}
	return true;
}

static void flush_aged(bool (*room)(void), sweep_report_fn report)
{
	any_held = false;
	for (uint32_t block = 0; block < blocks; block++) {
		if (held[block] && room())
			held[block] = block_scan(block, true, report);
		any_held |= held[block];
	}
}

/* Returns when it wants to be called again. Nothing is lost for want of room: the marks stay. */
uint64_t sweep_flush(uint64_t now, bool (*room)(void), sweep_report_fn report)
{
	if (!room())
		return NEVER;
	if (awake && now >= next_flush) {
		bool found = dirty_any();

		sweep_flush_dirty(room, report);
		next_flush = now + maps.meta->flush_ms * NS_PER_MS;
		/* at once: the next change wakes us, however soon it comes */
		if (!found || !maps.meta->flush_ms)
			marks_sleep();
	}
	if (any_held && now >= next_hold) {
		flush_aged(room, report);
		next_hold = now + maps.meta->hold_ms * NS_PER_MS / 2;
	}
	if (!awake && !any_held)
		return NEVER;
	if (!awake)
		return next_hold;
	return any_held && next_hold < next_flush ? next_hold : next_flush;
}

void sweep_flush_held(uint32_t slot)
{
	for (uint32_t coordinate = 0; coordinate < settings.geometry.cells; coordinate++) {
		u16 *owner = maps.owner + coordinate, seen = *owner;
		uint32_t mark = seen >> RW_OWNER_MARK_SHIFT;

		if (mark != RW_MARK_HELD && mark != RW_MARK_AGED)
			continue;
		if (slot != RW_SLOT_SHARED && (seen & RW_OWNER_SLOT_MASK) != slot)
			continue;
		/* lost to a packet: the cell changed, and is marked anew */
		if (mark_take(owner, &seen, RW_MARK_DIRTY))
			mark_dirty(coordinate);
	}
}

void marks_again(void)
{
	next_flush = next_hold = 0;
	marks_wake();
}

void marks_start(void)
{
	blocks = settings.geometry.cells / RW_DIRTY_CELLS;
	held = calloc(blocks, 1);
	if (!held)
		die(EXIT_RUNTIME, "out of memory");
	marks_wake();
}
