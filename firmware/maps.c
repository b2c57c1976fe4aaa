// SPDX-License-Identifier: MIT
/* Loading the object, and the maps that outlive this process. A pinned map that fits is used as it is, never wiped. */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "roamwalld.h"

#define BPF_FS_MAGIC_NUMBER 0xcafe4a11
#define CAP_BPF_NUMBER 39
/* The kernel's own number, in no user header: "this JIT cannot do that" */
#define ERRNO_NOT_SUPPORTED_BY_JIT 524
#define PATH_BYTES 256
#define CLIENTS_SPARE 16

struct maps maps;

static struct bpf_object *object;
static char warnings[16384];

static void pin_path(char path[PATH_BYTES], const char *name)
{
	if (snprintf(path, PATH_BYTES, "%s/%s", settings.pin, name) >= PATH_BYTES)
		die(EXIT_USAGE, "--pin %s: longer than %d characters", settings.pin, PATH_BYTES - 64);
}

/* What libbpf has to say matters only when loading fails: the end of it, where the verifier names the fault. */
static int warnings_keep(enum libbpf_print_level level, const char *format, va_list arguments)
{
	size_t at = strlen(warnings);

	if (level != LIBBPF_WARN)
		return 0;
	if (at > sizeof(warnings) / 2) {
		memmove(warnings, warnings + at / 2, at - at / 2 + 1);
		at -= at / 2;
	}
	return vsnprintf(warnings + at, sizeof(warnings) - at, format, arguments);
}

/* --- what the machine must have --- */

static bool machine_may(unsigned int capability)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	if (syscall(SYS_capget, &header, data))
		return false;
	return data[capability / 32].effective & (1u << capability % 32);
}

static void machine_check_bpffs(void)
{
	char parent[PATH_BYTES];
	struct statfs status;
	char *slash;

	pin_path(parent, "");
	if (statfs(settings.pin, &status)) {
		parent[strlen(parent) - 1] = 0;
		slash = strrchr(parent, '/');
		if (slash)
			slash[slash == parent] = 0;
		if (statfs(slash ? parent : ".", &status))
			die(EXIT_MISSING, "--pin %s: %s: %s", settings.pin, slash ? parent : ".", strerror(errno));
	}
	if ((unsigned long)status.f_type != BPF_FS_MAGIC_NUMBER)
		die(EXIT_MISSING, "--pin %s: no bpffs is mounted there (mount -t bpf bpf /sys/fs/bpf)", settings.pin);
}

void maps_check_machine(void)
{
	int fd;

	libbpf_set_print(warnings_keep);
	if (!machine_may(CAP_SYS_ADMIN) && !machine_may(CAP_BPF_NUMBER))
		die(EXIT_MISSING, "CAP_BPF is missing (uid %u): run as root, or with CAP_BPF and CAP_NET_ADMIN",
		    geteuid());
	if (!machine_may(CAP_NET_ADMIN))
		die(EXIT_MISSING, "CAP_NET_ADMIN is missing (uid %u): it is needed to attach to ports", geteuid());
	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "rw_probe", 4, 8, 1, NULL);
	if (fd < 0 && errno == ENOSYS)
		die(EXIT_MISSING, "this kernel has no bpf(): it needs CONFIG_BPF_SYSCALL");
	if (fd < 0)
		die(EXIT_MISSING, "this kernel refuses bpf(): %s (lockdown, or a capability is missing)",
		    strerror(errno));
	close(fd);
	machine_check_bpffs();
}

unsigned int maps_cpus(void)
{
	int cpus = libbpf_num_possible_cpus();

	return cpus > 0 ? (unsigned int)cpus : 1;
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
	const struct btf *btf = bpf_object__btf(object);
	const struct btf_type *section;
	const struct btf_var_secinfo *info;
	struct bpf_map *map;
	uint8_t *data = NULL;
	size_t size = 0;
	int id = btf ? btf__find_by_name_kind(btf, ".rodata", BTF_KIND_DATASEC) : -1;

	bpf_object__for_each_map(map, object)
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
	struct bpf_map *map = bpf_object__find_map_by_name(object, name);

	if (!map)
		die(EXIT_RUNTIME, "%s: no map \"%s\": the object is of another version", settings.object, name);
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
	map_size("services", 0, 0, BPF_F_MMAPABLE);
	map_size("filter_bits", 0, settings.filter_words, BPF_F_MMAPABLE);
}

