/* SPDX-License-Identifier: MIT */
/* The kernel's program and its maps, loaded for a test, and the records that fill them. For runner.c. */
#ifndef ROAMWALL_RUNNER_MAPS_H
#define ROAMWALL_RUNNER_MAPS_H

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "records.h"

struct shape {
	uint32_t bucket_bits, remainder_bits, tick_bits, wide;
};

static struct bpf_object *object;
static struct shape shape;
static uint32_t rows, cells, mirrors, slots;
static uint16_t *services; /* 8 bytes apart */
static uint8_t *table, *owners, *mirror, *dirty, *opener, *shadow_table, *shadow_owners;
static struct rw_half_open *half_open;
static struct rw_ctl *ctl;

static void die(const char *what, ...)
{
	va_list args;

	va_start(args, what);
	fputs("runner: ", stderr);
	vfprintf(stderr, what, args);
	fputc('\n', stderr);
	va_end(args);
	exit(1);
}

static int map_fd(const char *name)
{
	return bpf_object__find_map_fd_by_name(object, name);
}

static void map_set(const char *name, const void *key, const void *value)
{
	if (bpf_map_update_elem(map_fd(name), key, value, BPF_ANY))
		die("map %s: %s", name, strerror(errno));
}

static void map_clear(const char *name, size_t key_bytes)
{
	uint8_t key[64] = {};

	while (!bpf_map_get_next_key(map_fd(name), NULL, key) && key_bytes <= sizeof(key))
		bpf_map_delete_elem(map_fd(name), key);
}

static void *map_memory(const char *name)
{
	struct bpf_map *m = bpf_object__find_map_by_name(object, name);
	size_t bytes = (size_t)((bpf_map__value_size(m) + 7) & ~7u) * bpf_map__max_entries(m);
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(m), 0);

	if (memory == MAP_FAILED)
		die("mmap of %s: %s", name, strerror(errno));
	return memory;
}

static void size_map(const char *name, uint32_t value, uint32_t entries)
{
	struct bpf_map *m = bpf_object__find_map_by_name(object, name);

	if (!m || (value && bpf_map__set_value_size(m, value)) || bpf_map__set_max_entries(m, entries))
		die("cannot size map %s", name);
}

/* Offsets of the constants in .rodata, by the object's BTF. */
static void *constant(const char *name)
{
	struct bpf_map *rodata = bpf_object__find_map_by_name(object, ".rodata");
	const struct btf *btf = bpf_object__btf(object);
	int id = btf__find_by_name_kind(btf, ".rodata", BTF_KIND_DATASEC);
	const struct btf_type *section = btf__type_by_id(btf, id);
	const struct btf_var_secinfo *var = btf_var_secinfos(section);
	size_t bytes;
	char *memory = (char *)bpf_map__initial_value(rodata, &bytes);

	for (int i = 0; i < btf_vlen(section); i++) {
		if (!strcmp(btf__name_by_offset(btf, btf__type_by_id(btf, var[i].type)->name_off), name))
			return memory + var[i].offset;
	}
	die("no constant %s", name);
	return NULL;
}

static int silent(enum libbpf_print_level level, const char *format, va_list args)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, format, args) : 0;
}

static void load(char **argv)
{
	struct bpf_program *program;
	uint32_t *seeds;
	uint32_t row_bytes;

	libbpf_set_print(silent);
	object = bpf_object__open(argv[1]);
	if (!object)
		die("cannot open %s", argv[1]);
	shape.bucket_bits = atoi(argv[2]);
	shape.remainder_bits = atoi(argv[3]);
	shape.wide = shape.remainder_bits != 12;
	shape.tick_bits = shape.wide ? 5 : 3;
	mirrors = atoi(argv[5]);
	slots = atoi(argv[6]);
	rows = 4u << shape.bucket_bits;
	cells = rows * 8;
	row_bytes = shape.wide ? 32 : 16;
	*(struct shape *)constant("rw_shape") = shape;
	*(uint32_t *)constant("rw_atomics") = atoi(argv[4]);
	*(uint32_t *)constant("rw_testing") = 1;
	seeds = constant("rw_seeds");
	for (int i = 0; i < 4; i++)
		seeds[i] = strtoul(argv[7 + i], NULL, 0);
	size_map("table", row_bytes, rows);
	size_map("mirror", row_bytes, rows * (mirrors ? mirrors : 1));
	size_map("owner", 0, rows);
	bpf_map__set_map_flags(bpf_object__find_map_by_name(object, "services"), BPF_F_MMAPABLE);
	size_map("dirty", 0, cells / 512 / 8 ? cells / 512 / 8 : 1);
	size_map("windows", 0, slots);
	size_map("used", 0, slots);
	size_map("opener", 0, rows);
	size_map("half_open", 0, slots);
	size_map("client_counters", 0, slots);
	size_map("filter_bits", 0, FILTERS * FILTER_WORDS);
	/* As architectures without unaligned access verify it. */
	bpf_object__for_each_program(program, object)
		bpf_program__set_flags(program, BPF_F_STRICT_ALIGNMENT);
	if (bpf_object__load(object))
		die("cannot load %s", argv[1]);
	table = map_memory("table");
	owners = map_memory("owner");
	mirror = map_memory("mirror");
	dirty = map_memory("dirty");
	opener = map_memory("opener");
	half_open = map_memory("half_open");
	ctl = map_memory("ctl");
	services = map_memory("services");
	shadow_table = calloc(rows, row_bytes);
	shadow_owners = calloc(rows, 16);
	if (!shadow_table || !shadow_owners)
		die("out of memory");
}

