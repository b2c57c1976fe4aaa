// SPDX-License-Identifier: MIT
/*
 * The table's clock. The routine refreshes cells and reads the ticks; only this file advances them, and has count.c
 * free what they leave behind.
 */
#include "table.h"

/*
 * After a time of no roamwalld the clock runs this many times as fast until it is right again. Packets went on while
 * it stood still, and refreshed their cells against it: a jump would take those of flows that never fell silent.
 */
#define CATCH_UP 4

struct rw_shape rw_shape;
static uint64_t fast_stepped_ns, slow_stepped_ns;

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
	bool stepped = false;

	if (maps.clock_held)
		return NEVER;
	if (!clock_until(meta->fast_due_ns, g->fast_ns, fast_stepped_ns, boot)) {
		clock_step(&meta->fast, &meta->fast_due_ns, g->fast_ns);
		fast_stepped_ns = boot;
		stepped = true;
	}
	if (!clock_until(meta->slow_due_ns, g->slow_ns, slow_stepped_ns, boot)) {
		clock_step(&meta->slow, &meta->slow_due_ns, g->slow_ns);
		slow_stepped_ns = boot;
		stepped = true;
	}
	if (stepped) {
		clock_publish();
		table_count(true);
		agent_send_ticks(meta->fast, meta->slow);
		ports_recheck();
	}
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

uint64_t sweep_run(uint64_t now)
{
	uint64_t tick = clock_run(now), pickup = pickup_run(now), count = count_run(now);

	if (pickup < tick)
		tick = pickup;
	return count < tick ? count : tick;
}

void sweep_set_options(const struct rw_command_set_options *options)
{
	maps.ctl->mode = options->mode;
	maps.meta->hold_ms = options->hold_ms;
	maps.meta->flush_ms = options->flush_ms;
	maps.meta->pickup_s = options->pickup_s;
	maps.meta->write_through = options->write_through;
	write_through_publish();
	marks_again();
}

void sweep_start(void)
{
	const struct geometry *g = &settings.geometry;
	uint64_t boot = boot_ns();

	rw_shape = (struct rw_shape){ g->bucket_bits, g->remainder_bits, g->tick_bits, g->cell_bits == 32 };
	clock_skip_turns(&maps.meta->fast, &maps.meta->fast_due_ns, g->fast_ns, boot);
	clock_skip_turns(&maps.meta->slow, &maps.meta->slow_due_ns, g->slow_ns, boot);
	clock_publish();
	mirrors_start();
	if (maps.owners_stale)
		sweep_disown();
	pickup_run(clock_ns());
	table_count(true);
	marks_start();
}
