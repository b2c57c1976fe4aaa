// SPDX-License-Identifier: MIT
/*
 * The table's clock, the cells it frees, and the marks of what is to be published.
 *
 * The program refreshes cells and reads the ticks; only this file advances them. Every write to the table is a
 * compare-and-swap: a cell that a packet has just revived stays.
 */
#include <stdlib.h>

#include "roamwalld.h"
#include "hash.h"

static struct rw_shape rw_shape;
enum { rw_atomics = 1 };

static void *rw_table_row(u32 index);
static void *rw_mirror_row(u32 mirror, u32 index);
static u16 *rw_owner_row(u32 index);
static void rw_dirty_set(u32 coordinate);

#include "dlcbf.h"

/*
 * After a time of no roamwalld the clock runs this many times as fast until it is right again. Packets went on while
 * it stood still, and refreshed their cells against it: a jump would take those of flows that never fell silent.
 */
#define CATCH_UP 4
/* Between two counts of used cells: a flood must meet the budget before it meets a full table. */
#define COUNT_EVERY_NS (100 * NS_PER_MS)
/* ... but counting never takes more than this share of a CPU. */
#define COUNT_COST_SHARE 50
/* Load (of 256) at which a client may open flows only up to its share. */
#define LOAD_SHARED 205
/* A cell that is lost to packets this often is left to them. */
#define RACES_MAX 64

static bool awake;
static bool count_wanted;
static uint64_t next_count, next_flush, next_hold;
static uint64_t fast_stepped_ns, slow_stepped_ns;
static uint32_t used_cells, used_before;
static uint32_t used_by[RW_SLOT_SHARED + 1];

/* by dirty byte: cells marked held may be there */
static uint8_t *held;
static uint32_t blocks;
static bool any_held;

static void *rw_table_row(u32 index)
{
	return (uint8_t *)maps.table + (size_t)index * (settings.geometry.cell_bits);
}

static void *rw_mirror_row(u32 mirror, u32 index)
{
	size_t rows = (size_t)RW_SUBTABLES << rw_shape.bucket_bits;

	return (uint8_t *)maps.mirror + (mirror * rows + index) * settings.geometry.cell_bits;
}

static u16 *rw_owner_row(u32 index)
{
	return maps.owner + (size_t)index * RW_BUCKET_CELLS;
}

static void rw_dirty_set(u32 coordinate)
{
	__atomic_store_n(&maps.dirty[coordinate / RW_DIRTY_CELLS], 1, __ATOMIC_SEQ_CST);
	awake = true;
}

static struct rw_clock own_clock(void)
{
	return rw_clock_at(maps.ctl->fast, maps.ctl->slow);
}

/* --- counting and freeing --- */

static void count_publish(void)
{
	uint32_t holders = 0, cells = settings.geometry.cells;

	for (uint32_t slot = 0; slot <= settings.clients; slot++) {
		*(volatile uint32_t *)&maps.used[slot] = used_by[slot];
		holders += slot && used_by[slot];
	}
	maps.ctl->load = (uint32_t)((uint64_t)used_cells * 256 / cells);
	maps.ctl->share = (uint32_t)((uint64_t)cells * LOAD_SHARED / 256 / (holders ? holders : 1));
}