/* --- pins --- */

static bool map_is_pinned(const struct bpf_map *map)
{
	const char *name = bpf_map__name(map);

	/* read-only data belongs to one load; scratch has no meaning between packets */
	return !strchr(name, '.') && strcmp(name, "scratch");
}

/* Tail calls of the program that is still attached go through the old one, so it stays until nothing needs it. */
static bool map_is_fresh(const struct bpf_map *map)
{
	return !strcmp(bpf_map__name(map), "stages");
}

static bool map_fits(const struct bpf_map *map, const struct bpf_map_info *info)
{
	return info->type == bpf_map__type(map) && info->key_size == bpf_map__key_size(map) &&
	       info->value_size == bpf_map__value_size(map) && info->max_entries == bpf_map__max_entries(map) &&
	       info->map_flags == bpf_map__map_flags(map);
}

static int pin_open(const char *name, struct bpf_map_info *info)
{
	uint32_t bytes = sizeof(*info);
	char path[PATH_BYTES];
	int fd;

	pin_path(path, name);
	memset(info, 0, sizeof(*info));
	fd = bpf_obj_get(path);
	if (fd >= 0 && bpf_obj_get_info_by_fd(fd, info, &bytes)) {
		close(fd);
		return -1;
	}
	return fd;
}

static void pin_replace(int fd, const char *name)
{
	char path[PATH_BYTES];

	pin_path(path, name);
	if (unlink(path) && errno != ENOENT)
		die(EXIT_RUNTIME, "%s: %s", path, strerror(errno));
	if (bpf_obj_pin(fd, path))
		die(EXIT_RUNTIME, "%s: cannot be pinned: %s", path, strerror(errno));
}

static bool map_pin_fits(const char *name)
{
	struct bpf_map *map = bpf_object__find_map_by_name(object, name);
	struct bpf_map_info info;
	int fd = pin_open(name, &info);

	if (fd < 0)
		return false;
	close(fd);
	return map_fits(map, &info);
}

static void map_reuse(struct bpf_map *map)
{
	const char *name = bpf_map__name(map);
	struct bpf_map_info info;
	int fd = pin_open(name, &info);

	if (fd < 0)
		return;
	if (!map_fits(map, &info))
		say("pinned map \"%s\" has another shape (%u entries of %u bytes, here %u of %u): replaced", name,
		    info.max_entries, info.value_size, bpf_map__max_entries(map), bpf_map__value_size(map));
	else if (bpf_map__reuse_fd(map, fd))
		die(EXIT_RUNTIME, "pinned map \"%s\" cannot be used again: %s", name, strerror(errno));
	close(fd);
}

/* --- meta: what the pinned table was made for --- */

static uint64_t meta_seed_hash(void)
{
	const uint8_t *bytes = (const uint8_t *)settings.seeds;
	uint64_t hash = 0xcbf29ce484222325ull;

	for (size_t i = 0; i < sizeof(settings.seeds); i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3ull;
	return hash;
}

static void *map_memory(int fd, size_t bytes, const char *name)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (memory == MAP_FAILED)
		die(EXIT_RUNTIME, "map \"%s\" cannot be mapped: %s", name, strerror(errno));
	return memory;
}

