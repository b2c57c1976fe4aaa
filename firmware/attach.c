// SPDX-License-Identifier: MIT
/* Attaching the program to a netdev: tcx links where the kernel has them, else clsact. Always first in order. */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ebpf.h"

/* Newer than the headers that some machines build with. */
#define RW_TCX_INGRESS 46
#define RW_TCX_EGRESS 47
#define RW_F_BEFORE (1u << 3)
#define CLSACT_HANDLE 1
#define CLSACT_PRIORITY 1

struct side {
	const char *name;
	const char *program;
	uint32_t tcx;
	enum bpf_tc_attach_point clsact;
};

static const struct side sides[2] = {
	{ "ingress", "rw_from_client", RW_TCX_INGRESS, BPF_TC_INGRESS },
	{ "egress", "rw_to_client", RW_TCX_EGRESS, BPF_TC_EGRESS },
};

/* --- tcx --- */

/* bpffs refuses names with dots; VLAN devices have them. */
static void link_path(char path[PATH_BYTES], const char *port, int side)
{
	int length = snprintf(path, PATH_BYTES, "%s/link_", settings.pin);

	for (; *port; port++)
		path[length++] = *port == '.' ? '%' : *port;
	snprintf(path + length, (size_t)(PATH_BYTES - length), "_%s", sides[side].name);
}

static int tcx_link_create(int program, uint32_t ifindex, uint32_t type)
{
	struct {
		uint32_t program, ifindex, type, flags, relative, pad;
		uint64_t revision;
	} attributes = { .program = (uint32_t)program, .ifindex = ifindex, .type = type, .flags = RW_F_BEFORE };

	return (int)syscall(SYS_bpf, BPF_LINK_CREATE, &attributes, sizeof(attributes));
}

/* The link of a netdev that is gone has ifindex 0, and its pin is in the way. */
static int tcx_pinned(const char *path, uint32_t ifindex)
{
	struct bpf_link_info info = { 0 };
	uint32_t bytes = sizeof(info);
	int fd = bpf_obj_get(path);

	if (fd < 0)
		return -1;
	/* tcx.ifindex lies where xdp.ifindex does */
	if (!bpf_obj_get_info_by_fd(fd, &info, &bytes) && info.xdp.ifindex == ifindex)
		return fd;
	close(fd);
	return -1;
}

static bool tcx_first(uint32_t ifindex, int side)
{
	uint32_t ids[64] = { 0 }, count = ARRAY_SIZE(ids), flags;
	int error = bpf_prog_query((int)ifindex, (enum bpf_attach_type)sides[side].tcx, 0, &flags, ids, &count);

	return (!error || errno == ENOSPC) && ids[0] == ebpf.program_id[side];
}

static int tcx_attach_side(struct port *port, int side)
{
	char path[PATH_BYTES];
	int fd;

	link_path(path, port->setting->name, side);
	fd = port->link[side] >= 0 ? port->link[side] : tcx_pinned(path, port->ifindex);
	if (fd >= 0 && !bpf_link_update(fd, ebpf.program[side], NULL) && tcx_first(port->ifindex, side)) {
		port->link[side] = fd;
		return 0;
	}
	/* dead, or no longer first: a program stands only once in a chain, so the old link goes first */
	if (fd >= 0)
		close(fd);
	port->link[side] = -1;
	unlink(path);
	fd = tcx_link_create(ebpf.program[side], port->ifindex, sides[side].tcx);
	if (fd < 0)
		return -errno;
	port->link[side] = fd;
	if (bpf_obj_pin(fd, path))
		say("%s: %s: not pinned: it will end with this process", path, strerror(errno));
	return 0;
}

static void tcx_detach(struct port *port)
{
	char path[PATH_BYTES];

	for (int side = 0; side < 2; side++) {
		link_path(path, port->setting->name, side);
		unlink(path);
		if (port->link[side] >= 0)
			close(port->link[side]);
		port->link[side] = -1;
	}
}

/* --- clsact --- */

static bool program_is_ours(uint32_t id, const char *name)
{
	struct bpf_prog_info info = { 0 };
	uint32_t bytes = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(id);
	bool ours = fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &bytes) && !strcmp(info.name, name);

	if (fd >= 0)
		close(fd);
	return ours;
}

static uint32_t clsact_program(uint32_t ifindex, int side)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = sides[side].clsact);
	LIBBPF_OPTS(bpf_tc_opts, filter, .handle = CLSACT_HANDLE, .priority = CLSACT_PRIORITY);

	return bpf_tc_query(&hook, &filter) ? 0 : filter.prog_id;
}

