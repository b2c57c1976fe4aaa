// SPDX-License-Identifier: MIT
/* Where the bits of access lists lie: ranges of words in one map, in order; first fit. Commands of agent.c use it. */
#define _GNU_SOURCE
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/membarrier.h>

#include "datapath.h"

/* A filter's old bits stay this long: a packet may be reading them. */
#define RETIRED_NS (50 * NS_PER_MS)

struct range {
	uint32_t base, words, id;
	uint64_t retired_ns; /* 0: in use */
};

static struct range ranges[2 * RW_FILTERS_MAX];
static size_t range_count;

static void range_insert(size_t at, struct range range)
{
	memmove(&ranges[at + 1], &ranges[at], (range_count - at) * sizeof(ranges[0]));
	ranges[at] = range;
	range_count++;
}

/* `all`: every reader has left (the call below saw to it), not only those of long ago. */
static void ranges_reclaim(bool all)
{
	uint64_t now = clock_ns();
	size_t kept = 0;

	for (size_t i = 0; i < range_count; i++)
		if (!ranges[i].retired_ns || (!all && now - ranges[i].retired_ns < RETIRED_NS))
			ranges[kept++] = ranges[i];
	range_count = kept;
}

/* Waits until every packet has been judged that was under way. */
void readers_leave(void)
{
	syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0);
}

static bool range_find(uint32_t words, size_t *at, uint32_t *base)
{
	*base = 0;
	for (*at = 0; *at < range_count; ++*at) {
		if (ranges[*at].base - *base >= words)
			return true;
		*base = ranges[*at].base + ranges[*at].words;
	}
	return settings.filter_words - *base >= words;
}

bool arena_allocate(uint32_t words, uint32_t id, uint32_t *base)
{
	size_t at;

	ranges_reclaim(false);
	if (range_count == ARRAY_SIZE(ranges) || !range_find(words, &at, base)) {
		readers_leave();
		ranges_reclaim(true);
		if (range_count == ARRAY_SIZE(ranges) || !range_find(words, &at, base))
			return false;
	}
	range_insert(at, (struct range){ .base = *base, .words = words, .id = id });
	return true;
}

void arena_retire(uint32_t id, uint32_t but_base)
{
	for (size_t i = 0; i < range_count; i++)
		if (ranges[i].id == id && !ranges[i].retired_ns && ranges[i].base != but_base)
			ranges[i].retired_ns = clock_ns();
}

static void range_pick_up(uint32_t id, const struct rw_filter *filter)
{
	uint32_t words = filter->bits / 64;
	struct rw_filter none = { 0 };
	size_t at = 0;

	/* of an arena that was larger: its bits are gone */
	if (filter->base > settings.filter_words || words > settings.filter_words - filter->base) {
		keyed_put(KEYED_FILTERS, &id, &none);
		return;
	}
	while (at < range_count && ranges[at].base < filter->base)
		at++;
	range_insert(at, (struct range){ .base = filter->base, .words = words, .id = id });
}

/* What a former process laid there is in use. */
void arena_pick_up(void)
{
	struct rw_filter filter;

	for (uint32_t id = 0; id < RW_FILTERS_MAX; id++)
		if (!keyed_get(KEYED_FILTERS, &id, &filter) && filter.bits)
			range_pick_up(id, &filter);
}
