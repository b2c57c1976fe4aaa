// SPDX-License-Identifier: MIT
/*
 * peek FILE: writes a pinned BPF map's values to stdout as they are, entry after entry (a per-CPU map: all CPUs of an
 * entry together); array maps only. It asks neither roamwalld nor the agent, so it also tells when both are dead.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static long bpf(int command, union bpf_attr *attr)
{
	return syscall(SYS_bpf, command, attr, sizeof(*attr));
}

/* The kernel copies a value for each CPU that could ever be plugged in, which sysconf does not tell: "0-3" is four. */
static size_t possible_cpus(void)
{
	FILE *file = fopen("/sys/devices/system/cpu/possible", "r");
	unsigned int first = 0, last = 0;
	int fields = file ? fscanf(file, "%u-%u", &first, &last) : 0;

	if (file)
		fclose(file);
	return fields == 2 ? last + 1u : first + 1u;
}

static size_t value_bytes(const struct bpf_map_info *info)
{
	size_t each = (info->value_size + 7) & ~7u;

	return info->type == BPF_MAP_TYPE_PERCPU_ARRAY ? each * possible_cpus() : info->value_size;
}

static int write_entries(int fd, const struct bpf_map_info *info)
{
	size_t bytes = value_bytes(info);
	void *value = calloc(1, bytes);

	for (uint32_t key = 0; value && key < info->max_entries; key++) {
		union bpf_attr look = {.map_fd = (uint32_t)fd, .key = (uintptr_t)&key, .value = (uintptr_t)value};

		if (bpf(BPF_MAP_LOOKUP_ELEM, &look) || fwrite(value, bytes, 1, stdout) != 1)
			return -1;
	}
	free(value);
	return value ? 0 : -1;
}

int main(int argc, char **argv)
{
	union bpf_attr get = {0}, describe = {0};
	struct bpf_map_info info = {0};
	int fd;

	if (argc != 2) {
		fprintf(stderr, "usage: peek FILE\n");
		return 2;
	}
	get.pathname = (uintptr_t)argv[1];
	fd = (int)bpf(BPF_OBJ_GET, &get);
	describe.info.bpf_fd = (uint32_t)fd;
	describe.info.info_len = sizeof(info);
	describe.info.info = (uintptr_t)&info;
	if (fd < 0 || bpf(BPF_OBJ_GET_INFO_BY_FD, &describe) || write_entries(fd, &info)) {
		fprintf(stderr, "peek: %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	return 0;
}
