/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Timers of cells: a speed bit and an expiry tick. Nothing counts down; merging two is exact. The environment declares
 * `rw_shape` (struct rw_shape) before it includes this.
 */
#ifndef ROAMWALL_TIMER_H
#define ROAMWALL_TIMER_H

#include "hash.h"

/* The clock of a table: ticks modulo the tick range, and for each timer value a bit: live. */
struct rw_clock {
	u32 now[2]; /* fast, slow */
	u64 live;
};

rw_inline u32 rw_modulus(void)
{
	return (1u << rw_shape.tick_bits) - 1;
}

rw_inline u32 rw_timer_bits(void)
{
	return rw_shape.tick_bits + 1;
}

/* Ticks that a timer may have left; the rest of the range is slack for the sweeper. */
rw_inline u32 rw_live_max(void)
{
	return rw_shape.wide ? 25 : 4;
}

/* The tick field holds expiry + 1, expiry modulo M: a run of live fields, rotated by the tick of now. */
rw_inline u64 rw_live_fields(u32 now)
{
	u64 run = ((1ull << (rw_live_max() + 1)) - 1) << now;

	run |= run >> rw_modulus();
	return (run & ((1ull << rw_modulus()) - 1)) << 1;
}

rw_inline struct rw_clock rw_clock_at(u32 fast, u32 slow)
{
	struct rw_clock clock;

	clock.now[0] = fast & 31;
	clock.now[1] = slow & 31;
	clock.live = rw_live_fields(clock.now[0]) | rw_live_fields(clock.now[1]) << (1u << rw_shape.tick_bits);
	return clock;
}

rw_inline u32 rw_now_of(const struct rw_clock *clock, u32 slow)
{
	return slow ? clock->now[1] : clock->now[0];
}

rw_inline int rw_is_live(const struct rw_clock *clock, u32 timer)
{
	return clock->live >> (timer & 63) & 1;
}

/* Of a live timer: slow above fast, then what is left. A code (speed, ticks) is its own rank. */
rw_inline u32 rw_rank(const struct rw_clock *clock, u32 timer)
{
	u32 slow = timer >> rw_shape.tick_bits;
	u32 expiry = (timer & rw_modulus()) - 1, now = rw_now_of(clock, slow);

	return slow << rw_shape.tick_bits | (expiry - now + (expiry < now ? rw_modulus() : 0));
}

rw_inline u32 rw_timer_of(const struct rw_clock *clock, u32 code)
{
	u32 slow = code >> rw_shape.tick_bits & 1;
	u32 expiry = rw_now_of(clock, slow) + (code & rw_modulus());

	if (expiry >= rw_modulus())
		expiry -= rw_modulus();
	return slow << rw_shape.tick_bits | (expiry + 1);
}

/* The later expiry, as a code. The last slow tick may end before any fast one: then one slow tick more. */
rw_inline u32 rw_merge(u32 old_rank, u32 code)
{
	u32 slow = 1u << rw_shape.tick_bits;

	if (old_rank == slow && code < slow)
		return slow + 1;
	return old_rank > code ? old_rank : code;
}

#endif
