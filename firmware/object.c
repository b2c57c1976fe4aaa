// SPDX-License-Identifier: MIT
/* The object file: where it is, its constants, and the sizes of its maps. */
#include <bpf/btf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ebpf.h"

#define CLIENTS_SPARE 16

void object_choose(void)
{
	static const char *const name = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? "sfr.bpfeb.o" : "sfr.bpf.o";
	static char path[PATH_BYTES];
	ssize_t length;

	if (settings.object)
		return;
	length = readlink("/proc/self/exe", path, sizeof(path) - 32);
	while (length > 0 && path[length - 1] != '/')
		length--;
	if (length < 0)
		length = 0;
	strcpy(path + length, name);
	if (access(path, R_OK))
		snprintf(path, sizeof(path), "/usr/lib/roamwall/%s", name);
	settings.object = path;
}

void object_open(void)
{
	ebpf.object = bpf_object__open_file(settings.object, NULL);
	if (!ebpf.object)
		die(EXIT_RUNTIME, "--object %s: %s", settings.object, strerror(errno));
}

struct bpf_map *object_map(const char *name)
{
	struct bpf_map *map = bpf_object__find_map_by_name(ebpf.object, name);

	if (!map)
		die(EXIT_RUNTIME, "%s: no map \"%s\": the object is of another version", settings.object, name);
	return map;
}

/* --- constants of the program, found by name --- */

static bool constant_is(const char *found, const char *name)
{
	return !strcmp(strncmp(found, "rw_", 3) ? found : found + 3, name);
}

static bool constant_set_in(const struct btf *btf, uint8_t *data, uint32_t type_id, const char *name, const void *value,
			    size_t bytes)
{
	const struct btf_type *type = btf__type_by_id(btf, (uint32_t)btf__resolve_type(btf, type_id));
	const struct btf_member *member;

	if (!type || !btf_is_struct(type))
		return false;
	member = btf_members(type);
	for (unsigned int i = 0; i < btf_vlen(type); i++, member++) {
		if (!constant_is(btf__name_by_offset(btf, member->name_off), name) ||
		    btf__resolve_size(btf, member->type) != (int64_t)bytes)
			continue;
		memcpy(data + btf_member_bit_offset(type, i) / 8, value, bytes);
		return true;
	}
	return false;
}

/* Returns false when this object has no such constant. */
static bool constant_set(const char *name, const void *value, size_t bytes)
{
	const struct btf *btf = bpf_object__btf(ebpf.object);
	const struct btf_type *section;
	const struct btf_var_secinfo *info;
	struct bpf_map *map;
	uint8_t *data = NULL;
	size_t size = 0;
	int id = btf ? btf__find_by_name_kind(btf, ".rodata", BTF_KIND_DATASEC) : -1;

	bpf_object__for_each_map(map, ebpf.object)
		if (strstr(bpf_map__name(map), ".rodata"))
			data = (uint8_t *)(uintptr_t)bpf_map__initial_value(map, &size);
	section = id > 0 ? btf__type_by_id(btf, (uint32_t)id) : NULL;
	info = section ? btf_var_secinfos(section) : NULL;
	for (unsigned int i = 0; data && section && i < btf_vlen(section); i++, info++) {
		const struct btf_type *variable = btf__type_by_id(btf, info->type);
		const char *found = btf__name_by_offset(btf, variable->name_off);

		if (info->offset + info->size > size)
			continue;
		if (constant_set_in(btf, data + info->offset, variable->type, name, value, bytes))
			return true;
		if (!constant_is(found, name) || info->size != bytes)
			continue;
		memcpy(data + info->offset, value, bytes);
		return true;
	}
	return false;
}

static void constant_require(const char *name, const void *value, size_t bytes)
{
	if (!constant_set(name, value, bytes))
		die(EXIT_RUNTIME, "%s: no constant \"%s\" of %zu bytes: the object is of another version",
		    settings.object, name, bytes);
}

static void constants_set(uint32_t atomics)
{
	const struct geometry *g = &settings.geometry;
	const struct {
		const char *name;
		uint32_t value;
	} rows[] = {
		{ "bucket_bits", g->bucket_bits }, { "remainder_bits", g->remainder_bits },
		{ "tick_bits", g->tick_bits },	   { "wide", g->cell_bits == 32 },
		{ "testing", settings.testing },   { "atomics", atomics },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		constant_require(rows[i].name, &rows[i].value, sizeof(rows[i].value));
	constant_require("seeds", settings.seeds, sizeof(settings.seeds));
	/* looks beyond the last mirror find no row anyway */
	constant_set("mirrors", &settings.mirrors, sizeof(settings.mirrors));
}

/* --- sizes --- */

static void map_size(const char *name, uint32_t value_bytes, uint32_t entries, uint32_t add_flags)
{
	struct bpf_map *map = object_map(name);

	if ((value_bytes && bpf_map__set_value_size(map, value_bytes)) ||
	    (entries && bpf_map__set_max_entries(map, entries)) ||
	    bpf_map__set_map_flags(map, bpf_map__map_flags(map) | add_flags))
		die(EXIT_RUNTIME, "map \"%s\": cannot be sized", name);
}

static void maps_size(void)
{
	const struct geometry *g = &settings.geometry;
	uint32_t buckets = RW_SUBTABLES << g->bucket_bits, bucket_bytes = RW_BUCKET_CELLS * g->cell_bits / 8;
	uint32_t dirty_words = g->cells / RW_DIRTY_CELLS / 8, slots = settings.clients + 1;

	map_size("table", bucket_bytes, buckets, BPF_F_MMAPABLE);
	map_size("owner", RW_BUCKET_CELLS * 2, buckets, BPF_F_MMAPABLE);
	map_size("dirty", 8, dirty_words ? dirty_words : 1, BPF_F_MMAPABLE);
	map_size("mirror", bucket_bytes, settings.mirrors * buckets, BPF_F_MMAPABLE);
	map_size("ctl", 0, 0, BPF_F_MMAPABLE);
	map_size("clients", 0, settings.clients + CLIENTS_SPARE, 0);
	map_size("windows", 0, slots, 0);
	map_size("client_counters", 0, slots, 0);
	map_size("used", 0, slots, BPF_F_MMAPABLE);
	map_size("opener", RW_BUCKET_CELLS, buckets, BPF_F_MMAPABLE);
	map_size("half_open", 0, slots, BPF_F_MMAPABLE);
	map_size("services", 0, 0, BPF_F_MMAPABLE);
	map_size("filter_bits", 0, settings.filter_words, BPF_F_MMAPABLE);
}

/* `atomics`: the program changes cells by compare-and-swap. */
void object_shape(uint32_t atomics)
{
	maps_size();
	constants_set(atomics);
}
