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

/* Other tables say nothing without the ones of the same version beside them, or are filled anew at each start. */
static const char *const of_cells[] = { "table", "owner", "dirty", "opener", "mirror" };
static const char *const of_rights[] = { "clients", "filters", "filter_bits", "zones", "zones_1", "services" };

void meta_copy(struct meta *to, const void *from, size_t bytes)
{
	memset(to, 0, sizeof(*to));
	memcpy(to, from, bytes < sizeof(*to) ? bytes : sizeof(*to));
}

struct left meta_left(const struct meta *meta)
{
	const struct geometry *g = &settings.geometry;
	bool same_abi = meta->abi == RW_ABI_VERSION, same_seeds = meta->seed_hash == meta_seed_hash();
	bool same_shape = meta->bucket_bits == g->bucket_bits && meta->remainder_bits == g->remainder_bits;
	struct left left = {
		.cells = same_shape && same_seeds && meta->cells_version == RW_CELLS_VERSION,
		.rights = same_seeds && meta->rights_version == RW_RIGHTS_VERSION,
	};

	left.all = same_abi && left.cells && left.rights;
	if (!same_abi)
		snprintf(left.why, sizeof(left.why), "abi version %u, here %u", meta->abi, RW_ABI_VERSION);
	else if (!same_shape)
		snprintf(left.why, sizeof(left.why), "geometry 4x%ux8/r%u, here 4x%ux8/r%u",
			 1u << (meta->bucket_bits & 31), meta->remainder_bits, 1u << g->bucket_bits, g->remainder_bits);
	else if (!same_seeds)
		snprintf(left.why, sizeof(left.why), "other seeds");
	return left;
}

static bool is_among(const char *name, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(name, names[i]))
			return true;
	return false;
}

bool left_has(const struct left *left, const char *table)
{
	if (is_among(table, of_cells, ARRAY_SIZE(of_cells)))
		return left->cells;
	if (is_among(table, of_rights, ARRAY_SIZE(of_rights)))
		return left->rights;
	return left->all;
}

const char *left_text(const struct left *left)
{
	if (left->cells)
		return left->rights ? "flows and rights are kept" : "flows are kept, rights are the agent's to give again";
	return left->rights ? "rights are kept, flows that run are picked up anew" :
			      "nothing is kept: flows that run are picked up anew";
}

void meta_init(struct meta *meta, const struct meta *before)
{
	const struct geometry *g = &settings.geometry;
	uint64_t now = boot_ns();

	*meta = (struct meta){
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
	if (before)
		*meta = *before;
	else if (getrandom(&meta->table_id, sizeof(meta->table_id), 0) != sizeof(meta->table_id))
		die(EXIT_RUNTIME, "getrandom: %s", strerror(errno));
	meta->abi = RW_ABI_VERSION;
	meta->cells_version = RW_CELLS_VERSION;
	meta->rights_version = RW_RIGHTS_VERSION;
}