/* Names the first difference, or nothing when the pinned table can be used. */
static bool meta_differs(const struct meta *meta, char *why, size_t bytes)
{
	const struct geometry *g = &settings.geometry;

	if (meta->abi != RW_ABI_VERSION)
		snprintf(why, bytes, "abi version %u, here %u", meta->abi, RW_ABI_VERSION);
	else if (meta->bucket_bits != g->bucket_bits || meta->remainder_bits != g->remainder_bits)
		snprintf(why, bytes, "geometry 4x%ux8/r%u, here 4x%ux8/r%u", 1u << (meta->bucket_bits & 31),
			 meta->remainder_bits, 1u << g->bucket_bits, g->remainder_bits);
	else if (meta->seed_hash != meta_seed_hash())
		snprintf(why, bytes, "other seeds");
	else if (!map_pin_fits("table") || !map_pin_fits("owner") || !map_pin_fits("dirty"))
		snprintf(why, bytes, "table, owner or dirty missing or of another shape");
	else
		return false;
	return true;
}

static void meta_make(void)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_MMAPABLE);
	const struct geometry *g = &settings.geometry;
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "meta", 4, sizeof(struct meta), 1, &options);
	uint64_t now = boot_ns();

	if (fd < 0)
		die(EXIT_RUNTIME, "map \"meta\": %s", strerror(errno));
	maps.meta = map_memory(fd, sizeof(struct meta), "meta");
	*maps.meta = (struct meta){
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
	if (getrandom(&maps.meta->table_id, sizeof(maps.meta->table_id), 0) != sizeof(maps.meta->table_id))
		die(EXIT_RUNTIME, "getrandom: %s", strerror(errno));
	pin_replace(fd, "meta");
	close(fd);
}

static void pins_unlink(bool (*wanted)(const char *name))
{
	DIR *directory = opendir(settings.pin);
	char path[PATH_BYTES + NAME_MAX];
	struct dirent *entry;

	while (directory && (entry = readdir(directory))) {
		if (entry->d_name[0] == '.' || !wanted(entry->d_name))
			continue;
		snprintf(path, sizeof(path), "%s/%s", settings.pin, entry->d_name);
		if (unlink(path))
			say("%s: %s", path, strerror(errno));
	}
	if (directory)
		closedir(directory);
}

static bool pin_is_map(const char *name)
{
	return strncmp(name, "link_", 5) && strncmp(name, "stages", 6);
}

static bool pin_is_any(const char *name)
{
	(void)name;
	return true;
}

/* True when the pinned table is ours to go on with. What does not fit goes, so that nothing half-old is used. */
static bool meta_pick_up(void)
{
	struct bpf_map_info info;
	int fd = pin_open("meta", &info);
	char why[128] = "";

	if (fd >= 0 && info.value_size == sizeof(struct meta)) {
		maps.meta = map_memory(fd, sizeof(struct meta), "meta");
		if (!meta_differs(maps.meta, why, sizeof(why))) {
			close(fd);
			return true;
		}
		munmap(maps.meta, sizeof(struct meta));
	} else if (fd >= 0) {
		snprintf(why, sizeof(why), "bookkeeping of %u bytes, here %zu", info.value_size, sizeof(struct meta));
	}
	if (fd >= 0) {
		say("the pinned table under %s does not fit (%s): replaced", settings.pin, why);
		close(fd);
	}
	pins_unlink(pin_is_map);
	return false;
}

/* --- load --- */

static void object_choose(void)
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

static void object_open(uint32_t atomics)
{
	struct bpf_map *map;

	object = bpf_object__open_file(settings.object, NULL);
	if (!object)
		die(EXIT_RUNTIME, "--object %s: %s", settings.object, strerror(errno));
	maps_size();
	constants_set(atomics);
	maps.picked_up = meta_pick_up();
	bpf_object__for_each_map(map, object)
		if (map_is_pinned(map) && !map_is_fresh(map))
			map_reuse(map);
}

/*
 * More than one CPU: cells are exchanged by compare-and-swap, unless the JIT cannot. Then plain stores lose a cell now
 * and then, which costs a retransmission, and is still better than no filter.
 */
