// SPDX-License-Identifier: MIT
/*
 * Looks at one Roamwall's pinned maps, and runs its program on made frames. Commands come on stdin, one a line, each
 * answered by one line on stdout:
 *
 *   used                          -> cells in use, cells in all
 *   mirror N COUNT TIMEOUT_MS     -> CLOCK_MONOTONIC ns when mirror N first held COUNT cells, cells held (0 ns: never)
 *   wipe mirrors                  -> ok: so are all mirrors
 *   wipe                          -> ok: table, owners and dirty bytes are zero
 *   load                          -> the load that the program sees, 0..256
 *   run FRAME REPEAT              -> verdict, mean ns of a run
 *   ports FRAME FIRST COUNT       -> verdict of the last, median ns, of one run each with another client port
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "abi.h"

#define FRAME_MAX 512
#define RUNS_MAX 100000
#define CLIENT_PORT_AT 34
#define NS_PER_MS 1000000ull
#define POLL_US 200

struct map {
	int fd;
	uint32_t id;
	size_t bytes;
	void *memory;
};

static struct map table, owner, dirty, mirror, ctl;
static int program;

static void die(const char *what)
{
	fprintf(stderr, "kernel: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t clock_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static struct map map_open(const char *pin, const char *name)
{
	struct bpf_map_info info = { 0 };
	uint32_t bytes = sizeof(info);
	struct map map;
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", pin, name);
	map.fd = bpf_obj_get(path);
	if (map.fd < 0 || bpf_obj_get_info_by_fd(map.fd, &info, &bytes))
		die(path);
	map.id = info.id;
	map.bytes = ((info.value_size + 7) & ~7ul) * info.max_entries;
	map.memory = mmap(NULL, map.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, map.fd, 0);
	if (map.memory == MAP_FAILED)
		die(path);
	return map;
}

/* The newest ingress program that uses this very table: other Roamwalls may run on the machine. */
static int program_find(const char *name, uint32_t map_id)
{
	uint32_t id = 0;
	int found = -1;

	while (bpf_prog_get_next_id(id, &id) == 0) {
		uint32_t maps[64], bytes = sizeof(struct bpf_prog_info), i;
		struct bpf_prog_info info = { .nr_map_ids = 64, .map_ids = (uintptr_t)maps };
		int fd = bpf_prog_get_fd_by_id(id), ours = 0;

		if (fd < 0)
			continue;
		if (bpf_obj_get_info_by_fd(fd, &info, &bytes) == 0 && strncmp(info.name, name, BPF_OBJ_NAME_LEN - 1) == 0)
			for (i = 0; i < info.nr_map_ids && i < 64; i++)
				ours |= maps[i] == map_id;
		if (ours && found >= 0)
			close(found);
		if (ours)
			found = fd;
		else
			close(fd);
	}
	return found;
}

static uint32_t cells_used(const struct map *map, size_t from, size_t bytes)
{
	const uint32_t *cell = (const uint32_t *)((const char *)map->memory + from);
	uint32_t used = 0;
	size_t i;

	for (i = 0; i < bytes / 4; i++)
		used += cell[i] != 0;
	return used;
}

static void mirror_await(unsigned int number, uint32_t count, uint64_t timeout_ms)
{
	uint64_t deadline = clock_now_ns() + timeout_ms * NS_PER_MS, now;
	uint32_t used;

	do {
		/* the agents that fill it need the core more */
		usleep(POLL_US);
		used = cells_used(&mirror, number * table.bytes, table.bytes);
		now = clock_now_ns();
	} while (used < count && now < deadline);
	printf("%llu %u\n", used < count ? 0 : (unsigned long long)now, used);
}

static int frame_parse(unsigned char *frame, const char *hex)
{
	int n = 0;

	for (; hex[0] && hex[1] && n < FRAME_MAX; hex += 2)
		if (sscanf(hex, "%2hhx", &frame[n++]) != 1)
			return 0;
	return n;
}

static int frame_run(unsigned char *frame, int bytes, int repeat, uint32_t *verdict)
{
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = bytes, .repeat = repeat);

	if (bpf_prog_test_run_opts(program, &options))
		die("BPF_PROG_TEST_RUN");
	*verdict = options.retval;
	return options.duration;
}

static int compare(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static void ports_run(unsigned char *frame, int bytes, unsigned int first, unsigned int count)
{
	static int ns[RUNS_MAX];
	uint32_t verdict = 0;
	unsigned int i;

	if (!count || count > RUNS_MAX)
		count = RUNS_MAX;
	for (i = 0; i < count; i++) {
		frame[CLIENT_PORT_AT] = (first + i) >> 8;
		frame[CLIENT_PORT_AT + 1] = first + i;
		ns[i] = frame_run(frame, bytes, 1, &verdict);
	}
	qsort(ns, count, sizeof(*ns), compare);
	printf("%d %d\n", (int)verdict, ns[count / 2]);
}

static void command_run(const char *line)
{
	unsigned char frame[FRAME_MAX];
	char hex[FRAME_MAX * 2 + 1];
	unsigned int a, b;
	uint32_t verdict;
	uint64_t timeout;
	int bytes, ns;

	if (strncmp(line, "used", 4) == 0) {
		printf("%u %zu\n", cells_used(&table, 0, table.bytes), table.bytes / 4);
	} else if (strncmp(line, "wipe mirrors", 12) == 0) {
		memset(mirror.memory, 0, mirror.bytes);
		printf("ok\n");
	} else if (strncmp(line, "wipe", 4) == 0) {
		memset(table.memory, 0, table.bytes);
		memset(owner.memory, 0, owner.bytes);
		memset(dirty.memory, 0, dirty.bytes);
		printf("ok\n");
	} else if (strncmp(line, "load", 4) == 0) {
		printf("%u\n", ((struct rw_ctl *)ctl.memory)->load);
	} else if (sscanf(line, "mirror %u %u %lu", &a, &b, &timeout) == 3) {
		mirror_await(a, b, timeout);
	} else if (sscanf(line, "run %1024s %u", hex, &a) == 2 && (bytes = frame_parse(frame, hex))) {
		ns = frame_run(frame, bytes, a, &verdict);
		printf("%d %d\n", (int)verdict, ns);
	} else if (sscanf(line, "ports %1024s %u %u", hex, &a, &b) == 3 && (bytes = frame_parse(frame, hex))) {
		ports_run(frame, bytes, a, b);
	} else {
		printf("error not a command\n");
	}
	fflush(stdout);
}

int main(int argc, char **argv)
{
	char line[FRAME_MAX * 2 + 64];

	if (argc != 2) {
		fprintf(stderr, "usage: kernel PIN_DIRECTORY\n");
		return 2;
	}
	table = map_open(argv[1], "table");
	owner = map_open(argv[1], "owner");
	dirty = map_open(argv[1], "dirty");
	mirror = map_open(argv[1], "mirror");
	ctl = map_open(argv[1], "ctl");
	program = program_find("rw_from_client", table.id);
	if (program < 0)
		die("rw_from_client");
	printf("ready\n");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin))
		command_run(line);
	return 0;
}
