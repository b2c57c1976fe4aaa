// SPDX-License-Identifier: MIT
/* The program in the kernel: what it needs of the machine, its maps, its events. */
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "ebpf.h"

#define BPF_FS_MAGIC_NUMBER 0xcafe4a11
#define CAP_BPF_NUMBER 39
/* The kernel's own number, in no user header: "this JIT cannot do that" */
#define ERRNO_NOT_SUPPORTED_BY_JIT 524

struct ebpf ebpf;

static char warnings[16384];
static struct ring_buffer *ring;

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

static const char *machine_lacks_bpffs(void)
{
	static char text[PATH_BYTES + 64];
	char parent[PATH_BYTES];
	struct statfs status;
	char *slash;

	pin_path(parent, "");
	if (statfs(settings.pin, &status)) {
		parent[strlen(parent) - 1] = 0;
		slash = strrchr(parent, '/');
		if (slash)
			slash[slash == parent] = 0;
		if (statfs(slash ? parent : ".", &status)) {
			snprintf(text, sizeof(text), "--pin %s: %s", settings.pin, strerror(errno));
			return text;
		}
	}
	if ((unsigned long)status.f_type == BPF_FS_MAGIC_NUMBER)
		return NULL;
	snprintf(text, sizeof(text), "--pin %s: no bpffs is mounted there (mount -t bpf bpf /sys/fs/bpf)", settings.pin);
	return text;
}

static const char *ebpf_check(void)
{
	static char text[128];
	int fd;

	libbpf_set_print(warnings_keep);
	if (!machine_may(CAP_SYS_ADMIN) && !machine_may(CAP_BPF_NUMBER)) {
		snprintf(text, sizeof(text), "CAP_BPF is missing (uid %u): run as root, or with CAP_BPF and CAP_NET_ADMIN",
			 geteuid());
		return text;
	}
	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "rw_probe", 4, 8, 1, NULL);
	if (fd < 0 && errno == ENOSYS)
		return "this kernel has no bpf(): it needs CONFIG_BPF_SYSCALL";
	if (fd < 0) {
		snprintf(text, sizeof(text), "this kernel refuses bpf(): %s (lockdown, or a capability is missing)",
			 strerror(errno));
		return text;
	}
	close(fd);
	return machine_lacks_bpffs();
}

static unsigned int ebpf_cpus(void)
{
	int cpus = libbpf_num_possible_cpus();

	return cpus > 0 ? (unsigned int)cpus : 1;
}

/* --- load --- */

static void object_prepare(uint32_t atomics)
{
	object_open();
	object_shape(atomics);
	pins_take();
}

/*
 * More than one CPU: cells are exchanged by compare-and-swap, unless the JIT cannot. Then plain stores lose a cell now
 * and then, which costs a retransmission, and is still better than no filter.
 */
static void object_load(void)
{
	uint32_t atomics = ebpf_cpus() > 1;
	int error;

	object_prepare(atomics);
	error = bpf_object__load(ebpf.object);
	if (error == -ERRNO_NOT_SUPPORTED_BY_JIT && atomics) {
		say("this kernel's JIT has no atomics: cells are stored plainly");
		bpf_object__close(ebpf.object);
		object_prepare(0);
		error = bpf_object__load(ebpf.object);
	}
	if (!error)
		return;
	fputs(warnings, stderr);
	if (error == -EPERM || error == -ENOSYS)
		unfit(EXIT_MISSING, "--object %s: the kernel refuses to load it: %s", settings.object, strerror(-error));
	unfit(EXIT_RUNTIME, "--object %s: cannot be loaded: %s", settings.object, strerror(-error));
}

static int map_fd(const char *name)
{
	object_map(name);
	return bpf_object__find_map_fd_by_name(ebpf.object, name);
}

/* Entries of a mapped array lie 8-byte aligned. */
static void *map_mapped(const char *name)
{
	struct bpf_map *map = object_map(name);
	size_t stride = (bpf_map__value_size(map) + 7) & ~7u;

	return map_memory(map_fd(name), stride * bpf_map__max_entries(map), name);
}

static void program_take(int side, const char *name)
{
	struct bpf_program *program = bpf_object__find_program_by_name(ebpf.object, name);
	struct bpf_prog_info info = { 0 };
	uint32_t bytes = sizeof(info);

	if (!program || bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &bytes))
		die(EXIT_RUNTIME, "%s: no program \"%s\": the object is of another version", settings.object, name);
	ebpf.program[side] = bpf_program__fd(program);
	ebpf.program_id[side] = info.id;
}

