// SPDX-License-Identifier: MIT
/* Maps that outlive this process. One that fits is used as it is, never wiped; what does not fit stays until it is replaced. */
#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ebpf.h"

/* Of any version. */
#define META_BYTES_MAX 4096

void pin_path(char path[PATH_BYTES], const char *name)
{
	if (snprintf(path, PATH_BYTES, "%s/%s", settings.pin, name) >= PATH_BYTES)
		die(EXIT_USAGE, "--pin %s: longer than %d characters", settings.pin, PATH_BYTES - 64);
}

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
	struct bpf_map *map = object_map(name);
	struct bpf_map_info info;
	int fd = pin_open(name, &info);

	if (fd < 0)
		return false;
	close(fd);
	return map_fits(map, &info);
}

static bool map_reuse(struct bpf_map *map)
{
	const char *name = bpf_map__name(map);
	struct bpf_map_info info;
	int fd = pin_open(name, &info);
	bool fits;

	if (fd < 0)
		return false;
	fits = map_fits(map, &info);
	if (!fits)
		say("pinned map \"%s\" has another shape (%u entries of %u bytes, here %u of %u)", name, info.max_entries,
		    info.value_size, bpf_map__max_entries(map), bpf_map__value_size(map));
	else if (bpf_map__reuse_fd(map, fd))
		die(EXIT_RUNTIME, "pinned map \"%s\" cannot be used again: %s", name, strerror(errno));
	close(fd);
	return fits;
}

/* --- meta: what the pinned table was made for --- */

void *map_memory(int fd, size_t bytes, const char *name)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (memory == MAP_FAILED)
		die(EXIT_RUNTIME, "map \"%s\" cannot be mapped: %s", name, strerror(errno));
	return memory;
}

static struct left left;
/* every map of before is used again */
static bool whole;
static struct meta before;
/* of a new one; -1: the pinned one goes on */
static int meta_fd = -1;

const struct left *pins_left(void)
{
	return &left;
}

bool pins_whole(void)
{
	return whole;
}

static void meta_make(void)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_MMAPABLE);

	meta_fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "meta", 4, sizeof(struct meta), 1, &options);
	if (meta_fd < 0)
		die(EXIT_RUNTIME, "map \"meta\": %s", strerror(errno));
	maps.meta = map_memory(meta_fd, sizeof(struct meta), "meta");
	meta_init(maps.meta, left.cells ? &before : NULL);
}

/* Whether the pinned one can go on, too. */
static bool meta_read(void)
{
	uint8_t bytes[META_BYTES_MAX];
	struct bpf_map_info info;
	int fd = pin_open("meta", &info);
	uint32_t zero = 0;
	bool known = fd >= 0 && info.value_size <= sizeof(bytes) && !bpf_map_lookup_elem(fd, &zero, bytes);

	memset(&left, 0, sizeof(left));
	if (known) {
		meta_copy(&before, bytes, info.value_size);
		left = meta_left(&before);
	} else if (fd >= 0) {
		snprintf(left.why, sizeof(left.why), "bookkeeping of %u bytes", info.value_size);
	}
	if (fd >= 0)
		close(fd);
	if (left.cells && !(map_pin_fits("table") && map_pin_fits("owner") && map_pin_fits("dirty"))) {
		left.cells = left.all = false;
		snprintf(left.why, sizeof(left.why), "table, owner or dirty missing or of another shape");
	}
	return left.all && info.value_size == sizeof(struct meta);
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

/* Of a version that had more maps. */
static bool pin_is_stale(const char *name)
{
	return strncmp(name, "link_", 5) && strncmp(name, "stages", 6) && strcmp(name, "meta") &&
	       !bpf_object__find_map_by_name(ebpf.object, name);
}

static bool pin_is_any(const char *name)
{
	(void)name;
	return true;
}

/* --- before, after, and at the end --- */

void pins_take(void)
{
	struct bpf_map *map;

	whole = meta_read();
	bpf_object__for_each_map(map, ebpf.object) {
		bool is_clients = !strcmp(bpf_map__name(map), "clients"), used;

		if (!map_is_pinned(map) || map_is_fresh(map))
			continue;
		used = left_has(&left, bpf_map__name(map)) && map_reuse(map);
		whole &= used;
		if (is_clients && !used)
			left.rights = false;
	}
	if (!whole && left.all)
		snprintf(left.why, sizeof(left.why), "a map of another shape");
}

void pins_keep(void)
{
	struct bpf_map_info info;
	int fd;

	maps.picked_up = left.cells;
	maps.owners_stale = left.cells && !left.rights;
	if (!left.all || (fd = pin_open("meta", &info)) < 0) {
		meta_make();
		return;
	}
	maps.meta = map_memory(fd, sizeof(struct meta), "meta");
	close(fd);
}

/* The bookkeeping goes first and comes last: without it nothing half-old is used. */
void pins_give(void)
{
	struct bpf_map *map;
	char path[PATH_BYTES];

	pin_path(path, "meta");
	if (meta_fd >= 0)
		unlink(path);
	bpf_object__for_each_map(map, ebpf.object)
		if (map_is_pinned(map))
			pin_replace(bpf_map__fd(map), map_is_fresh(map) ? "stages_next" : bpf_map__name(map));
	pins_unlink(pin_is_stale);
	if (meta_fd >= 0)
		pin_replace(meta_fd, "meta");
}

void pins_lock(void)
{
	int fd;

	if (mkdir(settings.pin, 0700) && errno != EEXIST)
		die(EXIT_RUNTIME, "--pin %s: %s", settings.pin, strerror(errno));
	fd = open(settings.pin, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB))
		die(EXIT_RUNTIME, "--pin %s: %s", settings.pin,
		    errno == EWOULDBLOCK ? "another roamwalld uses it" : strerror(errno));
}

/* The old one's tail calls are needed no more. */
void pins_commit(void)
{
	char from[PATH_BYTES], to[PATH_BYTES];

	pin_path(from, "stages_next");
	pin_path(to, "stages");
	if (rename(from, to) && errno != ENOENT)
		say("%s: %s", to, strerror(errno));
}

void pins_remove(void)
{
	pins_unlink(pin_is_any);
	if (rmdir(settings.pin) && errno != EBUSY)
		say("%s: %s", settings.pin, strerror(errno));
	say("removed %s", settings.pin);
}
