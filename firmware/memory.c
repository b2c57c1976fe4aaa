// SPDX-License-Identifier: MIT
/* The tables in files that are mapped, one each. What a former process left is used as it is, if it fits. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "memory.h"
#include "nfqueue.h"

#define PATH_BYTES 256
#define CLIENTS_SPARE 16
#define OWN_MACS_MAX 256
#define LOCAL_ADDRS_MAX 256
#define PREFIXES_MAX 1024

struct rw_memory rw_memory;

/* `limit`: it is a keyed table of so many entries. */
struct table {
	const char *name;
	void **at;
	size_t bytes;
	uint32_t limit, key_bytes, value_bytes;
};

#define KEYED(name, limit, key, value) \
	{ #name, (void **)&rw_memory.name, rw_keyed_bytes(limit, key, value), limit, key, value }
#define PLAIN(name, bytes) { #name, (void **)&rw_memory.name, bytes, 0, 0, 0 }

static void path_of(char path[PATH_BYTES], const char *name)
{
	if (snprintf(path, PATH_BYTES, "%s/%s", settings.state, name) >= PATH_BYTES)
		die(EXIT_USAGE, "--state %s: too long", settings.state);
}

/* Mapped files that fit keep what they hold; `*kept` says so. */
static void *file_map(const char *name, size_t bytes, bool *kept)
{
	char path[PATH_BYTES];
	struct stat status;
	void *memory;
	int fd;

	path_of(path, name);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || fstat(fd, &status))
		die(EXIT_RUNTIME, "--state: %s: %s", path, strerror(errno));
	*kept = (size_t)status.st_size == bytes;
	if (!*kept && (ftruncate(fd, 0) || ftruncate(fd, (off_t)bytes)))
		die(EXIT_RUNTIME, "--state: %s: %s", path, strerror(errno));
	memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		die(EXIT_RUNTIME, "--state: %s: cannot be mapped: %s", path, strerror(errno));
	close(fd);
	return memory;
}

static bool table_map(const struct table *table)
{
	bool kept;

	*table->at = file_map(table->name, table->bytes, &kept);
	if (!table->limit)
		return kept;
	if (kept)
		rw_keyed_mend(*table->at);
	else
		rw_keyed_begin(*table->at, table->limit, table->key_bytes, table->value_bytes, settings.seeds[0]);
	return kept;
}

/* --- what was left: of this boot, and made for what is wanted now --- */

static size_t boot_id_read(const char *path, char text[64])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd >= 0 ? read(fd, text, 63) : 0;

	if (fd >= 0)
		close(fd);
	return got > 0 ? (size_t)got : 0;
}

/* Ticks are counted on a clock that begins anew with the machine. */
static bool boot_is_same(void)
{
	char path[PATH_BYTES], now[64], then[64];
	size_t bytes = boot_id_read("/proc/sys/kernel/random/boot_id", now);

	path_of(path, "boot_id");
	return bytes && boot_id_read(path, then) == bytes && !memcmp(now, then, bytes);
}

static void boot_write(void)
{
	char path[PATH_BYTES], now[64];
	size_t bytes = boot_id_read("/proc/sys/kernel/random/boot_id", now);
	int fd;

	path_of(path, "boot_id");
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || write(fd, now, bytes) != (ssize_t)bytes)
		die(EXIT_RUNTIME, "--state: %s: %s", path, strerror(errno));
	close(fd);
}

/* `left`: what of them is kept; NULL: nothing. */
static void files_unlink(const struct left *left)
{
	DIR *directory = opendir(settings.state);
	char path[PATH_BYTES + NAME_MAX];
	struct dirent *entry;

	while (directory && (entry = readdir(directory))) {
		if (entry->d_name[0] == '.' || (left && left_has(left, entry->d_name)))
			continue;
		snprintf(path, sizeof(path), "%s/%s", settings.state, entry->d_name);
		if (unlink(path))
			say("%s: %s", path, strerror(errno));
	}
	if (directory)
		closedir(directory);
}

/* Of another boot, geometry, mesh or version: what does not fit goes before any of it is mapped. */
static struct left left_take(struct meta *meta)
{
	char path[PATH_BYTES], bytes[4 * sizeof(*meta)];
	struct left left = { 0 };
	ssize_t got;
	int fd;

