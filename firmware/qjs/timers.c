// SPDX-License-Identifier: MIT
/* Timers: a heap of slots, earliest first; of equals, the one that was asked for first. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "host.h"

#define NO_SLOT UINT32_MAX
/* A month: later than that nobody waits, and epoll cannot. */
#define WAIT_MS_MAX 2.6e9
#define POLL_MS_MAX 1e9

struct timer {
	double at_ms;
	uint64_t turn;
	JSValue run;
	/* Of the heap; NO_SLOT: free, and `next_free` counts. */
	uint32_t place, next_free;
	uint32_t generation;
};

static struct timer *timers;
static uint32_t *heap;
static uint32_t heap_count, slots, first_free = NO_SLOT;
static uint64_t next_turn;

static bool grow(void)
{
	uint32_t more = slots ? slots * 2 : 64;
	struct timer *wider;
	uint32_t *taller;

	if (more > TIMERS_MAX)
		return false;
	wider = realloc(timers, more * sizeof(*timers));
	if (!wider)
		return false;
	timers = wider;
	taller = realloc(heap, more * sizeof(*heap));
	if (!taller)
		return false;
	heap = taller;
	for (uint32_t slot = slots; slot < more; slot++)
		timers[slot] = (struct timer){
			.place = NO_SLOT,
			.next_free = slot + 1 < more ? slot + 1 : first_free,
			/* 0 is nobody's id: the bundle may cancel what it never set. */
			.generation = 1,
		};
	first_free = slots;
	slots = more;
	return true;
}

static bool is_before(uint32_t a, uint32_t b)
{
	const struct timer *x = &timers[heap[a]], *y = &timers[heap[b]];

	return x->at_ms < y->at_ms || (x->at_ms == y->at_ms && x->turn < y->turn);
}

static void swap(uint32_t a, uint32_t b)
{
	uint32_t slot = heap[a];

	heap[a] = heap[b];
	heap[b] = slot;
	timers[heap[a]].place = a;
	timers[heap[b]].place = b;
}

static void sift_up(uint32_t at)
{
	for (; at && is_before(at, (at - 1) / 2); at = (at - 1) / 2)
		swap(at, (at - 1) / 2);
}

static void sift_down(uint32_t at)
{
	for (;;) {
		uint32_t least = at;

		for (uint32_t child = 2 * at + 1; child <= 2 * at + 2 && child < heap_count; child++)
			if (is_before(child, least))
				least = child;
		if (least == at)
			return;
		swap(at, least);
		at = least;
	}
}

/* Answers the function, which is the caller's from now on. */
static JSValue take_out(uint32_t slot)
{
	struct timer *timer = &timers[slot];
	uint32_t place = timer->place, last = --heap_count;
	JSValue run = timer->run;

	if (place != last) {
		swap(place, last);
		sift_up(place);
		sift_down(place);
	}
	timer->place = NO_SLOT;
	timer->generation++;
	timer->next_free = first_free;
	first_free = slot;
	return run;
}

void timers_run(double now_ms)
{
	uint64_t turn = next_turn;

	/* Not those that are set meanwhile: packets come between. */
	while (heap_count && !is_done) {
		uint32_t slot = heap[0];
		JSValue run;

		if (timers[slot].at_ms > now_ms || timers[slot].turn >= turn)
			return;
		run = take_out(slot);
		engine_call(run, 0, NULL);
		JS_FreeValue(ctx, run);
	}
}

int timers_wait_ms(double now_ms)
{
	double wait;

	if (!heap_count)
		return -1;
	wait = ceil(timers[heap[0]].at_ms - now_ms);
	return wait <= 0 ? 0 : wait > POLL_MS_MAX ? (int)POLL_MS_MAX : (int)wait;
}

void timers_stop(void)
{
	while (heap_count)
		JS_FreeValue(ctx, take_out(heap[heap_count - 1]));
	free(timers);
	free(heap);
}

/* host.after(ms, run): an id. */
static JSValue js_after(JSContext *context, JSValueConst self, int argc, JSValueConst *argv)
{
	struct timer *timer;
	double ms;
	uint32_t slot;

	(void)self, (void)argc;
	if (!arg_number(argv[0], &ms) || !arg_function(argv[1]))
		return JS_EXCEPTION;
	if (first_free == NO_SLOT && !grow())
		return throw_text("EMFILE", "too many timers");
	slot = first_free;
	timer = &timers[slot];
	first_free = timer->next_free;
	/* Not a number: now. */
	ms = ms > 0 ? ms : 0;
	timer->at_ms = loop_now_ms() + (ms < WAIT_MS_MAX ? ms : WAIT_MS_MAX);
	timer->turn = next_turn++;
	timer->run = JS_DupValue(context, argv[1]);
	timer->place = heap_count;
	heap[heap_count++] = slot;
	sift_up(timer->place);
	return JS_NewFloat64(context, slot + (double)timer->generation * TIMERS_MAX);
}

/* host.cancel(id): one that is over is nothing to complain about. */
static JSValue js_cancel(JSContext *context, JSValueConst self, int argc, JSValueConst *argv)
{
	int64_t id;
	uint32_t slot;

	(void)self, (void)argc;
	if (!arg_int(argv[0], 0, (int64_t)UINT32_MAX * TIMERS_MAX, &id))
		return JS_EXCEPTION;
	slot = id % TIMERS_MAX;
	if (slot < slots && timers[slot].place != NO_SLOT && timers[slot].generation == (uint64_t)id / TIMERS_MAX)
		JS_FreeValue(context, take_out(slot));
	return JS_UNDEFINED;
}

void timers_define(JSValueConst host)
{
	host_define(host, "after", js_after, 2);
	host_define(host, "cancel", js_cancel, 1);
}
