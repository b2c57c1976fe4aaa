// SPDX-License-Identifier: MIT
/* poke FILE OFFSET VALUE: writes a u32 into the first entry of a pinned BPF array map, for whom its content must be another's. */
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

static int change(uint32_t fd, size_t offset, uint32_t word)
{
	struct bpf_map_info info = {0};
	union bpf_attr describe = {.info = {.bpf_fd = fd, .info_len = sizeof(info), .info = (uintptr_t)&info}};
	uint32_t first = 0;
	uint8_t *value;
	union bpf_attr entry = {.map_fd = fd, .key = (uintptr_t)&first};

	if (bpf(BPF_OBJ_GET_INFO_BY_FD, &describe))
		return -1;
	errno = EINVAL;
	value = offset + sizeof(word) <= info.value_size ? malloc(info.value_size) : NULL;
	entry.value = (uintptr_t)value;
	if (!value || bpf(BPF_MAP_LOOKUP_ELEM, &entry))
		return -1;
	memcpy(value + offset, &word, sizeof(word));
	return bpf(BPF_MAP_UPDATE_ELEM, &entry) ? -1 : 0;
}

int main(int argc, char **argv)
{
	union bpf_attr get = {0};
	long fd;

	if (argc != 4) {
		fprintf(stderr, "usage: poke FILE OFFSET VALUE\n");
		return 2;
	}
	get.pathname = (uintptr_t)argv[1];
	fd = bpf(BPF_OBJ_GET, &get);
	if (fd < 0 || change((uint32_t)fd, strtoul(argv[2], NULL, 0), (uint32_t)strtoul(argv[3], NULL, 0))) {
		fprintf(stderr, "poke: %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	return 0;
}