	path_of(path, "meta");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	got = fd >= 0 ? read(fd, bytes, sizeof(bytes)) : 0;
	if (fd >= 0)
		close(fd);
	if (got <= 0) {
		files_unlink(NULL);
		return left;
	}
	meta_copy(meta, bytes, (size_t)got);
	if (boot_is_same())
		left = meta_left(meta);
	else
		snprintf(left.why, sizeof(left.why), "of another boot");
	if (!left.all) {
		say("the table under %s does not fit (%s): replaced; %s", settings.state, left.why, left_text(&left));
		files_unlink(&left);
	}
	return left;
}

/* --- load --- */

/* Without its table, its owners and its marks a table is none. */
static bool tables_map(void)
{
	const struct geometry *g = &settings.geometry;
	size_t rows = g->cells / 8 * g->cell_bits, slots = settings.clients + 1, blocks = g->cells / RW_DIRTY_CELLS;
	const struct table tables[] = {
		PLAIN(table, rows),
		PLAIN(owner, g->cells * 2),
		PLAIN(dirty, blocks < 8 ? 8 : blocks),
		PLAIN(mirror, rows * settings.mirrors),
		PLAIN(ctl, sizeof(struct rw_ctl)),
		PLAIN(automata, sizeof(struct rw_automata)),
		PLAIN(windows, slots * sizeof(struct rw_windows)),
		PLAIN(used, slots * sizeof(u64)),
		PLAIN(opener, g->cells),
		PLAIN(half_open, slots * sizeof(struct rw_half_open)),
		PLAIN(filters, RW_FILTERS_MAX * sizeof(struct rw_filter)),
		PLAIN(filter_bits, settings.filter_words * 8ull),
		PLAIN(services, 65536 * sizeof(struct rw_service)),
		PLAIN(client_counters, slots * sizeof(struct rw_client_counters)),
		PLAIN(denied_counters, RW_COUNTERS * sizeof(u64)),
		PLAIN(zone_lengths, RW_PREFIX_LENGTHS * sizeof(u32)),
		KEYED(clients, settings.clients + CLIENTS_SPARE, sizeof(struct rw_client_key), sizeof(struct rw_client)),
		KEYED(ports, PORTS_MAX, 4, sizeof(struct rw_port)),
		KEYED(own_macs, OWN_MACS_MAX, sizeof(struct rw_client_key), 4),
		KEYED(local_addrs, LOCAL_ADDRS_MAX, 16, 4),
		KEYED(zones, PREFIXES_MAX, sizeof(struct rw_zone_key), 4),
		KEYED(zones_1, PREFIXES_MAX, sizeof(struct rw_zone_key), 4),
	};
	bool whole = true;

	for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
		if (!table_map(&tables[i]) && i < 3)
			whole = false;
	return whole;
}

static void zone_lengths_add(enum keyed table)
{
	struct rw_zone_key key;
	bool more = !memory_next(table, NULL, &key);

	while (more) {
		rw_memory.zone_lengths[key.prefix_bits]++;
		more = !memory_next(table, &key, &key);
	}
}

static void zone_lengths_count(void)
{
	memset(rw_memory.zone_lengths, 0, RW_PREFIX_LENGTHS * sizeof(u32));
	zone_lengths_add(KEYED_ZONES);
	zone_lengths_add(KEYED_ZONES_1);
}

void memory_lock(void)
{
	char parent[PATH_BYTES];
	char *slash;
	int fd;

	snprintf(parent, sizeof(parent), "%s", settings.state);
	slash = strrchr(parent, '/');
	if (slash && slash != parent) {
		*slash = 0;
		mkdir(parent, 0755);
	}
	if (mkdir(settings.state, 0700) && errno != EEXIST)
		die(EXIT_RUNTIME, "--state %s: %s", settings.state, strerror(errno));
	fd = open(settings.state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB))
		die(EXIT_RUNTIME, "--state %s: %s", settings.state,
		    errno == EWOULDBLOCK ? "another roamwalld uses it" : strerror(errno));
}

void memory_load(void)
{
	struct meta before;
	struct left left = left_take(&before);
	bool kept;

	maps.picked_up = tables_map() && left.cells;
	maps.owners_stale = maps.picked_up && !rw_memory.clients->count;
	memcpy(rw_memory.seeds, settings.seeds, sizeof(rw_memory.seeds));
	rw_memory.mirrors = settings.mirrors;
	rw_memory.slots = settings.clients + 1;
	rw_memory.filter_words = settings.filter_words;
	zone_lengths_count();
	maps.table = rw_memory.table;
	maps.owner = rw_memory.owner;
	maps.dirty = rw_memory.dirty;
	maps.mirror = rw_memory.mirror;
	maps.ctl = rw_memory.ctl;
	maps.used = (uint64_t *)rw_memory.used;
	maps.opener = rw_memory.opener;
	maps.half_open = rw_memory.half_open;
	maps.services = (uint8_t *)rw_memory.services;
	maps.service_stride = sizeof(*rw_memory.services);
	maps.filter_bits = rw_memory.filter_bits;
	maps.meta = file_map("meta", sizeof(struct meta), &kept);
	if (!maps.picked_up || !left.all)
		meta_init(maps.meta, maps.picked_up ? &before : NULL);
	boot_write();
}