static void clsact_detach(uint32_t ifindex)
{
	for (int side = 0; side < 2; side++) {
		LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = sides[side].clsact);
		LIBBPF_OPTS(bpf_tc_opts, filter, .handle = CLSACT_HANDLE, .priority = CLSACT_PRIORITY);

		if (program_is_ours(clsact_program(ifindex, side), sides[side].program))
			bpf_tc_detach(&hook, &filter);
	}
}

static int clsact_attach(struct port *port)
{
	LIBBPF_OPTS(bpf_tc_hook, both, .ifindex = (int)port->ifindex, .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	int error = bpf_tc_hook_create(&both);

	if (error && error != -EEXIST)
		return error;
	for (int side = 0; side < 2; side++) {
		LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)port->ifindex, .attach_point = sides[side].clsact);
		LIBBPF_OPTS(bpf_tc_opts, filter, .handle = CLSACT_HANDLE, .priority = CLSACT_PRIORITY,
			    .prog_fd = ebpf.program[side], .flags = BPF_TC_F_REPLACE);

		error = bpf_tc_attach(&hook, &filter);
		if (error)
			return error;
	}
	return 0;
}

/* --- a port --- */

static int port_attach_tcx(struct port *port)
{
	int error = tcx_attach_side(port, 0);

	return error ? error : tcx_attach_side(port, 1);
}

static bool tcx_is_pinned(const struct port *port, int side)
{
	char path[PATH_BYTES];
	int fd;

	link_path(path, port->setting->name, side);
	fd = tcx_pinned(path, port->ifindex);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

enum attach_kind ebpf_former(const struct port *port)
{
	bool clsact = true;

	if (tcx_is_pinned(port, 0) && tcx_is_pinned(port, 1))
		return ATTACH_TCX;
	for (int side = 0; side < 2; side++)
		clsact &= program_is_ours(clsact_program(port->ifindex, side), sides[side].program);
	return clsact ? ATTACH_CLSACT : ATTACH_NONE;
}

/* The newer kind first; whichever holds, the other is taken away, so that no packet is judged twice. */
int ebpf_attach(struct port *port)
{
	int error = -EINVAL;

	if (upgrade_waits() && ebpf_former(port) != ATTACH_NONE) {
		port->attached = ebpf_former(port);
		return 0;
	}
	if (settings.attach != ATTACH_CLSACT) {
		error = port_attach_tcx(port);
		if (!error) {
			clsact_detach(port->ifindex);
			port->attached = ATTACH_TCX;
			return 0;
		}
	}
	if (settings.attach != ATTACH_TCX) {
		error = clsact_attach(port);
		if (!error) {
			tcx_detach(port);
			port->attached = ATTACH_CLSACT;
			return 0;
		}
	}
	port->attached = ATTACH_NONE;
	return error;
}

void ebpf_detach(struct port *port)
{
	clsact_detach(port->ifindex);
	tcx_detach(port);
}

bool ebpf_was_filtered(const struct port *port)
{
	return tcx_is_pinned(port, 0) || program_is_ours(clsact_program(port->ifindex, 0), sides[0].program);
}

bool ebpf_holds(const struct port *port)
{
	if (upgrade_waits())
		return port->attached != ATTACH_NONE && port->attached == ebpf_former(port);
	if (port->attached == ATTACH_TCX)
		return tcx_first(port->ifindex, 0) && tcx_first(port->ifindex, 1);
	return port->attached == ATTACH_CLSACT && clsact_program(port->ifindex, 0) == ebpf.program_id[0] &&
	       clsact_program(port->ifindex, 1) == ebpf.program_id[1];
}

void ebpf_require(const struct port *port)
{
	if (settings.attach == ATTACH_TCX)
		unfit(EXIT_MISSING, "port %s: this kernel has no tcx (6.6 or newer)", port->setting->name);
	unfit(EXIT_INTERFACE, "port %s: neither tcx (kernel 6.6) nor clsact works (kmod-sched-core, kmod-sched-bpf)",
	      port->setting->name);
}

/* tcx links go with their pins; clsact filters are found by their place and name. */
void ebpf_detach_all(void)
{
	struct if_nameindex *all = if_nameindex();

	for (struct if_nameindex *one = all; one && one->if_index; one++)
		clsact_detach(one->if_index);
	if (all)
		if_freenameindex(all);
}