static uint32_t cell_at(const uint8_t *memory, uint32_t at)
{
	return shape.wide ? ((const uint32_t *)memory)[at] : ((const uint16_t *)memory)[at];
}

static void set_cell(uint8_t *memory, uint32_t at, uint32_t cell)
{
	if (shape.wide)
		((uint32_t *)memory)[at] = cell;
	else
		((uint16_t *)memory)[at] = cell;
}

static uint32_t take_dirty(void)
{
	uint32_t bits = 0;

	for (uint32_t i = 0; i < cells / 512 && i < 32; i++) {
		bits |= dirty[i] ? 1u << i : 0;
		dirty[i] = 0;
	}
	return bits;
}

static void set_filter(const uint8_t *body, size_t bytes)
{
	struct rw_command_set_filter of;
	struct rw_filter filter;

	memcpy(&of, body, sizeof(of));
	if (of.id >= FILTERS || bytes - sizeof(of) > FILTER_WORDS * 8)
		die("filter %u: %u bits are too many", of.id, of.bits);
	filter = filter_of(&of);
	for (uint32_t i = 0; i < (bytes - sizeof(of)) / 8; i++) {
		uint32_t word = filter.base + i;

		map_set("filter_bits", &word, body + sizeof(of) + i * 8);
	}
	map_set("filters", &of.id, &filter);
}

static void set_zones(const uint8_t *body, size_t bytes)
{
	const char *zones = *(const uint32_t *)body ? "zones_1" : "zones";

	map_clear(zones, sizeof(struct rw_zone_key));
	for (body += 4, bytes -= 4; bytes >= sizeof(struct rw_zone_entry); bytes -= sizeof(struct rw_zone_entry)) {
		struct rw_zone_entry of;
		struct rw_zone_key key;

		memcpy(&of, body, sizeof(of));
		body += sizeof(of);
		key.prefix_bits = of.prefix_bits;
		memcpy(key.address, of.address, 16);
		map_set(zones, &key, &of.zone);
	}
}

static void clear_services(int generation)
{
	for (uint32_t port = 0; port < 65536; port++)
		services[port * 4 + generation] = 0;
}

static void set_services(const uint8_t *body, size_t bytes)
{
	int generation = *(const uint32_t *)body & 1;

	clear_services(generation);
	for (body += 4, bytes -= 4; bytes >= 4; bytes -= 4, body += 4)
		services[((const uint16_t *)body)[0] * 4 + generation] = ((const uint16_t *)body)[1];
}

static void set_keys(const char *name, const uint8_t *body, size_t bytes, size_t key_bytes)
{
	uint32_t one = 1;

	map_clear(name, key_bytes);
	for (; bytes >= key_bytes; bytes -= key_bytes, body += key_bytes)
		map_set(name, body, &one);
}

static void set_cells(const uint8_t *body, size_t bytes)
{
	struct rw_event_cells of;

	for (; bytes >= sizeof(of); bytes -= sizeof(of), body += sizeof(of)) {
		memcpy(&of, body, sizeof(of));
		set_cell(table, of.coordinate % cells, of.cell);
		set_cell(shadow_table, of.coordinate % cells, of.cell);
		((uint16_t *)owners)[of.coordinate % cells] = of.owner;
		((uint16_t *)shadow_owners)[of.coordinate % cells] = of.owner;
	}
}

static void mirror_cells(const uint8_t *body, size_t bytes)
{
	uint32_t k = *(const uint32_t *)body;
	struct rw_mirror_cell of;

	for (body += 4, bytes -= 4; k < mirrors && bytes >= sizeof(of); bytes -= sizeof(of), body += sizeof(of)) {
		memcpy(&of, body, sizeof(of));
		set_cell(mirror, k * cells + of.coordinate % cells, of.cell);
	}
}

static void clear_array(const char *name, uint32_t entries)
{
	static const uint8_t nothing[8192];

	for (uint32_t i = 0; i < entries; i++)
		map_set(name, &i, nothing);
}

static void reset(void)
{
	size_t table_bytes = (size_t)cells * (shape.wide ? 4 : 2);

	memset(table, 0, table_bytes);
	memset(shadow_table, 0, table_bytes);
	memset(mirror, 0, table_bytes * mirrors);
	memset(owners, 0, (size_t)cells * 2);
	memset(shadow_owners, 0, (size_t)cells * 2);
	memset(ctl, 0, sizeof(*ctl));
	memset(opener, 0, cells);
	memset(half_open, 0, slots * sizeof(*half_open));
	take_dirty();
	clear_services(0);
	clear_services(1);
	clear_array("windows", slots);
	clear_array("used", slots);
	clear_array("filters", FILTERS);
	clear_array("automata", 1);
	map_clear("clients", 8);
	map_clear("ports", 4);
	map_clear("own_macs", 8);
	map_clear("local_addrs", 16);
	map_clear("zones", sizeof(struct rw_zone_key));
	map_clear("zones_1", sizeof(struct rw_zone_key));
}

#endif