void memory_remove(void)
{
	files_unlink(NULL);
	if (rmdir(settings.state) && errno != ENOENT)
		say("%s: %s", settings.state, strerror(errno));
}

void rw_memory_event(const struct rw_ring_event *event, u32 bytes)
{
	event_take(event, bytes);
}

void memory_set_now(uint64_t now)
{
	rw_memory.ctl->test_now = now;
}

/* --- tables by key --- */

/* Arrays whose key is an index. */
struct array {
	void *at;
	uint32_t entries;
	size_t bytes;
};

static struct array array_of(enum keyed table)
{
	switch (table) {
	case KEYED_AUTOMATA:
		return (struct array){ rw_memory.automata, 1, sizeof(struct rw_automata) };
	case KEYED_CLIENT_COUNTERS:
		return (struct array){ rw_memory.client_counters, rw_memory.slots, sizeof(struct rw_client_counters) };
	case KEYED_DENIED_COUNTERS:
		return (struct array){ rw_memory.denied_counters, RW_COUNTERS, sizeof(u64) };
	case KEYED_FILTERS:
		return (struct array){ rw_memory.filters, RW_FILTERS_MAX, sizeof(struct rw_filter) };
	default:
		return (struct array){ 0 };
	}
}

static struct rw_keyed *keyed_of(enum keyed table)
{
	switch (table) {
	case KEYED_CLIENTS:
		return rw_memory.clients;
	case KEYED_ZONES:
		return rw_memory.zones;
	case KEYED_ZONES_1:
		return rw_memory.zones_1;
	case KEYED_PORTS:
		return rw_memory.ports;
	case KEYED_OWN_MACS:
		return rw_memory.own_macs;
	case KEYED_LOCAL_ADDRS:
		return rw_memory.local_addrs;
	default:
		return NULL;
	}
}

static void *element(const struct array *array, const void *key)
{
	uint32_t index;

	memcpy(&index, key, sizeof(index));
	return index < array->entries ? (uint8_t *)array->at + index * array->bytes : NULL;
}

static bool has_prefixes(enum keyed table)
{
	return table == KEYED_ZONES || table == KEYED_ZONES_1;
}

static int fail(int error)
{
	errno = error;
	return -1;
}

int memory_get(enum keyed table, const void *key, void *value)
{
	struct array array = array_of(table);
	struct rw_keyed *keyed = keyed_of(table);
	void *found = keyed ? rw_keyed_lookup(keyed, key) : element(&array, key);

	if (!found)
		return fail(ENOENT);
	memcpy(value, found, keyed ? keyed->value_bytes : array.bytes);
	return 0;
}

int memory_put(enum keyed table, const void *key, const void *value)
{
	struct array array = array_of(table);
	struct rw_keyed *keyed = keyed_of(table);
	uint32_t count = keyed ? keyed->count : 0;
	void *place = keyed ? rw_keyed_insert(keyed, key) : element(&array, key);

	if (!place)
		return fail(E2BIG);
	memcpy(place, value, keyed ? keyed->value_bytes : array.bytes);
	if (has_prefixes(table) && keyed->count > count)
		rw_memory.zone_lengths[((const struct rw_zone_key *)key)->prefix_bits]++;
	return 0;
}

int memory_drop(enum keyed table, const void *key)
{
	if (!rw_keyed_drop(keyed_of(table), key))
		return fail(ENOENT);
	if (has_prefixes(table))
		rw_memory.zone_lengths[((const struct rw_zone_key *)key)->prefix_bits]--;
	return 0;
}

int memory_next(enum keyed table, const void *key, void *next)
{
	const struct rw_keyed *keyed = keyed_of(table);
	const struct rw_keyed_entry *entry = rw_keyed_next(keyed, key);

	if (!entry)
		return fail(ENOENT);
	memcpy(next, entry->words, keyed->key_bytes);
	return 0;
}