static void maps_take(void)
{
	static const char *const keyed[KEYED_TABLES] = {
		[KEYED_AUTOMATA] = "automata",
		[KEYED_CLIENTS] = "clients",
		[KEYED_CLIENT_COUNTERS] = "client_counters",
		[KEYED_DENIED_COUNTERS] = "denied_counters",
		[KEYED_FILTERS] = "filters",
		[KEYED_ZONES] = "zones",
		[KEYED_ZONES_1] = "zones_1",
		[KEYED_PORTS] = "ports",
		[KEYED_OWN_MACS] = "own_macs",
		[KEYED_LOCAL_ADDRS] = "local_addrs",
	};

	maps.table = map_mapped("table");
	maps.owner = map_mapped("owner");
	maps.dirty = map_mapped("dirty");
	maps.mirror = map_mapped("mirror");
	maps.ctl = map_mapped("ctl");
	maps.used = map_mapped("used");
	maps.opener = map_mapped("opener");
	maps.half_open = map_mapped("half_open");
	maps.services = map_mapped("services");
	maps.service_stride = 8;
	maps.filter_bits = map_mapped("filter_bits");
	for (int table = 0; table < KEYED_TABLES; table++)
		ebpf.keyed[table] = map_fd(keyed[table]);
	program_take(0, "rw_from_client");
	program_take(1, "rw_to_client");
}

static void ebpf_load(void)
{
	object_choose();
	object_load();
	pins_keep();
	if (!upgrade_begin())
		pins_give();
	maps_take();
}

/* A former program that still filters needs its own tail calls. */
static void ebpf_commit(void)
{
	if (!upgrade_waits())
		pins_commit();
}

/* --- tables by key --- */

static int ebpf_get(enum keyed table, const void *key, void *value)
{
	return bpf_map_lookup_elem(ebpf.keyed[table], key, value) ? -1 : 0;
}

static int ebpf_put(enum keyed table, const void *key, const void *value)
{
	return bpf_map_update_elem(ebpf.keyed[table], key, value, BPF_ANY) ? -1 : 0;
}

static int ebpf_drop(enum keyed table, const void *key)
{
	return bpf_map_delete_elem(ebpf.keyed[table], key) ? -1 : 0;
}

static int ebpf_next(enum keyed table, const void *key, void *next)
{
	return bpf_map_get_next_key(ebpf.keyed[table], key, next) ? -1 : 0;
}

/* --- events --- */

static int ring_take(void *context, void *data, size_t size)
{
	(void)context;
	if (size >= sizeof(struct rw_ring_event))
		event_take(data, size);
	return 0;
}

/* A full ring can swallow a wake-up; whoever emptied it therefore looks for work himself. */
static void ring_drain(uint32_t events)
{
	(void)events;
	ring_buffer__consume(ring);
	sweep_woken();
}

static void ebpf_listen(void)
{
	ring = ring_buffer__new(map_fd("events"), ring_take, NULL, NULL);
	if (!ring || loop_add(ring_buffer__epoll_fd(ring), ring_drain))
		die(EXIT_RUNTIME, "ring buffer: %s", strerror(errno));
}

static void ebpf_stop(void)
{
	say("stopped; the %s stays attached", upgrade_waits() ? "filter before this one" : "filter");
}

static void ebpf_remove(void)
{
	ebpf_detach_all();
	pins_remove();
}

const struct datapath datapath_ebpf = {
	.name = "ebpf",
	.get = ebpf_get,
	.put = ebpf_put,
	.drop = ebpf_drop,
	.next = ebpf_next,
	.copies = ebpf_cpus,
	.check = ebpf_check,
	.lock = pins_lock,
	.load = ebpf_load,
	.commit = ebpf_commit,
	.ready = upgrade_ready,
	.listen = ebpf_listen,
	.run = upgrade_run,
	.stop = ebpf_stop,
	.remove = ebpf_remove,
	.attach = ebpf_attach,
	.detach = ebpf_detach,
	.holds = ebpf_holds,
	.was_filtered = ebpf_was_filtered,
	.require = ebpf_require,
};