/* Counts used cells; `free_passed`: frees those whose expiry has passed, long before it could look live again. */
static void table_count(bool free_passed)
{
	u32 rows = RW_SUBTABLES << rw_shape.bucket_bits, timer_mask = (1u << rw_timer_bits()) - 1;
	struct rw_clock clock = own_clock();

	used_before = used_cells;
	used_cells = 0;
	for (u32 slot = 0; slot <= RW_SLOT_SHARED; slot++)
		used_by[slot] = 0;
	for (u32 index = 0; index < rows; index++) {
		const u16 *owner = rw_owner_row(index);
		void *row = rw_table_row(index);

		for (u32 cell = 0; cell < RW_BUCKET_CELLS; cell++) {
			u32 old = rw_cell_read(row, cell);

			if (!old)
				continue;
			if (free_passed && !rw_is_live(&clock, old & timer_mask) && rw_cell_swap(row, cell, old, 0))
				continue;
			used_cells++;
			used_by[owner[cell] & RW_OWNER_SLOT_MASK]++;
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

/* --- ticks --- */

/* Whole turns of the modulus are invisible in the cells: what was dead for weeks catches up in one or two turns. */
static void clock_skip_turns(uint32_t *count, uint64_t *due, uint64_t length, uint64_t boot)
{
	uint64_t turn = length * rw_modulus(), turns;

	if (boot < *due)
		*due = boot;
	turns = (boot - *due) / turn;
	if (turns < 2)
		return;
	*due += (turns - 1) * turn;
	*count += (uint32_t)((turns - 1) * rw_modulus());
}

/* Returns ns until the next tick; 0 = one is due. `due` is when the present tick began, had nobody slept. */
static uint64_t clock_until(uint64_t due, uint64_t length, uint64_t stepped, uint64_t boot)
{
	uint64_t next = due + length;

	if (stepped && next < stepped + length / CATCH_UP)
		next = stepped + length / CATCH_UP;
	return next > boot ? next - boot : 0;
}

static void clock_publish(void)
{
	maps.ctl->fast = maps.meta->fast % rw_modulus();
	maps.ctl->slow = maps.meta->slow % rw_modulus();
}

/* Interrupted between the two stores a tick is lost, which lengthens lives; the other order would shorten them. */
static void clock_step(uint32_t *count, uint64_t *due, uint64_t length)
{
	*(volatile uint64_t *)due = *due + length;
	*(volatile uint32_t *)count = *count + 1;
}

static uint64_t clock_run(uint64_t now)
{
	const struct geometry *g = &settings.geometry;
	struct meta *meta = maps.meta;
	uint64_t boot = boot_ns(), fast, slow;
	bool stepped = false, slow_stepped = false;

	if (!clock_until(meta->fast_due_ns, g->fast_ns, fast_stepped_ns, boot)) {
		clock_step(&meta->fast, &meta->fast_due_ns, g->fast_ns);
		fast_stepped_ns = boot;
		stepped = true;
	}
	if (!clock_until(meta->slow_due_ns, g->slow_ns, slow_stepped_ns, boot)) {
		clock_step(&meta->slow, &meta->slow_due_ns, g->slow_ns);
		slow_stepped_ns = boot;
		stepped = slow_stepped = true;
	}
	if (stepped) {
		clock_publish();
		table_count(true);
		agent_send_ticks(meta->fast, meta->slow);
	}
	if (slow_stepped)
		ports_recheck();
	fast = clock_until(meta->fast_due_ns, g->fast_ns, fast_stepped_ns, boot);
	slow = clock_until(meta->slow_due_ns, g->slow_ns, slow_stepped_ns, boot);
	return now + (fast < slow ? fast : slow);
}

/* A table that was empty a moment ago lets running flows in; returns when that ends. */
static uint64_t pickup_run(uint64_t now)
{
	uint64_t end = maps.meta->made_ns + maps.meta->pickup_s * NS_PER_S, boot = boot_ns();

	maps.ctl->pickup = boot < end;
	return boot < end ? now + (end - boot) : NEVER;
}

/* --- waking and sleeping --- */

static bool dirty_any(void)
{
	const uint64_t *words = (const uint64_t *)maps.dirty;
	uint32_t count = (blocks + 7) / 8;

	for (uint32_t i = 0; i < count; i++)
		if (__atomic_load_n(&words[i], __ATOMIC_SEQ_CST))
			return true;
	return false;
}

static void wake(void)
{
	awake = true;
	count_wanted = true;
}

/* Armed first, looked after: a cell that becomes dirty in between is seen by one of the two. */
static void sleep_try(void)
{
	__atomic_store_n(&maps.ctl->armed, 1, __ATOMIC_SEQ_CST);
	awake = agent_connected() && dirty_any();
	if (awake)
		__atomic_store_n(&maps.ctl->armed, 0, __ATOMIC_SEQ_CST);
}

void sweep_woken(void)
{
	if (dirty_any())
		wake();
}

static uint64_t count_run(uint64_t now)
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
		sleep_try();
	count_wanted = awake;
	return count_wanted ? next_count : NEVER;
}

uint64_t sweep_run(uint64_t now)
{
	uint64_t tick = clock_run(now), pickup = pickup_run(now), count = count_run(now);

	if (pickup < tick)
		tick = pickup;
	return count < tick ? count : tick;
}

/* --- marks --- */

static bool mark_take(u16 *owner, u16 *seen, uint32_t mark)
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
	wake();
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
			sleep_try();
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
			rw_dirty_set(coordinate);
	}
}

void sweep_dump(uint32_t coordinate, sweep_report_fn report)
{
	u32 cell = rw_cell_read(rw_table_row(coordinate >> 3), coordinate & 7);

	if (cell)
		report(coordinate, cell, maps.owner[coordinate] & RW_OWNER_SLOT_MASK);
}

/* --- what the agent has written --- */

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
static void write_through_publish(void)
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

void sweep_set_options(const struct rw_command_set_options *options)
{
	maps.ctl->mode = options->mode;
	maps.meta->hold_ms = options->hold_ms;
	maps.meta->flush_ms = options->flush_ms;
	maps.meta->pickup_s = options->pickup_s;
	maps.meta->write_through = options->write_through;
	write_through_publish();
	next_flush = next_hold = 0;
	wake();
}

void sweep_start(void)
{
	const struct geometry *g = &settings.geometry;
	uint64_t boot = boot_ns();

	rw_shape = (struct rw_shape){ g->bucket_bits, g->remainder_bits, g->tick_bits, g->cell_bits == 32 };
	blocks = g->cells / RW_DIRTY_CELLS;
	held = calloc(blocks, 1);
	if (!held)
		die(EXIT_RUNTIME, "out of memory");
	clock_skip_turns(&maps.meta->fast, &maps.meta->fast_due_ns, g->fast_ns, boot);
	clock_skip_turns(&maps.meta->slow, &maps.meta->slow_due_ns, g->slow_ns, boot);
	clock_publish();
	for (uint32_t mirror = 0; mirror < settings.mirrors; mirror++)
		mirror_publish(mirror);
	write_through_publish();
	pickup_run(clock_ns());
	table_count(true);
	wake();
}
