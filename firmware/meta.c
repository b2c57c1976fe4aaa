// SPDX-License-Identifier: MIT
/* What a table was made for: whether a table that is found can be used. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "datapath.h"

static uint64_t meta_seed_hash(void)
{
	const uint8_t *bytes = (const uint8_t *)settings.seeds;
	uint64_t hash = 0xcbf29ce484222325ull;

	for (size_t i = 0; i < sizeof(settings.seeds); i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3ull;
	return hash;
}

bool meta_differs(const struct meta *meta, char *why, size_t bytes)
{
	const struct geometry *g = &settings.geometry;

	if (meta->abi != RW_ABI_VERSION)
		snprintf(why, bytes, "abi version %u, here %u", meta->abi, RW_ABI_VERSION);
	else if (meta->bucket_bits != g->bucket_bits || meta->remainder_bits != g->remainder_bits)
		snprintf(why, bytes, "geometry 4x%ux8/r%u, here 4x%ux8/r%u", 1u << (meta->bucket_bits & 31),
			 meta->remainder_bits, 1u << g->bucket_bits, g->remainder_bits);
	else if (meta->seed_hash != meta_seed_hash())
		snprintf(why, bytes, "other seeds");
	else
		return false;
	return true;
}

void meta_init(struct meta *meta)
{
	const struct geometry *g = &settings.geometry;
	uint64_t now = boot_ns();

	*meta = (struct meta){
		.abi = RW_ABI_VERSION,
		.bucket_bits = g->bucket_bits,
		.remainder_bits = g->remainder_bits,
		.cell_bits = g->cell_bits,
		.seed_hash = meta_seed_hash(),
		.fast_due_ns = now,
		.slow_due_ns = now,
		.made_ns = now,
		.hold_ms = 200,
		.flush_ms = 4,
		.pickup_s = 300,
	};
	if (getrandom(&meta->table_id, sizeof(meta->table_id), 0) != sizeof(meta->table_id))
		die(EXIT_RUNTIME, "getrandom: %s", strerror(errno));
}
