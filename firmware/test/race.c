/* SPDX-License-Identifier: MIT */
/*
 * Two CPUs insert into one table at the same time. With compare-and-swap whatever was said to be stored is found;
 * with plain stores (the negative control) some is not: one CPU takes the free cell that the other has just filled.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "host.h"

#define ROUNDS 20000
/* Two buckets a subtable: both CPUs want the same free cell again and again. */
#define BUCKET_BITS 1
#define EACH 16 /* of 64 cells, by two threads */

static struct rw_clock clock_now;
static volatile u32 arrived, turn;
static u64 stored_x[2][EACH];
static u32 stored_count[2], lost_races, missing;

/* Spins: a thread that slept would find the other one done. Yields where there is but one CPU. */
static void race_meet(void)
{
	u32 now = turn, spins = 0;

	if (__sync_add_and_fetch(&arrived, 1) == 2) {
		arrived = 0;
		__sync_fetch_and_add(&turn, 1);
		return;
	}
	while (turn == now)
		if (++spins % 128 == 0)
			sched_yield();
}

static u64 race_next(u64 *state)
{
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	return *state >> (64 - rw_shape.bucket_bits - rw_shape.remainder_bits);
}

static void race_insert_all(u32 me, u64 *state)
{
	u32 i;

	stored_count[me] = 0;
	for (i = 0; i < EACH; i++) {
		struct rw_change change = { .x = race_next(state), .op = RW_OP_MAX, .code = 3, .slot = 1 };
		int outcome = rw_try_change(&change, &clock_now);

		if (outcome == RW_STORED)
			stored_x[me][stored_count[me]++] = change.x;
		else if (outcome == RW_LOST_RACE)
			__sync_fetch_and_add(&lost_races, 1);
	}
}

static void race_look_for_all(void)
{
	struct rw_hit hit;
	u32 me, i;

	for (me = 0; me < 2; me++)
		for (i = 0; i < stored_count[me]; i++)
			missing += rw_find(stored_x[me][i], &clock_now, RW_OWN_TABLE, &hit, 0) != 1;
}

static void *race_thread(void *arg)
{
	u32 me = (u32)(unsigned long)arg, round;
	u64 state = 0x9e3779b97f4a7c15ull * (me + 1);
	cpu_set_t cpu;

	CPU_ZERO(&cpu);
	CPU_SET(me, &cpu);
	pthread_setaffinity_np(pthread_self(), sizeof(cpu), &cpu);
	for (round = 0; round < ROUNDS; round++) {
		race_meet();
		race_insert_all(me, &state);
		race_meet();
		if (me)
			continue;
		race_look_for_all();
		memset(host.table, 0, sizeof(host.table));
	}
	return NULL;
}

/* How many of what was stored cannot be found. */
static u32 race_run(u32 wide, u32 atomics)
{
	pthread_t thread[2];
	u32 me;

	rw_shape.wide = wide;
	rw_shape.bucket_bits = BUCKET_BITS;
	rw_shape.remainder_bits = wide ? 26 : 12;
	rw_shape.tick_bits = wide ? 5 : 3;
	rw_atomics = atomics;
	lost_races = missing = 0;
	clock_now = rw_clock_at(0, 0);
	memset(host.table, 0, sizeof(host.table));
	for (me = 0; me < 2; me++)
		pthread_create(&thread[me], NULL, race_thread, (void *)(unsigned long)me);
	for (me = 0; me < 2; me++)
		pthread_join(thread[me], NULL);
	printf("%s, %s: %u of about %u expectations lost, %u races noticed\n",
	       wide ? "cells of 32 bits" : "cells of 16 bits", atomics ? "compare-and-swap" : "plain stores", missing,
	       2 * EACH * ROUNDS, lost_races);
	return missing;
}

int main(void)
{
	u32 failed = 0, wide;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
		printf("one CPU: left out racing for cells\n");
		return 0;
	}
	for (wide = 0; wide < 2; wide++) {
		failed += race_run(wide, 1) != 0;
		failed += race_run(wide, 0) == 0; /* the control must lose some */
	}
	printf("%u passed, %u failed\n", 4 - failed, failed);
	return failed != 0;
}