static void object_load(void)
{
	uint32_t atomics = maps_cpus() > 1;
	int error;

	object_open(atomics);
	error = bpf_object__load(object);
	if (error == -ERRNO_NOT_SUPPORTED_BY_JIT && atomics) {
		say("this kernel's JIT has no atomics: cells are stored plainly");
		bpf_object__close(object);
		object_open(0);
		error = bpf_object__load(object);
	}
	if (!error)
		return;
	fputs(warnings, stderr);
	if (error == -EPERM || error == -ENOSYS)
		die(EXIT_MISSING, "--object %s: the kernel refuses to load it: %s", settings.object, strerror(-error));
	die(EXIT_RUNTIME, "--object %s: cannot be loaded: %s", settings.object, strerror(-error));
}

static int map_fd(const char *name)
{
	int fd = bpf_object__find_map_fd_by_name(object, name);

	if (fd < 0)
		die(EXIT_RUNTIME, "%s: no map \"%s\": the object is of another version", settings.object, name);
	return fd;
}

/* Entries of a mapped array lie 8-byte aligned. */
static void *map_mapped(const char *name)
{
	struct bpf_map *map = bpf_object__find_map_by_name(object, name);
	size_t stride = (bpf_map__value_size(map) + 7) & ~7u;

	return map_memory(map_fd(name), stride * bpf_map__max_entries(map), name);
}

static int program_fd(const char *name, uint32_t *id)
{
	struct bpf_program *program = bpf_object__find_program_by_name(object, name);
	struct bpf_prog_info info = { 0 };
	uint32_t bytes = sizeof(info);

	if (!program || bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &bytes))
		die(EXIT_RUNTIME, "%s: no program \"%s\": the object is of another version", settings.object, name);
	*id = info.id;
	return bpf_program__fd(program);
}

static void maps_take(void)
{
	maps.table = map_mapped("table");
	maps.owner = map_mapped("owner");
	maps.dirty = map_mapped("dirty");
	maps.mirror = map_mapped("mirror");
	maps.ctl = map_mapped("ctl");
	maps.used = map_mapped("used");
	maps.services = map_mapped("services");
	maps.filter_bits = map_mapped("filter_bits");
	maps.automata = map_fd("automata");
	maps.clients = map_fd("clients");
	maps.client_counters = map_fd("client_counters");
	maps.denied_counters = map_fd("denied_counters");
	maps.filters = map_fd("filters");
	maps.zones = map_fd("zones");
	maps.ports = map_fd("ports");
	maps.own_macs = map_fd("own_macs");
	maps.local_addrs = map_fd("local_addrs");
	maps.events = map_fd("events");
	maps.ingress = program_fd("rw_from_client", &maps.ingress_id);
	maps.egress = program_fd("rw_to_client", &maps.egress_id);
}

void maps_lock(void)
{
	int fd;

	if (mkdir(settings.pin, 0700) && errno != EEXIST)
		die(EXIT_RUNTIME, "--pin %s: %s", settings.pin, strerror(errno));
	fd = open(settings.pin, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB))
		die(EXIT_RUNTIME, "--pin %s: %s", settings.pin,
		    errno == EWOULDBLOCK ? "another roamwalld uses it" : strerror(errno));
}

void maps_load(void)
{
	struct bpf_map *map;

	object_choose();
	object_load();
	bpf_object__for_each_map(map, object)
		if (map_is_pinned(map))
			pin_replace(bpf_map__fd(map), map_is_fresh(map) ? "stages_next" : bpf_map__name(map));
	if (!maps.picked_up)
		meta_make();
	maps_take();
}

/* Called when every port runs the new program: the old one's tail calls are needed no more. */
void maps_commit(void)
{
	char from[PATH_BYTES], to[PATH_BYTES];

	pin_path(from, "stages_next");
	pin_path(to, "stages");
	if (rename(from, to) && errno != ENOENT)
		say("%s: %s", to, strerror(errno));
}

void maps_remove(void)
{
	pins_unlink(pin_is_any);
	if (rmdir(settings.pin) && errno != EBUSY)
		say("%s: %s", settings.pin, strerror(errno));
	say("removed %s", settings.pin);
}
